/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "fwd/daemon/netlink.h"

#define PATIENCE_S 5

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int netlink_open(int bus, struct mnl_socket **ret)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(socket);
		return r;
	}
	*ret = socket;
	return 0;
}

static int receive(struct mnl_socket *socket, char *buf, int64_t deadline)
{
	ssize_t n;

	do {
		const int64_t left = deadline - now_ms();
		struct timeval patience = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };

		if (left <= 0)
			return -ETIMEDOUT;
		if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
			return -errno;
		n = mnl_socket_recvfrom(socket, buf, NETLINK_BUFFER);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (int)n;
}

/* True: that was the last one, and *ret is the outcome. */
static bool is_end(const struct nlmsghdr *message, int *ret)
{
	switch (message->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE: /* carries the errno of a dump that failed on its way */
		*ret = 0;
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(int))
			memcpy(ret, mnl_nlmsg_get_payload(message), sizeof(*ret));
		if (*ret > 0)
			*ret = -EBADMSG;
		return true;
	case NLMSG_OVERRUN:
		*ret = -ENOBUFS;
		return true;
	default:
		return false;
	}
}

int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, int (*each)(const struct nlmsghdr *message, void *user),
		void *user)
{
	static uint32_t sequence; /* an answer that comes after its question was given up bears an older number */
	const int64_t deadline = now_ms() + PATIENCE_S * 1000;
	_Alignas(struct nlmsghdr) char buf[NETLINK_BUFFER];

	request->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
		int len = receive(socket, buf, deadline), r = 0;

		if (len < 0)
			return len;
		for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
			if (message->nlmsg_seq != request->nlmsg_seq || message->nlmsg_type == NLMSG_NOOP)
				continue;
			if (is_end(message, &r))
				return r;
			r = each ? each(message, user) : 0;
			if (r)
				return r;
		}
	}
}

static void attributes(const char *first, size_t len, unsigned max, const struct nlattr **ret)
{
	const char *end = first + len;

	memset(ret, 0, (max + 1) * sizeof(*ret));
	for (const struct nlattr *attr = (const void *)first; mnl_attr_ok(attr, (int)(end - (const char *)attr));
	     attr = mnl_attr_next(attr))
		if (mnl_attr_get_type(attr) <= max)
			ret[mnl_attr_get_type(attr)] = attr;
}

void netlink_attributes(const struct nlmsghdr *message, size_t head, unsigned max, const struct nlattr **ret)
{
	const size_t len = mnl_nlmsg_get_payload_len(message), skip = MNL_ALIGN(head);

	attributes((const char *)mnl_nlmsg_get_payload(message) + skip, len > skip ? len - skip : 0, max, ret);
}

void netlink_nested(const struct nlattr *nest, unsigned max, const struct nlattr **ret)
{
	attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), max, ret);
}
