/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fwd/daemon/journal_internal.h"

int text_append(struct text *text, const void *data, size_t n)
{
	if (text->size - text->len < n) {
		size_t size = text->size ? text->size : 4096;
		char *grown;

		while (size - text->len < n)
			size *= 2;
		grown = realloc(text->data, size);
		if (!grown)
			return -ENOMEM;
		text->data = grown;
		text->size = size;
	}
	if (n > 0)
		memcpy(text->data + text->len, data, n);
	text->len += n;
	return 0;
}

void text_free(struct text *text)
{
	free(text->data);
	memset(text, 0, sizeof(*text));
}

int io_fail(struct diag *diag, int error, const char *doing, const char *path)
{
	const char *reason = error == ENOSPC ? "no space left on device" : strerror(error);

	diag_set(diag, 0, 0, "%s %s %s: nothing was changed", reason, doing, path);
	return -error;
}

int io_check(const struct stat *st, const char *path, struct diag *diag)
{
	const char *what = NULL;

	if (!S_ISREG(st->st_mode))
		what = "is not a regular file";
	else if (st->st_uid != geteuid())
		what = "belongs to another user";
	else if (st->st_mode & (S_IWGRP | S_IWOTH))
		what = "can be written by other users";
	else if (st->st_nlink > 1)
		what = "has several names (hard links)";
	if (what) {
		diag_set(diag, 0, 0, "%s %s: refused", path, what);
		return -EPERM;
	}
	if (st->st_size > JOURNAL_SIZE_MAX) {
		diag_set(diag, 0, 0, "%s is larger than %lld bytes: refused", path, JOURNAL_SIZE_MAX);
		return -EFBIG;
	}
	return 0;
}

void seen_set(struct seen *seen, const struct stat *st)
{
	*seen = (struct seen){ st->st_dev, st->st_ino, st->st_size, st->st_mtim };
}

bool seen_is(const struct seen *seen, const struct stat *st)
{
	return seen->dev == st->st_dev && seen->ino == st->st_ino && seen->size == st->st_size &&
	       seen->mtime.tv_sec == st->st_mtim.tv_sec && seen->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

uint64_t io_clock(void)
{
	time_t now = time(NULL);

	return now > 0 ? (uint64_t)now : 0;
}

/* Its writer goes on for as long as he likes; each write taken in by itself would rewrite the file again and again. */
bool io_orphan_waits(const struct journal *journal)
{
	struct stat st;
	time_t now = time(NULL);

	return journal->orphan >= 0 && fstat(journal->orphan, &st) == 0 && !seen_is(&journal->orphan_seen, &st) &&
	       (st.st_mtim.tv_sec + SETTLE_SECONDS < now || st.st_mtim.tv_sec > now + SETTLE_SECONDS);
}

bool io_is_ours(const struct journal *journal)
{
	struct stat ours, path;

	return fstat(journal->fd, &ours) == 0 && seen_is(&journal->seen, &ours) && lstat(journal->path, &path) == 0 &&
	       path.st_dev == ours.st_dev && path.st_ino == ours.st_ino && !io_orphan_waits(journal);
}

void reader_init(struct reader *reader, int fd, off_t end)
{
	reader->fd = fd;
	reader->at = reader->line = 0;
	reader->end = end;
	reader->from = reader->to = 0;
	reader->within = false;
}

int reader_next(struct reader *reader, struct piece *ret)
{
	for (;;) {
		char *from = reader->buf + reader->from;
		size_t left = reader->to - reader->from, room, want;
		char *newline = memchr(from, '\n', left);
		ssize_t n;

		if (newline || left == sizeof(reader->buf)) {
			size_t len = newline ? (size_t)(newline - from) : left;

			*ret = (struct piece){ from, len, reader->within, !newline };
			reader->within = !newline;
			reader->from += len + (newline != NULL);
			if (newline)
				reader->line = reader->at - (off_t)(reader->to - reader->from);
			return 1;
		}
		memmove(reader->buf, from, left);
		reader->from = 0;
		reader->to = left;
		if (reader->at >= reader->end)
			return 0;
		room = sizeof(reader->buf) - left;
		want = reader->end - reader->at < (off_t)room ? (size_t)(reader->end - reader->at) : room;
		n = pread(reader->fd, reader->buf + left, want, reader->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ESTALE;
		reader->at += n;
		reader->to += (size_t)n;
	}
}

bool piece_is_blank(const struct piece *piece)
{
	if (piece->rest || piece->more)
		return false;
	for (size_t i = 0; i < piece->len; i++)
		if (!strchr(" \t\r", piece->text[i]) || !piece->text[i])
			return false;
	return true;
}

int writer_open(struct writer *writer, const struct journal *journal, struct diag *diag)
{
	*writer = (struct writer){ .path = journal->path };
	unlink(journal->temp); /* of one that did not live to finish it */
	writer->fd = open(journal->temp, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (writer->fd < 0)
		return io_fail(diag, errno, "making a new", journal->path);
	if (fchmod(writer->fd, 0640) < 0) { /* whatever the umask */
		int error = errno;

		writer_close(writer, journal);
		return io_fail(diag, error, "making a new", journal->path);
	}
	return 0;
}

void writer_close(struct writer *writer, const struct journal *journal)
{
	if (writer->fd < 0)
		return;
	close(writer->fd);
	writer->fd = -1;
	unlink(journal->temp);
}

static int writer_flush(struct writer *writer, struct diag *diag)
{
	size_t done = 0;

	while (done < writer->n) {
		ssize_t n = write(writer->fd, writer->buf + done, writer->n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return io_fail(diag, n < 0 ? errno : EIO, "writing", writer->path);
		done += (size_t)n;
	}
	writer->n = 0;
	/* one sync of everything at the end would stall the loop and others' syncs for a quarter of a second */
	if (writer->size - writer->synced >= 1 << 20) {
		if (fdatasync(writer->fd) < 0)
			return io_fail(diag, errno, "syncing", writer->path);
		writer->synced = writer->size;
	}
	return 0;
}

static int writer_bytes(struct writer *writer, const char *data, size_t len, struct diag *diag)
{
	if (writer->size + (off_t)len > JOURNAL_SIZE_MAX)
		return io_fail(diag, EFBIG, "writing", writer->path);
	while (len > 0) {
		size_t n = sizeof(writer->buf) - writer->n;

		if (n > len)
			n = len;
		memcpy(writer->buf + writer->n, data, n);
		writer->n += n;
		writer->size += (off_t)n;
		data += n;
		len -= n;
		if (writer->n == sizeof(writer->buf)) {
			int r = writer_flush(writer, diag);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int writer_put(struct writer *writer, const char *line, size_t len, struct diag *diag)
{
	static const char padding[SETFILE_BLOCK] = { [0 ... SETFILE_BLOCK - 1] = '\n' };
	size_t left = SETFILE_BLOCK - (size_t)(writer->size % SETFILE_BLOCK);
	int r = len > left && len <= SETFILE_BLOCK ? writer_bytes(writer, padding, left, diag) : 0;

	writer->lines++;
	return r < 0 ? r : writer_bytes(writer, line, len, diag);
}

int writer_put_piece(struct writer *writer, const struct piece *piece, struct diag *diag)
{
	char line[SETFILE_BLOCK];
	int r;

	if (!piece->rest && !piece->more && piece->len < sizeof(line)) {
		memcpy(line, piece->text, piece->len);
		line[piece->len] = '\n';
		return writer_put(writer, line, piece->len + 1, diag);
	}
	writer->lines += !piece->rest;
	r = writer_bytes(writer, piece->text, piece->len, diag);
	return r < 0 || piece->more ? r : writer_bytes(writer, "\n", 1, diag);
}

static int directory_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;

	if (fd >= 0)
		close(fd);
	free(copy);
	return r;
}

/* The tail of a write of ours that failed and could not be cut off is no foreign write. */
static bool source_is_uncut(const struct journal *journal, const struct stat *st)
{
	return journal->renew && st->st_dev == journal->seen.dev && st->st_ino == journal->seen.ino &&
	       st->st_size > journal->seen.size && st->st_size <= journal->seen.size + (off_t)journal->uncut;
}

int source_open(struct source *source, struct journal *journal, struct diag *diag)
{
	struct stat st;
	int r;

	*source = (struct source){ .foreign = true };
	source->fd = open(journal->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (source->fd < 0 && errno == ENOENT) { /* removed: it is made again of what we still hold open */
		source->fd = fcntl(journal->fd, F_DUPFD_CLOEXEC, 0);
		source->seen = journal->seen;
		source->end = journal->seen.size;
		return source->fd < 0 ? io_fail(diag, errno, "opening", journal->path) : 0;
	}
	if (source->fd < 0)
		return io_fail(diag, errno, "opening", journal->path);
	if (fstat(source->fd, &st) < 0)
		r = io_fail(diag, errno, "opening", journal->path);
	else
		r = io_check(&st, journal->path, diag);
	if (r < 0) {
		source_close(source);
		return r;
	}
	seen_set(&source->path, &st);
	seen_set(&source->seen, &st);
	source->end = st.st_size;
	if (source_is_uncut(journal, &st)) {
		source->foreign = false;
		source->end = journal->seen.size;
	} else if (seen_is(&journal->seen, &st)) {
		source->foreign = false;
		if (io_orphan_waits(journal)) {
			close(source->fd);
			source->fd = fcntl(journal->orphan, F_DUPFD_CLOEXEC, 0);
			if (source->fd < 0 || fstat(source->fd, &st) < 0)
				return io_fail(diag, errno, "opening", journal->path);
			seen_set(&source->seen, &st);
			source->end = st.st_size;
			source->foreign = true;
		}
	}
	return 0;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

/* Whether source and path still are what was read. */
static bool source_stands(const struct source *source, const char *path)
{
	struct stat st;

	if (fstat(source->fd, &st) < 0 || !seen_is(&source->seen, &st))
		return false;
	if (lstat(path, &st) < 0)
		return errno == ENOENT && source->path.ino == 0;
	return seen_is(&source->path, &st);
}

static void orphan_set(struct journal *journal, int fd, const struct seen *seen)
{
	if (journal->orphan >= 0)
		close(journal->orphan);
	journal->orphan = fd;
	journal->orphan_seen = *seen;
}

/* After the rename: who has the old file open goes on writing into it, unseen by all but us. */
static void source_retire(struct journal *journal, struct source *source, int old)
{
	struct stat st;

	if (source->foreign) {
		orphan_set(journal, source->fd, &source->seen);
		source->fd = -1;
	} else if (!source->foreign && fstat(old, &st) == 0 && !seen_is(&source->seen, &st)) {
		orphan_set(journal, old, &source->seen);
		return;
	}
	close(old);
}

int io_replace(struct journal *journal, struct writer *writer, struct source *source, struct diag *diag)
{
	struct stat st;
	int old = journal->fd, r = writer_flush(writer, diag);

	if (r < 0)
		return r;
	if (fsync(writer->fd) < 0 || fstat(writer->fd, &st) < 0)
		return io_fail(diag, errno, "syncing", journal->path);
	/* a foreign rename between this look and ours would be lost: microseconds, and no call can close the gap */
	if (!source_stands(source, journal->path))
		return -EAGAIN;
	if (rename(journal->temp, journal->path) < 0)
		return io_fail(diag, errno, "replacing", journal->path);
	journal->fd = writer->fd;
	writer->fd = -1;
	seen_set(&journal->seen, &st);
	journal->lines = writer->lines;
	journal->uncut = 0;
	source_retire(journal, source, old);
	/* until the directory is synced a crash may bring the old file back, and later records would be missing from it */
	r = directory_sync(journal->path);
	journal->renew = r < 0;
	if (r < 0)
		diag_set(diag, 0, 0, "%s syncing the directory of %s", strerror(-r), journal->path);
	return r;
}
