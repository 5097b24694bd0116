/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/ctl/ctl.h"
#include "fwd/ctl/grid.h"
#include "fwd/ctl/text.h"

#define SMARTCOLS "libsmartcols.so.1"

/* What is used of the library, with the types of its header. */
static struct {
	__typeof__(scols_new_table) *new_table;
	__typeof__(scols_unref_table) *unref_table;
	__typeof__(scols_table_new_column) *new_column;
	__typeof__(scols_table_new_line) *new_line;
	__typeof__(scols_line_set_data) *set_data;
	__typeof__(scols_table_enable_noheadings) *noheadings;
	__typeof__(scols_table_set_column_separator) *separator;
	__typeof__(scols_table_set_termforce) *termforce;
	__typeof__(scols_table_set_termwidth) *termwidth;
	__typeof__(scols_print_table_to_string) *print;
} scols;

struct grid {
	struct libscols_table *table;
	size_t n_columns;
};

static int load(void)
{
	static const struct {
		void *slot;
		const char *name;
	} symbols[] = {
		{ &scols.new_table, "scols_new_table" },
		{ &scols.unref_table, "scols_unref_table" },
		{ &scols.new_column, "scols_table_new_column" },
		{ &scols.new_line, "scols_table_new_line" },
		{ &scols.set_data, "scols_line_set_data" },
		{ &scols.noheadings, "scols_table_enable_noheadings" },
		{ &scols.separator, "scols_table_set_column_separator" },
		{ &scols.termforce, "scols_table_set_termforce" },
		{ &scols.termwidth, "scols_table_set_termwidth" },
		{ &scols.print, "scols_print_table_to_string" },
	};
	void *library;

	if (scols.new_table)
		return 0;
	library = dlopen(SMARTCOLS, RTLD_NOW | RTLD_LOCAL); /* stays: there is always a next table */
	if (!library)
		return -ENOENT;
	for (size_t i = sizeof(symbols) / sizeof(symbols[0]); i-- > 0;) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return -ENOENT;
		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
	/* only for the widths of characters; sudo and cron often leave no locale at all */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		setlocale(LC_CTYPE, "C.UTF-8");
	return 0;
}

struct grid *grid_new(const struct ctl *ctl, const struct grid_column *columns, size_t n, bool headings)
{
	struct grid *grid = calloc(1, sizeof(*grid));

	if (!grid || load() < 0)
		goto fail;
	grid->n_columns = n;
	grid->table = scols.new_table();
	if (!grid->table || scols.noheadings(grid->table, !headings) < 0 || scols.separator(grid->table, "  ") < 0)
		goto fail;
	scols.termforce(grid->table, ctl->width ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	if (ctl->width)
		scols.termwidth(grid->table, ctl->width);
	for (size_t i = 0; i < n; i++) {
		int flags = (columns[i].flags & GRID_RIGHT ? SCOLS_FL_RIGHT : 0) | (columns[i].flags & GRID_CUT ?
										    SCOLS_FL_TRUNC : 0);

		if (!scols.new_column(grid->table, columns[i].name, 0, flags))
			goto fail;
	}
	return grid;
fail:
	grid_free(grid);
	return NULL;
}

void grid_free(struct grid *grid)
{
	if (grid && grid->table)
		scols.unref_table(grid->table);
	free(grid);
}

int grid_add(struct grid *grid, const char *const *cells)
{
	struct libscols_line *line = scols.new_line(grid->table, NULL);

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < grid->n_columns; i++) {
		char *cell = text_escape(cells[i]);
		int r = cell ? scols.set_data(line, i, cell) : -ENOMEM;

		free(cell);
		if (r < 0)
			return r;
	}
	return 0;
}

int grid_print(struct grid *grid, const char *indent)
{
	char *text = NULL, *line, *save = NULL;
	int r = scols.print(grid->table, &text);

	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(line);

		while (len && line[len - 1] == ' ')
			len--;
		printf("%s%.*s\n", indent, (int)len, line);
	}
	free(text);
	return 0;
}
