/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
static const struct packet v6 = { .hook = NF_INET_LOCAL_IN, .src = { AF_INET6 }, .dst = { AF_INET6 },
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

/* The verdict for an IPv4 packet, and the step that decides or makes the doubt. */
static void expect(const struct ruleset *ruleset, enum verdict expected, const char *chain, size_t rule)
{
	struct verdict_way way;

	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_string_equal(verdict_name(way.verdict), verdict_name(expected));
	if (expected == VERDICT_UNKNOWN) {
		expect_step(&way, way.doubt, chain, rule);
		assert_false(way.doubt->certain);
		assert_null(way.decides);
	} else {
		expect_step(&way, way.decides, chain, rule);
		assert_true(way.decides->certain);
		assert_null(way.doubt);
	}
	assert_false(way.truncated);
}

/* One rule a line: CHAIN HOW TARGET [TO]; IN is the base chain with the policy given. */
struct line {
	const char *chain;
	enum how how;
	enum target_kind kind;
	const char *to;
};

struct story {
	const char *name;
	uint8_t policy;
	struct line lines[8];
	enum verdict expected;
	const char *chain; /* the step that decides, or makes the doubt */
	size_t rule;
};

static const struct story stories[] = {
	{ "policy accept", NF_ACCEPT, { { 0 } }, VERDICT_ACCEPT, "IN", 0 },
	{ "policy drop", NF_DROP, { { "IN", NEVER, TARGET_ACCEPT } }, VERDICT_DROP, "IN", 1 },
	{ "policy kept", POLICY_KEEP, { { "IN", NEVER, TARGET_ACCEPT } }, VERDICT_UNKNOWN, "IN", 1 },
	{ "first match", NF_DROP, { { "IN", SURE, TARGET_ACCEPT }, { "IN", SURE, TARGET_DROP } }, VERDICT_ACCEPT, "IN", 0 },
	{ "reject", NF_ACCEPT, { { "IN", SURE, TARGET_REJECT } }, VERDICT_DROP, "IN", 0 },
	{ "counting and logging go on", NF_DROP,
	  { { "IN", SURE, TARGET_NONE }, { "IN", SURE, TARGET_LOG }, { "IN", MAYBE, TARGET_NFLOG },
	    { "IN", SURE, TARGET_ACCEPT } },
	  VERDICT_ACCEPT, "IN", 3 },
	{ "return from the base chain", NF_DROP, { { "IN", SURE, TARGET_RETURN }, { "IN", SURE, TARGET_ACCEPT } },
	  VERDICT_DROP, "IN", 2 },
	{ "jump", NF_DROP, { { "IN", SURE, TARGET_JUMP, "A" }, { "A", SURE, TARGET_ACCEPT } }, VERDICT_ACCEPT, "A", 0 },
	{ "jump, come back", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", NEVER, TARGET_DROP } },
	  VERDICT_ACCEPT, "IN", 1 },
	{ "jump, return", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", SURE, TARGET_RETURN },
	    { "A", SURE, TARGET_DROP } },
	  VERDICT_ACCEPT, "IN", 1 },
	{ "goto, fall through: the policy", NF_DROP,
	  { { "IN", SURE, TARGET_GOTO, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", NEVER, TARGET_DROP } },
	  VERDICT_DROP, "IN", 2 },
	{ "goto, return: the policy", NF_DROP,
	  { { "IN", SURE, TARGET_GOTO, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", SURE, TARGET_RETURN } },
	  VERDICT_DROP, "IN", 2 },
	{ "goto in a chain: behind its caller", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", SURE, TARGET_GOTO, "B" },
	    { "A", SURE, TARGET_DROP }, { "B", NEVER, TARGET_DROP } },
	  VERDICT_ACCEPT, "IN", 1 },
	{ "goto decides", NF_ACCEPT, { { "IN", SURE, TARGET_GOTO, "A" }, { "A", SURE, TARGET_DROP } }, VERDICT_DROP, "A", 0 },
	{ "doubtful goto", NF_DROP,
	  { { "IN", MAYBE, TARGET_GOTO, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", NEVER, TARGET_DROP } },
	  VERDICT_UNKNOWN, "IN", 0 },
	{ "doubtful goto, the same behind", NF_ACCEPT,
	  { { "IN", MAYBE, TARGET_GOTO, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", NEVER, TARGET_DROP } },
	  VERDICT_ACCEPT, "IN", 1 },
	{ "doubt", NF_DROP, { { "IN", MAYBE, TARGET_ACCEPT } }, VERDICT_UNKNOWN, "IN", 0 },
	{ "doubt, the other way", NF_ACCEPT, { { "IN", MAYBE, TARGET_DROP } }, VERDICT_UNKNOWN, "IN", 0 },
	{ "doubt without effect", NF_ACCEPT, { { "IN", MAYBE, TARGET_ACCEPT } }, VERDICT_ACCEPT, "IN", 1 },
	{ "both ways drop", NF_ACCEPT, { { "IN", MAYBE, TARGET_DROP }, { "IN", SURE, TARGET_REJECT } }, VERDICT_DROP,
	  "IN", 1 },
	{ "the doubt that changes something is named", NF_DROP,
	  { { "IN", MAYBE, TARGET_DROP }, { "IN", MAYBE, TARGET_ACCEPT }, { "IN", MAYBE, TARGET_ACCEPT } },
	  VERDICT_UNKNOWN, "IN", 1 },
	{ "a doubt behind a certain end is none", NF_DROP,
	  { { "IN", SURE, TARGET_ACCEPT }, { "IN", MAYBE, TARGET_DROP } }, VERDICT_ACCEPT, "IN", 0 },
	{ "doubt in a chain", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "A", SURE, TARGET_JUMP, "B" }, { "B", NEVER, TARGET_ACCEPT },
	    { "B", MAYBE, TARGET_ACCEPT } },
	  VERDICT_UNKNOWN, "B", 1 },
	{ "doubtful jump into certainty", NF_DROP, { { "IN", MAYBE, TARGET_JUMP, "A" }, { "A", SURE, TARGET_ACCEPT } },
	  VERDICT_UNKNOWN, "IN", 0 },
	{ "doubtful jump into nothing", NF_DROP,
	  { { "IN", MAYBE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", NEVER, TARGET_DROP } },
	  VERDICT_ACCEPT, "IN", 1 },
	{ "doubtful return", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", MAYBE, TARGET_RETURN },
	    { "A", SURE, TARGET_DROP } },
	  VERDICT_UNKNOWN, "A", 0 },
	{ "doubtful return, met again", NF_DROP,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "IN", SURE, TARGET_ACCEPT }, { "A", MAYBE, TARGET_RETURN },
	    { "A", SURE, TARGET_ACCEPT } },
	  VERDICT_ACCEPT, "A", 1 },
	{ "the first of two doubts", NF_ACCEPT,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "A", MAYBE, TARGET_RETURN }, { "A", MAYBE, TARGET_ACCEPT },
	    { "A", SURE, TARGET_DROP } },
	  VERDICT_UNKNOWN, "A", 0 },
	{ "opaque target", NF_DROP, { { "IN", SURE, TARGET_OPAQUE } }, VERDICT_UNKNOWN, "IN", 0 },
	{ "opaque target, the same behind", NF_DROP, { { "IN", SURE, TARGET_OPAQUE }, { "IN", SURE, TARGET_ACCEPT } },
	  VERDICT_UNKNOWN, "IN", 0 },
	{ "opaque target may return", NF_ACCEPT,
	  { { "IN", SURE, TARGET_JUMP, "A" }, { "A", SURE, TARGET_OPAQUE }, { "A", SURE, TARGET_DROP } },
	  VERDICT_UNKNOWN, "A", 0 },
	{ "opaque target that is not reached", NF_ACCEPT, { { "IN", NEVER, TARGET_OPAQUE } }, VERDICT_ACCEPT, "IN", 1 },
	{ "no such chain", NF_DROP, { { "IN", SURE, TARGET_JUMP, "A" } }, VERDICT_UNKNOWN, "IN", 0 },
	{ "a loop", NF_DROP, { { "IN", SURE, TARGET_JUMP, "A" }, { "A", SURE, TARGET_JUMP, "A" } }, VERDICT_UNKNOWN, "A", 0 },
	{ "a loop of goto", NF_DROP, { { "IN", SURE, TARGET_GOTO, "A" }, { "A", SURE, TARGET_GOTO, "A" } },
	  VERDICT_UNKNOWN, "A", 0 },
};

static void short_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *story = &stories[i];
		struct ruleset *ruleset = ruleset_new();
		struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");

		print_message("# %s\n", story->name); /* a failed one is the last that is told */
		base(table, "IN", 0, story->policy);
		for (size_t j = 0; story->lines[j].chain; j++) {
			const struct line *line = &story->lines[j];

			if (line->to && strcmp(story->name, "no such chain") != 0)
				table_add_chain(table, line->to);
			add(table, line->chain, line->how, line->kind, line->to);
		}
		expect(ruleset, story->expected, story->chain, story->rule);
		ruleset_free(ruleset);
	}
}

static void the_way(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	struct verdict_way way;

	(void)state;
	base(table, "IN", 0, NF_DROP);
	add(table, "A", NEVER, TARGET_DROP, NULL);
	add(table, "B", MAYBE, TARGET_ACCEPT, NULL);
	add(table, "C", MAYBE, TARGET_RETURN, NULL);
	add(table, "C", SURE, TARGET_ACCEPT, NULL);
	add(table, "IN", SURE, TARGET_JUMP, "A"); /* comes back unharmed: not told */
	add(table, "IN", SURE, TARGET_NFLOG, NULL);
	add(table, "IN", MAYBE, TARGET_JUMP, "B");
	add(table, "IN", SURE, TARGET_JUMP, "C");
	add(table, "IN", SURE, TARGET_ACCEPT, NULL);
	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_ACCEPT);
	assert_int_equal(way.n_steps, 6);
	expect_step(&way, &way.steps[0], "IN", 2);
	assert_false(way.steps[0].certain);
	expect_step(&way, &way.steps[1], "B", 0);
	assert_false(way.steps[1].certain);
	expect_step(&way, &way.steps[2], "IN", 3);
	assert_true(way.steps[2].certain);
	expect_step(&way, &way.steps[3], "C", 0);
	assert_false(way.steps[3].certain);
	expect_step(&way, &way.steps[4], "C", 1);
	assert_true(way.steps[4].certain);
	expect_step(&way, &way.steps[5], "IN", 4);
	assert_false(way.steps[5].certain); /* reached only if C returned */
	assert_ptr_equal(way.decides, &way.steps[4]);
	assert_ptr_equal(way.steps[0].table, table);
	ruleset_free(ruleset);
}

static void many_base_chains(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *filter = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	struct verdict_way way;
	struct chain *chain;

	(void)state;
	verdict(ruleset, &v4, NULL, NULL, &way); /* nobody has an opinion */
	assert_int_equal(way.verdict, VERDICT_ACCEPT);
	assert_null(way.decides);
	assert_int_equal(way.n_steps, 0);

	base(filter, "LATE", 0, NF_ACCEPT);
	add(filter, "LATE", SURE, TARGET_ACCEPT, NULL);
	base(filter, "EARLY", -150, NF_ACCEPT);
	expect(ruleset, VERDICT_ACCEPT, "LATE", 0);
	add(filter, "EARLY", SURE, TARGET_ACCEPT, NULL);
	base(filter, "LAST", 10, NF_ACCEPT);
	expect(ruleset, VERDICT_ACCEPT, "LATE", 0); /* the last by a rule, though LAST accepts too */
	base(filter, "LAST", 10, NF_DROP);
	expect(ruleset, VERDICT_DROP, "LAST", 0); /* an accept ends one chain only */

	/* a doubt before a certain drop is none; before an accept it is */
	base(filter, "EARLY2", -10, NF_ACCEPT);
	add(filter, "EARLY2", MAYBE, TARGET_DROP, NULL);
	expect(ruleset, VERDICT_DROP, "LAST", 0);
	base(filter, "LAST", 10, NF_ACCEPT);
	expect(ruleset, VERDICT_UNKNOWN, "EARLY2", 0);
	/* where the main way drops, what could save the packet is named */
	base(filter, "LAST", 10, NF_DROP);
	add(filter, "LAST", MAYBE, TARGET_ACCEPT, NULL);
	expect(ruleset, VERDICT_UNKNOWN, "LAST", 0);
	base(filter, "BEHIND", 20, NF_ACCEPT);
	add(filter, "BEHIND", MAYBE, TARGET_DROP, NULL);
	expect(ruleset, VERDICT_UNKNOWN, "LAST", 0);
	/* a drop is final: what comes later is not on the way */
	chain = base(filter, "FIRST", -500, NF_DROP);
	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.n_steps, 1);
	expect(ruleset, VERDICT_DROP, "FIRST", 0);
	/* neither of another hook, nor nat, nor no base chain at all */
	chain->hook = NF_INET_FORWARD;
	expect(ruleset, VERDICT_UNKNOWN, "LAST", 0);
	chain->hook = NF_INET_LOCAL_IN;
	chain->filter = false;
	expect(ruleset, VERDICT_UNKNOWN, "LAST", 0);
	chain->filter = true;
	chain->base = false;
	expect(ruleset, VERDICT_UNKNOWN, "LAST", 0);
	chain->base = true;
	expect(ruleset, VERDICT_DROP, "FIRST", 0);
	ruleset_free(ruleset);
}

static void equal_priorities(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *filter = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	struct verdict_way way;

	(void)state;
	base(filter, "A", 0, NF_ACCEPT);
	base(filter, "B", 0, NF_ACCEPT);
	base(filter, "C", -1, NF_ACCEPT);
	base(ruleset_add_table(ruleset, NFPROTO_IPV4, "other"), "D", 0, NF_ACCEPT);
	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.n_steps, 4); /* each once */
	expect_step(&way, &way.steps[0], "C", 0);
	expect_step(&way, &way.steps[1], "A", 0);
	expect_step(&way, &way.steps[2], "B", 0);
	expect_step(&way, &way.steps[3], "D", 0);
	ruleset_free(ruleset);
}

static void families(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct verdict_way way;
	struct table *table;
	struct match *match;

	(void)state;
	table = ruleset_add_table(ruleset, NFPROTO_IPV6, "filter");
	base(table, "SIX", 0, NF_DROP);
	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_ACCEPT);
	verdict(ruleset, &v6, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_DROP);

	table = ruleset_add_table(ruleset, NFPROTO_INET, "fw");
	base(table, "BOTH", -5, NF_ACCEPT);
	add(table, "BOTH", SURE, TARGET_DROP, NULL);
	match = rule_add_match(&table_find_chain(table, "BOTH")->rules[0], MATCH_SRC); /* meta nfproto ipv4 */
	match->u.net.addr.family = AF_INET;
	verdict(ruleset, &v4, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_DROP);
	expect_step(&way, way.decides, "BOTH", 0);
	verdict(ruleset, &v6, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_DROP);
	expect_step(&way, way.decides, "SIX", 0);
	/* a chain of that name in another table is not meant */
	table_add_chain(ruleset_add_table(ruleset, NFPROTO_IPV4, "filter"), "ELSEWHERE");
	table = ruleset_find_table(ruleset, NFPROTO_IPV6, "filter");
	add(table, "SIX", SURE, TARGET_JUMP, "ELSEWHERE");
	verdict(ruleset, &v6, NULL, NULL, &way);
	assert_int_equal(way.verdict, VERDICT_UNKNOWN);
	ruleset_free(ruleset);
}

static int lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	assert_ptr_equal(packet, &v4);
	assert_int_equal(dim, 1);
	assert_int_equal(src, 1);
	return strcmp(set, user) == 0;
}

static void lookups(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");
	struct verdict_way way;
	struct match *match;

	(void)state;
	base(table, "IN", 0, NF_DROP);
	add(table, "IN", SURE, TARGET_ACCEPT, NULL);
	match = rule_add_match(&table_find_chain(table, "IN")->rules[0], MATCH_SET);
	strcpy(match->u.set.name, "friends");
	match->u.set.dim = match->u.set.src = 1;
	verdict(ruleset, &v4, lookup, "friends", &way);
	assert_int_equal(way.verdict, VERDICT_ACCEPT);
	verdict(ruleset, &v4, lookup, "foes", &way);
	assert_int_equal(way.verdict, VERDICT_DROP);
	expect(ruleset, VERDICT_UNKNOWN, "IN", 0);
	ruleset_free(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_stories),    cmocka_unit_test(the_way),  cmocka_unit_test(many_base_chains),
		cmocka_unit_test(equal_priorities), cmocka_unit_test(families), cmocka_unit_test(lookups),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
