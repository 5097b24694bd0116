/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Questions beyond the steps: what the kernel has to have, what gets in the way, and the article's own trials.
 */
#include "host-setup/fault.h"
#include "host-setup/host.h"

struct question {
	const char *group;
	const char *name;
	/* 1: well (@say may tell more). 0: not, @say tells what and what to do. */
	int (*ask)(struct host *host, struct fault *say);
	bool needs_image; /* asked only with --image */
};
extern const struct question question_table[]; /* ends with name NULL */

/* trial.c */
int trial_root(struct host *host, struct fault *say);
int trial_shadow(struct host *host, struct fault *say);
int trial_owner(struct host *host, struct fault *say);
int trial_port(struct host *host, struct fault *say);
