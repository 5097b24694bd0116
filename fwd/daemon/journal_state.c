/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the file says of a set. The last word on each network is found by an open-addressing index of four bytes a slot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/daemon/journal_internal.h"

enum { ITEM_ADDED, ITEM_REMOVED, ITEM_IGNORED }; /* journal_item.state */

struct load {
	struct journal_item *items;
	size_t n, size;
	uint32_t *slots; /* index + 1 */
	size_t n_slots;
	struct text comments;
	const char *set;
	uint64_t base;
	uint32_t line, emptied; /* items of lines up to @emptied were flushed */
	uint64_t lines;         /* that name the set */
	unsigned skipped;
	bool created, relative;
	struct reader reader;
};

static size_t hash(const struct cidr *net)
{
	uint64_t a, b;

	memcpy(&a, net->addr.bytes, 8);
	memcpy(&b, net->addr.bytes + 8, 8);
	a = (a ^ net->len) * 0x9e3779b97f4a7c15u;
	b = (b ^ a >> 29) * 0xbf58476d1ce4e5b9u;
	a = (a ^ b ^ a >> 32) * 0x94d049bb133111ebu;
	return (size_t)(a ^ a >> 31);
}

static uint32_t *slot_of(const struct load *load, const struct cidr *net)
{
	size_t mask = load->n_slots - 1, at = hash(net) & mask;

	while (load->slots[at] && !cidr_equal(&load->items[load->slots[at] - 1].net, net))
		at = (at + 1) & mask;
	return &load->slots[at];
}

static int load_grow(struct load *load)
{
	size_t size = load->size ? load->size * 2 : 1024;
	struct journal_item *items;
	uint32_t *slots;

	if (load->n == JOURNAL_NETS_MAX)
		return -E2BIG;
	if (size > JOURNAL_NETS_MAX)
		size = JOURNAL_NETS_MAX;
	items = realloc(load->items, size * sizeof(*items));
	if (!items)
		return -ENOMEM;
	load->items = items;
	slots = calloc(2 * size, sizeof(*slots)); /* both are powers of two */
	if (!slots)
		return -ENOMEM;
	free(load->slots);
	load->slots = slots;
	load->n_slots = 2 * size;
	load->size = size;
	for (size_t i = 0; i < load->n; i++)
		*slot_of(load, &load->items[i].net) = (uint32_t)i + 1;
	return 0;
}

static int load_net(struct load *load, const struct set_line *line, const struct cidr *net)
{
	struct journal_item *item, before = { 0 };
	uint32_t *slot;
	int r;

	if (net->len == 0) { /* ipset would stop here */
		load->skipped++;
		return 0;
	}
	if (load->n == load->size) {
		r = load_grow(load);
		if (r < 0)
			return r;
	}
	slot = slot_of(load, net);
	if (!*slot)
		*slot = (uint32_t)++load->n;
	else
		before = load->items[*slot - 1];
	item = &load->items[*slot - 1];
	*item = (struct journal_item){ .net = *net, .line = load->line, .state = ITEM_REMOVED };
	if (line->kind == SET_LINE_DEL)
		return 0;
	if (line->nomatch) {
		/* neither allowed nor to be deleted: that would open what it excepts */
		load->skipped++;
		item->state = ITEM_IGNORED;
		return 0;
	}
	item->state = ITEM_ADDED;
	item->packets = line->entry.packets;
	item->bytes = line->entry.bytes;
	if (!item->packets && !item->bytes && before.line > load->emptied) {
		/* a second add without counters leaves them, with ipset too */
		item->packets = before.packets;
		item->bytes = before.bytes;
	}
	item->until = line->entry.until;
	if (!item->until && line->has_timeout && line->timeout) {
		item->until = load->base + line->timeout;
		load->relative = true;
	}
	if (!*line->entry.comment)
		return 0;
	item->comment = (uint32_t)load->comments.len; /* the file is at most 1 GiB */
	return text_append(&load->comments, line->entry.comment, strlen(line->entry.comment) + 1);
}

/* Whether the second, third or fourth word is the set: for lines that could not be parsed. */
static bool names_set(const char *set, const struct piece *piece)
{
	const char *at = piece->text, *end = at + piece->len;

	for (int word = 0; word < 4 && at < end; word++) {
		const char *from;

		while (at < end && strchr(" \t\"\r", *at) && *at)
			at++;
		from = at;
		while (at < end && (!strchr(" \t\"\r", *at) || !*at))
			at++;
		if (word > 0 && strlen(set) == (size_t)(at - from) && memcmp(set, from, (size_t)(at - from)) == 0)
			return true;
	}
	return false;
}

static int load_line(struct load *load, const struct piece *piece)
{
	struct cidr nets[ADDR_RANGE_MAX];
	struct set_line line;
	size_t n = 0;
	int r = 0;

	load->line++;
	if (piece->rest)
		return 0;
	if (piece->more || setfile_parse_line(piece->text, piece->len, &line, NULL) < 0 || line.kind == SET_LINE_OTHER) {
		load->skipped += names_set(load->set, piece);
		return 0;
	}
	if (line.kind == SET_LINE_EMPTY || line.kind == SET_LINE_COMMIT || (*line.set && strcmp(line.set, load->set) != 0))
		return 0;
	load->lines++;
	switch (line.kind) {
	case SET_LINE_CREATE:
		load->created = true;
		break;
	case SET_LINE_DESTROY:
		load->created = false;
		load->emptied = load->line;
		break;
	case SET_LINE_FLUSH:
		load->emptied = load->line;
		break;
	default:
		if (line.is_range)
			addr_range(&line.from, &line.to, nets, &n);
		else if (line.is_net)
			nets[n++] = line.entry.net;
		else
			load->skipped++;
		for (size_t i = 0; i < n && r == 0; i++)
			r = load_net(load, &line, &nets[i]);
	}
	return r;
}

static int item_compare(const void *a, const void *b)
{
	return cidr_compare(&((const struct journal_item *)a)->net, &((const struct journal_item *)b)->net);
}

/* Parts the living from the others. */
static int load_finish(struct load *load, struct journal *journal, uint64_t now, struct journal_state *ret)
{
	struct known_set *known = &journal->known[journal_known(journal, load->set)];
	struct journal_state state = { .created = load->created, .newest = journal->newest, .skipped = load->skipped,
				       .torn = journal->torn, .comments = load->comments.data };
	size_t n_removed = 0;

	if (now < state.newest)
		now = state.newest;
	if (load->n > 0)
		qsort(load->items, load->n, sizeof(*load->items), item_compare);
	for (size_t i = 0; i < load->n; i++) {
		struct journal_item *item = &load->items[i];

		if (item->line <= load->emptied || (item->state == ITEM_ADDED && item->until && item->until <= now))
			item->state = ITEM_REMOVED;
		n_removed += item->state == ITEM_REMOVED;
	}
	if (n_removed > 0) {
		state.removed = malloc(n_removed * sizeof(*state.removed));
		if (!state.removed)
			return -ENOMEM;
	}
	for (size_t i = 0; i < load->n; i++) {
		if (load->items[i].state == ITEM_REMOVED)
			state.removed[state.n_removed++] = load->items[i].net;
		else if (load->items[i].state == ITEM_ADDED)
			load->items[state.n++] = load->items[i];
	}
	state.items = load->items;
	load->items = NULL;
	load->comments = (struct text){ 0 };
	known->had_create = state.created;
	known->dead = load->lines - state.n - state.created;
	if (load->lines < state.n + state.created) /* ranges are one line and many networks */
		known->dead = 0;
	journal->relative |= load->relative;
	*ret = state;
	return 0;
}

static int load_file(struct load *load, struct journal *journal)
{
	struct piece piece;
	int r;

	/* offset 0 is the empty comment */
	r = text_append(&load->comments, "", 1);
	if (r < 0)
		return r;
	reader_init(&load->reader, journal->fd, journal->seen.size);
	while ((r = reader_next(&load->reader, &piece)) > 0) {
		r = load_line(load, &piece);
		if (r < 0)
			return r;
	}
	return r;
}

int journal_state(struct journal *journal, const char *set, uint64_t now, struct journal_state *ret, struct diag *diag)
{
	int r = journal_known(journal, set);

	for (int i = 0; i < ATTEMPTS && r >= 0; i++) {
		struct load *load;

		r = io_is_ours(journal) ? 0 : journal_settle(journal, false, diag);
		if (r < 0)
			return r;
		load = calloc(1, sizeof(*load));
		if (!load)
			return -ENOMEM;
		load->set = set;
		load->base = journal->base;
		r = load_file(load, journal);
		if (r == 0 && io_is_ours(journal)) /* else it may have changed while it was read */
			r = load_finish(load, journal, now, ret);
		else if (r == 0 || r == -ESTALE)
			r = 1;
		free(load->items);
		free(load->slots);
		text_free(&load->comments);
		free(load);
		if (r == 0)
			return 0;
	}
	if (r == 1)
		r = -EBUSY;
	if (r == -E2BIG)
		diag_set(diag, 0, 0, "%s holds more than %u networks in %s", journal->path, JOURNAL_NETS_MAX, set);
	diag_set(diag, 0, 0, "%s reading %s", strerror(-r), journal->path);
	return r;
}

void journal_state_entry(const struct journal_state *state, size_t i, struct entry *ret)
{
	const struct journal_item *item = &state->items[i];

	*ret = (struct entry){ .net = item->net, .until = item->until, .packets = item->packets, .bytes = item->bytes };
	strcpy(ret->comment, state->comments + item->comment);
}

void journal_state_free(struct journal_state *state)
{
	if (!state)
		return;
	free(state->items);
	free(state->comments);
	free(state->removed);
	memset(state, 0, sizeof(*state));
}
