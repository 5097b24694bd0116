/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has to have and what gets in the way; `host doctor` itself stands in examine.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/doctor.h"
#include "host-setup/files.h"
#include "host-setup/run.h"

/* The number in a file of /proc/sys; @missing if there is none. */
static long setting(const struct host *host, const char *path, long missing)
{
	char *text = NULL;
	long ret = missing;

	if (files_read(host->root, path, &text, NULL) == 0)
		ret = atol(text);
	free(text);
	return ret;
}

static int ask_namespaces(struct host *host, struct fault *say)
{
	if (setting(host, "/proc/sys/user/max_user_namespaces", 1) == 0) {
		fault_set(say, 0, "user namespaces are switched off");
		fault_hint(say,
			   "sysctl user.max_user_namespaces says 0: look in /etc/sysctl.d, and give it at least 1000.");
		return 0;
	}
	if (setting(host, "/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
		fault_set(say, 0, "only root may make user namespaces");
		fault_hint(say, "sysctl kernel.unprivileged_userns_clone=1, and the same in a file of /etc/sysctl.d.");
		return 0;
	}
	return 1;
}

static int ask_cgroups(struct host *host, struct fault *say)
{
	if (host_exists(host, "/sys/fs/cgroup/cgroup.controllers"))
		return 1;
	fault_set(say, 0, "cgroup v2 is not in use: containers run, but without limits");
	fault_hint(say, "Boot with systemd.unified_cgroup_hierarchy=1.");
	return 0;
}

static int ask_tun(struct host *host, struct fault *say)
{
	if (host_exists(host, "/dev/net/tun"))
		return 1;
	fault_set(say, 0, "/dev/net/tun is missing: slirp4netns cannot connect containers");
	fault_hint(say, "modprobe tun; a virtual machine's provider may have to allow it.");
	return 0;
}

static bool is_active(const char *unit)
{
	const char *argv[] = { "systemctl", "is-active", unit, NULL };
	char *output = NULL;
	bool yes = run_tool(argv, NULL, &output) == 0 && output && strncmp(output, "active", 6) == 0;

	free(output);
	return yes;
}

static int ask_firewalls(struct host *host, struct fault *say)
{
	static const char *const units[] = { "ufw.service", "firewalld.service" };

	(void)host;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!is_active(units[i]))
			continue;
		fault_set(say, 0, "%s is active beside fwd: two firewalls, and a packet has to pass both", units[i]);
		fault_hint(say, "When fwd is on and confirmed: systemctl disable --now %s", units[i]);
		return 0;
	}
	return 1;
}

static int ask_engines(struct host *host, struct fault *say)
{
	static const char *const units[] = { "docker.service", "crio.service", "k3s.service" };

	(void)host;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!is_active(units[i]))
			continue;
		fault_set(say, 0,
			  "%s is active: a second container engine, as root, whose ports are forwarded", units[i]);
		fault_hint(say, "fwd filters these, too; if nobody needs it: systemctl disable --now %s", units[i]);
		return 0;
	}
	return 1;
}

static int ask_stranger(struct host *host, struct fault *say)
{
	static const char *const argv[] = { "fwctl", "--json", "status", NULL };
	char *output = NULL;
	const char *v4 = NULL, *v6 = NULL;
	json_t *answer = NULL, *stranger;
	int r;

	(void)host;
	if (run_tool(argv, NULL, &output) >= 0 && output)
		answer = json_loads(output, JSON_DISABLE_EOF_CHECK, NULL);
	stranger = json_object_get(json_object_get(answer, "result"), "stranger");
	v4 = json_string_value(json_object_get(stranger, "v4"));
	v6 = json_string_value(json_object_get(stranger, "v6"));
	if (v4 && v6 && strcmp(v4, "drop") == 0 && strcmp(v6, "drop") == 0) {
		r = 1;
	} else {
		r = fault_set(say, 0, "the firewall says of a stranger: %s over IPv4, %s over IPv6",
			      v4 ? v4 : "nothing",
			      v6 ? v6 : "nothing");
		fault_hint(say, "fwctl status tells why; fwctl enable closes this host.");
	}
	json_decref(answer);
	free(output);
	return r;
}

const struct question question_table[] = {
	{ "kernel", "user namespaces", ask_namespaces, false },
	{ "kernel", "cgroup v2", ask_cgroups, false },
	{ "kernel", "tun device", ask_tun, false },
	{ "conflicts", "other firewalls", ask_firewalls, false },
	{ "conflicts", "other engines", ask_engines, false },
	{ "trials", "the whitelist stops a stranger", ask_stranger, false },
	{ "trials", "root inside a container", trial_root, true },
	{ "trials", "/etc/shadow from inside", trial_shadow, true },
	{ "trials", "owner of a file made inside", trial_owner, true },
	{ "trials", "port 80 is published", trial_port, true },
	{ NULL },
};
