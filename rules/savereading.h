/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The state of reading one rule; between saverule.c (options and matches) and savetarget.c (what stands behind -j).
 */
#include "rules/savematch.h"
#include "rules/saverule.h"

/* Options of iptables itself, as bits. */
enum savecore {
	CORE_APPEND = 0x001,
	CORE_PROTO = 0x002,
	CORE_SRC = 0x004,
	CORE_DST = 0x008,
	CORE_IIF = 0x010,
	CORE_OIF = 0x020,
	CORE_TARGET = 0x040,
	CORE_GOTO = 0x080,
	CORE_COUNTERS = 0x100,
	CORE_FRAGMENT = 0x200,
	CORE_MATCH = 0x400,
	CORE_IPV4 = 0x800,
	CORE_IPV6 = 0x1000,
	CORE_REFUSED = 0x2000,
};
#define CORE_MANY (CORE_MATCH | CORE_IPV4 | CORE_IPV6)

struct savereading {
	const struct saveline *line;
	unsigned number;
	uint8_t family;
	const struct table *table;
	struct diag *diag;
	struct saverule *out;

	size_t at;      /* next word */
	size_t begin;   /* first word of the option in hand, a "!" before it included */
	bool inverted;  /* that "!" */
	bool spoiled;   /* the rule as a whole is opaque */
	bool hidden;    /* among words that were not understood there may be a target */
	unsigned given; /* bits: options of iptables itself that must not come twice */
	uint8_t proto;  /* of "-p", not inverted; else 0 */
	size_t index[MATCH_OPAQUE];  /* 1 + index of the last match of a kind */
	unsigned seen[MATCH_OPAQUE]; /* ids of its options */
};

/* Always -EINVAL. @word may be the number of words. */
int savereading_refuse(const struct savereading *r, size_t word, const char *what);
/* The option of iptables itself that a word is, or 0. */
enum savecore savereading_core(const char *word);
/* The match that -p loads by itself, or NULL. */
const struct savematch *savereading_implicit(const struct savereading *r);
/* Whether -p alone makes this option known. */
bool savereading_is_implicit(const struct savereading *r, const char *option);
/* Moves on to the next option of iptables itself. */
void savereading_swallow(struct savereading *r);
/* Words as text that can be read again; the caller frees it. NULL: no memory. */
char *savereading_join(const struct savereading *r, size_t from, size_t to);

/* Reads on behind "-j NAME" (@at stands behind them). */
int savetarget_read(struct savereading *r, const char *name);
