/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/typo.h"

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
	ret->shorts[at++] = '+'; /* words are taken by hand: "allow 192.0.2.1 --for 2h" has options behind them */
	ret->shorts[at++] = ':';
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct opt_info *info = &opt_table[i];

		if (!(options & OPT_BIT(i)))
			continue;
		if (info->name)
			ret->longs[n++] = (struct option){ info->name, info->value ? required_argument : no_argument,
							   NULL, LONG_BASE + i };
		if (info->letter) {
			ret->shorts[at++] = info->letter;
			if (info->value)
				ret->shorts[at++] = ':';
		}
	}
}

static int opt_of(int c)
{
	if (c >= LONG_BASE)
		return c - LONG_BASE;
	for (int i = 0; i < OPT_COUNT; i++)
		if (opt_table[i].letter == c)
			return i;
	return -1;
}

static int fail_unknown(const struct ctl *ctl, const char *word, uint32_t options)
{
	const char *name = word + strspn(word, "-");
	char bare[TYPO_WORD_MAX + 1], hint[160];
	size_t len = strcspn(name, "=");
	struct typo typo = { 0 };

	if (strncmp(word, "--", 2) == 0 && len < sizeof(bare)) {
		memcpy(bare, name, len);
		bare[len] = '\0';
		for (int i = 0; i < OPT_COUNT; i++) {
			if (!(options & OPT_BIT(i)) || !opt_table[i].name)
				continue;
			if (len >= 2 && strncmp(opt_table[i].name, bare, len) == 0)
				typo = (struct typo){ opt_table[i].name, 0 };
			typo_offer(&typo, bare, opt_table[i].name);
		}
	}
	if (typo.best)
		snprintf(hint, sizeof(hint), "Did you mean --%s?", typo.best);
	else
		snprintf(hint, sizeof(hint), "fwctl help%s%s lists the options.", ctl->command ? " " : "",
			 ctl->command ? ctl->command->name : "");
	return ctl_fail(ctl, EXIT_USAGE, hint, "\"%.*s\" is no option here", (int)(strcspn(word, "=")), word);
}

/* What getopt_long() refused. @word is the argument that it was reading. */
static int fail_option(const struct ctl *ctl, int c, const char *word, uint32_t options)
{
	int opt = opt_of(optopt);
	int len = (int)strcspn(word, "=");

	if (c == ':')
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\" needs a value: %s", word,
				opt < 0 ? "" : opt_table[opt].value);
	if (optopt >= LONG_BASE && opt >= 0)
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%.*s\" takes no value", len, word);
	if (strncmp(word, "--", 2) != 0 && optopt) {
		char letter[3] = { '-', (char)optopt };

		return fail_unknown(ctl, letter, options);
	}
	return fail_unknown(ctl, word, options);
}

static void set_option(struct ctl *ctl, struct invocation *call, int opt, const char *value)
{
	call->value[opt] = value ? value : "";
	if (opt == OPT_JSON)
		ctl->json = true;
	if (opt == OPT_SOCKET) {
		ctl->socket = value;
		ctl->socket_given = true;
	}
}

/* The first word that is no option is the command. */
static int take_command(struct ctl *ctl, struct invocation *call, const char *word)
{
	const char *guess;
	char hint[160];

	call->command = ctl->command = command_find(word);
	if (call->command)
		return 0;
	guess = command_guess(word);
	if (guess)
		snprintf(hint, sizeof(hint), "Did you mean \"fwctl %s\"?", guess);
	return ctl_fail(ctl, EXIT_USAGE, guess ? hint : "fwctl help lists the commands.", "\"%s\" is no command", word);
}

static int check_words(const struct ctl *ctl, const struct invocation *call)
{
	const struct command *command = call->command;
	char hint[160];

	if (!command || call->value[OPT_HELP] || call->value[OPT_VERSION])
		return 0;
	snprintf(hint, sizeof(hint), "Usage: fwctl %s%s%s", command->name, *command->synopsis ? " " : "",
		 command->synopsis);
	if (call->n_words > command->max_words)
		return ctl_fail(ctl, EXIT_USAGE, hint, "\"%s\" is one word too many", call->words[command->max_words]);
	if (call->n_words < command->min_words)
		return ctl_fail(ctl, EXIT_USAGE, hint, "a word is missing");
	return 0;
}

int options_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret)
{
	uint32_t options = OPTS_GLOBAL;
	struct getopt_tables tables;
	size_t kept = 1; /* words move to the front of argv, behind its name; they never overtake the reading */
	bool literal = false;
	int r;

	*ret = (struct invocation){ .words = argv + 1 };
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			ctl->json = true; /* an error in front of it is told in JSON, too */
	opterr = 0;
	make_tables(options, &tables);
	while (optind < argc) {
		int at = optind, c = literal ? -1 : getopt_long(argc, argv, tables.shorts, tables.longs, NULL);

		if (c == -1 && optind > at) { /* "--" */
			literal = true;
		} else if (c == -1) {
			char *word = argv[optind++];

			if (ret->command) {
				argv[kept++] = word;
			} else {
				r = take_command(ctl, ret, word);
				if (r)
					return r;
				if (ret->command->max_words == WORDS_RAW) {
					ret->words = argv + optind;
					ret->n_words = (size_t)(argc - optind);
					return 0;
				}
				options |= ret->command->options;
				make_tables(options, &tables);
			}
		} else if (c == '?' || c == ':') {
			return fail_option(ctl, c, argv[at], options);
		} else {
			set_option(ctl, ret, opt_of(c), optarg);
		}
	}
	ret->n_words = kept - 1;
	return check_words(ctl, ret);
}
