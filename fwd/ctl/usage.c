/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/text.h"

static const struct ctl page = { .width = 80 };

static void put_option(FILE *out, int opt)
{
	const struct opt_info *info = &opt_table[opt];
	char name[40];

	if (info->name)
		snprintf(name, sizeof(name), "--%s%s%s", info->name, info->value ? " " : "",
			 info->value ? info->value : "");
	else
		snprintf(name, sizeof(name), "-%c %s", info->letter, info->value ? info->value : "");
	fprintf(out, "  %-15s  %s\n", name, info->help);
}

static void put_all(FILE *out)
{
	const char *group = "";

	fputs("usage: fwctl [--json] [--socket PATH] [COMMAND ...]\n\n", out);
	for (const struct command *c = command_table; c->name; c++) {
		char words[64], first[100];

		snprintf(words, sizeof(words), "%s%s%s", c->name, *c->synopsis ? " " : "", c->synopsis);
		snprintf(first, sizeof(first), "%-9s %-26s ", strcmp(group, c->group) ? c->group : "", words);
		text_fill(&page, out, first, "                                     ", c->help);
		group = c->group;
	}
	fputs("\nfwctl alone tells the posture of this host. fwctl COMMAND --help has the options.\n"
	      "exit: 0 done  1 refused or failed  2 usage  3 no daemon  4 on trial\n"
	      "      5 rolled back  6 degraded\n", out);
}

static void put_command(FILE *out, const struct command *command)
{
	fprintf(out, "usage: fwctl %s%s%s%s\n\n  %s\n\n", command->name, command->options ? " [OPTIONS]" : "",
		*command->synopsis ? " " : "", command->synopsis, command->help);
	for (int i = 0; i < OPT_COUNT; i++)
		if (command->options & OPT_BIT(i))
			put_option(out, i);
	for (int i = 0; i < OPT_COUNT; i++)
		if (OPTS_GLOBAL & OPT_BIT(i))
			put_option(out, i);
}

char *usage_text(const struct command *command)
{
	char *ret = NULL;
	size_t size;
	FILE *out = open_memstream(&ret, &size);

	if (!out)
		return NULL;
	if (command)
		put_command(out, command);
	else
		put_all(out);
	if (fclose(out) != 0) {
		free(ret);
		return NULL;
	}
	return ret;
}

int run_help(const struct ctl *ctl, const struct invocation *call)
{
	const struct command *command = NULL;
	char *text;

	if (call->n_words && !call->value[OPT_HELP]) {
		command = command_find(call->words[0]);
		if (!command) {
			const char *guess = command_guess(call->words[0]);
			char hint[80];

			snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", guess ? guess : "");
			return ctl_fail(ctl, EXIT_USAGE, guess ? hint : NULL, "\"%s\" is no command", call->words[0]);
		}
	} else if (call->value[OPT_HELP]) {
		command = call->command;
	}
	text = usage_text(command);
	if (!text)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "out of memory");
	if (ctl->json)
		ctl_print_json(json_pack("{s:i,s:{s:s}}", "exit", 0, "result", "text", text));
	else
		fputs(text, stdout);
	free(text);
	return EXIT_DONE;
}
