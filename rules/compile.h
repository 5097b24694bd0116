/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Policy -> ruleset: the rules that fwd wants in the kernel and in the files, and only those. The order and the reason of
 * each line: docs/architecture.md.
 */
#include <stdbool.h>

#include "rules/policy.h"
#include "rules/ruleset.h"

#define CHAIN_INPUT "FWD-INPUT"
#define CHAIN_FORWARD "FWD-FORWARD"
#define CHAIN_TRIAL_INPUT "FWD-TRIAL-INPUT"
#define CHAIN_TRIAL_FORWARD "FWD-TRIAL-FORWARD"
#define CHAIN_PREFIX "FWD-" /* every chain that begins so is ours */

#define SET_GATE "fwd-trial"  /* list:set; its members expire with the trial */
#define SET_ALL "fwd-all"     /* hash:net inet: both halves of IPv4 */
#define SET_ALL6 "fwd-all6"
#define SET_CUT "fwd-cut"    /* hash:net inet: entries that a trial takes away */
#define SET_CUT6 "fwd-cut6"

/* What should stand. Policies are read during the call only. */
struct wish {
	const struct policy *confirmed; /* NULL: nothing is confirmed: our chains then hold the gate alone; without a candidate too (off) there are none, and no jump */
	const struct policy *candidate; /* on trial; NULL: no trial, unless */
	uint8_t policy;                 /* of the base chains INPUT and FORWARD: NF_DROP, NF_ACCEPT or POLICY_KEEP */
	bool trial_off;                 /* with no candidate: "off" is on trial, that is, everybody is let in */
	bool cut;                       /* on trial the lists count without what is in SET_CUT, SET_CUT6 */
};

/*
 * Tables ip filter and ip6 filter. The base chains INPUT and FORWARD hold one rule, the jump into our chain, which stands
 * last in the kernel; whatever else the kernel has in them is not ours. 0 or -ENOMEM.
 */
int compile(const struct wish *wish, struct ruleset **ret);

bool chain_is_ours(const char *name);
/* Whether a rule of a base chain is our jump. */
bool rule_is_our_jump(const struct rule *rule);

/* The ports that the confirmed chains of @ruleset (read from anywhere) open to everybody, as SSH ports are; added to
 * @policy as far as there is room. What is left to go by when the confirmed state cannot be read. */
void compiled_ssh_ports(const struct ruleset *ruleset, struct policy *policy);
