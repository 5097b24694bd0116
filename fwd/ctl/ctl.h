/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What every part of fwctl knows of this run, and the one way to speak of a failure.
 */
#include <stdbool.h>

#include <jansson.h>

#define CTL_SOCKET "/run/fwd/fwd.sock"
#define CTL_CONF "/etc/fwd/fwd.conf"

enum ctl_exit {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_TRIAL = 4,
	EXIT_ROLLED_BACK = 5,
	EXIT_DEGRADED = 6,
};

struct command;

struct ctl {
	bool json;
	bool color;    /* of stdout */
	unsigned width; /* columns to keep to; 0: no limit (not a terminal) */
	const char *socket;
	bool socket_given;
	const struct command *command; /* what error texts begin with; NULL: none yet */
};

/* Says on stderr, or with --json as an answer on stdout, what failed. @hint (may be NULL): what to do. Returns @code.
 * Control characters in the text are escaped here. */
int ctl_fail(const struct ctl *ctl, int code, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints @json as one line, as an answer of the daemon would be. Takes the reference over; NULL: out of memory. */
int ctl_print_json(json_t *json);
