/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include "rules/compile.h"
#include "rules/diff.h"
#include "rules/savefile.h"

static struct step *step_add(struct diff *diff, enum step_kind kind, const struct table *table, const struct chain *chain)
{
	struct step *bigger = reallocarray(diff->steps, diff->n + 1, sizeof(*bigger));
	struct step *step;

	if (!bigger)
		return NULL;
	diff->steps = bigger;
	step = &diff->steps[diff->n++];
	*step = (struct step){ .kind = kind, .table = table, .chain = chain };
	return step;
}

static int add_rule(struct diff *diff, const struct table *table, const struct chain *chain, const struct rule *rule,
		    uint64_t before)
{
	struct step *step = step_add(diff, STEP_ADD_RULE, table, chain);

	if (!step)
		return -ENOMEM;
	step->rule = rule;
	step->before = before;
	return 0;
}

static int del_rule(struct diff *diff, const struct table *table, const struct chain *chain, const struct rule *rule)
{
	struct step *step = step_add(diff, STEP_DEL_RULE, table, chain);

	if (!step)
		return -ENOMEM;
	step->rule = rule;
	return 0;
}

/*
 * Rules of one chain of ours, by a longest common subsequence: what is in it stays. common[i][j] is its length for the
 * rules from i on of what stands and from j on of the wish. Chains of ours are short; of a longer one (somebody filled it)
 * all rules go and ours come anew.
 */
#define LCS_MAX 512

static int diff_rules(struct diff *diff, const struct table *table, const struct chain *actual, const struct chain *wish)
{
	size_t n = actual->n_rules, m = wish->n_rules, i = 0, j = 0;
	uint16_t *common;
	int r = 0;

	if (n > LCS_MAX || m > LCS_MAX) {
		for (i = 0; i < n && r == 0; i++)
			r = del_rule(diff, table, wish, &actual->rules[i]);
		for (j = 0; j < m && r == 0; j++)
			r = add_rule(diff, table, wish, &wish->rules[j], 0);
		return r;
	}
	common = calloc((n + 1) * (m + 1), sizeof(*common));
	if (!common)
		return -ENOMEM;
#define COMMON(a, b) common[(a) * (m + 1) + (b)]
	for (i = n; i-- > 0;) {
		for (j = m; j-- > 0;) {
			if (rule_equal(&actual->rules[i], &wish->rules[j]))
				COMMON(i, j) = COMMON(i + 1, j + 1) + 1;
			else
				COMMON(i, j) = COMMON(i + 1, j) > COMMON(i, j + 1) ? COMMON(i + 1, j) : COMMON(i, j + 1);
		}
	}
	for (i = j = 0; (i < n || j < m) && r == 0;) {
		if (i < n && j < m && rule_equal(&actual->rules[i], &wish->rules[j])) {
			i++, j++;
		} else if (j < m && (i == n || COMMON(i, j + 1) >= COMMON(i + 1, j))) {
			/* a rule that is about to go serves as the place as well as one that stays: adding comes first */
			r = add_rule(diff, table, wish, &wish->rules[j++], i < n ? actual->rules[i].handle : 0);
		} else {
			r = del_rule(diff, table, wish, &actual->rules[i++]);
		}
	}
#undef COMMON
	free(common);
	return r;
}

/* The one rule of ours in a base chain. Foreign rules behind it stay where they are unless it is to be last. */
static int diff_jump(struct diff *diff, const struct table *table, const struct chain *actual, const struct chain *wish,
		     unsigned flags)
{
	const struct rule *jump = wish->n_rules ? &wish->rules[0] : NULL;
	bool found = false;
	int r = 0;

	for (size_t i = 0; actual && i < actual->n_rules && r == 0; i++) {
		const struct rule *rule = &actual->rules[i];
		bool last = i + 1 == actual->n_rules;

		if (!rule_is_our_jump(rule))
			continue;
		if (jump && !found && rule_equal(rule, jump) && (last || !(flags & DIFF_JUMP_LAST)))
			found = true;
		else
			r = del_rule(diff, table, wish, rule);
	}
	if (jump && !found && r == 0)
		r = add_rule(diff, table, wish, jump, 0);
	return r;
}

/* Policies to DROP, tables and chains: first, so that what follows finds them. */
static int diff_frame(struct diff *diff, const struct table *actual, const struct table *wish)
{
	if (!actual && !step_add(diff, STEP_ADD_TABLE, wish, NULL))
		return -ENOMEM;
	for (size_t i = 0; i < wish->n_chains; i++) {
		const struct chain *chain = &wish->chains[i], *old = table_find_chain(actual, chain->name);

		if (!old && !step_add(diff, STEP_ADD_CHAIN, wish, chain))
			return -ENOMEM;
		if (chain->base && chain->policy != POLICY_KEEP && (!old || old->policy != chain->policy)) {
			struct step *step = step_add(diff, STEP_POLICY, wish, chain);

			if (!step)
				return -ENOMEM;
			step->from = old ? old->policy : POLICY_KEEP;
			step->to = chain->policy;
		}
	}
	return 0;
}

static int diff_table(struct diff *diff, const struct table *actual, const struct table *wish, unsigned flags)
{
	static const struct chain empty;
	int r = 0;

	for (size_t i = 0; i < wish->n_chains && r == 0; i++) {
		const struct chain *chain = &wish->chains[i], *old = table_find_chain(actual, chain->name);

		r = chain->base ? diff_jump(diff, wish, old, chain, flags) : diff_rules(diff, wish, old ? old : &empty, chain);
	}
	for (size_t i = 0; actual && i < actual->n_chains && r == 0; i++) {
		const struct chain *old = &actual->chains[i];

		if (chain_is_ours(old->name) && !table_find_chain(wish, old->name) &&
		    !step_add(diff, STEP_DEL_CHAIN, actual, old))
			r = -ENOMEM;
	}
	return r;
}

int diff_make(const struct ruleset *actual, const struct ruleset *wish, unsigned flags, struct diff *ret)
{
	struct diff diff = { 0 };
	int r = 0;

	for (size_t i = 0; i < wish->n_tables && r == 0; i++) {
		const struct table *table = &wish->tables[i];

		r = diff_frame(&diff, ruleset_find_table(actual, table->family, table->name), table);
	}
	for (size_t i = 0; i < wish->n_tables && r == 0; i++) {
		const struct table *table = &wish->tables[i];

		r = diff_table(&diff, ruleset_find_table(actual, table->family, table->name), table, flags);
	}
	if (r < 0) {
		diff_free(&diff);
		return r;
	}
	*ret = diff;
	return 0;
}

void diff_free(struct diff *diff)
{
	free(diff->steps);
	*diff = (struct diff){ 0 };
}

static const char *policy_name(uint8_t policy)
{
	return policy == NF_DROP ? "DROP" : "ACCEPT"; /* a chain that is not there lets everything through */
}

bool step_text(const struct step *step, char *ret, size_t size)
{
	const char *family = step->table->family == NFPROTO_IPV6 ? "IPv6" : "IPv4";
	char rule[SAVEFILE_RULE_MAX];

	switch (step->kind) {
	case STEP_POLICY:
		snprintf(ret, size, "policy %s %s -> %s (%s)", step->chain->name, policy_name(step->from),
			 policy_name(step->to), family);
		return true;
	case STEP_ADD_RULE:
	case STEP_DEL_RULE:
		savefile_print_rule(step->rule, step->chain->name, step->table->family, rule, sizeof(rule));
		snprintf(ret, size, "%c %s (%s)", step->kind == STEP_ADD_RULE ? '+' : '-', rule, family);
		return true;
	case STEP_DEL_CHAIN:
		snprintf(ret, size, "- chain %s with its %zu rules (%s)", step->chain->name, step->chain->n_rules, family);
		return true;
	case STEP_ADD_TABLE:
	case STEP_ADD_CHAIN:
		break;
	}
	if (size)
		ret[0] = '\0';
	return false;
}
