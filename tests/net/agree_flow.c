/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of conntrack by ctnetlink: flows in a state of our choice, whatever the rules would say of their
 * first packets.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "tests/net/agree.h"

#define LIFE 600        /* seconds: longer than this program */
#define TCP_ESTABLISHED_STATE 3
#define GUEST_PORT 80   /* of published flows, as in observer_create() */

static struct mnl_socket *ctnetlink;
static uint32_t sequence;

void flow_open(void)
{
	ctnetlink = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!ctnetlink || mnl_socket_bind(ctnetlink, 0, MNL_SOCKET_AUTOPID) < 0)
		skip("netfilter's netlink: %s", strerror(errno));
}

void flow_close(void)
{
	if (ctnetlink)
		mnl_socket_close(ctnetlink);
	ctnetlink = NULL;
}

static bool is_icmp(const struct tuple *tuple)
{
	return tuple->proto == IPPROTO_ICMP || tuple->proto == IPPROTO_ICMPV6;
}

struct tuple tuple_reverse(const struct tuple *tuple)
{
	struct tuple ret = { tuple->dst, tuple->src, tuple->proto, tuple->dport, tuple->sport };

	if (is_icmp(tuple)) { /* the answer to an echo request */
		ret.sport = tuple->sport;
		ret.dport = tuple->proto == IPPROTO_ICMP ? 0 : 129 << 8;
	}
	return ret;
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct tuple *tuple)
{
	bool ip4 = tuple->src.family == AF_INET, icmp6 = tuple->proto == IPPROTO_ICMPV6;
	struct nlattr *outer = mnl_attr_nest_start(message, type), *inner;
	size_t len = ip4 ? 4 : 16;

	inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put(message, ip4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, len, tuple->src.bytes);
	mnl_attr_put(message, ip4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, len, tuple->dst.bytes);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple->proto);
	if (is_icmp(tuple)) {
		mnl_attr_put_u16(message, icmp6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, htons(tuple->sport));
		mnl_attr_put_u8(message, icmp6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE,
				(uint8_t)(tuple->dport >> 8));
		mnl_attr_put_u8(message, icmp6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, (uint8_t)tuple->dport);
	} else {
		mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->sport));
		mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->dport));
	}
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
}

static void put_tcp(struct nlmsghdr *message)
{
	struct nf_ct_tcp_flags liberal = { IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *outer = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_ESTABLISHED_STATE);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), &liberal);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
}

static void put_dnat(struct nlmsghdr *message, const struct addr *guest)
{
	struct nlattr *outer = mnl_attr_nest_start(message, CTA_NAT_DST), *inner;
	bool ip4 = guest->family == AF_INET;
	size_t len = ip4 ? 4 : 16;

	mnl_attr_put(message, ip4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, len, guest->bytes);
	mnl_attr_put(message, ip4 ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, len, guest->bytes);
	inner = mnl_attr_nest_start(message, CTA_NAT_PROTO);
	mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MIN, htons(GUEST_PORT));
	mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MAX, htons(GUEST_PORT));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
}

static int create(const struct tuple *orig, unsigned flags, const struct tuple *master, const struct addr *guest)
{
	struct tuple reply = tuple_reverse(orig);
	uint32_t status = IPS_CONFIRMED | (flags & FLOW_SEEN_REPLY ? IPS_SEEN_REPLY | IPS_ASSURED : 0);
	char buffer[1024], answer[4096];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *head;
	ssize_t n;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = ++sequence;
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = orig->src.family;
	put_tuple(message, CTA_TUPLE_ORIG, orig);
	put_tuple(message, CTA_TUPLE_REPLY, &reply);
	if (master)
		put_tuple(message, CTA_TUPLE_MASTER, master);
	mnl_attr_put_u32(message, CTA_STATUS, htonl(status));
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(LIFE));
	if (orig->proto == IPPROTO_TCP && (flags & FLOW_SEEN_REPLY))
		put_tcp(message);
	if (guest)
		put_dnat(message, guest);
	if (mnl_socket_sendto(ctnetlink, message, message->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(ctnetlink, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, sequence, mnl_socket_get_portid(ctnetlink), NULL, NULL) < 0)
		return -errno;
	return 0;
}

void flow_create(const struct tuple *orig, unsigned flags, const struct addr *guest)
{
	struct tuple master = *orig;
	int r = 0;

	if (flags & FLOW_EXPECTED) {
		master.proto = IPPROTO_TCP;
		master.sport = 1023;
		master.dport = 21;
		r = create(&master, FLOW_SEEN_REPLY, NULL, NULL);
	}
	if (r == 0 || r == -EEXIST)
		r = create(orig, flags, flags & FLOW_EXPECTED ? &master : NULL, flags & FLOW_PUBLISHED ? guest : NULL);
	/* one that is there already (EEXIST), or whose reply would look like another's, serves as well */
	if (r == -EOPNOTSUPP || r == -EINVAL)
		skip("no conntrack entries by netlink: %s", strerror(-r));
	if (r < 0 && r != -EEXIST)
		die("a conntrack entry: %s", strerror(-r));
}
