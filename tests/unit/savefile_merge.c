/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/golden/savefile/NAME.v4.in or .v6.in, merged with the rules below, is NAME.v4.ok; NAME.off.v4.in has our part taken
 * out. UPDATE=1 writes the .ok files. Every .ok is merged again (nothing may change), parsed, and compared with its .in line
 * by line: those of others must be there, byte for byte and in order.
 *
 * All .ok files but the errors were loaded by iptables-restore of 1.8.9 and 1.8.11.
 */
#include <dirent.h>
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

#define GOLDEN_MIN 25

/* A table that is not filter too, and chains in another order than that of iptables-save. */
static const char ours_text[] =
	"*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:FWD-INPUT - [0:0]\n:FWD-FORWARD - [0:0]\n"
	"-A FWD-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT\n-A FWD-FORWARD -j DROP\n"
	"-A FORWARD -j FWD-FORWARD\n-A INPUT -j FWD-INPUT\n"
	"-A FWD-INPUT -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT\n-A FWD-INPUT -i lo -j ACCEPT\n"
	"-A FWD-INPUT -p tcp -m multiport --dports 22,2222 -j ACCEPT\n"
	"-A FWD-INPUT -m limit --limit 10/sec -j NFLOG --nflog-prefix \"fwd denied\" --nflog-group 5\n-A FWD-INPUT -j DROP\n"
	"COMMIT\n"
	"*mangle\n:FORWARD ACCEPT [0:0]\n:FWD-PUBLISHED - [0:0]\n-A FORWARD -j FWD-PUBLISHED\n"
	"-A FWD-PUBLISHED -m conntrack --ctstate DNAT --ctorigdstport 8081 --ctdir ORIGINAL -j DROP\nCOMMIT\n";

/* Ours, for both families. */
static struct ruleset *make_ours(void)
{
	struct ruleset *ours = ruleset_new();

	assert_int_equal(savefile_parse(ours_text, sizeof(ours_text) - 1, NFPROTO_IPV4, ours, NULL), 0);
	assert_int_equal(savefile_parse(ours_text, sizeof(ours_text) - 1, NFPROTO_IPV6, ours, NULL), 0);
	/* as compile() has it: the policies of tables other than filter are not ours */
	table_find_chain(ruleset_find_table(ours, NFPROTO_IPV4, "mangle"), "FORWARD")->policy = POLICY_KEEP;
	table_find_chain(ruleset_find_table(ours, NFPROTO_IPV6, "mangle"), "FORWARD")->policy = POLICY_KEEP;
	return ours;
}

static int merge(const char *old, size_t len, uint8_t family, const struct ruleset *ours, char **ret, struct diag *diag)
{
	static const struct savefile_policies off = { .input = NF_ACCEPT, .forward = POLICY_KEEP };

	return savefile_merge(old, len, family, ours, ours ? NULL : &off, ret, diag);
}

static char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text;

	if (!file)
		return NULL;
	text = malloc(1 << 20);
	*len = fread(text, 1, (1 << 20) - 1, file);
	text[*len] = '\0';
	fclose(file);
	return text;
}

/* Lines that a merge may change or take away. Blunt on purpose: the code that is tested is not asked. */
static bool may_change(const char *line, size_t len)
{
	char copy[2048];

	snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
	return strstr(copy, "FWD-") || strncmp(copy, ":INPUT", 6) == 0 || strncmp(copy, ":FORWARD", 8) == 0 ||
	       strncmp(copy, ": FORWARD", 9) == 0;
}

static void check_kept(const char *name, const char *old, const char *new)
{
	while (*old) {
		size_t len = strcspn(old, "\n");

		if (!may_change(old, len)) {
			const char *at = new;

			while (*at && (strcspn(at, "\n") != len || memcmp(at, old, len) != 0))
				at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n');
			if (!*at && len)
				fail_msg("%s: lost or moved: %.*s", name, (int)len, old);
			new = *at ? at + len + (at[len] == '\n') : at;
		}
		old += len + (old[len] == '\n');
	}
}

/* Jumps of ours, and how many rules of others stand behind the first. */
static size_t count_jumps(const struct ruleset *ruleset, uint8_t family, const char *table, const char *base, const char *to,
			  size_t *behind)
{
	const struct chain *chain = table_find_chain(ruleset_find_table(ruleset, family, table), base);
	size_t n = 0;

	*behind = 0;
	for (size_t i = 0; chain && i < chain->n_rules; i++) {
		const struct rule *rule = &chain->rules[i];

		if (rule->n_matches == 0 && rule->target.kind == TARGET_JUMP && strcmp(rule->target.chain, to) == 0)
			n++;
		else if (n > 0 && !(rule->target.chain && strncmp(rule->target.chain, "FWD-", 4) == 0))
			++*behind;
	}
	return n;
}

/* Our jump is there once, and behind it only what was behind it before; or, without us, nowhere. */
static void check_jump(const char *name, const struct ruleset *old, const struct ruleset *ruleset, const char *table,
		       const char *base, const char *to, bool expect)
{
	uint8_t family = ruleset->tables[0].family;
	size_t before, behind, n = count_jumps(ruleset, family, table, base, to, &behind);

	if (n != expect)
		fail_msg("%s: %zu jumps to %s", name, n, to);
	count_jumps(old, family, table, base, to, &before);
	if (expect && behind != before)
		fail_msg("%s: %zu rules follow our jump to %s, not %zu", name, behind, to, before);
}

static void check_meaning(const char *name, const char *old_text, const char *text, uint8_t family, const struct ruleset *ours)
{
	struct ruleset *ruleset = ruleset_new(), *old = ruleset_new();

	assert_int_equal(savefile_parse(old_text, strlen(old_text), family, old, NULL), 0);
	assert_int_equal(savefile_parse(text, strlen(text), family, ruleset, NULL), 0);
	if (ruleset->n_tables) {
		check_jump(name, old, ruleset, "filter", "INPUT", "FWD-INPUT", ours);
		check_jump(name, old, ruleset, "filter", "FORWARD", "FWD-FORWARD", ours);
		check_jump(name, old, ruleset, "mangle", "FORWARD", "FWD-PUBLISHED", ours);
	}
	for (size_t i = 0; ours && i < ours->n_tables; i++) {
		const struct table *table = &ours->tables[i];

		for (size_t j = 0; table->family == family && j < table->n_chains; j++) {
			const struct chain *want = &table->chains[j];
			const struct chain *have = table_find_chain(ruleset_find_table(ruleset, family, table->name), want->name);

			if (want->base) {
				if (want->policy != POLICY_KEEP)
					assert_int_equal(have->policy, want->policy);
				continue;
			}
			assert_int_equal(have->n_rules, want->n_rules);
			for (size_t k = 0; k < want->n_rules; k++)
				assert_true(rule_equal(&have->rules[k], &want->rules[k]));
		}
	}
	ruleset_free(ruleset);
	ruleset_free(old);
}

static void check_pair(const char *directory, const char *name, const struct ruleset *ours)
{
	uint8_t family = strstr(name, ".v6.") ? NFPROTO_IPV6 : NFPROTO_IPV4;
	char path[600], error[400];
	char *old, *want, *have = NULL, *again = NULL;
	struct diag diag = { 0 };
	size_t len, want_len;

	if (strstr(name, ".off."))
		ours = NULL;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	old = read_file(path, &len);
	assert_non_null(old);
	if (merge(old, len, family, ours, &have, &diag) < 0) {
		snprintf(error, sizeof(error), "error %u:%u %s\n", diag.line, diag.column, diag.text);
		have = strdup(error);
	} else {
		assert_int_equal(merge(have, strlen(have), family, ours, &again, &diag), 0);
		if (strcmp(have, again) != 0)
			fail_msg("%s: merged again it is another:\n%s", name, again);
		check_kept(name, old, have);
		check_meaning(name, old, have, family, ours);
	}
	memcpy(strrchr(path, '.'), ".ok", 4);
	if (getenv("UPDATE")) {
		FILE *file = fopen(path, "we");

		fputs(have, file);
		fclose(file);
	}
	want = read_file(path, &want_len);
	if (!want || strcmp(want, have) != 0)
		fail_msg("%s is not what comes out:\n%s", path, have);
	free(old);
	free(want);
	free(have);
	free(again);
}

static void golden(void **state)
{
	const char *source = getenv("TEST_SOURCE");
	struct ruleset *ours = make_ours();
	char directory[500];
	struct dirent *entry;
	unsigned n = 0;
	DIR *dir;

	snprintf(directory, sizeof(directory), "%s/tests/golden/savefile", source ? source : ".");
	dir = opendir(directory);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 3 || strcmp(entry->d_name + len - 3, ".in") != 0)
			continue;
		check_pair(directory, entry->d_name, ours);
		n++;
	}
	closedir(dir);
	print_message("# %u pairs\n", n);
	assert_true(n >= GOLDEN_MIN);
	ruleset_free(ours);
}

/* Taken out again, what was merged into a file leaves it as it was, but for the policies. */
static void in_and_out(void **state)
{
	static const char old[] = "# mine\n\n*filter\n:INPUT ACCEPT [1:2]\n:MINE - [0:0]\n-A INPUT -j MINE\n# end\nCOMMIT\n";
	struct ruleset *ours = make_ours();
	char *with = NULL, *without = NULL;

	assert_int_equal(savefile_merge(old, sizeof(old) - 1, NFPROTO_IPV4, ours, NULL, &with, NULL), 0);
	assert_non_null(strstr(with, ":INPUT DROP [1:2]\n:MINE"));
	assert_int_equal(merge(with, strlen(with), NFPROTO_IPV4, NULL, &without, NULL), 0);
	assert_string_equal(without, "# mine\n\n*filter\n:INPUT ACCEPT [1:2]\n:MINE - [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -j MINE\n"
				     "# end\nCOMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n"
				     ":FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
	free(with);
	free(without);
	ruleset_free(ours);
}

/* Without us a file that is not there stays so, unless a policy must be kept closed. */
static void nothing_to_say(void **state)
{
	struct savefile_policies policies = { .input = NF_ACCEPT, .forward = POLICY_KEEP };
	char *text = NULL;

	assert_int_equal(savefile_merge("", 0, NFPROTO_IPV4, NULL, &policies, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(savefile_merge("", 0, NFPROTO_IPV4, NULL, NULL, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	policies.forward = NF_DROP;
	assert_int_equal(savefile_merge("# x", 3, NFPROTO_IPV4, NULL, &policies, &text, NULL), 0);
	assert_string_equal(text, "# x\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
	free(text);
}

/* A rule that no file can say must not become a file that iptables-restore refuses. */
static void not_writable(void **state)
{
	struct ruleset *ours = make_ours();
	struct chain *chain = table_find_chain(ruleset_find_table(ours, NFPROTO_IPV4, "filter"), "FWD-INPUT");
	struct diag diag = { 0 };
	char *text = NULL, comment[SAVEFILE_RULE_MAX];

	match_set_text(rule_add_match(chain_add_rule(chain), MATCH_OPAQUE), "something");
	assert_int_equal(savefile_merge("", 0, NFPROTO_IPV4, ours, NULL, &text, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, "FWD-INPUT"));
	chain->rules[chain->n_rules - 1].matches[0].kind = MATCH_COMMENT;
	memset(comment, 'x', sizeof(comment));
	comment[sizeof(comment) - 20] = '\0';
	match_set_text(&chain->rules[chain->n_rules - 1].matches[0], comment);
	diag_clear(&diag);
	assert_int_equal(savefile_merge("", 0, NFPROTO_IPV4, ours, NULL, &text, &diag), -EINVAL);
	rule_set_target(&chain->rules[chain->n_rules - 1], TARGET_OPAQUE, NULL);
	match_set_text(&chain->rules[chain->n_rules - 1].matches[0], "short");
	diag_clear(&diag);
	assert_int_equal(savefile_merge("", 0, NFPROTO_IPV4, ours, NULL, &text, &diag), -EINVAL);
	assert_null(text);
	ruleset_free(ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(in_and_out),
		cmocka_unit_test(nothing_to_say),
		cmocka_unit_test(not_writable),
	};

	return cmocka_run_group_tests_name("savefile_merge", tests, NULL, NULL);
}
