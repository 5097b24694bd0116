/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd.conf, a wish: read, and put in force by enable and reload, on trial where it takes access away.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

#include "fwd/daemon/file.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/preflight.h"
#include "fwd/daemon/sshports.h"
#include "rules/conf.h"

int firewall_wish(struct firewall *firewall, struct policy *ret, struct diag *diag)
{
	struct policy policy;
	char *text;
	size_t len;
	int r = file_read(firewall->paths.conf, CONF_SIZE_MAX, &text, &len);

	if (r == -ENOENT) { /* no file, no wishes: the defaults */
		policy_init(&policy);
	} else if (r < 0) {
		diag_set(diag, 0, 0, "%s", file_error(r));
		return r;
	} else {
		r = conf_parse(text, len, &policy, diag);
		free(text);
		if (r < 0)
			return r;
	}
	if (policy.ssh_auto)
		sshports_find(&policy, &firewall->confirmed.policy);
	*ret = policy;
	return 0;
}

/* Base policies as they stand, so that `disable` can put them back. */
static int record_policies(struct firewall *firewall, struct confirmed *candidate)
{
	struct ruleset *actual;
	int r = kernel_read(firewall->kernel, &actual);

	if (r < 0)
		return r;
	for (int f = 0; f < FAMILIES; f++) {
		const struct table *table = ruleset_find_table(actual, family_nfproto[f], "filter");
		const struct chain *input = table_find_chain(table, "INPUT"), *forward = table_find_chain(table, "FORWARD");

		candidate->recorded[f][BASE_INPUT] = input ? input->policy : NF_ACCEPT;
		candidate->recorded[f][BASE_FORWARD] = forward ? forward->policy : NF_ACCEPT;
	}
	ruleset_free(actual);
	return 0;
}

static int read_wish(struct firewall *firewall, struct confirmed *ret, struct change *change)
{
	struct diag diag = { 0 };
	int r;

	*ret = firewall->confirmed;
	r = firewall_wish(firewall, &ret->policy, &diag);
	if (r < 0) {
		if (diag.line)
			return change_refuse(change, "mend it with: fwctl edit", "%s:%u: %s", firewall->paths.conf, diag.line, diag.text);
		return change_refuse(change, "mend it with: fwctl edit", "%s: %s", firewall->paths.conf, diag.text);
	}
	ret->on = true;
	ret->generation = firewall->confirmed.generation + 1;
	return 0;
}

/* Refuses what a look at the foreign rules in front of ours forbids, in the kernel and in the files that the next boot loads. */
static int look_ahead(struct firewall *firewall, const struct policy *policy, struct change *change)
{
	struct front front;

	if (change->force || (inspect_front(firewall, policy, false, &front) && inspect_files(firewall, policy, &front)))
		return 0;
	return change_refuse(change, front.hint, "%s", front.text);
}

int firewall_enable(struct firewall *firewall, struct change *change)
{
	struct confirmed candidate;

	if (!firewall->kernel)
		return change_refuse(change, NULL, "%s", firewall->degraded);
	if (firewall->trial.on)
		return trial_refuse_running(firewall, change);
	if (firewall->confirmed.on) {
		change->exit = EXIT_DONE;
		change->changed = false;
		return 0;
	}
	if (read_wish(firewall, &candidate, change) < 0)
		return -EINVAL;
	if (record_policies(firewall, &candidate) < 0)
		return change_refuse(change, NULL, "cannot read the rules in the kernel");
	if (look_ahead(firewall, &candidate.policy, change) < 0 ||
	    preflight_change(firewall, &candidate.policy, change) < 0)
		return -EPERM;
	return trial_begin(firewall, TRIAL_ENABLE, &candidate, change);
}

int firewall_reload(struct firewall *firewall, struct change *change)
{
	struct confirmed candidate;
	struct diag diag = { 0 };
	char why[256];
	bool narrows;
	int r;

	if (!firewall->kernel)
		return change_refuse(change, NULL, "%s", firewall->degraded);
	if (!firewall->confirmed.on)
		return change_refuse(change, "fwctl enable puts fwd.conf in force", "the firewall is off");
	if (firewall->trial.on)
		return trial_refuse_running(firewall, change);
	if (read_wish(firewall, &candidate, change) < 0)
		return -EINVAL;
	change->exit = EXIT_DONE;
	if (policy_equal(&candidate.policy, &firewall->confirmed.policy))
		return 0;
	if (look_ahead(firewall, &candidate.policy, change) < 0)
		return -EPERM;
	narrows = policy_narrows(&firewall->confirmed.policy, &candidate.policy, why, sizeof(why));
	if ((narrows || change->dry_run) && preflight_change(firewall, &candidate.policy, change) < 0)
		return -EPERM;
	if (narrows)
		return trial_begin(firewall, TRIAL_RELOAD, &candidate, change);
	if (change->dry_run)
		return commit_dry_run(firewall, &candidate, change);
	candidate.since = now_epoch();
	r = entries_ensure(firewall, &candidate.policy, &diag);
	if (r == 0)
		r = commit_final(firewall, &candidate, &diag);
	if (r < 0)
		return change_refuse(change, NULL, "%s; nothing was changed", diag.text[0] ? diag.text : strerror(-r));
	change->changed = true;
	firewall->rolled_back[0] = '\0';
	log_say(LOG_NOTICE, "reload by %s: generation %" PRIu64 " is in force (it only opens)", change->who, candidate.generation);
	return 0;
}
