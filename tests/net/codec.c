/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encoded rules through the real kernel and back, in a network namespace of this program's own.
 *
 *   codec                    the test
 *   codec through COMMAND    the same, with the command (of sh, FAMILY is 4 or 6) run in the namespace before rules are
 *                            read back: it may save and restore them by an iptables of another version
 *   codec dump               no test: prints the rules of the namespace that it is started in, for tests/golden/nft
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/nftcodec.h"
#include "tests/net/netlink.h"
#include "tests/random_rule.h"
#include "tests/rule_text.h"

#define SEED UINT64_C(4711)
#define RULES_RANDOM 500
#define CHAIN "T"
#define TARGET_CHAIN "FWD-INPUT"

static uint16_t set_indexes[RANDOM_SETS];
static const char *between; /* a command, or NULL */

static int set_index(const char *name, uint16_t *ret, void *user)
{
	(void)user;
	if (strncmp(name, "set", 3) != 0 || name[3] < '0' || name[3] >= '0' + RANDOM_SETS)
		return -ENOENT;
	*ret = set_indexes[name[3] - '0'];
	return 0;
}

static int set_name(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user)
{
	(void)user;
	for (int i = 0; i < RANDOM_SETS; i++) {
		if (set_indexes[i] != index)
			continue;
		snprintf(ret, SET_NAME_MAX + 1, "set%d", i);
		return 0;
	}
	return -ENOENT;
}

static const struct codec_sets sets = { set_index, set_name, NULL };

static void sets_create(uint8_t family)
{
	char name[8];

	for (int i = 0; i < RANDOM_SETS; i++) {
		snprintf(name, sizeof(name), "set%d", i);
		set_indexes[i] = set_create(name, family);
	}
}

static void chain_add(struct batch *batch, uint8_t family, const char *name)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain)
		die("chain");
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, family);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, "filter");
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	nftnl_chain_nlmsg_build_payload(batch_message(batch, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE), chain);
	nftnl_chain_free(chain);
	batch_next(batch);
}

static void tables_create(uint8_t family)
{
	struct batch *batch = batch_begin();
	struct nftnl_table *table = nftnl_table_alloc();
	int r;

	if (!table)
		die("table");
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, family);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, "filter");
	nftnl_table_nlmsg_build_payload(batch_message(batch, NFT_MSG_NEWTABLE, family, NLM_F_CREATE), table);
	nftnl_table_free(table);
	batch_next(batch);
	chain_add(batch, family, CHAIN);
	chain_add(batch, family, TARGET_CHAIN);
	r = batch_commit(batch);
	if (r < 0) {
		errno = -r;
		skip("no nf_tables in this kernel");
	}
}

struct dump {
	const struct rule *rules;
	size_t n, seen;
	unsigned wrong;
};

static int compare(const struct nlmsghdr *message, void *user)
{
	struct dump *dump = user;
	struct nftnl_rule *nft = nftnl_rule_alloc();
	struct rule_text want, got;
	struct rule rule;

	if (!nft || nftnl_rule_nlmsg_parse(message, nft) < 0 || nftcodec_decode(nft, &sets, &rule) < 0)
		die("a dumped rule");
	nftnl_rule_free(nft);
	if (dump->seen < dump->n) {
		const struct rule *wanted = &dump->rules[dump->seen];

		rule_to_text(wanted, &want);
		rule_to_text(&rule, &got);
		if (!rule_equal(wanted, &rule) || rule.native || rule.dead_log || !rule.handle ||
		    rule.packets != wanted->packets || rule.bytes != wanted->bytes) {
			printf("rule %zu (counters %llu:%llu)\n  sent %s\n  read %s\n", dump->seen,
			       (unsigned long long)rule.packets, (unsigned long long)rule.bytes, want.text, got.text);
			dump->wrong++;
		}
	}
	dump->seen++;
	rule_clear(&rule);
	return MNL_CB_OK;
}

static int rules_dump(uint8_t family, mnl_cb_t callback, void *user)
{
	char buffer[4096];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, family, NLM_F_DUMP, ++sequence);

	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		die("send");
	return answers(sequence, callback, user);
}

static void rules_flush(uint8_t family)
{
	struct batch *batch = batch_begin();
	struct nftnl_rule *nft = nftnl_rule_alloc();

	if (!nft)
		die("rule");
	nftnl_rule_set_str(nft, NFTNL_RULE_TABLE, "filter");
	nftnl_rule_set_str(nft, NFTNL_RULE_CHAIN, CHAIN);
	nftnl_rule_nlmsg_build_payload(batch_message(batch, NFT_MSG_DELRULE, family, 0), nft);
	nftnl_rule_free(nft);
	batch_next(batch);
	if (batch_commit(batch) < 0)
		die("flush");
}

/* Sends @rules and reads them back. Returns how many came back otherwise. */
static unsigned through_kernel(uint8_t family, const struct rule *rules, size_t n, const char *what)
{
	struct dump dump = { .rules = rules, .n = n };

	for (size_t i = 0; i < n; i++) {
		struct batch *batch = batch_begin();
		struct rule_text text;
		struct nftnl_rule *nft;
		int r = nftcodec_encode(&rules[i], family, "filter", CHAIN, &sets, &nft);

		rule_to_text(&rules[i], &text);
		if (r == 0) {
			nftnl_rule_nlmsg_build_payload(batch_message(batch, NFT_MSG_NEWRULE, family,
								     NLM_F_CREATE | NLM_F_APPEND), nft);
			nftnl_rule_free(nft);
			batch_next(batch);
			r = batch_commit(batch);
		}
		if (r < 0) {
			printf("%s rule %zu: %s\n  %s\n", what, i, strerror(-r), text.text);
			exit(1);
		}
	}
	setenv("FAMILY", family == NFPROTO_IPV4 ? "4" : "6", 1);
	if (between && system(between) != 0) {
		errno = 0;
		die(between);
	}
	if (rules_dump(family, compare, &dump) < 0)
		die("dump");
	if (dump.seen != n)
		printf("%s: %zu rules sent, %zu read\n", what, n, dump.seen);
	else
		printf("%s: %zu rules, %u came back otherwise\n", what, n, dump.wrong);
	rules_flush(family);
	return dump.wrong + (dump.seen != n);
}

static struct rule *rule_begin(struct rule *rules, size_t *n, uint8_t proto)
{
	struct rule *rule = &rules[(*n)++];

	memset(rule, 0, sizeof(*rule));
	if (proto)
		rule_add_match(rule, MATCH_PROTO)->u.proto = proto;
	rule->target.kind = TARGET_ACCEPT;
	return rule;
}

static void ports_rules(struct rule *rules, size_t *n)
{
	static const struct port_span spans[] = { { 0, 0 }, { 0, 1 }, { 1, 65535 }, { 65535, 65535 }, { 22, 22 },
		{ 0, 65534 } };

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		rule_add_match(rule_begin(rules, n, IPPROTO_TCP), MATCH_TCP)->u.ports.dport = spans[i];
		rule_add_match(rule_begin(rules, n, IPPROTO_UDP), MATCH_UDP)->u.ports.sport = spans[i];

		struct match *match = rule_add_match(rule_begin(rules, n, IPPROTO_TCP), MATCH_MULTIPORT);

		match->u.multiport.which = (uint8_t)"sdb"[i % 3];
		match->u.multiport.n = (uint8_t)(i + 1);
		memcpy(match->u.multiport.spans, spans, (i + 1) * sizeof(spans[0]));
	}

	struct match *flags = rule_add_match(rule_begin(rules, n, IPPROTO_TCP), MATCH_TCP);

	flags->u.ports.flag_mask = 0x17; /* --syn */
	flags->u.ports.flag_set = 0x02;
}

static void nets_rules(struct rule *rules, size_t *n, uint8_t family)
{
	unsigned bits = family == NFPROTO_IPV4 ? 32 : 128;

	for (unsigned len = 1; len <= bits; len++) {
		struct match *match = rule_add_match(rule_begin(rules, n, 0), len & 1 ? MATCH_SRC : MATCH_DST);

		match->u.net.addr.family = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
		cidr_mask(len, match->u.net.mask);
		memcpy(match->u.net.addr.bytes, match->u.net.mask, 16);
		match->inverted = len % 3 == 0;
	}
}

static void icmp_rules(struct rule *rules, size_t *n, uint8_t family)
{
	static const uint8_t types[] = { 0, 3, 8, 128, 254, 255 };
	bool ip4 = family == NFPROTO_IPV4;

	for (size_t i = 0; i < sizeof(types); i++) {
		struct rule *rule = rule_begin(rules, n, ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		struct match *match = rule_add_match(rule, ip4 ? MATCH_ICMP : MATCH_ICMP6);

		match->u.icmp.type = types[i];
		match->inverted = i & 1;
		if (i & 2)
			match->u.icmp.code_lo = match->u.icmp.code_hi = 255;
	}
	if (!ip4)
		for (unsigned hl = 0; hl <= 255; hl += 255)
			rule_add_match(rule_begin(rules, n, 0), MATCH_HL)->u.hl = (uint8_t)hl;
}

static void other_rules(struct rule *rules, size_t *n)
{
	char text[256] = { 0 };
	struct match *match;

	for (unsigned proto = 1; proto <= 255; proto += 127)
		rule_begin(rules, n, (uint8_t)proto);
	rule_begin(rules, n, IPPROTO_TCP)->matches[0].inverted = true;
	for (unsigned len = 1; len < IFNAMSIZ; len++) {
		match = rule_add_match(rule_begin(rules, n, 0), len & 1 ? MATCH_IIF : MATCH_OIF);
		memset(match->u.iface.name, 'a', len);
		match->u.iface.prefix = len % 3 == 0 && len < IFNAMSIZ - 1;
	}
	for (unsigned bit = 0; bit < 9; bit++) {
		match = rule_add_match(rule_begin(rules, n, 0), MATCH_CONNTRACK);
		match->u.conntrack.flags = CONNTRACK_STATE | CONNTRACK_DIRECTION;
		match->u.conntrack.states = (uint16_t)(bit == 4 || bit == 5 ? CT_NEW : 1u << bit);
		match->u.conntrack.reply = bit & 1;
		match->u.conntrack.invert = bit & 2 ? CONNTRACK_STATE : 0;
	}
	memset(text, 'x', 255);
	if (match_set_text(rule_add_match(rule_begin(rules, n, 0), MATCH_COMMENT), text) < 0 ||
	    match_set_text(rule_add_match(rule_begin(rules, n, 0), MATCH_COMMENT), "") < 0)
		die("comment");
	for (unsigned group = 0; group <= 65535; group += 65535) {
		struct rule *rule = rule_begin(rules, n, 0);

		rule->target.kind = TARGET_NFLOG;
		rule->target.nflog.group = rule->target.nflog.threshold = (uint16_t)group;
		memset(rule->target.nflog.prefix, 'p', group ? 63 : 1);
	}
	rule_begin(rules, n, 0)->packets = UINT64_MAX >> 1;
}

static void rules_free(struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rule_clear(&rules[i]);
}

/* A namespace of our own for each family: the sets have the same names in both. */
static void space_begin(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		skip("a network namespace of my own");
	socket_open();
}

static unsigned family_test(uint8_t family)
{
	static struct rule rules[RULES_RANDOM];
	const char *seed = getenv("CODEC_SEED");
	uint64_t state = (seed ? strtoull(seed, NULL, 10) : SEED) + family;
	unsigned wrong;
	size_t n = 0;

	space_begin();
	sets_create(family);
	tables_create(family);
	ports_rules(rules, &n);
	nets_rules(rules, &n, family);
	icmp_rules(rules, &n, family);
	other_rules(rules, &n);
	wrong = through_kernel(family, rules, n, "by hand");
	rules_free(rules, n);
	printf("CODEC_SEED=%llu\n", (unsigned long long)state - family);
	for (n = 0; n < RULES_RANDOM; n++)
		random_rule(&state, family, TARGET_CHAIN, &rules[n]);
	wrong += through_kernel(family, rules, n, "random");
	rules_free(rules, n);
	mnl_socket_close(netlink);
	return wrong;
}

static int print_rule(const struct nlmsghdr *message, void *user)
{
	const uint8_t *payload = mnl_nlmsg_get_payload(message);
	struct nftnl_rule *nft = nftnl_rule_alloc();
	struct rule_text text;
	struct rule rule;

	(void)user;
	for (uint32_t i = 0; i < mnl_nlmsg_get_payload_len(message); i++)
		printf("%02x", payload[i]);
	if (!nft || nftnl_rule_nlmsg_parse(message, nft) < 0) {
		nftnl_rule_free(nft);
		nft = NULL;
	}
	if (nftcodec_decode(nft, NULL, &rule) < 0)
		die("decode");
	rule_to_text(&rule, &text);
	printf("\n%s\n", text.text);
	if (nft)
		nftnl_rule_free(nft);
	rule_clear(&rule);
	return MNL_CB_OK;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "dump") == 0) {
		socket_open();
		return rules_dump(AF_UNSPEC, print_rule, NULL) < 0;
	}
	if (argc == 3 && strcmp(argv[1], "through") == 0)
		between = argv[2];
	return family_test(NFPROTO_IPV4) + family_test(NFPROTO_IPV6) ? 1 : 0;
}
