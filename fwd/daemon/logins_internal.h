/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What logins.c found, for logins_of.c. */
#include <stddef.h>

#include "fwd/daemon/logins.h"
#include "fwd/daemon/process.h"

struct member { /* a process */
	pid_t pid, parent, session;
	dev_t tty;
	bool sshd; /* by its name; anybody's */
};

struct session {
	struct login login;
	uint64_t start;  /* of its process */
	pid_t worker;    /* its child that runs as the user; its own pid for root */
	bool connected, ported; /* a connection was found; its port is one that root listens on */
	bool live;       /* and it is the monitor of a session */
	unsigned order;  /* of its descriptor */
};

struct logins {
	struct member *members; /* every process */
	size_t n, room;
	struct session *sessions;
	size_t n_sessions;
};

/* To be cleared whatever it returns. */
int logins_read(struct logins *logins);
void logins_clear(struct logins *logins);
/* Base name of an executable of OpenSSH's server. */
bool login_is_sshd_program(const char *program);
