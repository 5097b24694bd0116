/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What fwd-host can do: one table of commands and one of options. The usage text and the parser are made from these
 * two, and a test compares them with the manual.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct fault;

enum host_exit {
	HOST_DONE = 0,
	HOST_REFUSED = 1, /* refused, or failed */
	HOST_USAGE = 2,
	HOST_TRIAL = 4, /* done; the firewall waits for its confirm */
	HOST_TODO = 6,  /* nothing failed, but the host is not as it should be */
};

enum opt {
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_ROOT,
	OPT_USER,
	OPT_UID,
	OPT_GID,
	OPT_MIRROR,
	OPT_CA,
	OPT_STALL,
	OPT_NERDCTL_VERSION,
	OPT_CNI_VERSION,
	OPT_ARCH,
	OPT_FROM,
	OPT_YES,
	OPT_REPLACE,
	OPT_HOME,
	OPT_SUBID_START,
	OPT_ONLY,
	OPT_SKIP,
	OPT_REMOVE_DATA,
	OPT_IMAGE,
	OPT_CONDITIONS,
	OPT_COUNT
};
#define OPT_BIT(opt) (1u << (opt))
#define OPTS_GLOBAL (OPT_BIT(OPT_JSON) | OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION))

struct opt_info {
	const char *name;  /* without dashes */
	char letter;       /* 0: none */
	const char *value; /* what stands behind it; NULL: nothing */
	const char *help;
};
extern const struct opt_info opt_table[OPT_COUNT];

/* One call of fwd-host, taken apart. */
struct call {
	const struct command *command; /* NULL: none was named */
	const char *value[OPT_COUNT];  /* NULL: not given; "" for those without a value */
	char **words;                  /* what is no option, behind the command */
	size_t n_words;
};

struct command {
	const char *name;     /* one word or two */
	const char *synopsis; /* the words behind it, without options */
	const char *help;     /* one line */
	uint32_t options;     /* OPT_BIT()s beside the global ones */
	unsigned min_words, max_words;
	int (*run)(const struct call *call); /* returns the exit code, having spoken */
};
extern const struct command command_table[]; /* ends with name NULL */

/* 0, or an exit code after having spoken. Reorders @argv. */
int options_parse(int argc, char **argv, struct call *ret);
int usage_print(const struct call *call);

const char *call_root(const struct call *call); /* "" or the directory that stands for / */
const char *call_user(const struct call *call);
/* The value of a numeric option or word; false after having said what is wrong with it. */
bool call_number(const struct call *call, const char *what, const char *text, uint32_t *ret);

/* Says on stderr, or with --json as an answer on stdout, what failed. Returns @code. */
int call_fail(const struct call *call, int code, const struct fault *fault);
/* The answer of --json: {"exit", "changed", "result"}; @changed < 0: nothing could change. Takes @result over. Returns
 * @code. */
int call_answer(const struct call *call, int code, int changed, json_t *result);

/* Commands, by the file they stand in. */
int run_plan(const struct call *call); /* engine.c */
int run_apply(const struct call *call);
int run_check(const struct call *call);
int run_undo(const struct call *call);
int run_doctor(const struct call *call); /* examine.c */
int run_shell(const struct call *call);
int run_fetch(const struct call *call);
int run_help(const struct call *call);
int run_idmap(const struct call *call);
int run_volume_create(const struct call *call); /* volumes.c */
int run_volume_list(const struct call *call);
