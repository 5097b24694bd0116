/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compaction: our sets afresh, everything of others as it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fwd/daemon/journal_internal.h"

#define COMMENT_OUT "# not read by fwd: "

struct rewrite {
	struct journal *journal;
	const struct journal_set *sets;
	size_t n_sets;
	const char *set; /* that is being dumped */
	uint64_t now;
	struct diag *diag;
	struct writer writer;
	struct reader reader;
};

static bool is_ours(const struct rewrite *rewrite, const char *name, size_t len)
{
	for (size_t i = 0; i < rewrite->n_sets; i++)
		if (strlen(rewrite->sets[i].name) == len && memcmp(rewrite->sets[i].name, name, len) == 0)
			return true;
	return false;
}

/* Whether one of the three words behind the command is a set of ours: for lines that could not be parsed. */
static bool names_ours(const struct rewrite *rewrite, const struct piece *piece)
{
	const char *at = piece->text, *end = at + piece->len;

	for (int word = 0; word < 4 && at < end; word++) {
		const char *from;

		while (at < end && strchr(" \t\"\r", *at) && *at)
			at++;
		from = at;
		while (at < end && (!strchr(" \t\"\r", *at) || !*at))
			at++;
		if (word > 0 && is_ours(rewrite, from, (size_t)(at - from)))
			return true;
	}
	return false;
}

/* What ipset stops at, or what must not run twice, stays for people to see. */
static int comment_out(struct rewrite *rewrite, const struct piece *piece)
{
	char line[SETFILE_LINE_MAX];
	const size_t prefix = strlen(COMMENT_OUT);

	for (size_t at = 0; at < piece->len;) {
		size_t n = piece->len - at < sizeof(line) - prefix - 1 ? piece->len - at : sizeof(line) - prefix - 1;
		int r;

		memcpy(line, COMMENT_OUT, prefix);
		memcpy(line + prefix, piece->text + at, n);
		line[prefix + n] = '\n';
		r = writer_put(&rewrite->writer, line, prefix + n + 1, rewrite->diag);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

static int keep_line(struct rewrite *rewrite, const struct piece *piece)
{
	struct set_line line;
	bool ours;

	if (piece_is_blank(piece))
		return 0;
	if (piece->rest || piece->more)
		return writer_put_piece(&rewrite->writer, piece, rewrite->diag);
	if (setfile_parse_line(piece->text, piece->len, &line, NULL) < 0 || line.kind == SET_LINE_OTHER)
		return names_ours(rewrite, piece) ? comment_out(rewrite, piece)
						  : writer_put_piece(&rewrite->writer, piece, rewrite->diag);
	ours = is_ours(rewrite, line.set, strlen(line.set));
	if (line.kind == SET_LINE_COMMIT || (ours && (line.is_net || line.is_range) && !line.nomatch) ||
	    (ours && line.kind != SET_LINE_ADD && line.kind != SET_LINE_DEL))
		return 0;
	/* `destroy` of all sets would take ours too, which stand before it now */
	if ((ours && !line.is_net && !line.is_range) || (line.kind == SET_LINE_DESTROY && !*line.set))
		return comment_out(rewrite, piece);
	return writer_put_piece(&rewrite->writer, piece, rewrite->diag);
}

static int put_entry(const struct entry *entry, void *user)
{
	struct rewrite *rewrite = user;
	char line[SETFILE_LINE_MAX];
	struct entry copy;
	int n;

	if (entry->nomatch) /* whoever made it: if it is in the file, its line stays */
		return 0;
	n = setfile_format_add(rewrite->set, entry, rewrite->now, line, sizeof(line));
	if (n == -EINVAL) {
		copy = *entry;
		for (char *at = copy.comment; *at; at++)
			if (*at == '"' || *at == '\n' || *at == '\r' || (at == copy.comment && *at == '-'))
				*at = '?';
		n = setfile_format_add(rewrite->set, &copy, rewrite->now, line, sizeof(line));
	}
	if (n == -ETIME)
		return 0;
	return n < 0 ? n : writer_put(&rewrite->writer, line, (size_t)n, rewrite->diag);
}

static int put_creates(struct rewrite *rewrite)
{
	char line[SETFILE_LINE_MAX];

	for (size_t i = 0; i < rewrite->n_sets; i++) {
		int n = setfile_format_create(rewrite->sets[i].name, rewrite->sets[i].family, line, sizeof(line));
		int r = n < 0 ? n : writer_put(&rewrite->writer, line, (size_t)n, rewrite->diag);

		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_others(struct rewrite *rewrite, const struct source *source)
{
	struct piece piece;
	int r;

	reader_init(&rewrite->reader, source->fd, source->end);
	while ((r = reader_next(&rewrite->reader, &piece)) > 0) {
		r = keep_line(rewrite, &piece);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r == -ESTALE ? -EAGAIN : io_fail(rewrite->diag, -r, "reading", rewrite->journal->path);
	if (rewrite->reader.within)
		r = writer_put_piece(&rewrite->writer, &(struct piece){ "", 0, true, false }, rewrite->diag);
	return r;
}

static void rewritten(struct rewrite *rewrite)
{
	struct journal *journal = rewrite->journal;

	journal->full = journal->incomplete = journal->relative = false;
	/* a foreign writer may still hold what the kernel said before this rewrite: one generation is remembered */
	if (journal->kept_mark > 0)
		memmove(journal->kept.data, journal->kept.data + journal->kept_mark,
			journal->kept.len - journal->kept_mark);
	journal->kept.len -= journal->kept_mark;
	journal->kept_mark = journal->kept.len;
	for (size_t i = 0; i < rewrite->n_sets; i++) {
		struct known_set *known = &journal->known[journal_find_known(journal, rewrite->sets[i].name)];

		known->dead = 0;
		known->had_create = true;
	}
}

static int rewrite_once(struct rewrite *rewrite,
			int (*dump)(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user,
				    void *user),
			void *user)
{
	struct source source;
	int r = source_open(&source, rewrite->journal, rewrite->diag);

	rewrite->writer.fd = -1;
	if (r == 0 && source.foreign)
		r = -EAGAIN;
	if (r == 0)
		r = writer_open(&rewrite->writer, rewrite->journal, rewrite->diag);
	if (r == 0)
		r = put_creates(rewrite);
	if (r == 0)
		r = copy_others(rewrite, &source);
	for (size_t i = 0; i < rewrite->n_sets && r == 0; i++) {
		rewrite->set = rewrite->sets[i].name;
		r = dump(rewrite->set, put_entry, rewrite, user);
	}
	if (r == 0)
		r = writer_put(&rewrite->writer, "COMMIT\n", 7, rewrite->diag);
	if (r == 0)
		r = io_replace(rewrite->journal, &rewrite->writer, &source, rewrite->diag);
	if (r == 0)
		rewritten(rewrite);
	writer_close(&rewrite->writer, rewrite->journal);
	source_close(&source);
	return r;
}

int journal_rewrite(struct journal *journal, const struct journal_set *sets, size_t n, uint64_t now,
		    int (*dump)(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user,
				void *user),
		    void *user, struct diag *diag)
{
	struct rewrite *rewrite;
	int r = -EAGAIN;

	for (size_t i = 0; i < n; i++) {
		int known = journal_known(journal, sets[i].name);

		if (known < 0)
			return known;
	}
	rewrite = calloc(1, sizeof(*rewrite));
	if (!rewrite)
		return -ENOMEM;
	*rewrite = (struct rewrite){ .journal = journal, .sets = sets, .n_sets = n, .now = now, .diag = diag };
	for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++) {
		r = io_is_ours(journal) ? 0 : journal_settle(journal, false, diag);
		if (r == 0)
			r = rewrite_once(rewrite, dump, user);
	}
	if (r == -EAGAIN) {
		diag_set(diag, 0, 0, "%s is being written by somebody else all the time", journal->path);
		r = -EBUSY;
	} else if (r < 0) {
		diag_set(diag, 0, 0, "%s rewriting %s: nothing was changed", strerror(-r), journal->path);
	}
	free(rewrite);
	return r;
}
