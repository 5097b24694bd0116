/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/ctl/ctl.h"
#include "fwd/ctl/text.h"

/* Length of the well-formed UTF-8 character at @s with its code point, or 0. Stops at the NUL by itself. */
static unsigned utf8_next(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ?
		4 : 0;
	uint32_t point;

	if (!n)
		return 0;
	point = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s[i] & 0x3f);
	}
	if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret = point;
	return n;
}

static bool steers_terminal(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0xfeff ||
	       (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f);
}

/* Writes the next character of *s to @ret (at most 11 bytes) and moves on; returns how many columns it takes. */
static unsigned escape_next(const char **s, char ret[static 12])
{
	uint32_t point;
	unsigned n = utf8_next((const unsigned char *)*s, &point);

	if (n && !steers_terminal(point)) {
		memcpy(ret, *s, n);
		ret[n] = '\0';
		*s += n;
		return 1;
	}
	if (n) /* never as \x1b: libsmartcols would write that out a second time */
		snprintf(ret, 12, "\\u%04x", point);
	else
		snprintf(ret, 12, "\\x%02x", (unsigned char)**s);
	*s += n ? n : 1;
	return (unsigned)strlen(ret);
}

char *text_escape(const char *text)
{
	char *ret = malloc(strlen(text) * 4 + 12), *at = ret;

	if (!ret)
		return NULL;
	*at = '\0';
	while (*text) {
		escape_next(&text, at);
		at += strlen(at);
	}
	return ret;
}

void text_print(FILE *out, const char *text)
{
	char one[12];

	while (*text) {
		escape_next(&text, one);
		fputs(one, out);
	}
}

static unsigned columns(const char *text, const char *end)
{
	unsigned n = 0;
	char one[12];

	while (text < end)
		n += escape_next(&text, one);
	return n;
}

void text_fill(const struct ctl *ctl, FILE *out, const char *first, const char *rest, const char *text)
{
	unsigned at = columns(first, first + strlen(first));
	bool begun = false;

	fputs(first, out);
	while (*text) {
		const char *word = text + strspn(text, " "), *end = word + strcspn(word, " ");
		unsigned gap = (unsigned)(word - text), len = columns(word, end);

		if (begun && ctl->width && at + gap + len > ctl->width) {
			fprintf(out, "\n%s", rest);
			at = columns(rest, rest + strlen(rest));
		} else {
			for (unsigned i = 0; i < gap; i++)
				fputc(' ', out);
			at += gap;
		}
		for (const char *c = word; c < end;) {
			char one[12];

			escape_next(&c, one);
			fputs(one, out);
		}
		at += len;
		begun = true;
		text = end;
	}
	fputc('\n', out);
}

static uint32_t unit_seconds(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	case 'w': return 7 * 86400;
	default: return 0;
	}
}

int duration_parse(const char *text, uint32_t min, uint32_t max, uint32_t *ret, struct diag *diag)
{
	uint64_t total = 0;
	const char *at = text;
	char limit[TIME_TEXT_MAX];

	do {
		uint64_t n = 0;
		const char *begin = at;

		for (; *at >= '0' && *at <= '9'; at++)
			n = n > max ? n : n * 10 + (unsigned)(*at - '0');
		if (at == begin) {
			diag_set(diag, 0, (unsigned)(at - text) + 1,
				 "a time is a number with a unit: 90s, 30m, 2h, 7d, 2w");
			return -EINVAL;
		}
		if (!unit_seconds(*at)) {
			diag_set(diag, 0, (unsigned)(at - text) + 1,
				 "a time needs a unit behind each number: s, m, h, d or w");
			return -EINVAL;
		}
		total += n > max ? (uint64_t)max + 1 : n * unit_seconds(*at);
		if (total > max)
			total = (uint64_t)max + 1;
		at++;
	} while (*at);
	if (total < min || total > max) {
		duration_format(total < min ? min : max, limit);
		diag_set(diag, 0, 0, "the %s time is %s", total < min ? "shortest" : "longest", limit);
		return -EINVAL;
	}
	*ret = (uint32_t)total;
	return 0;
}

void duration_format(uint64_t seconds, char ret[static TIME_TEXT_MAX])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 7 * 86400, "w" }, { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;
	uint64_t rest;
	int n;

	while (i < 4 && seconds < units[i].seconds)
		i++;
	n = snprintf(ret, TIME_TEXT_MAX, "%llu %s", (unsigned long long)(seconds / units[i].seconds), units[i].name);
	rest = seconds % units[i].seconds;
	if (i < 4 && rest >= units[i + 1].seconds)
		snprintf(ret + n, (size_t)(TIME_TEXT_MAX - n), " %llu %s",
			 (unsigned long long)(rest / units[i + 1].seconds), units[i + 1].name);
}

void until_format(uint64_t until, uint64_t now, char ret[static TIME_TEXT_MAX])
{
	char left[TIME_TEXT_MAX];

	if (until == 0) {
		strcpy(ret, "for ever");
	} else if (until <= now) {
		strcpy(ret, "over");
	} else {
		duration_format(until - now, left);
		snprintf(ret, TIME_TEXT_MAX, "in %.40s", left);
	}
}

const char *paint(const struct ctl *ctl, enum paint paint)
{
	static const char *const sequences[] = { "", "\033[1m", "\033[32m", "\033[31m", "\033[33m" };

	return ctl->color ? sequences[paint] : "";
}

const char *paint_end(const struct ctl *ctl)
{
	return ctl->color ? "\033[0m" : "";
}
