/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"

void show_would(const struct ctl *ctl, const json_t *would, bool changed)
{
	size_t i;
	json_t *item;

	if (!json_array_size(would)) {
		puts(changed ? "Nothing was changed. Without --dry-run it would be done." : "Nothing would change.");
		return;
	}
	puts("Nothing was changed. This would be:");
	json_array_foreach(would, i, item) {
		const char *text = json_string_value(item) ? json_string_value(item) : "?";

		fputs(paint(ctl, *text == '+' ? PAINT_GOOD : *text == '-' ? PAINT_BAD : PAINT_NONE), stdout);
		text_fill(ctl, stdout, "  ", "      ", text);
		fputs(paint_end(ctl), stdout);
	}
}

static int widest(const json_t *entries)
{
	size_t i, most = 0;
	json_t *item;

	json_array_foreach(entries, i, item) {
		size_t len = strlen(json_text(item, "net"));

		if (len > most)
			most = len;
	}
	return most > 43 ? 43 : (int)most;
}

/* "192.0.2.10  added, for ever (a note)" */
static void entry_line(const struct ctl *ctl, const json_t *entry, int width, const char *words, const char *note)
{
	char first[64], rest[64], text[1024];

	snprintf(first, sizeof(first), "%-*.46s  ", width, json_text(entry, "net"));
	snprintf(rest, sizeof(rest), "%*s  ", width, "");
	snprintf(text, sizeof(text), "%s%s%s%s", words, *note ? " (" : "", note, *note ? ")" : "");
	text_fill(ctl, stdout, first, rest, text);
}

void show_allow(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *entries = json_object_get(answer_result(answer), "entries");
	int width = widest(entries);
	size_t i;
	json_t *item;

	json_array_foreach(entries, i, item) {
		const char *was = json_text(item, "was");
		char until[TIME_TEXT_MAX], words[128];
		json_int_t end = json_number(item, "until");

		until_format((uint64_t)end, (uint64_t)time(NULL), until);
		snprintf(words, sizeof(words), "%s%s%s",
			 strcmp(was, "absent") == 0 ? "added, " : strcmp(was, "present") == 0 ?
				"was there already, " : "changed, now ",
			 end ? "ends " : "", until);
		entry_line(ctl, item, width, words, json_text(item, "note"));
	}
}

/* It is the other way round: confirmed it stays open. */
static void show_disabled(const struct ctl *ctl, const char *left)
{
	char words[256];

	printf("%sThe firewall is off%s.\n", paint(ctl, PAINT_BAD), paint_end(ctl));
	snprintf(words, sizeof(words), "In %s it is back by itself: the kernel sees to that, even if fwd dies.", left);
	text_fill(ctl, stdout, "", "", words);
	puts("\n    fwctl rollback      back now\n    fwctl extend TIME   back later\n    fwctl confirm       off for good");
}

void show_trial(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *trial = json_object_get(answer_result(answer), "trial");
	const char *what = json_text(trial, "what");
	char left[TIME_TEXT_MAX], words[256];

	if (!json_is_object(trial)) {
		puts(answer_changed(answer) ? "In force, and confirmed: it closes nothing that was open." :
		     "Nothing to do: this is what is in force.");
		return;
	}
	duration_format((uint64_t)json_number(trial, "left"), left);
	if (strcmp(what, "disable") == 0) {
		show_disabled(ctl, left);
		return;
	}
	show_preflight(ctl, json_object_get(answer_result(answer), "preflight"), true);
	printf("%sOn trial%s: %s.\n", paint(ctl, PAINT_WARN), paint_end(ctl),
	       strcmp(what, "enable") == 0 ? "the firewall, as fwd.conf wants it" :
	       strcmp(what, "remove") == 0 ? "the removal, for it cuts a login" : "the changed fwd.conf");
	snprintf(words, sizeof(words), "Without a confirm within %s %s: the kernel sees to that, even if fwd dies.",
		 left,
		 strcmp(what, "remove") == 0 ? "all of it is allowed again" :
		 strcmp(json_text(trial, "back_to"), "off") == 0 ? "everything is as before, without the firewall" :
		 "the rules that were confirmed are back");
	text_fill(ctl, stdout, "", "", words);
	printf("\nIf this login still answers, keep it:\n\n    fwctl confirm\n");
}

void show_remove(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *entries = json_object_get(answer_result(answer), "entries");
	bool trial = json_is_object(json_object_get(answer_result(answer), "trial"));
	int width = widest(entries);
	size_t i;
	json_t *item;

	json_array_foreach(entries, i, item) {
		const char *still = json_text(item, "still");
		char words[256];

		snprintf(words, sizeof(words), "%s%s%s", strcmp(json_text(item, "was"), "absent") == 0 ?
			 "was not there" : trial ? "removed, on trial" : "removed",
			 *still ? ", but still " : "", still);
		entry_line(ctl, item, width, words, json_text(item, "note"));
	}
	if (trial) {
		putchar('\n');
		show_trial(ctl, answer);
	}
}

void show_wait(const struct ctl *ctl, const struct answer *answer)
{
	const char *text = json_text(answer_result(answer), "text");

	if (!*text)
		puts("Nothing is on trial.");
	else if (answer->exit == EXIT_DONE)
		puts("Confirmed: what was on trial stays.");
	else
		text_fill(ctl, stdout, "", "", text);
}

void show_confirm(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *result = answer_result(answer);
	const char *by = json_text(result, "by"), *to = json_text(result, "to");

	if (!answer_changed(answer)) {
		puts("Nothing to confirm: this was confirmed already.");
		return;
	}
	if (strcmp(to, "off") == 0) {
		printf("%sConfirmed%s: the firewall is off and stays off, after a boot too.\n",
		       paint(ctl, PAINT_WARN), paint_end(ctl));
		return;
	}
	printf("%sConfirmed%s: generation %lld stays, and is what boots from now on.\n",
	       paint(ctl, PAINT_GOOD), paint_end(ctl), (long long)json_number(result, "generation"));
	if (*by == '-')
		text_fill(ctl, stdout, "New logins from your address get in by: ", "    ", by);
	else
		text_fill(ctl, stdout, "", "", *by ? "You sit at a console: whether you get in over the network was not tried. "
			  "Log in from there." : "Whether you get in over the network was not tried. Log in from there.");
}

void show_rollback(const struct ctl *ctl, const struct answer *answer)
{
	const char *to = json_text(answer_result(answer), "to");

	if (!answer_changed(answer))
		puts("Nothing to roll back.");
	else if (strcmp(to, "off") == 0)
		puts("Rolled back: the firewall is off, as it was before the trial.");
	else
		puts("Rolled back: the rules that were confirmed are in force.");
}

static void policy_line(const char *family, const json_t *policies)
{
	fputs("  ", stdout);
	text_print(stdout, family);
	fputs("  INPUT ", stdout);
	text_print(stdout, json_text(policies, "INPUT"));
	fputs(", FORWARD ", stdout);
	text_print(stdout, json_text(policies, "FORWARD"));
	putchar('\n');
}

void show_disable(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *policies = json_object_get(answer_result(answer), "policies");
	const json_t *v4 = json_object_get(policies, "v4"), *v6 = json_object_get(policies, "v6");

	if (json_is_object(json_object_get(answer_result(answer), "trial"))) {
		show_trial(ctl, answer);
		return;
	}
	puts(answer_changed(answer) ? "The firewall is off. What is left are the policies:" :
	     "The firewall was off already. The policies:");
	policy_line("IPv4", v4);
	policy_line("IPv6", v6);
	if (strcmp(json_text(v4, "INPUT"), "DROP") == 0 || strcmp(json_text(v6, "INPUT"), "DROP") == 0)
		text_fill(ctl, stdout, "", "", "A policy of INPUT is DROP: what no rule accepts, is refused, "
			  "new logins perhaps too. fwctl disable --accept opens it.");
}

void show_diff(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *differences = json_object_get(answer_result(answer), "differences");
	const char *before = "";
	size_t i;
	json_t *item;

	if (!json_array_size(differences)) {
		puts("No difference: kernel, files and fwd.conf are as confirmed.");
		return;
	}
	json_array_foreach(differences, i, item) {
		const char *where = json_text(item, "where"), *text = json_text(item, "text");

		if (strcmp(where, before) != 0) {
			fputs(paint(ctl, PAINT_BOLD), stdout);
			text_print(stdout, where);
			printf("%s\n", paint_end(ctl));
			before = where;
		}
		fputs(paint(ctl, *text == '+' ? PAINT_GOOD : *text == '-' ? PAINT_BAD : PAINT_NONE), stdout);
		text_fill(ctl, stdout, "  ", "      ", text);
		fputs(paint_end(ctl), stdout);
	}
}
