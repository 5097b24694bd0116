/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "fwd/daemon/route.h"

#define ANSWER_TIMEOUT 5 /* seconds: the kernel answers at once */

struct answer {
	unsigned ifindex;
	struct addr own;
};

static int on_route(const struct nlmsghdr *message, void *user)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct answer *answer = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*route)) {
		if (mnl_attr_get_type(attr) == RTA_OIF)
			answer->ifindex = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTA_PREFSRC && mnl_attr_get_payload_len(attr) <= sizeof(answer->own.bytes)) {
			answer->own.family = route->rtm_family;
			memcpy(answer->own.bytes, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		}
	}
	return MNL_CB_OK;
}

int route_lookup(const struct addr *to, char ifname[static IFNAMSIZ], struct addr *own)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT };
	_Alignas(struct nlmsghdr) char buf[8192];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct answer answer = { 0 };
	struct rtmsg *route;
	ssize_t n;
	int r;

	if (!socket)
		return -errno;
	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = 1;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = to->family;
	route->rtm_dst_len = (unsigned char)addr_bits(to->family);
	mnl_attr_put(message, RTA_DST, addr_bits(to->family) / 8, to->bytes);
	r = setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ?
		-errno : 0;
	if (r == 0) {
		n = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		if (n < 0 || mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(socket), on_route, &answer) < 0)
			r = -errno;
	}
	mnl_socket_close(socket);
	if (r == 0 && (!answer.ifindex || !if_indextoname(answer.ifindex, ifname)))
		r = -ENETUNREACH;
	if (r == 0 && answer.own.family) /* an interface without an address of its own has none to tell */
		*own = answer.own;
	return r;
}
