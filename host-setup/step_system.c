/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps "rootful" (the packaged containerd is off) and "ports" (rootlesskit may open ports below 1024). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-setup/files.h"
#include "host-setup/run.h"
#include "host-setup/step.h"

#define UNIT "containerd.service"
#define CAPABILITY "cap_net_bind_service=ep"
#define NRI "/run/nri" /* left by a rootful containerd 2; a rootless one fails on it */

/* The first word that systemctl says. */
static int ask(const char *verb, char *ret, size_t size)
{
	const char *argv[] = { "systemctl", verb, UNIT, NULL };
	char *output = NULL;
	int r = run_tool(argv, NULL, &output);

	if (r < 0 || r == 127) {
		free(output);
		return -EIO;
	}
	snprintf(ret, size, "%.*s", (int)strcspn(output, "\n"), output);
	free(output);
	return 0;
}

/* A mask that the step "packages" set hides whether it is enabled. */
static int look(bool *enabled, bool *active, bool *masked, struct fault *say)
{
	char text[64];

	if (ask("is-enabled", text, sizeof(text)) < 0)
		return fault_set(say, -EIO, "systemctl cannot be run");
	*enabled = strncmp(text, "enabled", 7) == 0;
	*masked = strcmp(text, "masked-runtime") == 0;
	if (ask("is-active", text, sizeof(text)) < 0)
		return fault_set(say, -EIO, "systemctl cannot be run");
	*active = strcmp(text, "active") == 0 || strcmp(text, "activating") == 0 || strcmp(text, "reloading") == 0;
	return 0;
}

int rootful_check(struct host *host, struct fault *say)
{
	bool enabled, active, masked;
	int r = look(&enabled, &active, &masked, say);

	if (r < 0)
		return r;
	if (enabled || active || masked)
		return fault_set(say, 0, "stop and disable " UNIT);
	if (host_exists(host, NRI))
		return fault_set(say, 0, "remove " NRI);
	return 1;
}

int rootful_apply(struct host *host, struct fault *fault)
{
	static const char *const off[] = { "systemctl", "disable", "--now", UNIT, NULL };
	static const char *const unmask[] = { "systemctl", "unmask", "--runtime", UNIT, NULL };
	bool enabled, active, masked;
	char path[PATH_MAX];
	int r = look(&enabled, &active, &masked, fault);

	if (r == 0 && !state_of(host, "rootful")) {
		/* one that we installed was started by its package: nobody wanted it */
		bool theirs = !packages_ours(host, "containerd");

		r = state_put(host, "rootful", json_pack("{s:b,s:b}", "enabled", enabled && theirs, "active", active &&
							 theirs),
			      fault);
	}
	if (r == 0 && masked)
		r = run_must(unmask, NULL, fault);
	if (r == 0 && (enabled || active || masked))
		r = run_must(off, NULL, fault);
	if (r == 0 && files_path(host->root, NRI, path, sizeof(path)) == 0)
		rmdir(path);
	return r;
}

int rootful_undo(struct host *host, struct fault *fault)
{
	static const char *const enable[] = { "systemctl", "enable", UNIT, NULL };
	static const char *const start[] = { "systemctl", "start", UNIT, NULL };
	const json_t *state = state_of(host, "rootful");
	int r = 0;

	if (json_is_true(json_object_get(state, "enabled")))
		r = run_must(enable, NULL, fault);
	if (r == 0 && json_is_true(json_object_get(state, "active")))
		r = run_must(start, NULL, fault);
	return r;
}

const char *rootlesskit_path(const struct host *host)
{
	static const char *const paths[] = { "/usr/local/bin/rootlesskit", "/usr/bin/rootlesskit" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (host_exists(host, paths[i]))
			return paths[i];
	return NULL;
}

int ports_check(struct host *host, struct fault *say)
{
	const char *path = rootlesskit_path(host);
	char full[PATH_MAX], *output = NULL;
	const char *argv[] = { "getcap", full, NULL };
	int r;

	if (!path)
		return fault_set(say, 0, "give rootlesskit " CAPABILITY ", once it is there");
	files_path(host->root, path, full, sizeof(full));
	r = run_tool(argv, NULL, &output);
	if (r == 0 && strstr(output, "cap_net_bind_service=ep"))
		r = 1;
	else if (state_of(host, "ports"))
		r = fault_set(say, 0, "give %s " CAPABILITY " again: an upgrade of its package took it away", path);
	else
		r = fault_set(say, 0,
			      "give %s " CAPABILITY ": every user of this host may then open ports below 1024 by it",
			      path);
	free(output);
	return r;
}

int ports_apply(struct host *host, struct fault *fault)
{
	const char *path = rootlesskit_path(host);
	char full[PATH_MAX];
	const char *argv[] = { "setcap", CAPABILITY, full, NULL };
	int r;

	if (!path)
		return fault_set(fault, -ENOENT, "rootlesskit is not installed");
	files_path(host->root, path, full, sizeof(full));
	r = state_of(host, "ports") ? 0 : state_put(host, "ports", json_pack("{s:s}", "path", path), fault);
	if (r == 0)
		r = run_must(argv, NULL, fault);
	/* what runs does not have it yet */
	return r == 0 ? service_restart(host, fault) : r;
}

int ports_undo(struct host *host, struct fault *fault)
{
	const char *path = json_string_value(json_object_get(state_of(host, "ports"), "path"));
	char full[PATH_MAX], *output = NULL;
	const char *look_at[] = { "getcap", full, NULL }, *argv[] = { "setcap", "-r", full, NULL };
	int r = 0;

	if (!path || !host_exists(host, path))
		return 0;
	files_path(host->root, path, full, sizeof(full));
	if (run_tool(look_at, NULL, &output) == 0 && strstr(output, "cap_"))
		r = run_must(argv, NULL, fault);
	free(output);
	return r;
}
