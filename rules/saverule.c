/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savematch.h"
#include "rules/savename.h"
#include "rules/savereading.h"

#define MATCHES_MAX 64 /* more cannot be compared (rule_equal) */

/* Makes of a match what its words say, and nothing of what was read from them. */
static int demote(struct savereading *r, struct match *match, size_t from)
{
	char *text = savereading_join(r, from, r->at);

	if (!text)
		return -ENOMEM;
	free(match->text);
	*match = (struct match){ .kind = MATCH_OPAQUE, .text = text };
	return 0;
}

static int add_opaque(struct savereading *r)
{
	struct match *match = rule_add_match(&r->out->rule, MATCH_OPAQUE);

	return match ? demote(r, match, r->begin) : -ENOMEM;
}

static bool value_is_bang(const struct savematch *match, const char *value)
{
	return match->kind != MATCH_COMMENT && strcmp(value, "!") == 0;
}

/* Reads options of @match, which is the rule's match @index, as long as they last. @from: where its words begin.
 * @resumed: it holds something from further in front already. */
static int read_match(struct savereading *r, const struct savematch *def, size_t index, size_t from, bool resumed)
{
	const struct saveline *line = r->line;
	struct match *match = &r->out->rule.matches[index];

	while (r->at < line->n_words) {
		bool inverted = strcmp(line->words[r->at], "!") == 0;
		size_t at = r->at + inverted, values;
		const struct savematch_option *option;

		if (at == line->n_words || savereading_core(line->words[at]))
			break;
		if (line->words[at][0] != '-')
			return savereading_refuse(r, at, "an unexpected word");
		option = savematch_option(def, line->words[at]);
		if (!option && savereading_is_implicit(r, line->words[at]))
			break;
		if (!option)
			goto opaque;
		values = savematch_values(option->name);
		if (at + values >= line->n_words)
			return savereading_refuse(r, at, "a value is missing");
		if (values && value_is_bang(def, line->words[at + 1]))
			return savereading_refuse(r, at, "\"!\" stands before an option, not behind it");
		if (r->seen[def->kind] & option->id)
			return savereading_refuse(r, at, "given twice, or beside an option that excludes it");
		r->seen[def->kind] |= option->id;
		if (!def->take(match, option->id, option->name, &line->words[at + 1], inverted))
			goto opaque;
		r->at = at + 1 + values;
	}
	if (def->bare || r->seen[def->kind])
		return 0;
opaque:
	savereading_swallow(r);
	if (!resumed)
		return demote(r, match, from);
	r->spoiled = true;
	return 0;
}

static int begin_match(struct savereading *r, const struct savematch *def, size_t from)
{
	if (!rule_add_match(&r->out->rule, def->kind))
		return -ENOMEM;
	/* iptables 1.8.9 keeps one of two rules' worth of ports here */
	if (r->index[def->kind] && def->proto)
		r->spoiled = true;
	r->index[def->kind] = r->out->rule.n_matches;
	r->seen[def->kind] = 0;
	return read_match(r, def, r->out->rule.n_matches - 1, from, false);
}

/* An option that is none of iptables itself and follows no -m: the protocol's, or nobody knows whose. */
static int take_option(struct savereading *r)
{
	const struct savematch *def = savereading_implicit(r);

	if (!def || !savematch_option(def, r->line->words[r->at])) {
		r->spoiled = true;
		r->hidden = true;
		r->at++;
		savereading_swallow(r);
		return 0;
	}
	r->at = r->begin;
	if (!r->index[def->kind])
		return begin_match(r, def, r->begin);
	/* it may have been demoted meanwhile */
	if (r->out->rule.matches[r->index[def->kind] - 1].kind == MATCH_OPAQUE) {
		r->spoiled = true;
		r->hidden = true;
		r->at++;
		savereading_swallow(r);
		return 0;
	}
	return read_match(r, def, r->index[def->kind] - 1, r->begin, true);
}

static int take_proto(struct savereading *r, const char *value)
{
	struct match *match;
	uint8_t proto;

	if (!savename_parse_proto(value, &proto) || (proto == 0 && r->inverted))
		return add_opaque(r);
	if (proto == 0)
		return 0;
	match = rule_add_match(&r->out->rule, MATCH_PROTO);
	if (!match)
		return -ENOMEM;
	match->u.proto = proto;
	match->inverted = r->inverted;
	if (!r->inverted)
		r->proto = proto;
	return 0;
}

/* @kind: MATCH_SRC, MATCH_DST, MATCH_IIF or MATCH_OIF. Lists (a,b) are several rules, names ask the resolver: opaque. */
static int take_endpoint(struct savereading *r, enum match_kind kind, const char *value)
{
	struct match *match = rule_add_match(&r->out->rule, kind);
	bool any = false, good;

	if (!match)
		return -ENOMEM;
	if (kind == MATCH_SRC || kind == MATCH_DST) {
		good = savematch_net(value, r->family, match, &any);
	} else {
		good = savematch_iface(value, match);
		any = good && match->u.iface.prefix && !match->u.iface.name[0];
	}
	match->inverted = r->inverted;
	if (!good || (any && r->inverted && (kind == MATCH_SRC || kind == MATCH_DST)))
		return demote(r, match, r->begin);
	if (any && !r->inverted)
		r->out->rule.n_matches--; /* as iptables: it says nothing */
	return 0;
}

/* "-c P B" or "-c P,B" */
static int take_counters(struct savereading *r, const char *value)
{
	struct rule *rule = &r->out->rule;
	const char *comma = strchr(value, ',');
	char packets[24];

	if (!comma && r->at == r->line->n_words)
		return savereading_refuse(r, r->begin, "a value is missing");
	snprintf(packets, sizeof(packets), "%.*s", comma ? (int)(comma - value) : 23, value);
	if (!saveline_number(packets, UINT64_MAX, &rule->packets) ||
	    !saveline_number(comma ? comma + 1 : r->line->words[r->at++], UINT64_MAX, &rule->bytes))
		return savereading_refuse(r, r->begin, "no counters");
	return 0;
}

static int take_chain(struct savereading *r, const char *value)
{
	if (!*value || strlen(value) > CHAIN_NAME_MAX)
		return savereading_refuse(r, r->begin, "no name of a chain");
	snprintf(r->out->chain, sizeof(r->out->chain), "%s", value);
	return 0;
}

static int take_goto(struct savereading *r, const char *value)
{
	if (r->table && !table_find_chain(r->table, value))
		return savereading_refuse(r, r->begin + 1, "a chain that is not declared above");
	return rule_set_target(&r->out->rule, TARGET_GOTO, value);
}

static int take_valued(struct savereading *r, enum savecore core, const char *value)
{
	const struct savematch *def;

	switch (core) {
	case CORE_APPEND:
		return take_chain(r, value);
	case CORE_PROTO:
		return take_proto(r, value);
	case CORE_SRC:
		return take_endpoint(r, MATCH_SRC, value);
	case CORE_DST:
		return take_endpoint(r, MATCH_DST, value);
	case CORE_IIF:
		return take_endpoint(r, MATCH_IIF, value);
	case CORE_OIF:
		return take_endpoint(r, MATCH_OIF, value);
	case CORE_TARGET:
		return savetarget_read(r, value);
	case CORE_GOTO:
		return take_goto(r, value);
	case CORE_COUNTERS:
		return take_counters(r, value);
	default:
		break;
	}
	def = savematch_find(value);
	if (def)
		return begin_match(r, def, r->begin);
	savereading_swallow(r);
	return add_opaque(r);
}

static int take_core(struct savereading *r, enum savecore core)
{
	const unsigned may_invert = CORE_PROTO | CORE_SRC | CORE_DST | CORE_IIF | CORE_OIF | CORE_FRAGMENT;
	size_t option = r->at++;
	unsigned group = core == CORE_GOTO ? CORE_TARGET : core;

	if (core == CORE_REFUSED)
		return savereading_refuse(r, option, "only -A stands in such a file");
	if (r->inverted && !(core & may_invert))
		return savereading_refuse(r, option, "cannot be inverted");
	if (r->given & group & ~(unsigned)CORE_MANY)
		return savereading_refuse(r, option, "given twice");
	r->given |= group;
	switch (core) {
	case CORE_IPV4:
	case CORE_IPV6:
		if ((core == CORE_IPV4) != (r->family == NFPROTO_IPV4))
			r->out->skip = true;
		return 0;
	case CORE_FRAGMENT:
		return add_opaque(r);
	default:
		break;
	}
	if (r->at == r->line->n_words)
		return savereading_refuse(r, option, "a value is missing");
	if (strcmp(r->line->words[r->at], "!") == 0)
		return savereading_refuse(r, option, "\"!\" stands before an option, not behind it");
	return take_valued(r, core, r->line->words[r->at++]);
}

static int read_words(struct savereading *r)
{
	const struct saveline *line = r->line;

	while (r->at < line->n_words) {
		const char *word = line->words[r->at];
		enum savecore core = savereading_core(word);
		int error;

		if (!r->inverted)
			r->begin = r->at;
		if (strcmp(word, "!") == 0) {
			if (r->inverted)
				return savereading_refuse(r, r->at, "\"!\" twice");
			r->inverted = true;
			r->at++;
			continue;
		}
		if (!core && (word[0] != '-' || !word[1]))
			return savereading_refuse(r, r->at, "an unexpected word");
		error = core ? take_core(r, core) : take_option(r);
		if (error < 0)
			return error;
		r->inverted = false;
	}
	if (r->inverted)
		return savereading_refuse(r, r->begin, "nothing behind it");
	return r->out->chain[0] ? 0 : savereading_refuse(r, line->n_words, "no -A CHAIN");
}

/* Whether the matches go with family and protocol; iptables refuses them elsewhere. */
static bool is_sound(const struct savereading *r)
{
	for (size_t i = 0; i < r->out->rule.n_matches; i++) {
		switch (r->out->rule.matches[i].kind) {
		case MATCH_TCP:
			if (r->proto != IPPROTO_TCP)
				return false;
			break;
		case MATCH_UDP:
			if (r->proto != IPPROTO_UDP)
				return false;
			break;
		case MATCH_ICMP:
			if (r->proto != IPPROTO_ICMP || r->family != NFPROTO_IPV4)
				return false;
			break;
		case MATCH_ICMP6:
			if (r->proto != IPPROTO_ICMPV6 || r->family != NFPROTO_IPV6)
				return false;
			break;
		case MATCH_HL:
			if (r->family != NFPROTO_IPV6)
				return false;
			break;
		case MATCH_MULTIPORT:
			if (r->proto != IPPROTO_TCP && r->proto != IPPROTO_UDP && r->proto != IPPROTO_UDPLITE &&
			    r->proto != IPPROTO_SCTP && r->proto != IPPROTO_DCCP)
				return false;
			break;
		default:
			break;
		}
	}
	return r->out->rule.n_matches <= MATCHES_MAX;
}

/* The whole rule but its target becomes one match that nobody can read. */
static int spoil(struct savereading *r)
{
	struct rule *rule = &r->out->rule;

	for (size_t i = 0; i < rule->n_matches; i++)
		free(rule->matches[i].text);
	free(rule->matches);
	rule->matches = NULL;
	rule->n_matches = 0;
	r->begin = 0;
	r->at = r->line->n_words;
	return add_opaque(r);
}

/* What may have a target that was not seen does not "count and go on". */
static int hide_target(struct savereading *r)
{
	struct target *target = &r->out->rule.target;

	if (!r->hidden || target->kind != TARGET_NONE)
		return 0;
	target->kind = TARGET_OPAQUE;
	return target_set_text(target, "not understood");
}

int saverule_parse(const struct saveline *line, unsigned number, uint8_t family, const struct table *table,
		   struct saverule *ret, struct diag *diag)
{
	struct savereading r = {
		.line = line, .number = number, .family = family, .table = table, .diag = diag, .out = ret,
	};
	int error;

	memset(ret, 0, sizeof(*ret));
	ret->rule.packets = line->packets;
	ret->rule.bytes = line->bytes;
	error = read_words(&r);
	if (error == 0 && (r.spoiled || !is_sound(&r)))
		error = spoil(&r);
	if (error == 0)
		error = hide_target(&r);
	if (error < 0)
		rule_clear(&ret->rule);
	return error;
}
