/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of others in the tables of iptables: every kind of match that nftcodec can encode, drawn so that packets meet
 * it, and native ones among them.
 */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/nftcodec.h"
#include "tests/net/agree.h"

#define CHAINS 3
static const char *const chain_names[CHAINS] = { "F1", "F2", "F3" };

static struct match *add(struct rule *rule, enum match_kind kind)
{
	struct match *match = rule_add_match(rule, kind);

	if (!match)
		die("no memory");
	return match;
}

static bool one_of(struct world *world, unsigned n)
{
	return random_below(&world->random, n) == 0;
}

static void add_iface(struct world *world, struct rule *rule, enum match_kind kind)
{
	static const char *const names[] = { "up0", "up1", "lan0", "up", "l", "eth0" };
	unsigned which = random_below(&world->random, 6);
	struct match *match = add(rule, kind);

	snprintf(match->u.iface.name, sizeof(match->u.iface.name), "%s", names[which]);
	match->u.iface.prefix = which == 3 || which == 4;
	if (kind == MATCH_IIF)
		aim_now(world)->iface = (uint8_t[]){ UP0, UP1, LAN0, UP1, LAN0, N_IFACES }[which];
	match->inverted = one_of(world, 3);
}

/* The network that the mask makes, or with a mask of holes one address that fits. */
static struct cidr aim_net(const struct match *match, const struct addr *addr)
{
	unsigned len = 0, bits = addr_bits(addr->family);
	uint8_t mask[16];

	while (len < bits && match->u.net.mask[len / 8] & (0x80 >> len % 8))
		len++;
	cidr_mask(len, mask);
	return cidr_of(addr, memcmp(mask, match->u.net.mask, bits / 8) == 0 ? len : bits);
}

static void add_net(struct world *world, struct rule *rule, enum match_kind kind, uint8_t family)
{
	unsigned bytes = addr_bits(family) / 8;
	struct match *match = add(rule, kind);
	struct addr addr = kind == MATCH_SRC ? draw_source(world, family) :
			   random_bool(&world->random) ? draw_local(world, family) : draw_guest(world, family);

	match->inverted = one_of(world, 4);
	cidr_mask(1 + random_below(&world->random, bytes * 8), match->u.net.mask);
	if (one_of(world, 3))
		cidr_mask(bytes * 8 - random_below(&world->random, 9), match->u.net.mask);
	if (one_of(world, 8)) /* not contiguous */
		match->u.net.mask[random_below(&world->random, bytes)] &= (uint8_t)random_next(&world->random);
	match->u.net.mask[0] |= 0x80;
	match->u.net.addr.family = family;
	for (unsigned i = 0; i < bytes; i++)
		match->u.net.addr.bytes[i] = addr.bytes[i] & match->u.net.mask[i];
	*(kind == MATCH_SRC ? &aim_now(world)->src : &aim_now(world)->dst) = aim_net(match, &addr);
}

static struct port_span draw_span(struct world *world)
{
	uint16_t a = draw_port(world), b = one_of(world, 2) ? a : draw_port(world);
	struct port_span span = { a < b ? a : b, a < b ? b : a };

	world_add_port(world, span.lo);
	world_add_port(world, span.hi);
	return span;
}

static bool is_any(struct port_span span)
{
	return span.lo == 0 && span.hi == UINT16_MAX;
}

static void add_ports(struct world *world, struct rule *rule, enum match_kind kind)
{
	struct match *match = add(rule, kind);

	struct aim *aim = aim_now(world);

	aim->has_sport = one_of(world, 3);
	if (aim->has_sport)
		match->u.ports.sport = aim->sport = draw_span(world);
	aim->has_dport = !one_of(world, 3);
	if (aim->has_dport)
		match->u.ports.dport = aim->dport = draw_span(world);
	match->u.ports.not_sport = !is_any(match->u.ports.sport) && one_of(world, 3);
	match->u.ports.not_dport = !is_any(match->u.ports.dport) && one_of(world, 3);
	if (kind == MATCH_TCP && one_of(world, 3)) {
		match->u.ports.flag_mask = one_of(world, 2) ? 0x17 : (uint8_t)(1 + random_below(&world->random, 0x3f));
		match->u.ports.flag_set = match->u.ports.flag_mask &
			(one_of(world, 2) ? 0x02 : (uint8_t)random_next(&world->random));
		match->u.ports.not_flags = one_of(world, 3);
		aim->has_flags = true;
		aim->flags = match->u.ports.flag_set;
	}
}

static void add_multiport(struct world *world, struct rule *rule)
{
	struct match *match = add(rule, MATCH_MULTIPORT);
	unsigned slots = 1 + random_below(&world->random, MULTIPORT_MAX);
	struct aim *aim = aim_now(world);

	match->inverted = one_of(world, 3);
	match->u.multiport.which = (uint8_t)"sdb"[random_below(&world->random, 3)];
	while (slots > 0) {
		struct port_span span = draw_span(world);
		unsigned need = span.lo == span.hi ? 1 : 2;

		if (need > slots)
			span.hi = span.lo, need = 1;
		match->u.multiport.spans[match->u.multiport.n++] = span;
		slots -= need;
		if (match->u.multiport.which != 'd' && one_of(world, 2))
			aim->has_sport = true, aim->sport = span;
		else if (match->u.multiport.which != 's')
			aim->has_dport = true, aim->dport = span;
	}
}

static void add_icmp(struct world *world, struct rule *rule, uint8_t family)
{
	static const uint8_t types4[] = { 0, 3, 3, 8, 8, 11, 12, 255 };
	static const uint8_t types6[] = { 1, 2, 3, 4, 128, 129, 133, 134, 135, 136, 130, 143 };
	struct match *match = add(rule, family == AF_INET ? MATCH_ICMP : MATCH_ICMP6);

	match->u.icmp.type = family == AF_INET ? types4[random_below(&world->random, 8)] :
		types6[random_below(&world->random, 12)];
	if (match->u.icmp.type != 255 && one_of(world, 3))
		match->u.icmp.code_lo = match->u.icmp.code_hi = (uint8_t)random_below(&world->random, 5);
	match->inverted = one_of(world, 4) && match->u.icmp.type != 255;
	aim_now(world)->has_icmp = true;
	aim_now(world)->type = match->u.icmp.type;
	aim_now(world)->code = match->u.icmp.code_lo;
}

static void add_proto(struct world *world, struct rule *rule, uint8_t family)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP,
		IPPROTO_ICMP, IPPROTO_GRE, IPPROTO_IGMP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_ESP };
	uint8_t icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t proto = protos[random_below(&world->random, sizeof(protos))];
	struct match *match = add(rule, MATCH_PROTO);

	if (proto == IPPROTO_ICMP)
		proto = icmp;
	match->u.proto = proto;
	aim_now(world)->proto = proto;
	match->inverted = one_of(world, 5);
	if (match->inverted)
		return;
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && !one_of(world, 3))
		add_ports(world, rule, proto == IPPROTO_TCP ? MATCH_TCP : MATCH_UDP);
	if (proto == icmp && !one_of(world, 4))
		add_icmp(world, rule, family);
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_UDPLITE) &&
	    one_of(world, 3))
		add_multiport(world, rule);
}

static void add_conntrack(struct world *world, struct rule *rule)
{
	static const uint16_t states[] = { CT_INVALID, CT_ESTABLISHED, CT_RELATED, CT_NEW, CT_SNAT, CT_DNAT,
		CT_UNTRACKED, CT_ESTABLISHED | CT_RELATED, CT_NEW | CT_ESTABLISHED, CT_DNAT | CT_INVALID,
		CT_INVALID | CT_UNTRACKED };
	struct match *match = add(rule, MATCH_CONNTRACK);
	uint16_t flags = 0;

	do {
		flags |= one_of(world, 2) ? CONNTRACK_STATE : 0;
		flags |= one_of(world, 5) ? CONNTRACK_STATUS : 0;
		flags |= one_of(world, 5) ? CONNTRACK_ORIGDST_PORT : 0;
		flags |= one_of(world, 4) ? CONNTRACK_DIRECTION : 0;
	} while (!flags);
	match->u.conntrack.flags = flags;
	match->u.conntrack.invert = flags & (uint16_t)random_next(&world->random) &
				    (uint16_t)random_next(&world->random) & (uint16_t)~CONNTRACK_DIRECTION;
	if (flags & CONNTRACK_STATE)
		match->u.conntrack.states = states[random_below(&world->random, sizeof(states) / sizeof(*states))];
	if (flags & CONNTRACK_STATUS)
		match->u.conntrack.status = (uint16_t)(1 + random_below(&world->random, 15));
	if (flags & CONNTRACK_ORIGDST_PORT)
		match->u.conntrack.origdst_port = draw_span(world);
	match->u.conntrack.reply = (flags & CONNTRACK_DIRECTION) && one_of(world, 2);
}

static void add_set(struct world *world, struct rule *rule, bool six)
{
	struct match *match = add(rule, MATCH_SET);

	if (one_of(world, 10))
		six = !six; /* of the other family: matches nothing */
	snprintf(match->u.set.name, sizeof(match->u.set.name), "%s%s",
		 set_names[random_below(&world->random, SETS_MAX)], six ? "6" : "");
	match->u.set.dim = world->opaque && one_of(world, 4) ? 2 : 1; /* 2: cannot be told */
	match->u.set.src = !one_of(world, 6);
	match->inverted = one_of(world, 4);
}

static bool asks(const struct rule *rule)
{
	size_t n = 0;

	for (size_t i = 0; i < rule->n_matches; i++)
		n += rule->matches[i].kind != MATCH_COMMENT &&
			!(rule->matches[i].inverted && rule->matches[i].kind != MATCH_SET);
	return n >= 2;
}

static void draw_target(struct world *world, struct rule *rule, const char *jump)
{
	static const enum target_kind kinds[] = { TARGET_NONE, TARGET_ACCEPT, TARGET_ACCEPT, TARGET_ACCEPT,
		TARGET_DROP, TARGET_DROP, TARGET_RETURN, TARGET_JUMP, TARGET_JUMP, TARGET_GOTO, TARGET_NFLOG };
	enum target_kind kind = kinds[random_below(&world->random, sizeof(kinds) / sizeof(*kinds))];

	if ((kind == TARGET_JUMP || kind == TARGET_GOTO) && !jump)
		kind = TARGET_RETURN;
	if (rule_set_target(rule, kind, kind == TARGET_JUMP || kind == TARGET_GOTO ? jump : NULL) < 0)
		die("no memory");
	rule->target.nflog.group = kind == TARGET_NFLOG ? 77 : 0;
}

static void draw_rule(struct world *world, struct rule *rule, uint8_t family, bool forward, const char *jump)
{
	struct aim *aim = aim_begin(world, family, forward);

	memset(rule, 0, sizeof(*rule));
	while (!asks(rule)) { /* what asks for too little decides about everything */
		rule_clear(rule);
		memset(rule, 0, sizeof(*rule));
		*aim = (struct aim){ .family = family, .forward = forward, .iface = N_IFACES };
		if (one_of(world, 4))
			add_iface(world, rule, MATCH_IIF);
		if (one_of(world, forward ? 4 : 20))
			add_iface(world, rule, MATCH_OIF);
		if (one_of(world, 3))
			add_net(world, rule, MATCH_SRC, family);
		if (one_of(world, 4))
			add_net(world, rule, MATCH_DST, family);
		if (!one_of(world, 3))
			add_proto(world, rule, family);
		if (family == AF_INET6 && one_of(world, 6)) {
			add(rule, MATCH_HL)->u.hl = (uint8_t[]){ 255, 254, 64, 63, 1 }[random_below(&world->random, 5)];
			rule->matches[rule->n_matches - 1].inverted = one_of(world, 4);
			aim->hop = rule->matches[rule->n_matches - 1].u.hl;
		}
		if (one_of(world, 3))
			add_conntrack(world, rule);
		if (one_of(world, 4))
			add_set(world, rule, family == AF_INET6);
		if (one_of(world, 5) && match_set_text(add(rule, MATCH_COMMENT), "somebody's \"own\"") < 0)
			die("no memory");
	}
	draw_target(world, rule, jump);
}

static void put_rule(struct world *world, const struct codec_sets *sets, uint8_t family, bool forward,
		     const char *chain, const char *jump)
{
	struct nftnl_rule *nft;
	struct rule rule;
	int r;

	if (one_of(world, 4)) {
		batch_rule(native_rule(world, family, forward, "filter", chain, jump), one_of(world, 2));
		return;
	}
	draw_rule(world, &rule, family, forward, jump);
	r = nftcodec_encode(&rule, family, "filter", chain, sets, &nft);
	if (r < 0)
		die("a foreign rule in %s cannot be encoded: %s", chain, strerror(-r));
	batch_rule(nft, one_of(world, 2));
	rule_clear(&rule);
}

void foreign_front(struct world *world, const struct codec_sets *sets)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct base input = { NF_INET_LOCAL_IN, 0, "filter", NF_ACCEPT };
	struct base forward = { NF_INET_FORWARD, 0, "filter", NF_ACCEPT };

	for (int f = 0; f < 2; f++) {
		batch_table(families[f], "filter");
		batch_chain(families[f], "filter", "INPUT", &input);
		batch_chain(families[f], "filter", "FORWARD", &forward);
		for (unsigned i = 0; i < CHAINS; i++)
			batch_chain(families[f], "filter", chain_names[i], NULL);
		for (unsigned i = 0; i < CHAINS; i++) /* downwards only: no loops */
			for (unsigned n = random_below(&world->random, 4); n > 0; n--)
				put_rule(world, sets, families[f], one_of(world, 2), chain_names[i],
					 i + 1 < CHAINS ? chain_names[i + 1] : NULL);
		for (unsigned n = random_below(&world->random, 5); n > 0; n--)
			put_rule(world, sets, families[f], false, "INPUT",
				 chain_names[random_below(&world->random, CHAINS)]);
		for (unsigned n = random_below(&world->random, 5); n > 0; n--)
			put_rule(world, sets, families[f], true, "FORWARD",
				 chain_names[random_below(&world->random, CHAINS)]);
	}
}

/* Behind our jump, where they decide only what we do not. */
void foreign_behind(struct world *world, const struct codec_sets *sets)
{
	for (int f = 0; f < 4; f++) {
		uint8_t family = f & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;
		struct nftnl_rule *nft;
		struct rule rule;

		draw_rule(world, &rule, family, f & 2, NULL);
		if (nftcodec_encode(&rule, family, "filter", f & 2 ? "FORWARD" : "INPUT", sets, &nft) < 0)
			die("a foreign rule cannot be encoded");
		batch_rule(nft, false);
		rule_clear(&rule);
	}
}
