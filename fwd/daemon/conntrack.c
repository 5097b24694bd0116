/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "fwd/daemon/conntrack.h"
#include "fwd/daemon/netlink.h"

#define REQUEST_SIZE 1024
#define SYSCTL "/proc/sys/net/netfilter/nf_conntrack_"

struct conntrack {
	struct mnl_socket *socket;
};

static struct nlmsghdr *request_init(char *buf, uint8_t command, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | command;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	return message;
}

int conntrack_open(struct conntrack **ret)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct conntrack *conntrack = calloc(1, sizeof(*conntrack));
	int r;

	if (!conntrack)
		return -ENOMEM;
	r = netlink_open(NETLINK_NETFILTER, &conntrack->socket);
	if (r == 0) {
		r = netlink_ask(conntrack->socket, request_init(buf, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC), NULL, NULL);
		if (r == -EINVAL) /* nfnetlink knows no such subsystem, nor a module of it */
			r = -EOPNOTSUPP;
	}
	if (r < 0) {
		conntrack_close(conntrack);
		return r;
	}
	*ret = conntrack;
	return 0;
}

void conntrack_close(struct conntrack *conntrack)
{
	if (!conntrack)
		return;
	if (conntrack->socket)
		mnl_socket_close(conntrack->socket);
	free(conntrack);
}

static void put_tuple(struct nlmsghdr *message, uint16_t type, const struct ct_tuple *tuple)
{
	const bool v4 = tuple->src.family == AF_INET;
	const size_t len = addr_bits(tuple->src.family) / 8;
	struct nlattr *outer = mnl_attr_nest_start(message, type), *inner;

	inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put(message, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, len, tuple->src.bytes);
	mnl_attr_put(message, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, len, tuple->dst.bytes);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple->proto);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->sport));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->dport));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
}

static bool read_addr(const struct nlattr *attr, uint8_t family, struct addr *ret)
{
	if (!attr || mnl_attr_get_payload_len(attr) * 8u != addr_bits(family))
		return false;
	*ret = (struct addr){ .family = family };
	memcpy(ret->bytes, mnl_attr_get_payload(attr), addr_bits(family) / 8);
	return true;
}

static uint16_t read_port(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint16_t) ? ntohs(mnl_attr_get_u16(attr)) : 0;
}

static bool read_tuple(const struct nlattr *nest, struct ct_tuple *ret)
{
	const struct nlattr *tuple[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];
	bool v4;

	if (!nest)
		return false;
	netlink_nested(nest, CTA_TUPLE_MAX, tuple);
	if (!tuple[CTA_TUPLE_IP] || !tuple[CTA_TUPLE_PROTO])
		return false;
	netlink_nested(tuple[CTA_TUPLE_IP], CTA_IP_MAX, ip);
	netlink_nested(tuple[CTA_TUPLE_PROTO], CTA_PROTO_MAX, proto);
	if (!proto[CTA_PROTO_NUM])
		return false;
	ret->proto = mnl_attr_get_u8(proto[CTA_PROTO_NUM]);
	ret->sport = read_port(proto[CTA_PROTO_SRC_PORT]);
	ret->dport = read_port(proto[CTA_PROTO_DST_PORT]);
	v4 = ip[CTA_IP_V4_SRC];
	return read_addr(ip[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], v4 ? AF_INET : AF_INET6, &ret->src) &&
	       read_addr(ip[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST], v4 ? AF_INET : AF_INET6, &ret->dst);
}

static int read_entry(const struct nlmsghdr *message, struct ct_entry *ret)
{
	const struct nlattr *attr[CTA_MAX + 1];
	struct ct_entry entry = { 0 };

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	netlink_attributes(message, sizeof(struct nfgenmsg), CTA_MAX, attr);
	if (!read_tuple(attr[CTA_TUPLE_ORIG], &entry.original) || !read_tuple(attr[CTA_TUPLE_REPLY], &entry.reply))
		return -EBADMSG;
	if (attr[CTA_STATUS] && mnl_attr_get_payload_len(attr[CTA_STATUS]) == sizeof(uint32_t))
		entry.status = ntohl(mnl_attr_get_u32(attr[CTA_STATUS]));
	*ret = entry;
	return 0;
}

static int on_found(const struct nlmsghdr *message, void *user)
{
	return read_entry(message, user);
}

static bool is_valid(const struct ct_tuple *tuple)
{
	return (tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP) && tuple->src.family == tuple->dst.family;
}

int conntrack_find(struct conntrack *conntrack, const struct ct_tuple *tuple, struct ct_entry *ret)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct nlmsghdr *request = request_init(buf, IPCTNL_MSG_CT_GET, NLM_F_ACK, tuple->src.family);
	struct ct_entry entry = { 0 };
	int r;

	if (!is_valid(tuple))
		return -EINVAL;
	/* The kernel's table holds both directions of an entry, and this looks up either, whatever the attribute is called. */
	put_tuple(request, CTA_TUPLE_ORIG, tuple);
	r = netlink_ask(conntrack->socket, request, on_found, &entry);
	if (r == 0 && entry.original.src.family == 0)
		r = -EBADMSG;
	if (r == 0)
		*ret = entry;
	return r;
}

/* What the kernel would give it, in seconds. Its next packet sets that anyway; this is for flows that stay idle. */
static uint32_t usual_timeout(uint8_t proto)
{
	const char *path = proto == IPPROTO_TCP ? SYSCTL "tcp_timeout_established" : SYSCTL "udp_timeout_stream";
	unsigned value = proto == IPPROTO_TCP ? 432000 : 120;
	FILE *file = fopen(path, "re");

	if (file) {
		unsigned own;

		if (fscanf(file, "%u", &own) == 1 && own > 0)
			value = own;
		fclose(file);
	}
	return value;
}

static void put_tcp(struct nlmsghdr *message)
{
	/* Nobody knows what was said before: no window is checked, in either direction. */
	const struct nf_ct_tcp_flags flags = { IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *outer = mnl_attr_nest_start(message, CTA_PROTOINFO), *inner;

	inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(flags), &flags);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(flags), &flags);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
}

int conntrack_create(struct conntrack *conntrack, const struct ct_tuple *original)
{
	const struct ct_tuple reply = { original->proto, original->dst, original->src, original->dport, original->sport };
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct nlmsghdr *request =
		request_init(buf, IPCTNL_MSG_CT_NEW, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, original->src.family);

	if (!is_valid(original))
		return -EINVAL;
	put_tuple(request, CTA_TUPLE_ORIG, original);
	put_tuple(request, CTA_TUPLE_REPLY, &reply);
	mnl_attr_put_u32(request, CTA_TIMEOUT, htonl(usual_timeout(original->proto)));
	/* the kernel sets CONFIRMED itself, and refuses to have it taken away again */
	mnl_attr_put_u32(request, CTA_STATUS, htonl(IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED));
	if (original->proto == IPPROTO_TCP)
		put_tcp(request);
	return netlink_ask(conntrack->socket, request, NULL, NULL);
}

struct identity {
	struct ct_tuple original;
	uint32_t id; /* as the kernel gave it */
	bool has_id;
};

static int on_identity(const struct nlmsghdr *message, void *user)
{
	const struct nlattr *attr[CTA_MAX + 1];
	struct identity *identity = user;

	netlink_attributes(message, sizeof(struct nfgenmsg), CTA_MAX, attr);
	if (!read_tuple(attr[CTA_TUPLE_ORIG], &identity->original))
		return -EBADMSG;
	if (attr[CTA_ID] && mnl_attr_get_payload_len(attr[CTA_ID]) == sizeof(uint32_t)) {
		identity->id = mnl_attr_get_u32(attr[CTA_ID]);
		identity->has_id = true;
	}
	return 0;
}

int conntrack_delete(struct conntrack *conntrack, const struct ct_tuple *original)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct nlmsghdr *request = request_init(buf, IPCTNL_MSG_CT_GET, NLM_F_ACK, original->src.family);
	struct identity found = { 0 };
	int r;

	if (!is_valid(original))
		return -EINVAL;
	put_tuple(request, CTA_TUPLE_ORIG, original);
	r = netlink_ask(conntrack->socket, request, on_identity, &found);
	if (r < 0)
		return r;
	if (!addr_equal(&found.original.src, &original->src) || found.original.sport != original->sport)
		return -ENOENT;
	/* by its number: in between, it may have given way to one the other way round */
	request = request_init(buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, original->src.family);
	put_tuple(request, CTA_TUPLE_ORIG, original);
	if (found.has_id)
		mnl_attr_put_u32(request, CTA_ID, found.id);
	return netlink_ask(conntrack->socket, request, NULL, NULL);
}

struct dump {
	int (*each)(const struct ct_entry *entry, void *user);
	void *user;
};

static int on_entry(const struct nlmsghdr *message, void *user)
{
	const struct dump *dump = user;
	struct ct_entry entry;
	int r = read_entry(message, &entry);

	return r < 0 ? r : dump->each(&entry, dump->user);
}

int conntrack_dump(struct conntrack *conntrack, int (*each)(const struct ct_entry *entry, void *user), void *user)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_SIZE] = { 0 };
	struct dump dump = { each, user };
	struct mnl_socket *socket; /* its own: to close it is the only way to end a dump early */
	int r = netlink_open(NETLINK_NETFILTER, &socket);

	(void)conntrack;
	if (r < 0)
		return r;
	r = netlink_ask(socket, request_init(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), on_entry, &dump);
	mnl_socket_close(socket);
	return r;
}
