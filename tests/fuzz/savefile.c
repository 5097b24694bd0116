/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first byte chooses the family, the rest is a file. What is read is printed, read again and must be the same; a merge
 * must read back, and merging its result must change nothing.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savefile.h"

#define RULE_MAX 30000 /* of a foreign rule: a line, quoted */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ours_text[] = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:FWD-INPUT - [0:0]\n-A INPUT -j FWD-INPUT\n"
				"-A FWD-INPUT -j DROP\nCOMMIT\n*mangle\n:FWD-P - [0:0]\n-A FORWARD -j FWD-P\nCOMMIT\n";

static void must(int holds)
{
	if (!holds)
		abort();
}

static int is_opaque(const struct rule *rule)
{
	return rule->target.kind == TARGET_OPAQUE || rule_find_match(rule, MATCH_OPAQUE);
}

static void check_rule(const struct table *table, const struct chain *chain, const struct rule *rule)
{
	static char text[RULE_MAX], again[RULE_MAX], file[RULE_MAX + 200];
	struct ruleset *ruleset;
	const char *target = rule->target.chain ? rule->target.chain : "FWD-FUZZ";
	const struct chain *back;

	must(savefile_print_rule(rule, chain->name, table->family, text, sizeof(text)) > 0);
	must(!strchr(text, '\n'));
	if (is_opaque(rule))
		return;
	ruleset = ruleset_new();
	snprintf(file, sizeof(file), "*%s\n:%s -\n:%s -\n%s\nCOMMIT\n", table->name, chain->name, target, text);
	must(savefile_parse(file, strlen(file), table->family, ruleset, NULL) == 0);
	back = table_find_chain(&ruleset->tables[0], chain->name);
	must(back->n_rules == 1 && rule_equal(rule, &back->rules[0]));
	savefile_print_rule(&back->rules[0], chain->name, table->family, again, sizeof(again));
	must(strcmp(text, again) == 0);
	ruleset_free(ruleset);
}

static void check_merge(const char *text, size_t size, uint8_t family, const struct ruleset *ours)
{
	struct savefile_policies policies = { NF_DROP, POLICY_KEEP };
	struct ruleset *ruleset = ruleset_new();
	char *once = NULL, *twice = NULL;

	must(savefile_merge(text, size, family, ours, &policies, &once, NULL) == 0);
	must(savefile_parse(once, strlen(once), family, ruleset, NULL) == 0);
	must(savefile_merge(once, strlen(once), family, ours, &policies, &twice, NULL) == 0);
	must(strcmp(once, twice) == 0);
	must(table_find_chain(ruleset_find_table(ruleset, family, "filter"), "INPUT")->policy == NF_DROP);
	must(!!table_find_chain(ruleset_find_table(ruleset, family, "filter"), "FWD-INPUT") == !!ours);
	ruleset_free(ruleset);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t family = size && data[0] & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	const char *text = (const char *)data + !!size;
	struct ruleset *ruleset = ruleset_new(), *ours = ruleset_new();
	struct diag diag = { 0 };

	size -= !!size;
	if (savefile_parse(text, size, family, ruleset, &diag) == 0) {
		must(!diag.text[0]);
		for (size_t i = 0; i < ruleset->n_tables; i++)
			for (size_t j = 0; j < ruleset->tables[i].n_chains; j++)
				for (size_t k = 0; k < ruleset->tables[i].chains[j].n_rules; k++)
					check_rule(&ruleset->tables[i], &ruleset->tables[i].chains[j],
						   &ruleset->tables[i].chains[j].rules[k]);
		savefile_parse(ours_text, sizeof(ours_text) - 1, family, ours, NULL);
		check_merge(text, size, family, ours);
		check_merge(text, size, family, NULL);
	} else {
		must(diag.text[0] && !ruleset->n_tables);
	}
	ruleset_free(ruleset);
	ruleset_free(ours);
	return 0;
}
