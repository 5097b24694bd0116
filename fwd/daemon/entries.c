/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of whitelists: journal first, then kernel. What is not on the disk was never in force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/entries_internal.h"
#include "fwd/daemon/gate.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/removal.h"
#include "fwd/daemon/upkeep.h"

#define WIDE_V4 16 /* shorter prefixes need --wide: a mistyped 1.2.3.4/3 opens an eighth of the internet */
#define WIDE_V6 32

const struct list *entries_find_list(const struct policy *policy, const char *name, size_t *index)
{
	for (size_t i = 0; i < policy->n_lists; i++) {
		if (strcmp(policy->lists[i].name, name) == 0) {
			*index = i;
			return &policy->lists[i];
		}
	}
	return NULL;
}

int entries_journal_create(struct firewall *firewall, const struct policy *policy)
{
	char set[32];
	int r = firewall->gate_journaled ? 0 : gate_journal(firewall->journal);

	for (size_t i = 0; i < policy->n_lists && r == 0; i++) {
		for (int f = 0; f < FAMILIES && r == 0; f++) {
			if (firewall->journaled[i][f])
				continue;
			list_set_name(&policy->lists[i], family_af[f], set);
			r = journal_create(firewall->journal, set, family_af[f]);
		}
	}
	return r;
}

int entries_journal_sync(struct firewall *firewall, const struct policy *policy, struct diag *diag)
{
	int r = journal_sync(firewall->journal, diag);

	for (size_t i = 0; i < policy->n_lists && r == 0; i++)
		memset(firewall->journaled[i], true, sizeof(firewall->journaled[i]));
	if (r == 0)
		firewall->gate_journaled = true;
	return r;
}

/* A test of a host tells whether anything covers it. */
bool entries_maybe_covered(struct firewall *firewall, const char *set, const struct cidr *net)
{
	return net->len < addr_bits(net->addr.family) || sets_test(firewall->sets, set, net) > 0;
}

bool entries_covered_by(struct firewall *firewall, const char *set, const struct cidr *net, struct cidr *ret)
{
	for (unsigned len = net->len; len-- > 1;) {
		*ret = cidr_of(&net->addr, len);
		if (sets_test(firewall->sets, set, ret) > 0)
			return true;
	}
	return false;
}

static int refuse_wide(const struct allow *allow, struct change *change)
{
	for (size_t i = 0; i < allow->n && !allow->wide; i++) {
		const struct cidr *net = &allow->nets[i];
		char text[ADDR_TEXT_MAX];

		if (net->len >= (net->addr.family == AF_INET ? WIDE_V4 : WIDE_V6))
			continue;
		cidr_format(net, text);
		return change_refuse(change, "if that is meant, say so: --wide", "%s is wider than /%d: nothing was changed", text,
				     net->addr.family == AF_INET ? WIDE_V4 : WIDE_V6);
	}
	return 0;
}

static int plan_allow(struct firewall *firewall, const struct list *list, const struct allow *allow, struct plan *plans)
{
	int r;

	for (size_t i = 0; i < allow->n; i++) {
		plans[i].entry = (struct entry){ .net = allow->nets[i], .until = allow->until };
		list_set_name(list, allow->nets[i].addr.family, plans[i].set);
		plans[i].maybe_covered = entries_maybe_covered(firewall, plans[i].set, &allow->nets[i]);
	}
	r = entries_look_up(firewall, plans, allow->n);
	for (size_t i = 0; i < allow->n && r == 0; i++) {
		struct plan *plan = &plans[i];

		snprintf(plan->entry.comment, sizeof(plan->entry.comment), "%s", allow->comment ? allow->comment :
			 plan->found ? plan->old.comment : "");
		plan->was = !plan->found ? ENTRY_ABSENT : entry_same(&plan->old, &plan->entry) ? ENTRY_PRESENT : ENTRY_CHANGED;
	}
	return r;
}

/* Back to what was, in both places, after the kernel refused entry @failed. */
static void undo_allow(struct firewall *firewall, const struct plan *plans, size_t n, size_t failed)
{
	struct diag diag = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct plan *plan = &plans[i];

		if (plan->was == ENTRY_PRESENT)
			continue;
		if (plan->was == ENTRY_ABSENT) {
			journal_del(firewall->journal, plan->set, &plan->entry.net);
			if (i < failed)
				sets_del(firewall->sets, plan->set, &plan->entry.net);
		} else {
			journal_add(firewall->journal, plan->set, &plan->old, now_epoch());
			if (i < failed)
				sets_add(firewall->sets, plan->set, &plan->old, 1, false, now_epoch(), NULL);
		}
	}
	if (journal_sync(firewall->journal, &diag) < 0)
		firewall_degrade(firewall, "%s", diag.text);
}

/* By name alone: to look closer costs a walk of the set. They were looked at when fwd started. */
static bool sets_exist(struct firewall *firewall, const struct policy *policy)
{
	struct codec_sets resolver = sets_resolver(firewall->sets);
	uint16_t index;
	char set[32];

	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			list_set_name(&policy->lists[i], family_af[f], set);
			if (resolver.index(set, &index, resolver.user) < 0)
				return false;
		}
	}
	return true;
}

/* Whether the sets are ours. What the journal has was looked at when fwd started; to look closer costs a walk of the set. */
int entries_refuse_foreign(struct firewall *firewall, struct change *change)
{
	const struct policy *policy = &firewall->confirmed.policy;
	struct diag diag = { 0 };
	bool known = true;

	for (size_t i = 0; i < policy->n_lists; i++)
		for (int f = 0; f < FAMILIES; f++)
			known &= firewall->journaled[i][f];
	if (known || entries_check(firewall, policy, &diag) == 0)
		return 0;
	return change_refuse(change, NULL, "%s; nothing was changed", diag.text);
}

/* The journal says by itself that nothing was changed. */
int entries_refuse_unwritten(struct change *change, const struct diag *diag, int r)
{
	if (diag->text[0])
		return change_refuse(change, NULL, "%s%s", diag->text, strstr(diag->text, "nothing was changed") ? "" :
				     "; nothing was changed");
	return change_refuse(change, NULL, "%s; nothing was changed", strerror(-r));
}

static int carry_out_allow(struct firewall *firewall, const struct plan *plans, size_t n, struct change *change)
{
	struct diag diag = { 0 };
	uint64_t now = now_epoch();
	int r = sets_exist(firewall, &firewall->confirmed.policy) ? 0 : entries_ensure(firewall, &firewall->confirmed.policy, &diag);

	if (r == 0)
		r = entries_journal_create(firewall, &firewall->confirmed.policy);
	for (size_t i = 0; i < n && r == 0; i++)
		if (plans[i].was != ENTRY_PRESENT)
			r = journal_add(firewall->journal, plans[i].set, &plans[i].entry, now);
	if (r < 0)
		journal_drop(firewall->journal);
	else
		r = entries_journal_sync(firewall, &firewall->confirmed.policy, &diag);
	if (r < 0)
		return entries_refuse_unwritten(change, &diag, r);
	for (size_t i = 0; i < n; i++) {
		if (plans[i].was == ENTRY_PRESENT)
			continue;
		r = sets_add(firewall->sets, plans[i].set, &plans[i].entry, 1, false, now, NULL);
		if (r < 0) {
			undo_allow(firewall, plans, n, i);
			return change_refuse(change, NULL, "the kernel refused an entry of %s: %s; nothing was changed", plans[i].set,
					     strerror(-r));
		}
	}
	return 0;
}

static void tell_allow(struct firewall *firewall, const struct plan *plan, struct change *change, entry_told *told, void *user)
{
	char net[ADDR_TEXT_MAX], note[256] = "", line[384];
	struct cidr wider;

	cidr_format(&plan->entry.net, net);
	if (plan->was != ENTRY_PRESENT && change->would && change->dry_run) {
		snprintf(line, sizeof(line), "+ %s %s", plan->set, net);
		change->would(line, change->user);
	}
	if (!change->dry_run && plan->was != ENTRY_PRESENT)
		log_say(LOG_NOTICE, "allow %s in %s by %s", net, plan->set, change->who);
	if (!change->dry_run && firewall->confirmed.on)
		inspect_allowed(firewall, &plan->entry.net, note, sizeof(note));
	if (!note[0] && plan->was == ENTRY_ABSENT && plan->maybe_covered &&
	    entries_covered_by(firewall, plan->set, &plan->entry.net, &wider)) {
		cidr_format(&wider, net);
		snprintf(note, sizeof(note), "%s was open already", net);
	}
	told(&plan->entry, plan->was, note, user);
}

int firewall_allow(struct firewall *firewall, const struct allow *allow, struct change *change, entry_told *told, void *user)
{
	size_t index;
	const struct list *list = entries_find_list(&firewall->confirmed.policy, allow->list, &index);
	struct plan *plans;
	int r;

	if (!firewall->kernel || !firewall->journal)
		return change_refuse(change, NULL, "%s; nothing was changed", firewall->degraded);
	if (!list)
		return change_refuse(change, "fwctl list shows what there is", "there is no list \"%s\"", allow->list);
	if (refuse_wide(allow, change) < 0 || entries_refuse_foreign(firewall, change) < 0)
		return -EPERM;
	plans = calloc(allow->n, sizeof(*plans));
	if (!plans)
		return change_refuse(change, NULL, "out of memory; nothing was changed");
	change->exit = EXIT_DONE;
	r = plan_allow(firewall, list, allow, plans);
	for (size_t i = 0; i < allow->n && r == 0; i++)
		change->changed |= plans[i].was != ENTRY_PRESENT;
	if (r < 0)
		change_refuse(change, NULL, "cannot look into the list %s: %s; nothing was changed", allow->list, strerror(-r));
	else if (change->changed && !change->dry_run)
		r = carry_out_allow(firewall, plans, allow->n, change);
	for (size_t i = 0; i < allow->n && r == 0 && !change->dry_run; i++)
		removal_allow(firewall, &plans[i].entry);
	for (size_t i = 0; i < allow->n && r == 0; i++)
		tell_allow(firewall, &plans[i], change, told, user);
	kernel_look_end(firewall->kernel);
	free(plans);
	upkeep_kick(firewall->upkeep);
	return r;
}
