/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fwd/ctl/caller.h"

#define ANCESTORS_MAX 64
#define ENVIRON_MAX (256u << 10)

/* A file of /proc, at most @size - 1 bytes, terminated. Returns its length or -errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t have = 0;
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	buf[have] = '\0';
	return (ssize_t)have;
}

static void take_ssh(struct caller *caller, const char *connection)
{
	size_t len = strcspn(connection, " ");

	if (len == 0 || len >= sizeof(caller->ssh))
		return;
	memcpy(caller->ssh, connection, len);
	caller->ssh[len] = '\0';
}

static void ssh_from_environ(struct caller *caller, pid_t pid)
{
	static const char key[] = "SSH_CONNECTION=";
	char *buf = malloc(ENVIRON_MAX);
	ssize_t n = buf ? read_proc(pid, "environ", buf, ENVIRON_MAX) : -ENOMEM;

	for (const char *at = buf; n > 0 && at < buf + n; at += strlen(at) + 1) {
		if (strncmp(at, key, sizeof(key) - 1) == 0) {
			take_ssh(caller, at + sizeof(key) - 1);
			break;
		}
	}
	free(buf);
}

/* The name and the parent of a process. 0: no such, or nothing above it. */
static pid_t parent_of(pid_t pid, char name[static 32])
{
	char stat[512], *open, *close;
	int parent;

	name[0] = '\0';
	if (read_proc(pid, "stat", stat, sizeof(stat)) <= 0)
		return 0;
	open = strchr(stat, '(');
	close = strrchr(stat, ')'); /* a name may hold anything */
	if (!open || !close || close < open || sscanf(close + 1, " %*c %d", &parent) != 1)
		return 0;
	snprintf(name, 32, "%.*s", (int)(close - open - 1), open + 1);
	return parent;
}

static void climb(struct caller *caller, bool origin)
{
	char name[32];
	pid_t pid = getppid();

	caller->detached = origin;
	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		if (!caller->ssh[0])
			ssh_from_environ(caller, pid);
		if (caller->ssh[0] && !origin)
			return;
		pid = parent_of(pid, name);
		if (strncmp(name, "sshd", 4) == 0) {
			caller->detached = false;
			return;
		}
	}
}

void caller_find(bool origin, struct caller *ret)
{
	struct caller caller = { 0 };
	const char *sudo = getenv("SUDO_USER"), *ssh = getenv("SSH_CONNECTION");

	if (sudo)
		snprintf(caller.sudo_user, sizeof(caller.sudo_user), "%s", sudo);
	for (int fd = 0; fd <= 2 && !caller.tty[0]; fd++)
		if (isatty(fd) && ttyname_r(fd, caller.tty, sizeof(caller.tty)) != 0)
			caller.tty[0] = '\0';
	if (ssh)
		take_ssh(&caller, ssh);
	/* without sudo and terminal it is a service or a script: nobody to look for, 0.1 ms saved */
	if (origin || (!caller.ssh[0] && (sudo || getenv("DOAS_USER") || caller.tty[0])))
		climb(&caller, origin);
	*ret = caller;
}

int caller_network(const char *ssh, bool whole, char ret[static ADDR_TEXT_MAX], struct diag *diag)
{
	static const char mapped[] = "::ffff:";
	struct addr addr;
	struct cidr net;

	if (strncasecmp(ssh, mapped, sizeof(mapped) - 1) == 0 && strchr(ssh, '.'))
		ssh += sizeof(mapped) - 1;
	if (strchr(ssh, '%')) {
		diag_set(diag, 0, 0, "this login comes from a link-local address (%s), which is no network to allow",
			 ssh);
		return -EINVAL;
	}
	if (addr_parse(ssh, &addr) < 0) {
		diag_set(diag, 0, 0, "SSH_CONNECTION begins with \"%s\", which is no address", ssh);
		return -EINVAL;
	}
	net = cidr_of(&addr, addr.family == AF_INET || whole ? addr_bits(addr.family) : 64);
	cidr_format(&net, ret);
	return 0;
}
