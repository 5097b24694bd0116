/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Who types: what the daemon records, and what `me` stands for.
 */
#include <stdbool.h>

#include "rules/addr.h"
#include "rules/diag.h"

struct caller {
	char sudo_user[64];
	char ssh[ADDR_TEXT_MAX]; /* the client's address as SSH_CONNECTION says it */
	char tty[64];
	bool detached;           /* only if asked for: no sshd is above us, so that @ssh may be of an earlier login */
};

/* sudo takes SSH_CONNECTION away: then it is looked for in the processes above us. @origin: fill in detached, too. */
void caller_find(bool origin, struct caller *ret);

/* First word of SSH_CONNECTION ("CLIENT PORT SERVER PORT") -> the network that `me` is: an IPv4 address (also where it
 * is written as IPv6), or the /64 of an IPv6 address; @whole: the address itself. 0 or -EINVAL with @diag. */
int caller_network(const char *ssh, bool whole, char ret[static ADDR_TEXT_MAX], struct diag *diag);
