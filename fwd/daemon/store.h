/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What was confirmed, on disk: STATE_DIR/confirmed is the truth, its rename the commit; IPTABLES_DIR/rules.v4 and rules.v6
 * are renderings of it in which the lines of others stay as they are. (The entries are the journal's.)
 */
#include <stdbool.h>
#include <stdint.h>

#include "fwd/daemon/file.h"
#include "rules/diag.h"
#include "rules/policy.h"
#include "rules/ruleset.h"

#define CONFIRMED_NAME "confirmed"
#define TRIAL_NAME "trial"

enum { V4, V6, FAMILIES };
enum { BASE_INPUT, BASE_FORWARD, BASES };

struct confirmed {
	bool on;
	uint64_t generation; /* counts commits */
	uint64_t since;      /* epoch seconds of the commit */
	uint8_t recorded[FAMILIES][BASES]; /* policies that stood when it was enabled; POLICY_KEEP: not known */
	struct policy policy;
};

void confirmed_init(struct confirmed *ret); /* off, default policy */
/* -ENOENT: nothing was ever confirmed. -EINVAL with @diag: the file cannot be trusted. */
int confirmed_read(const char *state_dir, struct confirmed *ret, struct diag *diag);

/* The record of a trial, beside the control socket: its candidate in the same form. -ENOENT as above. */
int trial_record_write(const char *run_dir, const struct confirmed *candidate);
int trial_record_read(const char *run_dir, struct confirmed *ret);

/* The files of one commit: written aside and synced by prepare, made to count by commit. */
struct store_commit {
	struct file_aside confirmed, rules[FAMILIES];
};
int store_prepare(const char *state_dir, const char *iptables_dir, const struct confirmed *confirmed,
		  struct store_commit *ret, struct diag *diag);
/* Only the rename of `confirmed` decides; a rendering that cannot follow is told in @diag and mended at the next start. */
int store_commit(struct store_commit *commit, struct diag *diag);
void store_discard(struct store_commit *commit);

/* Whether the renderings are what store_prepare() would write. 1, 0 or -errno; @which (may be NULL): the first that is not. */
int store_check(const char *iptables_dir, const struct confirmed *confirmed, const char **which, struct diag *diag);

/* Both renderings as they are, foreign lines too. A file that is not there, or that nobody can read, adds nothing. */
int store_read_rules(const char *iptables_dir, struct ruleset **ret);

/* What should stand of a confirmed state alone: chains, jumps and policies; switched off: none of ours, policies recorded. */
int confirmed_ruleset(const struct confirmed *confirmed, struct ruleset **ret);
