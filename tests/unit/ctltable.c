/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fwd/ctl/commands.h"

static char *read_manual(void)
{
	char path[512], *text = calloc(1, 1 << 20);
	FILE *in;

	snprintf(path, sizeof(path), "%s/docs/fwctl.1", getenv("TEST_SOURCE"));
	in = fopen(path, "r");
	assert_non_null(in);
	assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
	fclose(in);
	return text;
}

/* Whether the manual's text from @from to @to speaks of the option. */
static bool speaks_of(const char *from, const char *to, const struct opt_info *info)
{
	char flag[40];
	const char *hit;

	if (info->name)
		snprintf(flag, sizeof(flag), "Fl -%s", info->name);
	else
		snprintf(flag, sizeof(flag), "Fl %c", info->letter);
	for (hit = strstr(from, flag); hit && hit < to; hit = strstr(hit + 1, flag))
		if (strchr(" \n", hit[strlen(flag)]))
			return true;
	return false;
}

static void manual(void **state)
{
	char *text = read_manual();
	const char *end = text + strlen(text);

	(void)state;
	for (const struct command *c = command_table; c->name; c++) {
		char item[40];
		const char *from, *to;

		snprintf(item, sizeof(item), "\n.It Ic %s", c->name);
		from = strstr(text, item);
		if (!from)
			fail_msg("fwctl.1 lacks the command %s", c->name);
		to = strstr(from + 1, "\n.It Ic ");
		to = to ? to : end;
		for (int i = 0; i < OPT_COUNT; i++)
			if (c->options & OPT_BIT(i) && !speaks_of(from, to, &opt_table[i]))
				fail_msg("fwctl.1: %s lacks its option %s", c->name,
					 opt_table[i].name ? opt_table[i].name : "of one letter");
	}
	for (int i = 0; i < OPT_COUNT; i++)
		if (OPTS_GLOBAL & OPT_BIT(i) && !speaks_of(text, end, &opt_table[i]))
			fail_msg("fwctl.1 lacks --%s", opt_table[i].name);
	free(text);
}

/* The other way round: nothing is promised that is not there. */
static void manual_promises(void **state)
{
	char *text = read_manual(), *save = NULL;

	(void)state;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[32];

		if (sscanf(line, ".It Ic %31s", name) == 1 && !command_find(name))
			fail_msg("fwctl.1 explains %s, which is no command", name);
	}
	free(text);
}

static void table_is_sound(void **state)
{
	(void)state;
	for (const struct command *c = command_table; c->name; c++) {
		assert_ptr_equal(command_find(c->name), c);
		assert_non_null(c->run);
		assert_true(strlen(c->help) <= 43); /* one line of the usage text */
		assert_true(c->min_words <= c->max_words);
		assert_int_equal(c->options & OPTS_GLOBAL, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual),
		cmocka_unit_test(manual_promises),
		cmocka_unit_test(table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
