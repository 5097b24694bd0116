/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets at the boundaries of what the rules ask for. A recipe makes one that is likely to be accepted, or to be
 * dropped; then chance may spoil it a little. What becomes of it, the kernel decides.
 */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include "tests/net/agree.h"

struct draw {
	struct world *world;
	struct spec *spec;
	uint8_t family;
	bool forward, accept;
};

static unsigned below(struct draw *d, unsigned n)
{
	return random_below(&d->world->random, n);
}

static uint8_t icmp_of(const struct draw *d)
{
	return d->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static struct addr draw_in(struct world *world, const char *net)
{
	struct addr addr = addr_of(net);
	uint8_t *last = &addr.bytes[addr_bits(addr.family) / 8 - 1];

	*last = (uint8_t)random_next(&world->random);
	/* at the ends of a list's destination */
	for (size_t i = 1; i < world_policy(world)->n_lists; i++) {
		const struct cidr *cidr = &world_policy(world)->lists[i].destination;
		struct cidr whole = cidr_of(&addr, addr_bits(addr.family) - 8);
		struct addr edge;

		if (cidr->addr.family != addr.family || !cidr_contains(&whole, &cidr->addr) ||
		    random_bool(&world->random))
			continue;
		edge = random_bool(&world->random) ? cidr_first(cidr) : cidr_last(cidr);
		if (random_below(&world->random, 4) == 0)
			addr_step(&edge, random_bool(&world->random) ? 1 : -1);
		if (cidr_contains(&whole, &edge))
			addr = edge;
	}
	if (*last == PUBLISHED || *last == PUBLISHED + 1)
		*last = 1;
	return addr;
}

struct addr draw_local(struct world *world, uint8_t family)
{
	return draw_in(world, family == AF_INET ? LOCAL4 : LOCAL6);
}

struct addr draw_guest(struct world *world, uint8_t family)
{
	return draw_in(world, family == AF_INET ? GUESTS4 : GUESTS6);
}

struct addr draw_source(struct world *world, uint8_t family)
{
	int six = family == AF_INET6;

	if (world->n_edges[six] && random_below(&world->random, 5))
		return world->edges[six][random_below(&world->random, (unsigned)world->n_edges[six])];
	return random_addr(&world->random, family);
}

uint16_t draw_port(struct world *world)
{
	unsigned kind = random_below(&world->random, 6);
	uint16_t port = world->ports[random_below(&world->random, (unsigned)world->n_ports)];

	if (kind == 0)
		return random_port(&world->random);
	return (uint16_t)(kind == 1 ? port - 1 : kind == 2 ? port + 1 : port);
}

/* An address that an entry of the list's set holds, at its ends mostly. */
static struct addr listed_source(struct draw *d, const struct list *list)
{
	const struct filled *set = &d->world->sets[0][d->family == AF_INET6];

	for (unsigned i = 0; i < SETS_MAX; i++)
		if (strcmp(set_names[i], list->name) == 0)
			set = &d->world->sets[i][d->family == AF_INET6];
	for (unsigned tries = 0; tries < 8; tries++) {
		const struct entry *entry = &set->entries[below(d, (unsigned)set->n)];
		struct addr addr = random_bool(&d->world->random) ? cidr_first(&entry->net) : cidr_last(&entry->net);

		if (!entry->nomatch && addr_is_source(&addr))
			return addr;
	}
	return draw_source(d->world, d->family);
}

static unsigned iface_of(const char *name)
{
	for (unsigned i = 0; i < N_IFACES; i++)
		if (strcmp(name, iface_names[i]) == 0)
			return i;
	return UP0;
}

static void set_iface(struct draw *d, unsigned iface)
{
	d->spec->iface = (uint8_t)iface;
	if (!d->forward)
		d->spec->tuple.dst = draw_local(d->world, d->family);
	else if (iface == LAN0)
		d->spec->tuple.dst = random_addr(&d->world->random, d->family); /* out into the world */
	else
		d->spec->tuple.dst = draw_guest(d->world, d->family);
}

static void set_proto(struct draw *d, uint8_t proto, uint16_t dport)
{
	static const uint8_t flags[] = { 0x02, 0x02, 0x02, 0x10, 0x18, 0x12, 0x11 };

	d->spec->tuple.proto = proto;
	d->spec->tuple.sport = below(d, 3) ? (uint16_t)(1024 + below(d, 64000)) : draw_port(d->world);
	d->spec->tuple.dport = dport;
	d->spec->flags = flags[below(d, sizeof(flags))];
}

static void set_icmp(struct draw *d, uint8_t type, uint8_t code)
{
	d->spec->tuple.proto = icmp_of(d);
	d->spec->type = type;
	d->spec->code = code;
	d->spec->tuple.sport = (uint16_t)random_next(&d->world->random);
	d->spec->tuple.dport = (uint16_t)(type << 8 | code);
}

static void any_proto(struct draw *d)
{
	set_proto(d, below(d, 2) ? IPPROTO_TCP : IPPROTO_UDP, draw_port(d->world));
	if (below(d, 6) == 0)
		set_icmp(d, d->family == AF_INET ? 8 : 128, 0);
}

/* Where TCP and UDP goes on to a guest, or to another port. */
static void set_published(struct draw *d)
{
	d->spec->iface = (uint8_t)below(d, 2);
	d->spec->tuple.dst = addr_of(d->family == AF_INET ? LOCAL4 : LOCAL6);
	d->spec->tuple.dst.bytes[addr_bits(d->family) / 8 - 1] = d->forward ? PUBLISHED : PUBLISHED + 1;
}

static void listed(struct draw *d)
{
	const struct policy *policy = world_policy(d->world);
	const struct list *list = &policy->lists[below(d, (unsigned)policy->n_lists)];

	set_iface(d, list->interface[0] ? iface_of(list->interface) : below(d, N_IFACES));
	if (list->n_ports && d->forward && list->destination.addr.family != d->family)
		set_published(d);
	if (list->destination.addr.family == d->family && d->spec->iface != LAN0)
		d->spec->tuple.dst = below(d, 2) ? cidr_first(&list->destination) : cidr_last(&list->destination);
	d->spec->tuple.src = d->accept || below(d, 2) ? listed_source(d, list) : draw_source(d->world, d->family);
	any_proto(d);
	if (list->n_ports) {
		const struct list_port *port = &list->ports[below(d, (unsigned)list->n_ports)];
		bool low = below(d, 2);

		set_proto(d, port->proto, low ? port->lo : port->hi);
		if (!d->accept && below(d, 2))
			d->spec->tuple.dport = (uint16_t)(low ? port->lo - 1 : port->hi + 1);
	}
}

static void stranger(struct draw *d)
{
	set_iface(d, below(d, N_IFACES));
	d->spec->tuple.src = draw_source(d->world, d->family);
	any_proto(d);
	if (below(d, 5) == 0)
		set_published(d);
	if (d->spec->tuple.dst.bytes[addr_bits(d->family) / 8 - 1] >= PUBLISHED && below(d, 2))
		set_proto(d, below(d, 2) ? IPPROTO_TCP : IPPROTO_UDP, draw_port(d->world));
}

/* The flow that the spec belongs to is there already, begun by the host's (or a guest's) side or by the other. */
static void answer(struct draw *d)
{
	unsigned flags = below(d, 5) ? FLOW_SEEN_REPLY : 0;
	struct tuple orig;

	stranger(d);
	if (d->spec->tuple.proto == icmp_of(d))
		set_icmp(d, d->family == AF_INET ? 0 : 129, 0);
	orig = tuple_reverse(&d->spec->tuple);
	if (d->spec->tuple.proto == icmp_of(d)) {
		orig.sport = d->spec->tuple.sport;
		orig.dport = (uint16_t)((d->family == AF_INET ? 8 : 128) << 8);
	}
	flow_create(&orig, flags, NULL);
	d->spec->flags = flags ? 0x10 : 0x12;
}

static void begun_there(struct draw *d)
{
	struct addr guest;

	stranger(d);
	if (d->accept)
		listed(d);
	if (d->spec->tuple.proto == icmp_of(d))
		set_icmp(d, d->family == AF_INET ? 8 : 128, 0);
	d->spec->flags = 0x10;
	if (d->spec->tuple.dst.bytes[addr_bits(d->family) / 8 - 1] == PUBLISHED && d->spec->tuple.proto != icmp_of(d)) {
		guest = addr_of(d->family == AF_INET ? GUESTS4 : GUESTS6);
		guest.bytes[addr_bits(d->family) / 8 - 1] = 10;
		flow_create(&d->spec->tuple, FLOW_SEEN_REPLY | FLOW_PUBLISHED, &guest);
		if (below(d, 2) && d->forward) { /* the guest's answer */
			d->spec->iface = LAN0;
			d->spec->tuple.dst = d->spec->tuple.src;
			d->spec->tuple.dport = d->spec->tuple.sport;
			d->spec->tuple.src = guest;
			d->spec->tuple.sport = 80;
		}
		return;
	}
	flow_create(&d->spec->tuple, FLOW_SEEN_REPLY, NULL);
}

static void expected(struct draw *d)
{
	stranger(d);
	set_proto(d, below(d, 2) ? IPPROTO_TCP : IPPROTO_UDP, draw_port(d->world));
	if (below(d, 2)) {
		flow_create(&d->spec->tuple, FLOW_EXPECTED, NULL);
		d->spec->flags = 0x02;
	} else {
		struct tuple orig = tuple_reverse(&d->spec->tuple);

		flow_create(&orig, FLOW_EXPECTED | FLOW_SEEN_REPLY, NULL);
		d->spec->flags = 0x10;
	}
}

/* About a flow that is there (related) or not (invalid). */
static void icmp_error(struct draw *d)
{
	static const uint8_t types4[] = { 3, 3, 11, 12 }, types6[] = { 1, 2, 3, 4 };
	uint8_t type = (d->family == AF_INET ? types4 : types6)[below(d, 4)];
	struct tuple orig;

	stranger(d);
	set_proto(d, below(d, 2) ? IPPROTO_TCP : IPPROTO_UDP, draw_port(d->world));
	d->spec->inner = tuple_reverse(&d->spec->tuple); /* it went from here to there */
	orig = below(d, 2) ? d->spec->inner : d->spec->tuple;
	if (d->accept || below(d, 2))
		flow_create(&orig, FLOW_SEEN_REPLY, NULL);
	if (below(d, 3) == 0)
		d->spec->tuple.src = draw_source(d->world, d->family); /* a router on the way */
	set_icmp(d, type, type == 3 && d->family == AF_INET ? (uint8_t)(below(d, 2) ? 4 : below(d, 14)) : 0);
	d->spec->error = true;
}

static void trusted(struct draw *d)
{
	const struct policy *policy = world_policy(d->world);

	stranger(d);
	if (policy->n_trust)
		set_iface(d, iface_of(policy->trust[below(d, (unsigned)policy->n_trust)]));
}

static void ssh(struct draw *d)
{
	const struct policy *policy = world_policy(d->world);
	unsigned port = policy->ssh_ports[below(d, (unsigned)policy->n_ssh_ports)];

	stranger(d);
	set_proto(d, IPPROTO_TCP, (uint16_t)(d->accept ? port : port - 1 + 2 * below(d, 2)));
}

static struct addr link_local(struct draw *d)
{
	struct addr addr = addr_of(below(d, 4) ? "fe80::1234" : "febf:ffff::1");

	if (below(d, 5) == 0)
		addr = addr_of(below(d, 2) ? "fec0::1" : "fe7f:ffff::1"); /* just outside of it */
	return addr;
}

/* What a host needs whoever asks: neighbours, MLD, echo, DHCP, IGMP; and the same with something wrong. */
static void service(struct draw *d)
{
	static const uint8_t types[] = { 133, 134, 135, 136, 137, 130, 131, 132, 143, 128, 2, 138 };

	stranger(d);
	if (d->family == AF_INET && below(d, 2)) {
		static const uint8_t echo[] = { 8, 8, 13, 5, 17 };

		set_icmp(d, echo[below(d, d->accept ? 2 : 5)], 0);
	} else if (d->family == AF_INET && below(d, 2)) {
		d->spec->tuple.proto = IPPROTO_IGMP;
		d->spec->type = below(d, 2) ? 0x11 : 0x16;
		if (!d->forward && below(d, 2))
			d->spec->tuple.dst = addr_of("224.0.0.1");
	} else if (below(d, 3) == 0) {
		set_proto(d, IPPROTO_UDP, d->family == AF_INET ? 68 : 546);
		d->spec->tuple.sport = d->family == AF_INET ? 67 : 547;
		if (d->family == AF_INET6 && !d->forward)
			d->spec->tuple.src = link_local(d);
		if (!d->accept)
			*(below(d, 2) ? &d->spec->tuple.sport : &d->spec->tuple.dport) +=
				(uint16_t)(below(d, 2) ? 1 : -1);
	} else if (d->family == AF_INET6) {
		set_icmp(d, types[below(d, sizeof(types))], 0);
		d->spec->hop = d->accept || below(d, 3) == 0 ? 255 : (uint8_t[]){ 254, 64, 2 }[below(d, 3)];
		if (!d->forward && below(d, 2))
			d->spec->tuple.src = link_local(d);
		if (!d->forward && below(d, 3) == 0)
			d->spec->tuple.dst = addr_of("ff02::1");
	}
}

static void odd(struct draw *d)
{
	static const uint8_t protos[] = { IPPROTO_GRE, IPPROTO_ESP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP, 89,
		253, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_TCP };
	static const uint8_t flags[] = { 0x00, 0x03, 0x29, 0x04, 0x06, 0x3f, 0x10, 0xc2 };

	stranger(d);
	if (d->accept)
		listed(d);
	set_proto(d, protos[below(d, sizeof(protos))], draw_port(d->world));
	d->spec->flags = flags[below(d, sizeof(flags))];
	d->spec->type = (uint8_t)below(d, 20);
	d->spec->code = (uint8_t)below(d, 3);
	d->spec->spoilt = below(d, 4) == 0;
}

/* At what a rule of others asks for, sometimes as part of a flow. */
static void aimed(struct draw *d)
{
	struct tuple orig;

	stranger(d);
	if (d->accept && below(d, 2))
		listed(d);
	if (!aim_apply(d->world, d->family, d->forward, d->spec) || below(d, 3))
		return;
	orig = below(d, 2) ? tuple_reverse(&d->spec->tuple) : d->spec->tuple;
	if (orig.proto == IPPROTO_TCP || orig.proto == IPPROTO_UDP)
		flow_create(&orig, below(d, 4) ? FLOW_SEEN_REPLY : 0, NULL);
}

static const struct {
	void (*draw)(struct draw *d);
	const char *name;
	uint8_t accept, drop; /* weights */
} recipes[] = {
	{ listed, "listed", 30, 25 }, { stranger, "stranger", 4, 30 }, { answer, "answer", 14, 4 },
	{ begun_there, "begun there", 8, 10 }, { expected, "expected", 6, 2 }, { icmp_error, "icmp error", 10, 6 },
	{ trusted, "trusted", 6, 2 }, { ssh, "ssh", 6, 6 }, { service, "service", 10, 6 }, { odd, "odd", 4, 12 },
	{ aimed, "aimed", 60, 60 },
};

static void spoil(struct draw *d)
{
	struct tuple *tuple = &d->spec->tuple;

	if (below(d, 12) == 0 && addr_is_source(&tuple->src))
		tuple->src = draw_source(d->world, d->family);
	if (below(d, 12) == 0)
		tuple->dport = (uint16_t)(tuple->dport + (below(d, 2) ? 1 : -1));
	d->spec->untrack = below(d, 20) == 0;
	d->spec->fragment = below(d, 20) == 0;
	d->spec->extension = d->family == AF_INET6 && !d->spec->fragment && below(d, 12) == 0;
}

void draw_packet(struct world *world, uint8_t family, bool forward, bool accept, struct spec *ret)
{
	struct draw d = { world, ret, family, forward, accept };
	unsigned sum = 0, at;
	size_t i = 0;

	ret->hop = 64;
	for (size_t j = 0; j < sizeof(recipes) / sizeof(*recipes); j++)
		sum += accept ? recipes[j].accept : recipes[j].drop;
	for (at = random_below(&world->random, sum); at >= (accept ? recipes[i].accept : recipes[i].drop); i++)
		at -= accept ? recipes[i].accept : recipes[i].drop;
	recipes[i].draw(&d);
	ret->recipe = recipes[i].name;
	spoil(&d);
}
