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

/* Registers that we cannot follow: nothing of the rule may be believed but its target. */
static struct nftnl_rule *raw_rule(void)
{
	struct nftnl_rule *nft = nftnl_rule_alloc();

	nftnl_rule_set_u32(nft, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
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

static void raw_cmp(struct nftnl_rule *nft, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = raw_expr(nft, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len);
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

static void registers(void **state)
{
	static const uint8_t tcp = IPPROTO_TCP, eight[8];
	struct nftnl_rule *nft = raw_rule();

	(void)state;
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_cmp(nft, NFT_REG32_00, &tcp, 1); /* the same register under its other name */
	raw_accept(nft);
	raw_cmp(nft, NFT_REG_4, &tcp, 1); /* never reached */
	expect_text(nft, "proto 6; -> accept");

	nft = raw_rule();
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_cmp(nft, NFT_REG_2, &tcp, 1);
	raw_accept(nft);
	expect_text(nft, "opaque [expressions: meta cmp immediate]; -> accept native");

	nft = raw_rule();
	raw_meta(nft, NFT_META_IIFNAME, NFT_REG_1);
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG32_01); /* writes into the middle of the name */
	raw_cmp(nft, NFT_REG_1, "lo", 3);
	expect_text(nft, "opaque [expressions: meta meta cmp]; -> none native");

	nft = raw_rule();
	raw_meta(nft, NFT_META_L4PROTO, NFT_REG_1);
	raw_meta(nft, NFT_META_MARK, NFT_REG32_01);
	raw_cmp(nft, NFT_REG_1, eight, sizeof(eight)); /* two values at once */
	expect_text(nft, "opaque [expressions: meta meta cmp]; -> none native");
	expect_text(NULL, "opaque [unknown expressions]; -> opaque [unknown] native");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),
		cmocka_unit_test(registers),
	};

	return cmocka_run_group_tests_name("nftcodec_decode", tests, NULL, NULL);
}
