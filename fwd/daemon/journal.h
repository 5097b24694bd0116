/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * /etc/iptables/ipsets: the file that `ipset restore -exist` loads, and at the same time an append-only journal of what was
 * allowed and removed. A change is one appended line and one fdatasync, however large the set.
 *
 * The order is journal first, then kernel: what is not on the disk was never in force, so a failing disk needs no undo.
 *
 * Records never cross a multiple of 4096 (padded with newlines) and are at most 1023 bytes: a full disk tears at block
 * limits, and "…/32" torn to "…/3" is a valid line that opens an eighth of the internet. A tail without its newline is
 * dropped when the file is opened.
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/diag.h"
#include "rules/entry.h"

struct journal;

/* Opens or makes @path (0640, parent must exist; a link, a directory or a file of others than root is refused). Nothing is
 * written yet, except that a torn tail is cut off. 0 or -errno with @diag. */
int journal_open(const char *path, struct journal **ret, struct diag *diag);
void journal_close(struct journal *journal); /* NULL is allowed; unsynced records are lost */

/* What the file says of one set when read to its end: the last word on each network wins. */
struct journal_state {
	bool created;          /* there is a create line */
	struct entry *entries; /* alive at @now, ascending by network; owned */
	size_t n;
	struct cidr *removed;  /* networks whose last word is "del", or whose time is over; ascending; owned */
	size_t n_removed;
	uint64_t newest;       /* the latest time that the file proves: its mtime */
	unsigned skipped;      /* lines of this set that could not be read: kept, and told */
};
int journal_state(struct journal *journal, const char *set, uint64_t now, struct journal_state *ret, struct diag *diag);
void journal_state_free(struct journal_state *state);

/* Records are gathered and written by journal_sync(). -EINVAL for what cannot be represented. */
int journal_create(struct journal *journal, const char *set, uint8_t family);
int journal_add(struct journal *journal, const char *set, const struct entry *entry, uint64_t now);
int journal_del(struct journal *journal, const char *set, const struct cidr *net);
/* Any other whole line (the create line of a gate). */
int journal_line(struct journal *journal, const char *line);

/*
 * Appends all gathered records and syncs them, once. If it fails, the file is as before (short writes are cut off; after a
 * failed sync the records are cut off and the next write makes a new file) and -errno says why; the records are dropped.
 * If somebody replaced or wrote the file meanwhile (other inode, other size), it is first rewritten by rename: everything
 * it holds now, plus the records that we synced since it was opened or last rewritten and that it lacks.
 */
int journal_sync(struct journal *journal, struct diag *diag);
void journal_drop(struct journal *journal); /* forgets gathered records */

/* Dead lines (overwritten or deleted) among all lines, for the decision to compact. */
void journal_weight(const struct journal *journal, uint64_t *lines, uint64_t *dead);

/*
 * Rewrites the file by rename: lines of sets that are not among @n @sets are kept; those are written afresh from what the
 * caller feeds through @dump (returns 0 or -errno; calls @put for each entry), create line first; COMMIT at the end.
 */
struct journal_set {
	const char *name;
	uint8_t family;
};
int journal_rewrite(struct journal *journal, const struct journal_set *sets, size_t n, uint64_t now,
		    int (*dump)(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user, void *user),
		    void *user, struct diag *diag);
