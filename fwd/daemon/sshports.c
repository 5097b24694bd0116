/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/daemon/file.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/process.h"
#include "fwd/daemon/sockets.h"
#include "fwd/daemon/sshports.h"

#define LISTENERS_MAX 4096
#define PROCESSES_MAX 131072
#define UNIT_SIZE_MAX 65536

struct listener {
	uint32_t inode;
	uint16_t port;
};

struct search {
	struct listener list[LISTENERS_MAX]; /* by inode */
	size_t n;
	bool named[UINT16_MAX + 1]; /* ports in the units of ssh.socket */
	bool only_named;            /* the process that is looked at listens for others too */
	struct policy *policy;
};

static int on_listener(const struct socket_info *info, void *user)
{
	struct search *search = user;

	/* only root's: the listeners of a session belong to its user */
	if (info->proto == IPPROTO_TCP && info->uid == 0 && search->n < LISTENERS_MAX)
		search->list[search->n++] = (struct listener){ info->inode, info->local_port };
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct listener *one = a, *other = b;

	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

static int on_held(uint32_t inode, void *user)
{
	const struct listener key = { .inode = inode };
	struct search *search = user;
	const struct listener *found = bsearch(&key, search->list, search->n, sizeof(key), by_inode);

	if (found && (!search->only_named || search->named[found->port]))
		policy_add_ssh_port(search->policy, found->port);
	return 0;
}

/* The sshd that listens. Sessions are its children, of its name or another. */
static int on_process(pid_t pid, void *user)
{
	struct process process, parent;

	if (process_read(pid, &process) < 0 || strcmp(process.name, "sshd") != 0 || !login_is_sshd(pid))
		return 0;
	if (process_parent(&process, &parent) == 0 && login_is_sshd(parent.pid))
		return 0;
	sockets_of_process(pid, on_held, user);
	return 0;
}

/*
 * Ports of the ListenStream= lines of a unit file. An empty one takes nothing back: which lines are before it depends on the names
 * of all drop-ins, and what counts is only which of these ports systemd does listen on.
 */
static void unit_ports(const char *path, bool named[static UINT16_MAX + 1])
{
	char *text, *line, *rest;
	size_t len;

	if (file_read(path, UNIT_SIZE_MAX, &text, &len) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *value, *port;

		if (strncmp(line, "ListenStream=", 13) != 0)
			continue;
		value = line + 13;
		port = strrchr(value, ':') ? strrchr(value, ':') + 1 : value;
		if (isdigit((unsigned char)*port) && strtoul(port, NULL, 10) <= UINT16_MAX)
			named[strtoul(port, NULL, 10)] = true;
	}
	free(text);
}

static void unit_drop_ins(const char *dir, bool named[static UINT16_MAX + 1])
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(entries[i]->d_name, '.');
		char path[PATH_MAX];

		if (dot && strcmp(dot, ".conf") == 0 && file_path(dir, entries[i]->d_name, path) == 0)
			unit_ports(path, named);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* systemd listens for sshd (Ubuntu 24.04): the listener is PID 1's, and only the unit says that it is for ssh. */
static void socket_ports(bool named[static UINT16_MAX + 1])
{
	unit_ports("/usr/lib/systemd/system/ssh.socket", named);
	unit_ports("/etc/systemd/system/ssh.socket", named);
	unit_drop_ins("/run/systemd/generator/ssh.socket.d", named);
	unit_drop_ins("/etc/systemd/system/ssh.socket.d", named);
}

void sshports_find(struct policy *policy, const struct policy *confirmed)
{
	struct search *search = calloc(1, sizeof(*search));

	for (size_t i = 0; confirmed->ssh_auto && i < confirmed->n_ssh_ports; i++)
		policy_add_ssh_port(policy, confirmed->ssh_ports[i]);
	if (search) {
		search->policy = policy;
		sockets_listening(on_listener, search);
		qsort(search->list, search->n, sizeof(*search->list), by_inode);
		process_each(PROCESSES_MAX, on_process, search);
		socket_ports(search->named);
		search->only_named = true;
		sockets_of_process(1, on_held, search);
	}
	free(search);
	if (policy->n_ssh_ports == 0)
		policy_add_ssh_port(policy, 22);
}
