/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Processes, as /proc tells them. Nothing here waits for a process or for a file system that a user controls: the command
 * line and the environment of a process are such, so only process_title() reads one.
 *
 * 0 or -errno; -ENOENT or -ESRCH: the process is gone.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_NAME_MAX 64

struct process {
	pid_t pid, parent, session;
	dev_t tty;       /* its controlling terminal; 0: none */
	uint64_t start;  /* ticks since the boot: with the pid, what tells it from an earlier one */
	char name[PROCESS_NAME_MAX]; /* whatever it calls itself */
};

struct process_descriptor {
	int dir;            /* of its /proc/PID/fd */
	const char *number; /* in it */
	const char *target; /* what it leads to, cut if long: "socket:[7]", "/dev/pts/3" */
};

extern const char *process_root; /* "/proc"; tests have another */

int process_read(pid_t pid, struct process *ret);
/* That of @child, read while @child was still its child. -ESRCH at the top. */
int process_parent(const struct process *child, struct process *ret);
/* Real, effective, saved and file system's user: all the same, or -EPERM. */
int process_uid(pid_t pid, uid_t *ret);
/* The last part of its executable's path, which the kernel knows and no unprivileged process can choose for one of root. */
int process_program(pid_t pid, char ret[static PROCESS_NAME_MAX]);
/* The first word of what its command line holds, and so on: as ps shows it. Only for processes of root. */
int process_title(pid_t pid, char *ret, size_t size);
/* Every process, in no order that counts. A non-zero answer of @each ends it and is returned. -E2BIG above @max. */
int process_each(size_t max, int (*each)(pid_t pid, void *user), void *user);
/* Its descriptors, ascending. -E2BIG behind the first @max. */
int process_descriptors(pid_t pid, size_t max, int (*each)(const struct process_descriptor *descriptor, void *user), void *user);
