/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Live flows of this host, around a change: those that are older than connection tracking are made known to it, and those
 * that a change denies are cut.
 */
#include <stddef.h>

struct firewall;
struct flows;
struct socket_info;

/*
 * Tracking begins with the first rule that asks for it, and takes every flow for begun by whoever sends next: an inbound
 * session could look like our own (a false proof of access), a download like somebody's attack. So, in this order: entries
 * for all live TCP connections and connected UDP sockets (their beginner is the peer where the local port has a listener,
 * else this host), then the rules, then flows_check().
 * 0 or -errno; *ret is to be freed. Without ctnetlink nothing is done, and *ret is empty.
 */
int flows_prime(struct flows **ret);
/* Entries that packets made the wrong way round in between are made anew. Returns how many, or -errno. */
int flows_check(struct flows *flows);
void flows_free(struct flows *flows); /* NULL is allowed */

/* Live TCP connections that others began to this host. A non-zero answer of @each ends it and is returned. 0 or -errno. */
int flows_inbound(int (*each)(const struct socket_info *info, void *user), void *user);

/* Destroys the TCP sockets of inbound connections that a new one could not make any more, as the kernel's rules stand. The
 * rules already refuse their packets; this is for those that somebody's `conntrack -D` would let slip, as many as half a second
 * allows. Returns how many. */
int flows_cut(struct firewall *firewall);
