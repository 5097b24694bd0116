/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as the payload of an NFT_MSG_NEWRULE message, as a kernel might send it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/nftcodec.h"

#define PAYLOAD_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int set_name(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user)
{
	(void)user;
	snprintf(ret, SET_NAME_MAX + 1, "set%u", index);
	return 0;
}

static int set_index(const char *name, uint16_t *ret, void *user)
{
	(void)user;
	*ret = (uint16_t)strtoul(name + strlen("set"), NULL, 10); /* names are those of set_name() alone */
	return 0;
}

/* What was read and can be written must be read again as the same. */
static void encode_again(const struct rule *rule, uint8_t family, const struct codec_sets *sets)
{
	struct nftnl_rule *nft;
	struct rule again;

	if (nftcodec_encode(rule, family, "filter", "INPUT", sets, &nft) < 0)
		return;
	if (nftcodec_decode(nft, sets, &again) == 0) {
		if (!rule_equal(rule, &again) && rule->n_matches <= 64)
			__builtin_trap();
		rule_clear(&again);
	}
	nftnl_rule_free(nft);
}

/*
 * libnftnl 1.2.4 calls exit() where an attribute has another width than it knows, and reads through NULL where an
 * expression has no name; the kernel sends neither. One character an attribute, from type 1 on: its bytes, or
 * s (string), b (bytes), d (value or verdict), v (verdict), c (compat), e (expressions).
 */
static const char *schema_of(char kind)
{
	switch (kind) {
	case 'r': /* enum nft_rule_attributes */
		return "ss8ec8bb44";
	case 'd': /* enum nft_data_attributes */
		return "bv";
	case 'v': /* enum nft_verdict_attributes */
		return "4s4";
	case 'c': /* enum nft_rule_compat_attributes */
		return "44";
	}
	return NULL;
}

static const struct {
	const char *name, *schema;
} expressions[] = {
	{ "bitwise", "444dd4d" }, { "byteorder", "44444" }, { "cmp", "44d" },       { "counter", "88" },
	{ "ct", "4414" },         { "exthdr", "4144444" },  { "fib", "444" },       { "immediate", "4d" },
	{ "limit", "88444" },     { "log", "2s4244" },      { "lookup", "s4444" },  { "match", "s4b" },
	{ "meta", "444" },        { "notrack", "" },        { "payload", "44444444" }, { "range", "44dd" },
	{ "reject", "41" },       { "target", "s4b" },
};

static bool expressions_fit(const struct nlattr *list);

/* A jump without a chain is another NULL. */
static bool verdict_fits(const struct nlattr *attr)
{
	const struct nlattr *inner;

	if (mnl_attr_validate(attr, MNL_TYPE_NESTED) < 0)
		return false;
	mnl_attr_for_each_nested(inner, attr)
		if (mnl_attr_get_type(inner) == NFTA_VERDICT_CHAIN)
			return true;
	mnl_attr_for_each_nested(inner, attr)
		if (mnl_attr_get_type(inner) == NFTA_VERDICT_CODE && mnl_attr_get_payload_len(inner) == 4 &&
		    ((int32_t)ntohl(mnl_attr_get_u32(inner)) == NFT_JUMP ||
		     (int32_t)ntohl(mnl_attr_get_u32(inner)) == NFT_GOTO))
			return false;
	return true;
}

static bool attribute_fits(const struct nlattr *attr, const char *schema)
{
	uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
	const struct nlattr *inner;
	char kind;

	if (type == 0 || type > strlen(schema))
		return true; /* skipped */
	kind = schema[type - 1];
	switch (kind) {
	case 'b':
		return true;
	case 's':
		return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0;
	case 'e':
		return mnl_attr_validate(attr, MNL_TYPE_NESTED) == 0 && expressions_fit(attr);
	case 'v':
		if (!verdict_fits(attr))
			return false;
		/* fall through */
	case 'd':
	case 'c':
		if (mnl_attr_validate(attr, MNL_TYPE_NESTED) < 0)
			return false;
		mnl_attr_for_each_nested(inner, attr)
			if (!attribute_fits(inner, schema_of(kind)))
				return false;
		return true;
	default:
		return len == kind - '0';
	}
}

static bool expression_fits(const struct nlattr *element)
{
	const char *schema = NULL;
	const struct nlattr *attr, *part;
	bool fits = true;

	mnl_attr_for_each_nested(attr, element) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME) {
			if (schema || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
				return false;
			for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
				if (strcmp(mnl_attr_get_str(attr), expressions[i].name) == 0)
					schema = expressions[i].schema;
			if (!schema)
				return false;
		} else if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA) {
			if (!schema || mnl_attr_validate(attr, MNL_TYPE_NESTED) < 0)
				return false;
			mnl_attr_for_each_nested(part, attr)
				fits = fits && attribute_fits(part, schema);
		}
	}
	return schema && fits;
}

static bool expressions_fit(const struct nlattr *list)
{
	const struct nlattr *element;

	mnl_attr_for_each_nested(element, list)
		if (mnl_attr_get_type(element) != NFTA_LIST_ELEM || mnl_attr_validate(element, MNL_TYPE_NESTED) < 0 ||
		    !expression_fits(element))
			return false;
	return true;
}

static bool well_formed(const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (!attribute_fits(attr, schema_of('r')))
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct codec_sets sets = { set_index, set_name, NULL };
	static union {
		struct nlmsghdr head;
		uint8_t bytes[MNL_NLMSG_HDRLEN + PAYLOAD_MAX];
	} buffer;
	struct nftnl_rule *nft;
	struct nlmsghdr *message;
	struct rule rule;

	if (size < sizeof(struct nfgenmsg) || size > PAYLOAD_MAX)
		return 0;
	message = mnl_nlmsg_put_header(buffer.bytes);
	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
	memcpy(mnl_nlmsg_put_extra_header(message, size), data, size);
	if (!well_formed(message))
		return 0;
	nft = nftnl_rule_alloc();
	if (!nft)
		return 0;
	if (nftnl_rule_nlmsg_parse(message, nft) == 0 && nftcodec_decode(nft, &sets, &rule) == 0) {
		encode_again(&rule, data[0], &sets);
		rule_clear(&rule);
	}
	nftnl_rule_free(nft);
	return 0;
}
