/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step "firewall": fwd is on, with who asks for it let in. It begins on trial; the confirm is for a person to say.
 * */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "host-setup/run.h"
#include "host-setup/step.h"

#define FWCTL_TRIAL 4

/* What fwctl says the state is; "" if it does not answer. */
static void firewall_state(char *ret, size_t size)
{
	static const char *const argv[] = { "fwctl", "--json", "status", NULL };
	char *output = NULL;
	const char *state = NULL;
	json_t *answer = NULL;

	if (run_tool(argv, NULL, &output) >= 0 && output)
		answer = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
	state = json_string_value(json_object_get(json_object_get(answer, "result"), "state"));
	snprintf(ret, size, "%s", state ? state : "");
	json_decref(answer);
	free(output);
}

int firewall_check(struct host *host, struct fault *say)
{
	static const char *const enabled[] = { "systemctl", "is-enabled", "fwd.service", NULL };
	char state[32];
	bool at_boot = run_tool(enabled, NULL, NULL) == 0;

	firewall_state(state, sizeof(state));
	if (strcmp(state, "trial") == 0) {
		host->trial = true;
		return fault_set(say, 1,
				 "on trial: fwctl confirm, from a new login, keeps it; else all is as before soon");
	}
	if (strcmp(state, "on") == 0 && at_boot)
		return 1;
	return fault_set(say, 0, "start fwd, let in where you come from, and close this host to all others, on trial");
}

int firewall_apply(struct host *host, struct fault *fault)
{
	static const char *const start[] = { "systemctl", "enable", "--now", "fwd.service", NULL };
	static const char *const allow[] = { "fwctl", "allow", "me", NULL }, *const enable[] = { "fwctl", "enable",
												 NULL };
	static const char *const enabled[] = { "systemctl", "is-enabled", "fwd.service", NULL };
	char state[32], *output = NULL;
	int r = 0;

	firewall_state(state, sizeof(state));
	if (!state_of(host, "firewall"))
		r = state_put(host, "firewall", json_pack("{s:b,s:b}", "enabled", run_tool(enabled, NULL, NULL) == 0,
							  "on",
							  strcmp(state, "on") == 0), fault);
	if (r == 0)
		r = run_must(start, NULL, fault);
	if (r == 0 && strcmp(state, "on") != 0) {
		if (getenv("SSH_CONNECTION") && run_tool(allow, NULL, NULL) != 0)
			fputs("firewall: \"fwctl allow me\" was refused; SSH stays open to all\n", stderr);
		r = run_tool(enable, NULL, &output);
		if (r != 0 && r != FWCTL_TRIAL)
			r = fault_set(fault, -EIO, "fwctl enable ended with %d: %.300s", r, r > 0 &&
				      output ? output : "");
	}
	free(output);
	return r < 0 ? r : 0;
}

static bool ufw_is_active(void)
{
	static const char *const argv[] = { "ufw", "status", NULL };
	char *output = NULL;
	bool yes = run_tool(argv, NULL, &output) == 0 && output && strstr(output, "Status: active");

	free(output);
	return yes;
}

/* Never before fwd is kept: in between nobody would guard the host. */
int ufw_check(struct host *host, struct fault *say)
{
	char state[32];

	(void)host;
	if (!ufw_is_active())
		return 1;
	firewall_state(state, sizeof(state));
	if (strcmp(state, "on") != 0)
		return fault_set(say, 1, "ufw stays until fwd is confirmed: apply again then");
	return fault_set(say, 0, "switch ufw off, now that fwd guards this host");
}

int ufw_apply(struct host *host, struct fault *fault)
{
	static const char *const off[] = { "ufw", "disable", NULL };
	int r = state_put(host, "ufw", json_pack("{s:b}", "active", 1), fault);

	return r == 0 ? run_must(off, NULL, fault) : r;
}

int ufw_undo(struct host *host, struct fault *fault)
{
	static const char *const on[] = { "ufw", "--force", "enable", NULL };

	(void)host;
	return run_must(on, NULL, fault);
}

int firewall_undo(struct host *host, struct fault *fault)
{
	static const char *const disable[] = { "fwctl", "disable", NULL }, *const rollback[] = { "fwctl", "rollback",
												 NULL };
	static const char *const stop[] = { "systemctl", "disable", "--now", "fwd.service", NULL };
	const json_t *state = state_of(host, "firewall");
	char now[32];
	int r = 0;

	firewall_state(now, sizeof(now));
	if (json_is_true(json_object_get(state, "on")))
		return 0;
	if (strcmp(now, "trial") == 0)
		r = run_must(rollback, NULL, fault);
	else if (strcmp(now, "on") == 0)
		r = run_must(disable, NULL, fault);
	if (r == 0 && !json_is_true(json_object_get(state, "enabled")))
		r = run_must(stop, NULL, fault);
	return r;
}
