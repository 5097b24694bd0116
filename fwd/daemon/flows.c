/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/conntrack.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/flows.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/sockets.h"

#define FLOWS_MAX 262144 /* of one host; beyond that the rest makes its own entries */
#define LISTENERS_MAX 8192
#define CUT_MS 500       /* of the loop's time: the rules refuse those packets anyway */

struct listeners {
	struct socket_info *list;
	size_t n;
};

struct flows {
	struct conntrack *conntrack; /* NULL: the kernel has no ctnetlink */
	struct listeners listeners;
	struct ct_tuple *tuples;     /* as each should be in its original direction */
	size_t n, size;
};

static int on_listener(const struct socket_info *info, void *user)
{
	struct listeners *listeners = user;
	struct socket_info *bigger;

	if (listeners->n == LISTENERS_MAX)
		return 0;
	bigger = reallocarray(listeners->list, listeners->n + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	listeners->list = bigger;
	listeners->list[listeners->n++] = *info;
	return 0;
}

static bool is_unspecified(const struct addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

/* Whether somebody waits for connections at the local end of @info: then it was the peer who began. */
static bool has_listener(const struct listeners *listeners, const struct socket_info *info)
{
	for (size_t i = 0; i < listeners->n; i++) {
		const struct socket_info *listener = &listeners->list[i];

		if (listener->proto != info->proto || listener->local_port != info->local_port)
			continue;
		if (addr_equal(&listener->local, &info->local))
			return true;
		/* a wildcard socket of IPv6 serves IPv4 too, unless it says otherwise */
		if (is_unspecified(&listener->local) && (listener->local.family == info->local.family ||
							 (listener->local.family == AF_INET6 && !listener->v6only)))
			return true;
	}
	return false;
}

static bool is_local_talk(const struct socket_info *info)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return addr_equal(&info->local, &info->peer) || (info->peer.family == AF_INET && info->peer.bytes[0] == 127) ||
	       (info->peer.family == AF_INET6 && memcmp(info->peer.bytes, loopback6, 16) == 0);
}

static int on_connected(const struct socket_info *info, void *user)
{
	struct flows *flows = user;
	struct ct_tuple *tuple;

	if (is_local_talk(info) || flows->n == FLOWS_MAX)
		return 0;
	if (flows->n == flows->size) {
		size_t size = flows->size ? flows->size * 2 : 64;
		struct ct_tuple *bigger = reallocarray(flows->tuples, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		flows->tuples = bigger;
		flows->size = size;
	}
	tuple = &flows->tuples[flows->n++];
	/* a connected UDP socket asked for its peer, whatever its port */
	if (info->proto == IPPROTO_TCP && has_listener(&flows->listeners, info))
		*tuple = (struct ct_tuple){ info->proto, info->peer, info->local, info->peer_port, info->local_port };
	else
		*tuple = (struct ct_tuple){ info->proto, info->local, info->peer, info->local_port, info->peer_port };
	return 0;
}

int flows_prime(struct flows **ret)
{
	struct flows *flows = calloc(1, sizeof(*flows));
	int r;

	if (!flows)
		return -ENOMEM;
	r = conntrack_open(&flows->conntrack);
	if (r == -EOPNOTSUPP) {
		*ret = flows;
		return 0;
	}
	if (r == 0)
		r = sockets_listening(on_listener, &flows->listeners);
	if (r == 0)
		r = sockets_connected(on_connected, flows);
	for (size_t i = 0; i < flows->n && r == 0; i++) {
		r = conntrack_create(flows->conntrack, &flows->tuples[i]);
		if (r == -EEXIST) /* tracked already, rightly or not: flows_check() looks */
			r = 0;
	}
	if (r < 0) {
		flows_free(flows);
		return r;
	}
	*ret = flows;
	return 0;
}

static bool tuple_equal(const struct ct_tuple *a, const struct ct_tuple *b)
{
	return a->proto == b->proto && addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst) && a->sport == b->sport &&
	       a->dport == b->dport;
}

int flows_check(struct flows *flows)
{
	int mended = 0;

	for (size_t i = 0; flows->conntrack && i < flows->n; i++) {
		struct ct_entry entry;
		int r = conntrack_find(flows->conntrack, &flows->tuples[i], &entry);

		if (r == 0 && tuple_equal(&entry.original, &flows->tuples[i]))
			continue;
		if (r == 0)
			r = conntrack_delete(flows->conntrack, &entry.original);
		if (r == 0 || r == -ENOENT)
			r = conntrack_create(flows->conntrack, &flows->tuples[i]);
		if (r < 0 && r != -EEXIST)
			return r;
		mended++;
	}
	return mended;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	conntrack_close(flows->conntrack);
	free(flows->listeners.list);
	free(flows->tuples);
	free(flows);
}

struct inbound {
	struct listeners listeners;
	int (*each)(const struct socket_info *info, void *user);
	void *user;
};

static int on_inbound(const struct socket_info *info, void *user)
{
	const struct inbound *inbound = user;

	if (info->proto != IPPROTO_TCP || is_local_talk(info) || !has_listener(&inbound->listeners, info))
		return 0;
	return inbound->each(info, inbound->user);
}

int flows_inbound(int (*each)(const struct socket_info *info, void *user), void *user)
{
	struct inbound inbound = { .each = each, .user = user };
	int r = sockets_listening(on_listener, &inbound.listeners);

	if (r == 0)
		r = sockets_connected(on_inbound, &inbound);
	free(inbound.listeners.list);
	return r;
}

struct cutting {
	struct firewall *firewall;
	struct ruleset *actual;
	struct socket_info *victims;
	size_t n;
	uint64_t until; /* CLOCK_MONOTONIC, ms */
};

static int on_candidate(const struct socket_info *info, void *user)
{
	struct cutting *cutting = user;
	struct question question = { cutting->firewall, GATE_AS_IS, false };
	struct socket_info *bigger;
	struct verdict_way way;
	struct packet packet;

	if (cutting->n == FLOWS_MAX || now_ms() > cutting->until)
		return 1;
	inspect_packet(&info->peer, IPPROTO_TCP, info->local_port, &packet);
	packet.dst = info->local;
	packet.sport = info->peer_port;
	verdict(cutting->actual, &packet, inspect_lookup, &question, &way);
	if (way.verdict != VERDICT_DROP)
		return 0;
	bigger = reallocarray(cutting->victims, cutting->n + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	cutting->victims = bigger;
	cutting->victims[cutting->n++] = *info;
	return 0;
}

int flows_cut(struct firewall *firewall)
{
	struct cutting cutting = { .firewall = firewall, .until = now_ms() + CUT_MS };
	int r = kernel_read(firewall->kernel, &cutting.actual), cut = 0;

	if (r < 0)
		return r;
	r = flows_inbound(on_candidate, &cutting);
	for (size_t i = 0; i < cutting.n; i++)
		cut += sockets_destroy(&cutting.victims[i]) == 0;
	free(cutting.victims);
	ruleset_free(cutting.actual);
	return r < 0 ? r : cut;
}
