/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/grid.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"

#define ENTRY_LINE_MAX 4096 /* bytes of one JSON line: a network, numbers, 255 bytes of comment as \u0000 at most */
#define GRID_LINES 1000     /* a table holds all its lines in memory: long lists are many tables */

static const struct grid_column columns[] = {
	{ "NETWORK", GRID_LEFT },
	{ "ENDS", GRID_LEFT },
	{ "PACKETS", GRID_RIGHT },
	{ "COMMENT", GRID_CUT },
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* A stream over the passed file from its beginning. Takes a copy of the descriptor: the answer keeps its own. */
static FILE *open_entries(int fd)
{
	int copy = fd < 0 ? -1 : dup(fd);
	FILE *in;

	if (copy < 0)
		return NULL;
	lseek(copy, 0, SEEK_SET);
	in = fdopen(copy, "r");
	if (!in)
		close(copy);
	return in;
}

/* The next line, without its newline; false at the end or where a line is none of the protocol's. */
static bool next_line(FILE *in, char line[static ENTRY_LINE_MAX])
{
	char *end;

	if (!fgets(line, ENTRY_LINE_MAX, in))
		return false;
	end = strchr(line, '\n');
	if (!end)
		return false;
	*end = '\0';
	return true;
}

static int add_line(struct grid *grid, const json_t *entry, uint64_t now)
{
	char until[TIME_TEXT_MAX], packets[24] = "";
	const char *cells[N_COLUMNS] = { json_text(entry, "net"), until, packets, json_text(entry, "comment") };

	until_format((uint64_t)json_number(entry, "until"), now, until);
	if (json_object_get(entry, "packets"))
		snprintf(packets, sizeof(packets), "%lld", (long long)json_number(entry, "packets"));
	return grid_add(grid, cells);
}

/* One table of at most @most lines. Returns how many, or -1; *more: there was another line, which is in @line. */
static int show_part(const struct ctl *ctl, FILE *in, char *line, size_t most, bool headings, const char *indent,
		     bool *more)
{
	struct ctl narrow = *ctl;
	struct grid *grid;
	uint64_t now = (uint64_t)time(NULL);
	size_t n = 0;
	int r = 0;

	if (narrow.width)
		narrow.width -= (unsigned)strlen(indent);
	grid = grid_new(&narrow, columns, N_COLUMNS, headings);
	if (!grid)
		return -1;
	do {
		json_t *entry = json_loads(line, 0, NULL);

		r = json_is_object(entry) ? add_line(grid, entry, now) : -1;
		json_decref(entry);
		*more = next_line(in, line);
	} while (r == 0 && ++n < most && *more);
	if (r == 0)
		r = grid_print(grid, indent);
	grid_free(grid);
	return r < 0 ? -1 : (int)n;
}

long long show_entries(const struct ctl *ctl, int fd, size_t most, const char *indent)
{
	char line[ENTRY_LINE_MAX];
	FILE *in = open_entries(fd);
	bool more = in && next_line(in, line);
	long long n = 0;

	while (more && (most == 0 || (size_t)n < most)) {
		int r = show_part(ctl, in, line, most ? most : GRID_LINES, n == 0, indent, &more);

		if (r < 0) {
			ctl_fail(ctl, EXIT_REFUSED, NULL, "the entries could not be shown");
			n = -1;
			break;
		}
		n += r;
	}
	for (; n >= 0 && more; n++)
		more = next_line(in, line);
	if (in)
		fclose(in);
	return n;
}

int print_entries_json(const struct answer *answer)
{
	const int compact = JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
	char line[ENTRY_LINE_MAX];
	FILE *in = open_entries(answer->fd);
	json_t *head = json_deep_copy(answer->json), *result = json_incref(json_object_get(head, "result"));

	/* the count gives way to the entries themselves, at the end, so that they can be streamed */
	json_object_del(head, "result");
	json_object_del(result, "entries");
	putchar('{');
	json_dumpf(head, stdout, compact | JSON_EMBED);
	fputs(",\"result\":{", stdout);
	json_dumpf(result, stdout, compact | JSON_EMBED);
	fputs(json_object_size(result) ? ",\"entries\":[" : "\"entries\":[", stdout);
	json_decref(result);
	json_decref(head);
	for (bool first = true; in && next_line(in, line); first = false) {
		json_t *entry = json_loads(line, 0, NULL);

		if (!first)
			putchar(',');
		if (entry)
			json_dumpf(entry, stdout, compact);
		else
			fputs("null", stdout);
		json_decref(entry);
	}
	fputs("]}}\n", stdout);
	if (in)
		fclose(in);
	return answer->exit;
}
