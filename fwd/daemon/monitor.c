/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "fwd/daemon/monitor.h"

#define READS_PER_WAKE 64
#define DEBOUNCE_MS 20 /* iptables-restore of a big file is one commit; a script of iptables calls is many */

struct monitor {
	struct mnl_socket *socket;
	struct event *readable, *kick;
	uint32_t portid;
	void (*changed)(void *user);
	void *user;
};

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *monitor = arg;

	(void)fd;
	(void)what;
	monitor->changed(monitor->user);
}

/* The end of every commit is announced by NEWGEN; its port id is that of the socket which sent the batch. */
static bool is_foreign(const struct monitor *monitor, const char *buf, ssize_t n)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
	int left = (int)n;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if ((message->nlmsg_type & 0xff) == NFT_MSG_NEWGEN && message->nlmsg_pid != monitor->portid)
			return true;
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct timeval soon = { .tv_usec = DEBOUNCE_MS * 1000 };
	struct monitor *monitor = arg;
	_Alignas(struct nlmsghdr) char buf[16384];
	bool foreign = false;

	(void)what;
	for (int i = 0; i < READS_PER_WAKE; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == ENOBUFS)
			foreign = true; /* something was lost: look */
		else if (n < 0 && errno != EINTR)
			break;
		else if (n > 0)
			foreign |= is_foreign(monitor, buf, n);
	}
	if (foreign && !evtimer_pending(monitor->kick, NULL))
		evtimer_add(monitor->kick, &soon);
}

int monitor_new(struct event_base *base, uint32_t portid, void (*changed)(void *user), void *user, struct monitor **ret)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int group = NFNLGRP_NFTABLES, r = -ENOMEM;

	if (!monitor)
		return -ENOMEM;
	monitor->portid = portid;
	monitor->changed = changed;
	monitor->user = user;
	monitor->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket || mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(monitor->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		r = -errno;
		goto fail;
	}
	monitor->readable = event_new(base, mnl_socket_get_fd(monitor->socket), EV_READ | EV_PERSIST, on_readable, monitor);
	monitor->kick = evtimer_new(base, on_kick, monitor);
	if (!monitor->readable || !monitor->kick || event_add(monitor->readable, NULL) < 0)
		goto fail;
	*ret = monitor;
	return 0;
fail:
	monitor_free(monitor);
	return r;
}

void monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->readable)
		event_free(monitor->readable);
	if (monitor->kick)
		event_free(monitor->kick);
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}
