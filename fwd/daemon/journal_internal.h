/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the parts of the journal share: journal.c (records, sync), journal_io.c (reading and writing whole files),
 * journal_merge.c (foreign writers), journal_rewrite.c (compaction), journal_state.c (what the file says).
 */
#include <sys/stat.h>
#include <sys/types.h>

#include "fwd/daemon/journal.h"
#include "rules/setfile.h"

#define IO_BUFFER 65536
#define SETTLE_SECONDS 1   /* a foreign file at rest for so long is taken to be whole */
#define RELEASE_SECONDS 60 /* … and for so long: closed */
#define ATTEMPTS 8         /* against somebody who writes the file again and again */

struct text {
	char *data;
	size_t len, size;
};

struct known_set {
	char name[SET_NAME_MAX + 1];
	uint64_t dead;
	bool had_create; /* as far as we know it stands in the file */
	bool created;    /* during a merge: met so far */
};

/* A file as it was when last looked at. */
struct seen {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct journal {
	char *path, *temp;
	int fd;
	struct seen seen;  /* as we left it */
	uint64_t base;     /* relative timeouts count from here */
	uint64_t newest;
	uint64_t torn;
	bool renew;        /* the next write makes a new file */
	bool read_only;    /* its file system is */
	size_t uncut;      /* bytes of a failed write that may still stand behind seen.size */
	struct text gathered;
	struct text kept;  /* synced records */
	size_t kept_mark;  /* those before it were synced before the last rewrite */
	bool full, incomplete, relative;
	unsigned foreign;
	uint64_t lines;    /* that are not blank */
	struct known_set known[JOURNAL_SETS_MAX];
	size_t n_known, memo;
	int orphan;        /* a foreign file that we replaced, for reading, or -1 */
	struct seen orphan_seen;
};

/* journal.c */
int journal_known(struct journal *journal, const char *set); /* its index, made if new: -ENOSPC */
int journal_find_known(struct journal *journal, const char *set); /* or -1 */

/* journal_io.c */
int text_append(struct text *text, const void *data, size_t n);
void text_free(struct text *text);
int io_fail(struct diag *diag, int error, const char *doing, const char *path); /* returns -error */
int io_check(const struct stat *st, const char *path, struct diag *diag);       /* is this a file that we may trust? */
void seen_set(struct seen *seen, const struct stat *st);
bool seen_is(const struct seen *seen, const struct stat *st);
bool io_is_ours(const struct journal *journal); /* path, size and time as we left them; no settled foreign file waits */
bool io_orphan_waits(const struct journal *journal);
uint64_t io_clock(void);

/* A file of any kind of bytes, line by line. */
struct reader {
	int fd;
	off_t at, end;      /* next byte to read; first that is not read any more */
	off_t line;         /* where the current line began */
	size_t from, to;
	bool within;        /* in a line that is longer than the buffer */
	char buf[IO_BUFFER];
};
struct piece {
	const char *text; /* valid until the next call */
	size_t len;       /* without newline */
	bool rest;        /* goes on with the line of the piece before */
	bool more;        /* the line goes on in the next piece */
};
void reader_init(struct reader *reader, int fd, off_t end);
/* 1, 0 at the end, or -errno (-ESTALE: the file got shorter). A last line without newline is not handed out, unless it is
 * longer than the buffer; reader->line then is where it began, else reader->end. */
int reader_next(struct reader *reader, struct piece *ret);
bool piece_is_blank(const struct piece *piece);

/* A new file beside the journal. */
struct writer {
	int fd;
	const char *path; /* for diag */
	off_t size, synced;
	uint64_t lines;
	size_t n;
	char buf[IO_BUFFER];
};
int writer_open(struct writer *writer, const struct journal *journal, struct diag *diag);
void writer_close(struct writer *writer, const struct journal *journal); /* throws the file away, unless it was taken */
/* One whole line with its newline, padded so that it crosses no block. */
int writer_put(struct writer *writer, const char *line, size_t len, struct diag *diag);
int writer_put_piece(struct writer *writer, const struct piece *piece, struct diag *diag); /* as it is */

/* Where a rewrite reads from. */
struct source {
	int fd;
	struct seen seen, path; /* what is read; what lies at the path (ino 0: nothing) */
	off_t end;
	bool foreign;
};
int source_open(struct source *source, struct journal *journal, struct diag *diag);
void source_close(struct source *source);
/* Syncs the writer's file and puts it in the journal's place. -EAGAIN without diag if somebody interfered meanwhile. */
int io_replace(struct journal *journal, struct writer *writer, struct source *source, struct diag *diag);

/* journal_merge.c */
int journal_merge(struct journal *journal, bool with_gathered, struct diag *diag);
/* Merges if somebody else was here, until nobody is. */
int journal_settle(struct journal *journal, bool with_gathered, struct diag *diag);
