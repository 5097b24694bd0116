/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/fault.h"

/* What getopt_long() returns for a long option: beyond every letter. */
#define LONG_BASE 256

struct getopt_tables {
	struct option longs[OPT_COUNT + 1];
	char shorts[2 * OPT_COUNT + 3];
};

static void make_tables(uint32_t options, struct getopt_tables *ret)
{
	size_t n = 0, at = 0;

	memset(ret, 0, sizeof(*ret));
	ret->shorts[at++] = '+'; /* words are taken by hand: options may stand behind them */
	ret->shorts[at++] = ':';
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct opt_info *info = &opt_table[i];

		if (!(options & OPT_BIT(i)))
			continue;
		ret->longs[n++] = (struct option){ info->name, info->value ? required_argument : no_argument, NULL,
						   LONG_BASE + i };
		if (info->letter)
			ret->shorts[at++] = info->letter;
	}
}

/* What getopt_long() refused. @word is the argument that it was reading. */
static int fail_option(const struct call *call, int c, const char *word)
{
	int len = (int)strcspn(word, "=");
	struct fault fault = { 0 };

	if (c == ':')
		fault_set(&fault, 0, "\"%s\" needs a value", word);
	else if (optopt >= LONG_BASE)
		fault_set(&fault, 0, "\"%.*s\" takes no value", len, word);
	else
		fault_set(&fault, 0, "\"%.*s\" is no option here", len, word);
	fault_hint(&fault, "fwctl host help%s%s lists the options.", call->command ? " " : "",
		   call->command ? call->command->name : "");
	return call_fail(call, HOST_USAGE, &fault);
}

/* The words from @argv on that begin a command; *ret_words is how many they are. */
static const struct command *find_command(char *const *argv, int n, int *ret_words)
{
	for (const struct command *command = command_table; command->name; command++) {
		size_t first = strcspn(command->name, " ");
		const char *second = command->name[first] ? command->name + first + 1 : NULL;

		if (strncmp(command->name, argv[0], first) != 0 || argv[0][first])
			continue;
		if (second && (n < 2 || strcmp(second, argv[1]) != 0))
			continue;
		*ret_words = second ? 2 : 1;
		return command;
	}
	return NULL;
}

static int take_command(struct call *call, char **argv, int argc)
{
	struct fault fault = { 0 };
	int words = 0;

	call->command = find_command(argv + optind, argc - optind, &words);
	optind += words;
	if (call->command)
		return 0;
	fault_set(&fault, 0, "\"%s\" is no command", argv[optind]);
	for (const struct command *command = command_table; command->name; command++) {
		size_t first = strcspn(command->name, " ");

		if (command->name[first] && strncmp(command->name, argv[optind], first) == 0 && !argv[optind][first])
			fault_set(&fault, 0, "which command of %s?", argv[optind]);
	}
	fault_hint(&fault, "fwctl host help lists the commands.");
	return call_fail(call, HOST_USAGE, &fault);
}

static int check_words(const struct call *call)
{
	const struct command *command = call->command;
	struct fault fault = { 0 };

	if (!command || call->value[OPT_HELP] || call->value[OPT_VERSION])
		return 0;
	if (call->n_words > command->max_words)
		fault_set(&fault, 0, "\"%s\" is one word too many", call->words[command->max_words]);
	else if (call->n_words < command->min_words)
		fault_set(&fault, 0, "a word is missing");
	else
		return 0;
	fault_hint(&fault, "Usage: fwctl host %s%s%s", command->name, *command->synopsis ? " " : "", command->synopsis);
	return call_fail(call, HOST_USAGE, &fault);
}

static int opt_of(int c)
{
	return c >= LONG_BASE ? c - LONG_BASE : OPT_HELP; /* the only one that has a letter */
}

int options_parse(int argc, char **argv, struct call *ret)
{
	uint32_t options = OPTS_GLOBAL;
	struct getopt_tables tables;
	size_t kept = 1; /* words move to the front of argv, behind its name; they never overtake the reading */
	bool literal = false;

	*ret = (struct call){ .words = argv + 1 };
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			ret->value[OPT_JSON] = ""; /* an error in front of it is told in JSON, too */
	opterr = 0;
	make_tables(options, &tables);
	while (optind < argc) {
		int at = optind, c = literal ? -1 : getopt_long(argc, argv, tables.shorts, tables.longs, NULL);

		if (c == -1 && optind > at) { /* "--" */
			literal = true;
		} else if (c == -1 && ret->command) {
			argv[kept++] = argv[optind++];
		} else if (c == -1) {
			int r = take_command(ret, argv, argc);

			if (r)
				return r;
			options |= ret->command->options;
			make_tables(options, &tables);
		} else if (c == '?' || c == ':') {
			return fail_option(ret, c, argv[at]);
		} else {
			ret->value[opt_of(c)] = optarg ? optarg : "";
		}
	}
	ret->n_words = kept - 1;
	return check_words(ret);
}
