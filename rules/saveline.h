/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The text of iptables-save a line at a time, cut as iptables-restore cuts it: what both savefile_parse() and
 * savefile_merge() stand on. Not for others; savefile.h is the way in.
 *
 * What iptables-restore refuses as a whole is refused here too (measured with 1.8.9 and 1.8.11): a carriage return, a
 * line of blanks, a missing COMMIT, a word after the quote that closes one. A file that it refuses leaves a host open at
 * boot, so nothing of ours may be written into one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/diag.h"

#define SAVELINE_MAX 10239     /* bytes of a line with its newline: iptables-restore cuts longer ones in two */
#define SAVELINE_WORDS_MAX 250 /* of a line: iptables-restore stops at 255, its own name and the table included */
#define SAVELINE_WORD_MAX 1023 /* bytes of a word */

enum saveline_kind {
	SAVELINE_EMPTY,  /* nothing, or a comment */
	SAVELINE_TABLE,  /* words: NAME */
	SAVELINE_CHAIN,  /* words: NAME POLICY [COUNTERS]; at least two */
	SAVELINE_RULE,   /* words: the options, without counters; may be none */
	SAVELINE_COMMIT,
};

struct saveline {
	enum saveline_kind kind;
	const char *begin; /* in the text of the reader */
	size_t len;        /* newline included, where there is one */
	uint64_t packets, bytes; /* RULE: of "[packets:bytes]" */
	size_t n_words;
	const char *words[SAVELINE_WORDS_MAX]; /* into @text, NUL-terminated, quotes and escapes resolved */
	unsigned columns[SAVELINE_WORDS_MAX];  /* from 1 */
	char text[SAVELINE_MAX + SAVELINE_WORDS_MAX + 1];
};

struct saveline_reader {
	const char *text;
	size_t len, pos;
	unsigned line; /* number of the line that was read last */
	bool in_table;
	struct diag *diag;
};

/* 1: *ret holds a line; 0: the end; -EINVAL with the diag: iptables-restore would refuse the file. */
int saveline_read(struct saveline_reader *reader, struct saveline *ret);

/* "[packets:bytes]" */
bool saveline_counters(const char *word, uint64_t *packets, uint64_t *bytes);
/* Decimal digits without sign and leading zeros, at most @max: "010" is octal to iptables. */
bool saveline_number(const char *word, uint64_t max, uint64_t *ret);

/* Name, hook, priority and type of the base chains of a table; NULL at the end and for unknown tables. */
struct saveline_base {
	const char *name;
	uint8_t hook;
	int32_t priority;
	bool filter;
};
const struct saveline_base *saveline_base(const char *table, size_t i);
const struct saveline_base *saveline_find_base(const char *table, const char *chain);
unsigned saveline_base_bit(const char *table, const char *chain); /* 1 << i; 0: no base chain */
