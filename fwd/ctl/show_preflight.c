/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/grid.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"

#define ROWS_MAX 40 /* of one table; --json has all */
#define ITEMS_MAX 256 /* of one list are looked at */
#define CELL_MAX 128

static const char *word_of(const char *verdict)
{
	return strcmp(verdict, "accept") == 0 ? "let in" : strcmp(verdict, "drop") == 0 ? "refused" : "cannot tell";
}

/* "let in", or "let in -> refused" */
static void change_of(const json_t *item, const char *who, char ret[static CELL_MAX])
{
	const json_t *one = json_object_get(item, who);
	const char *before = json_text(one, "before"), *after = json_text(one, "after");

	if (strcmp(before, after) == 0)
		snprintf(ret, CELL_MAX, "%s", word_of(before));
	else
		snprintf(ret, CELL_MAX, "%s -> %s", word_of(before), word_of(after));
}

struct rows {
	struct grid *grid;
	json_int_t left; /* that are told in full */
	unsigned n;      /* rows */
};

typedef void row_print(struct rows *rows, const json_t *list, size_t i, const json_t *item);

static void row(struct rows *rows, const char *const *cells)
{
	if (rows->n++ < ROWS_MAX)
		grid_add(rows->grid, cells);
}

static void login_row(struct rows *rows, const json_t *list, size_t i, const json_t *item)
{
	const char *user = json_text(item, "user"), *tty = json_text(item, "tty");
	const char *cells[] = { *user ? user : "?", *tty ? tty : "-", json_text(item, "from"),
				word_of(json_text(item, "after")) };

	row(rows, cells);
}

static void admin_row(struct rows *rows, const json_t *list, size_t i, const json_t *item)
{
	json_int_t ago = (json_int_t)time(NULL) - json_number(item, "last");
	char last[TIME_TEXT_MAX + 8], time_text[TIME_TEXT_MAX];
	const char *cells[] = { json_text(item, "user"), last, json_text(item, "from"), word_of(json_text(item, "after")) };

	duration_format(ago > 0 ? (uint64_t)ago : 0, time_text);
	snprintf(last, sizeof(last), "%s ago", time_text);
	row(rows, cells);
}

/* Whether two items would make the same row but for the address. */
static bool same_port(const json_t *a, const json_t *b)
{
	return json_number(a, "port") == json_number(b, "port") && strcmp(json_text(a, "proto"), json_text(b, "proto")) == 0 &&
	       json_equal(json_object_get(a, "stranger"), json_object_get(b, "stranger")) &&
	       json_equal(json_object_get(a, "listed"), json_object_get(b, "listed"));
}

static const char *address_of(const json_t *item)
{
	const char *address = json_text(item, "address");

	return strcmp(address, "0.0.0.0") == 0 ? "all IPv4" : strcmp(address, "::") == 0 ? "all IPv6" : address;
}

static void port_row(struct rows *rows, const json_t *list, size_t i, const json_t *item)
{
	char port[CELL_MAX], strangers[CELL_MAX], listed[CELL_MAX], addresses[CELL_MAX] = "";
	const char *cells[] = { port, strangers, listed, addresses };
	size_t j;
	json_t *other;

	json_array_foreach(list, j, other) {
		size_t len = strlen(addresses);

		if (!same_port(item, other) || (json_int_t)j >= rows->left)
			continue;
		if (j < i) /* told with that one */
			return;
		snprintf(addresses + len, sizeof(addresses) - len, "%s%s", len ? ", " : "", address_of(other));
	}
	snprintf(port, sizeof(port), "%.8s/%lld", json_text(item, "proto"), (long long)json_number(item, "port"));
	change_of(item, "stranger", strangers);
	change_of(item, "listed", listed);
	row(rows, cells);
}

static void flow_row(struct rows *rows, const json_t *list, size_t i, const json_t *item)
{
	char port[32], count[32];
	const char *cells[] = { json_text(item, "peer"), port, count };
	size_t j, n = 0;
	json_t *other;

	json_array_foreach(list, j, other) {
		if (json_number(item, "port") != json_number(other, "port") ||
		    strcmp(json_text(item, "peer"), json_text(other, "peer")) != 0)
			continue;
		if (j < i)
			return;
		n++;
	}
	snprintf(port, sizeof(port), "tcp/%lld", (long long)json_number(item, "port"));
	snprintf(count, sizeof(count), "%zu", n);
	row(rows, cells);
}

static const struct section {
	const char *name, *key, *changed; /* as the answer has it, as people read it; its count of what changes */
	const char *verb;
	const char *none, *unknown; /* nothing there; could not be found out */
	struct grid_column columns[4];
	size_t n_columns;
	row_print *print;
} sections[] = {
	{ "logins", "Logins", "cut", "cut", "nobody is logged in over SSH", "not known who is logged in",
	  { { "USER", 0 }, { "TERMINAL", 0 }, { "FROM", 0 }, { "THEN", 0 } }, 4, login_row },
	{ "admins", "Admins", "cut", "addresses of the last 90 days cut", "no login over the network in the last 90 days",
	  "not known where administrators logged in from: no wtmp",
	  { { "USER", 0 }, { "LAST", 0 }, { "FROM", 0 }, { "THEN", 0 } }, 4, admin_row },
	{ "ports", "Ports", "changed", "change", "nothing listens", "not known what listens",
	  { { "PORT", 0 }, { "STRANGERS", 0 }, { "LISTED", 0 }, { "ADDRESS", GRID_CUT } }, 4, port_row },
	{ "flows", "Connections", "cut", "cut", "none from outside", "not known which there are",
	  { { "FROM", 0 }, { "TO", 0 }, { "CONNECTIONS", GRID_RIGHT } }, 3, flow_row },
};

static void show_rows(const struct ctl *ctl, const struct section *section, const json_t *list, json_int_t changed)
{
	struct rows rows = { grid_new(ctl, section->columns, section->n_columns, true), changed, 0 };
	json_int_t told = 0;
	size_t i;
	json_t *item;

	if (!rows.grid)
		return;
	json_array_foreach(list, i, item) {
		if (told == changed || told == ITEMS_MAX)
			break;
		section->print(&rows, list, i, item);
		told++;
	}
	grid_print(rows.grid, "    ");
	grid_free(rows.grid);
	if (rows.n > ROWS_MAX)
		printf("    and %u more rows: --json has them\n", rows.n - ROWS_MAX);
	if (changed > told)
		printf("    and %lld more\n", (long long)(changed - told));
}

static void show_section(const struct ctl *ctl, const struct section *section, const json_t *part)
{
	json_int_t total = json_number(part, "total"), changed = json_number(part, section->changed);
	json_int_t unasked = json_number(part, "unasked");
	bool bad = changed > 0 && strcmp(section->changed, "cut") == 0;
	char first[32], text[256], count[32] = "none", more[64] = "";

	snprintf(first, sizeof(first), "  %-13s", section->key);
	if (unasked)
		snprintf(more, sizeof(more), "; %lld more were not looked at", (long long)unasked);
	if (changed)
		snprintf(count, sizeof(count), "%lld", (long long)changed);
	if (!json_is_object(part) || total == 0)
		snprintf(text, sizeof(text), "%s", json_is_object(part) ? section->none : section->unknown);
	else
		snprintf(text, sizeof(text), "%s of %lld %s%s", count, (long long)(total < changed ? changed : total), section->verb, more);
	fputs(paint(ctl, bad ? PAINT_BAD : PAINT_NONE), stdout);
	text_fill(ctl, stdout, first, "               ", text);
	fputs(bad ? paint_end(ctl) : "", stdout);
	if (changed > 0)
		show_rows(ctl, section, json_object_get(part, "list"), changed);
}

void show_preflight(const struct ctl *ctl, const json_t *preflight, bool done)
{
	if (!json_is_object(preflight))
		return;
	puts(done ? "What it cuts:" : "What it would cut:");
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
		show_section(ctl, &sections[i], json_object_get(preflight, sections[i].name));
	if (done)
		putchar('\n');
}
