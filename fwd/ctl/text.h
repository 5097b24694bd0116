/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Text on its way to a person, and times in both directions. Pure but for the printing.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rules/diag.h"

struct ctl;

#define FOR_MAX (24u * 86400) /* seconds of `allow --for`; ipset itself ends at 24.8 days */
#define DISABLE_FOR_MAX 86400u /* seconds of `disable --for` */
#define TIME_TEXT_MAX 48

/*
 * What a terminal could take for a command is written out: control characters (C0, DEL, C1) and the marks that turn the
 * direction of writing, as \u001b; bytes that are no UTF-8 as \xff. All else stays. NULL: out of memory.
 */
char *text_escape(const char *text);
void text_print(FILE *out, const char *text); /* escaped */

/* Prints @text escaped, filled to ctl->width, @first before the first line and @rest before each other. */
void text_fill(const struct ctl *ctl, FILE *out, const char *first, const char *rest, const char *text);

/* "2h", "90m", "1h30m"; units s m h d w; in seconds, between @min and @max. 0 or -EINVAL with @diag. */
int duration_parse(const char *text, uint32_t min, uint32_t max, uint32_t *ret, struct diag *diag);
/* "45 s", "1 min 30 s", "1 h 59 min", "3 d 4 h", "2 w": the two largest units. */
void duration_format(uint64_t seconds, char ret[static TIME_TEXT_MAX]);
/* "in 1 h 59 min"; "for ever" for 0; "over". */
void until_format(uint64_t until, uint64_t now, char ret[static TIME_TEXT_MAX]);

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_GOOD, PAINT_BAD, PAINT_WARN };
const char *paint(const struct ctl *ctl, enum paint paint); /* the sequence that begins it, or "" */
const char *paint_end(const struct ctl *ctl);
