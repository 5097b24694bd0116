/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Somebody else wrote the file: a new one is made of what he wrote and of our synced records that it lacks.
 *
 * What it lacks is decided by the last word on each network, ours and his: a line of ours may stand in his file and be
 * overruled further down, or stand there in other words (`ipset save` prints the seconds that are left).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fwd/daemon/journal_internal.h"

struct own {
	const char *line; /* with its newline */
	uint32_t len;
	uint16_t set;
	uint8_t kind;     /* enum set_line_kind */
	bool is_net;
	bool last;        /* no later record of ours has the same subject */
	bool present;     /* the last word of the other file so far is the same */
	struct cidr net;
};

struct merge {
	struct journal *journal;
	struct source *source;
	struct writer writer;
	struct reader reader;
	struct own *own;  /* the kept records */
	size_t n_own;
	uint32_t *slots;  /* index + 1 in own, by subject */
	size_t mask;
	off_t mark;       /* size of the new file without the gathered records */
	bool left_out;    /* the other file has no create line of a set of ours */
};

static uint64_t hash(uint64_t sum, const void *data, size_t n)
{
	const unsigned char *byte = data;

	while (n-- > 0)
		sum = (sum ^ *byte++) * 0x100000001b3u;
	return sum;
}

static bool same_subject(const struct own *a, const struct own *b)
{
	if (a->set != b->set || a->is_net != b->is_net)
		return false;
	if (a->is_net)
		return cidr_equal(&a->net, &b->net);
	return a->kind == b->kind &&
	       (a->kind == SET_LINE_CREATE || (a->len == b->len && memcmp(a->line, b->line, a->len) == 0));
}

/* Where the record with the subject of @key is, or would be. */
static uint32_t *slot_of(const struct merge *merge, const struct own *key)
{
	uint64_t sum = hash(0xcbf29ce484222325u, &key->set, sizeof(key->set));
	size_t at;

	if (key->is_net)
		sum = hash(hash(sum, key->net.addr.bytes, sizeof(key->net.addr.bytes)), &key->net.len, 1);
	else if (key->kind != SET_LINE_CREATE)
		sum = hash(sum, key->line, key->len);
	at = (size_t)(sum ^ sum >> 32) & merge->mask;
	while (merge->slots[at] && !same_subject(&merge->own[merge->slots[at] - 1], key))
		at = (at + 1) & merge->mask;
	return &merge->slots[at];
}

static bool own_of(struct journal *journal, const char *line, size_t len, const struct set_line *parsed, struct own *ret)
{
	int set = journal_find_known(journal, parsed->set);

	*ret = (struct own){ .line = line, .len = (uint32_t)len, .kind = (uint8_t)parsed->kind, .last = true };
	if (set < 0)
		return false;
	ret->set = (uint16_t)set;
	ret->is_net = parsed->is_net && (parsed->kind == SET_LINE_ADD || parsed->kind == SET_LINE_DEL);
	if (ret->is_net)
		ret->net = parsed->entry.net;
	return true;
}

static int own_index(struct merge *merge)
{
	const char *line = merge->journal->kept.data, *end = line + merge->journal->kept.len;
	size_t n = 0, size = 16;

	for (const char *at = line; at < end; at++)
		n += *at == '\n';
	while (size < 2 * n)
		size *= 2;
	merge->own = calloc(n + 1, sizeof(*merge->own));
	merge->slots = calloc(size, sizeof(*merge->slots));
	merge->mask = size - 1;
	if (!merge->own || !merge->slots)
		return -ENOMEM;
	for (; merge->n_own < n; merge->n_own++) {
		size_t len = (size_t)((char *)memchr(line, '\n', (size_t)(end - line)) + 1 - line);
		struct own *own = &merge->own[merge->n_own];
		struct set_line parsed;
		uint32_t *slot;

		/* they were formatted or parsed before: both always work */
		if (setfile_parse_line(line, len - 1, &parsed, NULL) < 0 ||
		    !own_of(merge->journal, line, len, &parsed, own))
			return -EINVAL;
		slot = slot_of(merge, own);
		if (*slot)
			merge->own[*slot - 1].last = false;
		*slot = (uint32_t)merge->n_own + 1;
		line += len;
	}
	return 0;
}

static bool same_word(const struct own *own, const struct set_line *theirs)
{
	struct set_line ours;

	if (own->kind != theirs->kind)
		return false;
	if (own->kind != SET_LINE_ADD)
		return true;
	return !theirs->nomatch && setfile_parse_line(own->line, own->len - 1, &ours, NULL) == 0 &&
	       ours.entry.until == theirs->entry.until && strcmp(ours.entry.comment, theirs->entry.comment) == 0;
}

/* Notes what a line of the other file says about records of ours. */
static void note(struct merge *merge, const struct set_line *line, struct own *key)
{
	struct cidr nets[ADDR_RANGE_MAX];
	size_t n = 0;

	if (line->is_range && addr_range(&line->from, &line->to, nets, &n) < 0)
		return;
	if (!line->is_range)
		nets[n++] = key->net;
	key->is_net |= line->is_range;
	for (size_t i = 0; i < n; i++) {
		uint32_t at;

		key->net = nets[i];
		at = *slot_of(merge, key);
		if (at)
			merge->own[at - 1].present = !key->is_net || same_word(&merge->own[at - 1], line);
	}
}

static void note_emptied(struct merge *merge, const struct set_line *line)
{
	for (size_t i = 0; i < merge->n_own; i++)
		if (!*line->set || strcmp(merge->journal->known[merge->own[i].set].name, line->set) == 0)
			merge->own[i].present = false;
	for (size_t i = 0; i < merge->journal->n_known && line->kind == SET_LINE_DESTROY; i++)
		if (!*line->set || strcmp(merge->journal->known[i].name, line->set) == 0)
			merge->journal->known[i].created = false;
}

/* Copies a line. Relative timeouts in our sets become absolute: the new file has another mtime to count from. */
static int copy_line(struct merge *merge, const struct piece *piece, struct diag *diag)
{
	char text[SETFILE_LINE_MAX + 2]; /* a carriage return and a newline */
	struct set_line line;
	struct own key;
	int n;

	if (piece_is_blank(piece))
		return 0;
	if (piece->rest || piece->more || setfile_parse_line(piece->text, piece->len, &line, NULL) < 0 ||
	    line.kind == SET_LINE_EMPTY)
		return writer_put_piece(&merge->writer, piece, diag);
	if (line.kind == SET_LINE_FLUSH || line.kind == SET_LINE_DESTROY)
		note_emptied(merge, &line);
	n = (int)piece->len + 1;
	memcpy(text, piece->text, piece->len);
	text[piece->len] = '\n';
	if (own_of(merge->journal, text, (size_t)n, &line, &key)) {
		if (line.kind == SET_LINE_CREATE)
			merge->journal->known[key.set].created = true;
		if (line.is_net && line.has_timeout && line.timeout && !line.entry.until && !line.nomatch) {
			uint64_t base = merge->source->foreign ? (uint64_t)merge->source->seen.mtime.tv_sec
							       : merge->journal->base;

			line.entry.until = base + line.timeout;
			n = setfile_format_add(line.set, &line.entry, base, text, sizeof(text));
		}
		note(merge, &line, &key);
		if (n > 0)
			return writer_put(&merge->writer, text, (size_t)n, diag);
	}
	return writer_put_piece(&merge->writer, piece, diag);
}

/* A record of ours, behind a create line for its set. */
static int put_own(struct merge *merge, const char *text, size_t len, struct diag *diag)
{
	char create[SETFILE_LINE_MAX];
	struct known_set *set;
	struct set_line line;
	int n, r = 0;

	if (setfile_parse_line(text, len - 1, &line, NULL) < 0)
		return -EINVAL;
	n = journal_find_known(merge->journal, line.set);
	set = n >= 0 ? &merge->journal->known[n] : NULL;
	if (set && line.kind == SET_LINE_CREATE && set->created)
		return 0; /* ours may differ from theirs: `ipset restore` would stop there */
	if (set && line.is_net && !set->created) {
		n = setfile_format_create(set->name, line.entry.net.addr.family, create, sizeof(create));
		r = n < 0 ? n : writer_put(&merge->writer, create, (size_t)n, diag);
	}
	if (set && (line.is_net || line.kind == SET_LINE_CREATE))
		set->created = true;
	return r < 0 ? r : writer_put(&merge->writer, text, len, diag);
}

static int put_lacking(struct merge *merge, bool with_gathered, struct diag *diag)
{
	const struct text *gathered = &merge->journal->gathered;
	int r = 0;

	for (size_t i = 0; i < merge->n_own && r == 0; i++)
		if (merge->own[i].last && !merge->own[i].present)
			r = put_own(merge, merge->own[i].line, merge->own[i].len, diag);
	merge->mark = merge->writer.size;
	for (size_t at = 0; with_gathered && at < gathered->len && r == 0;) {
		const char *line = gathered->data + at;
		size_t len = (size_t)((char *)memchr(line, '\n', gathered->len - at) + 1 - line);

		r = put_own(merge, line, len, diag);
		at += len;
	}
	return r;
}

static int write_new(struct merge *merge, bool with_gathered, struct diag *diag)
{
	struct journal *journal = merge->journal;
	struct piece piece;
	int r = writer_open(&merge->writer, journal, diag);

	if (r < 0)
		return r;
	for (size_t i = 0; i < journal->n_known; i++)
		journal->known[i].created = false;
	reader_init(&merge->reader, merge->source->fd, merge->source->end);
	while ((r = reader_next(&merge->reader, &piece)) > 0) {
		r = copy_line(merge, &piece, diag);
		if (r < 0)
			return r;
	}
	if (r == -ESTALE)
		return -EAGAIN;
	if (r < 0)
		return io_fail(diag, -r, "reading", journal->path);
	if (merge->reader.within) /* a torn line too long to be one */
		r = writer_put_piece(&merge->writer, &(struct piece){ "", 0, true, false }, diag);
	for (size_t i = 0; i < journal->n_known; i++)
		merge->left_out |= journal->known[i].had_create && !journal->known[i].created;
	return r < 0 ? r : put_lacking(merge, with_gathered, diag);
}

static void taken(struct merge *merge)
{
	struct journal *journal = merge->journal;
	const struct source *source = merge->source;

	for (size_t i = 0; i < journal->n_known; i++)
		journal->known[i].had_create |= journal->known[i].created;
	if (!source->foreign)
		return;
	journal->foreign++;
	journal->incomplete |= journal->full || merge->left_out;
	if (source->seen.mtime.tv_sec <= 0)
		return;
	journal->base = (uint64_t)source->seen.mtime.tv_sec;
	if (journal->base > journal->newest)
		journal->newest = journal->base;
}

int journal_merge(struct journal *journal, bool with_gathered, struct diag *diag)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	struct source source = { .fd = -1 };
	struct stat st;
	int r = -ENOMEM;

	if (!merge)
		return r;
	merge->journal = journal;
	merge->source = &source;
	merge->writer.fd = -1;
	r = source_open(&source, journal, diag);
	if (r == 0)
		r = own_index(merge);
	if (r == 0)
		r = write_new(merge, with_gathered, diag);
	if (r == 0) {
		r = io_replace(journal, &merge->writer, &source, diag);
		/* taken, but perhaps not for good: what was not acknowledged must not come into force at the next boot */
		if (r < 0 && r != -EAGAIN && merge->writer.fd < 0 && ftruncate(journal->fd, merge->mark) == 0 &&
		    fstat(journal->fd, &st) == 0)
			seen_set(&journal->seen, &st);
		if (merge->writer.fd < 0)
			taken(merge);
	}
	writer_close(&merge->writer, journal);
	source_close(&source);
	free(merge->own);
	free(merge->slots);
	free(merge);
	return r;
}

int journal_settle(struct journal *journal, bool with_gathered, struct diag *diag)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int r;

		if (!journal->renew && io_is_ours(journal))
			return 0;
		r = journal_merge(journal, with_gathered, diag);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	if (!journal->renew && io_is_ours(journal))
		return 0;
	diag_set(diag, 0, 0, "%s is being written by somebody else all the time", journal->path);
	return -EBUSY;
}
