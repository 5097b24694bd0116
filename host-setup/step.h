/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The steps from a bare host to one that runs rootless containers behind a whitelist: one table, in the order in
 * which they are applied; undo goes backwards.
 */
#include "host-setup/fault.h"
#include "host-setup/host.h"

struct step {
	const char *name;
	const char *reason; /* why, one line */
	/* 1: as it should be (@say may tell more). 0: to do, @say tells what. -errno: cannot be told or done, @say
	 * tells why. */
	int (*check)(struct host *host, struct fault *say);
	/* Makes it so, whatever an earlier, broken off apply left. Records before it acts what undo has to know. 0 or
	 * -errno. */
	int (*apply)(struct host *host, struct fault *fault);
	/* Takes back what is recorded. 0; 1: something was left, @fault tells what; -errno. */
	int (*undo)(struct host *host, struct fault *fault);
	bool undo_last; /* not in its turn: what it protects has to be gone */
};
extern const struct step step_table[]; /* ends with name NULL */

/* By the file they stand in. step_packages.c */
int packages_check(struct host *host, struct fault *say);
int packages_apply(struct host *host, struct fault *fault);
int packages_undo(struct host *host, struct fault *fault);
bool packages_ours(const struct host *host, const char *package); /* whether an apply of ours installed it */
/* step_release.c */
int cni_check(struct host *host, struct fault *say);
int cni_apply(struct host *host, struct fault *fault);
int cni_undo(struct host *host, struct fault *fault);
int nerdctl_check(struct host *host, struct fault *say);
int nerdctl_apply(struct host *host, struct fault *fault);
int nerdctl_undo(struct host *host, struct fault *fault);
/* step_system.c */
int rootful_check(struct host *host, struct fault *say);
int rootful_apply(struct host *host, struct fault *fault);
int rootful_undo(struct host *host, struct fault *fault);
int ports_check(struct host *host, struct fault *say);
int ports_apply(struct host *host, struct fault *fault);
int ports_undo(struct host *host, struct fault *fault);
/* step_files.c */
int delegation_check(struct host *host, struct fault *say);
int delegation_apply(struct host *host, struct fault *fault);
int delegation_undo(struct host *host, struct fault *fault);
int apparmor_check(struct host *host, struct fault *say);
int apparmor_apply(struct host *host, struct fault *fault);
int apparmor_undo(struct host *host, struct fault *fault);
/* step_user.c */
int user_check(struct host *host, struct fault *say);
int user_apply(struct host *host, struct fault *fault);
int user_undo(struct host *host, struct fault *fault);
int linger_check(struct host *host, struct fault *say);
int linger_apply(struct host *host, struct fault *fault);
int linger_undo(struct host *host, struct fault *fault);
/* step_subids.c */
int subids_check(struct host *host, struct fault *say);
int subids_apply(struct host *host, struct fault *fault);
int subids_undo(struct host *host, struct fault *fault);
/* step_service.c */
int service_check(struct host *host, struct fault *say);
int service_apply(struct host *host, struct fault *fault);
int service_undo(struct host *host, struct fault *fault);
bool service_runs(struct host *host);                        /* the user's containerd is active */
int service_restart(struct host *host, struct fault *fault); /* if it runs */
/* step_conditions.c */
int conditions_check(struct host *host, struct fault *say);
int conditions_apply(struct host *host, struct fault *fault);
int conditions_undo(struct host *host, struct fault *fault);
/* step_firewall.c */
int firewall_check(struct host *host, struct fault *say);
int firewall_apply(struct host *host, struct fault *fault);
int firewall_undo(struct host *host, struct fault *fault);
int ufw_check(struct host *host, struct fault *say);
int ufw_apply(struct host *host, struct fault *fault);
int ufw_undo(struct host *host, struct fault *fault);

/* Where rootlesskit is: /usr/local/bin comes first in everybody's PATH. NULL: nowhere. */
const char *rootlesskit_path(const struct host *host);
