/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "rules/compile.h"
#include "rules/overlay.h"

static bool has_our_jump(const struct chain *chain)
{
	for (size_t i = 0; chain && i < chain->n_rules; i++)
		if (rule_is_our_jump(&chain->rules[i]))
			return true;
	return false;
}

/* @jump: whether our jump comes along, if @to has none yet. */
static int copy_rules(struct chain *to, const struct chain *from, bool jump)
{
	for (size_t i = 0; i < from->n_rules; i++) {
		struct rule copy, *rule;

		if (rule_is_our_jump(&from->rules[i]) && (!jump || has_our_jump(to)))
			continue;
		if (rule_copy(&copy, &from->rules[i]) < 0)
			return -ENOMEM;
		rule = chain_add_rule(to);
		if (!rule) {
			rule_clear(&copy);
			return -ENOMEM;
		}
		*rule = copy;
	}
	return 0;
}

static int copy_chain(struct table *table, const struct chain *from, bool jump)
{
	struct chain *to = table_add_chain(table, from->name);

	if (!to)
		return -ENOMEM;
	to->base = from->base;
	to->filter = from->filter;
	to->hook = from->hook;
	to->priority = from->priority;
	if (from->policy != POLICY_KEEP)
		to->policy = from->policy;
	return copy_rules(to, from, jump);
}

/* Everything that is not ours, and our jumps where @wish has them too and they may stay. */
static int copy_foreign(struct ruleset *ret, const struct ruleset *actual, const struct ruleset *wish, bool jump_last)
{
	for (size_t i = 0; i < actual->n_tables; i++) {
		const struct table *from = &actual->tables[i];
		const struct table *ours = ruleset_find_table(wish, from->family, from->name);
		struct table *table = ruleset_add_table(ret, from->family, from->name);

		if (!table)
			return -ENOMEM;
		for (size_t j = 0; j < from->n_chains; j++) {
			const struct chain *chain = &from->chains[j];
			bool jump = !jump_last && has_our_jump(table_find_chain(ours, chain->name));

			if (!chain_is_ours(chain->name) && copy_chain(table, chain, jump) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int ruleset_overlay(const struct ruleset *actual, const struct ruleset *wish, bool jump_last, struct ruleset **ret)
{
	struct ruleset *both = ruleset_new();
	int r = both ? copy_foreign(both, actual, wish, jump_last) : -ENOMEM;

	for (size_t i = 0; i < wish->n_tables && r == 0; i++) {
		const struct table *from = &wish->tables[i];
		struct table *table = ruleset_add_table(both, from->family, from->name);

		r = table ? 0 : -ENOMEM;
		for (size_t j = 0; j < from->n_chains && r == 0; j++)
			r = copy_chain(table, &from->chains[j], true);
	}
	if (r < 0) {
		ruleset_free(both);
		return r;
	}
	both->generation = actual->generation;
	*ret = both;
	return 0;
}
