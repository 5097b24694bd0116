/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What compile() makes of a policy, asked of verdict() packet by packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "tests/unit/probes.h"

/* A change that nobody notices shows a line without a test. What the probes say of @ruleset, as one value. */
struct answers {
	enum verdict is[N_PROBES];
};

static struct answers ask_all(const struct ruleset *ruleset, uint8_t family, bool trial)
{
	struct answers answers;

	memset(&answers, 0, sizeof(answers));
	for (size_t i = 0; i < N_PROBES; i++) {
		struct probe probe = probe_at(i);

		if (!probe.family || probe.family == family)
			answers.is[i] = ask(ruleset, &probe, family, trial);
	}
	return answers;
}

static bool answers_equal(const struct answers *a, const struct answers *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static const uint8_t families[] = { AF_INET, AF_INET6 };

static struct ruleset *compiled(const struct policy *confirmed, const struct policy *candidate, uint8_t policy)
{
	struct wish wish = { confirmed, candidate, policy };
	struct ruleset *ruleset;

	assert_int_equal(compile(&wish, &ruleset), 0);
	return ruleset;
}

static void every_probe(void **state)
{
	static const uint8_t policies[] = { NF_DROP, NF_ACCEPT, POLICY_KEEP }; /* our chains do not lean on it */
	struct policy policy = full_policy();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct ruleset *ruleset = compiled(&policy, NULL, policies[i]);

		for (size_t j = 0; j < 2 * N_PROBES; j++) {
			struct probe probe = probe_at(j / 2);
			enum verdict is;

			if (probe.family && probe.family != families[j % 2])
				continue;
			is = ask(ruleset, &probe, families[j % 2], false);
			if (is != probe.expected)
				fail_msg("%s (%s): %s", probe.name, j % 2 ? "IPv6" : "IPv4", verdict_name(is));
		}
		ruleset_free(ruleset);
	}
}

/* What a list opens is open to its members only. */
static void strangers(void **state)
{
	struct policy policy = full_policy();
	struct ruleset *ruleset = compiled(&policy, NULL, NF_DROP);

	(void)state;
	for (size_t i = 0; i < 2 * N_PROBES; i++) {
		struct probe probe = probe_at(i / 2);

		if (probe.list == STRANGER || (probe.family && probe.family != families[i % 2]))
			continue;
		probe.list = STRANGER;
		if (ask(ruleset, &probe, families[i % 2], false) != VERDICT_DROP)
			fail_msg("%s: for strangers too", probe.name);
	}
	ruleset_free(ruleset);
}

/* Each rule taken out in turn: some packet that only it let in is now dropped, or the other way round. */
static void no_line_untested(void **state)
{
	static const char *const chains[] = { CHAIN_INPUT, CHAIN_FORWARD };
	struct policy policy = full_policy();
	struct ruleset *ruleset = compiled(&policy, NULL, NF_ACCEPT);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct chain *chain = table_find_chain(ruleset_find_table(ruleset, families[i % 2], "filter"), chains[i / 2]);
		struct answers before = ask_all(ruleset, families[i % 2], false);

		for (size_t j = 0; j < chain->n_rules; j++) {
			struct rule out = chain->rules[j], *place = &chain->rules[j];
			struct answers after;
			size_t behind = (--chain->n_rules - j) * sizeof(out), changed = 0;

			memmove(place, place + 1, behind);
			after = ask_all(ruleset, families[i % 2], false);
			memmove(place + 1, place, behind);
			*place = out;
			chain->n_rules++;
			for (size_t k = 0; k < N_PROBES; k++) {
				if (after.is[k] == before.is[k])
					continue;
				changed++;
				assert_int_equal(after.is[k], out.target.kind == TARGET_ACCEPT ? VERDICT_DROP : VERDICT_ACCEPT);
			}
			if (changed == 0)
				fail_msg("%s, IPv%d: nobody notices that rule %zu is gone", chains[i / 2], i % 2 ? 6 : 4, j);
		}
	}
	ruleset_free(ruleset);
}

/* Swaps two rules; whether any probe notices, in the trial or out of it. */
static bool swap_noticed(struct ruleset *ruleset, uint8_t family, struct rule *a, struct rule *b)
{
	bool noticed = false;

	for (int trial = 0; trial < 2 && !noticed; trial++) {
		struct answers before = ask_all(ruleset, family, trial), after;
		struct rule rule = *a;

		*a = *b;
		*b = rule;
		after = ask_all(ruleset, family, trial);
		*b = *a;
		*a = rule;
		noticed = !answers_equal(&before, &after);
	}
	return noticed;
}

static void order_matters(void **state)
{
	static const char *const names[] = { CHAIN_INPUT, CHAIN_FORWARD, CHAIN_TRIAL_INPUT, CHAIN_TRIAL_FORWARD };
	struct policy policy = full_policy(), narrow = narrow_policy();
	size_t pairs = 0, equivalent = 0;

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		uint8_t family = families[i % 2];
		bool other_way = i / 2 % 2; /* the narrow one is confirmed, the full one on trial */
		struct ruleset *ruleset = compiled(other_way ? &narrow : &policy, other_way ? &policy : &narrow, NF_ACCEPT);
		struct chain *chain = table_find_chain(ruleset_find_table(ruleset, family, "filter"), names[i / 4]);

		for (size_t a = 0; a < chain->n_rules; a++)
			for (size_t b = a + 1; b < chain->n_rules; b++) {
				struct rule *rules = chain->rules;

				if (rules[a].target.kind == rules[b].target.kind)
					continue;
				pairs++;
				if (swap_noticed(ruleset, family, &rules[a], &rules[b]))
					continue;
				print_message("# %s, IPv%d, trial %s: rules %zu and %zu can be swapped\n", names[i / 4],
					      family == AF_INET ? 4 : 6, other_way ? "wide" : "narrow", a, b);
				equivalent++;
				/* Equivalent: accepts with which every body begins may stand before the gate, for the trial
				 * accepts that too; where the trial is the wider one, also the accept that follows them, in
				 * IPv6's INPUT both: path MTU and redirects. */
				assert_int_equal(rules[a].target.kind, TARGET_GOTO);
				assert_int_equal(rules[b].target.kind, TARGET_ACCEPT);
				assert_true(b <= (i / 4 % 2 ? 3u : 4u) + (other_way ? 1u + (i / 4 == 0 && family == AF_INET6) : 0u));
			}
		ruleset_free(ruleset);
	}
	print_message("# %zu pairs, %zu equivalent\n", pairs, equivalent);
	assert_true(pairs > 200);
}

static void the_gate(void **state)
{
	struct policy policies[] = { full_policy(), narrow_policy() };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct policy *confirmed = &policies[i / 2], *candidate = &policies[1 - i / 2];
		uint8_t family = families[i % 2];
		struct ruleset *both = compiled(confirmed, candidate, NF_DROP), *first = compiled(NULL, candidate, NF_ACCEPT),
			       *old = compiled(confirmed, NULL, NF_DROP), *new = compiled(candidate, NULL, NF_DROP);
		struct answers by_old = ask_all(old, family, false), by_new = ask_all(new, family, false), is;
		size_t opened = 0, closed = 0;

		for (size_t j = 0; j < N_PROBES; j++) {
			opened += by_old.is[j] == VERDICT_DROP && by_new.is[j] == VERDICT_ACCEPT;
			closed += by_old.is[j] == VERDICT_ACCEPT && by_new.is[j] == VERDICT_DROP;
		}
		assert_true(opened > 0 && closed > 0);
		is = ask_all(both, family, false);
		assert_true(answers_equal(&is, &by_old));
		is = ask_all(both, family, true);
		assert_true(answers_equal(&is, &by_new));
		is = ask_all(first, family, true);
		assert_true(answers_equal(&is, &by_new));
		for (size_t j = 0; j < N_PROBES; j++) { /* nothing confirmed: the policy stands, whatever it is */
			struct probe probe = probe_at(j);

			assert_int_equal(ask(first, &probe, family, false), VERDICT_ACCEPT);
		}
		ruleset_free(both);
		ruleset_free(first);
		ruleset_free(old);
		ruleset_free(new);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_probe),
		cmocka_unit_test(strangers),
		cmocka_unit_test(no_line_untested),
		cmocka_unit_test(order_matters),
		cmocka_unit_test(the_gate),
	};

	return cmocka_run_group_tests_name("baseline", tests, NULL, NULL);
}
