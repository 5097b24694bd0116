/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savefile.h"
#include "tests/unit/savetext.h"

static void refused_files(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} files[] = {
		{ "*filter\n:INPUT DROP [0:0]\n", 2 },     { "-A INPUT -j DROP\n*filter\nCOMMIT\n", 1 },
		{ "*filter\r\nCOMMIT\r\n", 1 },
		{ "*foo\nCOMMIT\n", 1 },
		{ "*\nCOMMIT\n", 1 },
		{ "COMMIT\n", 1 },
		{ "*filter\nCOMMIT\nhello\n", 3 },
		{ "# x\n\n*filter\n-A T -j DROP\n:T - [0:0]\nCOMMIT\n", 4 },
		{ "\t*filter\nCOMMIT\n", 1 },
		{ "{ \"nftables\": [] }\n", 1 },
	};
	char *merged = NULL;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct ruleset *ruleset = ruleset_new();
		struct diag diag = { 0 };

		ruleset_add_table(ruleset, NFPROTO_IPV4, "raw");
		assert_int_equal(savefile_parse(files[i].text, strlen(files[i].text), NFPROTO_IPV4, ruleset, &diag), -EINVAL);
		assert_int_equal(diag.line, files[i].line);
		assert_int_equal(ruleset->n_tables, 1);
		diag_clear(&diag);
		assert_int_equal(savefile_merge(files[i].text, strlen(files[i].text), NFPROTO_IPV4, ruleset, NULL, &merged,
						&diag), -EINVAL);
		assert_int_equal(diag.line, files[i].line);
		assert_null(merged);
		ruleset_free(ruleset);
	}
	assert_int_equal(savefile_parse("*filter\n-A INPUT -i \0 -j DROP\nCOMMIT\n", 37, NFPROTO_IPV4, NULL, NULL), -EINVAL);
}

static void chains(void **state)
{
	static const struct {
		const char *table, *chain;
		uint8_t hook;
		int priority;
		bool filter;
	} bases[] = {
		{ "filter", "INPUT", NF_INET_LOCAL_IN, 0, true },
		{ "filter", "FORWARD", NF_INET_FORWARD, 0, true },
		{ "filter", "OUTPUT", NF_INET_LOCAL_OUT, 0, true },
		{ "mangle", "PREROUTING", NF_INET_PRE_ROUTING, -150, true },
		{ "mangle", "FORWARD", NF_INET_FORWARD, -150, true },
		{ "mangle", "POSTROUTING", NF_INET_POST_ROUTING, -150, true },
		{ "raw", "PREROUTING", NF_INET_PRE_ROUTING, -300, true },
		{ "nat", "POSTROUTING", NF_INET_POST_ROUTING, 100, false },
		{ "nat", "PREROUTING", NF_INET_PRE_ROUTING, -100, false },
	};
	struct ruleset *ruleset = ruleset_new();
	struct diag diag = { 0 };

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		char text[200];
		const struct chain *chain;

		snprintf(text, sizeof(text), "*%s\n:%s DROP [12:34]\n:USER - [0:0]\n[5:6] -A %s -j USER\n[7:8]-A USER\nCOMMIT",
			 bases[i].table, bases[i].chain, bases[i].chain);
		assert_int_equal(savefile_parse(text, strlen(text), NFPROTO_IPV6, ruleset, &diag), 0);
		chain = table_find_chain(ruleset_find_table(ruleset, NFPROTO_IPV6, bases[i].table), bases[i].chain);
		assert_true(chain->base);
		assert_int_equal(chain->hook, bases[i].hook);
		assert_int_equal(chain->priority, bases[i].priority);
		assert_int_equal(chain->filter, bases[i].filter);
		assert_int_equal(chain->policy, NF_DROP);
		assert_int_equal(chain->packets, 12);
		assert_int_equal(chain->bytes, 34);
		assert_int_equal(chain->n_rules, 1);
		assert_int_equal(chain->rules[0].target.kind, TARGET_JUMP);
		assert_string_equal(chain->rules[0].target.chain, "USER");
		assert_int_equal(chain->rules[0].packets, 5);
		assert_int_equal(chain->rules[0].bytes, 6);
		chain = table_find_chain(ruleset_find_table(ruleset, NFPROTO_IPV6, bases[i].table), "USER");
		assert_false(chain->base);
		assert_int_equal(chain->rules[0].bytes, 8);
	}
	assert_int_equal(ruleset->n_tables, 4); /* a table that is read again takes the place of the old one */
	ruleset_free(ruleset);
}

/* Where iptables-restore begins anew, and what it ignores. */
static void sections(void **state)
{
	static const char text[] = "# c\r\n*filter\n:INPUT DROP [0:0]\n:T - [0:0]\n-A INPUT -i a -j T\nCOMMIT\n"
				   "*filter x\n: T -\n:FORWARD DROP\n-A INPUT -i b -j ACCEPT\n-A T -j DROP\n:T - [0:0]\n"
				   ":LOG -\n-A T -j LOG\n-A T -6 -j DROP\n-A T -c 3,4 -j RETURN\n-A T -c 5 6 -j RETURN\nCOMMIT\n";
	struct ruleset *ruleset = ruleset_new();
	const struct chain *chain;

	assert_int_equal(savefile_parse(text, sizeof(text) - 1, NFPROTO_IPV4, ruleset, NULL), 0);
	chain = table_find_chain(&ruleset->tables[0], "INPUT");
	assert_int_equal(chain->policy, NF_ACCEPT);
	assert_int_equal(chain->n_rules, 1);
	assert_string_equal(chain->rules[0].matches[0].u.iface.name, "b");
	assert_int_equal(table_find_chain(&ruleset->tables[0], "FORWARD")->policy, NF_DROP);
	chain = table_find_chain(&ruleset->tables[0], "T");
	assert_int_equal(chain->n_rules, 3);
	assert_int_equal(chain->rules[0].target.kind, TARGET_OPAQUE); /* which LOG? */
	assert_int_equal(chain->rules[1].packets, 3);
	assert_int_equal(chain->rules[2].bytes, 6);
	ruleset_free(ruleset);
}

static void expect_file(const char *text, size_t len, int expect)
{
	struct ruleset *ruleset = ruleset_new();
	struct diag diag = { 0 };

	assert_int_equal(savefile_parse(text, len, NFPROTO_IPV4, ruleset, &diag), expect);
	assert_int_equal(!!diag.text[0], expect < 0);
	ruleset_free(ruleset);
}

/* A rule of @words words: -A T and comments. */
static void many_words(size_t words, int expect)
{
	char *text = calloc(1, 20000);
	size_t n = (size_t)sprintf(text, HEAD "-A T");

	for (size_t i = 2; i + 3 < words; i += 4)
		n += (size_t)sprintf(text + n, " -m comment --comment x");
	n += (size_t)sprintf(text + n, "\nCOMMIT\n");
	expect_file(text, n, expect);
	free(text);
}

static void limits(void **state)
{
	char *text = malloc(SAVEFILE_SIZE_MAX + 2);
	size_t n = 0;

	/* size */
	memset(text, '\n', SAVEFILE_SIZE_MAX + 1);
	expect_file(text, SAVEFILE_SIZE_MAX, 0);
	expect_file(text, SAVEFILE_SIZE_MAX + 1, -EINVAL);
	/* line, comments too: the rest of a longer one would be read as a line of its own */
	memset(text, '#', 10240);
	text[10238] = '\n';
	expect_file(text, 10239, 0);
	text[10238] = '#';
	text[10239] = '\n';
	expect_file(text, 10240, -EINVAL);
	/* chains */
	for (unsigned chains = SAVEFILE_CHAINS_MAX; chains <= SAVEFILE_CHAINS_MAX + 1; chains++) {
		n = (size_t)sprintf(text, "*filter\n");
		for (unsigned i = 0; i < chains; i++)
			n += (size_t)sprintf(text + n, ":c%u -\n", i);
		n += (size_t)sprintf(text + n, "COMMIT\n");
		expect_file(text, n, chains > SAVEFILE_CHAINS_MAX ? -EINVAL : 0);
	}
	free(text);
}

static void limits_of_words(void **state)
{
	struct ruleset *ruleset;
	struct diag diag = { 0 };
	char line[11000];
	size_t n;

	/* words */
	many_words(250, 0);
	many_words(254, -EINVAL);
	/* a word */
	for (int len = 1023; len <= 1024; len++) {
		snprintf(line, sizeof(line), HEAD "-A T -m recent --name %0*d\nCOMMIT\n", len, 0);
		expect_file(line, strlen(line), len > 1023 ? -EINVAL : 0);
	}
	/* name of a chain */
	expect_file("*filter\n:1234567890123456789012345678 -\nCOMMIT\n", 46, 0);
	expect_file("*filter\n:12345678901234567890123456789 -\nCOMMIT\n", 47, -EINVAL);
	snprintf(line, sizeof(line), "-A %029d", 0);
	ruleset_free(parse_line(line, NFPROTO_IPV4, -EINVAL, &diag));
	/* comments are cut as iptables cuts them */
	snprintf(line, sizeof(line), "-A T -m comment --comment %0256d", 0);
	ruleset = parse_line(line, NFPROTO_IPV4, 0, &diag);
	assert_int_equal(strlen(first_rule(ruleset, NFPROTO_IPV4)->matches[0].text), 255);
	ruleset_free(ruleset);
	/* one too many for u.multiport, for an interface, a set, a prefix: opaque */
	check_printed("-A T -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14:15,16",
		      "-A T -p tcp [-m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14:15,16]", NFPROTO_IPV4);
	check_printed("-A T -i abcdefghijklmnop", "-A T [-i abcdefghijklmnop]", NFPROTO_IPV4);
	check_printed("-A T -m set --match-set 12345678901234567890123456789012 src",
		      "-A T [-m set --match-set 12345678901234567890123456789012 src]", NFPROTO_IPV4);
	check_printed("-A T -m set --match-set s src,src,src,src,src,src,src",
		      "-A T [-m set --match-set s src,src,src,src,src,src,src]", NFPROTO_IPV4);
	snprintf(line, sizeof(line), "-A T -j NFLOG --nflog-prefix %064d", 0);
	ruleset = parse_line(line, NFPROTO_IPV4, 0, &diag);
	assert_int_equal(first_rule(ruleset, NFPROTO_IPV4)->target.kind, TARGET_OPAQUE);
	ruleset_free(ruleset);
	/* more matches than rule_equal() can compare */
	n = (size_t)sprintf(line, "-A T");
	for (int i = 0; i < 65; i++)
		n += (size_t)sprintf(line + n, " -m udp");
	ruleset = parse_line(line, NFPROTO_IPV4, 0, &diag);
	assert_int_equal(first_rule(ruleset, NFPROTO_IPV4)->n_matches, 1);
	ruleset_free(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_files),
		cmocka_unit_test(chains),
		cmocka_unit_test(sections),
		cmocka_unit_test(limits),
		cmocka_unit_test(limits_of_words),
	};

	return cmocka_run_group_tests_name("savefile", tests, NULL, NULL);
}
