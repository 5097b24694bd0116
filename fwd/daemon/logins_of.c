/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a process up to the session or console that it belongs to. A multiplexer (tmux, screen) leaves the chain of parents;
 * its server keeps the terminals of the attached clients open, and by these the chain goes on.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fwd/daemon/logins_internal.h"

#define STEPS_MAX 256     /* processes, all chains together */
#define NESTED_MAX 4      /* multiplexers inside of multiplexers */
#define TERMINALS_MAX 8   /* of one multiplexer; more are several candidates anyway */
#define DESCRIPTORS_MAX 4096

/* As Documentation/admin-guide/devices.txt of the kernel has them. */
#define TTY_MAJOR 4       /* tty1 to tty63, ttyS0 … */
#define SERIAL_MAJOR 204  /* ttyAMA0 and others of small machines */
#define HVC_MAJOR 229     /* consoles of hypervisors */
#define PTY_MAJOR_FIRST 136
#define PTY_MAJOR_LAST 143

struct terminal {
	dev_t fs, device; /* the device alone could be one of another devpts: every container has a pts/0 */
};

struct terminals {
	struct terminal list[TERMINALS_MAX];
	size_t n;
};

struct walk {
	const struct logins *logins;
	int steps;
};

struct origin {
	enum login_kind kind;
	const struct session *session; /* of LOGIN_SSH */
};

static const struct origin other = { .kind = LOGIN_OTHER };

static bool is_pty(dev_t device)
{
	return major(device) >= PTY_MAJOR_FIRST && major(device) <= PTY_MAJOR_LAST;
}

/* A terminal of the machine itself, not one that a program feeds. */
static bool is_local(dev_t device)
{
	return major(device) == TTY_MAJOR || major(device) == SERIAL_MAJOR || major(device) == HVC_MAJOR;
}

static int on_descriptor(const struct process_descriptor *descriptor, void *user)
{
	struct terminals *terminals = user;
	struct statx st;
	struct terminal found;

	if (*descriptor->target != '/' || /* nothing that a file system of the user's has to answer */
	    statx(descriptor->dir, descriptor->number, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return 0;
	found.fs = makedev(st.stx_dev_major, st.stx_dev_minor);
	found.device = makedev(st.stx_rdev_major, st.stx_rdev_minor);
	if (!S_ISCHR(st.stx_mode) || (!is_pty(found.device) && !is_local(found.device)))
		return 0;
	for (size_t i = 0; i < terminals->n; i++)
		if (terminals->list[i].fs == found.fs && terminals->list[i].device == found.device)
			return 0;
	if (terminals->n == TERMINALS_MAX)
		return 1;
	terminals->list[terminals->n++] = found;
	return 0;
}

static bool holds(pid_t pid, const struct terminal *terminal)
{
	struct terminals terminals = { 0 };

	process_descriptors(pid, DESCRIPTORS_MAX, on_descriptor, &terminals);
	for (size_t i = 0; i < terminals.n; i++)
		if (terminals.list[i].fs == terminal->fs && terminals.list[i].device == terminal->device)
			return true;
	return false;
}

/* Who has the terminal: the leader of its session. 0: nobody. */
static pid_t leader_of(const struct logins *logins, const struct terminal *terminal)
{
	for (size_t i = 0; i < logins->n; i++) {
		const struct member *member = &logins->members[i];

		if (member->tty == terminal->device && member->session == member->pid && holds(member->pid, terminal))
			return member->pid;
	}
	return 0;
}

static struct origin origin_of(struct walk *walk, pid_t pid, int depth);

static struct origin origin_of_clients(struct walk *walk, pid_t server, int depth)
{
	struct terminals terminals = { 0 };
	struct origin ret = other;

	if (depth == NESTED_MAX || process_descriptors(server, DESCRIPTORS_MAX, on_descriptor, &terminals) != 0)
		return other;
	for (size_t i = 0; i < terminals.n; i++) {
		const pid_t leader = leader_of(walk->logins, &terminals.list[i]);
		const struct origin origin = leader ? origin_of(walk, leader, depth + 1) : other;

		if (origin.kind == LOGIN_OTHER || (i > 0 && (origin.kind != ret.kind || origin.session != ret.session)))
			return other;
		ret = origin;
	}
	return ret;
}

static const struct session *session_find(const struct logins *logins, const struct process *process)
{
	for (size_t i = 0; i < logins->n_sessions; i++)
		if (logins->sessions[i].login.pid == process->pid && logins->sessions[i].start == process->start)
			return &logins->sessions[i];
	return NULL;
}

static bool is_getty(pid_t pid, const char *program)
{
	static const char *const programs[] = { "login", "agetty", "getty", "sulogin" };
	uid_t uid;

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (strcmp(program, programs[i]) == 0)
			return process_uid(pid, &uid) == 0 && uid == 0;
	return false;
}

/* A server has no terminal of its own, its client has. */
static bool is_multiplexer(const struct process *process, const char *program)
{
	return process->tty == 0 && (strcmp(program, "tmux") == 0 || strncmp(program, "screen", 6) == 0);
}

static struct origin origin_of(struct walk *walk, pid_t pid, int depth)
{
	bool console = false, getty = false, below_sshd = false;
	char program[PROCESS_NAME_MAX];
	struct process process;
	int r = process_read(pid, &process);

	for (; r == 0 && walk->steps > 0; walk->steps--) {
		const struct session *session = session_find(walk->logins, &process);

		if (session)
			return (struct origin){ LOGIN_SSH, session };
		/* An sshd that is neither a session nor a session's child: a user's own, one before the password, one whose
		 * connection is gone or elsewhere. Where it came from, nobody knows. */
		if (below_sshd)
			return other;
		if (process.pid == 1)
			return console && getty ? (struct origin){ .kind = LOGIN_CONSOLE } : other;
		if (process_program(process.pid, program) < 0)
			return other;
		if (is_multiplexer(&process, program))
			return origin_of_clients(walk, process.pid, depth);
		below_sshd = login_is_sshd_program(program);
		console |= is_local(process.tty);
		getty |= is_getty(process.pid, program);
		r = process_parent(&process, &process);
	}
	return other;
}

enum login_kind logins_of(pid_t pid, struct login *ret)
{
	struct origin origin = other;
	struct logins logins;

	if (pid > 0 && logins_read(&logins) == 0) {
		struct walk walk = { &logins, STEPS_MAX };

		origin = origin_of(&walk, pid, 0);
		if (origin.kind == LOGIN_SSH)
			*ret = origin.session->login;
	}
	if (pid > 0)
		logins_clear(&logins);
	return origin.kind;
}
