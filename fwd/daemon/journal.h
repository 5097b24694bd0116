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
 *
 * Others write this file too (`netfilter-persistent save`, by truncation or by rename, while we append): every answer is
 * given only after a look whether the path is still our file, with the size and the time that we left it. If not, what the
 * others wrote is kept and our records that it lacks are appended, in a new file. A writer who was still at work then writes
 * into the old file, which stays open for a minute and is taken in when it has come to rest (journal_unsettled()).
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/diag.h"
#include "rules/entry.h"

#define JOURNAL_SIZE_MAX (1ll << 30)    /* bytes: larger files are refused, ours does not become one (-EFBIG) */
#ifndef JOURNAL_NETS_MAX                /* a power of two; less in tests */
#define JOURNAL_NETS_MAX (8u << 20)     /* networks of one set in journal_state(): -E2BIG */
#endif
#define JOURNAL_SETS_MAX 128            /* sets named to a journal: -ENOSPC */
#define JOURNAL_GATHER_MAX (4u << 20)   /* bytes of gathered records: -ENOBUFS, call journal_sync() */
#define JOURNAL_KEPT_MAX (1u << 20)     /* bytes of synced records that are remembered against foreign writers */

struct journal;

/* Opens or makes @path (0640, parent must exist). A link, a file with several names, anything but a file, a file of other
 * users or that others may write is -EPERM. Nothing is written yet, except that a torn tail is cut off. 0 or -errno with
 * @diag. */
int journal_open(const char *path, struct journal **ret, struct diag *diag);
/* The file system was read-only at journal_open(): what the file says can be had, and journal_sync() is -EROFS. */
bool journal_read_only(const struct journal *journal);
void journal_close(struct journal *journal); /* NULL is allowed; unsynced records are lost */

/* One network of a set. Small, as there may be millions: journal_state_entry() makes an entry of it. */
struct journal_item {
	struct cidr net;
	uint8_t state;    /* internal */
	uint32_t comment; /* where in journal_state.comments */
	uint32_t line;    /* internal */
	uint64_t until, packets, bytes;
};

/* What the file says of one set when read to its end: the last word on each network wins. `flush` and `destroy` are obeyed.
 * A relative timeout without until= counts from the mtime that the file had when it was opened (or met foreign). */
struct journal_state {
	bool created;          /* there is a create line */
	struct journal_item *items; /* alive at @now, ascending by network; owned */
	size_t n;
	char *comments;        /* owned */
	struct cidr *removed;  /* networks whose last word is "del", or whose time is over; ascending; owned */
	size_t n_removed;
	uint64_t newest;       /* the latest time that the file proves: its mtime; an older @now counts as this */
	unsigned skipped;      /* lines that name this set and could not be read, `nomatch`, /0: kept, and told */
	uint64_t torn;         /* bytes of a torn tail that journal_open() cut off */
};
/* Gathered records are not seen. Two million lines on a million networks: 0.9 s and 97 MB until journal_state_free(). */
int journal_state(struct journal *journal, const char *set, uint64_t now, struct journal_state *ret, struct diag *diag);
void journal_state_entry(const struct journal_state *state, size_t i, struct entry *ret);
void journal_state_free(struct journal_state *state);

/* Records are gathered and written by journal_sync(). -EINVAL for what cannot be represented, -ETIME for an entry whose
 * time is over, -ENOBUFS and -ENOSPC at the limits above, -ENOMEM: nothing is gathered then. */
int journal_create(struct journal *journal, const char *set, uint8_t family);
int journal_add(struct journal *journal, const char *set, const struct entry *entry, uint64_t now);
int journal_del(struct journal *journal, const char *set, const struct cidr *net);
/* Any other whole line that ipset reads (the create line of a gate), without newline; not add or del of a network. */
int journal_line(struct journal *journal, const char *line);

/*
 * Appends all gathered records and syncs them, once. If it fails, the file is as before (short writes are cut off; after a
 * failed sync the records are cut off and the next write makes a new file) and -errno says why; the records are dropped.
 * If somebody replaced or wrote the file meanwhile, it is first rewritten by rename: everything it holds now (a torn tail
 * excepted; relative timeouts in sets that we know become absolute), plus the records that we synced and that it lacks.
 * With nothing gathered it only looks, and repairs: call it so when inotify tells of a foreign write.
 */
int journal_sync(struct journal *journal, struct diag *diag);
void journal_drop(struct journal *journal); /* forgets gathered records */

/* A foreign writer may still be at work on the file that we replaced: call journal_sync() again after about a second. */
bool journal_unsettled(const struct journal *journal);
/* How often a foreign write was met. When it grows, journal_state() may say something new. */
unsigned journal_foreign(const struct journal *journal);

/* Whether journal_rewrite() is due, apart from journal_weight(). */
enum journal_need {
	JOURNAL_FINE,
	JOURNAL_COMPACT,    /* soon: too many synced records to remember, or there are relative timeouts */
	JOURNAL_INCOMPLETE, /* at once: a foreign write met an overflowed memory, or left out a set of ours */
};
enum journal_need journal_need(const struct journal *journal);

/* Dead lines (overwritten or deleted) among all lines, for the decision to compact. An estimate: what journal_state() found
 * of each set, and two for every removal since. */
void journal_weight(const struct journal *journal, uint64_t *lines, uint64_t *dead);

/*
 * Rewrites the file by rename: create lines of the @n @sets, the lines of other sets as they are, then what the caller feeds
 * through @dump (returns 0 or -errno; calls @put for each entry; may be called again if somebody interferes), COMMIT at the
 * end. Lines of those sets that could not be read stay as # lines; `nomatch` lines stay. Comments that the file cannot hold
 * have the offending bytes replaced by "?". Everything synced must be in what @dump feeds; gathered records stay gathered.
 */
struct journal_set {
	const char *name;
	uint8_t family;
};
int journal_rewrite(struct journal *journal, const struct journal_set *sets, size_t n, uint64_t now,
		    int (*dump)(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user,
				void *user),
		    void *user, struct diag *diag);
