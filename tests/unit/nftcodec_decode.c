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
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/nftcodec.h"
#include "tests/rule_text.h"

#define GOLDEN_LINE_MAX 16384
#define GOLDEN_MIN 35 /* cases that must have been there: an empty file proves nothing */

static void decode_hex(const char *hex, struct rule *ret)
{
	static uint8_t buffer[GOLDEN_LINE_MAX];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nftnl_rule *nft = nftnl_rule_alloc();
	size_t len = strspn(hex, "0123456789abcdef") / 2;
	uint8_t *payload = mnl_nlmsg_put_extra_header(message, len);
	unsigned byte;

	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		payload[i] = (uint8_t)byte;
	}
	assert_int_equal(nftnl_rule_nlmsg_parse(message, nft), 0);
	assert_int_equal(nftcodec_decode(nft, NULL, ret), 0);
	nftnl_rule_free(nft);
}

/* What other programs made, as the kernel told it. */
static void recorded(void **state)
{
	static char name[GOLDEN_LINE_MAX], hex[GOLDEN_LINE_MAX], want[GOLDEN_LINE_MAX], path[4096];
	const char *root = getenv("TEST_SOURCE");
	unsigned cases = 0, wrong = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/nft/rules.txt", root ? root : ".");
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	while (fgets(name, sizeof(name), file)) {
		struct rule_text got;
		struct rule rule;

		if (name[0] != '#')
			continue;
		assert_non_null(fgets(hex, sizeof(hex), file));
		assert_non_null(fgets(want, sizeof(want), file));
		want[strcspn(want, "\n")] = '\0';
		decode_hex(hex, &rule);
		rule_to_text(&rule, &got);
		if (strcmp(got.text, want) != 0) {
			print_error("%s  want %s\n  got  %s\n", name, want, got.text);
			wrong++;
		}
		assert_true(rule.handle > 0);
		rule_clear(&rule);
		cases++;
	}
	fclose(file);
	assert_int_equal(wrong, 0);
	assert_true(cases >= GOLDEN_MIN);
}

static struct nftnl_rule *raw_rule(uint8_t family)
{
	struct nftnl_rule *nft = nftnl_rule_alloc();

	nftnl_rule_set_u32(nft, NFTNL_RULE_FAMILY, family);
	nftnl_rule_set_str(nft, NFTNL_RULE_TABLE, "filter");
	return nft;
}

static struct nftnl_expr *raw_expr(struct nftnl_rule *nft, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	nftnl_rule_add_expr(nft, expr);
	return expr;
}

static void raw_meta(struct nftnl_rule *nft, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = raw_expr(nft, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void raw_compare(struct nftnl_rule *nft, uint32_t op, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = raw_expr(nft, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
}

static void raw_cmp(struct nftnl_rule *nft, uint32_t reg, const void *data, uint32_t len)
{
	raw_compare(nft, NFT_CMP_EQ, reg, data, len);
}

static void raw_proto(struct nftnl_rule *nft, uint32_t op, uint8_t proto)
{
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_compare(nft, op, NFT_REG_1, &proto, 1);
}

static void raw_payload(struct nftnl_rule *nft, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *expr = raw_expr(nft, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void raw_mask(struct nftnl_rule *nft, const char *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = raw_expr(nft, "bitwise");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, len);
}

/* @info is copied: libnftnl frees it. */
static void raw_xt(struct nftnl_rule *nft, bool target, const char *name, uint32_t revision, const void *info,
		   size_t size)
{
	struct nftnl_expr *expr = raw_expr(nft, target ? "target" : "match");
	void *copy = malloc(size);

	memcpy(copy, info, size);
	nftnl_expr_set_str(expr, target ? NFTNL_EXPR_TG_NAME : NFTNL_EXPR_MT_NAME, name);
	nftnl_expr_set_u32(expr, target ? NFTNL_EXPR_TG_REV : NFTNL_EXPR_MT_REV, revision);
	nftnl_expr_set(expr, target ? NFTNL_EXPR_TG_INFO : NFTNL_EXPR_MT_INFO, copy, (uint32_t)size);
}

static void raw_accept(struct nftnl_rule *nft)
{
	struct nftnl_expr *expr = raw_expr(nft, "immediate");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
}

static void expect_text(struct nftnl_rule *nft, const char *want)
{
	struct rule_text got;
	struct rule rule;

	assert_int_equal(nftcodec_decode(nft, NULL, &rule), 0);
	rule_to_text(&rule, &got);
	assert_string_equal(got.text, want);
	rule_clear(&rule);
	if (nft)
		nftnl_rule_free(nft);
}

/* Registers that we cannot follow: nothing of the rule may be believed but its target. */
static void registers(void **state)
{
	static const uint8_t tcp = IPPROTO_TCP, eight[8];
	struct nftnl_rule *nft = raw_rule(NFPROTO_IPV4);

	(void)state;
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_cmp(nft, NFT_REG32_00, &tcp, 1); /* the same register under its other name */
	raw_accept(nft);
	raw_cmp(nft, NFT_REG_4, &tcp, 1); /* never reached */
	expect_text(nft, "proto 6; -> accept");

	nft = raw_rule(NFPROTO_IPV4);
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_cmp(nft, NFT_REG_2, &tcp, 1);
	raw_accept(nft);
	expect_text(nft, "opaque [expressions: meta cmp immediate]; -> accept native");

	nft = raw_rule(NFPROTO_IPV4);
	raw_meta(nft, NFT_META_IIFNAME, NFT_REG_1);
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG32_01); /* writes into the middle of the name */
	raw_cmp(nft, NFT_REG_1, "lo", 3);
	expect_text(nft, "opaque [expressions: meta meta cmp]; -> none native");

	nft = raw_rule(NFPROTO_IPV4);
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_meta(nft, NFT_META_MARK, NFT_REG32_01);
	raw_cmp(nft, NFT_REG_1, eight, sizeof(eight)); /* two values at once */
	expect_text(nft, "opaque [expressions: meta meta cmp]; -> none native");
	expect_text(NULL, "opaque [unknown expressions]; -> opaque [unknown] native");
}

static void protocols(void **state)
{
	struct nftnl_rule *nft = raw_rule(NFPROTO_IPV4);

	(void)state;
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_TCP);
	raw_proto(nft, NFT_CMP_NEQ, IPPROTO_UDP);
	expect_text(nft, "proto 6; -> none");
	nft = raw_rule(NFPROTO_IPV4);
	raw_proto(nft, NFT_CMP_NEQ, IPPROTO_UDP);
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_TCP);
	expect_text(nft, "proto 6; -> none");
	nft = raw_rule(NFPROTO_IPV4);
	raw_proto(nft, NFT_CMP_NEQ, IPPROTO_UDP);
	raw_proto(nft, NFT_CMP_NEQ, IPPROTO_TCP);
	expect_text(nft, "!proto 17; opaque [meta l4proto != 6]; -> none native");
	nft = raw_rule(NFPROTO_IPV4);
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_TCP);
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_UDP);
	expect_text(nft, "proto 6; opaque [meta l4proto 17]; -> none native");
	nft = raw_rule(NFPROTO_IPV4);
	raw_xt(nft, false, "tcp", 0, "\0\0\xff\xff\x16\0\x16\0\0\0\0\0", 12); /* little end first */
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_TCP);
	expect_text(nft, "proto 6; tcp 0-65535 22-22; -> none");
}

static void raw_ports(struct nftnl_rule *nft, const char *mask, uint32_t op, const char *data)
{
	raw_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 4);
	if (mask)
		raw_mask(nft, mask, 4);
	raw_compare(nft, op, NFT_REG_1, data, 4);
}

static void ports(void **state)
{
	static const struct {
		const char *mask;
		uint32_t op;
		const char *data, *want;
	} cases[] = {
		{ NULL, NFT_CMP_EQ, "\0\x05\0\x16", "proto 6; tcp 5-5 22-22; -> none" },
		{ NULL, NFT_CMP_NEQ, "\0\x05\0\x16", "proto 6; opaque [payload th+0]; -> none native" },
		{ "\0\0\xff\xff", NFT_CMP_NEQ, "\0\0\0\x16", "proto 6; tcp 0-65535 !22-22; -> none" },
		{ "\xff\xff\0\0", NFT_CMP_NEQ, "\0\x16\0\0", "proto 6; tcp !22-22 0-65535; -> none" },
		{ "\0\0\xff\xf0", NFT_CMP_EQ, "\0\0\0\x10", "proto 6; tcp 0-65535 16-31; -> none" },
		{ "\0\0\xff\x0f", NFT_CMP_EQ, "\0\0\0\x01", "proto 6; opaque [payload th+0]; -> none native" },
		{ "\0\0\xff\xff", NFT_CMP_EQ, "\x01\0\0\x16", "proto 6; opaque [payload th+0]; -> none native" },
	};
	struct nftnl_rule *nft;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nft = raw_rule(NFPROTO_IPV4);
		raw_proto(nft, NFT_CMP_EQ, IPPROTO_TCP);
		raw_ports(nft, cases[i].mask, cases[i].op, cases[i].data);
		expect_text(nft, cases[i].want);
	}
	nft = raw_rule(NFPROTO_IPV4);
	raw_proto(nft, NFT_CMP_EQ, IPPROTO_UDP);
	raw_ports(nft, "\0\0\xff\xff", NFT_CMP_NEQ, "\0\0\0\x16");
	raw_ports(nft, "\0\0\xff\x00", NFT_CMP_EQ, "\0\0\0\0"); /* "not 22, below 256" are two matches */
	expect_text(nft, "proto 17; udp 0-65535 !22-22; udp 0-65535 0-255; -> none");
	nft = raw_rule(NFPROTO_IPV4); /* ports of a protocol that nobody asked for */
	raw_ports(nft, NULL, NFT_CMP_EQ, "\0\0\0\x16");
	expect_text(nft, "opaque [payload th+0]; -> none native");
}

static void inversions(void **state)
{
	static const uint8_t ip4 = NFPROTO_IPV4, reply = 1;
	uint32_t index = 1;
	struct nftnl_rule *nft = raw_rule(NFPROTO_INET);
	struct nftnl_expr *expr;

	(void)state;
	raw_meta(nft, NFT_META_NFPROTO, NFT_REG_1);
	raw_compare(nft, NFT_CMP_NEQ, NFT_REG_1, &ip4, 1);
	raw_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, 8, 1);
	raw_cmp(nft, NFT_REG_1, "\xfe", 1);
	expect_text(nft, "src ::/::; src fe00::/ff00::; -> none");
	nft = raw_rule(NFPROTO_INET); /* addresses of a family that nobody asked for */
	raw_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, 12, 1);
	raw_cmp(nft, NFT_REG_1, "\x0a", 1);
	expect_text(nft, "opaque [payload nh+12]; -> none");
	nft = raw_rule(NFPROTO_IPV4);
	expr = raw_expr(nft, "ct");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	raw_compare(nft, NFT_CMP_NEQ, NFT_REG_1, &reply, 1);
	expect_text(nft, "conntrack 1000^0 states 0 status 0 reply 0 dport 0-0; -> none native");
	nft = raw_rule(NFPROTO_IPV4);
	raw_meta(nft, NFT_META_IIF, NFT_REG_1);
	raw_compare(nft, NFT_CMP_NEQ, NFT_REG_1, &index, sizeof(index));
	index = 7;
	raw_meta(nft, NFT_META_OIF, NFT_REG_1);
	raw_cmp(nft, NFT_REG_1, &index, sizeof(index));
	expect_text(nft, "!iif lo; opaque [oif 7]; -> none");
}

/* `ct status ! snat`: xt has NAT among the states, but a packet without an entry has no status at all. */
static void nat_status(void **state)
{
	static const uint8_t zero[4], both[4] = { 0x30 }; /* IPS_SRC_NAT, IPS_DST_NAT */
	static const char *const wants[] = {
		"conntrack 1^1 states c0 status 0 reply 0 dport 0-0; conntrack 1^0 states e status 0 reply 0 dport 0-0; -> none native",
		"conntrack 1^0 states c0 status 0 reply 0 dport 0-0; -> none native",
	};

	(void)state;
	for (uint32_t op = NFT_CMP_EQ; op <= NFT_CMP_NEQ; op++) {
		struct nftnl_rule *nft = raw_rule(NFPROTO_IPV4);
		struct nftnl_expr *expr = raw_expr(nft, "ct");

		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
		expr = raw_expr(nft, "bitwise");
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(both));
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, both, sizeof(both));
		nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, sizeof(zero));
		raw_compare(nft, op, NFT_REG_1, zero, sizeof(zero));
		expect_text(nft, wants[op]);
	}
}

static int any_name(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user)
{
	(void)user;
	snprintf(ret, SET_NAME_MAX + 1, "set%u", index);
	return 0;
}

static const struct codec_sets any_set = { .name = any_name };

static void targets(void **state)
{
	uint8_t set[48] = { [2] = 1, [3] = 2, [40] = 1 }; /* flags of xt_set_info_match_v4 */
	struct nftnl_rule *nft = raw_rule(NFPROTO_IPV4);
	struct nftnl_expr *expr = raw_expr(nft, "lookup");
	struct rule rule;

	(void)state;
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, "map");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	raw_accept(nft); /* reached where the map says nothing: the rule may do either */
	expect_text(nft, "-> opaque [vmap @map] native");
	nft = raw_rule(NFPROTO_IPV4);
	raw_xt(nft, true, "REJECT", 0, "\x07\0\0\0\0\0\0\0", 8);
	raw_accept(nft);
	expect_text(nft, "-> reject [--reject-with tcp-reset]");
	nft = raw_rule(NFPROTO_IPV4);
	raw_xt(nft, false, "set", 4, set, sizeof(set));
	assert_int_equal(nftcodec_decode(nft, &any_set, &rule), 0);
	assert_int_equal(rule.matches[0].kind, MATCH_OPAQUE);
	rule_clear(&rule);
	nftnl_rule_free(nft);
	nft = raw_rule(NFPROTO_IPV4);
	nftnl_expr_set_u64(raw_expr(nft, "counter"), NFTNL_EXPR_CTR_PACKETS, 5);
	nftnl_expr_set_u64(raw_expr(nft, "counter"), NFTNL_EXPR_CTR_PACKETS, 3);
	assert_int_equal(nftcodec_decode(nft, NULL, &rule), 0);
	assert_int_equal(rule.packets, 5);
	rule_clear(&rule);
	nftnl_rule_free(nft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),
		cmocka_unit_test(registers),
		cmocka_unit_test(protocols),
		cmocka_unit_test(ports),
		cmocka_unit_test(inversions),
		cmocka_unit_test(nat_status),
		cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests_name("nftcodec_decode", tests, NULL, NULL);
}
