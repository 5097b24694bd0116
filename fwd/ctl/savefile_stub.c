/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "rules/savefile.h"

/* Until rules/savefile.c is there. */
int savefile_print_rule(const struct rule *rule, const char *chain, uint8_t family, char *ret, size_t size)
{
	return -ENOSPC;
}

int savefile_parse(const char *text, size_t len, uint8_t family, struct ruleset *into, struct diag *diag)
{
	diag_set(diag, 0, 0, "this build cannot read rules yet");
	return -EINVAL;
}
