/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/fault.h"

static void put_option(int opt)
{
	const struct opt_info *info = &opt_table[opt];
	char name[40];

	snprintf(name, sizeof(name), "--%s%s%s", info->name, info->value ? " " : "", info->value ? info->value : "");
	printf("  %-24s  %s\n", name, info->help);
}

static void put_all(void)
{
	puts("usage: fwctl host [--json] COMMAND ...\n");
	for (const struct command *c = command_table; c->name; c++) {
		char words[64];

		snprintf(words, sizeof(words), "%s%s%s", c->name, *c->synopsis ? " " : "", c->synopsis);
		printf("  %-22s  %s\n", words, c->help);
	}
	puts("\nfwctl host help COMMAND has the options.\n"
	     "exit: 0 done  1 refused or failed  2 usage  4 done, the firewall is on trial  6 something is to do");
}

static void put_command(const struct command *command)
{
	printf("usage: fwctl host %s [OPTIONS]%s%s\n\n  %s\n\n", command->name, *command->synopsis ? " " : "",
	       command->synopsis, command->help);
	for (int i = 0; i < OPT_COUNT; i++)
		if (command->options & OPT_BIT(i))
			put_option(i);
	for (int i = 0; i < OPT_COUNT; i++)
		if (OPTS_GLOBAL & OPT_BIT(i))
			put_option(i);
}

int usage_print(const struct call *call)
{
	if (call->command)
		put_command(call->command);
	else
		put_all();
	return HOST_DONE;
}

int run_help(const struct call *call)
{
	struct call about = { 0 };
	struct fault fault = { 0 };
	char name[64];

	if (call->n_words == 0)
		return usage_print(&about);
	snprintf(name, sizeof(name), "%s%s%s", call->words[0], call->n_words > 1 ? " " : "",
		 call->n_words > 1 ? call->words[1] : "");
	for (const struct command *c = command_table; c->name; c++)
		if (strcmp(c->name, name) == 0)
			about.command = c;
	if (about.command)
		return usage_print(&about);
	fault_set(&fault, 0, "\"%s\" is no command", name);
	return call_fail(call, HOST_USAGE, &fault);
}
