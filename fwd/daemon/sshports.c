/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "fwd/daemon/file.h"
#include "fwd/daemon/sshports.h"

#define LISTENERS_MAX 4096
#define TCP_LISTEN_STATE 10 /* TCP_LISTEN of the kernel's tcp_states.h */
#define UNIT_SIZE_MAX 65536
#define ANSWER_TIMEOUT 5 /* seconds: the kernel answers at once */
#define DUMP_TRIES 10

struct listener {
	uint32_t inode;
	uint16_t port;
};

struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t n;
};

static int on_listener(const struct nlmsghdr *message, void *user)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);
	struct listeners *listeners = user;

	/* only root's: the listeners of a session belong to its user */
	if (diag->idiag_uid == 0 && listeners->n < LISTENERS_MAX)
		listeners->list[listeners->n++] = (struct listener){ diag->idiag_inode, ntohs(diag->id.idiag_sport) };
	return MNL_CB_OK;
}

/* 0 or -errno; -EINTR: listeners came or went meanwhile, and some may be missing. */
static int dump_listeners(uint8_t family, struct listeners *ret)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT };
	_Alignas(struct nlmsghdr) char buf[8192];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *request;
	int r = 1;

	if (!socket)
		return -errno;
	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = 1;
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = 1u << TCP_LISTEN_STATE;
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		r = -errno;
	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buf, sizeof(buf));

		r = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(socket), on_listener, ret);
		if (r < 0)
			r = -errno;
	}
	mnl_socket_close(socket);
	return r;
}

static void find_listeners(struct listeners *ret)
{
	for (int i = 0; i < DUMP_TRIES; i++) { /* a port that is missed is a door that is shut */
		ret->n = 0;
		if (dump_listeners(AF_INET, ret) != -EINTR && dump_listeners(AF_INET6, ret) != -EINTR)
			return;
	}
}

/* One line of /proc/PID/NAME. */
static bool proc_line(const char *pid, const char *name, char *ret, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

static bool is_sshd(const char *pid)
{
	char comm[32];

	return proc_line(pid, "comm", comm, sizeof(comm)) && strcmp(comm, "sshd") == 0;
}

/* Sessions are children of the listening sshd and bear its name. */
static bool is_session(const char *pid)
{
	char stat[512], parent[16];
	const char *close;
	int ppid;

	if (!proc_line(pid, "stat", stat, sizeof(stat)) || !(close = strrchr(stat, ')')) || sscanf(close + 1, " %*c %d", &ppid) != 1)
		return true;
	snprintf(parent, sizeof(parent), "%d", ppid);
	return is_sshd(parent);
}

static void match_process(const char *pid, const struct listeners *listeners, void (*found)(uint16_t port, void *user), void *user)
{
	char path[64], target[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		uint32_t inode;

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%" SCNu32 "]", &inode) != 1)
			continue;
		for (size_t i = 0; i < listeners->n; i++)
			if (listeners->list[i].inode == inode)
				found(listeners->list[i].port, user);
	}
	closedir(dir);
}

/* Ports of the ListenStream= lines of a unit file; an empty one takes back those before it, as systemd has it. */
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
		if (!*value)
			memset(named, 0, UINT16_MAX + 1);
		else if (isdigit((unsigned char)*port) && strtoul(port, NULL, 10) <= UINT16_MAX)
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

static void add_port(uint16_t port, void *user)
{
	policy_add_ssh_port(user, port);
}

struct named {
	struct policy *policy;
	const bool *ports;
};

static void add_named_port(uint16_t port, void *user)
{
	const struct named *named = user;

	if (named->ports[port])
		policy_add_ssh_port(named->policy, port);
}

void sshports_find(struct policy *policy, const struct policy *confirmed)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	bool *ports = calloc(UINT16_MAX + 1, sizeof(*ports));
	struct named named = { policy, ports };
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	for (size_t i = 0; confirmed->ssh_auto && i < confirmed->n_ssh_ports; i++)
		policy_add_ssh_port(policy, confirmed->ssh_ports[i]);
	if (listeners && ports && proc) {
		find_listeners(listeners);
		while ((entry = readdir(proc)))
			if (isdigit((unsigned char)entry->d_name[0]) && is_sshd(entry->d_name) && !is_session(entry->d_name))
				match_process(entry->d_name, listeners, add_port, policy);
		socket_ports(ports);
		match_process("1", listeners, add_named_port, &named);
	}
	if (proc)
		closedir(proc);
	free(ports);
	free(listeners);
	if (policy->n_ssh_ports == 0)
		policy_add_ssh_port(policy, 22);
}
