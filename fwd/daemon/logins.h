/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Who is logged in over SSH, and from which of these sessions a command comes: the ground of "who confirms proves that he
 * gets in". Read from /proc and sock_diag, never from what a client says.
 *
 * What is believed: the kernel's parents, terminals, users and executables; what processes of root say of themselves. Not a
 * name, nor a command line, that an unprivileged process gave itself.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fwd/daemon/sockets.h"

struct login {
	pid_t pid;               /* of the sshd process that serves it and holds its connection: root's */
	char user[33];           /* who was authenticated; empty if it could not be found out */
	char tty[32];            /* "pts/0", the first of several; empty: none */
	struct socket_info connection; /* its TCP connection; local is this host's end */
};

/* Live, authenticated SSH sessions from outside (connections that are still before their password do not count), whose
 * connection is one of this network namespace. A non-zero answer of @each ends it and is returned. -errno if it cannot be
 * told: -E2BIG above 131072 processes or 1024 sessions. */
int logins_each(int (*each)(const struct login *login, void *user), void *user);

enum login_kind {
	LOGIN_SSH,     /* *ret is filled in */
	LOGIN_CONSOLE, /* a local terminal: no network was needed to type it */
	LOGIN_OTHER,   /* neither can be told: a service, cron, a tunnel's far end, several candidates */
};
/* Where the process @pid (SO_PEERCRED of a client that still waits for its answer) was started from: through sudo, su, doas,
 * shells, tmux and screen (the attached client counts, if there is exactly one), ControlMaster connections, sshd's privilege
 * separation. */
enum login_kind logins_of(pid_t pid, struct login *ret);

/* A process of root whose executable is sshd or one of its parts. */
bool login_is_sshd(pid_t pid);
