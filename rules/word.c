/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rules/word.h"

#define NEAR_MAX 49 /* longer words are near to nothing: bounds the table of distances */

const char *word_quote(const char *word, size_t len, char ret[static WORD_QUOTED_MAX])
{
	const size_t end = WORD_QUOTED_MAX - sizeof("...\"");
	size_t n = 0;

	ret[n++] = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)word[i];
		bool plain = byte >= 0x20 && byte < 0x7f;

		if (n + (plain ? 1 : 4) > end) {
			n += (size_t)sprintf(ret + n, "...");
			break;
		}
		n += (size_t)sprintf(ret + n, plain ? "%c" : "\\x%02x", byte);
	}
	ret[n++] = '"';
	ret[n] = '\0';
	return ret;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

int word_next(const char *list, const char **rest, const char **word, size_t *len)
{
	const char *begin = skip_blanks(*rest);

	if (*begin == ',') {
		const char *after = skip_blanks(begin + 1);

		if (*rest == list || !*after || *after == ',') {
			*rest = begin;
			return -EINVAL;
		}
		begin = after;
	}
	if (!*begin)
		return 0;
	*word = begin;
	*len = strcspn(begin, " \t,");
	*rest = begin + *len;
	return 1;
}

int word_number(const char *word, size_t len, unsigned max, unsigned *ret)
{
	unsigned long long number = 0;

	if (len == 0 || (word[0] == '0' && len > 1))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (word[i] < '0' || word[i] > '9')
			return -EINVAL;
		if (number <= max) /* else it is too much already: only its digits are still looked at */
			number = number * 10 + (unsigned)(word[i] - '0');
	}
	if (number > max)
		return -ERANGE;
	*ret = (unsigned)number;
	return 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many bytes must be put in, taken out, replaced or swapped with their neighbour. Capitals do not count. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned table[NEAR_MAX + 1][NEAR_MAX + 1];

	for (size_t i = 0; i <= na; i++)
		table[i][0] = (unsigned)i;
	for (size_t j = 0; j <= nb; j++)
		table[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
			unsigned best = least(table[i - 1][j], table[i][j - 1]) + 1;

			best = least(best, table[i - 1][j - 1] + (x != y));
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				best = least(best, table[i - 2][j - 2] + 1);
			table[i][j] = best;
		}
	}
	return table[na][nb];
}

const char *word_near(const char *word, const char *const *known)
{
	size_t len = strlen(word);
	unsigned best = len < 6 ? 2 : (unsigned)len / 3 + 1; /* the first that is too far */
	const char *near = NULL;

	if (len > NEAR_MAX)
		return NULL;
	for (; *known; known++) {
		unsigned far;

		if (strlen(*known) > NEAR_MAX)
			continue;
		far = distance(word, len, *known, strlen(*known));
		if (far < best) {
			best = far;
			near = *known;
		}
	}
	return near;
}
