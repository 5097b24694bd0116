/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shared by entries.c (allow), entries_remove.c, removal.c (on trial) and entries_lookup.c (what the sets hold). */
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

const struct list *entries_find_list(const struct policy *policy, const char *name, size_t *index);
/* Whether a wider network may cover @net: one question, where entries_covered_by() asks one for each prefix length. */
bool entries_maybe_covered(struct firewall *firewall, const char *set, const struct cidr *net);
/* The narrowest wider entry that covers @net. */
bool entries_covered_by(struct firewall *firewall, const char *set, const struct cidr *net, struct cidr *ret);
int entries_refuse_foreign(struct firewall *firewall, struct change *change);
int entries_refuse_unwritten(struct change *change, const struct diag *diag, int r);
