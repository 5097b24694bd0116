/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shape of what compile() makes; what it does with packets is in baseline.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "tests/unit/probes.h"

static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

/* Wrapped by the linker. Memory ends after so many allocations; 0: never. */
static unsigned memory_left;

void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);

static bool memory_ends(void)
{
	return memory_left > 0 && --memory_left == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return memory_ends() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return memory_ends() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *text)
{
	return memory_ends() ? NULL : __real_strdup(text);
}

static struct ruleset *compiled(const struct policy *confirmed, const struct policy *candidate, uint8_t policy)
{
	struct wish wish = { confirmed, candidate, policy };
	struct ruleset *ruleset;

	assert_int_equal(compile(&wish, &ruleset), 0);
	assert_int_equal(ruleset->n_tables, 2);
	return ruleset;
}

static struct chain *chain_of(const struct ruleset *ruleset, uint8_t family, const char *name)
{
	return table_find_chain(ruleset_find_table(ruleset, family, "filter"), name);
}

static void base_chains(void **state)
{
	struct policy policy = full_policy();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint8_t wanted = i < 2 ? NF_DROP : POLICY_KEEP;
		struct ruleset *ruleset = compiled(&policy, i % 2 ? &policy : NULL, wanted);

		for (size_t j = 0; j < 4; j++) {
			struct chain *chain = chain_of(ruleset, families[j % 2], j / 2 ? "FORWARD" : "INPUT");

			assert_true(chain->base && chain->filter);
			assert_int_equal(chain->hook, j / 2 ? NF_INET_FORWARD : NF_INET_LOCAL_IN);
			assert_int_equal(chain->priority, 0);
			assert_int_equal(chain->policy, wanted);
			assert_int_equal(chain->n_rules, 1);
			assert_true(rule_is_our_jump(&chain->rules[0]));
			assert_string_equal(chain->rules[0].target.chain, j / 2 ? CHAIN_FORWARD : CHAIN_INPUT);
			assert_int_equal(ruleset_find_table(ruleset, families[j % 2], "filter")->n_chains, i % 2 ? 6 : 4);
		}
		ruleset_free(ruleset);
	}
}

static void expect_gate(const struct rule *rule, const char *trial)
{
	assert_int_equal(rule->target.kind, TARGET_GOTO);
	assert_string_equal(rule->target.chain, trial);
	assert_int_equal(rule->n_matches, 1);
	assert_int_equal(rule->matches[0].kind, MATCH_SET);
	assert_string_equal(rule->matches[0].u.set.name, SET_GATE);
	assert_int_equal(rule->matches[0].u.set.dim, 1);
	assert_int_equal(rule->matches[0].u.set.src, 1);
}

static void expect_same(const struct chain *a, const struct rule *b, size_t n)
{
	assert_int_equal(a->n_rules, n);
	for (size_t i = 0; i < n; i++)
		assert_true(rule_equal(&a->rules[i], &b[i]));
	assert_int_equal(b[n - 1].target.kind, TARGET_DROP);
	assert_int_equal(b[n - 1].n_matches, 0);
}

/* With a trial the confirmed body stands behind the gate, and the candidate's in chains of its own; as they would
 * alone. */
static void bodies(void **state)
{
	static const char *const names[] = { CHAIN_INPUT, CHAIN_FORWARD },
			*const trials[] = { CHAIN_TRIAL_INPUT, CHAIN_TRIAL_FORWARD };
	struct policy policy = full_policy(), narrow = narrow_policy();
	struct ruleset *wide = compiled(&policy, NULL, NF_DROP), *small = compiled(&narrow, NULL, NF_DROP),
		       *both = compiled(&policy, &narrow, NF_DROP), *first = compiled(NULL, &narrow, NF_DROP),
		       *none = compiled(NULL, NULL, NF_DROP);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint8_t family = families[i % 2];
		const char *name = names[i / 2], *trial = trials[i / 2];
		struct chain *chain = chain_of(both, family, name);

		expect_gate(&chain->rules[0], trial);
		expect_same(chain_of(wide, family, name), chain->rules + 1, chain->n_rules - 1);
		chain = chain_of(both, family, trial);
		expect_same(chain_of(small, family, name), chain->rules, chain->n_rules);
		chain = chain_of(first, family, name);
		assert_int_equal(chain->n_rules, 1);
		expect_gate(&chain->rules[0], trial);
		chain = chain_of(first, family, trial);
		expect_same(chain_of(small, family, name), chain->rules, chain->n_rules);
		assert_null(chain_of(none, family, name)); /* off: no chain of ours, and no jump */
		assert_null(chain_of(wide, family, trial));
	}
	ruleset_free(wide);
	ruleset_free(small);
	ruleset_free(both);
	ruleset_free(first);
	ruleset_free(none);
}

static void expect_no_host_bits(const struct match *match)
{
	for (size_t i = 0; i < sizeof(match->u.net.mask); i++)
		assert_int_equal(match->u.net.addr.bytes[i] & ~match->u.net.mask[i], 0);
}

/* What iptables reads back: the protocol before the match that leans on it, a set last, and no more slots than there
 * are. */
static void every_rule(void **state)
{
	struct policy policy = full_policy();
	struct ruleset *ruleset = compiled(&policy, &policy, NF_DROP);
	size_t full = 0, spans = 0;

	(void)state;
	for (size_t t = 0; t < 2; t++)
		for (size_t c = 0; c < ruleset->tables[t].n_chains; c++) {
			const struct chain *chain = &ruleset->tables[t].chains[c];

			assert_true(strlen(chain->name) <= CHAIN_NAME_MAX);
			assert_true(chain->base != chain_is_ours(chain->name));
			for (size_t r = 0; r < chain->n_rules; r++) {
				const struct rule *rule = &chain->rules[r];
				const struct match *multiport = rule_find_match(rule, MATCH_MULTIPORT);
				unsigned proto = 0, slots = 0;

				for (size_t m = 0; m < rule->n_matches; m++) {
					const struct match *match = &rule->matches[m];

					if (match->kind == MATCH_PROTO)
						proto = match->u.proto;
					if (match->kind == MATCH_TCP)
						assert_int_equal(proto, IPPROTO_TCP);
					if (match->kind == MATCH_UDP)
						assert_int_equal(proto, IPPROTO_UDP);
					if (match->kind == MATCH_ICMP)
						assert_int_equal(proto, IPPROTO_ICMP);
					if (match->kind == MATCH_ICMP6)
						assert_int_equal(proto, IPPROTO_ICMPV6);
					if (match->kind == MATCH_MULTIPORT)
						assert_true(proto == IPPROTO_TCP || proto == IPPROTO_UDP);
					if (match->kind == MATCH_SET)
						assert_int_equal(m, rule->n_matches - 1);
					if (match->kind == MATCH_SRC || match->kind == MATCH_DST)
						expect_no_host_bits(match);
					assert_false(match->inverted);
				}
				for (size_t s = 0; multiport && s < multiport->u.multiport.n; s++)
					slots += multiport->u.multiport.spans[s].lo == multiport->u.multiport.spans[s].hi ? 1 : 2;
				assert_true(!multiport || (multiport->u.multiport.n > 1 && slots <= MULTIPORT_MAX));
				full += slots == MULTIPORT_MAX;
				spans += multiport ? multiport->u.multiport.n : 0;
			}
		}
	/* of each of four: TCP of "web", and TCP of "many", where one rule is full */
	assert_int_equal(full, 4);
	assert_int_equal(spans, 4 * (2 + 15));
	ruleset_free(ruleset);
}

static void what_is_ours(void **state)
{
	struct rule rule = { 0 };

	(void)state;
	assert_true(chain_is_ours("FWD-INPUT"));
	assert_true(chain_is_ours("FWD-"));
	assert_false(chain_is_ours("FWD"));
	assert_false(chain_is_ours("FWDX"));
	assert_false(chain_is_ours("fwd-input"));
	assert_false(chain_is_ours("INPUT"));
	assert_false(rule_is_our_jump(&rule));
	assert_int_equal(rule_set_target(&rule, TARGET_JUMP, CHAIN_INPUT), 0);
	assert_true(rule_is_our_jump(&rule));
	assert_int_equal(rule_set_target(&rule, TARGET_GOTO, CHAIN_INPUT), 0);
	assert_false(rule_is_our_jump(&rule));
	assert_int_equal(rule_set_target(&rule, TARGET_JUMP, CHAIN_TRIAL_INPUT), 0);
	assert_false(rule_is_our_jump(&rule));
	assert_int_equal(rule_set_target(&rule, TARGET_JUMP, CHAIN_FORWARD), 0);
	assert_true(rule_is_our_jump(&rule));
	rule_add_match(&rule, MATCH_PROTO)->u.proto = IPPROTO_TCP;
	assert_false(rule_is_our_jump(&rule));
	rule_clear(&rule);
}

/* Every allocation fails once. */
static void out_of_memory(void **state)
{
	struct policy policy = full_policy(), narrow = narrow_policy();
	struct wish wish = { &policy, &narrow, NF_DROP };
	struct ruleset *ruleset = NULL;
	unsigned n = 0, left;
	int r;

	(void)state;
	do {
		memory_left = ++n;
		r = compile(&wish, &ruleset);
		left = memory_left;
		memory_left = 0;
		assert_int_equal(r < 0, left == 0); /* none goes unnoticed */
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_null(ruleset);
		}
	} while (r < 0);
	assert_true(n > 300);
	ruleset_free(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_chains),  cmocka_unit_test(bodies),        cmocka_unit_test(every_rule),
		cmocka_unit_test(what_is_ours), cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
