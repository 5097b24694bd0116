/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fwd/daemon/journal_internal.h"

static int make_new(struct journal *journal, struct diag *diag)
{
	int fd = open(journal->path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return io_fail(diag, errno, "making", journal->path);
	journal->fd = fd;
	/* its directory is synced with the first record: that one goes into a new file */
	journal->renew = true;
	if (fchmod(fd, 0640) < 0)
		return io_fail(diag, errno, "making", journal->path);
	return 0;
}

/* Counts the lines and cuts off a tail without newline. */
static int journal_scan(struct journal *journal, const struct stat *st, struct diag *diag)
{
	struct reader *reader = malloc(sizeof(*reader));
	struct piece piece;
	int r;

	if (!reader)
		return -ENOMEM;
	reader_init(reader, journal->fd, st->st_size);
	while ((r = reader_next(reader, &piece)) > 0)
		if (!piece.rest && !piece_is_blank(&piece))
			journal->lines++;
	if (r == 0 && reader->line < st->st_size) {
		journal->torn = (uint64_t)(st->st_size - reader->line);
		if (journal->read_only)
			r = 0; /* nobody reads a line without its end */
		else if (ftruncate(journal->fd, reader->line) < 0)
			r = -errno;
		/* relative timeouts count from the old time, after a crash too */
		else if (futimens(journal->fd, (struct timespec[2]){ st->st_atim, st->st_mtim }) < 0 ||
			 fsync(journal->fd) < 0)
			r = -errno;
	}
	free(reader);
	return r < 0 ? io_fail(diag, -r, "reading", journal->path) : 0;
}

static int journal_start(struct journal *journal, struct diag *diag)
{
	struct stat st;
	int r;

	unlink(journal->temp); /* of one that did not live to finish it */
	journal->fd = open(journal->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	journal->read_only = journal->fd < 0 && errno == EROFS;
	if (journal->read_only) /* what it says counts all the same */
		journal->fd = open(journal->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (journal->fd < 0 && errno == ENOENT)
		r = make_new(journal, diag);
	else if (journal->fd < 0 && (errno == ELOOP || errno == EISDIR))
		r = (diag_set(diag, 0, 0, "%s is not a regular file: refused", journal->path), -EPERM);
	else
		r = journal->fd < 0 ? io_fail(diag, errno, "opening", journal->path) : 0;
	if (r < 0)
		return r;
	if (fstat(journal->fd, &st) < 0)
		return io_fail(diag, errno, "opening", journal->path);
	r = io_check(&st, journal->path, diag);
	if (r == 0)
		r = journal_scan(journal, &st, diag);
	if (r < 0)
		return r;
	journal->base = journal->newest = st.st_mtim.tv_sec > 0 ? (uint64_t)st.st_mtim.tv_sec : 0;
	if (fstat(journal->fd, &st) < 0)
		return io_fail(diag, errno, "opening", journal->path);
	seen_set(&journal->seen, &st);
	return 0;
}

int journal_open(const char *path, struct journal **ret, struct diag *diag)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int r;

	if (!journal)
		return -ENOMEM;
	journal->fd = journal->orphan = -1;
	journal->path = strdup(path);
	if (!journal->path || asprintf(&journal->temp, "%s.fwd-new", path) < 0) {
		journal->temp = NULL;
		journal_close(journal);
		return -ENOMEM;
	}
	r = journal_start(journal, diag);
	if (r < 0) {
		journal_close(journal);
		return r;
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->fd >= 0)
		close(journal->fd);
	if (journal->orphan >= 0)
		close(journal->orphan);
	text_free(&journal->gathered);
	text_free(&journal->kept);
	free(journal->path);
	free(journal->temp);
	free(journal);
}

int journal_find_known(struct journal *journal, const char *set)
{
	/* lines of a set mostly stand together */
	if (journal->memo < journal->n_known && strcmp(journal->known[journal->memo].name, set) == 0)
		return (int)journal->memo;
	for (size_t i = 0; i < journal->n_known; i++)
		if (strcmp(journal->known[i].name, set) == 0)
			return (int)(journal->memo = i);
	return -1;
}

int journal_known(struct journal *journal, const char *set)
{
	int i = journal_find_known(journal, set);

	if (i >= 0)
		return i;
	if (strlen(set) > SET_NAME_MAX)
		return -EINVAL;
	if (journal->n_known == JOURNAL_SETS_MAX)
		return -ENOSPC;
	strcpy(journal->known[journal->n_known].name, set);
	return (int)journal->n_known++;
}

/* @n is the length of @line, or negative. Returns the index of @set or an error. */
static int gather(struct journal *journal, const char *set, const char *line, int n)
{
	int known, r;

	if (n < 0)
		return n;
	if (n > SETFILE_LINE_MAX)
		return -EINVAL;
	if (journal->gathered.len + (size_t)n > JOURNAL_GATHER_MAX)
		return -ENOBUFS;
	known = journal_known(journal, set);
	if (known < 0)
		return known;
	r = text_append(&journal->gathered, line, (size_t)n);
	return r < 0 ? r : known;
}

int journal_create(struct journal *journal, const char *set, uint8_t family)
{
	char line[SETFILE_LINE_MAX + 1];
	int r = gather(journal, set, line, setfile_format_create(set, family, line, sizeof(line)));

	return r < 0 ? r : 0;
}

int journal_add(struct journal *journal, const char *set, const struct entry *entry, uint64_t now)
{
	char line[SETFILE_LINE_MAX + 1];
	int r = gather(journal, set, line, setfile_format_add(set, entry, now, line, sizeof(line)));

	return r < 0 ? r : 0;
}

int journal_del(struct journal *journal, const char *set, const struct cidr *net)
{
	char line[SETFILE_LINE_MAX + 1];
	int r = gather(journal, set, line, setfile_format_del(set, net, line, sizeof(line)));

	if (r < 0)
		return r;
	journal->known[r].dead += 2; /* this line, and the one that it takes back */
	return 0;
}

int journal_line(struct journal *journal, const char *line)
{
	char copy[SETFILE_LINE_MAX + 1];
	struct set_line parsed;
	size_t n = strlen(line);
	int r;

	if (n == 0 || n + 1 > SETFILE_LINE_MAX || line[n - 1] == '\r')
		return -EINVAL;
	r = setfile_parse_line(line, n, &parsed, NULL);
	if (r < 0 || parsed.kind == SET_LINE_EMPTY || parsed.is_net || parsed.is_range)
		return -EINVAL;
	memcpy(copy, line, n);
	copy[n] = '\n';
	r = gather(journal, parsed.set, copy, (int)n + 1);
	return r < 0 ? r : 0;
}

void journal_drop(struct journal *journal)
{
	journal->gathered.len = 0;
}

/* The gathered records as they are to stand at the end of the file, with the padding between them. */
static int layout(const struct journal *journal, struct text *ret, uint64_t *lines)
{
	static const char padding[SETFILE_BLOCK] = { [0 ... SETFILE_BLOCK - 1] = '\n' };
	const char *line = journal->gathered.data, *end = line + journal->gathered.len;
	int r = 0;

	while (line < end && r == 0) {
		size_t len = (size_t)((char *)memchr(line, '\n', (size_t)(end - line)) + 1 - line);
		size_t left = SETFILE_BLOCK - ((size_t)journal->seen.size + ret->len) % SETFILE_BLOCK;

		if (len > left)
			r = text_append(ret, padding, left);
		if (r == 0)
			r = text_append(ret, line, len);
		line += len;
		++*lines;
	}
	return r;
}

/* Takes back a write of up to @n bytes that failed. If even that fails, the next sync makes a new file without them. */
static void cut_back(struct journal *journal, size_t n)
{
	struct stat st;

	journal->uncut = n;
	if (fstat(journal->fd, &st) < 0 || st.st_size < journal->seen.size || st.st_size > journal->seen.size + (off_t)n ||
	    (st.st_size > journal->seen.size && ftruncate(journal->fd, journal->seen.size) < 0)) {
		/* no half record may wait there for a boot: try at once, without telling of a second error */
		journal->renew = true;
		journal_settle(journal, false, NULL);
		return;
	}
	fdatasync(journal->fd); /* whether or not it works, the answer is an error */
	if (fstat(journal->fd, &st) == 0)
		seen_set(&journal->seen, &st);
	journal->uncut = 0;
}

static int write_out(struct journal *journal, const struct text *out, struct diag *diag)
{
	size_t done = 0;
	struct stat st;

	while (done < out->len) {
		ssize_t n = write(journal->fd, out->data + done, out->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : EIO;

			cut_back(journal, out->len);
			return io_fail(diag, error, "writing", journal->path);
		}
		done += (size_t)n;
	}
	if (fdatasync(journal->fd) < 0) {
		int error = errno;

		/* the kernel may have dropped the pages, and will not say so again */
		journal->renew = true;
		cut_back(journal, out->len);
		return io_fail(diag, error, "syncing", journal->path);
	}
	if (fstat(journal->fd, &st) == 0 && st.st_size == journal->seen.size + (off_t)out->len)
		seen_set(&journal->seen, &st);
	return 0;
}

static int append(struct journal *journal, struct diag *diag)
{
	struct text out = { 0 };
	uint64_t lines = 0;
	int r = layout(journal, &out, &lines);

	if (r == 0 && journal->seen.size + (off_t)out.len > JOURNAL_SIZE_MAX)
		r = io_fail(diag, EFBIG, "writing", journal->path);
	if (r == 0 && out.len > 0)
		r = write_out(journal, &out, diag);
	if (r == 0)
		journal->lines += lines;
	text_free(&out);
	return r;
}

/* Remembers what was synced. Those from before the last rewrite go first; if that does not do, the older half. */
static void keep(struct journal *journal)
{
	struct text *kept = &journal->kept;
	size_t drop = 0;

	if (kept->len + journal->gathered.len > JOURNAL_KEPT_MAX)
		drop = journal->kept_mark;
	if (kept->len - drop + journal->gathered.len > JOURNAL_KEPT_MAX) {
		journal->full = true;
		drop = journal->gathered.len > JOURNAL_KEPT_MAX / 2 ? kept->len : kept->len - kept->len / 2;
		while (drop < kept->len && kept->data[drop - 1] != '\n')
			drop++;
	}
	if (drop > 0) {
		memmove(kept->data, kept->data + drop, kept->len - drop);
		kept->len -= drop;
		journal->kept_mark = 0;
	}
	if (kept->len + journal->gathered.len > JOURNAL_KEPT_MAX ||
	    text_append(kept, journal->gathered.data, journal->gathered.len) < 0)
		journal->full = true;
}

static void note_creates(struct journal *journal)
{
	const char *line = journal->gathered.data, *end = line + journal->gathered.len;
	struct set_line parsed;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (*line != 'a' && *line != 'd' && /* the many */
		    setfile_parse_line(line, (size_t)(newline - line), &parsed, NULL) == 0 &&
		    parsed.kind == SET_LINE_CREATE)
			journal->known[journal_known(journal, parsed.set)].had_create = true;
		line = newline + 1;
	}
}

int journal_sync(struct journal *journal, struct diag *diag)
{
	struct stat st;
	int r = 0;

	if (journal->read_only) {
		r = journal->gathered.len > 0 ? io_fail(diag, EROFS, "writing", journal->path) : 0;
		journal_drop(journal);
		return r;
	}
	if (!journal->renew && io_is_ours(journal))
		r = append(journal, diag);
	if (r == 0)
		r = journal_settle(journal, true, diag);
	if (r == 0 && journal->gathered.len > 0) {
		keep(journal);
		note_creates(journal);
	}
	journal_drop(journal);
	if (journal->orphan >= 0 && fstat(journal->orphan, &st) == 0 && seen_is(&journal->orphan_seen, &st) &&
	    (uint64_t)st.st_mtim.tv_sec + RELEASE_SECONDS < io_clock()) {
		close(journal->orphan); /* it takes room on the disk */
		journal->orphan = -1;
	}
	return r;
}

bool journal_read_only(const struct journal *journal)
{
	return journal->read_only;
}

bool journal_unsettled(const struct journal *journal)
{
	return journal->orphan >= 0;
}

unsigned journal_foreign(const struct journal *journal)
{
	return journal->foreign;
}

enum journal_need journal_need(const struct journal *journal)
{
	if (journal->incomplete)
		return JOURNAL_INCOMPLETE;
	return journal->full || journal->relative ? JOURNAL_COMPACT : JOURNAL_FINE;
}

void journal_weight(const struct journal *journal, uint64_t *lines, uint64_t *dead)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < journal->n_known; i++)
		sum += journal->known[i].dead;
	*lines = journal->lines;
	*dead = sum < journal->lines ? sum : journal->lines;
}
