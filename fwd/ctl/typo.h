/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * "Did you mean": the word that somebody probably wanted to type.
 */
#include <stddef.h>

#define TYPO_WORD_MAX 32 /* longer words are never taken for misspelt ones */

/* Fewest letters put in, left out, exchanged or swapped with a neighbour. TYPO_WORD_MAX for longer words. */
unsigned typo_distance(const char *a, const char *b);

struct typo {
	const char *best; /* NULL: nothing near enough */
	unsigned distance;
};
/* Offers one candidate for @word. Start with a zeroed @typo. A tie keeps the first. */
void typo_offer(struct typo *typo, const char *word, const char *candidate);
