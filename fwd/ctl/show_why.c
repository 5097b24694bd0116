/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"

static void line(const struct ctl *ctl, const char *key, const char *text)
{
	char first[16];

	if (!*text)
		return;
	snprintf(first, sizeof(first), "  %-10s", key);
	text_fill(ctl, stdout, first, "              ", text);
}

static void show_steps(const struct ctl *ctl, const json_t *steps)
{
	const char *table = "";
	size_t i;
	json_t *step;

	json_array_foreach(steps, i, step) {
		const char *name = json_text(step, "table");

		if (strcmp(name, table) != 0) {
			fputs("  ", stdout);
			text_print(stdout, name);
			putchar('\n');
			table = name;
		}
		text_fill(ctl, stdout, json_is_false(json_object_get(step, "certain")) ? "  ? " : "    ", "        ",
			  json_text(step, "rule"));
	}
}

static void show_way(const struct ctl *ctl, const char *subject, const json_t *way)
{
	const char *verdict = json_text(way, "verdict");
	bool in = strcmp(verdict, "accept") == 0, out = strcmp(verdict, "drop") == 0;
	char first[256];

	snprintf(first, sizeof(first), "%s: %s%s%s", subject,
		 paint(ctl, in ? PAINT_GOOD : out ? PAINT_BAD : PAINT_WARN),
		 in ? "let in" : out ? "refused" : "cannot tell", paint_end(ctl));
	puts(first);
	line(ctl, "by", json_text(way, "decides"));
	line(ctl, "entry", json_text(way, "entry"));
	line(ctl, "unread", json_text(way, "doubt"));
	line(ctl, "interface", json_text(way, "interface"));
	if (json_array_size(json_object_get(way, "steps"))) {
		puts("\nThe way there, rule by rule");
		show_steps(ctl, json_object_get(way, "steps"));
	}
}

void show_ways(const struct ctl *ctl, const char *subject, const json_t *result)
{
	const json_t *confirmed = json_object_get(result, "confirmed");
	char after[192];

	show_way(ctl, subject, json_object_get(result, "now"));
	if (json_is_object(confirmed)) {
		snprintf(after, sizeof(after), "\nThat is on trial. After a rollback: %s", subject);
		show_way(ctl, after, confirmed);
	}
}
