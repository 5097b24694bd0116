/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/posture.h"
#include "fwd/ctl/text.h"
#include "rules/policy.h"

static void append(char *ret, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void append(char *ret, size_t size, const char *format, ...)
{
	size_t n = strlen(ret);
	va_list ap;

	va_start(ap, format);
	vsnprintf(ret + n, size - n, format, ap);
	va_end(ap);
}

void count_format(json_int_t n, const char *one, const char *many, char *ret, size_t size)
{
	snprintf(ret, size, "%lld %s", (long long)n, n == 1 ? one : many);
}

void ports_format(const json_t *ports, char *ret, size_t size)
{
	size_t n = json_array_size(ports);

	snprintf(ret, size, "%s", n == 0 ? "" : n == 1 ? "port" : "ports");
	for (size_t i = 0; i < n; i++)
		append(ret, size, "%s %lld", i == 0 ? "" : i + 1 == n ? " and" : ",",
		       (long long)json_integer_value(json_array_get(ports, i)));
}

static enum posture of_family(const json_t *status, const char *family)
{
	const char *verdict = json_text(json_object_get(status, "stranger"), family);

	return strcmp(verdict, "drop") == 0 ? POSTURE_CLOSED : strcmp(verdict, "accept") == 0 ? POSTURE_OPEN :
		POSTURE_UNKNOWN;
}

/* " but 3 networks, 2 more for some ports, and whatever comes in by wg0" */
static void exceptions(const json_t *status, char *ret, size_t size)
{
	const json_t *trust = json_object_get(json_object_get(status, "policy"), "trust");
	json_int_t whole = 0, scoped = 0;
	char part[3][512] = { "", "", "" };
	unsigned n = 0;
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(status, "lists"), i, item) {
		json_int_t count = json_number(item, "v4") + json_number(item, "v6");

		if (strcmp(json_text(item, "name"), LIST_MAIN) == 0)
			whole += count;
		else
			scoped += count;
	}
	if (whole)
		count_format(whole, "network", "networks", part[n++], sizeof(part[0]));
	if (scoped) {
		snprintf(part[n], sizeof(part[n]), "%lld %s within limits", (long long)scoped,
			 whole ? "more" : scoped == 1 ? "network" : "networks");
		n++;
	}
	if (json_array_size(trust)) {
		append(part[n], sizeof(part[n]), "whatever comes in by");
		json_array_foreach(trust, i, item)
			append(part[n], sizeof(part[n]), "%s %s", i == 0 ? "" : i + 1 == json_array_size(trust) ?
			       " or" : ",",
			       json_string_value(item) ? json_string_value(item) : "?");
		n++;
	}
	for (unsigned k = 0; k < n; k++)
		append(ret, size, "%s%s", k == 0 ? " but " : k + 1 == n ? " and " : ", ", part[k]);
}

static void closed(const json_t *status, char *ret, size_t size)
{
	const json_t *policy = json_object_get(status, "policy");
	char ports[256];

	append(ret, size, "closed to everybody");
	exceptions(status, ret, size);
	ports_format(json_object_get(policy, "ssh_ports"), ports, sizeof(ports));
	if (strcmp(json_text(policy, "ssh"), "whitelist") == 0)
		append(ret, size, ", SSH included.");
	else if (strcmp(json_text(policy, "ssh"), "anyone") != 0)
		append(ret, size, ".");
	else if (*ports)
		append(ret, size, "; SSH is open to anyone on %s.", ports);
	else
		append(ret, size, "; no port of SSH is known, so none is open for it.");
}

/* The worse half first: "Open to everybody over IPv6, though the firewall is on; over IPv4 strangers are refused." */
static void mixed(enum posture v4, enum posture v6, const char *though, char *ret, size_t size)
{
	bool swap = (v6 == POSTURE_OPEN && v4 != POSTURE_OPEN) || (v6 == POSTURE_UNKNOWN && v4 == POSTURE_CLOSED);
	enum posture worse = swap ? v6 : v4, better = swap ? v4 : v6;

	append(ret, size, "%s over %s%s; over %s %s.", worse == POSTURE_OPEN ? "open to everybody" :
	       "cannot tell who gets in",
	       swap ? "IPv6" : "IPv4", though, swap ? "IPv4" : "IPv6",
	       better == POSTURE_CLOSED ? "strangers are refused" : "nobody can tell");
}

/* All cases but "closed": they differ in who is let in and in what makes that remarkable. */
static void not_closed(enum posture v4, enum posture v6, const char *state, char *ret, size_t size)
{
	const char *though = strcmp(state, "off") == 0 ? ": the firewall is off" :
			     strcmp(state, "on") == 0 ? ", though the firewall is on" : "";

	if (v4 != v6)
		mixed(v4, v6, though, ret, size);
	else if (v4 == POSTURE_OPEN)
		append(ret, size, "open to everybody%s.", though);
	else
		append(ret, size, "cannot tell who gets in%s.", though);
}

bool posture_is_disabled(const json_t *status)
{
	return strcmp(json_text(status, "state"), "trial") == 0 &&
	       strcmp(json_text(json_object_get(status, "trial"), "what"), "disable") == 0;
}

enum posture posture_sentence(const json_t *status, char *ret, size_t size)
{
	enum posture v4 = of_family(status, "v4"), v6 = of_family(status, "v6");
	const char *state = json_text(status, "state");
	bool off = strcmp(state, "off") == 0;
	char left[TIME_TEXT_MAX];

	ret[0] = '\0';
	if (posture_is_disabled(status)) {
		duration_format((uint64_t)json_number(json_object_get(status, "trial"), "left"), left);
		append(ret, size, "off for %s, then back by itself: ", left);
		off = true;
		state = ""; /* that it is off is said */
	} else if (strcmp(state, "trial") == 0) {
		duration_format((uint64_t)json_number(json_object_get(status, "trial"), "left"), left);
		append(ret, size, "on trial, %s left: ", left);
	} else if (strcmp(state, "degraded") == 0) {
		append(ret, size, "degraded, see below: ");
	} else if (!off && strcmp(state, "on") != 0) {
		append(ret, size, "in a state that is not known: ");
	}
	if (v4 != POSTURE_CLOSED || v6 != POSTURE_CLOSED)
		not_closed(v4, v6, state, ret, size);
	else if (off)
		append(ret, size, "strangers are refused, but not by fwd%s", *state ? ": it is off." : ".");
	else
		closed(status, ret, size);
	ret[0] = (char)toupper((unsigned char)ret[0]);
	return v4 == POSTURE_OPEN || v6 == POSTURE_OPEN ? POSTURE_OPEN : v4 == POSTURE_CLOSED && v6 == POSTURE_CLOSED ?
	       POSTURE_CLOSED : POSTURE_UNKNOWN;
}
