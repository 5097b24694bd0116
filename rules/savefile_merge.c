/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/compile.h"
#include "rules/savefile.h"
#include "rules/saverule.h"

struct merge {
	struct saveline_reader reader;
	struct saveline line;
	uint8_t family;
	const struct ruleset *ours;
	const struct savefile_policies *policies;
	struct ruleset *old; /* what the text says: sections come and go with it */
	char *text;
	size_t len, size;
	bool failed; /* no memory, for the text */

	/* of the section in hand */
	char name[32];
	const struct table *table; /* of ours, or NULL */
	size_t chains_at;          /* where lines of chains are inserted: behind those of others */
	unsigned bases;            /* bit i: saveline_base(name, i) has its line */
	unsigned jumps;            /* bit i: and its jump of ours */
	bool last;                 /* no section of this name follows: iptables-restore keeps the last alone */
};

static void put_bytes(struct merge *merge, const char *text, size_t len)
{
	if (merge->failed)
		return;
	if (merge->size - merge->len <= len) {
		size_t size = (merge->size + len) * 2 + 256;
		char *bigger = realloc(merge->text, size);

		if (!bigger) {
			merge->failed = true;
			return;
		}
		merge->text = bigger;
		merge->size = size;
	}
	memcpy(merge->text + merge->len, text, len);
	merge->len += len;
	merge->text[merge->len] = '\0';
}

static void put(struct merge *merge, const char *text)
{
	put_bytes(merge, text, strlen(text));
}

/* The policy that a base chain should have; POLICY_KEEP where there is no wish. */
static uint8_t wish(const struct merge *merge, const char *name)
{
	const struct chain *chain;

	if (merge->ours) {
		chain = table_find_chain(merge->table, name);
		return chain && chain->base ? chain->policy : POLICY_KEEP;
	}
	if (merge->policies && strcmp(merge->name, "filter") == 0) {
		if (strcmp(name, "INPUT") == 0)
			return merge->policies->input;
		if (strcmp(name, "FORWARD") == 0)
			return merge->policies->forward;
	}
	return POLICY_KEEP;
}

static const char *policy_name(uint8_t policy)
{
	return policy == NF_DROP ? "DROP" : "ACCEPT";
}

/* ":NAME POLICY [counters]": all but the word of the policy stays as it is. */
static void put_base(struct merge *merge)
{
	const struct saveline *line = &merge->line;
	uint8_t policy = wish(merge, line->words[0]);
	size_t at = line->columns[1] - 1, len = strlen(line->words[1]);

	if (policy == POLICY_KEEP) {
		put_bytes(merge, line->begin, line->len);
		return;
	}
	put_bytes(merge, line->begin, at);
	put(merge, policy_name(policy));
	put_bytes(merge, line->begin + at + len, line->len - at - len);
}

static void put_chain(struct merge *merge)
{
	const char *name = merge->line.words[0];
	unsigned bit = saveline_base_bit(merge->name, name);

	if (chain_is_ours(name))
		return;
	merge->bases |= bit;
	if (bit)
		put_base(merge);
	else
		put_bytes(merge, merge->line.begin, merge->line.len);
	merge->chains_at = merge->len;
}

/* Where a rule goes on. No table was passed to its parser, so that a jump may be opaque: the name of the chain, and perhaps
 * a match that came late. */
static const char *jump_text(const struct target *target)
{
	return target->chain ? target->chain : target->kind == TARGET_OPAQUE ? target->text : "";
}

/*
 * Whether a line is of ours: a rule of our chains, our jump, and what would jump to a chain that is not there any more
 * (iptables-restore would refuse the whole file). A jump of somebody else, with matches, to a chain that stays is his.
 */
static bool rule_goes(const struct merge *merge, const struct saverule *rule)
{
	const char *text = jump_text(&rule->rule.target);
	size_t len = strcspn(text, " ");
	char to[CHAIN_NAME_MAX + 1];

	if (chain_is_ours(rule->chain))
		return true;
	if (!chain_is_ours(text) || len >= sizeof(to))
		return false;
	memcpy(to, text, len);
	to[len] = '\0';
	if (!merge->last || !table_find_chain(merge->table, to))
		return true;
	for (size_t i = 0; i < rule->rule.n_matches; i++)
		if (rule->rule.matches[i].kind != MATCH_COMMENT)
			return false;
	return saveline_find_base(merge->name, rule->chain);
}

/*
 * Whether a line that goes is the very jump that would be written at the end. The first stays in its place: somebody put
 * rules behind it, where they are dead. In front they would decide: a saved REJECT locks everybody out at the next boot.
 */
static bool jump_stays(struct merge *merge, const struct saverule *rule)
{
	const struct chain *chain = merge->last ? table_find_chain(merge->table, rule->chain) : NULL;
	unsigned bit = saveline_base_bit(merge->name, rule->chain);

	if (!bit || merge->jumps & bit || !chain || chain->n_rules != 1 || rule->rule.n_matches > 0 ||
	    rule->rule.target.kind == TARGET_GOTO || strcmp(chain->rules[0].target.chain, jump_text(&rule->rule.target)) != 0)
		return false;
	merge->jumps |= bit;
	return true;
}

static int put_rule(struct merge *merge)
{
	struct saverule rule;
	int r;

	r = saverule_parse(&merge->line, merge->reader.line, merge->family, NULL, &rule, merge->reader.diag);
	if (r < 0)
		return r;
	if (!rule_goes(merge, &rule) || jump_stays(merge, &rule))
		put_bytes(merge, merge->line.begin, merge->line.len);
	rule_clear(&rule.rule);
	return 0;
}

/* Lines of the base chains that are missing (all of them in a new section) and of our chains, sorted as iptables-save has
 * them. */
static void put_declarations(struct merge *merge, bool all)
{
	const struct saveline_base *base;
	const struct chain *chain = NULL;

	for (unsigned i = 0; (base = saveline_base(merge->name, i)); i++) {
		uint8_t policy = wish(merge, base->name);

		/* what has no line is born with ACCEPT */
		if (merge->bases >> i & 1 || (!all && policy != NF_DROP))
			continue;
		put(merge, ":");
		put(merge, base->name);
		put(merge, " ");
		put(merge, policy_name(policy));
		put(merge, " [0:0]\n");
	}
	while ((chain = table_next_chain(merge->table, chain ? chain->name : ""))) {
		put(merge, ":");
		put(merge, chain->name);
		put(merge, " - [0:0]\n");
	}
}

static int put_rules_of(struct merge *merge, const struct chain *chain)
{
	char text[SAVEFILE_RULE_MAX];

	for (size_t i = 0; i < chain->n_rules; i++) {
		const struct rule *rule = &chain->rules[i];

		if (rule->target.kind == TARGET_OPAQUE || rule_find_match(rule, MATCH_OPAQUE) ||
		    savefile_print_rule(rule, chain->name, merge->family, text, sizeof(text)) < 0) {
			diag_set(merge->reader.diag, 0, 0, "rule %zu of %s cannot be written", i + 1, chain->name);
			return -EINVAL;
		}
		put(merge, text);
		put(merge, "\n");
	}
	return 0;
}

static int put_rules(struct merge *merge)
{
	const struct saveline_base *base;
	const struct chain *chain = NULL;
	int r;

	for (size_t i = 0; (base = saveline_base(merge->name, i)); i++) {
		chain = merge->jumps >> i & 1 ? NULL : table_find_chain(merge->table, base->name);
		r = chain ? put_rules_of(merge, chain) : 0;
		if (r < 0)
			return r;
	}
	chain = NULL;
	while ((chain = table_next_chain(merge->table, chain ? chain->name : ""))) {
		r = put_rules_of(merge, chain);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Declarations go where the others' end, which is known only now. */
static void insert_declarations(struct merge *merge)
{
	size_t at = merge->chains_at, len = merge->len - at;
	char *rest = malloc(len + 1);

	if (merge->failed || !rest) {
		merge->failed = true;
		free(rest);
		return;
	}
	memcpy(rest, merge->text + at, len);
	merge->len = at;
	put_declarations(merge, false);
	put_bytes(merge, rest, len);
	free(rest);
}

static int end_section(struct merge *merge)
{
	int r = 0;

	if (merge->last) {
		insert_declarations(merge);
		r = put_rules(merge);
	}
	put_bytes(merge, merge->line.begin, merge->line.len);
	return r;
}

/* Whether the rest of the text has another section of this name. The text was parsed: "*" begins nothing else. */
static bool section_follows(const struct merge *merge)
{
	const char *at = merge->reader.text + merge->reader.pos, *end = merge->reader.text + merge->reader.len;
	size_t len = strlen(merge->name);

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (*at == '*') {
			for (at++; at < stop && (*at == ' ' || *at == '\t'); at++)
				;
			if ((size_t)(stop - at) >= len && memcmp(at, merge->name, len) == 0 &&
			    (at + len == stop || at[len] == ' ' || at[len] == '\t'))
				return true;
		}
		at = newline ? newline + 1 : end;
	}
	return false;
}

static void set_section(struct merge *merge, const char *name)
{
	strncpy(merge->name, name, sizeof(merge->name) - 1);
	merge->table = ruleset_find_table(merge->ours, merge->family, name);
	merge->bases = merge->jumps = 0;
	merge->last = !section_follows(merge);
}

static int put_line(struct merge *merge)
{
	switch (merge->line.kind) {
	case SAVELINE_TABLE:
		set_section(merge, merge->line.words[0]);
		put_bytes(merge, merge->line.begin, merge->line.len);
		merge->chains_at = merge->len;
		return 0;
	case SAVELINE_CHAIN:
		put_chain(merge);
		return 0;
	case SAVELINE_RULE:
		return put_rule(merge);
	case SAVELINE_COMMIT:
		return end_section(merge);
	case SAVELINE_EMPTY:
		break;
	}
	put_bytes(merge, merge->line.begin, merge->line.len);
	return 0;
}

/* A section of its own at the end, as iptables-save prints one. */
static int put_section(struct merge *merge, const char *name)
{
	int r;

	set_section(merge, name);
	if (merge->len && merge->text[merge->len - 1] != '\n')
		put(merge, "\n");
	put(merge, "*");
	put(merge, name);
	put(merge, "\n");
	put_declarations(merge, true);
	r = put_rules(merge);
	put(merge, "COMMIT\n");
	return r;
}

/* Sections that the text has not but needs: tables of ours, or a policy that is not what a chain is born with. */
static int put_sections(struct merge *merge)
{
	const struct savefile_policies *policies = merge->policies;
	int r = 0;

	for (size_t i = 0; merge->ours && i < merge->ours->n_tables && r == 0; i++) {
		const struct table *table = &merge->ours->tables[i];

		if (table->family == merge->family && saveline_base(table->name, 0) &&
		    !ruleset_find_table(merge->old, merge->family, table->name))
			r = put_section(merge, table->name);
	}
	if (!merge->ours && policies && (policies->input == NF_DROP || policies->forward == NF_DROP) &&
	    !ruleset_find_table(merge->old, merge->family, "filter"))
		r = put_section(merge, "filter");
	return r;
}

static int merge_text(struct merge *merge)
{
	int r;

	r = savefile_parse(merge->reader.text, merge->reader.len, merge->family, merge->old, merge->reader.diag);
	if (r < 0)
		return r;
	put(merge, "");
	while ((r = saveline_read(&merge->reader, &merge->line)) > 0) {
		r = put_line(merge);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = put_sections(merge);
	return r < 0 ? r : merge->failed ? -ENOMEM : 0;
}

int savefile_merge(const char *old, size_t len, uint8_t family, const struct ruleset *ours,
		   const struct savefile_policies *policies, char **ret, struct diag *diag)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	int r = -ENOMEM;

	if (!merge)
		return r;
	merge->reader = (struct saveline_reader){ .text = old, .len = len, .diag = diag };
	merge->family = family;
	merge->ours = ours;
	merge->policies = policies;
	merge->old = ruleset_new();
	if (merge->old)
		r = merge_text(merge);
	if (r == 0)
		*ret = merge->text;
	else
		free(merge->text);
	ruleset_free(merge->old);
	free(merge);
	return r;
}
