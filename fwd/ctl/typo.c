/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "fwd/ctl/typo.h"

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned typo_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[TYPO_WORD_MAX + 1][TYPO_WORD_MAX + 1];

	if (n > TYPO_WORD_MAX || m > TYPO_WORD_MAX)
		return TYPO_WORD_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned cost = a[i - 1] != b[j - 1];

			d[i][j] = min(min(d[i - 1][j] + 1, d[i][j - 1] + 1), d[i - 1][j - 1] + cost);
			/* neighbours swapped: one slip of the fingers, not two */
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

void typo_offer(struct typo *typo, const char *word, const char *candidate)
{
	unsigned distance = typo_distance(word, candidate);
	size_t n = strlen(candidate);

	/* a third of the letters may be wrong; of three or fewer, one */
	if (distance > min(3, n <= 3 ? 1 : (unsigned)(n + 1) / 3))
		return;
	if (!typo->best || distance < typo->distance) {
		typo->best = candidate;
		typo->distance = distance;
	}
}
