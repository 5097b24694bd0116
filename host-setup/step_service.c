/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step "service": containerd as a service of the user, made by nerdctl's own script. */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "host-setup/run.h"
#include "host-setup/step.h"

#define UNIT "containerd.service"
#define TOOL "containerd-rootless-setuptool.sh"

static bool says(const struct account *account, const char *verb, const char *word)
{
	const char *argv[] = { "systemctl", "--user", verb, UNIT, NULL };
	char *output = NULL;
	bool yes = run_tool(argv, account, &output) >= 0 && output && strncmp(output, word, strlen(word)) == 0;

	free(output);
	return yes;
}

bool service_runs(struct host *host)
{
	struct account account;

	return host_account(host, &account, NULL) == 0 && says(&account, "is-active", "active");
}

int service_restart(struct host *host, struct fault *fault)
{
	static const char *const argv[] = { "systemctl", "--user", "try-restart", UNIT, NULL };
	struct account account;

	if (!service_runs(host) || host_account(host, &account, fault) < 0)
		return 0;
	return run_must(argv, &account, fault);
}

int service_check(struct host *host, struct fault *say)
{
	struct account account;

	if (host_account(host, &account, NULL) == 0 && says(&account, "is-enabled", "enabled") &&
	    says(&account, "is-active", "active"))
		return 1;
	return fault_set(say, 0, "run containerd as a service of %s (" TOOL " install)", host->user);
}

int service_apply(struct host *host, struct fault *fault)
{
	static const char *const install[] = { TOOL, "install", NULL };
	struct account account;
	int r = host_account(host, &account, fault);

	if (r == 0)
		r = state_put(host, "service", json_pack("{s:s}", "name", host->user), fault);
	if (r == 0)
		r = run_must(install, &account, fault);
	if (r < 0 && r != -ENOENT)
		fault_hint(fault, "journalctl _UID=%u says more.", account.uid);
	return r;
}

int service_undo(struct host *host, struct fault *fault)
{
	static const char *const uninstall[] = { TOOL, "uninstall", NULL };
	struct account account;
	char *output = NULL;
	int r = host_account(host, &account, NULL);

	if (r < 0)
		return 0;
	r = run_tool(uninstall, &account, &output);
	if (r != 0 && (says(&account, "is-active", "active") || says(&account, "is-enabled", "enabled")))
		r = fault_set(fault, -EIO, TOOL " uninstall ended with %d: %.300s", r, output ? output : "");
	else
		r = 0;
	free(output);
	return r;
}
