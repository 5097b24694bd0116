/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What fwctl can do: one table of commands and one of options. The usage text, the parser, the man page's test and the
 * completion for shells are all made from these two.
 */
#include <stddef.h>
#include <stdint.h>

struct answer;
struct ctl;

enum opt {
	/* of every command; they may stand before it, too */
	OPT_JSON,
	OPT_SOCKET,
	OPT_HELP,
	OPT_VERSION,
	/* of some */
	OPT_FOR,
	OPT_COMMENT,
	OPT_WIDE,
	OPT_TIMEOUT,
	OPT_ACCEPT,
	OPT_FORCE,
	OPT_DRY_RUN,
	OPT_FILES,
	OPT_FILE,
	OPT_RESCUE_CONF,
	OPT_RESCUE_DIR,
	OPT_RESCUE_STATE,
	OPT_RESCUE_SOCKET,
	OPT_COUNT
};
#define OPT_BIT(opt) (1u << (opt))
#define OPTS_GLOBAL (OPT_BIT(OPT_JSON) | OPT_BIT(OPT_SOCKET) | OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION))

struct opt_info {
	const char *name;  /* without dashes; NULL: only the letter */
	char letter;       /* 0: only the name */
	const char *value; /* what stands behind it; NULL: nothing */
	const char *help;
};
extern const struct opt_info opt_table[OPT_COUNT];

/* One call of fwctl, taken apart. */
struct invocation {
	const struct command *command; /* NULL: none was named */
	const char *value[OPT_COUNT];  /* NULL: not given; "" for those without a value */
	char **words;                  /* what is no option, behind the command */
	size_t n_words;
};

struct command {
	const char *name;
	const char *group;
	const char *synopsis; /* the words, without options */
	const char *help;     /* one line */
	const char *verb;     /* of the protocol, where the command is one request; else NULL */
	uint32_t options;     /* OPT_BIT()s beside the global ones */
	unsigned min_words, max_words;
	int (*run)(const struct ctl *ctl, const struct invocation *call); /* returns the exit code, having spoken */
	void (*show)(const struct ctl *ctl, const struct answer *answer); /* a good answer, for people; or NULL */
};
#define WORDS_MAX 65536 /* no limit of ours: the daemon knows how many networks it takes at once */
#define WORDS_RAW UINT32_MAX /* max_words: what stands behind the command is another program's, options included */

extern const struct command command_table[]; /* ends with name NULL; groups stand together */
const struct command *command_find(const char *name);
/* The likely command, or NULL. */
const char *command_guess(const char *word);

/* 0, or an exit code after having spoken. Reorders @argv. Global options before the command are read, too. */
int options_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret);

/* Usage of all commands, or of one. The caller frees. NULL: out of memory. */
char *usage_text(const struct command *command);

/* Functions of commands, by the file they stand in. */
int run_page(const struct ctl *ctl, const struct invocation *call); /* no command at all */
int run_help(const struct ctl *ctl, const struct invocation *call);
int run_simple(const struct ctl *ctl, const struct invocation *call); /* verbs.c: request, answer, output */
int run_networks(const struct ctl *ctl, const struct invocation *call);
int run_extend(const struct ctl *ctl, const struct invocation *call);
int run_wait(const struct ctl *ctl, const struct invocation *call);
int run_list(const struct ctl *ctl, const struct invocation *call);
int run_why(const struct ctl *ctl, const struct invocation *call);
int run_edit(const struct ctl *ctl, const struct invocation *call);
int run_host(const struct ctl *ctl, const struct invocation *call);
int run_rescue(const struct ctl *ctl, const struct invocation *call);
