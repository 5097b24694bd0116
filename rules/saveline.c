/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/saveline.h"

static const struct {
	const char *table;
	struct saveline_base chain;
} bases[] = {
	{ "filter", { "INPUT", NF_INET_LOCAL_IN, 0, true } },
	{ "filter", { "FORWARD", NF_INET_FORWARD, 0, true } },
	{ "filter", { "OUTPUT", NF_INET_LOCAL_OUT, 0, true } },
	{ "mangle", { "PREROUTING", NF_INET_PRE_ROUTING, -150, true } },
	{ "mangle", { "INPUT", NF_INET_LOCAL_IN, -150, true } },
	{ "mangle", { "FORWARD", NF_INET_FORWARD, -150, true } },
	{ "mangle", { "OUTPUT", NF_INET_LOCAL_OUT, -150, true } }, /* type route: it drops all the same */
	{ "mangle", { "POSTROUTING", NF_INET_POST_ROUTING, -150, true } },
	{ "raw", { "PREROUTING", NF_INET_PRE_ROUTING, -300, true } },
	{ "raw", { "OUTPUT", NF_INET_LOCAL_OUT, -300, true } },
	{ "nat", { "PREROUTING", NF_INET_PRE_ROUTING, -100, false } },
	{ "nat", { "INPUT", NF_INET_LOCAL_IN, 100, false } },
	{ "nat", { "OUTPUT", NF_INET_LOCAL_OUT, -100, false } },
	{ "nat", { "POSTROUTING", NF_INET_POST_ROUTING, 100, false } },
	{ "security", { "INPUT", NF_INET_LOCAL_IN, 50, true } },
	{ "security", { "FORWARD", NF_INET_FORWARD, 50, true } },
	{ "security", { "OUTPUT", NF_INET_LOCAL_OUT, 50, true } },
};

const struct saveline_base *saveline_base(const char *table, size_t i)
{
	for (size_t j = 0; j < sizeof(bases) / sizeof(bases[0]); j++)
		if (strcmp(bases[j].table, table) == 0 && i-- == 0)
			return &bases[j].chain;
	return NULL;
}

const struct saveline_base *saveline_find_base(const char *table, const char *chain)
{
	const struct saveline_base *base;

	for (size_t i = 0; (base = saveline_base(table, i)); i++)
		if (strcmp(base->name, chain) == 0)
			return base;
	return NULL;
}

unsigned saveline_base_bit(const char *table, const char *chain)
{
	const struct saveline_base *base;

	for (unsigned i = 0; (base = saveline_base(table, i)); i++)
		if (strcmp(base->name, chain) == 0)
			return 1u << i;
	return 0;
}

bool saveline_number(const char *word, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*word || (word[0] == '0' && word[1]))
		return false;
	for (; *word; word++) {
		uint64_t digit = (uint64_t)(unsigned char)*word - '0';

		if (digit > 9 || digit > max || value > max / 10 || value * 10 > max - digit)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

/* "P:B" of @len bytes */
static bool counters(const char *text, size_t len, uint64_t *packets, uint64_t *bytes)
{
	char copy[2 * 20 + 2];
	char *colon;
	uint64_t p, b;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	colon = strchr(copy, ':');
	if (!colon)
		return false;
	*colon = '\0';
	if (!saveline_number(copy, UINT64_MAX, &p) || !saveline_number(colon + 1, UINT64_MAX, &b))
		return false;
	*packets = p;
	*bytes = b;
	return true;
}

bool saveline_counters(const char *word, uint64_t *packets, uint64_t *bytes)
{
	size_t len = strlen(word);

	return len > 2 && word[0] == '[' && word[len - 1] == ']' && counters(word + 1, len - 2, packets, bytes);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Cuts the bytes from @at on into words. With @quotes as iptables-restore cuts rules: a quote may open anywhere in a
 * word, and the one that closes ends the word; a backslash counts between quotes only. Without: at blanks.
 */
static int cut(struct saveline_reader *reader, struct saveline *ret, size_t at, size_t end, bool quotes)
{
	const char *line = ret->begin;
	char *put = ret->text;

	for (;;) {
		bool quoted = false, closed = false;
		char *word = put;

		while (at < end && is_blank(line[at]))
			at++;
		if (at == end)
			return 0;
		if (ret->n_words == SAVELINE_WORDS_MAX) {
			diag_set(reader->diag, reader->line, (unsigned)at + 1, "more than %d words",
				 SAVELINE_WORDS_MAX);
			return -EINVAL;
		}
		ret->columns[ret->n_words] = (unsigned)at + 1;
		for (; at < end && !closed && (quoted || !is_blank(line[at])); at++) {
			if (quotes && line[at] == '"') {
				closed = quoted;
				quoted = true;
			} else if (quoted && line[at] == '\\' && at + 1 < end) {
				*put++ = line[++at];
			} else {
				*put++ = line[at];
			}
		}
		if (quoted && !closed) {
			diag_set(reader->diag, reader->line, ret->columns[ret->n_words], "a quote that nothing closes");
			return -EINVAL;
		}
		if (put - word > SAVELINE_WORD_MAX) {
			diag_set(reader->diag, reader->line, ret->columns[ret->n_words], "a word of more than %d bytes",
				 SAVELINE_WORD_MAX);
			return -EINVAL;
		}
		*put++ = '\0';
		ret->words[ret->n_words++] = word;
	}
}

static int read_rule(struct saveline_reader *reader, struct saveline *ret, size_t end)
{
	size_t at = 0;

	ret->kind = SAVELINE_RULE;
	if (end && ret->begin[0] == '[') {
		const char *close = memchr(ret->begin, ']', end);

		if (!close || !counters(ret->begin + 1, (size_t)(close - ret->begin) - 1, &ret->packets, &ret->bytes)) {
			diag_set(reader->diag, reader->line, 1, "counters are [PACKETS:BYTES]");
			return -EINVAL;
		}
		at = (size_t)(close - ret->begin) + 1;
	}
	return cut(reader, ret, at, end, true);
}

/* @end: bytes without the newline. */
static int classify(struct saveline_reader *reader, struct saveline *ret, size_t end)
{
	const char *line = ret->begin;
	int r;

	if (end == 0 || line[0] == '#') {
		ret->kind = SAVELINE_EMPTY;
		return 0;
	}
	if (!reader->in_table) {
		ret->kind = SAVELINE_TABLE;
		if (line[0] != '*') {
			diag_set(reader->diag, reader->line, 1, "neither *TABLE nor a comment: not from iptables-save");
			return -EINVAL;
		}
		r = cut(reader, ret, 1, end, false);
		if (r == 0 && (ret->n_words == 0 || !saveline_base(ret->words[0], 0))) {
			diag_set(reader->diag, reader->line, 2, "not a table of iptables");
			r = -EINVAL;
		}
		reader->in_table = true;
		return r;
	}
	if (end == strlen("COMMIT") && memcmp(line, "COMMIT", end) == 0) {
		ret->kind = SAVELINE_COMMIT;
		reader->in_table = false;
		return 0;
	}
	if (line[0] == '*') {
		diag_set(reader->diag, reader->line, 1, "a table begins before COMMIT ended the last one");
		return -EINVAL;
	}
	if (line[0] != ':')
		return read_rule(reader, ret, end);
	ret->kind = SAVELINE_CHAIN;
	r = cut(reader, ret, 1, end, false);
	if (r == 0 && ret->n_words < 2) {
		diag_set(reader->diag, reader->line, 1, "a chain is :NAME POLICY [PACKETS:BYTES]");
		r = -EINVAL;
	}
	return r;
}

int saveline_read(struct saveline_reader *reader, struct saveline *ret)
{
	const char *begin = reader->text + reader->pos, *newline, *bad;
	size_t left = reader->len - reader->pos, end;
	int r;

	if (left == 0) {
		if (!reader->in_table)
			return 0;
		diag_set(reader->diag, reader->line, 0, "the file ends before COMMIT");
		return -EINVAL;
	}
	newline = memchr(begin, '\n', left);
	end = newline ? (size_t)(newline - begin) : left;
	reader->line++;
	ret->begin = begin;
	ret->len = end + !!newline;
	ret->packets = ret->bytes = 0;
	ret->n_words = 0;
	if (ret->len > SAVELINE_MAX) {
		diag_set(reader->diag, reader->line, 0, "a line of more than %d bytes", SAVELINE_MAX);
		return -EINVAL;
	}
	bad = memchr(begin, '\0', end);
	if (bad) {
		diag_set(reader->diag, reader->line, (unsigned)(bad - begin) + 1, "a NUL byte");
		return -EINVAL;
	}
	/* behind a comment it does no harm; anywhere else iptables-restore refuses the file */
	if (end && begin[0] != '#' && begin[end - 1] == '\r') {
		diag_set(reader->diag, reader->line, (unsigned)end,
			 "a carriage return (DOS line end), which iptables-restore refuses");
		return -EINVAL;
	}
	r = classify(reader, ret, end);
	if (r < 0)
		return r;
	reader->pos += ret->len;
	return 1;
}
