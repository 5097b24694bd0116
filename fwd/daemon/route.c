/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "fwd/daemon/netlink.h"
#include "fwd/daemon/route.h"

struct answer {
	unsigned ifindex;
	struct addr own;
};

static int on_route(const struct nlmsghdr *message, void *user)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[RTA_PREFSRC + 1];
	struct answer *answer = user;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route))
		return -EBADMSG;
	netlink_attributes(message, sizeof(*route), RTA_PREFSRC, attr);
	if (attr[RTA_OIF] && mnl_attr_get_payload_len(attr[RTA_OIF]) == sizeof(uint32_t))
		answer->ifindex = mnl_attr_get_u32(attr[RTA_OIF]);
	if (attr[RTA_PREFSRC] && mnl_attr_get_payload_len(attr[RTA_PREFSRC]) <= sizeof(answer->own.bytes)) {
		answer->own.family = route->rtm_family;
		memcpy(answer->own.bytes, mnl_attr_get_payload(attr[RTA_PREFSRC]), mnl_attr_get_payload_len(attr[RTA_PREFSRC]));
	}
	return 0;
}

int route_lookup(const struct addr *to, char ifname[static IFNAMSIZ], struct addr *own)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	struct answer answer = { 0 };
	struct mnl_socket *socket;
	int r;

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	route->rtm_family = to->family;
	route->rtm_dst_len = (unsigned char)addr_bits(to->family);
	mnl_attr_put(message, RTA_DST, addr_bits(to->family) / 8, to->bytes);
	r = netlink_open(NETLINK_ROUTE, &socket);
	if (r < 0)
		return r;
	r = netlink_ask(socket, message, on_route, &answer);
	mnl_socket_close(socket);
	if (r == 0 && (!answer.ifindex || !if_indextoname(answer.ifindex, ifname)))
		r = -ENETUNREACH;
	if (r == 0)
		*own = answer.own;
	return r;
}
