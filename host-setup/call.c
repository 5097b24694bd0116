/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/fault.h"
#include "host-setup/text.h"

const char *call_root(const struct call *call)
{
	return call->value[OPT_ROOT] ? call->value[OPT_ROOT] : "";
}

const char *call_user(const struct call *call)
{
	return call->value[OPT_USER] ? call->value[OPT_USER] : "containerd";
}

bool call_number(const struct call *call, const char *what, const char *text, uint32_t *ret)
{
	struct fault fault = { 0 };

	if (text_number(text, ret))
		return true;
	fault_set(&fault, 0, "%s: \"%s\" is no number from 0 to 4294967295", what, text);
	call_fail(call, HOST_USAGE, &fault);
	return false;
}

int call_answer(const struct call *call, int code, int changed, json_t *result)
{
	json_t *answer = json_object();

	(void)call;
	json_object_set_new(answer, "exit", json_integer(code));
	if (changed >= 0)
		json_object_set_new(answer, "changed", json_boolean(changed));
	json_object_set_new(answer, "result", result);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
	return code;
}

static void fail_json(int code, const struct fault *fault)
{
	char *text = text_escape(fault->text), *hint = text_escape(fault->hint);
	json_t *error = json_object(), *answer = json_object();

	json_object_set_new(error, "text", json_string(text ? text : ""));
	if (hint && *hint)
		json_object_set_new(error, "hint", json_string(hint));
	json_object_set_new(answer, "exit", json_integer(code));
	json_object_set_new(answer, "changed", json_false());
	json_object_set_new(answer, "error", error);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
	free(text);
	free(hint);
}

int call_fail(const struct call *call, int code, const struct fault *fault)
{
	fflush(stdout);
	if (call->value[OPT_JSON]) {
		fail_json(code, fault);
		return code;
	}
	fputs("fwctl host: ", stderr);
	if (call->command)
		fprintf(stderr, "%s: ", call->command->name);
	text_put(stderr, fault->text);
	fputc('\n', stderr);
	if (fault->hint[0]) {
		fputs("  ", stderr);
		text_put(stderr, fault->hint);
		fputc('\n', stderr);
	}
	return code;
}
