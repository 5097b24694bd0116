/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The control socket: lines in, lines out, limits on everything (docs/protocol.md).
 *
 * The group fwd is looked up once, by server_new(): a directory service that hangs must not hang the daemon.
 */
struct event_base;
struct firewall;
struct server;

/* Takes @path over: what is dead there is removed, a living daemon (who holds a lock on PATH.lock) is -EADDRINUSE, what is no
 * socket -ENOTSOCK. The socket is root's, and the group fwd's where there is one. */
int server_new(struct event_base *base, const char *path, struct server **ret);
/* Nobody is answered before this. */
void server_serve(struct server *server, struct firewall *firewall);
void server_free(struct server *server); /* NULL is allowed; the socket file goes */
