/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Random rules that nftcodec_encode() accepts, for tests that compare after a round trip. A seed gives the same rules.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/ruleset.h"

#define RANDOM_SETS 3 /* sets named "set0", "set1", …; index 0, 1, … */

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) % n);
}

static inline bool random_bool(uint64_t *state)
{
	return random_next(state) & 1;
}

/* Ends of the range are likelier than their share. */
static inline uint16_t random_port(uint64_t *state)
{
	switch (random_below(state, 6)) {
	case 0:
		return 0;
	case 1:
		return UINT16_MAX;
	default:
		return (uint16_t)random_next(state);
	}
}

static inline struct port_span random_span(uint64_t *state)
{
	uint16_t a = random_port(state), b = random_bool(state) ? a : random_port(state);

	return (struct port_span){ a < b ? a : b, a < b ? b : a };
}

static inline struct match *random_match(uint64_t *state, struct rule *rule, enum match_kind kind)
{
	struct match *match = rule_add_match(rule, kind);

	if (!match)
		abort();
	match->inverted = random_bool(state);
	return match;
}

static inline void random_iface(uint64_t *state, struct rule *rule, enum match_kind kind)
{
	struct match *match = random_match(state, rule, kind);
	unsigned len = 1 + random_below(state, IFNAMSIZ - 1);

	match->u.iface.prefix = random_bool(state);
	if (match->u.iface.prefix && len == IFNAMSIZ - 1)
		len--; /* "+" takes a place in iptables' text */
	for (unsigned i = 0; i < len; i++)
		match->u.iface.name[i] = (char)('a' + random_below(state, 26));
}

static inline void random_net(uint64_t *state, struct rule *rule, enum match_kind kind, uint8_t family)
{
	struct match *match = random_match(state, rule, kind);
	unsigned bytes = family == NFPROTO_IPV4 ? 4 : 16;

	match->u.net.addr.family = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	cidr_mask(1 + random_below(state, bytes * 8), match->u.net.mask);
	if (random_below(state, 4) == 0)
		for (unsigned i = 0; i < bytes; i++)
			match->u.net.mask[i] = (uint8_t)random_next(state);
	match->u.net.mask[random_below(state, bytes)] |= 1; /* never 0 as a whole */
	for (unsigned i = 0; i < bytes; i++)
		match->u.net.addr.bytes[i] = (uint8_t)random_next(state) & match->u.net.mask[i];
}

static inline bool span_is_any(struct port_span span)
{
	return span.lo == 0 && span.hi == UINT16_MAX;
}

static inline void random_ports(uint64_t *state, struct rule *rule, enum match_kind kind)
{
	struct match *match = random_match(state, rule, kind);

	match->inverted = false;
	if (random_bool(state))
		match->u.ports.sport = random_span(state);
	if (random_bool(state))
		match->u.ports.dport = random_span(state);
	match->u.ports.not_sport = !span_is_any(match->u.ports.sport) && random_bool(state);
	match->u.ports.not_dport = !span_is_any(match->u.ports.dport) && random_bool(state);
	if (kind == MATCH_TCP && random_bool(state)) {
		match->u.ports.flag_mask = (uint8_t)(1 + random_below(state, 0x3f));
		match->u.ports.flag_set = match->u.ports.flag_mask & (uint8_t)random_next(state);
		match->u.ports.not_flags = random_bool(state);
	}
}

static inline void random_multiport(uint64_t *state, struct rule *rule)
{
	struct match *match = random_match(state, rule, MATCH_MULTIPORT);
	unsigned slots = 1 + random_below(state, MULTIPORT_MAX);

	match->u.multiport.which = (uint8_t)"sdb"[random_below(state, 3)];
	while (slots > 0) {
		struct port_span span = random_span(state);
		unsigned need = span.lo == span.hi ? 1 : 2;

		if (need > slots)
			span.hi = span.lo, need = 1;
		match->u.multiport.spans[match->u.multiport.n++] = span;
		slots -= need;
	}
}

static inline void random_conntrack(uint64_t *state, struct rule *rule)
{
	static const uint16_t states = CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW | CT_SNAT | CT_DNAT |
				       CT_UNTRACKED;
	struct match *match = random_match(state, rule, MATCH_CONNTRACK);
	uint16_t parts = CONNTRACK_STATE | CONNTRACK_STATUS | CONNTRACK_ORIGDST_PORT | CONNTRACK_DIRECTION;

	match->inverted = false;
	do
		match->u.conntrack.flags = (uint16_t)random_next(state) & parts;
	while (!match->u.conntrack.flags);
	match->u.conntrack.invert = (uint16_t)random_next(state) & match->u.conntrack.flags;
	match->u.conntrack.invert &= (uint16_t)~CONNTRACK_DIRECTION;
	if (match->u.conntrack.flags & CONNTRACK_STATE)
		do
			match->u.conntrack.states = (uint16_t)random_next(state) & states;
		while (!match->u.conntrack.states);
	if (match->u.conntrack.flags & CONNTRACK_STATUS)
		match->u.conntrack.status = (uint16_t)(1 + random_below(state, 15));
	if (match->u.conntrack.flags & CONNTRACK_DIRECTION)
		match->u.conntrack.reply = random_bool(state);
	if (match->u.conntrack.flags & CONNTRACK_ORIGDST_PORT)
		match->u.conntrack.origdst_port = random_span(state);
}

static inline void random_set(uint64_t *state, struct rule *rule)
{
	struct match *match = random_match(state, rule, MATCH_SET);

	snprintf(match->u.set.name, sizeof(match->u.set.name), "set%u", random_below(state, RANDOM_SETS));
	match->u.set.dim = (uint8_t)(1 + random_below(state, 3));
	match->u.set.src = (uint8_t)random_below(state, 1u << match->u.set.dim);
}

static inline void random_comment(uint64_t *state, struct rule *rule)
{
	static const char letters[] = "abc XYZ09 \"'\\$-_%\xc3\xa4";
	struct match *match = random_match(state, rule, MATCH_COMMENT);
	unsigned len = random_below(state, 8) ? 1 + random_below(state, 40) : 255;
	char text[256] = { 0 };

	match->inverted = false;
	for (unsigned i = 0; i < len; i++)
		text[i] = letters[random_below(state, sizeof(letters) - 1)];
	if (match_set_text(match, text) < 0)
		abort();
}

static inline void random_icmp(uint64_t *state, struct rule *rule, uint8_t family)
{
	struct match *match = random_match(state, rule, family == NFPROTO_IPV4 ? MATCH_ICMP : MATCH_ICMP6);

	match->u.icmp.type = (uint8_t)random_next(state);
	if (random_bool(state))
		match->u.icmp.code_lo = match->u.icmp.code_hi = (uint8_t)random_next(state);
}

static inline void random_protocol(uint64_t *state, struct rule *rule, uint8_t family)
{
	static const uint8_t common[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP };
	struct match *match = random_match(state, rule, MATCH_PROTO);
	uint8_t proto = common[random_below(state, sizeof(common))];

	match->u.proto = proto;
	if (match->inverted) {
		match->u.proto = (uint8_t)(1 + random_below(state, 255));
		return;
	}
	if (proto == IPPROTO_TCP && random_bool(state))
		random_ports(state, rule, MATCH_TCP);
	if (proto == IPPROTO_UDP && random_bool(state))
		random_ports(state, rule, MATCH_UDP);
	if (proto == (family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) && random_bool(state))
		random_icmp(state, rule, family);
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP) && random_below(state, 3) == 0)
		random_multiport(state, rule);
}

static inline void random_target(uint64_t *state, struct rule *rule, const char *chain)
{
	static const enum target_kind kinds[] = { TARGET_NONE, TARGET_ACCEPT, TARGET_DROP, TARGET_RETURN, TARGET_JUMP,
		TARGET_GOTO, TARGET_NFLOG };
	enum target_kind kind = kinds[random_below(state, sizeof(kinds) / sizeof(kinds[0]))];
	struct target *target = &rule->target;

	if (rule_set_target(rule, kind, kind == TARGET_JUMP || kind == TARGET_GOTO ? chain : NULL) < 0)
		abort();
	if (kind != TARGET_NFLOG)
		return;
	target->nflog.group = random_port(state);
	target->nflog.threshold = random_bool(state) ? random_port(state) : 0;
	target->nflog.size = random_bool(state) ? 64 : 0;
	if (random_bool(state))
		for (unsigned i = 0; i < sizeof(target->nflog.prefix) - 1; i++)
			target->nflog.prefix[i] = (char)('!' + random_below(state, 90));
}

/* @chain: where jumps go. */
static inline void random_rule(uint64_t *state, uint8_t family, const char *chain, struct rule *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (random_bool(state))
		random_iface(state, ret, MATCH_IIF);
	if (random_below(state, 4) == 0)
		random_iface(state, ret, MATCH_OIF);
	if (random_bool(state))
		random_net(state, ret, MATCH_SRC, family);
	if (random_bool(state))
		random_net(state, ret, MATCH_DST, family);
	if (random_below(state, 3))
		random_protocol(state, ret, family);
	if (family == NFPROTO_IPV6 && random_below(state, 4) == 0)
		random_match(state, ret, MATCH_HL)->u.hl = (uint8_t)random_next(state);
	if (random_below(state, 3) == 0)
		random_conntrack(state, ret);
	if (random_below(state, 3) == 0)
		random_set(state, ret);
	if (random_below(state, 3) == 0)
		random_comment(state, ret);
	random_target(state, ret, chain);
}
