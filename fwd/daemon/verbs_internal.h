/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* One call of a verb, for verbs.c (the verbs) and verbs_args.c (what they are given) and nobody else. */
#include <jansson.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/verbs.h"

struct call {
	struct firewall *firewall;
	const struct caller *caller;
	json_t *args;
	struct change change;
	json_t *result;
	json_t *would;
	json_t *cleared; /* networks that were asked for with host bits: {what was taken: what was said} */
	int fd;
	char who[256];
};

int call_usage(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3))); /* -EINVAL */

/*
 * Arguments: looked up, checked for their type, and struck off, so that what is left over is unknown. 1 taken, 0 not given
 * (and *ret untouched), or negative after call_usage().
 */
int take_string(struct call *call, const char *name, bool must, char *ret, size_t size);
int take_number(struct call *call, const char *name, json_int_t min, json_int_t max, json_int_t *ret);
int take_flag(struct call *call, const char *name, bool *ret);
/* "timeout", "force" and "interactive", and nothing more. */
int take_trial(struct call *call);
/* "networks", which must be there. 0; the caller frees *ret. */
int take_networks(struct call *call, struct cidr **ret, size_t *n);
/* Last of all: 0, or negative if something is left over. */
int take_nothing_more(struct call *call);
