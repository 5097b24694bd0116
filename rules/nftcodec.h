/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rules <-> libnftnl objects, in the encoding that every iptables-nft from 1.8.7 on reads back rightly: xt matches and
 * targets for ports, ICMP types, conntrack, sets, comments and NFLOG; native expressions for interface, address,
 * protocol, counter and verdict. No kernel is asked: who has one passes the resolver of set names.
 */
#include "rules/ruleset.h"

struct nftnl_rule;

/* xt_set holds a set's index in the kernel, not its name. */
struct codec_sets {
	int (*index)(const char *name, uint16_t *ret, void *user);               /* 0 or -errno */
	int (*name)(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user); /* 0 or -errno: becomes opaque */
	void *user;
};

/* @family is NFPROTO_IPV4 or NFPROTO_IPV6. The caller frees *ret with nftnl_rule_free(). The counters of @rule go
 * along, its handle does not. Errors, with *ret untouched:
 *   -EOPNOTSUPP  opaque parts, and what some iptables could not read back
 *   -ENOENT      an unknown set (or what the resolver says)
 *   -EINVAL      what no rule can be: ports without their MATCH_PROTO, two of these, an address of the other family or
 *                with mask 0, `inverted` where parts have an inversion of their own
 *   -ENOMEM */
int nftcodec_encode(const struct rule *rule, uint8_t family, const char *table, const char *chain,
		    const struct codec_sets *sets, struct nftnl_rule **ret);

/* Never fails on what it does not know: that becomes opaque and is named. 0 or -ENOMEM. @ret is overwritten.
 * @nft NULL: a rule that libnftnl could not even parse (expressions newer than itself); all of it opaque. */
int nftcodec_decode(const struct nftnl_rule *nft, const struct codec_sets *sets, struct rule *ret);
