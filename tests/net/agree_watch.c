/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What netfilter saw and what it let through: NFLOG, group of our own table. What conntrack thinks of a packet is
 * brought in its mark.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "tests/net/agree.h"

#define NFT_UNTRACKED 0x40u /* the bit that nf_tables has for it; the others are those of xt_conntrack */
#define STATUS_KNOWN (CT_STATUS_EXPECTED | CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED)

static struct mnl_socket *nflog;

static struct nlmsghdr *config(char *buffer)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *head;

	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = AF_UNSPEC;
	head->version = NFNETLINK_V0;
	head->res_id = htons(OBSERVE_GROUP);
	return message;
}

static void send_config(struct nlmsghdr *message, const char *what)
{
	char answer[4096];
	ssize_t n;

	if (mnl_socket_sendto(nflog, message, message->nlmsg_len) < 0)
		die("NFLOG: %s", strerror(errno));
	n = mnl_socket_recvfrom(nflog, answer, sizeof(answer));
	if (n < 0 || mnl_cb_run(answer, (size_t)n, 0, mnl_socket_get_portid(nflog), NULL, NULL) < 0)
		skip("NFLOG (%s): %s", what, strerror(errno));
}

void watch_open(void)
{
	struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = { .copy_range = htonl(128), .copy_mode = NFULNL_COPY_PACKET };
	int size = 16 << 20;
	char buffer[256];
	struct nlmsghdr *message;

	nflog = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nflog || mnl_socket_bind(nflog, 0, MNL_SOCKET_AUTOPID) < 0)
		skip("netfilter's netlink: %s", strerror(errno));
	setsockopt(mnl_socket_get_fd(nflog), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	message = config(buffer);
	mnl_attr_put(message, NFULA_CFG_CMD, sizeof(bind), &bind);
	send_config(message, "bind");
	message = config(buffer);
	mnl_attr_put(message, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(1));
	send_config(message, "whole packets");
}

void watch_close(void)
{
	if (nflog)
		mnl_socket_close(nflog);
	nflog = NULL;
}

struct attributes {
	const struct nlattr *at[NFULA_MAX + 1];
};

static int on_attribute(const struct nlattr *attr, void *user)
{
	struct attributes *attributes = user;

	if (mnl_attr_get_type(attr) <= NFULA_MAX)
		attributes->at[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* From the bits that our own table saw. Without an entry conntrack says nothing of direction, status and port. */
static void read_conntrack(struct seen *seen)
{
	struct packet *packet = &seen->packet;

	packet->ct_state = (uint16_t)(seen->state & (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW));
	if (seen->state & NFT_UNTRACKED)
		packet->ct_state |= CT_UNTRACKED;
	if (seen->status & IPS_SRC_NAT)
		packet->ct_state |= CT_SNAT;
	if (seen->status & IPS_DST_NAT)
		packet->ct_state |= CT_DNAT;
	packet->ct_reply = seen->direction == 1;
	packet->ct_status = (uint16_t)(seen->status & STATUS_KNOWN);
	packet->ct_origdst_port = seen->has_port ? seen->port : packet->dport;
}

static void see(struct seen *seen, char what, uint32_t value)
{
	uint16_t port;

	switch (what) {
	case OBSERVE_STATE:
		seen->state = value;
		break;
	case OBSERVE_DIRECTION:
		seen->direction = value;
		break;
	case OBSERVE_STATUS:
		seen->status = value;
		break;
	case OBSERVE_PORT: /* as it lies in a register: big endian, in the first bytes */
		memcpy(&port, &value, sizeof(port));
		seen->port = ntohs(port);
		seen->has_port = true;
		break;
	case OBSERVE_LAST:
		seen->survived = true;
	}
}

struct reading {
	struct seen *seen;
	size_t n;
	uint16_t last;
	bool done;
};

static uint32_t number_of(const struct nlattr *attr)
{
	return attr ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static int on_message(const struct nlmsghdr *message, void *user)
{
	struct reading *reading = user;
	struct attributes attributes = { 0 };
	const struct nfulnl_msg_packet_hdr *head;
	struct packet packet = { 0 };
	struct seen *seen;
	const char *prefix;
	uint16_t id;

	mnl_attr_parse(message, sizeof(struct nfgenmsg), on_attribute, &attributes);
	if (!attributes.at[NFULA_PACKET_HDR] || !attributes.at[NFULA_PREFIX] || !attributes.at[NFULA_PAYLOAD])
		return MNL_CB_OK;
	if (!frame_parse(mnl_attr_get_payload(attributes.at[NFULA_PAYLOAD]),
			 mnl_attr_get_payload_len(attributes.at[NFULA_PAYLOAD]), &packet, &id) || id >= reading->n)
		return MNL_CB_OK;
	seen = &reading->seen[id];
	prefix = mnl_attr_get_str(attributes.at[NFULA_PREFIX]);
	see(seen, *prefix, number_of(attributes.at[NFULA_MARK]));
	if (*prefix == OBSERVE_ALL) {
		if (seen->probed)
			die("the packet with id %u came twice", id);
		head = mnl_attr_get_payload(attributes.at[NFULA_PACKET_HDR]);
		seen->probed = true;
		seen->packet = packet;
		seen->packet.hook = head->hook;
		bed_iface(number_of(attributes.at[NFULA_IFINDEX_INDEV]), seen->packet.iif);
		bed_iface(number_of(attributes.at[NFULA_IFINDEX_OUTDEV]), seen->packet.oif);
		read_conntrack(seen);
		reading->done |= id == reading->last;
	}
	return MNL_CB_OK;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool watch_read(struct seen *seen, size_t n, uint16_t last, int patience)
{
	struct reading reading = { .seen = seen, .n = n, .last = last };
	struct pollfd ready = { .fd = mnl_socket_get_fd(nflog), .events = POLLIN };
	int64_t end = now_ms() + patience;
	static char buffer[1 << 16];

	while (!reading.done) {
		int64_t left = end - now_ms();
		ssize_t got;

		if (left < 0 || poll(&ready, 1, (int)left) == 0)
			return false;
		got = mnl_socket_recvfrom(nflog, buffer, sizeof(buffer));
		if (got < 0 && errno != EINTR)
			die("NFLOG: %s", strerror(errno));
		if (got > 0)
			mnl_cb_run(buffer, (size_t)got, 0, 0, on_message, &reading);
	}
	return true;
}
