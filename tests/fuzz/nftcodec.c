/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as the payload of an NFT_MSG_NEWRULE message, as a kernel of any version might send it. libnftnl and libmnl trust
 * the kernel for the message's length only, so that is made right here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
	(void)name;
	(void)user;
	*ret = 1;
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
