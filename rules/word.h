/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Words that people type: lists of them, numbers, near misses, and how they are quoted back. Words need no NUL behind
 * them.
 */
#include <stddef.h>

#define WORD_QUOTED_MAX 48 /* room for every quoted word, NUL included */

/* "word" in its quotes, in printable ASCII: other bytes as \xNN, cut with ... where it is long. Returns @ret. */
const char *word_quote(const char *word, size_t len, char ret[static WORD_QUOTED_MAX]);

/* The next word of a list whose words are parted by blanks, or by one comma with or without blanks. Returns 1 with a
 * word and *rest behind it, 0 at the end, or -EINVAL with *rest at a comma that parts nothing. Begin with *rest at
 * the list. */
int word_next(const char *list, const char **rest, const char **word, size_t *len);

/* Decimal digits only, no leading zero. -EINVAL if it is no such number, -ERANGE if it is more than @max. */
int word_number(const char *word, size_t len, unsigned max, unsigned *ret);

/* What somebody may have meant: the known word nearest to @word, or NULL if none is near. @known ends with NULL. */
const char *word_near(const char *word, const char *const *known);
