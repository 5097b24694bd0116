/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/text.h"

int ctl_print_json(json_t *json)
{
	int r = -1;

	if (json)
		r = json_dumpf(json, stdout, JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0));
	json_decref(json);
	putchar('\n');
	return r;
}

/* An answer in the daemon's shape. Bytes that are no UTF-8 (of an argument) would have no place in JSON. */
static void fail_json(int code, const char *text, const char *hint)
{
	json_t *error = json_object();
	char *clean = text_escape(text), *clean_hint = hint ? text_escape(hint) : NULL;

	json_object_set_new(error, "text", json_string(clean ? clean : ""));
	if (clean_hint)
		json_object_set_new(error, "hint", json_string(clean_hint));
	ctl_print_json(json_pack("{s:i,s:b,s:o}", "exit", code, "changed", 0, "error", error));
	free(clean);
	free(clean_hint);
}

int ctl_fail(const struct ctl *ctl, int code, const char *hint, const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	fflush(stdout);
	if (ctl->json) {
		fail_json(code, text ? text : "out of memory", hint);
	} else {
		fputs("fwctl: ", stderr);
		if (ctl->command)
			fprintf(stderr, "%s: ", ctl->command->name);
		text_print(stderr, text ? text : "out of memory");
		fputc('\n', stderr);
		if (hint) {
			fputs("  ", stderr);
			text_print(stderr, hint);
			fputc('\n', stderr);
		}
	}
	free(text);
	return code;
}
