/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The difference between what stands and what compile() wishes, as steps: what `--dry-run` and `diff` print and what the
 * kernel is sent. Rules that stay are not touched, so that they keep their counters (and the kernel need not wait for the
 * destruction of compat expressions).
 *
 * Only our chains, our jumps and the policies of the base chains of the wish are looked at.
 */
#include "rules/ruleset.h"

enum step_kind {
	STEP_POLICY,    /* chain.policy of a base chain: from -> to */
	STEP_ADD_TABLE,
	STEP_ADD_CHAIN, /* a base chain if wish->base */
	STEP_DEL_RULE,  /* by actual->handle */
	STEP_ADD_RULE,  /* before the rule with handle @before, or at the end (0) */
	STEP_DEL_CHAIN, /* with the rules that are left in it */
};

struct step {
	enum step_kind kind;
	const struct table *table; /* of the wish, or of what stands where the wish has none */
	const struct chain *chain; /* likewise */
	const struct rule *rule;   /* ADD: of the wish; DEL: of what stands */
	uint64_t before;
	uint8_t from, to;          /* POLICY; from is POLICY_KEEP where the chain is new */
};

struct diff {
	struct step *steps; /* in the order in which one batch may send them */
	size_t n;
};

enum {
	DIFF_JUMP_LAST = 1, /* a jump that has foreign rules behind it is moved to the end */
};

/* @actual and @wish must outlive @ret: steps point into them. 0 or -ENOMEM. */
int diff_make(const struct ruleset *actual, const struct ruleset *wish, unsigned flags, struct diff *ret);
void diff_free(struct diff *diff); /* frees what it holds */

/* A line for people: "+ -A FWD-INPUT …", "- -A …", "policy INPUT ACCEPT -> DROP (IPv4)". Empty for steps that only serve
 * others (a table or chain made). Returns false then. */
bool step_text(const struct step *step, char *ret, size_t size);
