/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tables for people: libsmartcols, loaded when the first table is printed, for most runs of fwctl print none and
 * loading it costs a tenth of their time.
 */
#include <stdbool.h>
#include <stddef.h>

struct ctl;
struct grid;

enum { GRID_LEFT = 0, GRID_RIGHT = 1, GRID_CUT = 2 /* may be cut to fit the terminal */ };

struct grid_column {
	const char *name;
	unsigned flags;
};

/* NULL: no memory, no library. */
struct grid *grid_new(const struct ctl *ctl, const struct grid_column *columns, size_t n, bool headings);
void grid_free(struct grid *grid); /* NULL is allowed */
/* @cells: one per column; copied and escaped. */
int grid_add(struct grid *grid, const char *const *cells);
int grid_print(struct grid *grid, const char *indent);
