/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h> /* after netinet/in.h, or its linux/in.h collides */

#include "rules/ruleset.h"

static void port_rule(struct rule *rule, uint16_t port, bool proto_first)
{
	struct match *match;

	memset(rule, 0, sizeof(*rule));
	if (proto_first)
		rule_add_match(rule, MATCH_PROTO)->u.proto = IPPROTO_TCP;
	match = rule_add_match(rule, MATCH_TCP);
	match->u.ports.dport.lo = match->u.ports.dport.hi = port;
	if (!proto_first)
		rule_add_match(rule, MATCH_PROTO)->u.proto = IPPROTO_TCP;
	assert_int_equal(rule_set_target(rule, TARGET_ACCEPT, NULL), 0);
}

static void equal_rules(void **state)
{
	struct rule a, b, copy;

	(void)state;
	port_rule(&a, 22, true);
	port_rule(&b, 22, false);
	a.packets = 7;
	a.handle = 9;
	assert_true(rule_equal(&a, &b));
	b.matches[0].u.ports.dport.hi = 23;
	assert_false(rule_equal(&a, &b));
	assert_int_equal(rule_copy(&copy, &a), 0);
	assert_true(rule_equal(&a, &copy));
	copy.target.kind = TARGET_DROP;
	assert_false(rule_equal(&a, &copy));
	rule_clear(&copy);
	rule_clear(&a);
	rule_clear(&b);
}

static void texts_count(void **state)
{
	struct rule a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(match_set_text(rule_add_match(&a, MATCH_COMMENT), "one"), 0);
	assert_int_equal(match_set_text(rule_add_match(&b, MATCH_COMMENT), "two"), 0);
	assert_false(rule_equal(&a, &b));
	rule_clear(&a);
	rule_clear(&b);
}

static void finding(void **state)
{
	struct ruleset *ruleset = ruleset_new();
	struct table *table = ruleset_add_table(ruleset, NFPROTO_IPV4, "filter");

	(void)state;
	assert_ptr_equal(table, ruleset_add_table(ruleset, NFPROTO_IPV4, "filter"));
	assert_null(ruleset_find_table(ruleset, NFPROTO_IPV6, "filter"));
	assert_ptr_equal(table_add_chain(table, "A"), table_add_chain(table, "A"));
	assert_null(table_find_chain(table, "B"));
	assert_null(table_find_chain(NULL, "B"));
	for (int i = 0; i < 100; i++)
		chain_add_rule(table_find_chain(table, "A"))->handle = i;
	assert_int_equal(table_find_chain(table, "A")->n_rules, 100);
	assert_int_equal(table_find_chain(table, "A")->rules[63].handle, 63);
	ruleset_free(ruleset);
	ruleset_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_rules),
		cmocka_unit_test(texts_count),
		cmocka_unit_test(finding),
	};

	return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
