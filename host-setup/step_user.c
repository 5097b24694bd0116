/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps "user" and "linger". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host-setup/commands.h"
#include "host-setup/run.h"
#include "host-setup/step.h"

#define BUS_SECONDS 30

static void home_of(const struct host *host, char ret[static PATH_MAX])
{
	if (host->call->value[OPT_HOME])
		snprintf(ret, PATH_MAX, "%s", host->call->value[OPT_HOME]);
	else
		snprintf(ret, PATH_MAX, "/home/%s", host->user);
}

int user_check(struct host *host, struct fault *say)
{
	struct account account;
	char home[PATH_MAX];
	int r = host_account(host, &account, say);

	home_of(host, home);
	if (r == -ENOENT)
		return fault_set(say, 0, "make the user %s, who cannot log in, with the home %s", host->user, home);
	if (r < 0)
		return r;
	if (account.uid == 0)
		return fault_set(say, -EPERM, "%s is root: rootless containers need another user", host->user);
	if (host->call->value[OPT_HOME] && strcmp(account.home, home) != 0)
		return fault_set(say, -EEXIST, "%s is there already, with the home %s", host->user, account.home);
	if (!host_exists(host, account.home)) {
		fault_set(say, -ENOENT, "%s has no home: %s is missing", host->user, account.home);
		return -ENOENT;
	}
	say->text[0] = '\0';
	return 1;
}

int user_apply(struct host *host, struct fault *fault)
{
	char home[PATH_MAX];
	const char *argv[] = { "useradd", "--home-dir", home, "--create-home", "--shell", "/usr/sbin/nologin",
			       host->user, NULL };
	int r = state_put(host, "user", json_pack("{s:s}", "name", host->user), fault);

	home_of(host, home);
	if (home[0] != '/')
		return fault_set(fault, -EINVAL, "--home: \"%s\" does not begin with /", home);
	return r == 0 ? run_must(argv, NULL, fault) : r;
}

/* The home may hold volumes: it goes only where that was said. */
int user_undo(struct host *host, struct fault *fault)
{
	const char *name = json_string_value(json_object_get(state_of(host, "user"), "name"));
	char session[64];
	const char *end[] = { "loginctl", "terminate-user", name, NULL }, *stop[] = { "systemctl", "stop", session,
										      NULL };
	const char *argv[] = { "userdel", "--remove", name, NULL };
	struct account account;

	if (!name || account_load(host->root, name, &account, fault) == -ENOENT)
		return 0;
	if (!host->call->value[OPT_REMOVE_DATA])
		return fault_set(fault, 1, "the user %s stays, with all that is in %s: --remove-data takes both away",
				 name,
				 account.home);
	snprintf(session, sizeof(session), "user@%u.service", account.uid);
	run_tool(end, NULL, NULL);
	run_tool(stop, NULL, NULL);
	return run_must(argv, NULL, fault);
}

static bool has_bus(const struct host *host, const struct account *account)
{
	char bus[64];

	snprintf(bus, sizeof(bus), "/run/user/%u/bus", account->uid);
	return host_exists(host, bus);
}

static bool lingers(const struct host *host)
{
	char path[128];

	snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", host->user);
	return host_exists(host, path);
}

int linger_check(struct host *host, struct fault *say)
{
	struct account account;

	if (host_account(host, &account, NULL) < 0 || !lingers(host))
		return fault_set(say, 0, "let services of %s run from boot, without a login", host->user);
	if (!has_bus(host, &account))
		return fault_set(say, 0, "start the service manager of %s", host->user);
	return 1;
}

/* Its manager takes a moment to start. */
static int wait_for_bus(const struct host *host, const struct account *account, struct fault *fault)
{
	const struct timespec moment = { 0, 50000000 };

	for (int i = 0; i < BUS_SECONDS * 20; i++) {
		if (has_bus(host, account))
			return 0;
		nanosleep(&moment, NULL);
	}
	fault_set(fault, -ETIMEDOUT, "/run/user/%u/bus does not appear", account->uid);
	fault_hint(fault, "systemctl status user@%u.service says more; is dbus-user-session installed?", account->uid);
	return -ETIMEDOUT;
}

int linger_apply(struct host *host, struct fault *fault)
{
	const char *enable[] = { "loginctl", "enable-linger", host->user, NULL };
	char unit[64];
	const char *start[] = { "systemctl", "start", unit, NULL };
	struct account account;
	int r = host_account(host, &account, fault);

	if (r < 0)
		return r;
	if (!lingers(host)) {
		r = state_put(host, "linger", json_pack("{s:s}", "name", host->user), fault);
		if (r == 0)
			r = run_must(enable, NULL, fault);
	}
	snprintf(unit, sizeof(unit), "user@%u.service", account.uid);
	if (r == 0 && !has_bus(host, &account))
		r = run_must(start, NULL, fault);
	return r == 0 ? wait_for_bus(host, &account, fault) : r;
}

int linger_undo(struct host *host, struct fault *fault)
{
	const char *name = json_string_value(json_object_get(state_of(host, "linger"), "name"));
	const char *argv[] = { "loginctl", "disable-linger", name, NULL };
	struct account account;

	if (!name || account_load(host->root, name, &account, NULL) < 0)
		return 0;
	return run_must(argv, NULL, fault);
}
