/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Questions to the kernel over a netlink socket of their own. No answer within 5 s, all of it counted: -ETIMEDOUT.
 */
#include <stdint.h>

#include <libmnl/libmnl.h>

#define NETLINK_BUFFER 32768 /* the largest message that the kernel makes for a dump */

/* To be closed by mnl_socket_close(), which does not take NULL. */
int netlink_open(int bus, struct mnl_socket **ret);

/*
 * Sends @request, whose flags ask for a dump or for an acknowledgement, and gives every message of its answer to @each (NULL:
 * nobody) until the end. 0, -errno of the kernel, or the first non-zero answer of @each: what was not read yet is then passed
 * over by the next question, but a dump stays unfinished until the socket is closed.
 */
int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, int (*each)(const struct nlmsghdr *message, void *user),
		void *user);

/* Attributes of @message behind a head of @head bytes, or those inside of @nest, by type up to @max; NULL where there is none. */
void netlink_attributes(const struct nlmsghdr *message, size_t head, unsigned max, const struct nlattr **ret);
void netlink_nested(const struct nlattr *nest, unsigned max, const struct nlattr **ret);
