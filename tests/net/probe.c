/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sockets, conntrack, logins, route and sshports say, in the network namespace that it is started in: JSON, a line each.
 *
 *     net-probe listening | connected | held PID | destroy LOCAL PORT PEER PORT [times]
 *     net-probe find|create|delete tcp|udp SOURCE PORT DESTINATION PORT, and so on | dump
 *     net-probe logins | of PID... | ports | route ADDRESS
 *
 * Exit 0, or 1 with an errno's name (or number) in a line "error".
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fwd/daemon/conntrack.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/route.h"
#include "fwd/daemon/sockets.h"
#include "fwd/daemon/sshports.h"
#include "rules/policy.h"

static void print(json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}

static int done(int r)
{
	if (r < 0)
		print(json_pack("{s:s}", "error", strerrorname_np(-r)));
	return r < 0;
}

static json_t *text(const struct addr *addr)
{
	char buf[ADDR_TEXT_MAX];

	addr_format(addr, buf);
	return json_string(buf);
}

static struct addr address(const char *arg)
{
	struct addr ret;

	if (addr_parse(arg, &ret) < 0)
		exit(2);
	return ret;
}

static json_t *socket_json(const struct socket_info *info)
{
	return json_pack("{s:s, s:o, s:i, s:o, s:i, s:I, s:I, s:b, s:b}", "proto", info->proto == IPPROTO_TCP ? "tcp" : "udp",
			 "local", text(&info->local), "local_port", info->local_port, "peer", text(&info->peer), "peer_port",
			 info->peer_port, "inode", (json_int_t)info->inode, "uid", (json_int_t)info->uid, "listening",
			 info->listening, "v6only", info->v6only);
}

static int on_socket(const struct socket_info *info, void *user)
{
	int *left = user;

	print(socket_json(info));
	return left && --*left == 0 ? 4711 : 0;
}

static int on_inode(uint32_t inode, void *user)
{
	(void)user;
	print(json_integer(inode));
	return 0;
}

struct wanted {
	struct socket_info info;
	bool found;
};

static int on_wanted(const struct socket_info *info, void *user)
{
	struct wanted *wanted = user;

	if (info->proto == IPPROTO_TCP && addr_equal(&info->local, &wanted->info.local) &&
	    addr_equal(&info->peer, &wanted->info.peer) && info->local_port == wanted->info.local_port &&
	    info->peer_port == wanted->info.peer_port) {
		wanted->info = *info;
		wanted->found = true;
	}
	return 0;
}

/* Found once, destroyed as often as asked: each time must come to something. */
static int destroy(char **argv, int times)
{
	struct wanted wanted = { .info = {
		.local = address(argv[0]), .local_port = (uint16_t)atoi(argv[1]),
		.peer = address(argv[2]), .peer_port = (uint16_t)atoi(argv[3]),
	} };
	int r = sockets_connected(on_wanted, &wanted);

	if (r == 0 && !wanted.found)
		r = -ENOTCONN;
	for (int i = 0; i < times && r == 0; i++)
		r = sockets_destroy(&wanted.info);
	return r;
}

static json_t *tuple_json(const struct ct_tuple *tuple)
{
	return json_pack("[i, o, i, o, i]", tuple->proto, text(&tuple->src), tuple->sport, text(&tuple->dst), tuple->dport);
}

static int on_entry(const struct ct_entry *entry, void *user)
{
	int *left = user;

	print(json_pack("{s:o, s:o, s:I}", "original", tuple_json(&entry->original), "reply", tuple_json(&entry->reply), "status",
			(json_int_t)entry->status));
	return left && --*left == 0 ? 4711 : 0;
}

static int tracked(const char *verb, char **argv, int n)
{
	struct conntrack *conntrack;
	struct ct_entry entry;
	int r = conntrack_open(&conntrack);

	if (r < 0)
		return r;
	if (strcmp(verb, "dump") == 0)
		r = conntrack_dump(conntrack, on_entry, NULL);
	else if (strcmp(verb, "dump-one") == 0)
		for (int left = 1, i = 0; i < 2; i++, left = 1)
			r = conntrack_dump(conntrack, on_entry, &left) == 4711 ? 0 : -EIO;
	for (; r == 0 && n >= 5; argv += 5, n -= 5) {
		const uint8_t proto = strcmp(argv[0], "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		struct ct_tuple tuple = { proto, address(argv[1]), address(argv[3]), (uint16_t)atoi(argv[2]), (uint16_t)atoi(argv[4]) };

		if (strcmp(verb, "create") == 0)
			r = conntrack_create(conntrack, &tuple);
		else if (strcmp(verb, "delete") == 0)
			r = conntrack_delete(conntrack, &tuple);
		else if ((r = conntrack_find(conntrack, &tuple, &entry)) == 0)
			on_entry(&entry, NULL);
	}
	conntrack_close(conntrack);
	return r;
}

static json_t *login_json(const struct login *login)
{
	return json_pack("{s:i, s:s, s:s, s:o}", "pid", login->pid, "user", login->user, "tty", login->tty, "connection",
			 socket_json(&login->connection));
}

static int on_login(const struct login *login, void *user)
{
	(void)user;
	print(login_json(login));
	return 0;
}

static int of(char **argv)
{
	static const char *const kinds[] = { [LOGIN_SSH] = "ssh", [LOGIN_CONSOLE] = "console", [LOGIN_OTHER] = "other" };

	for (; *argv; argv++) {
		struct login login;
		enum login_kind kind = logins_of(atoi(*argv), &login);

		print(json_pack("{s:s, s:o*}", "kind", kinds[kind], "login", kind == LOGIN_SSH ? login_json(&login) : NULL));
	}
	return 0;
}

static int ports(void)
{
	struct policy policy = { 0 }, confirmed = { 0 };

	sshports_find(&policy, &confirmed);
	for (size_t i = 0; i < policy.n_ssh_ports; i++)
		print(json_integer(policy.ssh_ports[i]));
	return 0;
}

static int route(const char *to)
{
	struct addr own, addr = address(to);
	char name[IFNAMSIZ];
	int r = route_lookup(&addr, name, &own);

	if (r == 0)
		print(json_pack("[s, o]", name, text(&own)));
	return r;
}

int main(int argc, char *argv[])
{
	const char *verb = argc > 1 ? argv[1] : "";
	int one = 1;

	json_set_alloc_funcs(malloc, free);
	if (strcmp(verb, "listening") == 0)
		return done(sockets_listening(on_socket, NULL));
	if (strcmp(verb, "listening-one") == 0)
		return done(sockets_listening(on_socket, &one) == 4711 ? 0 : -EIO);
	if (strcmp(verb, "connected") == 0)
		return done(sockets_connected(on_socket, NULL));
	if (strcmp(verb, "held") == 0 && argc == 3)
		return done(sockets_of_process(atoi(argv[2]), on_inode, NULL));
	if (strcmp(verb, "destroy") == 0 && argc >= 6)
		return done(destroy(argv + 2, argc > 6 ? atoi(argv[6]) : 1));
	if (strcmp(verb, "logins") == 0)
		return done(logins_each(on_login, NULL));
	if (strcmp(verb, "of") == 0)
		return done(of(argv + 2));
	if (strcmp(verb, "ports") == 0)
		return done(ports());
	if (strcmp(verb, "route") == 0 && argc == 3)
		return done(route(argv[2]));
	return done(tracked(verb, argv + 2, argc - 2));
}
