/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shared by entries.c (allow, remove) and entries_lookup.c (what the sets hold); nobody else includes it. */
#include "fwd/daemon/firewall_internal.h"

/* One network of a request. */
struct plan {
	struct entry entry, old;
	enum entry_was was;
	char set[32];
	bool found;         /* @old is what the set holds for exactly this network */
	bool maybe_covered; /* by a wider network: worth a look */
};

/* Fills in @found and @old of each, by @entry.net and @set. A test says yes also for a host that a wider network covers, and
 * nothing but a dump tells time and comment: one dump of each set, however many networks. 0 or -errno. */
int entries_look_up(struct firewall *firewall, struct plan *plans, size_t n);
