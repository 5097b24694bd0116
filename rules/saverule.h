/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The words of a "-A" line as a rule. What is not understood becomes opaque: a match with all words up to the next
 * option of iptables itself, or, where it cannot be told whose an option is, the whole rule but its target.
 */
#include "rules/diag.h"
#include "rules/ruleset.h"
#include "rules/saveline.h"

struct saverule {
	char chain[CHAIN_NAME_MAX + 1];
	bool skip; /* stands in the file but is not of this family (-4, -6) */
	struct rule rule; /* rule_clear() */
};

/* @table holds the chains that are declared so far and may be NULL: a target that is none of them and not known here is
 * opaque. @number is that of the line. 0, -ENOMEM, or -EINVAL with @diag for what iptables-restore refuses. */
int saverule_parse(const struct saveline *line, unsigned number, uint8_t family, const struct table *table,
		   struct saverule *ret, struct diag *diag);
