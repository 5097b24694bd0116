/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control protocol: a line of bytes as a request, by root over a firewall that does all it is asked, by root over one that
 * fails, and by a reader. Whatever the bytes, one well-formed answer; a reader and a dry run reach nothing that changes
 * anything, and what reaches the firewall is within its limits (firewall_stub.c looks).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "firewall_stub.h"
#include "fwd/daemon/firewall.h"
#include "fwd/daemon/verbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const json_t *reply)
{
	const json_t *code = json_object_get(reply, "exit"), *error = json_object_get(reply, "error");
	char *text = json_dumps(reply, JSON_COMPACT);

	MUST(json_is_integer(code));
	MUST(json_is_boolean(json_object_get(reply, "changed")));
	MUST(json_integer_value(code) >= EXIT_DONE && json_integer_value(code) <= EXIT_DEGRADED);
	if (json_integer_value(code) == EXIT_DONE || json_integer_value(code) == EXIT_TRIAL) {
		MUST(json_is_object(json_object_get(reply, "result")));
		MUST(!error);
	} else {
		MUST(json_string_length(json_object_get(error, "text")) > 0);
		MUST(json_is_false(json_object_get(reply, "changed")));
	}
	MUST(text && strlen(text) < 1u << 20);
	free(text);
}

static void ask(json_t *request, bool root, bool fails)
{
	struct caller caller = { .uid = root ? 0 : 1000, .pid = 1, .may_read = true };
	json_t *reply;
	int fd = -1;

	stub = (struct firewall_stub){ .root = root, .fails = fails,
				       .dry_run = json_is_true(json_object_get(json_object_get(request, "args"), "dry_run")) };
	reply = verbs_answer(NULL, request, &caller, &fd);
	MUST(reply);
	check_answer(reply);
	MUST(fd < 0 || !fails);
	if (fd >= 0)
		close(fd);
	json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *request = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(request)) { /* as peer.c does */
		json_t *before = json_deep_copy(request);

		ask(request, true, false);
		ask(request, true, true);
		ask(request, false, false);
		MUST(json_equal(before, request));
		json_decref(before);
	}
	json_decref(request);
	return 0;
}
