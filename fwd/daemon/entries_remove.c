/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries taken away: final at once, for revoking an attacker must not wait; on trial only if it would cut a login.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/daemon/entries_internal.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/removal.h"
#include "fwd/daemon/upkeep.h"

/* From the journal, all of them or none. */
static int forget(struct firewall *firewall, const struct plan *plans, size_t n, struct change *change)
{
	struct diag diag = { 0 };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if (plans[i].found)
			r = journal_del(firewall->journal, plans[i].set, &plans[i].entry.net);
	if (r < 0)
		journal_drop(firewall->journal);
	else
		r = journal_sync(firewall->journal, &diag);
	return r < 0 ? entries_refuse_unwritten(change, &diag, r) : 0;
}

static void tell_removed(struct firewall *firewall, const struct plan *plan, struct change *change, entry_told *told, void *user)
{
	char text[ADDR_TEXT_MAX], note[256] = "", line[384];
	struct cidr wider;

	cidr_format(&plan->entry.net, text);
	if (plan->found && change->dry_run && change->would) {
		snprintf(line, sizeof(line), "- %s %s", plan->set, text);
		change->would(line, change->user);
	}
	if (plan->found && !change->dry_run)
		log_say(LOG_NOTICE, "remove %s from %s by %s", text, plan->set, change->who);
	if (entries_maybe_covered(firewall, plan->set, &plan->entry.net) && entries_covered_by(firewall, plan->set, &plan->entry.net, &wider)) {
		cidr_format(&wider, text);
		snprintf(note, sizeof(note), "covered by %s", text);
	}
	told(&plan->entry, plan->found ? ENTRY_PRESENT : ENTRY_ABSENT, note, user);
}

static int carry_out_remove(struct firewall *firewall, struct plan *plans, size_t n, struct change *change)
{
	int r = forget(firewall, plans, n, change);

	for (size_t i = 0; i < n && r == 0; i++) {
		char text[ADDR_TEXT_MAX];

		if (!plans[i].found)
			continue;
		r = sets_del(firewall->sets, plans[i].set, &plans[i].entry.net);
		if (r == -ENOENT) { /* a wider network covers it, its time came, or it was named twice */
			plans[i].found = false;
			r = 0;
		}
		if (r == 0)
			continue;
		cidr_format(&plans[i].entry.net, text);
		firewall_degrade(firewall, "%s was removed from the file, but the kernel refuses: %s", text, strerror(-r));
		change_refuse(change, "restart fwd: it brings the set up to date", "cannot remove %s from %s: %s", text, plans[i].set,
			      strerror(-r));
	}
	return r;
}

/* A removal that would cut a login waits for its confirm. 1: it is on trial now, 0: it needs none, or refused. */
static int on_trial(struct firewall *firewall, const struct plan *plans, size_t n, struct change *change)
{
	struct cidr *nets = calloc(n, sizeof(*nets));
	char who[256];
	size_t found = 0;
	int r = nets ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		if (plans[i].found)
			nets[found++] = plans[i].entry.net;
	if (r == 0)
		r = removal_cuts_login(firewall, nets, found, who, sizeof(who));
	if (r > 0 && !change->force && !change->interactive)
		r = change_refuse(change, "--force puts it on trial; it is final once somebody else confirms", "this would cut a login: %s", who);
	else if (r > 0)
		r = removal_begin(firewall, nets, found, change) < 0 ? -EPERM : 1;
	else if (r < 0)
		change_refuse(change, NULL, "cannot tell whose login this would cut: %s; nothing was changed", strerror(-r));
	free(nets);
	return r;
}

static int remove_planned(struct firewall *firewall, struct plan *plans, size_t n, struct change *change)
{
	int r;

	if (change->dry_run)
		return 0;
	r = firewall->confirmed.on ? on_trial(firewall, plans, n, change) : 0;
	return r == 0 ? carry_out_remove(firewall, plans, n, change) : r < 0 ? r : 0;
}

int firewall_remove(struct firewall *firewall, const char *list_name, const struct cidr *nets, size_t n, struct change *change,
		    entry_told *told, void *user)
{
	size_t index;
	const struct list *list = entries_find_list(&firewall->confirmed.policy, list_name, &index);
	struct plan *plans;
	int r;

	if (!firewall->kernel || !firewall->journal)
		return change_refuse(change, NULL, "%s; nothing was changed", firewall->degraded);
	if (!list)
		return change_refuse(change, "fwctl list shows what there is", "there is no list \"%s\"", list_name);
	if (entries_refuse_foreign(firewall, change) < 0)
		return -EPERM;
	if (firewall->trial.on && !change->dry_run)
		return trial_refuse_running(firewall, change);
	plans = calloc(n, sizeof(*plans));
	if (!plans)
		return change_refuse(change, NULL, "out of memory; nothing was changed");
	for (size_t i = 0; i < n; i++) {
		plans[i].entry.net = nets[i];
		list_set_name(list, nets[i].addr.family, plans[i].set);
		/* exact enough to begin with, and cheap however long the list is: the removal itself tells */
		plans[i].found = !change->dry_run && sets_test(firewall->sets, plans[i].set, &nets[i]) > 0;
	}
	change->exit = EXIT_DONE;
	r = change->dry_run ? entries_look_up(firewall, plans, n) : 0;
	if (r < 0)
		change_refuse(change, NULL, "cannot look into the list %s: %s; nothing was changed", list_name, strerror(-r));
	else
		r = remove_planned(firewall, plans, n, change);
	for (size_t i = 0; i < n && r == 0; i++) {
		change->changed |= plans[i].found;
		tell_removed(firewall, &plans[i], change, told, user);
	}
	free(plans);
	upkeep_kick(firewall->upkeep);
	return r;
}
