/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rules/confwalk.h"
#include "rules/word.h"

/* What came already, as a slice of the text. */
struct name {
	const char *text;
	size_t len;
	unsigned line;
};

struct names {
	struct name all[CONF_NAMES_MAX];
	size_t n;
};

struct walk {
	const char *text;
	size_t len, pos;
	unsigned line;      /* that inih works on, from 1: inih's own number is wrong once it has cut a line */
	size_t value;       /* where in this line the value begins */
	char section[CONF_NAME_MAX + 1];
	struct names sections, keys;
	int (*key)(const char *section, const char *name, const char *value, struct diag *diag, void *user);
	void *user;
	struct diag found;
	int error;
};

/* -EINVAL, having said what is wrong @offset bytes into the line. */
static int wrong(struct walk *walk, size_t offset, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int wrong(struct walk *walk, size_t offset, const char *format, ...)
{
	char text[DIAG_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	diag_set(&walk->found, walk->line, (unsigned)offset + 1, "%s", text);
	return -EINVAL;
}

static size_t trimmed(const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return len;
}

static int call_key(struct walk *walk, const char *section, const char *name, const char *value)
{
	struct diag found = { 0 };
	int r = walk->key(section, name, value, &found, walk->user);

	if (r >= 0)
		return 0;
	if (!found.text[0])
		diag_set(&found, 0, 0, "[%s]%s%s: %s", section, name ? " " : "", name ? name : "",
			 r == -ENOENT ? "unknown" : strerror(-r));
	wrong(walk, name && found.column ? walk->value + found.column - 1 : 0, "%s", found.text);
	return r;
}

/* Control characters everywhere, other bytes than ASCII outside of comments. Tabs are blanks. */
static int check_bytes(struct walk *walk, const char *line, size_t len, bool comment)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)line[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return wrong(walk, i, "control character 0x%02x", byte);
		if (byte >= 0x80 && !comment)
			return wrong(walk, i, "byte 0x%02x outside of a comment, where all is ASCII", byte);
	}
	return 0;
}

static int check_name(struct walk *walk, const char *line, size_t from, size_t to)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ";

	if (to > from + CONF_NAME_MAX)
		return wrong(walk, from + CONF_NAME_MAX, "a name longer than %d bytes", CONF_NAME_MAX);
	for (size_t i = from; i < to; i++) {
		char quoted[WORD_QUOTED_MAX];

		if (!memchr(allowed, line[i], sizeof(allowed) - 1))
			return wrong(walk, i, "%s in a name, which has letters, digits and - _ . only",
				     word_quote(&line[i], 1, quoted));
	}
	return 0;
}

static int add_name(struct walk *walk, struct names *names, const char *what, const char *text, size_t len)
{
	char quoted[WORD_QUOTED_MAX];

	for (size_t i = 0; i < names->n; i++)
		if (names->all[i].len == len && memcmp(names->all[i].text, text, len) == 0)
			return wrong(walk, 0, "%s %s stands in line %u already", what, word_quote(text, len, quoted),
				     names->all[i].line);
	if (names->n == CONF_NAMES_MAX)
		return wrong(walk, 0, "more than %d %ss", CONF_NAMES_MAX, what);
	names->all[names->n++] = (struct name){ .text = text, .len = len, .line = walk->line };
	return 0;
}

/* Sections without keys are never heard of from inih, so they are announced here. */
static int read_section(struct walk *walk, const char *line, size_t len)
{
	const char *bracket = memchr(line, ']', len);
	char quoted[WORD_QUOTED_MAX];
	size_t end;
	int r;

	if (!bracket)
		return wrong(walk, len, "expected \"]\" behind %s", word_quote(line, len, quoted));
	end = (size_t)(bracket - line);
	if (end + 1 < len)
		return wrong(walk, end + 1, "something stands behind \"]\": comments have lines of their own");
	if (end == 1)
		return wrong(walk, 1, "a section without a name");
	if (line[1] == ' ' || line[end - 1] == ' ')
		return wrong(walk, line[1] == ' ' ? 1 : end - 1, "a blank at the edge of a section's name");
	r = check_name(walk, line, 1, end);
	if (r == 0)
		r = add_name(walk, &walk->sections, "section", line + 1, end - 1);
	if (r < 0)
		return r;
	memcpy(walk->section, line + 1, end - 1);
	walk->section[end - 1] = '\0';
	walk->keys.n = 0;
	return call_key(walk, walk->section, NULL, NULL);
}

static int read_key(struct walk *walk, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len);
	char quoted[WORD_QUOTED_MAX];
	size_t name;
	int r;

	if (!equals)
		return wrong(walk, 0, "expected \"name = value\", found %s", word_quote(line, len, quoted));
	name = trimmed(line, (size_t)(equals - line));
	if (name == 0)
		return wrong(walk, 0, "no name in front of \"=\"");
	r = check_name(walk, line, 0, name); /* ":" too, where inih would part name and value */
	if (r < 0)
		return r;
	if (walk->sections.n == 0)
		return wrong(walk, 0, "%s stands in no section: a line like [firewall] comes first",
			     word_quote(line, name, quoted));
	walk->value = (size_t)(equals - line) + 1;
	while (walk->value < len && (line[walk->value] == ' ' || line[walk->value] == '\t'))
		walk->value++;
	for (size_t i = walk->value; i < len; i++) /* inih cuts values there, but only some, and only at ";" */
		if ((line[i] == '#' || line[i] == ';') &&
		    (i == walk->value || line[i - 1] == ' ' || line[i - 1] == '\t'))
			return wrong(walk, i, "\"%c\" in a value: comments have lines of their own", line[i]);
	return add_name(walk, &walk->keys, "key", line, name);
}

/* 1 if inih has to see the line, 0 if it says nothing. */
static int read_line(struct walk *walk, const char *line, size_t len)
{
	size_t indent = 0;
	bool comment;
	int r;

	if (len > CONF_LINE_MAX)
		return wrong(walk, CONF_LINE_MAX, "a line of %zu bytes, of at most %d", len, CONF_LINE_MAX);
	while (indent < len && (line[indent] == ' ' || line[indent] == '\t'))
		indent++;
	comment = indent < len && (line[indent] == '#' || line[indent] == ';');
	r = check_bytes(walk, line, len, comment);
	if (r < 0 || comment || indent == len)
		return r;
	if (indent > 0) /* inih would go on with the value of the line before, under the same name */
		return wrong(walk, 0, "a line that begins with a blank: values have one line, names no indent");
	len = trimmed(line, len);
	r = line[0] == '[' ? read_section(walk, line, len) : read_key(walk, line, len);
	return r < 0 ? r : 1;
}

/* The reader for inih, which gets to see only lines that it cannot misunderstand. NULL ends the reading. */
static char *next_line(char *buffer, int size, void *user)
{
	struct walk *walk = user;
	const char *line = walk->text + walk->pos, *newline;
	size_t len;
	int r;

	if (walk->error || walk->pos == walk->len || size < CONF_LINE_MAX + 2)
		return NULL;
	newline = memchr(line, '\n', walk->len - walk->pos);
	len = newline ? (size_t)(newline - line) : walk->len - walk->pos;
	walk->pos += len + (newline ? 1 : 0);
	walk->line++;
	if (newline && len > 0 && line[len - 1] == '\r')
		len--;
	r = read_line(walk, line, len);
	if (r < 0) {
		walk->error = r;
		return NULL;
	}
	snprintf(buffer, (size_t)size, "%.*s\n", r > 0 ? (int)len : 0, line);
	return buffer;
}

static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct walk *walk = user;
	int r = call_key(walk, section, name, value);

	if (r < 0 && !walk->error)
		walk->error = r;
	return r == 0;
}

int conf_walk(const char *text, size_t len,
	      int (*key)(const char *section, const char *name, const char *value, struct diag *diag, void *user),
	      void *user, struct diag *diag)
{
	struct walk walk = { .text = text, .len = len, .key = key, .user = user };
	int r;

	if (len > CONF_SIZE_MAX) {
		diag_set(diag, 0, 0, "%zu bytes, of at most %d", len, CONF_SIZE_MAX);
		return -EINVAL;
	}
	if (len == 0)
		return 0;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		diag_set(diag, 1, 1, "a byte order mark (ef bb bf): save the file without it");
		return -EINVAL;
	}
	r = ini_parse_stream(next_line, &walk, take_key, &walk);
	if (walk.error == 0 && r == -2)
		return -ENOMEM;
	if (walk.error == 0 && (r != 0 || walk.pos < walk.len)) /* another inih than the one that this was made for */
		walk.error = wrong(&walk, 0, "the ini library does not read this line");
	if (walk.error)
		diag_set(diag, walk.found.line, walk.found.column, "%s", walk.found.text);
	return walk.error;
}
