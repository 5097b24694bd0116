/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/match.h"
#include "rules/verdict.h"

/*
 * A walk through a chain does not give an outcome but the set of those that are possible: accept, drop, fall through.
 * A rule that matches for certain with a target that decides ends the walk; one that may match adds what its target
 * does to the set, and the walk goes on. So both ways are followed in one pass, however many doubtful rules there are.
 *
 * Each outcome knows its first doubt: the step that must turn out otherwise than "does not match" for the outcome to
 * happen. Exactly one outcome of a chain has none (the main way); what else is possible is blamed on its doubt.
 */
#define DEPTH_MAX 16 /* NFT_JUMP_STACK_SIZE: deeper chains are not loaded by the kernel */

/* A step with its number: from VERDICT_STEPS_MAX on it lives in its mark only. */
struct mark {
	bool set;
	size_t number;
	struct verdict_step step;
};

/* One possible outcome of a chain. */
struct end {
	bool possible;
	struct mark decides;
	struct mark doubt; /* not set: the main way leads here */
};

struct ends {
	struct end accept, drop, fall;
};

struct walk {
	const struct packet *packet;
	set_lookup *lookup;
	void *user;
	struct verdict_way *way;
	size_t n_steps;  /* taken; way has the first VERDICT_STEPS_MAX */
	unsigned visits, depth;
	struct mark lost; /* set: VERDICT_VISITS_MAX is reached, nothing more can be told */
};

static struct mark add_step(struct walk *walk, const struct verdict_step *step)
{
	struct mark mark = { .set = true, .number = walk->n_steps++, .step = *step };

	if (mark.number < VERDICT_STEPS_MAX)
		walk->way->steps[mark.number] = *step;
	return mark;
}

static void add_end(struct end *end, const struct mark *decides, const struct mark *doubt)
{
	/* the first doubt on the main way is the one to name; numbers count along it */
	if (!end->possible || (end->doubt.set && (!doubt->set || doubt->number < end->doubt.number)))
		*end = (struct end){ .possible = true, .decides = *decides, .doubt = *doubt };
}

static void merge_end(struct end *end, const struct end *other)
{
	if (other->possible)
		add_end(end, &other->decides, &other->doubt);
}

/* Nobody can tell. To fall through as well would add nothing: that leads to one of the two. */
static void add_both(struct ends *ends, const struct mark *decides, const struct mark *doubt)
{
	add_end(&ends->accept, decides, doubt);
	add_end(&ends->drop, decides, doubt);
}

static void walk_chain(struct walk *walk, const struct table *table, const struct chain *chain, struct mark doubt,
		       struct ends *ret);

/* NULL: the kernel would not load it, and nobody knows what it does. */
static const struct chain *target_chain(const struct walk *walk, const struct verdict_step *step)
{
	const char *name = step->chain->rules[step->rule].target.chain;

	return name && walk->depth < DEPTH_MAX ? table_find_chain(step->table, name) : NULL;
}

/* A rule that matches, or may. @doubt is what this rule is reached by, and becomes what the next one is reached by.
 * Whether the walk through this chain ends here. */
static bool walk_rule(struct walk *walk, struct verdict_step *step, struct mark *doubt, struct ends *ret)
{
	enum target_kind kind = step->chain->rules[step->rule].target.kind;
	const struct chain *chain = NULL;
	struct ends there = { 0 };
	struct mark here, why;
	bool sure = step->certain;

	if (kind == TARGET_NONE || kind == TARGET_NFLOG || kind == TARGET_LOG)
		return false;
	if (kind == TARGET_JUMP || kind == TARGET_GOTO) {
		chain = target_chain(walk, step);
		if (!chain)
			kind = TARGET_OPAQUE;
	}
	if (kind == TARGET_OPAQUE)
		sure = false;
	step->certain = sure && !doubt->set;
	here = add_step(walk, step);
	why = doubt->set || sure ? *doubt : here;
	switch (kind) {
	case TARGET_ACCEPT:
		add_end(&ret->accept, &here, &why);
		return sure;
	case TARGET_DROP:
	case TARGET_REJECT:
		add_end(&ret->drop, &here, &why);
		return sure;
	case TARGET_RETURN:
		add_end(&ret->fall, &here, &why);
		return sure;
	default:
		if (chain)
			break;
		add_both(ret, &here, &why);
		return false;
	}
	walk->depth++;
	walk_chain(walk, step->table, chain, why, &there);
	walk->depth--;
	merge_end(&ret->accept, &there.accept);
	merge_end(&ret->drop, &there.drop);
	if (kind == TARGET_GOTO) {
		merge_end(&ret->fall, &there.fall);
		return sure;
	}
	if (!there.accept.possible && !there.drop.possible)
		walk->n_steps = here.number; /* came back unharmed: it did not matter */
	if (sure && there.fall.possible)
		*doubt = there.fall.doubt;
	return sure && !there.fall.possible;
}

static void walk_chain(struct walk *walk, const struct table *table, const struct chain *chain, struct mark doubt,
		       struct ends *ret)
{
	struct mark none = { 0 };

	for (size_t i = 0; i < chain->n_rules; i++) {
		struct verdict_step step = { .table = table, .chain = chain, .rule = i };
		enum answer answer;

		if (!walk->lost.set && walk->visits++ >= VERDICT_VISITS_MAX)
			walk->lost = add_step(walk, &step);
		if (walk->lost.set) {
			add_both(ret, &walk->lost, doubt.set ? &doubt : &walk->lost);
			return;
		}
		answer = match_rule(&chain->rules[i], walk->packet, walk->lookup, walk->user);
		step.certain = answer == ANSWER_YES;
		if (answer != ANSWER_NO && walk_rule(walk, &step, &doubt, ret))
			return;
	}
	add_end(&ret->fall, &none, &doubt);
}

static void walk_base(struct walk *walk, const struct table *table, const struct chain *chain, struct ends *ret)
{
	struct verdict_step step = { .table = table, .chain = chain, .rule = chain->n_rules };
	struct mark here;

	walk_chain(walk, table, chain, (struct mark){ 0 }, ret);
	if (!ret->fall.possible)
		return;
	step.certain = !ret->fall.doubt.set && chain->policy <= NF_ACCEPT;
	here = add_step(walk, &step);
	if (chain->policy == NF_ACCEPT)
		add_end(&ret->accept, &here, &ret->fall.doubt);
	else if (chain->policy == NF_DROP)
		add_end(&ret->drop, &here, &ret->fall.doubt);
	else /* POLICY_KEEP: it stands elsewhere */
		add_both(ret, &here, ret->fall.doubt.set ? &ret->fall.doubt : &here);
}

struct place {
	const struct table *table;
	const struct chain *chain;
};

/* The base chain behind the one at @place (no chain: the first): by priority, then as they stand in the ruleset. */
static bool next_base(const struct ruleset *ruleset, const struct packet *packet, struct place *place)
{
	struct place best = { 0 };
	bool passed = !place->chain; /* of equal priority, those before the last one are done */

	for (size_t i = 0; i < ruleset->n_tables; i++) {
		const struct table *table = &ruleset->tables[i];

		if (table->family != NFPROTO_INET && table->family != packet->src.family)
			continue;
		for (size_t j = 0; j < table->n_chains; j++) {
			const struct chain *chain = &table->chains[j];

			if (chain == place->chain) {
				passed = true;
				continue;
			}
			if (!chain->base || !chain->filter || chain->hook != packet->hook)
				continue;
			if (place->chain && (chain->priority < place->chain->priority ||
					     (chain->priority == place->chain->priority && !passed)))
				continue;
			if (!best.chain || chain->priority < best.chain->priority)
				best = (struct place){ table, chain };
		}
	}
	*place = best;
	return best.chain;
}

/* Where the step that decides or makes the doubt stands for good: in the last place, if it came too late for one. */
static const struct verdict_step *keep_step(struct walk *walk, const struct mark *mark)
{
	struct verdict_way *way = walk->way;

	way->truncated = walk->n_steps > VERDICT_STEPS_MAX;
	way->n_steps = way->truncated ? VERDICT_STEPS_MAX : walk->n_steps;
	if (!mark->set)
		return NULL;
	if (mark->number < way->n_steps)
		return &way->steps[mark->number];
	way->steps[way->n_steps - 1] = mark->step;
	return &way->steps[way->n_steps - 1];
}

static bool is_policy(const struct mark *mark)
{
	return mark->step.rule == mark->step.chain->n_rules;
}

void verdict(const struct ruleset *ruleset, const struct packet *packet, set_lookup *lookup, void *user,
	     struct verdict_way *ret)
{
	struct walk walk = { .packet = packet, .lookup = lookup, .user = user, .way = ret };
	struct mark accepts = { 0 }, doubt = { 0 };
	struct place place = { 0 };
	bool may_drop = false, drops = false; /* drops: on the main way, so that only a doubtful accept can change it */

	memset(ret, 0, sizeof(*ret));
	while (next_base(ruleset, packet, &place)) {
		struct ends ends = { 0 };

		walk_base(&walk, place.table, place.chain, &ends);
		if (!ends.accept.possible) {
			ret->verdict = VERDICT_DROP;
			ret->decides = keep_step(&walk, &ends.drop.decides);
			return;
		}
		if (!accepts.set || !is_policy(&ends.accept.decides)) /* a rule says more than a policy */
			accepts = ends.accept.decides;
		if (!ends.drop.possible || drops)
			continue;
		drops = !ends.drop.doubt.set;
		if (drops)
			doubt = ends.accept.doubt;
		else if (!may_drop)
			doubt = ends.drop.doubt;
		may_drop = true;
	}
	ret->verdict = may_drop ? VERDICT_UNKNOWN : VERDICT_ACCEPT;
	if (may_drop)
		ret->doubt = keep_step(&walk, &doubt);
	else
		ret->decides = keep_step(&walk, &accepts);
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_ACCEPT:
		return "accept";
	case VERDICT_DROP:
		return "drop";
	case VERDICT_UNKNOWN:
		break;
	}
	return "cannot tell";
}
