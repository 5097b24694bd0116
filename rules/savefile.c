/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savefile.h"
#include "rules/saveline.h"
#include "rules/saverule.h"

struct parse {
	struct saveline_reader reader;
	struct saveline line;
	uint8_t family;
	struct ruleset *ruleset;
	struct table *table; /* of the current section */
	size_t chain;        /* index of the one that had the last rule: rules of a chain stand together */
};

static int refuse(struct parse *parse, size_t word, const char *what)
{
	diag_set(parse->reader.diag, parse->reader.line, parse->line.columns[word], "%s", what);
	return -EINVAL;
}

/* Exchanges what two tables hold; their names and families stay. */
static void exchange(struct table *a, struct table *b)
{
	struct table t = *a;

	a->chains = b->chains;
	a->n_chains = b->n_chains;
	b->chains = t.chains;
	b->n_chains = t.n_chains;
}

static int empty_table(struct table *table)
{
	struct ruleset *bin = ruleset_new();
	struct table *old = bin ? ruleset_add_table(bin, table->family, table->name) : NULL;

	if (old)
		exchange(table, old);
	ruleset_free(bin);
	return old ? 0 : -ENOMEM;
}

/* iptables-restore empties a table where its section begins, so the last of several sections counts alone. */
static int begin_table(struct parse *parse)
{
	parse->chain = 0;
	parse->table = ruleset_add_table(parse->ruleset, parse->family, parse->line.words[0]);
	if (!parse->table)
		return -ENOMEM;
	return parse->table->n_chains ? empty_table(parse->table) : 0;
}

static bool name_is_good(const char *name)
{
	/* a quote could not be told from one that opens in the rules; '-' and '!' are refused by iptables */
	return *name && *name != '-' && *name != '!' && strlen(name) <= CHAIN_NAME_MAX && !strpbrk(name, "\"\\");
}

static struct chain *add_chain(struct parse *parse, const char *name)
{
	const struct saveline_base *base = saveline_find_base(parse->table->name, name);
	struct chain *chain = table_add_chain(parse->table, name);

	if (chain && base && !chain->base) {
		chain->base = true;
		chain->filter = base->filter;
		chain->hook = base->hook;
		chain->priority = base->priority;
		chain->policy = NF_ACCEPT;
	}
	return chain;
}

static int parse_policy(struct parse *parse, struct chain *chain)
{
	const char *policy = parse->line.words[1];

	if (strcmp(policy, "DROP") == 0)
		chain->policy = NF_DROP;
	else if (strcmp(policy, "ACCEPT") == 0 || strcmp(policy, "-") == 0)
		chain->policy = NF_ACCEPT;
	else
		return refuse(parse, 1, "a policy is ACCEPT or DROP");
	return 0;
}

static int parse_chain(struct parse *parse)
{
	const struct saveline *line = &parse->line;
	uint64_t packets = 0, bytes = 0;
	struct chain *chain;

	if (!name_is_good(line->words[0]))
		return refuse(parse, 0, "no name of a chain");
	if (line->n_words > 2 && !saveline_counters(line->words[2], &packets, &bytes))
		return refuse(parse, 2, "counters are [PACKETS:BYTES]");
	chain = table_find_chain(parse->table, line->words[0]);
	if (!chain && parse->table->n_chains == SAVEFILE_CHAINS_MAX)
		return refuse(parse, 0, "too many chains");
	if (chain && !chain->base) {
		/* a user chain that is declared again begins anew */
		for (size_t i = 0; i < chain->n_rules; i++)
			rule_clear(&chain->rules[i]);
		free(chain->rules);
		chain->rules = NULL;
		chain->n_rules = 0;
	}
	chain = add_chain(parse, line->words[0]);
	if (!chain)
		return -ENOMEM;
	if (!chain->base)
		return 0;
	chain->packets = packets;
	chain->bytes = bytes;
	return parse_policy(parse, chain);
}

static int find_chain(struct parse *parse, const char *name, struct chain **ret)
{
	struct table *table = parse->table;

	if (parse->chain < table->n_chains && strcmp(table->chains[parse->chain].name, name) == 0) {
		*ret = &table->chains[parse->chain];
		return 0;
	}
	*ret = table_find_chain(table, name);
	if (!*ret) {
		if (!saveline_find_base(table->name, name))
			return refuse(parse, 0, "a rule of a chain that is not declared above");
		*ret = add_chain(parse, name);
		if (!*ret)
			return -ENOMEM;
	}
	parse->chain = (size_t)(*ret - table->chains);
	return 0;
}

static int parse_rule(struct parse *parse)
{
	struct saverule saverule;
	struct chain *chain;
	struct rule *rule;
	int r;

	r = saverule_parse(&parse->line, parse->reader.line, parse->family, parse->table, &saverule,
			   parse->reader.diag);
	if (r < 0)
		return r;
	r = find_chain(parse, saverule.chain, &chain);
	if (r < 0 || saverule.skip)
		goto clear;
	rule = chain_add_rule(chain);
	if (!rule) {
		r = -ENOMEM;
		goto clear;
	}
	*rule = saverule.rule;
	return 0;
clear:
	rule_clear(&saverule.rule);
	return r;
}

static int parse_lines(struct parse *parse)
{
	int r;

	while ((r = saveline_read(&parse->reader, &parse->line)) > 0) {
		switch (parse->line.kind) {
		case SAVELINE_TABLE:
			r = begin_table(parse);
			break;
		case SAVELINE_CHAIN:
			r = parse_chain(parse);
			break;
		case SAVELINE_RULE:
			r = parse_rule(parse);
			break;
		case SAVELINE_EMPTY:
		case SAVELINE_COMMIT:
			r = 0;
			break;
		}
		if (r < 0)
			return r;
	}
	return r;
}

/* Moves the tables of @from into @into, in the place of those of the same name there. All or nothing. */
static int move_tables(struct ruleset *from, struct ruleset *into)
{
	size_t before = into->n_tables;

	for (size_t i = 0; i < from->n_tables; i++) {
		if (!ruleset_add_table(into, from->tables[i].family, from->tables[i].name)) {
			while (into->n_tables > before)
				free(into->tables[--into->n_tables].name);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < from->n_tables; i++)
		exchange(&from->tables[i], ruleset_find_table(into, from->tables[i].family, from->tables[i].name));
	return 0;
}

int savefile_parse(const char *text, size_t len, uint8_t family, struct ruleset *into, struct diag *diag)
{
	struct parse *parse;
	int r = -ENOMEM;

	if (len > SAVEFILE_SIZE_MAX) {
		diag_set(diag, 0, 0, "more than %u bytes", SAVEFILE_SIZE_MAX);
		return -EINVAL;
	}
	parse = calloc(1, sizeof(*parse)); /* a line is 14 KB: too much for the stack of a daemon */
	if (!parse)
		return r;
	parse->reader = (struct saveline_reader){ .text = text, .len = len, .diag = diag };
	parse->family = family;
	parse->ruleset = ruleset_new();
	if (parse->ruleset)
		r = parse_lines(parse);
	if (r == 0)
		r = move_tables(parse->ruleset, into);
	ruleset_free(parse->ruleset);
	free(parse);
	return r;
}
