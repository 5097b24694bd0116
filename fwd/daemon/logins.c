/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenSSH's processes. The listening sshd makes a child for each connection, which stays root's and holds the connection:
 * the monitor. Before the password its child runs as the user "sshd" ("[net]"); afterwards another one runs as who logged in,
 * and the shell below it. Before 10 there is no such child for root: the monitor itself serves the session. Since 9.8 the
 * monitor is another program, sshd-session, since 10 the first child is sshd-auth.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fwd/daemon/file.h"
#include "fwd/daemon/logins_internal.h"

#define PROCESSES_MAX 131072
#define SESSIONS_MAX 1024
#define HELD_MAX 32 /* sockets of a monitor: its connection is among the first, what root's session forwards comes later */
#define PASSWD_MAX (1 << 20)
#define TITLE_MAX 256
#define PTS_MAJOR 136 /* to 143 */

struct held {
	uint32_t inode;
	unsigned session, order;
};

struct search {
	struct logins *logins;
	struct held *held; /* by inode */
	size_t n, room;
	unsigned session, order;
	uint8_t ports[(UINT16_MAX + 1) / 8]; /* those that root listens on */
};

bool login_is_sshd_program(const char *program)
{
	return strcmp(program, "sshd") == 0 || strcmp(program, "sshd-session") == 0 || strcmp(program, "sshd-auth") == 0;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ESRCH;
}

/* 1, 0, or -errno: it cannot be told, or it is gone. */
static int is_sshd(pid_t pid)
{
	char program[PROCESS_NAME_MAX];
	uid_t uid;
	int r = process_uid(pid, &uid);

	if (r == -EPERM || (r == 0 && uid != 0))
		return 0;
	if (r == 0)
		r = process_program(pid, program);
	return r < 0 ? r : login_is_sshd_program(program);
}

bool login_is_sshd(pid_t pid)
{
	return is_sshd(pid) > 0;
}

static int on_process(pid_t pid, void *user)
{
	struct logins *logins = user;
	struct process process;

	if (process_read(pid, &process) < 0)
		return 0;
	if (logins->n == logins->room) {
		const size_t room = logins->room ? logins->room * 2 : 256;
		struct member *members = reallocarray(logins->members, room, sizeof(*members));

		if (!members)
			return -ENOMEM;
		logins->members = members;
		logins->room = room;
	}
	logins->members[logins->n++] = (struct member){
		.pid = pid,
		.parent = process.parent,
		.session = process.session,
		.tty = process.tty,
		.sshd = strncmp(process.name, "sshd", 4) == 0,
	};
	return 0;
}

static int on_held(uint32_t inode, void *user)
{
	struct search *search = user;

	if (search->n == search->room || search->order == HELD_MAX)
		return 1;
	search->held[search->n++] = (struct held){ inode, search->session, search->order++ };
	return 0;
}

/* "sshd: alice [priv]" and the like, without what stands in front. NULL: not a session's. */
static char *title_of(pid_t pid, char *text, size_t size)
{
	char *rest;

	if (process_title(pid, text, size) < 0)
		return NULL;
	rest = strstr(text, ": ");
	if (!rest)
		return NULL;
	*rest = '\0';
	if (!login_is_sshd_program(text) || strstr(rest + 2, "[listener]"))
		return NULL;
	return rest + 2;
}

/* Monitors, and what may be one: sshd processes of root that hold sockets and do not listen for connections. */
static int find_monitors(struct search *search)
{
	struct logins *logins = search->logins;
	char text[TITLE_MAX];

	for (size_t i = 0; i < logins->n; i++) {
		const pid_t pid = logins->members[i].pid;
		const size_t n = search->n;
		struct process process;
		int r = logins->members[i].sshd ? is_sshd(pid) : 0;

		if (r < 0 && !is_gone(r))
			return r;
		if (r <= 0 || !title_of(pid, text, sizeof(text)))
			continue;
		if (logins->n_sessions == SESSIONS_MAX)
			return -E2BIG;
		search->session = (unsigned)logins->n_sessions;
		search->order = 0;
		r = sockets_of_process(pid, on_held, search);
		if (r >= 0)
			r = process_read(pid, &process);
		if (is_gone(r)) {
			search->n = n;
			continue;
		}
		if (r < 0)
			return r;
		logins->sessions[logins->n_sessions++] = (struct session){
			.login.pid = pid,
			.start = process.start,
			.order = UINT_MAX,
		};
	}
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct held *one = a, *other = b;

	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

/* The first of those with that inode: for a moment after a fork, two hold it. */
static struct held *held_find(const struct search *search, uint32_t inode)
{
	const struct held key = { .inode = inode };
	struct held *found = bsearch(&key, search->held, search->n, sizeof(key), by_inode);

	while (found && found > search->held && found[-1].inode == inode)
		found--;
	return found;
}

static int on_listener(const struct socket_info *info, void *user)
{
	struct search *search = user;

	/* what a session of root listens on (ssh -R) is no port of sshd's */
	if (info->proto == IPPROTO_TCP && info->uid == 0 && !held_find(search, info->inode))
		search->ports[info->local_port / 8] |= (uint8_t)(1u << info->local_port % 8);
	return 0;
}

/* A monitor of root holds what its session forwards too: connections to elsewhere, connections to ports of its own. */
static int on_connection(const struct socket_info *info, void *user)
{
	struct search *search = user;
	const struct held *held = info->proto == IPPROTO_TCP && info->inode ? held_find(search, info->inode) : NULL;
	const bool ported = search->ports[info->local_port / 8] & 1u << info->local_port % 8;

	for (; held && held < search->held + search->n && held->inode == info->inode; held++) {
		struct session *session = &search->logins->sessions[held->session];
		const bool better = session->ported != ported ? ported : held->order < session->order;

		if (session->connected && !better)
			continue;
		session->login.connection = *info;
		session->connected = true;
		session->ported = ported;
		session->order = held->order;
	}
	return 0;
}

/* The user that sshd is before the password, as the system knows it that the monitor runs in: its /etc/passwd. */
static int privsep_uid(pid_t monitor, uid_t *ret)
{
	char path[PATH_MAX], *text, *rest, *line;
	unsigned found;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "%s/%d/root/etc/passwd", process_root, (int)monitor);
	r = file_read(path, PASSWD_MAX, &text, &len);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (rest = text; r < 0 && (line = strsep(&rest, "\n"));) {
		if (sscanf(line, "sshd:%*[^:]:%u:", &found) != 1)
			continue;
		*ret = found;
		r = 0;
	}
	free(text);
	return r;
}

static bool same_root(pid_t a, pid_t b)
{
	char path[PATH_MAX];
	struct stat one, other;

	snprintf(path, sizeof(path), "%s/%d/root", process_root, (int)a);
	if (stat(path, &one) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/%d/root", process_root, (int)b);
	return stat(path, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* A child that talks to somebody who has not logged in. Where its user is not in the file: one that is shut in. */
static bool is_before_login(pid_t monitor, pid_t child)
{
	char program[PROCESS_NAME_MAX], text[TITLE_MAX], *title;
	uid_t uid, privsep;

	if (process_program(child, program) < 0 || strcmp(program, "sshd-auth") == 0 || process_uid(child, &uid) < 0)
		return true;
	if (uid == 0) { /* a session of root's, or not yet what it will be: "[accepted]", "root [priv]" */
		title = title_of(child, text, sizeof(text));
		return !title || strchr(title, '[');
	}
	return privsep_uid(monitor, &privsep) == 0 ? uid == privsep : !same_root(monitor, child);
}

enum child { CHILD_NONE, CHILD_BEFORE, CHILD_USER };

/* What the monitor's children that are sshd's own say of the session. */
static enum child find_worker(const struct logins *logins, struct session *session)
{
	enum child ret = CHILD_NONE;

	for (size_t i = 0; i < logins->n; i++) {
		const struct member *member = &logins->members[i];

		if (member->parent != session->login.pid || !member->sshd)
			continue;
		if (is_before_login(session->login.pid, member->pid))
			return CHILD_BEFORE;
		session->worker = member->pid;
		ret = CHILD_USER;
	}
	return ret;
}

/* Fills in the user. False: nobody was let in yet. */
static bool is_authenticated(const struct logins *logins, struct session *session)
{
	const enum child child = find_worker(logins, session);
	char text[TITLE_MAX], *title = title_of(session->login.pid, text, sizeof(text)), *end;

	/* "[accepted]", "unknown [priv]", "alice [priv]", "root@pts/0", "root@notty", "root" */
	if (!title || *title == '[' || *title == '\0')
		return false;
	end = strchr(title, '@');
	if (!end) { /* a monitor that serves root itself says "[priv]" until something is opened, but has no child then */
		if (child == CHILD_BEFORE)
			return false;
		end = strstr(title, " [");
	}
	if (child != CHILD_USER)
		session->worker = session->login.pid;
	if (end)
		*end = '\0';
	if (strlen(title) < sizeof(session->login.user))
		strcpy(session->login.user, title);
	return true;
}

static void find_tty(const struct logins *logins, struct session *session)
{
	for (size_t i = 0; i < logins->n; i++) {
		const struct member *member = &logins->members[i];
		const unsigned pts = major(member->tty) - PTS_MAJOR;

		if (member->parent != session->worker || member->tty == 0 || pts > 7)
			continue;
		snprintf(session->login.tty, sizeof(session->login.tty), "pts/%u", pts * 256 + minor(member->tty));
		return;
	}
}

/* Of two that hold the same connection the older one is the monitor. The other is its child: one of root's, or one that has
 * not become somebody yet. */
static bool is_copy(const struct logins *logins, const struct session *session)
{
	for (size_t i = 0; i < logins->n_sessions; i++) {
		const struct session *other = &logins->sessions[i];

		if (other != session && other->connected && other->login.connection.inode == session->login.connection.inode &&
		    (other->start < session->start || (other->start == session->start && other->login.pid < session->login.pid)))
			return true;
	}
	return false;
}

static int find_sessions(struct search *search)
{
	struct logins *logins = search->logins;
	size_t kept = 0;
	int r = find_monitors(search);

	if (r < 0 || logins->n_sessions == 0)
		return r;
	qsort(search->held, search->n, sizeof(*search->held), by_inode);
	r = sockets_listening(on_listener, search);
	if (r == 0)
		r = sockets_connected(on_connection, search);
	for (size_t i = 0; i < logins->n_sessions; i++) {
		struct session *session = &logins->sessions[i];

		session->live = session->connected && !is_copy(logins, session) && is_authenticated(logins, session);
	}
	for (size_t i = 0; i < logins->n_sessions; i++) {
		if (!logins->sessions[i].live)
			continue;
		logins->sessions[kept] = logins->sessions[i];
		find_tty(logins, &logins->sessions[kept++]);
	}
	logins->n_sessions = kept;
	return r;
}

int logins_read(struct logins *logins)
{
	struct search *search = calloc(1, sizeof(*search));
	int r = -ENOMEM;

	*logins = (struct logins){ .sessions = calloc(SESSIONS_MAX, sizeof(*logins->sessions)) };
	if (search) {
		search->logins = logins;
		search->room = SESSIONS_MAX * HELD_MAX;
		search->held = calloc(search->room, sizeof(*search->held));
	}
	if (search && search->held && logins->sessions)
		r = process_each(PROCESSES_MAX, on_process, logins);
	if (r == 0)
		r = find_sessions(search);
	if (search)
		free(search->held);
	free(search);
	return r;
}

void logins_clear(struct logins *logins)
{
	free(logins->members);
	free(logins->sessions);
}

int logins_each(int (*each)(const struct login *login, void *user), void *user)
{
	struct logins logins;
	int r = logins_read(&logins);

	for (size_t i = 0; r == 0 && i < logins.n_sessions; i++)
		r = each(&logins.sessions[i].login, user);
	logins_clear(&logins);
	return r;
}
