/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is confirmed changes: kernel and files together, or neither.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/log.h"

int commit_dry_run(struct firewall *firewall, const struct confirmed *candidate, struct change *change)
{
	struct ruleset *wish;
	struct diag diag = { 0 };
	int r = confirmed_ruleset(candidate, &wish), steps;

	if (r < 0)
		return change_refuse(change, NULL, "%s", strerror(-r));
	steps = kernel_apply(firewall->kernel, wish, KERNEL_DRY_RUN, change->would, change->user, &diag);
	ruleset_free(wish);
	if (steps < 0)
		return change_refuse(change, NULL, "%s", diag.text[0] ? diag.text : strerror(-steps));
	change->exit = EXIT_DONE;
	change->changed = steps > 0;
	return 0;
}

/*
 * Makes @next what is confirmed. Under a live gate the confirmed chains change unseen: packets meet them when the gate is
 * taken away. The rename inside store_commit() is the commit; a failure before it leaves everything as it was.
 */
int commit_final(struct firewall *firewall, const struct confirmed *next, struct diag *diag)
{
	struct confirmed before = firewall->confirmed;
	struct store_commit commit;
	int r = store_prepare(firewall->paths.state_dir, firewall->paths.iptables_dir, next, &commit, diag);

	if (r < 0)
		return r;
	if (firewall->journal) {
		r = entries_journal_create(firewall, &next->policy);
		if (r == 0)
			r = entries_journal_sync(firewall, &next->policy, diag);
		else
			journal_drop(firewall->journal);
	}
	if (r < 0) {
		store_discard(&commit);
		return r;
	}
	firewall->confirmed = *next;
	r = firewall_settle(firewall, diag);
	if (r >= 0)
		r = store_commit(&commit, diag);
	else
		store_discard(&commit);
	if (r < 0) {
		struct diag second = { 0 };

		firewall->confirmed = before;
		if (firewall_settle(firewall, &second) < 0)
			firewall_degrade(firewall, "%s", second.text);
		return r;
	}
	firewall->guessed = false;
	if (diag->text[0]) /* a rendering that could not follow */
		firewall_degrade(firewall, "%s", diag->text);
	return 0;
}

/* Once they are back in the kernel the recorded policies are history: nobody may put them back a second time. */
void commit_forget_policies(struct firewall *firewall)
{
	struct store_commit commit;
	struct diag diag = { 0 };

	memset(firewall->confirmed.recorded, POLICY_KEEP, sizeof(firewall->confirmed.recorded));
	if (store_prepare(firewall->paths.state_dir, firewall->paths.iptables_dir, &firewall->confirmed, &commit, &diag) < 0 ||
	    store_commit(&commit, &diag) < 0)
		log_say(LOG_WARNING, "%s", diag.text);
}

int commit_off(struct firewall *firewall, const struct confirmed *next, struct diag *diag)
{
	int r = commit_final(firewall, next, diag);

	if (r == 0 && !firewall->trial.on)
		commit_forget_policies(firewall);
	return r;
}

int firewall_disable(struct firewall *firewall, bool accept, struct change *change)
{
	struct confirmed next = firewall->confirmed;
	struct diag diag = { 0 };
	int r;

	if (!firewall->kernel)
		return change_refuse(change, NULL, "%s", firewall->degraded);
	if (firewall->trial.on)
		return trial_refuse_running(firewall, change);
	change->exit = EXIT_DONE;
	if (!firewall->confirmed.on)
		return 0;
	next.on = false;
	next.generation++;
	next.since = now_epoch();
	for (int f = 0; f < FAMILIES; f++)
		for (int b = 0; b < BASES; b++)
			if (accept || next.recorded[f][b] == POLICY_KEEP)
				next.recorded[f][b] = NF_ACCEPT;
	if (change->dry_run)
		return commit_dry_run(firewall, &next, change);
	if (change->timeout)
		return trial_begin(firewall, TRIAL_DISABLE, &next, change);
	r = commit_off(firewall, &next, &diag);
	if (r < 0)
		return change_refuse(change, NULL, "%s; nothing was changed", diag.text[0] ? diag.text : strerror(-r));
	change->changed = true;
	log_say(LOG_WARNING, "disable by %s: the firewall is off", change->who);
	return 0;
}
