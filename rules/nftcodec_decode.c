/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec_int.h"

#define UDATA_RULE_COMMENT 0 /* NFTNL_UDATA_RULE_COMMENT (libnftnl/udata.h) */

/* libnftnl's getters of numbers do not ask whether the attribute is there, nor how wide it is. */
const void *codec_data(const struct nftnl_expr *expr, uint16_t attr, uint32_t *len)
{
	const void *data;

	*len = 0;
	data = nftnl_expr_is_set(expr, attr) ? nftnl_expr_get(expr, attr, len) : NULL;
	if (!data)
		*len = 0;
	return data;
}

const char *codec_str(const struct nftnl_expr *expr, uint16_t attr)
{
	const char *text = nftnl_expr_is_set(expr, attr) ? nftnl_expr_get_str(expr, attr) : NULL;

	return text ? text : "";
}

uint32_t codec_u32(const struct nftnl_expr *expr, uint16_t attr)
{
	uint32_t len, value = 0;
	const void *data = codec_data(expr, attr, &len);

	if (len == sizeof(value))
		memcpy(&value, data, len);
	return value;
}

uint64_t codec_u64(const struct nftnl_expr *expr, uint16_t attr)
{
	uint32_t len;
	uint64_t value = 0;
	const void *data = codec_data(expr, attr, &len);

	if (len == sizeof(value))
		memcpy(&value, data, len);
	return value;
}

int codec_opaque(struct decoder *d, const char *format, ...)
{
	char text[CODEC_TEXT_MAX];
	struct match *match;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* "A to B" is two comparisons: say it once */
	for (size_t i = 0; i < d->rule->n_matches; i++)
		if (d->rule->matches[i].kind == MATCH_OPAQUE && strcmp(d->rule->matches[i].text, text) == 0)
			return 0;
	match = rule_add_match(d->rule, MATCH_OPAQUE);
	if (!match)
		return -ENOMEM;
	if (match_set_text(match, text) < 0) {
		d->rule->n_matches--; /* nobody may see an opaque match without text */
		return -ENOMEM;
	}
	return 0;
}

int codec_unread(struct decoder *d, const struct load *load)
{
	d->native = d->native || !load->printable;
	return codec_opaque(d, "%s", load->name);
}

static bool target_logs(enum target_kind kind)
{
	return kind == TARGET_LOG || kind == TARGET_NFLOG;
}

/* A rule has room for one target. A verdict wins over a log, and what may decide anything over both. */
int codec_target(struct decoder *d, enum target_kind kind, const char *chain, const char *text)
{
	struct target *target = &d->rule->target;

	if (target->kind == TARGET_OPAQUE)
		return 0;
	if (target_logs(target->kind)) {
		d->rule->dead_log = true;
		if (target_logs(kind))
			return 0;
	}
	if (target_set_text(target, text) < 0)
		return -ENOMEM;
	memset(&target->nflog, 0, sizeof(target->nflog));
	return rule_set_target(d->rule, kind, chain);
}

static int on_cmp(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t len;
	const uint8_t *data = codec_data(expr, NFTNL_EXPR_CMP_DATA, &len);
	const struct load *load = codec_load_find(d, codec_u32(expr, NFTNL_EXPR_CMP_SREG), len);

	return load ? codec_compare(d, load, codec_u32(expr, NFTNL_EXPR_CMP_OP), data, len) : 0;
}

static int on_range(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t from_len, to_len, op = codec_u32(expr, NFTNL_EXPR_RANGE_OP);
	const uint8_t *from = codec_data(expr, NFTNL_EXPR_RANGE_FROM_DATA, &from_len);
	const uint8_t *to = codec_data(expr, NFTNL_EXPR_RANGE_TO_DATA, &to_len);
	uint32_t len = from_len == to_len ? from_len : 0;
	const struct load *load = codec_load_find(d, codec_u32(expr, NFTNL_EXPR_RANGE_SREG), len);

	if (!load)
		return 0;
	return codec_range(d, load, op == NFT_RANGE_NEQ, from, to, len);
}

static int on_lookup(struct decoder *d, const struct nftnl_expr *expr)
{
	const char *set = codec_str(expr, NFTNL_EXPR_LOOKUP_SET);
	uint32_t reg = codec_u32(expr, NFTNL_EXPR_LOOKUP_DREG);
	char text[CODEC_TEXT_MAX];
	int r;

	d->native = true;
	if (nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_DREG) && reg == NFT_REG_VERDICT) {
		snprintf(text, sizeof(text), "vmap @%s", set);
		return codec_target(d, TARGET_OPAQUE, NULL, text);
	}
	r = codec_opaque(d, "lookup @%s", set);
	if (r == 0 && nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_DREG))
		r = codec_load_other(d, reg, 0, "map");
	return r;
}

static int on_counter(struct decoder *d, const struct nftnl_expr *expr)
{
	if (!d->counted) {
		d->rule->packets = codec_u64(expr, NFTNL_EXPR_CTR_PACKETS);
		d->rule->bytes = codec_u64(expr, NFTNL_EXPR_CTR_BYTES);
	}
	d->counted = true;
	return 0;
}

static int on_immediate(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t len, reg = codec_u32(expr, NFTNL_EXPR_IMM_DREG);

	if (reg == NFT_REG_VERDICT)
		return codec_verdict(d, expr);
	codec_data(expr, NFTNL_EXPR_IMM_DATA, &len);
	return codec_load_other(d, reg, len, "immediate");
}

static int on_exthdr(struct decoder *d, const struct nftnl_expr *expr)
{
	d->native = true;
	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_EXTHDR_DREG))
		return codec_opaque(d, "exthdr set");
	return codec_load_other(d, codec_u32(expr, NFTNL_EXPR_EXTHDR_DREG), codec_u32(expr, NFTNL_EXPR_EXTHDR_LEN),
				"exthdr");
}

static int on_ignored(struct decoder *d, const struct nftnl_expr *expr)
{
	(void)expr;
	d->native = true;
	return 0;
}

/* Expressions that load a value of a length that we need not know; where the register's number stands. */
static const struct {
	const char *name;
	uint16_t dreg;
} loaders[] = {
	{ "fib", NFTNL_EXPR_FIB_DREG },       { "hash", NFTNL_EXPR_HASH_DREG },   { "numgen", NFTNL_EXPR_NG_DREG },
	{ "osf", NFTNL_EXPR_OSF_DREG },       { "rt", NFTNL_EXPR_RT_DREG },       { "socket", NFTNL_EXPR_SOCKET_DREG },
	{ "tunnel", NFTNL_EXPR_TUNNEL_DREG }, { "xfrm", NFTNL_EXPR_XFRM_DREG },
};

static const struct {
	const char *name;
	int (*decode)(struct decoder *d, const struct nftnl_expr *expr);
} readers[] = {
	{ "bitwise", codec_bitwise },       { "byteorder", codec_byteorder }, { "cmp", on_cmp },
	{ "counter", on_counter },          { "ct", codec_ct },               { "exthdr", on_exthdr },
	{ "immediate", on_immediate },      { "last", on_ignored },           { "limit", codec_limit },
	{ "log", codec_log },               { "lookup", on_lookup },          { "match", codec_xt_decode_match },
	{ "meta", codec_meta },             { "payload", codec_payload },     { "range", on_range },
	{ "reject", codec_reject },         { "target", codec_xt_decode_target },
};

/* What cannot end the way of a packet by itself. All that is neither here nor above may. */
static const char *const bystanders[] = { "connlimit", "dup", "dynset", "flow_offload", "notrack", "objref", "quota" };

static int decode_expr(struct decoder *d, const struct nftnl_expr *expr)
{
	const char *name = codec_str(expr, NFTNL_EXPR_NAME);
	size_t used = strlen(d->names);

	snprintf(d->names + used, sizeof(d->names) - used, " %s", name);
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(name, readers[i].name) == 0)
			return readers[i].decode(d, expr);
	d->native = true;
	for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
		if (strcmp(name, loaders[i].name) == 0 && nftnl_expr_is_set(expr, loaders[i].dreg))
			return codec_load_other(d, codec_u32(expr, loaders[i].dreg), 0, name);
	for (size_t i = 0; i < sizeof(bystanders) / sizeof(bystanders[0]); i++)
		if (strcmp(name, bystanders[i]) == 0)
			return codec_opaque(d, "%s", name);
	return codec_target(d, TARGET_OPAQUE, NULL, name);
}

/* nft keeps comments beside the expressions: type, length, text with its NUL. iptables reads them as "-m comment". */
static int decode_comment(struct decoder *d, const struct nftnl_rule *nft)
{
	uint32_t len = 0;
	const uint8_t *data = NULL;

	if (nftnl_rule_is_set(nft, NFTNL_RULE_USERDATA))
		data = nftnl_rule_get_data(nft, NFTNL_RULE_USERDATA, &len);
	while (data && len >= 2 && data[1] <= len - 2) {
		if (data[0] == UDATA_RULE_COMMENT && data[1] > 0) {
			char text[CODEC_TEXT_MAX] = { 0 };
			struct match *match = rule_add_match(d->rule, MATCH_COMMENT);

			memcpy(text, data + 2, data[1]);
			return match ? match_set_text(match, text) : -ENOMEM;
		}
		len -= 2u + data[1];
		data += 2u + data[1];
	}
	return 0;
}

/* Where registers went ways that we do not follow, every single reading may be wrong: the whole becomes opaque. */
static int rule_give_up(struct decoder *d)
{
	struct rule *rule = d->rule;

	for (size_t i = 0; i < rule->n_matches; i++)
		free(rule->matches[i].text);
	free(rule->matches);
	rule->matches = NULL;
	rule->n_matches = 0;
	d->native = true;
	return codec_opaque(d, "expressions:%s", d->names);
}

/* As iptables has it: the protocol before what depends on it. */
static void rule_normalise(struct rule *rule)
{
	size_t proto = 0, first = 0;

	while (proto < rule->n_matches && rule->matches[proto].kind != MATCH_PROTO)
		proto++;
	while (first < rule->n_matches && rule->matches[first].kind <= MATCH_PROTO)
		first++;
	if (proto == rule->n_matches || proto < first)
		return;

	struct match match = rule->matches[proto];

	memmove(&rule->matches[first + 1], &rule->matches[first], (proto - first) * sizeof(match));
	rule->matches[first] = match;
}

/* Tables of other names are none of iptables' business. */
static bool table_of_iptables(const struct nftnl_rule *nft, uint8_t family)
{
	static const char *const names[] = { "filter", "mangle", "nat", "raw", "security" };
	const char *table = nftnl_rule_is_set(nft, NFTNL_RULE_TABLE) ? nftnl_rule_get_str(nft, NFTNL_RULE_TABLE) : NULL;

	for (size_t i = 0; table && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(table, names[i]) == 0)
			return family == NFPROTO_IPV4 || family == NFPROTO_IPV6;
	return false;
}

static int decode_exprs(struct decoder *d, const struct nftnl_rule *nft)
{
	struct nftnl_expr_iter *iter = nftnl_expr_iter_create(nft);
	const struct nftnl_expr *expr;
	int r = 0;

	if (!iter)
		return -ENOMEM;
	while (r == 0 && !d->done && (expr = nftnl_expr_iter_next(iter)))
		r = decode_expr(d, expr);
	nftnl_expr_iter_destroy(iter);
	return r;
}

static int decode_nothing(struct rule *ret)
{
	struct rule rule = { .native = true };
	struct decoder d = { .rule = &rule };

	if (codec_opaque(&d, "unknown expressions") < 0 || codec_target(&d, TARGET_OPAQUE, NULL, "unknown") < 0) {
		rule_clear(&rule);
		return -ENOMEM;
	}
	*ret = rule;
	return 0;
}

int nftcodec_decode(const struct nftnl_rule *nft, const struct codec_sets *sets, struct rule *ret)
{
	struct rule rule = { 0 };
	struct decoder d = { .sets = sets, .rule = &rule };
	int r;

	if (!nft)
		return decode_nothing(ret);
	memset(d.owner, -1, sizeof(d.owner));
	if (nftnl_rule_is_set(nft, NFTNL_RULE_FAMILY))
		d.family = (uint8_t)nftnl_rule_get_u32(nft, NFTNL_RULE_FAMILY);
	if (d.family == NFPROTO_IPV4 || d.family == NFPROTO_IPV6)
		d.l3 = d.family;
	if (nftnl_rule_is_set(nft, NFTNL_RULE_HANDLE))
		rule.handle = nftnl_rule_get_u64(nft, NFTNL_RULE_HANDLE);
	r = decode_exprs(&d, nft);
	if (r == 0 && d.lost)
		r = rule_give_up(&d);
	if (r == 0)
		r = decode_comment(&d, nft);
	if (r < 0) {
		rule_clear(&rule);
		return r;
	}
	rule_normalise(&rule);
	rule.native = d.native && table_of_iptables(nft, d.family);
	*ret = rule;
	return 0;
}
