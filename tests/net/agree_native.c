/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of others as nft writes them: native expressions, in the shapes that it chooses (joined fields, short payloads
 * for whole bytes, ranges, masks), in the tables of iptables and in one of family inet.
 */
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "tests/net/agree.h"

#define TABLE "custom"

static bool one_of(struct world *world, unsigned n)
{
	return random_below(&world->random, n) == 0;
}

static uint32_t equal(struct world *world, unsigned n)
{
	return one_of(world, n) ? NFT_CMP_NEQ : NFT_CMP_EQ;
}

static void match_iface(struct world *world, struct nftnl_rule *rule, bool out)
{
	char name[16] = { 0 };

	uint8_t which = (uint8_t)random_below(&world->random, N_IFACES);

	snprintf(name, sizeof(name), "%s", iface_names[which]);
	if (!out)
		aim_now(world)->iface = which;
	expr_meta(rule, out ? NFT_META_OIFNAME : NFT_META_IIFNAME);
	/* "up*" is a comparison of what stands before the star */
	expr_cmp(rule, equal(world, 3), name, one_of(world, 4) ? 2 : sizeof(name));
}

static void match_family(struct nftnl_rule *rule, uint8_t family)
{
	expr_meta(rule, NFT_META_NFPROTO);
	expr_cmp(rule, NFT_CMP_EQ, &family, 1);
}

static void match_addr(struct world *world, struct nftnl_rule *rule, uint8_t family, bool dst)
{
	uint32_t len = addr_bits(family) / 8, at = (family == AF_INET ? 12 : 8) + (dst ? len : 0);
	struct addr addr = dst ? draw_local(world, family) : draw_source(world, family);
	unsigned bits = one_of(world, 2) ? 1 + random_below(&world->random, len * 8) :
			len * 8 - random_below(&world->random, 9);
	struct cidr net = cidr_of(&addr, bits);
	uint8_t mask[16];

	if (dst && one_of(world, 2))
		addr = draw_guest(world, family), net = cidr_of(&addr, bits);
	*(dst ? &aim_now(world)->dst : &aim_now(world)->src) = net;
	if (bits % 8 == 0 && one_of(world, 2)) {
		expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, at, bits / 8);
		expr_cmp(rule, equal(world, 4), net.addr.bytes, bits / 8);
		return;
	}
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, at, len);
	if (bits < len * 8) {
		cidr_mask(bits, mask);
		expr_mask(rule, mask, len);
	}
	expr_cmp(rule, equal(world, 4), net.addr.bytes, len);
}

static void match_ports(struct world *world, struct nftnl_rule *rule)
{
	uint16_t a = draw_port(world), b = draw_port(world), lo = a < b ? a : b, hi = a < b ? b : a;
	uint16_t ports[2] = { htons(lo), htons(hi) };
	bool source = one_of(world, 3);
	struct aim *aim = aim_now(world);
	unsigned kind = random_below(&world->random, 5);

	if (kind == 3) { /* both at once */
		aim->has_sport = aim->has_dport = true;
		aim->sport = (struct port_span){ lo, lo };
		aim->dport = (struct port_span){ hi, hi };
		expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 4);
		/* "not both": no match says that */
		expr_cmp(rule, world->opaque ? equal(world, 3) : NFT_CMP_EQ, ports, 4);
		return;
	}
	*(source ? &aim->has_sport : &aim->has_dport) = true;
	*(source ? &aim->sport : &aim->dport) = (struct port_span){ lo, kind == 0 || kind == 4 ? lo : hi };
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, source ? 0 : 2, 2);
	if (kind == 0)
		expr_cmp(rule, equal(world, 3), ports, 2);
	else if (kind == 2)
		expr_range(rule, one_of(world, 2), &ports[0], &ports[1], 2);
	else if (kind == 4 && lo > 0 && lo < UINT16_MAX)
		expr_cmp(rule, one_of(world, 2) ? NFT_CMP_LT : NFT_CMP_GT, ports, 2);
	if (kind != 1)
		return;
	expr_cmp(rule, NFT_CMP_GTE, &ports[0], 2);
	expr_cmp(rule, NFT_CMP_LTE, &ports[1], 2);
}

static void match_flags(struct world *world, struct nftnl_rule *rule)
{
	uint8_t mask = one_of(world, 2) ? 0x17 : (uint8_t)(1 + random_below(&world->random, 0xff)), value;

	value = one_of(world, 2) ? 0x02 & mask : mask & (uint8_t)random_next(&world->random);
	aim_now(world)->has_flags = true;
	aim_now(world)->flags = value;
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
	expr_mask(rule, &mask, 1);
	expr_cmp(rule, equal(world, 3), &value, 1);
}

static void match_icmp(struct world *world, struct nftnl_rule *rule, uint8_t family)
{
	static const uint8_t types4[] = { 0, 3, 3, 8, 8, 11 }, types6[] = { 1, 1, 2, 128, 135, 136 };
	uint8_t both[2] = { (family == AF_INET ? types4 : types6)[random_below(&world->random, 6)], 0 };
	uint32_t len = 1 + random_below(&world->random, 2); /* the type alone, or the code with it */

	both[1] = (uint8_t)(both[0] == 3 || both[0] == 1 ? random_below(&world->random, 5) : 0);
	aim_now(world)->has_icmp = true;
	aim_now(world)->type = both[0];
	aim_now(world)->code = both[1];
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, len);
	expr_cmp(rule, len == 1 ? equal(world, 4) : NFT_CMP_EQ, both, len);
}

static void match_proto(struct world *world, struct nftnl_rule *rule, uint8_t family)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_ICMP,
		IPPROTO_GRE };
	uint8_t proto = protos[random_below(&world->random, sizeof(protos))];

	if (proto == IPPROTO_ICMP && family == AF_INET6)
		proto = IPPROTO_ICMPV6;
	if (family == AF_INET && one_of(world, 4))
		expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 9, 1);
	else
		expr_meta(rule, NFT_META_L4PROTO);
	expr_cmp(rule, NFT_CMP_EQ, &proto, 1);
	aim_now(world)->proto = proto;
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		match_ports(world, rule);
	if (proto == IPPROTO_TCP && one_of(world, 3))
		match_flags(world, rule);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		match_icmp(world, rule, family);
}

static void match_ct(struct world *world, struct nftnl_rule *rule)
{
	static const uint32_t states[] = { 1, 2, 4, 8, 0x40, 2 | 4, 1 | 0x40, 8 | 4 };
	uint32_t value = states[random_below(&world->random, 8)], zero = 0;
	uint8_t direction = (uint8_t)random_below(&world->random, 2);

	switch (random_below(&world->random, 4)) {
	case 0:
		expr_ct(rule, NFT_CT_DIRECTION);
		expr_cmp(rule, equal(world, 3), &direction, 1);
		break;
	case 1: /* status: expected, seen-reply, assured, confirmed, snat, dnat */
		value = 1u << random_below(&world->random, 6);
		expr_ct(rule, NFT_CT_STATUS);
		expr_mask(rule, &value, 4);
		expr_cmp(rule, equal(world, 2), &zero, 4);
		break;
	case 2:
		value = states[random_below(&world->random, 5)];
		expr_ct(rule, NFT_CT_STATE);
		expr_cmp(rule, equal(world, 3), &value, 4);
		break;
	default:
		expr_ct(rule, NFT_CT_STATE);
		expr_mask(rule, &value, 4);
		expr_cmp(rule, one_of(world, 4) ? NFT_CMP_EQ : NFT_CMP_NEQ, &zero, 4);
	}
}

/* What verdict() cannot read. */
static void match_opaque(struct world *world, struct nftnl_rule *rule)
{
	uint32_t number = random_below(&world->random, 2);
	uint8_t host = 0; /* PACKET_HOST */

	switch (random_below(&world->random, 5)) {
	case 0:
		expr_meta(rule, NFT_META_MARK);
		expr_cmp(rule, equal(world, 2), &number, 4);
		break;
	case 1:
		expr_ct(rule, NFT_CT_MARK);
		expr_cmp(rule, equal(world, 2), &number, 4);
		break;
	case 2:
		number = 1 + number; /* RTN_UNICAST, RTN_LOCAL */
		expr_fib(rule);
		expr_cmp(rule, equal(world, 2), &number, 4);
		break;
	case 3:
		expr_meta(rule, NFT_META_PKTTYPE);
		expr_cmp(rule, equal(world, 2), &host, 1);
		break;
	default:
		expr_limit(rule);
	}
}

static void add_verdict(struct world *world, struct nftnl_rule *rule, const char *jump)
{
	expr_plain(rule, "counter");
	if (one_of(world, 8))
		expr_log(rule, 77, "native");
	switch (random_below(&world->random, 10)) {
	case 0:
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		expr_verdict(rule, NF_ACCEPT, NULL);
		break;
	case 5:
	case 6:
		expr_verdict(rule, NF_DROP, NULL);
		break;
	case 7:
		expr_verdict(rule, NFT_RETURN, NULL);
		break;
	case 8:
		expr_verdict(rule, jump ? (one_of(world, 2) ? NFT_JUMP : NFT_GOTO) : NFT_RETURN, jump);
		break;
	default:
		expr_verdict(rule, NF_DROP, NULL);
	}
}

struct nftnl_rule *native_rule(struct world *world, uint8_t family, bool forward, const char *table, const char *chain,
			       const char *jump)
{
	struct nftnl_rule *rule = expr_rule(family, table, chain);
	uint8_t of = family == NFPROTO_INET ? (one_of(world, 2) ? AF_INET : AF_INET6) : family;
	uint8_t hop = (uint8_t)(one_of(world, 2) ? 255 : 64);
	struct aim *aim = aim_begin(world, of, forward);
	unsigned n = 0;

	if (family == NFPROTO_INET)
		match_family(rule, of);
	while (n < 2) {
		if (one_of(world, 3))
			match_iface(world, rule, false), n++;
		if (forward && one_of(world, 4))
			match_iface(world, rule, true), n++;
		if (one_of(world, 3))
			match_addr(world, rule, of, false), n++;
		if (one_of(world, 4))
			match_addr(world, rule, of, true), n++;
		if (of == AF_INET6 && one_of(world, 8)) {
			expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 7, 1);
			expr_cmp(rule, equal(world, 3), &hop, 1);
			aim->hop = hop;
		}
		if (n < 2 && one_of(world, 2))
			match_proto(world, rule, of), n++;
		if (one_of(world, 3))
			match_ct(world, rule), n++;
	}
	if (world->opaque && one_of(world, 2))
		match_opaque(world, rule);
	add_verdict(world, rule, jump);
	return rule;
}

void native_table(struct world *world)
{
	static const int32_t priorities[] = { -225, -150, -10, 0, 0, 5, 50, 200 };
	char name[16];

	batch_table(NFPROTO_INET, TABLE);
	batch_chain(NFPROTO_INET, TABLE, "one", NULL);
	batch_chain(NFPROTO_INET, TABLE, "two", NULL);
	batch_rule(native_rule(world, NFPROTO_INET, false, TABLE, "one", "two"), false);
	batch_rule(native_rule(world, NFPROTO_INET, true, TABLE, "two", NULL), false);
	for (unsigned i = 1 + random_below(&world->random, 4); i > 0; i--) {
		bool forward = one_of(world, 2);
		struct base base = { forward ? NF_INET_FORWARD : NF_INET_LOCAL_IN,
			priorities[random_below(&world->random, 8)],
			"filter", one_of(world, 20) ? NF_DROP : NF_ACCEPT };

		snprintf(name, sizeof(name), "base%u", i);
		batch_chain(NFPROTO_INET, TABLE, name, &base);
		for (unsigned n = 1 + random_below(&world->random, 3); n > 0; n--)
			batch_rule(native_rule(world, NFPROTO_INET, forward, TABLE, name,
					       one_of(world, 2) ? "one" : "two"), false);
	}
}
