/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/setfile.h"

#define WORDS_MAX 64 /* the longest create line that ipset 7.22 prints has fewer than 30 */

struct words {
	char text[SETFILE_LINE_MAX + 1]; /* the line, cut into strings */
	char *word[WORDS_MAX];
	size_t n;
};

static int fail(struct diag *diag, const struct words *words, size_t at, const char *what)
{
	diag_set(diag, 0, words && at < words->n ? (unsigned)(words->word[at] - words->text) + 1 : 0, "%s", what);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool setfile_is_option(const char *word)
{
	static const char *const options[] = { "!", "exist", "f", "file", "n", "name", "o", "output", "q", "quiet",
					       "r", "resolve", "s", "sorted", "t", "terse" };

	if (*word++ != '-')
		return false;
	if (*word == '-')
		word++;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcmp(word, options[i]) == 0)
			return true;
	return false;
}

/* Cuts @words->text (@len bytes, no NUL in it) at blanks; a word in quotes may hold blanks. ipset's own options are left
 * out wherever they stand, as ipset does: a comment "-q" is then a comment without text here too. */
static int words_split(struct words *words, size_t len, struct diag *diag)
{
	size_t at = 0;

	for (;;) {
		bool quoted;
		char *word;

		while (at < len && is_blank(words->text[at]))
			at++;
		if (at == len)
			return 0;
		if (words->n == WORDS_MAX)
			return fail(diag, words, words->n - 1, "too many words");
		quoted = words->text[at] == '"';
		at += quoted;
		word = words->word[words->n++] = words->text + at;
		while (at < len && words->text[at] != '"' && (quoted || !is_blank(words->text[at])))
			at++;
		if (quoted != (at < len && words->text[at] == '"'))
			return fail(diag, words, words->n - 1, "quotes that do not stand around one word");
		words->text[at] = '\0'; /* there is room for one at the very end */
		at += at < len;
		if (quoted && at < len && !is_blank(words->text[at]))
			return fail(diag, words, words->n - 1, "quotes that do not stand around one word");
		if (setfile_is_option(word)) {
			if (strchr("fo", word[strspn(word, "-")]))
				return fail(diag, words, words->n - 1, "an option of ipset that a file cannot hold");
			words->n--;
		}
	}
}

/* As strtoull(…, 0), which ipset uses, but without sign and blanks. */
static int number_parse(const char *text, uint64_t max, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

static const char *plain(const char *word)
{
	return strncmp(word, "--", 2) == 0 ? word + 2 : word;
}

/* Commands may be cut short; the first that fits is meant, in this order. */
static enum set_line_kind command_find(const char *word)
{
	static const struct {
		const char *name, *dashed;
		enum set_line_kind kind;
	} commands[] = {
		{ "create", "-N", SET_LINE_CREATE }, { "new", "-N", SET_LINE_CREATE }, { "add", "-A", SET_LINE_ADD },
		{ "del", "-D", SET_LINE_DEL },	     { "destroy", "-X", SET_LINE_DESTROY },
		{ "x", "-X", SET_LINE_DESTROY },     { "flush", "-F", SET_LINE_FLUSH },
	};
	const char *name = plain(word);

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands) && *name; i++)
		if (strcmp(word, commands[i].dashed) == 0 || strncmp(commands[i].name, name, strlen(name)) == 0)
			return commands[i].kind;
	return SET_LINE_OTHER;
}

enum { OPTION_TIMEOUT, OPTION_PACKETS, OPTION_BYTES, OPTION_COMMENT, OPTION_NOMATCH, OPTION_FOREIGN };

/* What may follow an element, in any order. */
static const struct {
	const char *name;
	uint8_t option;
	bool has_value;
} add_options[] = {
	{ "timeout", OPTION_TIMEOUT, true }, { "packets", OPTION_PACKETS, true },  { "bytes", OPTION_BYTES, true },
	{ "comment", OPTION_COMMENT, true }, { "nomatch", OPTION_NOMATCH, false }, { "skbmark", OPTION_FOREIGN, true },
	{ "skbprio", OPTION_FOREIGN, true }, { "skbqueue", OPTION_FOREIGN, true }, { "before", OPTION_FOREIGN, true },
	{ "after", OPTION_FOREIGN, true },   { "wildcard", OPTION_FOREIGN, false },
};

static int option_set(uint8_t option, const char *value, struct set_line *line)
{
	uint64_t number;
	int r = 0;

	switch (option) {
	case OPTION_TIMEOUT:
		r = number_parse(value, ENTRY_TIMEOUT_MAX, &number);
		if (r < 0)
			return r;
		line->timeout = (uint32_t)number;
		line->has_timeout = true;
		break;
	case OPTION_PACKETS:
		r = number_parse(value, UINT64_MAX, &line->entry.packets);
		break;
	case OPTION_BYTES:
		r = number_parse(value, UINT64_MAX, &line->entry.bytes);
		break;
	case OPTION_COMMENT:
		if (!*value || strlen(value) >= ENTRY_KERNEL_COMMENT)
			return -EINVAL;
		entry_comment_split(value, &line->entry);
		break;
	case OPTION_NOMATCH:
		line->nomatch = true;
		break;
	}
	return r;
}

static int options_parse(const struct words *words, struct set_line *line, struct diag *diag)
{
	const size_t n_options = sizeof(add_options) / sizeof(*add_options);
	unsigned seen = 0;

	for (size_t at = 3; at < words->n; at++) {
		const char *name = plain(words->word[at]);
		size_t i = 0;

		while (i < n_options && strcmp(add_options[i].name, name) != 0)
			i++;
		if (i == n_options)
			return fail(diag, words, at, "a word that ipset does not know here");
		if (seen & 1u << i)
			return fail(diag, words, at, "given twice");
		seen |= 1u << i;
		if (add_options[i].has_value && ++at == words->n)
			return fail(diag, words, at - 1, "a value is missing");
		if (option_set(add_options[i].option, words->word[at], line) < 0)
			return fail(diag, words, at, "not a value that ipset takes here");
	}
	return 0;
}

static void element_parse(char *text, struct set_line *line)
{
	char *dash;

	if (cidr_parse(text, &line->entry.net, NULL) == 0) {
		line->is_net = true;
		return;
	}
	dash = strchr(text, '-');
	if (!dash)
		return;
	*dash = '\0';
	line->is_range = addr_parse(text, &line->from) == 0 && addr_parse(dash + 1, &line->to) == 0 &&
			 line->from.family == AF_INET && line->to.family == AF_INET &&
			 addr_compare(&line->from, &line->to) <= 0;
	*dash = '-';
}

static const char *type_name(const char *word)
{
	static const char *const old[][2] = {
		{ "ipmap", "bitmap:ip" },	  { "macipmap", "bitmap:ip,mac" },
		{ "portmap", "bitmap:port" },	  { "iphash", "hash:ip" },
		{ "nethash", "hash:net" },	  { "ipporthash", "hash:ip,port" },
		{ "ipportiphash", "hash:ip,port,ip" }, { "ipportnethash", "hash:ip,port,net" },
		{ "setlist", "list:set" },
	};

	for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++)
		if (strcmp(word, old[i][0]) == 0)
			return old[i][1];
	return word;
}

static bool family_parse(const char *word, uint8_t *ret)
{
	if (strcmp(word, "inet") == 0 || strcmp(word, "ipv4") == 0 || strcmp(word, "-4") == 0)
		*ret = AF_INET;
	else if (strcmp(word, "inet6") == 0 || strcmp(word, "ipv6") == 0 || strcmp(word, "-6") == 0)
		*ret = AF_INET6;
	else
		return false;
	return true;
}

/* Words of types that are not known here are passed over. */
static int create_parse(const struct words *words, struct set_line *line, struct diag *diag)
{
	const char *type = type_name(words->word[2]);
	uint64_t number;

	if (strlen(type) >= sizeof(line->type))
		return fail(diag, words, 2, "the name of the type is too long");
	strcpy(line->type, type);
	if (strncmp(type, "hash:", 5) == 0 && strcmp(type, "hash:mac") != 0)
		line->family = AF_INET;
	for (size_t at = 3; at < words->n; at++) {
		const char *name = plain(words->word[at]);
		bool timeout = strcmp(name, "timeout") == 0, maxelem = strcmp(name, "maxelem") == 0;

		if (strcmp(name, "comment") == 0) {
			line->comment_ext = true;
		} else if (strcmp(name, "counters") == 0) {
			line->counters_ext = true;
		} else if (strcmp(name, "-4") == 0 || strcmp(name, "-6") == 0) {
			family_parse(name, &line->family);
		} else if (timeout || maxelem || strcmp(name, "family") == 0) {
			if (++at == words->n)
				return fail(diag, words, at - 1, "a value is missing");
			if (!timeout && !maxelem) {
				if (!family_parse(words->word[at], &line->family))
					return fail(diag, words, at, "not a family");
				continue;
			}
			if (number_parse(words->word[at], timeout ? ENTRY_TIMEOUT_MAX : UINT32_MAX, &number) < 0)
				return fail(diag, words, at, "not a value that ipset takes here");
			if (timeout)
				line->timeout = (uint32_t)number;
			else
				line->maxelem = number;
			line->has_timeout |= timeout;
		}
	}
	return 0;
}

static int line_parse(struct words *words, struct set_line *line, struct diag *diag)
{
	bool element;

	if (words->n == 1 && strcmp(words->word[0], "COMMIT") == 0) {
		line->kind = SET_LINE_COMMIT;
		return 0;
	}
	line->kind = command_find(words->word[0]);
	if (line->kind == SET_LINE_OTHER)
		return 0;
	element = line->kind != SET_LINE_FLUSH && line->kind != SET_LINE_DESTROY;
	if (words->n < 3 && element)
		return fail(diag, words, words->n - 1, "the line ends too early");
	if (words->n > 2 && !element)
		return fail(diag, words, 2, "a word that ipset does not know here");
	if (words->n > 1) {
		if (!*words->word[1] || strlen(words->word[1]) > SET_NAME_MAX)
			return fail(diag, words, 1, "not the name of a set");
		strcpy(line->set, words->word[1]);
	}
	if (!element)
		return 0;
	if (line->kind == SET_LINE_CREATE)
		return create_parse(words, line, diag);
	element_parse(words->word[2], line);
	return options_parse(words, line, diag);
}

int setfile_parse_line(const char *line, size_t len, struct set_line *ret, struct diag *diag)
{
	struct set_line parsed = { .kind = SET_LINE_EMPTY };
	struct words words;
	size_t blanks = 0;
	int r;

	words.n = 0;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > SETFILE_LINE_MAX) {
		diag_set(diag, 0, SETFILE_LINE_MAX + 1, "the line is longer than %d bytes: ipset would split it",
			 SETFILE_LINE_MAX);
		return -EINVAL;
	}
	if (len > 0 && (memchr(line, '\0', len) || memchr(line, '\n', len)))
		return fail(diag, NULL, 0, "a NUL or newline within the line");
	while (blanks < len && is_blank(line[blanks]))
		blanks++;
	if (blanks < len && line[blanks] != '#') {
		memcpy(words.text, line, len);
		r = words_split(&words, len, diag);
		if (r == 0 && words.n == 0)
			r = fail(diag, NULL, 0, "no command");
		if (r == 0)
			r = line_parse(&words, &parsed, diag);
		if (r < 0)
			return r;
	}
	*ret = parsed;
	return 0;
}

static bool name_is_writable(const char *set)
{
	size_t n = strlen(set);

	if (n == 0 || n > SET_NAME_MAX || *set == '-')
		return false;
	for (; *set; set++)
		if (*set <= ' ' || *set > '~' || *set == '"')
			return false;
	return true;
}

static int fits(int n, size_t size)
{
	return n >= 0 && (size_t)n < size ? n : -ENOSPC;
}

int setfile_format_create(const char *set, uint8_t family, char *ret, size_t size)
{
	if (!name_is_writable(set) || (family != AF_INET && family != AF_INET6))
		return -EINVAL;
	return fits(snprintf(ret, size,
			     "create %s hash:net family %s hashsize 1024 maxelem 4294967295 timeout 0 counters comment\n",
			     set, family == AF_INET ? "inet" : "inet6"), size);
}

int setfile_format_add(const char *set, const struct entry *entry, uint64_t now, char *ret, size_t size)
{
	char net[ADDR_TEXT_MAX], comment[ENTRY_KERNEL_COMMENT], counters[64] = "";
	size_t n = entry_comment_join(entry, comment);
	uint32_t timeout;
	int r;

	/* an exception without its `nomatch` would open what it excepts */
	if (!name_is_writable(set) || entry->net.len == 0 || entry->nomatch || strpbrk(comment, "\"\n") || setfile_is_option(comment))
		return -EINVAL;
	r = entry_timeout(entry, now, &timeout);
	if (r < 0)
		return r;
	cidr_format(&entry->net, net);
	if (entry->packets || entry->bytes)
		snprintf(counters, sizeof(counters), " packets %" PRIu64 " bytes %" PRIu64, entry->packets, entry->bytes);
	return fits(snprintf(ret, size, "add %s %s timeout %" PRIu32 "%s%s%s%s\n", set, net, timeout, counters,
			     n ? " comment \"" : "", comment, n ? "\"" : ""), size);
}

int setfile_format_del(const char *set, const struct cidr *net, char *ret, size_t size)
{
	char text[ADDR_TEXT_MAX];

	if (!name_is_writable(set) || net->len == 0)
		return -EINVAL;
	cidr_format(net, text);
	return fits(snprintf(ret, size, "del %s %s\n", set, text), size);
}
