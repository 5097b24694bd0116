/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/ruleset.h"

/* Grows an array of @n elements by one zeroed element; powers of two, so that adding one by one stays linear. */
static void *grow(void **array, size_t *n, size_t size)
{
	if ((*n & (*n - 1)) == 0) {
		void *bigger = reallocarray(*array, *n ? *n * 2 : 1, size);

		if (!bigger)
			return NULL;
		*array = bigger;
	}

	void *element = (char *)*array + *n * size;

	memset(element, 0, size);
	(*n)++;
	return element;
}

static int set_text(char **where, const char *text)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*where);
	*where = copy;
	return 0;
}

struct ruleset *ruleset_new(void)
{
	return calloc(1, sizeof(struct ruleset));
}

static void target_clear(struct target *target)
{
	free(target->chain);
	free(target->text);
	memset(target, 0, sizeof(*target));
}

void rule_clear(struct rule *rule)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		free(rule->matches[i].text);
	free(rule->matches);
	target_clear(&rule->target);
	memset(rule, 0, sizeof(*rule));
}

static void chain_clear(struct chain *chain)
{
	for (size_t i = 0; i < chain->n_rules; i++)
		rule_clear(&chain->rules[i]);
	free(chain->rules);
	free(chain->name);
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	for (size_t i = 0; i < ruleset->n_tables; i++) {
		struct table *table = &ruleset->tables[i];

		for (size_t j = 0; j < table->n_chains; j++)
			chain_clear(&table->chains[j]);
		free(table->chains);
		free(table->name);
	}
	free(ruleset->tables);
	free(ruleset);
}

struct table *ruleset_find_table(const struct ruleset *ruleset, uint8_t family, const char *name)
{
	for (size_t i = 0; ruleset && i < ruleset->n_tables; i++) {
		struct table *table = &ruleset->tables[i];

		if (table->family == family && strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

struct table *ruleset_add_table(struct ruleset *ruleset, uint8_t family, const char *name)
{
	struct table *table = ruleset_find_table(ruleset, family, name);
	char *copy;

	if (table)
		return table;
	copy = strdup(name);
	if (!copy)
		return NULL;
	table = grow((void **)&ruleset->tables, &ruleset->n_tables, sizeof(*table));
	if (!table) {
		free(copy);
		return NULL;
	}
	table->family = family;
	table->name = copy;
	return table;
}

struct chain *table_find_chain(const struct table *table, const char *name)
{
	for (size_t i = 0; table && i < table->n_chains; i++)
		if (strcmp(table->chains[i].name, name) == 0)
			return &table->chains[i];
	return NULL;
}

const struct chain *table_next_chain(const struct table *table, const char *name)
{
	const struct chain *next = NULL;

	for (size_t i = 0; table && i < table->n_chains; i++) {
		const struct chain *chain = &table->chains[i];

		if (!chain->base && strcmp(chain->name, name) > 0 && (!next || strcmp(chain->name, next->name) < 0))
			next = chain;
	}
	return next;
}

struct chain *table_add_chain(struct table *table, const char *name)
{
	struct chain *chain = table_find_chain(table, name);
	char *copy;

	if (chain)
		return chain;
	copy = strdup(name);
	if (!copy)
		return NULL;
	chain = grow((void **)&table->chains, &table->n_chains, sizeof(*chain));
	if (!chain) {
		free(copy);
		return NULL;
	}
	chain->name = copy;
	return chain;
}

struct rule *chain_add_rule(struct chain *chain)
{
	return grow((void **)&chain->rules, &chain->n_rules, sizeof(struct rule));
}

struct match *rule_add_match(struct rule *rule, enum match_kind kind)
{
	struct match *match = grow((void **)&rule->matches, &rule->n_matches, sizeof(*match));

	if (!match)
		return NULL;
	match->kind = kind;
	switch (kind) {
	case MATCH_TCP:
	case MATCH_UDP:
		match->u.ports.sport.hi = UINT16_MAX;
		match->u.ports.dport.hi = UINT16_MAX;
		break;
	case MATCH_ICMP:
	case MATCH_ICMP6:
		match->u.icmp.code_hi = UINT8_MAX;
		break;
	default:
		break;
	}
	return match;
}

int rule_set_target(struct rule *rule, enum target_kind kind, const char *chain)
{
	int r = set_text(&rule->target.chain, chain);

	if (r == 0)
		rule->target.kind = kind;
	return r;
}

int match_set_text(struct match *match, const char *text)
{
	return set_text(&match->text, text);
}

int target_set_text(struct target *target, const char *text)
{
	return set_text(&target->text, text);
}

int rule_copy(struct rule *ret, const struct rule *rule)
{
	struct rule copy = *rule;

	copy.matches = NULL;
	copy.n_matches = 0;
	copy.target.chain = NULL;
	copy.target.text = NULL;
	for (size_t i = 0; i < rule->n_matches; i++) {
		struct match *match = rule_add_match(&copy, rule->matches[i].kind);

		if (!match)
			goto fail;
		*match = rule->matches[i];
		match->text = NULL;
		if (match_set_text(match, rule->matches[i].text) < 0)
			goto fail;
	}
	if (set_text(&copy.target.chain, rule->target.chain) < 0 || set_text(&copy.target.text, rule->target.text) < 0)
		goto fail;
	*ret = copy;
	return 0;
fail:
	rule_clear(&copy);
	return -ENOMEM;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool span_equal(struct port_span a, struct port_span b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static bool match_equal(const struct match *a, const struct match *b)
{
	if (a->kind != b->kind || a->inverted != b->inverted || !text_equal(a->text, b->text))
		return false;
	switch (a->kind) {
	case MATCH_IIF:
	case MATCH_OIF:
		return a->u.iface.prefix == b->u.iface.prefix && strcmp(a->u.iface.name, b->u.iface.name) == 0;
	case MATCH_SRC:
	case MATCH_DST:
		return addr_equal(&a->u.net.addr, &b->u.net.addr) && memcmp(a->u.net.mask, b->u.net.mask, 16) == 0;
	case MATCH_PROTO:
		return a->u.proto == b->u.proto;
	case MATCH_TCP:
	case MATCH_UDP:
		return span_equal(a->u.ports.sport, b->u.ports.sport) && span_equal(a->u.ports.dport, b->u.ports.dport) &&
		       a->u.ports.not_sport == b->u.ports.not_sport && a->u.ports.not_dport == b->u.ports.not_dport &&
		       a->u.ports.flag_mask == b->u.ports.flag_mask && a->u.ports.flag_set == b->u.ports.flag_set &&
		       a->u.ports.not_flags == b->u.ports.not_flags;
	case MATCH_ICMP:
	case MATCH_ICMP6:
		return a->u.icmp.type == b->u.icmp.type && a->u.icmp.code_lo == b->u.icmp.code_lo &&
		       a->u.icmp.code_hi == b->u.icmp.code_hi;
	case MATCH_HL:
		return a->u.hl == b->u.hl;
	case MATCH_MULTIPORT:
		if (a->u.multiport.which != b->u.multiport.which || a->u.multiport.n != b->u.multiport.n)
			return false;
		for (size_t i = 0; i < a->u.multiport.n; i++)
			if (!span_equal(a->u.multiport.spans[i], b->u.multiport.spans[i]))
				return false;
		return true;
	case MATCH_CONNTRACK:
		return a->u.conntrack.flags == b->u.conntrack.flags && a->u.conntrack.invert == b->u.conntrack.invert &&
		       a->u.conntrack.states == b->u.conntrack.states && a->u.conntrack.status == b->u.conntrack.status &&
		       a->u.conntrack.reply == b->u.conntrack.reply &&
		       span_equal(a->u.conntrack.origdst_port, b->u.conntrack.origdst_port);
	case MATCH_SET:
		return strcmp(a->u.set.name, b->u.set.name) == 0 && a->u.set.dim == b->u.set.dim && a->u.set.src == b->u.set.src;
	case MATCH_COMMENT:
	case MATCH_LIMIT:
	case MATCH_OPAQUE:
		return true; /* the text is all there is */
	}
	return false;
}

static bool target_equal(const struct target *a, const struct target *b)
{
	if (a->kind != b->kind || !text_equal(a->chain, b->chain) || !text_equal(a->text, b->text))
		return false;
	return a->kind != TARGET_NFLOG || (a->nflog.group == b->nflog.group && a->nflog.threshold == b->nflog.threshold &&
					   a->nflog.size == b->nflog.size && strcmp(a->nflog.prefix, b->nflog.prefix) == 0);
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	uint64_t taken = 0; /* matches of @b that have their partner; no rule has 64 */

	if (a->n_matches != b->n_matches || a->n_matches > 64 || !target_equal(&a->target, &b->target))
		return false;
	for (size_t i = 0; i < a->n_matches; i++) {
		size_t j = 0;

		while (j < b->n_matches && ((taken >> j & 1) || !match_equal(&a->matches[i], &b->matches[j])))
			j++;
		if (j == b->n_matches)
			return false;
		taken |= UINT64_C(1) << j;
	}
	return true;
}

const struct match *rule_find_match(const struct rule *rule, enum match_kind kind)
{
	for (size_t i = 0; i < rule->n_matches; i++)
		if (rule->matches[i].kind == kind)
			return &rule->matches[i];
	return NULL;
}
