/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One rule as the text of a file, for the tests of it. <cmocka.h> and its companions stand before.
 */
#include <stdio.h>
#include <string.h>

#include "rules/savefile.h"

#define HEAD "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:T - [0:0]\n:X - [0:0]\n"
#define HEAD_LINES 6

/* Parses one line of chain T; the caller frees. */
static inline struct ruleset *parse_line(const char *line, uint8_t family, int expect, struct diag *diag)
{
	struct ruleset *ruleset = ruleset_new();
	char text[12000];

	diag_clear(diag);
	snprintf(text, sizeof(text), HEAD "%s\nCOMMIT\n", line);
	if (savefile_parse(text, strlen(text), family, ruleset, diag) != expect)
		fail_msg("%s: not %d (%u:%u %s)", line, expect, diag->line, diag->column, diag->text);
	return ruleset;
}

static inline const struct rule *first_rule(const struct ruleset *ruleset, uint8_t family)
{
	const struct chain *chain = table_find_chain(ruleset_find_table(ruleset, family, "filter"), "T");

	return chain->n_rules ? &chain->rules[0] : NULL;
}

static inline void check_printed(const char *line, const char *printed, uint8_t family)
{
	struct diag diag = { 0 };
	struct ruleset *ruleset = parse_line(line, family, 0, &diag);
	char text[SAVEFILE_RULE_MAX];

	assert_non_null(first_rule(ruleset, family));
	assert_int_equal(savefile_print_rule(first_rule(ruleset, family), "T", family, text, sizeof(text)), strlen(printed));
	assert_string_equal(text, printed);
	ruleset_free(ruleset);
}
