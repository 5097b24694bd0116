/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdict(): its limits, and against an interpreter that takes one way at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/verdict.h"

/* A certain rule has no match, a doubtful one an opaque match, and a dead one a match that fails. */
enum how { SURE, MAYBE, NEVER };

static const struct packet v4 = { .hook = NF_INET_LOCAL_IN, .src = { AF_INET }, .dst = { AF_INET },
		.proto = IPPROTO_TCP };

static struct chain *base(struct table *table, const char *name, int32_t priority, uint8_t policy)
{
	struct chain *chain = table_add_chain(table, name);

	chain->base = chain->filter = true;
	chain->hook = NF_INET_LOCAL_IN;
	chain->priority = priority;
	chain->policy = policy;
	return chain;
}

static void add(struct table *table, const char *name, enum how how, enum target_kind kind, const char *to)
{
	struct rule *rule = chain_add_rule(table_add_chain(table, name));

	if (how == MAYBE)
		assert_int_equal(match_set_text(rule_add_match(rule, MATCH_OPAQUE), "u32"), 0);
	if (how == NEVER)
		rule_add_match(rule, MATCH_PROTO)->u.proto = IPPROTO_UDP;
	assert_int_equal(rule_set_target(rule, kind, to), 0);
}

static void expect_step(const struct verdict_way *way, const struct verdict_step *step, const char *chain, size_t rule)
{
	assert_non_null(step);
	assert_true(step >= way->steps && step < way->steps + way->n_steps);
	assert_string_equal(step->chain->name, chain);
	assert_int_equal(step->rule, rule);
}

/* A chain of jumps: the kernel takes 16, and so do we. */
static void depth(void **state)
{
	for (unsigned jumps = 15; jumps <= 17; jumps++) {
		struct ruleset *ruleset = ruleset_new();
		struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
		struct verdict_way way;
		char name[8] = "IN", next[8];

		(void)state;
		base(table, "IN", 0, NF_DROP);
		for (unsigned i = 0; i < jumps; i++) {
			snprintf(next, sizeof(next), "C%u", i);
			add(table, name, SURE, TARGET_JUMP, next);
			strcpy(name, next);
		}
		add(table, name, SURE, TARGET_ACCEPT, NULL);
		verdict(ruleset, &v4, NULL, NULL, &way);
		assert_int_equal(way.verdict, jumps <= 16 ? VERDICT_ACCEPT : VERDICT_UNKNOWN);
		if (jumps > 16)
			expect_step(&way, way.doubt, "C15", 0);
		ruleset_free(ruleset);
	}
}

/* Ten jumps in each of twelve levels: the kernel would look at 10^12 rules too; we give up. */
static void visits(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	char name[8], next[8];

	(void)state;
	base(table, "C0", 0, NF_ACCEPT);
	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "C%u", i);
		snprintf(next, sizeof(next), "C%u", i + 1);
		for (unsigned j = 0; j < 10; j++)
			add(table, name, SURE, TARGET_JUMP, next);
	}
	table_add_chain(table, "C12");
	struct verdict_way way;

	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_UNKNOWN);
	assert_non_null(way.doubt);
	ruleset_free(ruleset);

	/* as many rules as may be, and one more */
	for (unsigned more = 0; more < 2; more++) {
		ruleset = ruleset_new();
		table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
		base(table, "IN", 0, NF_ACCEPT);
		for (unsigned i = 0; i < VERDICT_VISITS_MAX + more; i++)
			chain_add_rule(table_find_chain(table, "IN"));
		verdict(ruleset, &v4, NULL, NULL, &way);
		assert_int_equal(way.verdict, more ? VERDICT_UNKNOWN : VERDICT_ACCEPT);
		if (more)
			expect_step(&way, way.doubt, "IN", VERDICT_VISITS_MAX);
		ruleset_free(ruleset);
	}
}

/* More steps than there is room for, with the deciding rule, the first or the last doubt beyond it. */
static void truncation(void **state)
{
	for (unsigned n = VERDICT_STEPS_MAX - 3; n < VERDICT_STEPS_MAX + 40; n++) {
		struct ruleset *ruleset = ruleset_new();
		struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
		struct verdict_way way;
		unsigned total = n + 1;

		(void)state;
		base(table, "IN", 0, NF_DROP);
		for (unsigned i = 0; i < n; i++)
			add(table, "IN", MAYBE, TARGET_DROP, NULL);
		verdict(ruleset, &v4, NULL, NULL, &way);
		assert_int_equal(way.verdict, VERDICT_DROP);
		expect_step(&way, way.decides, "IN", n);
		assert_int_equal(way.truncated, total > VERDICT_STEPS_MAX);
		assert_int_equal(way.n_steps, total < VERDICT_STEPS_MAX ? total : VERDICT_STEPS_MAX);

		add(table, "IN", MAYBE, TARGET_ACCEPT, NULL);
		total = n + 2;
		verdict(ruleset, &v4, NULL, NULL, &way);
		assert_int_equal(way.verdict, VERDICT_UNKNOWN);
		expect_step(&way, way.doubt, "IN", n);
		assert_int_equal(way.truncated, total > VERDICT_STEPS_MAX);
		base(table, "IN", 0, NF_ACCEPT); /* now the first one makes the doubt */
		verdict(ruleset, &v4, NULL, NULL, &way);
		assert_int_equal(way.verdict, VERDICT_UNKNOWN);
		assert_ptr_equal(way.doubt, &way.steps[0]);
		assert_int_equal(way.truncated, total > VERDICT_STEPS_MAX);
		ruleset_free(ruleset);
	}
}

/*
 * The interpreter: a packet takes one way through the rules, with a stack, as nft_do_chain() does it. Where a rule is
 * doubtful it asks for the next of a row of choices; verdict() must say what all rows together say.
 */
#define CHOICES_MAX 14
#define N_RULES 4
#define N_CHAINS 5 /* beside the base chains; jumps lead to later ones only */

struct choices {
	bool taken[CHOICES_MAX];
	unsigned n; /* asked for so far */
	bool overrun;
	const struct rule *first; /* the first rule that was taken the other way */
};

static bool choose(struct choices *choices, const struct rule *rule)
{
	bool taken;

	if (choices->n == CHOICES_MAX) {
		choices->overrun = true;
		return false;
	}
	taken = choices->taken[choices->n++];
	if (taken && !choices->first)
		choices->first = rule;
	return taken;
}

/* What an opaque target does, if it does anything. */
static enum target_kind choose_target(struct choices *choices, const struct rule *rule)
{
	if (!choose(choices, rule))
		return TARGET_NONE;
	if (choose(choices, rule))
		return TARGET_ACCEPT;
	return choose(choices, rule) ? TARGET_DROP : TARGET_RETURN;
}

static bool interpret_match(const struct rule *rule, struct choices *choices)
{
	bool matches = true;

	for (size_t i = 0; i < rule->n_matches; i++)
		if (rule->matches[i].kind == MATCH_PROTO)
			return false; /* NEVER */
	for (size_t i = 0; i < rule->n_matches; i++)
		matches &= choose(choices, rule);
	return matches;
}

static enum verdict interpret(const struct table *table, const struct chain *base_chain, struct choices *choices)
{
	struct {
		const struct chain *chain;
		size_t rule;
	} stack[16];
	unsigned depth = 0;
	const struct chain *chain = base_chain;
	size_t i = 0;

	for (;;) {
		const struct rule *rule = &chain->rules[i];
		enum target_kind kind = TARGET_RETURN;

		if (i++ < chain->n_rules) {
			kind = interpret_match(rule, choices) ? rule->target.kind : TARGET_NONE;
			if (kind == TARGET_OPAQUE)
				kind = choose_target(choices, rule);
		}
		if (kind == TARGET_ACCEPT)
			return VERDICT_ACCEPT;
		if (kind == TARGET_DROP)
			return VERDICT_DROP;
		if (kind == TARGET_JUMP) {
			stack[depth].chain = chain;
			stack[depth++].rule = i;
		}
		if (kind == TARGET_JUMP || kind == TARGET_GOTO) {
			chain = table_find_chain(table, rule->target.chain);
			i = 0;
		}
		if (kind == TARGET_RETURN) {
			if (depth == 0)
				return base_chain->policy == NF_ACCEPT ? VERDICT_ACCEPT : VERDICT_DROP;
			chain = stack[--depth].chain;
			i = stack[depth].rule;
		}
	}
}

static uint32_t dice_state = 1;

static unsigned dice(unsigned sides)
{
	dice_state = dice_state * 1664525 + 1013904223;
	return (dice_state >> 16) % sides;
}

static void random_rules(struct table *table, const char *name, unsigned first_target)
{
	static const enum target_kind kinds[] = { TARGET_NONE, TARGET_ACCEPT, TARGET_DROP, TARGET_RETURN, TARGET_OPAQUE,
						  TARGET_JUMP, TARGET_JUMP,   TARGET_JUMP, TARGET_GOTO };
	unsigned n = dice(N_RULES + 1);

	for (unsigned i = 0; i < n; i++) {
		unsigned how = dice(8);
		enum target_kind kind = kinds[dice(first_target < N_CHAINS ? 9 : 5)];
		char to[8] = "";

		if (kind == TARGET_OPAQUE && dice(2))
			kind = TARGET_ACCEPT;
		if (kind == TARGET_JUMP || kind == TARGET_GOTO)
			snprintf(to, sizeof(to), "C%u", first_target + dice(N_CHAINS - first_target));
		add(table, name, how < 3 ? MAYBE : how == 3 ? NEVER : SURE, kind, *to ? to : NULL);
	}
}

static struct ruleset *random_ruleset(unsigned n_bases)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	char name[8];

	for (unsigned i = 0; i < N_CHAINS; i++) {
		snprintf(name, sizeof(name), "C%u", i);
		table_add_chain(table, name);
		random_rules(table, name, i + 1);
	}
	for (unsigned i = 0; i < n_bases; i++) {
		snprintf(name, sizeof(name), "B%u", i);
		base(table, name, i, dice(2) ? NF_ACCEPT : NF_DROP);
		random_rules(table, name, 0);
	}
	return ruleset;
}

/* The next row of choices, of which @choices->n were asked for; false behind the last. */
static bool next_row(struct choices *choices)
{
	unsigned i = choices->n;

	while (i > 0 && choices->taken[i - 1])
		choices->taken[--i] = false;
	if (i == 0)
		return false;
	choices->taken[i - 1] = true;
	choices->n = 0;
	choices->first = NULL;
	return true;
}

/* What one row gives through all base chains; they stand in the order of their priorities. */
static enum verdict interpret_all(const struct table *table, struct choices *choices)
{
	for (size_t i = 0; i < table->n_chains; i++)
		if (table->chains[i].base && interpret(table, &table->chains[i], choices) == VERDICT_DROP)
			return VERDICT_DROP;
	return VERDICT_ACCEPT;
}

/* Whether the ruleset was small enough to try every row. */
static bool compare(const struct ruleset *ruleset, unsigned count[3])
{
	const struct table *table = &ruleset->tables[0];
	struct choices choices = { .n = 0 };
	bool accept = false, drop = false, first = true, doubt_proved = false;
	enum verdict main_way = VERDICT_UNKNOWN, expected;
	const struct rule *doubt = NULL;
	struct verdict_way way;

	verdict(ruleset, &v4, NULL, NULL, &way);
	if (way.doubt && way.doubt->rule < way.doubt->chain->n_rules)
		doubt = &way.doubt->chain->rules[way.doubt->rule];
	do {
		enum verdict one = interpret_all(table, &choices);

		if (choices.overrun)
			return false;
		if (first)
			main_way = one;
		first = false;
		accept |= one == VERDICT_ACCEPT;
		drop |= one == VERDICT_DROP;
		doubt_proved |= one != main_way && choices.first == doubt;
	} while (next_row(&choices));
	expected = accept && drop ? VERDICT_UNKNOWN : accept ? VERDICT_ACCEPT : VERDICT_DROP;
	assert_string_equal(verdict_name(way.verdict), verdict_name(expected));
	count[expected]++;
	if (expected == VERDICT_UNKNOWN) {
		assert_non_null(doubt);
		assert_false(way.doubt->certain);
		assert_true(doubt_proved);
		return true;
	}
	assert_non_null(way.decides);
	assert_true(way.decides->certain);
	if (way.decides->rule == way.decides->chain->n_rules)
		assert_int_equal(way.decides->chain->policy == NF_ACCEPT, expected == VERDICT_ACCEPT);
	else
		assert_int_equal(way.decides->chain->rules[way.decides->rule].target.kind == TARGET_ACCEPT,
				 expected == VERDICT_ACCEPT);
	return true;
}

static void every_way(void **state)
{
	unsigned compared = 0, count[3] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct ruleset *ruleset = random_ruleset(1 + i % 3);

		compared += compare(ruleset, count);
		ruleset_free(ruleset);
	}
	print_message("# %u of 20000 compared: %u accept, %u drop, %u cannot tell\n", compared, count[VERDICT_ACCEPT],
		      count[VERDICT_DROP], count[VERDICT_UNKNOWN]);
	assert_true(compared > 10000);
	for (unsigned i = 0; i < 3; i++)
		assert_true(count[i] > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth),
		cmocka_unit_test(visits),
		cmocka_unit_test(truncation),
		cmocka_unit_test(every_way),
	};

	return cmocka_run_group_tests_name("ways", tests, NULL, NULL);
}
