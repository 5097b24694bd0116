/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/posture.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"

#define KEY "%-12s"
#define REST "            " /* as wide as a key */

static void line(const struct ctl *ctl, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void line(const struct ctl *ctl, const char *key, const char *format, ...)
{
	char first[32], text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	snprintf(first, sizeof(first), KEY, key);
	text_fill(ctl, stdout, first, REST, text);
}

static const char *stranger_word(const json_t *status, const char *family)
{
	const char *verdict = json_text(json_object_get(status, "stranger"), family);

	return strcmp(verdict, "drop") == 0 ? "refused" : strcmp(verdict, "accept") == 0 ? "let in" : "cannot tell";
}

static void show_state(const struct ctl *ctl, const json_t *status)
{
	const json_t *trial = json_object_get(status, "trial");
	const char *state = json_text(status, "state");
	char left[TIME_TEXT_MAX], since[TIME_TEXT_MAX];
	json_int_t begun = json_number(status, "since"), now = (json_int_t)time(NULL);

	if (json_is_object(trial)) {
		duration_format((uint64_t)json_number(trial, "left"), left);
		line(ctl, "state", "%s: %s left, then back to %s", posture_is_disabled(status) ? "off" : state, left,
		     strcmp(json_text(trial, "back_to"), "off") == 0 ? "no firewall" : "what was confirmed");
	} else {
		line(ctl, "state", "%s", *state ? state : "not known");
	}
	if (begun > 0 && begun <= now) {
		duration_format((uint64_t)(now - begun), since);
		line(ctl, "since", "%s ago", since);
	}
	if (json_number(status, "generation"))
		line(ctl, "generation", "%lld", (long long)json_number(status, "generation"));
	line(ctl, "strangers", "IPv4 %s, IPv6 %s", stranger_word(status, "v4"), stranger_word(status, "v6"));
}

static void show_policy(const struct ctl *ctl, const json_t *policy)
{
	const json_t *trust = json_object_get(policy, "trust");
	char ports[256], names[512] = "", timeout[TIME_TEXT_MAX];
	size_t i;
	json_t *item;

	ports_format(json_object_get(policy, "ssh_ports"), ports, sizeof(ports));
	line(ctl, "SSH", "for %s %s%s%s", strcmp(json_text(policy, "ssh"), "anyone") == 0 ? "anyone" : "the whitelist",
	     *ports ? "on " : "on no known port", ports,
	     json_is_true(json_object_get(policy, "ssh_auto")) ? " (found by itself)" : "");
	json_array_foreach(trust, i, item) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", i ? " " : "",
			 json_string_value(item) ? json_string_value(item) : "?");
	}
	if (*names)
		line(ctl, "trusted", "%s", names);
	if (json_number(policy, "timeout") > 0) {
		duration_format((uint64_t)json_number(policy, "timeout"), timeout);
		line(ctl, "trials last", "%s", timeout);
	}
}

static void show_wish(const struct ctl *ctl, const json_t *status)
{
	const char *wish = json_text(status, "wish"), *text = json_text(status, "wish_text");

	if (strcmp(json_text(status, "state"), "off") == 0 && *wish && strcmp(wish, "unreadable") != 0)
		line(ctl, "fwd.conf", "goes in force by fwctl enable");
	else if (strcmp(wish, "same") == 0 && posture_is_disabled(status))
		line(ctl, "fwd.conf", "in force again when the firewall is back");
	else if (strcmp(wish, "same") == 0)
		line(ctl, "fwd.conf", "in force");
	else if (*wish)
		line(ctl, "fwd.conf", "%s%s%s", strcmp(wish, "differs") == 0 ? "differs from what is in force" :
		     "cannot be read",
		     *text ? ": " : "", text);
}

static void warn(const struct ctl *ctl, const char *indent, const char *text, const char *hint)
{
	char first[64], rest[64];

	snprintf(first, sizeof(first), "%s%s!%s ", indent, paint(ctl, PAINT_WARN), paint_end(ctl));
	fputs(first, stdout);
	snprintf(rest, sizeof(rest), "%s  ", indent);
	text_fill(ctl, stdout, "", rest, text);
	if (*hint)
		text_fill(ctl, stdout, rest, rest, hint);
}

void show_attention(const struct ctl *ctl, const json_t *status)
{
	const json_t *attention = json_object_get(status, "attention");
	size_t i;
	json_t *item;

	if (!json_array_size(attention))
		return;
	puts("\nWants attention");
	json_array_foreach(attention, i, item)
		warn(ctl, "  ", json_text(item, "text"), json_text(item, "hint"));
}

enum posture show_sentence(const struct ctl *ctl, const json_t *status)
{
	static const enum paint paints[] = { PAINT_GOOD, PAINT_BAD, PAINT_WARN };
	char sentence[1024];
	enum posture posture = posture_sentence(status, sentence, sizeof(sentence));
	bool on = strcmp(json_text(status, "state"), "on") == 0;

	fputs(paint(ctl, posture == POSTURE_CLOSED && !on ? PAINT_WARN : paints[posture]), stdout);
	text_fill(ctl, stdout, "", "", sentence);
	fputs(paint_end(ctl), stdout);
	return posture;
}

void show_status(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *status = answer_result(answer);
	size_t i;
	json_t *list;

	show_sentence(ctl, status);
	putchar('\n');
	show_state(ctl, status);
	if (json_is_object(json_object_get(status, "policy")))
		show_policy(ctl, json_object_get(status, "policy"));
	json_array_foreach(json_object_get(status, "lists"), i, list) {
		json_int_t v4 = json_number(list, "v4"), v6 = json_number(list, "v6");
		char count[64];

		count_format(v4 + v6, "network", "networks", count, sizeof(count));
		line(ctl, i == 0 ? "lists" : "", "%s: %s (IPv4 %lld, IPv6 %lld)", json_text(list, "name"), count,
		     (long long)v4, (long long)v6);
	}
	show_wish(ctl, status);
	show_attention(ctl, status);
}
