/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that put one file of configuration in place: "delegation" and "apparmor". */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-setup/files.h"
#include "host-setup/run.h"
#include "host-setup/step.h"

#define DELEGATION_DIR "/etc/systemd/system/user@.service.d"
#define DELEGATION DELEGATION_DIR "/fwd-host.conf"
#define DELEGATION_TEXT "# made by fwctl host: limits for containers of a user who is not root\n" \
			"[Service]\nDelegate=cpu cpuset io memory pids\n"
#define RESTRICTION "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
#define PROFILE "/etc/apparmor.d/usr.local.bin.rootlesskit"
#define PROFILE_TEXT "# made by fwctl host: rootlesskit may make user namespaces from here, too\n" \
		     "abi <abi/4.0>,\ninclude <tunables/global>\n\n" \
		     "profile usr.local.bin.rootlesskit /usr/local/bin/rootlesskit flags=(unconfined) {\n  userns,\n}\n"

static bool has_text(const struct host *host, const char *path, const char *text)
{
	char *have = NULL;
	bool same = files_read(host->root, path, &have, NULL) == 0 && strcmp(have, text) == 0;

	free(have);
	return same;
}

static int put_file(struct host *host, const char *step, const char *directory, const char *path, const char *text,
		    struct fault *fault)
{
	json_t *dirs = json_array();
	int r = 0;

	json_array_extend(dirs, json_object_get(state_of(host, step), "dirs"));
	if (!state_of(host, step) && host_exists(host, path))
		r = fault_set(fault, -EEXIST, "%s is in the way, and not ours", path);
	host_missing(host, directory, dirs);
	if (r == 0)
		r = state_put(host, step, json_pack("{s:s,s:O}", "file", path, "dirs", dirs), fault);
	if (r == 0)
		r = host_mkdir(host, directory, fault);
	if (r == 0)
		r = files_write(host->root, path, text, 0644, fault);
	json_decref(dirs);
	return r;
}

static void take_file(struct host *host, const char *step)
{
	const json_t *state = state_of(host, step);

	const char *file = json_string_value(json_object_get(state, "file"));
	char aside[PATH_MAX];

	snprintf(aside, sizeof(aside), "%s.fwd-new", file); /* of a run that was killed */
	host_unlink(host, aside);
	host_unlink(host, file);
	host_rmdirs(host, json_object_get(state, "dirs"));
}

static int reload(struct host *host, struct fault *fault)
{
	static const char *const argv[] = { "systemctl", "daemon-reload", NULL };
	struct account account;
	char unit[64], bus[64];
	const char *again[] = { "systemctl", "try-restart", unit, NULL };
	int r = run_must(argv, NULL, fault);

	/* a user manager that runs already has the old rights; its services come back with it */
	if (r < 0 || host_account(host, &account, NULL) < 0)
		return r;
	snprintf(unit, sizeof(unit), "user@%u.service", account.uid);
	snprintf(bus, sizeof(bus), "/run/user/%u/bus", account.uid);
	return host_exists(host, bus) ? run_must(again, NULL, fault) : 0;
}

int delegation_check(struct host *host, struct fault *say)
{
	if (has_text(host, DELEGATION, DELEGATION_TEXT))
		return 1;
	return fault_set(say, 0, "write " DELEGATION);
}

int delegation_apply(struct host *host, struct fault *fault)
{
	int r = put_file(host, "delegation", DELEGATION_DIR, DELEGATION, DELEGATION_TEXT, fault);

	return r == 0 ? reload(host, fault) : r;
}

int delegation_undo(struct host *host, struct fault *fault)
{
	static const char *const argv[] = { "systemctl", "daemon-reload", NULL };

	take_file(host, "delegation");
	return run_must(argv, NULL, fault);
}

/* Ubuntu 24.04 and later: who is not root makes user namespaces only with a profile, and the packaged one is for
 * /usr/bin. */
int apparmor_check(struct host *host, struct fault *say)
{
	const char *path = rootlesskit_path(host);
	char *text = NULL;
	bool restricted = files_read(host->root, RESTRICTION, &text, NULL) == 0 && text[0] == '1';

	free(text);
	if (!restricted || !path || strcmp(path, "/usr/bin/rootlesskit") == 0)
		return fault_set(say, 1, "not needed here");
	if (has_text(host, PROFILE, PROFILE_TEXT))
		return 1;
	return fault_set(say, 0, "write and load " PROFILE);
}

int apparmor_apply(struct host *host, struct fault *fault)
{
	char full[PATH_MAX];
	const char *argv[] = { "apparmor_parser", "-r", full, NULL };
	int r = put_file(host, "apparmor", "/etc/apparmor.d", PROFILE, PROFILE_TEXT, fault);

	files_path(host->root, PROFILE, full, sizeof(full));
	return r == 0 ? run_must(argv, NULL, fault) : r;
}

int apparmor_undo(struct host *host, struct fault *fault)
{
	char full[PATH_MAX];
	const char *argv[] = { "apparmor_parser", "-R", full, NULL };
	int r = 0;

	files_path(host->root, PROFILE, full, sizeof(full));
	if (host_exists(host, PROFILE))
		r = run_must(argv, NULL, fault);
	if (r == 0)
		take_file(host, "apparmor");
	return r;
}
