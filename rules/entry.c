/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rules/entry.h"

#define UNTIL "until="
#define UNTIL_LEN (sizeof(UNTIL) - 1)

/* Length of the UTF-8 character at @text, 0 if there is none (the NUL included). *point is touched only on success. */
static size_t utf8_next(const unsigned char *text, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *text < 0x80 ? 1 : *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
	uint32_t value = n == 1 ? *text : *text & (0x7fu >> n);

	if (!*text || (*text >= 0x80 && *text < 0xc2) || *text > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80) /* a NUL is none either */
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*point = value;
	return n;
}

int entry_comment_check(const char *comment, struct diag *diag)
{
	const unsigned char *text = (const unsigned char *)comment;
	size_t at = 0, n;
	uint32_t point;

	if (strncmp(comment, UNTIL, UNTIL_LEN) == 0) {
		diag_set(diag, 0, 1, "a comment cannot begin with \"" UNTIL "\": that marks the expiry");
		return -EINVAL;
	}
	if (*comment == '-') {
		diag_set(diag, 0, 1, "a comment cannot begin with \"-\": ipset may take it for an option");
		return -EINVAL;
	}
	for (; text[at]; at += n) {
		n = utf8_next(text + at, &point);
		if (!n) {
			diag_set(diag, 0, (unsigned)at + 1, "the comment is not UTF-8");
			return -EINVAL;
		}
		if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
			diag_set(diag, 0, (unsigned)at + 1, "the comment holds a control character");
			return -EINVAL;
		}
		if (point == '"' || point == '\\') {
			diag_set(diag, 0, (unsigned)at + 1, "a comment cannot hold %c", (int)point);
			return -EINVAL;
		}
		if (at + n > ENTRY_COMMENT_MAX) {
			diag_set(diag, 0, (unsigned)at + 1, "the comment is longer than %d bytes", ENTRY_COMMENT_MAX);
			return -EINVAL;
		}
	}
	return 0;
}

size_t entry_comment_join(const struct entry *entry, char ret[static ENTRY_KERNEL_COMMENT])
{
	size_t used = 0, n = strnlen(entry->comment, ENTRY_KERNEL_COMMENT - 1);

	if (entry->until)
		used = (size_t)snprintf(ret, ENTRY_KERNEL_COMMENT, UNTIL "%" PRIu64 "%s", entry->until, n ? " " : "");
	if (n > ENTRY_KERNEL_COMMENT - 1 - used) {
		n = ENTRY_KERNEL_COMMENT - 1 - used;
		while (n > 0 && ((unsigned char)entry->comment[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(ret + used, entry->comment, n);
	ret[used + n] = '\0';
	return used + n;
}

/* Behind "until=EPOCH" and the blank after it, or NULL if @text begins otherwise. */
static const char *until_skip(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (strncmp(text, UNTIL, UNTIL_LEN) != 0)
		return NULL;
	text += UNTIL_LEN;
	if (*text < '1' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return NULL;
	if (*text && *text != ' ')
		return NULL;
	*ret = value;
	return *text ? text + 1 : text;
}

void entry_comment_split(const char *comment, struct entry *ret)
{
	const char *rest;
	uint64_t until;
	size_t n;

	ret->until = 0;
	/* "until=1 until=2" left as "until=2" of an entry for ever would turn into an expiry on its next way out */
	while ((rest = until_skip(comment, &until))) {
		if (!ret->until)
			ret->until = until;
		comment = rest;
	}
	n = strnlen(comment, ENTRY_KERNEL_COMMENT - 1);
	memmove(ret->comment, comment, n);
	memset(ret->comment + n, 0, ENTRY_KERNEL_COMMENT - n);
}

int entry_timeout(const struct entry *entry, uint64_t now, uint32_t *ret)
{
	if (!entry->until) {
		*ret = 0;
		return 0;
	}
	if (entry->until <= now)
		return -ETIME;
	*ret = entry->until - now < ENTRY_TIMEOUT_MAX ? (uint32_t)(entry->until - now) : ENTRY_TIMEOUT_MAX;
	return 0;
}
