/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule of others asks for, gathered while it is made, so that a packet can be made that it matches, or misses by
 * one: at random hardly any would meet all that it asks for.
 */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include "tests/net/agree.h"

struct aim *aim_begin(struct world *world, uint8_t family, bool forward)
{
	struct aim *aim = &world->aims[world->n_aims < AIMS_MAX ? world->n_aims++ : AIMS_MAX - 1];

	memset(aim, 0, sizeof(*aim));
	aim->family = family;
	aim->forward = forward;
	aim->iface = N_IFACES;
	return aim;
}

struct aim *aim_now(struct world *world)
{
	return &world->aims[world->n_aims - 1];
}

/* One end of it, or one beside it. */
static uint16_t end_of(struct world *world, struct port_span span)
{
	unsigned kind = random_below(&world->random, 5);
	uint16_t port = random_bool(&world->random) ? span.lo : span.hi;

	return (uint16_t)(kind == 0 ? port - 1 : kind == 1 ? port + 1 : port);
}

static struct addr end_of_net(struct world *world, const struct cidr *net)
{
	struct addr addr = random_bool(&world->random) ? cidr_first(net) : cidr_last(net);

	if (random_below(&world->random, 5) == 0)
		addr_step(&addr, random_bool(&world->random) ? 1 : -1);
	return addr;
}

/* Where the host delivers a packet of this hook: nothing else gets there. */
static bool is_reached(const struct addr *dst, bool forward)
{
	bool ip4 = dst->family == AF_INET;
	struct addr net = addr_of(ip4 ? forward ? GUESTS4 : LOCAL4 : forward ? GUESTS6 : LOCAL6);
	struct cidr cidr = cidr_of(&net, ip4 ? LOCAL_LEN4 : LOCAL_LEN6);

	return cidr_contains(&cidr, dst);
}

static void apply_proto(struct world *world, const struct aim *aim, struct spec *spec)
{
	if (!aim->proto)
		return;
	spec->tuple.proto = aim->proto;
	if (aim->proto == IPPROTO_ICMP || aim->proto == IPPROTO_ICMPV6) {
		spec->type = aim->proto == IPPROTO_ICMP ? 8 : 128;
		spec->code = 0;
		if (aim->has_icmp) {
			spec->type = aim->type;
			spec->code = (uint8_t)(aim->code + (random_below(&world->random, 4) == 0));
		}
		spec->tuple.dport = (uint16_t)(spec->type << 8 | spec->code);
		return;
	}
	if (aim->has_sport)
		spec->tuple.sport = end_of(world, aim->sport);
	if (aim->has_dport)
		spec->tuple.dport = end_of(world, aim->dport);
	if (aim->has_flags)
		spec->flags = random_below(&world->random, 3) ? aim->flags :
			aim->flags ^ (uint8_t)(1u << random_below(&world->random, 6));
}

bool aim_apply(struct world *world, uint8_t family, bool forward, struct spec *spec)
{
	const struct aim *aim;
	struct addr addr;

	if (!world->n_aims)
		return false;
	aim = &world->aims[random_below(&world->random, (unsigned)world->n_aims)];
	for (unsigned tries = 0; tries < 8 && (aim->family != family || aim->forward != forward); tries++)
		aim = &world->aims[random_below(&world->random, (unsigned)world->n_aims)];
	if (aim->family != family || aim->forward != forward)
		return false;
	if (aim->iface < N_IFACES && (!forward || (aim->iface == LAN0) == (spec->iface == LAN0)))
		spec->iface = aim->iface;
	if (aim->src.addr.family) {
		addr = end_of_net(world, &aim->src);
		if (addr_is_source(&addr))
			spec->tuple.src = addr;
	}
	if (aim->dst.addr.family && spec->iface != LAN0) {
		addr = end_of_net(world, &aim->dst);
		if (is_reached(&addr, forward))
			spec->tuple.dst = addr;
	}
	apply_proto(world, aim, spec);
	if (aim->hop)
		spec->hop = (uint8_t)(aim->hop + forward < 255 ? aim->hop + forward : 255); /* a router takes one */
	return true;
}
