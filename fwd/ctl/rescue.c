/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fwd/ctl/child.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"

#define ARGS_MAX 16

static void make_argv(const struct ctl *ctl, const struct invocation *call, char *path, const char **argv)
{
	static const enum opt passed[] = { OPT_RESCUE_CONF, OPT_RESCUE_DIR, OPT_RESCUE_STATE, OPT_RESCUE_SOCKET };
	static const char *const letters[] = { "-c", "-d", "-S", "-s" };
	size_t n = 0;

	argv[n++] = path;
	argv[n++] = "--rescue";
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		if (!call->value[passed[i]])
			continue;
		argv[n++] = letters[i];
		argv[n++] = call->value[passed[i]];
	}
	if (ctl->socket_given && !call->value[OPT_RESCUE_SOCKET]) {
		argv[n++] = "-s";
		argv[n++] = ctl->socket;
	}
	argv[n] = NULL;
}

int run_rescue(const struct ctl *ctl, const struct invocation *call)
{
	const char *argv[ARGS_MAX];
	char path[PATH_MAX], *output = NULL;
	int r;

	if (child_find_fwd(path, sizeof(path)) < 0)
		return ctl_fail(ctl, EXIT_REFUSED, "By hand: iptables -P INPUT ACCEPT; iptables -D INPUT -j FWD-INPUT; "
				"the same with ip6tables, and with FORWARD.",
				"the daemon's program fwd is not installed beside fwctl nor in PATH");
	make_argv(ctl, call, path, argv);
	if (!ctl->json) {
		execv(path, (char **)argv);
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", path, strerror(errno));
	}
	r = child_run((char **)argv, &output);
	if (r < 0 || r == 127)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: could not be started", path);
	if (r == 0)
		ctl_print_json(json_pack("{s:i,s:b,s:{s:s*}}", "exit", r, "changed", 1, "result", "text", output));
	else
		ctl_fail(ctl, r, NULL, "%s", output);
	free(output);
	return r;
}
