/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd.conf: whatever the bytes, an answer; what is taken comes back from its own canonical text, and every refusal
 * says where and why in printable text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) do { \
		if (!(condition)) { \
			fprintf(stderr, "not so: %s\n", #condition); \
			abort(); \
		} \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy policy, again;
	struct diag diag = { 0 };
	char *text;

	if (conf_parse((const char *)data, size, &policy, &diag) < 0) {
		MUST(diag.text[0]);
		MUST(diag.line > 0 || size > CONF_SIZE_MAX);
		for (const char *byte = diag.text; *byte; byte++)
			MUST(*byte >= ' ' && *byte < 0x7f);
		return 0;
	}
	MUST(!diag.text[0]);
	MUST(conf_print(&policy, &text) == 0);
	MUST(conf_parse(text, strlen(text), &again, NULL) == 0);
	MUST(policy_equal(&policy, &again));
	MUST(!policy_narrows(&policy, &again, NULL, 0));
	free(text);
	return 0;
}
