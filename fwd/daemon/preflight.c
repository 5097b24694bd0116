/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/admins.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/flows.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/jsontext.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/preflight.h"
#include "fwd/daemon/sshports.h"
#include "rules/compile.h"
#include "rules/overlay.h"

#define WHO_MAX 4 /* logins named in one refusal */

/* One list of the answer. What changes comes first, and is what stays when there is no more room. */
struct part {
	json_t *list;
	json_int_t total, changed, unasked;
};

struct port {
	uint8_t proto;
	struct addr addr;
	uint16_t port;
	uint32_t ifindex;
};

struct look {
	struct firewall *firewall;
	const struct preflight_view *before, *after;
	struct preflight *ret;
	struct part part; /* that is being made */
	struct policy ssh; /* where sshd listens */
	struct port *ports;
	size_t n_ports;
};

bool preflight_cuts(enum verdict before, enum verdict after)
{
	return after == VERDICT_DROP ? before != VERDICT_DROP : after == VERDICT_UNKNOWN && before == VERDICT_ACCEPT;
}

struct asked {
	const struct preflight_view *view;
	bool listed;
};

static int on_set(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	const struct asked *asked = user;

	if (asked->listed && dim == 1 && (strcmp(set, LIST_MAIN) == 0 || strcmp(set, LIST_MAIN "6") == 0))
		return 1;
	return asked->view->lookup(set, dim, src, packet, asked->view->user);
}

static enum verdict ask(const struct preflight_view *view, const struct packet *packet, bool listed)
{
	struct asked asked = { view, listed };
	struct verdict_way way;

	verdict(view->ruleset, packet, on_set, &asked, &way);
	return way.verdict;
}

static bool is_unspecified(const struct addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

/* A new connection from @from to a socket of this host. */
static void aim(const struct addr *from, const struct port *to, struct packet *ret)
{
	char name[IFNAMSIZ];

	inspect_packet(from, to->proto, to->port, ret);
	if (!is_unspecified(&to->addr))
		ret->dst = to->addr;
	if (to->ifindex && if_indextoname(to->ifindex, name))
		memcpy(ret->iif, name, sizeof(ret->iif));
}

static json_t *json_addr(const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];

	addr_format(addr, text);
	return json_string(text);
}

static void part_add(struct part *part, json_t *item, bool changed)
{
	size_t n = json_array_size(part->list), first = n < (size_t)part->changed ? n : (size_t)part->changed;

	json_array_insert_new(part->list, changed ? first : n, item);
	part->total++;
	part->changed += changed;
	if (n == PREFLIGHT_ITEMS_MAX)
		json_array_remove(part->list, PREFLIGHT_ITEMS_MAX);
}

/* Null where it could not be found out. */
static void part_end(struct look *look, const char *name, const char *changed, int r)
{
	struct part *part = &look->part;

	if (r < 0) {
		json_object_set_new(look->ret->json, name, json_null());
		json_decref(part->list);
		return;
	}
	json_object_set_new(look->ret->json, name, json_pack("{s:I, s:I, s:I, s:o}", "total", part->total, changed,
							     part->changed, "unasked", part->unasked, "list", part->list));
}

static void part_begin(struct look *look)
{
	look->part = (struct part){ .list = json_array() };
}

static void name_login(struct preflight *ret, const struct login *login, const char *from)
{
	size_t len = strlen(ret->who);

	if (ret->cut++ == 0)
		snprintf(ret->first, sizeof(ret->first), "%s", from);
	if (ret->cut <= WHO_MAX)
		snprintf(ret->who + len, sizeof(ret->who) - len, "%s%.32s from %.45s%s%.12s", len ? ", " : "",
			 login->user[0] ? login->user : "somebody", from, login->tty[0] ? " on " : "", login->tty);
}

static int on_login(const struct login *login, void *user)
{
	struct look *look = user;
	const struct socket_info *connection = &login->connection;
	const struct port to = { IPPROTO_TCP, connection->local, connection->local_port, connection->ifindex };
	enum verdict before, after;
	char from[ADDR_TEXT_MAX];
	struct packet packet;

	aim(&connection->peer, &to, &packet);
	before = ask(look->before, &packet, false);
	after = ask(look->after, &packet, false);
	addr_format(&connection->peer, from);
	if (preflight_cuts(before, after))
		name_login(look->ret, login, from);
	part_add(&look->part, json_pack("{s:o, s:o, s:s, s:i, s:s, s:s}", "user", json_from_text(login->user), "tty",
					json_from_text(login->tty), "from", from, "port", connection->local_port, "before",
					verdict_name(before), "after", verdict_name(after)), preflight_cuts(before, after));
	return 0;
}

static void look_at_logins(struct look *look)
{
	part_begin(look);
	part_end(look, "logins", "cut", logins_each(on_login, look));
}

/* The best answer of the ports of SSH: one way in is enough. */
static enum verdict ask_ssh(const struct look *look, const struct preflight_view *view, const struct addr *from)
{
	enum verdict best = VERDICT_DROP;

	for (size_t i = 0; i < look->ssh.n_ssh_ports && best != VERDICT_ACCEPT; i++) {
		const struct port to = { IPPROTO_TCP, { .family = from->family }, look->ssh.ssh_ports[i], 0 };
		struct packet packet;
		enum verdict one;

		aim(from, &to, &packet);
		one = ask(view, &packet, false);
		best = one == VERDICT_ACCEPT || best == VERDICT_DROP ? one : best;
	}
	return best;
}

static int on_admin(const struct admin_login *login, void *user)
{
	struct look *look = user;
	enum verdict before, after;

	for (size_t i = 0; i < look->n_ports; i++) /* the latest login from there is told already */
		if (addr_equal(&look->ports[i].addr, &login->from))
			return 0;
	if (look->n_ports == PREFLIGHT_ITEMS_MAX) {
		look->part.unasked++;
		return 0;
	}
	look->ports[look->n_ports++].addr = login->from;
	before = ask_ssh(look, look->before, &login->from);
	after = ask_ssh(look, look->after, &login->from);
	part_add(&look->part, json_pack("{s:o, s:o, s:I, s:s, s:s}", "user", json_from_text(login->user), "from",
					json_addr(&login->from), "last", (json_int_t)login->when, "before", verdict_name(before),
					"after", verdict_name(after)), preflight_cuts(before, after));
	return 0;
}

static void look_at_admins(struct look *look)
{
	uint64_t now = now_epoch();
	struct policy none;

	policy_init(&none);
	none.ssh_auto = false;
	policy_init(&look->ssh);
	sshports_find(&look->ssh, &none);
	look->n_ports = 0;
	part_begin(look);
	part_end(look, "admins", "cut", admins_logins(&admins_of_host, now - PREFLIGHT_DAYS * 86400u, now, on_admin, look));
}

static bool is_loopback(const struct addr *addr)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return addr->family == AF_INET ? addr->bytes[0] == 127 : memcmp(addr->bytes, loopback6, sizeof(loopback6)) == 0;
}

/* Several sockets may wait at one port. */
static void add_port(struct look *look, const struct port *port)
{
	for (size_t i = 0; i < look->n_ports; i++) {
		const struct port *other = &look->ports[i];

		if (other->proto == port->proto && other->port == port->port && other->ifindex == port->ifindex &&
		    addr_equal(&other->addr, &port->addr))
			return;
	}
	if (look->n_ports == PREFLIGHT_PORTS_MAX)
		look->part.unasked++;
	else
		look->ports[look->n_ports++] = *port;
}

static int on_listening(const struct socket_info *info, void *user)
{
	struct port port = { info->proto, info->local, info->local_port, info->ifindex };

	if (is_loopback(&info->local) || info->local_port == 0)
		return 0;
	add_port(user, &port);
	if (info->local.family == AF_INET6 && is_unspecified(&info->local) && !info->v6only) {
		port.addr = (struct addr){ .family = AF_INET };
		add_port(user, &port);
	}
	return 0;
}

static void look_at_port(struct look *look, const struct port *port)
{
	struct addr nobody = inspect_nobody(port->addr.family == AF_INET6 ? V6 : V4);
	enum verdict before[2], after[2];
	struct packet packet;

	aim(&nobody, port, &packet);
	for (int listed = 0; listed < 2; listed++) {
		before[listed] = ask(look->before, &packet, listed);
		after[listed] = ask(look->after, &packet, listed);
	}
	part_add(&look->part, json_pack("{s:s, s:o, s:i, s:{s:s, s:s}, s:{s:s, s:s}}", "proto",
					port->proto == IPPROTO_TCP ? "tcp" : "udp", "address", json_addr(&port->addr), "port", port->port,
					"stranger", "before", verdict_name(before[0]), "after", verdict_name(after[0]),
					"listed", "before", verdict_name(before[1]), "after", verdict_name(after[1])),
		 before[0] != after[0] || before[1] != after[1]);
}

static void look_at_ports(struct look *look)
{
	int r;

	look->n_ports = 0;
	part_begin(look);
	r = sockets_listening(on_listening, look);
	for (size_t i = 0; i < look->n_ports && r == 0; i++)
		look_at_port(look, &look->ports[i]);
	part_end(look, "ports", "changed", r);
}

static int on_flow(const struct socket_info *info, void *user)
{
	struct look *look = user;
	const struct port to = { IPPROTO_TCP, info->local, info->local_port, info->ifindex };
	struct packet packet;

	if (look->part.total == PREFLIGHT_ASKED_MAX) {
		look->part.unasked++;
		return 0;
	}
	look->part.total++;
	aim(&info->peer, &to, &packet);
	packet.sport = info->peer_port;
	if (!preflight_cuts(ask(look->before, &packet, false), ask(look->after, &packet, false)))
		return 0;
	if (look->part.changed++ < PREFLIGHT_FLOWS_MAX)
		json_array_append_new(look->part.list, json_pack("{s:o, s:i, s:i}", "peer", json_addr(&info->peer), "peer_port",
								 info->peer_port, "port", info->local_port));
	return 0;
}

static void look_at_flows(struct look *look)
{
	part_begin(look);
	part_end(look, "flows", "cut", flows_inbound(on_flow, look));
}

int preflight_look(struct firewall *firewall, const struct preflight_view *before, const struct preflight_view *after,
		   struct preflight *ret)
{
	struct look look = { .firewall = firewall, .before = before, .after = after, .ret = ret };

	*ret = (struct preflight){ .json = json_object() };
	look.ports = calloc(PREFLIGHT_PORTS_MAX, sizeof(*look.ports));
	if (!ret->json || !look.ports) {
		json_decref(ret->json);
		free(look.ports);
		return -ENOMEM;
	}
	look_at_logins(&look);
	look_at_admins(&look);
	look_at_ports(&look);
	look_at_flows(&look);
	free(look.ports);
	if (ret->cut > WHO_MAX) {
		size_t len = strlen(ret->who);

		snprintf(ret->who + len, sizeof(ret->who) - len, " and %u more", ret->cut - WHO_MAX);
	}
	return 0;
}

/* A set that the change would make is not there yet: nobody is in it. */
static int on_policy_set(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	int r = inspect_lookup(set, dim, src, packet, user);

	return r == -ENOENT ? 0 : r;
}

int preflight_change(struct firewall *firewall, const struct policy *candidate, struct change *change)
{
	struct question question = { firewall, GATE_CLOSED, false };
	struct wish wish = { .confirmed = candidate, .policy = NF_DROP };
	struct ruleset *actual = NULL, *ours = NULL, *future = NULL;
	struct preflight preflight = { 0 };
	char hint[sizeof(change->hint)];
	int r = kernel_read(firewall->kernel, &actual);

	if (r == 0)
		r = compile(&wish, &ours);
	if (r == 0)
		r = ruleset_overlay(actual, ours, false, &future);
	if (r == 0)
		r = preflight_look(firewall, &(struct preflight_view){ actual, on_policy_set, &question },
				   &(struct preflight_view){ future, on_policy_set, &question }, &preflight);
	ruleset_free(future);
	ruleset_free(ours);
	ruleset_free(actual);
	if (r < 0)
		return change_refuse(change, NULL, "cannot tell what this would cut: %s; nothing was changed", strerror(-r));
	change->preflight = preflight.json;
	if (preflight.cut == 0 || change->force || change->interactive || change->dry_run)
		return 0;
	snprintf(hint, sizeof(hint), "let them in first, as with: fwctl allow %s; or, on trial all the same: --force",
		 preflight.first);
	return change_refuse(change, hint, "this would cut %s: %s; nothing was changed", preflight.cut == 1 ? "a login" :
			     "logins", preflight.who);
}
