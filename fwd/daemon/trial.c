/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trial, confirm, rollback. The gate (a set whose members expire) decides which rules rule, so that the kernel ends a trial
 * by itself; this file begins trials, confirms them, and tidies up after them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/flows.h"
#include "fwd/daemon/gate.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/proof.h"
#include "fwd/daemon/removal.h"
#include "fwd/daemon/wall.h"
#include "rules/compile.h"

#define CONFIRM_GRACE 10 /* seconds that the gate lives at least while a confirm is carried out */

const char *trial_name(const struct trial *trial)
{
	static const char *const names[] = { [TRIAL_ENABLE] = "enable", [TRIAL_RELOAD] = "reload", [TRIAL_DISABLE] = "disable", [TRIAL_REMOVE] = "remove" };

	return names[trial->kind];
}

void firewall_on_end(struct firewall *firewall, firewall_ended *ended, void *user)
{
	firewall->ended = ended;
	firewall->ended_user = user;
}

bool firewall_on_trial(const struct firewall *firewall)
{
	return firewall->trial.on;
}

static void tell_end(struct firewall *firewall, int exit, const char *text)
{
	if (firewall->ended)
		firewall->ended(exit, text, firewall->ended_user);
}

/* Whether the kernel holds what is confirmed, read back after the fact. */
static bool reads_back(struct firewall *firewall)
{
	struct ruleset *wish;
	bool same;

	if (firewall_ruleset(firewall, &wish) < 0)
		return false;
	same = kernel_apply(firewall->kernel, wish, KERNEL_DRY_RUN, NULL, NULL, NULL) == 0;
	ruleset_free(wish);
	return same;
}

static void record_path(struct firewall *firewall, char ret[static PATH_MAX])
{
	if (file_path(firewall->paths.run_dir, TRIAL_NAME, ret) < 0)
		ret[0] = '\0';
}

/* The record is a confirmed file of the candidate: what a restarted daemon needs to take the trial up. Losing it is not
 * fatal: the trial is then rolled back at the restart. */
static void record_write(struct firewall *firewall)
{
	if (trial_record_write(firewall->paths.run_dir, &firewall->trial.candidate) < 0)
		log_say(LOG_WARNING, "cannot write the trial's record: a restart of fwd would roll it back");
}

static void record_remove(struct firewall *firewall)
{
	char path[PATH_MAX];

	record_path(firewall, path);
	unlink(path);
}

static void trial_end(struct firewall *firewall)
{
	record_remove(firewall);
	if (firewall->clock)
		evtimer_del(firewall->clock);
	proof_end(firewall);
	memset(&firewall->trial, 0, sizeof(firewall->trial));
}

/* Back to what is confirmed. The gate first: that is the one switch that packets see. */
static int roll_back(struct firewall *firewall, const char *reason, struct diag *diag)
{
	struct trial trial = firewall->trial;
	bool as_meant = trial.kind == TRIAL_DISABLE && now_ms() >= trial.deadline; /* disable --for: its end is no failure */
	int r = gate_close(firewall->sets), settled;

	if (r < 0)
		diag_set(diag, 0, 0, "cannot empty the gate %s: %s", SET_GATE, strerror(-r));
	trial_end(firewall);
	settled = firewall_settle(firewall, diag);
	removal_end(firewall);
	if (as_meant)
		snprintf(firewall->rolled_back, sizeof(firewall->rolled_back), "the time that the firewall was off for is over: it is back");
	else
		snprintf(firewall->rolled_back, sizeof(firewall->rolled_back), "%s was rolled back to %s: %s", trial_name(&trial),
			 firewall->confirmed.on ? "the confirmed rules" : "off", reason);
	log_say(LOG_WARNING, "trial %" PRIu64 ": %s", trial.generation, firewall->rolled_back);
	wall_say(firewall->rolled_back);
	if (settled < 0)
		firewall_degrade(firewall, "after a rollback: %s", diag && diag->text[0] ? diag->text : strerror(-settled));
	else if (firewall->confirmed.on && !reads_back(firewall))
		firewall_degrade(firewall, "after a rollback the kernel does not hold the confirmed rules: fwctl diff tells more");
	if (firewall->confirmed.on)
		flows_cut(firewall); /* what only the trial let in */
	tell_end(firewall, as_meant ? EXIT_DONE : EXIT_ROLLED_BACK, firewall->rolled_back);
	if (as_meant)
		firewall->rolled_back[0] = '\0';
	return settled < 0 ? settled : 0;
}

static void clock_arm(struct firewall *firewall);

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct firewall *firewall = arg;
	struct diag diag = { 0 };

	(void)fd;
	(void)what;
	if (!firewall->trial.on)
		return;
	if (gate_left(firewall->sets) > 0)
		clock_arm(firewall);
	else if (now_ms() >= firewall->trial.deadline)
		roll_back(firewall, "nobody confirmed in time", &diag);
	else
		roll_back(firewall, "somebody emptied the gate " SET_GATE, &diag);
}

/* Every second (nothing tells when somebody empties the gate), and right after the deadline. */
static void clock_arm(struct firewall *firewall)
{
	uint64_t now = now_ms(), left = firewall->trial.deadline > now ? firewall->trial.deadline - now + 5 : 10;
	struct timeval next = { 0 };

	if (left > 1000)
		left = 1000;
	next.tv_sec = (time_t)(left / 1000);
	next.tv_usec = (suseconds_t)(left % 1000 * 1000);
	if (!firewall->clock)
		firewall->clock = evtimer_new(firewall->base, on_clock, firewall);
	if (firewall->clock)
		evtimer_add(firewall->clock, &next);
}

int trial_resume(struct firewall *firewall, struct diag *diag)
{
	struct confirmed candidate;
	int left = gate_left(firewall->sets);
	bool known = trial_record_read(firewall->paths.run_dir, &candidate) == 0 &&
		     candidate.generation > firewall->confirmed.generation;

	if (left <= 0 || !known) {
		int r = gate_close(firewall->sets);

		if (left > 0)
			log_say(LOG_WARNING, "a trial without a record was rolled back");
		else if (known)
			log_say(LOG_WARNING, "trial %" PRIu64 " ended while fwd was away: rolled back", candidate.generation);
		record_remove(firewall);
		if (r < 0)
			diag_set(diag, 0, 0, "cannot empty the gate %s: %s", SET_GATE, strerror(-r));
		return r;
	}
	firewall->trial = (struct trial){
		.on = true,
		.kind = !candidate.on ? TRIAL_DISABLE : !firewall->confirmed.on ? TRIAL_ENABLE :
			removal_is_pending(firewall) ? TRIAL_REMOVE : TRIAL_RELOAD,
		.generation = candidate.generation,
		.timeout = candidate.policy.timeout,
		.begun = now_ms(),
		/* the kernel tells whole seconds, cut off */
		.deadline = now_ms() + (uint64_t)left * 1000,
		.candidate = candidate,
	};
	proof_begin(firewall);
	clock_arm(firewall);
	log_say(LOG_NOTICE, "trial %" PRIu64 " goes on: %d s are left to confirm", candidate.generation, left);
	return 0;
}

/* The candidate's rules into the kernel, with the gate empty: nothing changes for packets yet. Where nothing tracked
 * connections so far, the flows that live already are made known first. */
static int put_aside(struct firewall *firewall, struct diag *diag)
{
	struct flows *flows = NULL;
	int r = 0;

	if (!firewall->confirmed.on)
		r = flows_prime(&flows);
	if (r < 0)
		log_say(LOG_WARNING, "flows that live already cannot be told from new ones: %s", strerror(-r));
	r = firewall_settle(firewall, diag);
	if (r >= 0 && flows && flows_check(flows) < 0)
		log_say(LOG_WARNING, "some flows that live already may be cut");
	flows_free(flows);
	return r;
}

int trial_begin(struct firewall *firewall, enum trial_kind kind, const struct confirmed *candidate, struct change *change)
{
	struct diag diag = { 0 };
	uint64_t begun;
	int r;

	if (change->dry_run && entries_check(firewall, &candidate->policy, &diag) == 0)
		return commit_dry_run(firewall, candidate, change);
	r = entries_ensure(firewall, &candidate->policy, &diag);
	if (r == 0)
		r = gate_ensure(firewall->sets, &diag);
	if (r < 0)
		return change_refuse(change, NULL, "%s; nothing was changed", diag.text[0] ? diag.text : strerror(-r));
	firewall->trial = (struct trial){
		.on = true,
		.kind = kind,
		.generation = candidate->generation,
		.timeout = change->timeout ? change->timeout : candidate->policy.timeout,
		.candidate = *candidate,
	};
	r = put_aside(firewall, &diag);
	if (r >= 0) {
		record_write(firewall);
		begun = now_ms();
		firewall->trial.begun = begun;
		firewall->trial.deadline = begun + firewall->trial.timeout * 1000;
		r = gate_arm(firewall->sets, firewall->trial.timeout, candidate->generation);
		if (r < 0)
			diag_set(&diag, 0, 0, "cannot fill the gate %s: %s", SET_GATE, strerror(-r));
	}
	if (r < 0) {
		struct diag second = { 0 };

		roll_back(firewall, "it could not begin", &second);
		return change_refuse(change, NULL, "%s; nothing was changed", diag.text[0] ? diag.text : strerror(-r));
	}
	firewall->rolled_back[0] = '\0';
	proof_begin(firewall);
	clock_arm(firewall);
	log_say(LOG_NOTICE, "%s by %s: on trial as generation %" PRIu64 " for %u s", trial_name(&firewall->trial), change->who,
		candidate->generation, firewall->trial.timeout);
	change->exit = EXIT_TRIAL;
	change->changed = true;
	return 0;
}

int trial_refuse_running(struct firewall *firewall, struct change *change)
{
	uint64_t now = now_ms(), left = firewall->trial.deadline > now ? (firewall->trial.deadline - now) / 1000 : 0;

	return change_refuse(change, "fwctl confirm keeps it, fwctl rollback ends it",
			     "a trial is running (%s, generation %" PRIu64 ", %" PRIu64 " s left)", trial_name(&firewall->trial),
			     firewall->trial.generation, left);
}

/* Who confirms must get in under the rules on trial. To switch off takes nothing away. */
static int refuse_unproven(struct firewall *firewall, struct change *change)
{
	struct proof proof;

	if (change->force || firewall->trial.kind == TRIAL_DISABLE)
		return 0;
	proof_of_access(firewall, change->pid, &proof);
	if (!proof.holds)
		return change_refuse(change, proof.hint, "%s; the trial goes on", proof.text);
	snprintf(change->text, sizeof(change->text), "%s", proof.by);
	return 0;
}

int firewall_extend(struct firewall *firewall, unsigned seconds, struct change *change)
{
	uint64_t now = now_ms(), left = firewall->trial.deadline > now ? (firewall->trial.deadline - now) / 1000 : 0;
	unsigned longer = (unsigned)left + seconds;
	int r;

	if (!firewall->trial.on)
		return change_refuse(change, NULL, "nothing is on trial%s%s", firewall->rolled_back[0] ? " any more: " : "",
				     firewall->rolled_back);
	if (longer > POLICY_TIMEOUT_MAX && firewall->trial.kind != TRIAL_DISABLE)
		longer = POLICY_TIMEOUT_MAX;
	change->exit = EXIT_TRIAL;
	change->changed = true;
	if (change->dry_run)
		return 0;
	r = gate_left(firewall->sets) > 0 ? gate_arm(firewall->sets, longer, firewall->trial.generation) : -ETIME;
	if (r < 0 || now_ms() >= firewall->trial.deadline) { /* what is armed after its end is a gap: nobody must take it for one trial */
		struct diag diag = { 0 };

		roll_back(firewall, "it was over when it should be extended", &diag);
		change_refuse(change, "begin it again", "too late: the trial is over and was rolled back");
		change->exit = EXIT_ROLLED_BACK;
		return -ETIME;
	}
	firewall->trial.deadline = now + longer * 1000ull;
	clock_arm(firewall);
	log_say(LOG_NOTICE, "extend by %s: trial %" PRIu64 " ends in %u s", change->who, firewall->trial.generation, longer);
	return 0;
}

int firewall_confirm(struct firewall *firewall, struct change *change)
{
	struct confirmed next = firewall->trial.candidate;
	uint64_t deadline = firewall->trial.deadline, now = now_ms();
	struct diag diag = { 0 };
	unsigned grace = CONFIRM_GRACE;
	int r;

	if (!firewall->trial.on)
		return change_refuse(change, firewall->rolled_back[0] ? "begin it again, and confirm in time" : NULL,
				     firewall->rolled_back[0] ? "nothing is on trial any more: %s" : "nothing is on trial%s",
				     firewall->rolled_back);
	if (change->dry_run) {
		change->changed = true;
		return commit_dry_run(firewall, &next, change);
	}
	if (refuse_unproven(firewall, change) < 0)
		return -EPERM;
	/* The gate must hold until the confirmed chains are written. An answer that came after the deadline proves nothing:
	 * the kernel may have ended the trial in between. */
	if (deadline > now && (deadline - now) / 1000 + 1 > grace)
		grace = (unsigned)((deadline - now) / 1000 + 1);
	r = gate_left(firewall->sets) > 0 ? gate_arm(firewall->sets, grace, next.generation) : -ETIME;
	if (r < 0 || now_ms() >= deadline) {
		roll_back(firewall, "the confirm came too late", &diag);
		change_refuse(change, "begin it again, and confirm in time", "too late: the trial is over and was rolled back");
		change->exit = EXIT_ROLLED_BACK;
		return -ETIME;
	}
	firewall->trial.deadline = now + grace * 1000;
	next.since = now_epoch();
	r = firewall->trial.kind == TRIAL_REMOVE ? removal_commit(firewall, &diag) :
	    next.on ? commit_final(firewall, &next, &diag) : commit_off(firewall, &next, &diag);
	if (r < 0)
		return change_refuse(change, "the trial goes on: mend it and confirm again, or it rolls back by itself", "%s",
				     diag.text[0] ? diag.text : strerror(-r));
	/* committed: the gate and the trial's chains go */
	trial_end(firewall);
	diag_clear(&diag);
	r = firewall_settle(firewall, &diag);
	if (r >= 0)
		r = gate_close(firewall->sets);
	removal_end(firewall);
	if (r >= 0 && !next.on)
		commit_forget_policies(firewall);
	if (r < 0)
		firewall_degrade(firewall, "after a confirm: %s", diag.text[0] ? diag.text : strerror(-r));
	if (next.on)
		flows_cut(firewall);
	tell_end(firewall, EXIT_DONE, "confirmed");
	log_say(LOG_NOTICE, "confirm by %s: generation %" PRIu64 " is confirmed", change->who, next.generation);
	change->exit = EXIT_DONE;
	change->changed = true;
	return 0;
}

int firewall_rollback(struct firewall *firewall, struct change *change)
{
	struct diag diag = { 0 };
	char reason[256];
	int r;

	if (!firewall->trial.on) {
		change->exit = EXIT_DONE;
		change->changed = false;
		return 0;
	}
	change->changed = true;
	change->exit = EXIT_DONE;
	if (change->dry_run)
		return commit_dry_run(firewall, &firewall->confirmed, change);
	snprintf(reason, sizeof(reason), "asked by %s", change->who);
	r = roll_back(firewall, reason, &diag);
	if (r < 0)
		return change_refuse(change, "fwctl diff shows what stands", "%s", diag.text[0] ? diag.text : strerror(-r));
	firewall->rolled_back[0] = '\0'; /* who asked knows */
	return 0;
}
