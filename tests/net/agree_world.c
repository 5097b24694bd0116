/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random policies, and random entries in the sets of their lists.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "fwd/daemon/gate.h"
#include "rules/compile.h"
#include "tests/net/agree.h"

const char *const set_names[SETS_MAX] = { LIST_MAIN, "alpha", "bravo", "charlie", "delta", "echo", "ban" };

struct addr addr_of(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr) < 0)
		die("no address: %s", text);
	return addr;
}

void addr_step(struct addr *addr, int step)
{
	for (unsigned i = addr_bits(addr->family) / 8; i-- > 0;) {
		addr->bytes[i] = (uint8_t)(addr->bytes[i] + step);
		if (addr->bytes[i] != (step > 0 ? 0 : 0xff))
			return;
	}
}

static bool is_in(const struct addr *addr, const char *net, unsigned len)
{
	struct addr first = addr_of(net);
	struct cidr cidr = cidr_of(&first, len);

	return cidr_contains(&cidr, addr);
}

bool addr_is_source(const struct addr *addr)
{
	if (addr->family == AF_INET)
		return addr->bytes[0] != 0 && addr->bytes[0] != 127 && addr->bytes[0] < 224 &&
		       !is_in(addr, LOCAL4, 24) && !is_in(addr, "192.0.2.0", 24) && !is_in(addr, "10.0.3.0", 24);
	return addr->bytes[0] != 0 && addr->bytes[0] != 0xff && !is_in(addr, "fe80::", 10) &&
	       !is_in(addr, LOCAL6, 64) && !is_in(addr, "2001:db8::", 46); /* 0 to 3 */
}

struct addr random_addr(uint64_t *state, uint8_t family)
{
	struct addr addr = { .family = family };

	do {
		for (unsigned i = 0; i < addr_bits(family) / 8; i++)
			addr.bytes[i] = (uint8_t)random_next(state);
	} while (!addr_is_source(&addr));
	return addr;
}

static const struct cidr *edge_first(struct world *world, const struct cidr *net)
{
	int six = net->addr.family == AF_INET6;
	struct addr edges[4] = { cidr_first(net), cidr_last(net), cidr_first(net), cidr_last(net) };

	addr_step(&edges[2], -1);
	addr_step(&edges[3], 1);
	for (unsigned i = 0; i < 4 && world->n_edges[six] < EDGES_MAX; i++)
		if (addr_is_source(&edges[i]))
			world->edges[six][world->n_edges[six]++] = edges[i];
	return net;
}

/* Near another one, so that entries overlap, touch and hold each other. */
static struct cidr random_net_near(uint64_t *state, uint8_t family, const struct cidr *near)
{
	static const uint8_t common[] = { 32, 32, 31, 30, 29, 25, 24, 23, 17, 16, 9, 8, 4, 2, 1 };
	unsigned len = common[random_below(state, sizeof(common))];
	struct addr addr = random_addr(state, family);

	if (family == AF_INET6 && len > 4)
		len = random_below(state, 3) ? len * 4 : len * 4 - random_below(state, 8);
	if (len <= 4 && random_below(state, 3))
		len = addr_bits(family); /* few that hold half of the world */
	if (!near || random_below(state, 3) == 0)
		return cidr_of(&addr, len);
	switch (random_below(state, 4)) {
	case 0:
		addr = cidr_last(near);
		addr_step(&addr, 1);
		break;
	case 1:
		addr = cidr_first(near);
		addr_step(&addr, -1);
		break;
	case 2:
		addr = cidr_first(near);
		break;
	default:
		addr = cidr_last(near);
		len = addr_bits(family);
	}
	return cidr_of(&addr, random_bool(state) ? len : near->len > 1 ? near->len : 1);
}

static void fill_set(struct world *world, const char *name, int six)
{
	struct filled *set = NULL;

	for (unsigned i = 0; i < SETS_MAX; i++)
		if (strcmp(set_names[i], name) == 0)
			set = &world->sets[i][six];
	memset(set, 0, sizeof(*set));
	snprintf(set->name, sizeof(set->name), "%s%s", name, six ? "6" : "");
	for (size_t n = 1 + random_below(&world->random, ENTRIES_MAX); set->n < n;) {
		struct entry *entry = &set->entries[set->n];

		entry->net = random_net_near(&world->random, six ? AF_INET6 : AF_INET, set->n ? &entry[-1].net : NULL);
		entry->nomatch = random_below(&world->random, 12) == 0;
		edge_first(world, &entry->net);
		set->n++;
	}
}

void world_add_port(struct world *world, unsigned port)
{
	if (port <= UINT16_MAX && world->n_ports < EDGES_MAX)
		world->ports[world->n_ports++] = (uint16_t)port;
}

static void draw_list_ports(struct world *world, struct list *list)
{
	list->n_ports = 1 + random_below(&world->random, random_below(&world->random, 4) ? 4 : LIST_PORTS_MAX);
	for (size_t i = 0; i < list->n_ports; i++) {
		struct port_span span = random_span(&world->random);

		if (random_bool(&world->random)) /* narrow ones */
			span.hi = (uint16_t)(span.lo + (span.lo < UINT16_MAX - 3) * random_below(&world->random, 3));
		list->ports[i].proto = random_bool(&world->random) ? IPPROTO_TCP : IPPROTO_UDP;
		list->ports[i].lo = span.lo;
		list->ports[i].hi = span.hi;
		world_add_port(world, span.lo);
		world_add_port(world, span.hi);
	}
}

static struct cidr draw_destination(struct world *world)
{
	static const char *const nets[] = { LOCAL4, GUESTS4, LOCAL6, GUESTS6 };
	unsigned which = random_below(&world->random, 4);
	struct addr addr = addr_of(nets[which]);
	unsigned bits = addr_bits(addr.family);
	unsigned len = (which < 2 ? LOCAL_LEN4 : LOCAL_LEN6) + random_below(&world->random, 9);

	addr.bytes[bits / 8 - 1] = (uint8_t)random_next(&world->random);
	return cidr_of(&addr, len);
}

static void draw_policy(struct world *world, struct policy *policy)
{
	policy_init(policy);
	policy->ssh = random_bool(&world->random) ? SSH_ANYONE : SSH_WHITELIST;
	policy->ssh_auto = false;
	policy_add_ssh_port(policy, 22);
	for (unsigned n = random_below(&world->random, 3); n > 0; n--) {
		uint16_t port = (uint16_t)(1 + random_below(&world->random, 65535));

		policy_add_ssh_port(policy, port);
		world_add_port(world, port);
	}
	for (unsigned i = 0; i < N_IFACES; i++)
		if (random_below(&world->random, 8) == 0)
			policy_add_trust(policy, iface_names[i]);
	policy->n_lists = 1 + random_below(&world->random, SETS_MAX - 1);
	for (size_t i = 1; i < policy->n_lists; i++) {
		struct list *list = &policy->lists[i];

		memset(list, 0, sizeof(*list));
		snprintf(list->name, sizeof(list->name), "%s", set_names[i]);
		if (random_below(&world->random, 4))
			draw_list_ports(world, list);
		if (random_below(&world->random, 3) == 0)
			list->destination = draw_destination(world);
		if (random_below(&world->random, 3) == 0)
			snprintf(list->interface, sizeof(list->interface), "%s",
				 iface_names[random_below(&world->random, N_IFACES)]);
	}
}

/* Mostly what is confirmed alone; sometimes a trial on top, rarely a first trial. */
void world_draw(struct world *world)
{
	static const uint8_t policies[] = { NF_DROP, NF_DROP, NF_ACCEPT, POLICY_KEEP };
	static const uint16_t ports[] = { 22, 67, 68, 80, 546, 0, UINT16_MAX };
	unsigned kind = random_below(&world->random, 20);

	memset(world->n_edges, 0, sizeof(world->n_edges));
	world->n_ports = world->n_aims = 0;
	for (unsigned i = 0; i < SETS_MAX; i++)
		for (int six = 0; six < 2; six++)
			fill_set(world, set_names[i], six);
	for (unsigned i = 0; i < sizeof(ports) / sizeof(*ports); i++)
		world_add_port(world, ports[i]);
	world->has_confirmed = kind != 0;
	world->has_candidate = kind < 8;
	world->gate_open = kind < 5;
	world->policy = policies[random_below(&world->random, 4)];
	draw_policy(world, &world->confirmed);
	draw_policy(world, &world->candidate);
}

const struct policy *world_policy(const struct world *world)
{
	if (world->has_candidate && (world->gate_open || !world->has_confirmed))
		return &world->candidate;
	return &world->confirmed;
}

void world_create_sets(struct sets *sets)
{
	struct diag diag = { 0 };
	char name[SET_NAME_MAX + 1];
	int r;

	for (unsigned i = 0; i < SETS_MAX; i++) {
		for (int six = 0; six < 2; six++) {
			snprintf(name, sizeof(name), "%s%s", set_names[i], six ? "6" : "");
			r = sets_create_net(sets, name, six ? AF_INET6 : AF_INET, ENTRIES_MAX);
			if (r < 0)
				skip("no ipset hash:net: %s", strerror(-r));
		}
	}
	if (gate_ensure(sets, &diag) < 0)
		skip("%s", diag.text);
}

void world_fill(const struct world *world, struct sets *sets)
{
	uint64_t now = (uint64_t)time(NULL);
	int r = 0;

	for (unsigned i = 0; i < SETS_MAX * 2 && r >= 0; i++) {
		const struct filled *set = &world->sets[i / 2][i % 2];

		r = sets_flush(sets, set->name);
		if (r == 0)
			r = sets_add(sets, set->name, set->entries, set->n, false, now, NULL);
	}
	if (r >= 0)
		r = world->gate_open ? gate_arm(sets, POLICY_TIMEOUT_MAX, 1) : gate_close(sets);
	if (r < 0)
		die("sets: %s", strerror(-r));
}
