/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sets against the kernel, in a network namespace of its own: the machine's sets cannot be touched.
 *
 *     net-sets --bench           prints what things cost
 *     net-sets --make COMMAND …  makes whitelist, whitelist6 and a gate as the daemon would, and becomes COMMAND
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/sets_bed.h"

static int make_and_run(char **command)
{
	static const char *const both[] = { "whitelist", "whitelist6" };
	struct entry one = entry("192.0.2.0/24", NOW + 5000, "Büro");

	if (sets_open(&sets) < 0 || sets_create_net(sets, "whitelist", AF_INET, 0) < 0 ||
	    sets_create_net(sets, "whitelist6", AF_INET6, 5000) < 0 || sets_create_gate(sets, "gate") < 0 ||
	    sets_add(sets, "whitelist", &one, 1, true, NOW, NULL) < 0 ||
	    sets_add_members(sets, "gate", both, 2, 100, "trial 7") < 0)
		return 1;
	sets_close(sets);
	execvp(*command, command);
	return 1;
}

int main(int argc, char *argv[])
{
	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "no network namespace here: %s\n", strerror(errno));
		return 77;
	}
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return bench();
	if (argc > 2 && !strcmp(argv[1], "--make"))
		return make_and_run(argv + 2);
	return run_create() + run_elements() + run_dump() + run_names() ? 1 : 0;
}
