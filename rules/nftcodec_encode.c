/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec_int.h"

/* An expression that the rule owns already, so that no error path has to free it. */
static struct nftnl_expr *expr_add(struct nftnl_rule *nft, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (expr)
		nftnl_rule_add_expr(nft, expr);
	return expr;
}

/* nftnl_expr_set_u32() has no return value, and from 1.2.9 on libnftnl refuses some. */
static int put_u32(struct nftnl_expr *expr, uint16_t attr, uint32_t value)
{
	return nftnl_expr_set(expr, attr, &value, sizeof(value));
}

static int put_u64(struct nftnl_expr *expr, uint16_t attr, uint64_t value)
{
	return nftnl_expr_set(expr, attr, &value, sizeof(value));
}

static int add_meta(struct nftnl_rule *nft, uint32_t key)
{
	struct nftnl_expr *expr = expr_add(nft, "meta");

	if (!expr || put_u32(expr, NFTNL_EXPR_META_KEY, key) < 0 || put_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1) < 0)
		return -ENOMEM;
	return 0;
}

static int add_payload(struct nftnl_rule *nft, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *expr = expr_add(nft, "payload");

	if (!expr || put_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base) < 0 ||
	    put_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset) < 0 || put_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len) < 0 ||
	    put_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1) < 0)
		return -ENOMEM;
	return 0;
}

static int add_mask(struct nftnl_rule *nft, const uint8_t *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = expr_add(nft, "bitwise");

	if (!expr || put_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1) < 0 ||
	    put_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1) < 0 || put_u32(expr, NFTNL_EXPR_BITWISE_LEN, len) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0)
		return -ENOMEM;
	return 0;
}

static int add_cmp(struct nftnl_rule *nft, bool inverted, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = expr_add(nft, "cmp");

	if (!expr || put_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1) < 0 ||
	    put_u32(expr, NFTNL_EXPR_CMP_OP, inverted ? NFT_CMP_NEQ : NFT_CMP_EQ) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len) < 0)
		return -ENOMEM;
	return 0;
}

static int encode_iface(struct nftnl_rule *nft, const struct match *match)
{
	size_t len = strnlen(match->u.iface.name, IFNAMSIZ);
	int r;

	if (len == 0 || len == IFNAMSIZ)
		return -EINVAL;
	if (match->u.iface.prefix && len == IFNAMSIZ - 1)
		return -EOPNOTSUPP; /* no room for the "+": iptables 1.8.9 loses the match */
	r = add_meta(nft, match->kind == MATCH_IIF ? NFT_META_IIFNAME : NFT_META_OIFNAME);
	if (r < 0)
		return r;
	/* the NUL is what tells "eth" from "eth+" */
	return add_cmp(nft, match->inverted, match->u.iface.name, (uint32_t)(match->u.iface.prefix ? len : len + 1));
}

/* Bytes of a mask that consists of whole bytes in front; 0 if it is not of that kind. */
static uint32_t mask_bytes(const uint8_t *mask, uint32_t len)
{
	uint32_t n = 0;

	while (n < len && mask[n] == 0xff)
		n++;
	for (uint32_t i = n; i < len; i++)
		if (mask[i])
			return 0;
	return n;
}

static int encode_net(struct nftnl_rule *nft, const struct match *match, uint8_t family)
{
	bool ip4 = family == NFPROTO_IPV4;
	uint32_t len = ip4 ? 4 : 16, offset = ip4 ? 12 : 8, whole = mask_bytes(match->u.net.mask, len);
	uint8_t value[16];
	bool any = true;
	int r;

	if (match->u.net.addr.family != (ip4 ? AF_INET : AF_INET6))
		return -EINVAL;
	for (uint32_t i = 0; i < len; i++) {
		value[i] = match->u.net.addr.bytes[i] & match->u.net.mask[i];
		any = any && !match->u.net.mask[i];
	}
	if (any)
		return -EINVAL; /* iptables has no expression for 0.0.0.0/0: the match would be lost */
	if (match->kind == MATCH_DST)
		offset += len;
	r = add_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, offset, whole ? whole : len);
	if (r == 0 && !whole)
		r = add_mask(nft, match->u.net.mask, len);
	return r < 0 ? r : add_cmp(nft, match->inverted, value, whole ? whole : len);
}

static int encode_native(struct nftnl_rule *nft, const struct match *match, uint8_t family)
{
	int r;

	switch (match->kind) {
	case MATCH_IIF:
	case MATCH_OIF:
		return encode_iface(nft, match);
	case MATCH_SRC:
	case MATCH_DST:
		return encode_net(nft, match, family);
	case MATCH_PROTO:
		if (match->u.proto == 0)
			return -EINVAL;
		r = add_meta(nft, NFT_META_L4PROTO);
		return r < 0 ? r : add_cmp(nft, match->inverted, &match->u.proto, 1);
	default:
		return -EINVAL;
	}
}

static bool is_native(const struct match *match)
{
	return match->kind <= MATCH_PROTO;
}

/* Takes @xt->info in every case. */
static int add_xt(struct nftnl_rule *nft, bool target, const struct codec_xt *xt)
{
	struct nftnl_expr *expr = expr_add(nft, target ? "target" : "match");

	if (!expr || nftnl_expr_set_str(expr, target ? NFTNL_EXPR_TG_NAME : NFTNL_EXPR_MT_NAME, xt->name) < 0 ||
	    put_u32(expr, target ? NFTNL_EXPR_TG_REV : NFTNL_EXPR_MT_REV, xt->revision) < 0 ||
	    nftnl_expr_set(expr, target ? NFTNL_EXPR_TG_INFO : NFTNL_EXPR_MT_INFO, xt->info, xt->size) < 0) {
		free(xt->info);
		return -ENOMEM;
	}
	return 0;
}

static int add_verdict(struct nftnl_rule *nft, uint32_t verdict, const char *chain)
{
	struct nftnl_expr *expr = expr_add(nft, "immediate");

	if (!expr || put_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT) < 0 ||
	    put_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict) < 0 ||
	    (chain && nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain) < 0))
		return -ENOMEM;
	return 0;
}

static int encode_target(struct nftnl_rule *nft, const struct target *target)
{
	struct codec_xt xt;
	int r;

	switch (target->kind) {
	case TARGET_NONE:
		return 0;
	case TARGET_ACCEPT:
		return add_verdict(nft, NF_ACCEPT, NULL);
	case TARGET_DROP:
		return add_verdict(nft, NF_DROP, NULL);
	case TARGET_RETURN:
		return add_verdict(nft, (uint32_t)NFT_RETURN, NULL);
	case TARGET_JUMP:
	case TARGET_GOTO:
		if (!target->chain || !*target->chain)
			return -EINVAL;
		if (strlen(target->chain) > CHAIN_NAME_MAX)
			return -EOPNOTSUPP;
		return add_verdict(nft, (uint32_t)(target->kind == TARGET_JUMP ? NFT_JUMP : NFT_GOTO), target->chain);
	case TARGET_NFLOG:
		r = codec_xt_encode_nflog(target, &xt);
		return r < 0 ? r : add_xt(nft, true, &xt);
	case TARGET_REJECT:
	case TARGET_LOG:
	case TARGET_OPAQUE:
		break;
	}
	return -EOPNOTSUPP;
}

/* The head, and the protocol that xt matches are told by (the kernel wants it beside the expressions). */
static int encode_head(struct nftnl_rule *nft, const struct match *proto, uint8_t family, const char *table,
		       const char *chain)
{
	uint32_t value = family, flags = proto && proto->inverted ? NFT_RULE_COMPAT_F_INV : 0;

	if (nftnl_rule_set_data(nft, NFTNL_RULE_FAMILY, &value, sizeof(value)) < 0 ||
	    nftnl_rule_set_str(nft, NFTNL_RULE_TABLE, table) < 0 ||
	    nftnl_rule_set_str(nft, NFTNL_RULE_CHAIN, chain) < 0)
		return -ENOMEM;
	if (!proto)
		return 0;
	value = proto->u.proto;
	/* both, or libnftnl leaves both out */
	if (nftnl_rule_set_data(nft, NFTNL_RULE_COMPAT_PROTO, &value, sizeof(value)) < 0 ||
	    nftnl_rule_set_data(nft, NFTNL_RULE_COMPAT_FLAGS, &flags, sizeof(flags)) < 0)
		return -ENOMEM;
	return 0;
}

static int find_proto(const struct rule *rule, const struct match **ret)
{
	const struct match *proto = NULL;

	for (size_t i = 0; i < rule->n_matches; i++) {
		if (rule->matches[i].kind != MATCH_PROTO)
			continue;
		if (proto)
			return -EINVAL;
		proto = &rule->matches[i];
	}
	*ret = proto;
	return 0;
}

/* Native matches go first: they are cheap, and xt matches of ports trust that the protocol has been checked. */
static int encode_matches(struct nftnl_rule *nft, const struct rule *rule, const struct match *proto, uint8_t family,
			  const struct codec_sets *sets)
{
	uint8_t number = proto && !proto->inverted ? proto->u.proto : 0;
	struct codec_xt xt;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rule->n_matches; i++)
		if (is_native(&rule->matches[i]))
			r = encode_native(nft, &rule->matches[i], family);
	for (size_t i = 0; r == 0 && i < rule->n_matches; i++) {
		if (is_native(&rule->matches[i]))
			continue;
		r = codec_xt_encode_match(&rule->matches[i], family, number, sets, &xt);
		if (r == 0)
			r = add_xt(nft, false, &xt);
	}
	return r;
}

int nftcodec_encode(const struct rule *rule, uint8_t family, const char *table, const char *chain,
		    const struct codec_sets *sets, struct nftnl_rule **ret)
{
	const struct match *proto;
	struct nftnl_expr *counter;
	struct nftnl_rule *nft;
	int r;

	if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return -EINVAL;
	if (rule->dead_log || strlen(chain) > CHAIN_NAME_MAX)
		return -EOPNOTSUPP;
	r = find_proto(rule, &proto);
	if (r < 0)
		return r;
	nft = nftnl_rule_alloc();
	if (!nft)
		return -ENOMEM;
	r = encode_head(nft, proto, family, table, chain);
	if (r == 0)
		r = encode_matches(nft, rule, proto, family, sets);
	if (r == 0) {
		counter = expr_add(nft, "counter");
		if (!counter || put_u64(counter, NFTNL_EXPR_CTR_PACKETS, rule->packets) < 0 ||
		    put_u64(counter, NFTNL_EXPR_CTR_BYTES, rule->bytes) < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		r = encode_target(nft, &rule->target);
	if (r < 0) {
		nftnl_rule_free(nft);
		return r;
	}
	*ret = nft;
	return 0;
}
