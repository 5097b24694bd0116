/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec.h"
#include "tests/random_rule.h"

#define SEED UINT64_C(20260207)
#define ROUNDS 5000

static int set_index(const char *name, uint16_t *ret, void *user)
{
	(void)user;
	if (strncmp(name, "set", 3) != 0 || name[3] < '0' || name[3] >= '0' + RANDOM_SETS)
		return -ENOENT;
	*ret = (uint16_t)(name[3] - '0');
	return 0;
}

static int set_name(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user)
{
	(void)user;
	if (index >= RANDOM_SETS)
		return -ENOENT;
	snprintf(ret, SET_NAME_MAX + 1, "set%u", index);
	return 0;
}

static const struct codec_sets sets = { set_index, set_name, NULL };

/* What the rule becomes on the wire and back. */
static void through_wire(struct nftnl_rule *nft, uint8_t family, struct nftnl_rule **ret)
{
	static char buffer[16384];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_NEWRULE, family, 0, 0);
	struct nftnl_rule *parsed = nftnl_rule_alloc();

	assert_non_null(parsed);
	nftnl_rule_nlmsg_build_payload(message, nft);
	assert_in_range(message->nlmsg_len, 1, sizeof(buffer));
	assert_int_equal(nftnl_rule_nlmsg_parse(message, parsed), 0);
	*ret = parsed;
}

static void expect_round(const struct rule *rule, uint8_t family, const char *what)
{
	struct nftnl_rule *nft, *parsed;
	struct rule direct, wired;
	int r = nftcodec_encode(rule, family, "filter", "INPUT", &sets, &nft);

	if (r < 0)
		fail_msg("%s: encode says %s", what, strerror(-r));
	assert_int_equal(nftcodec_decode(nft, &sets, &direct), 0);
	through_wire(nft, family, &parsed);
	assert_int_equal(nftcodec_decode(parsed, &sets, &wired), 0);
	if (!rule_equal(rule, &direct) || direct.native || direct.dead_log)
		fail_msg("%s: the object came back as another rule", what);
	if (!rule_equal(rule, &wired) || wired.native || wired.dead_log)
		fail_msg("%s: the message came back as another rule", what);
	assert_int_equal(wired.packets, rule->packets);
	assert_int_equal(wired.bytes, rule->bytes);
	nftnl_rule_free(nft);
	nftnl_rule_free(parsed);
	rule_clear(&direct);
	rule_clear(&wired);
}

static void random_rounds(uint8_t family)
{
	uint64_t state = SEED + family;
	char what[32];

	print_message("# seed %llu\n", (unsigned long long)state);
	for (int i = 0; i < ROUNDS; i++) {
		struct rule rule;

		random_rule(&state, family, "FWD-INPUT", &rule);
		rule.packets = random_next(&state);
		rule.bytes = random_next(&state);
		snprintf(what, sizeof(what), "random rule %d", i);
		expect_round(&rule, family, what);
		rule_clear(&rule);
	}
}

static void random_ip4(void **state)
{
	(void)state;
	random_rounds(NFPROTO_IPV4);
}

static void random_ip6(void **state)
{
	(void)state;
	random_rounds(NFPROTO_IPV6);
}

static struct rule *rule_of(struct rule *rule, uint8_t proto)
{
	memset(rule, 0, sizeof(*rule));
	if (proto)
		rule_add_match(rule, MATCH_PROTO)->u.proto = proto;
	return rule;
}

static const void *first_info(const struct nftnl_rule *nft, const char *name, uint32_t *len)
{
	struct nftnl_expr_iter *iter = nftnl_expr_iter_create(nft);
	const void *info = NULL;
	struct nftnl_expr *expr;

	while ((expr = nftnl_expr_iter_next(iter))) {
		const char *type = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

		if (strcmp(type, "match") == 0 && strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_MT_NAME), name) == 0)
			info = nftnl_expr_get(expr, NFTNL_EXPR_MT_INFO, len);
		if (strcmp(type, "target") == 0 && strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_TG_NAME), name) == 0)
			info = nftnl_expr_get(expr, NFTNL_EXPR_TG_INFO, len);
	}
	nftnl_expr_iter_destroy(iter);
	return info;
}

/* Offsets and sizes as the kernel has them (docs and measurement), not as our own decoder would forgive them. */
static void wire_layout(void **state)
{
	struct nftnl_rule *nft;
	const uint8_t *info;
	struct match *match;
	struct rule rule;
	uint32_t len;
	uint16_t port;

	(void)state;
	match = rule_add_match(rule_of(&rule, IPPROTO_TCP), MATCH_SET);
	strcpy(match->u.set.name, "set2");
	match->u.set.dim = 2;
	match->u.set.src = 1;
	match->inverted = true;
	match = rule_add_match(&rule, MATCH_CONNTRACK);
	match->u.conntrack.flags = CONNTRACK_ORIGDST_PORT | CONNTRACK_DIRECTION;
	match->u.conntrack.reply = true;
	match->u.conntrack.origdst_port = (struct port_span){ 8081, 8081 };
	assert_int_equal(rule_set_target(&rule, TARGET_NFLOG, NULL), 0);
	rule.target.nflog.size = 64;
	assert_int_equal(nftcodec_encode(&rule, NFPROTO_IPV4, "filter", "INPUT", &sets, &nft), 0);
	info = first_info(nft, "set", &len);
	assert_int_equal(len, 48);
	assert_int_equal(info[0], 2); /* index; little end first on every machine that runs this test */
	assert_int_equal(info[2], 2);
	assert_int_equal(info[3], 3); /* src, inverted */
	info = first_info(nft, "conntrack", &len);
	assert_int_equal(len, 168);
	memcpy(&port, info + 140, sizeof(port)); /* origdst_port, behind expires_max, l4proto and origsrc_port */
	assert_int_equal(port, 8081);
	memcpy(&port, info + 156, sizeof(port)); /* origdst_port_high */
	assert_int_equal(port, 8081);
	info = first_info(nft, "NFLOG", &len);
	assert_int_equal(len, 80);
	assert_int_equal(info[8], 1); /* XT_NFLOG_F_COPY_LEN */
	assert_int_equal(nftnl_rule_get_u32(nft, NFTNL_RULE_COMPAT_PROTO), IPPROTO_TCP);
	assert_true(nftnl_rule_is_set(nft, NFTNL_RULE_COMPAT_FLAGS));
	nftnl_rule_free(nft);
	rule_clear(&rule);
}

static void expect_error(struct rule *rule, uint8_t family, int error)
{
	struct nftnl_rule *nft = NULL;

	assert_int_equal(nftcodec_encode(rule, family, "filter", "INPUT", &sets, &nft), error);
	assert_null(nft);
	rule_clear(rule);
}

/* What would be lost or misread later is refused now. */
static void refusals(void **state)
{
	struct rule rule;
	struct match *match;

	(void)state;
	rule_add_match(rule_of(&rule, 0), MATCH_TCP);
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	rule_add_match(rule_of(&rule, IPPROTO_UDP), MATCH_TCP);
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	rule_add_match(rule_of(&rule, IPPROTO_TCP), MATCH_TCP);
	rule.matches[0].inverted = true;
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	rule_add_match(rule_of(&rule, IPPROTO_TCP), MATCH_PROTO)->u.proto = IPPROTO_UDP;
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	rule_add_match(rule_of(&rule, 0), MATCH_SRC)->u.net.addr.family = AF_INET;
	expect_error(&rule, NFPROTO_IPV4, -EINVAL); /* /0 */
	match = rule_add_match(rule_of(&rule, 0), MATCH_SRC);
	match->u.net.addr.family = AF_INET6;
	match->u.net.mask[0] = 0xff;
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	rule_add_match(rule_of(&rule, 0), MATCH_IIF);
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
	match = rule_add_match(rule_of(&rule, 0), MATCH_IIF);
	memset(match->u.iface.name, 'a', IFNAMSIZ - 1);
	match->u.iface.prefix = true;
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	rule_add_match(rule_of(&rule, IPPROTO_TCP), MATCH_TCP)->u.ports.not_dport = true;
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	match = rule_add_match(rule_of(&rule, 0), MATCH_SET);
	strcpy(match->u.set.name, "nosuch");
	match->u.set.dim = 1;
	expect_error(&rule, NFPROTO_IPV4, -ENOENT);
	match = rule_add_match(rule_of(&rule, 0), MATCH_COMMENT);
	match_set_text(match, "line\nbreak");
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	match_set_text(rule_add_match(rule_of(&rule, 0), MATCH_LIMIT), "--limit 5/sec");
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	match_set_text(rule_add_match(rule_of(&rule, 0), MATCH_OPAQUE), "fib");
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	rule_set_target(rule_of(&rule, 0), TARGET_LOG, NULL);
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	rule_set_target(rule_of(&rule, 0), TARGET_REJECT, NULL);
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	rule_set_target(rule_of(&rule, 0), TARGET_JUMP, "12345678901234567890123456789");
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	rule_of(&rule, 0)->dead_log = true;
	expect_error(&rule, NFPROTO_IPV4, -EOPNOTSUPP);
	expect_error(rule_of(&rule, 0), NFPROTO_INET, -EINVAL);
}

/* Sixteen ports do not fit: a range takes two places. */
static void multiport_limit(void **state)
{
	struct rule rule;
	struct match *match = rule_add_match(rule_of(&rule, IPPROTO_TCP), MATCH_MULTIPORT);

	(void)state;
	match->u.multiport.which = 'd';
	match->u.multiport.n = 8;
	for (uint16_t i = 0; i < 8; i++)
		match->u.multiport.spans[i] = (struct port_span){ i, (uint16_t)(i + 1) };
	match->u.multiport.spans[7].hi = 7;
	expect_round(&rule, NFPROTO_IPV4, "fifteen places");
	match->u.multiport.spans[7].hi = 8;
	expect_error(&rule, NFPROTO_IPV4, -EINVAL);
}

/* An index that nobody knows is not taken for another set. */
static void unknown_set(void **state)
{
	struct nftnl_rule *nft;
	struct match *match;
	struct rule rule, back;

	(void)state;
	match = rule_add_match(rule_of(&rule, 0), MATCH_SET);
	strcpy(match->u.set.name, "set1");
	match->u.set.dim = 1;
	assert_int_equal(nftcodec_encode(&rule, NFPROTO_IPV4, "filter", "INPUT", &sets, &nft), 0);
	assert_int_equal(nftcodec_decode(nft, NULL, &back), 0);
	assert_int_equal(back.n_matches, 1);
	assert_int_equal(back.matches[0].kind, MATCH_OPAQUE);
	assert_string_equal(back.matches[0].text, "-m set");
	rule_clear(&back);
	rule_clear(&rule);
	nftnl_rule_free(nft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ip4),  cmocka_unit_test(random_ip6),      cmocka_unit_test(wire_layout),
		cmocka_unit_test(refusals),    cmocka_unit_test(multiport_limit), cmocka_unit_test(unknown_set),
	};

	return cmocka_run_group_tests_name("nftcodec", tests, NULL, NULL);
}
