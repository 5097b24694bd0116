/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>

#include "tests/net/netlink.h"

struct mnl_socket *netlink;
uint32_t sequence;

void die(const char *what)
{
	fprintf(stderr, "codec: %s: %s\n", what, strerror(errno));
	exit(1);
}

void skip(const char *what)
{
	fprintf(stderr, "codec: skipped: %s: %s\n", what, strerror(errno));
	exit(SKIP);
}

void socket_open(void)
{
	struct timeval patience = { .tv_sec = 10 };

	netlink = mnl_socket_open(NETLINK_NETFILTER);
	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0)
		skip("netfilter's netlink");
	/* a kernel that does not answer is a failure, not a hanging test */
	if (setsockopt(mnl_socket_get_fd(netlink), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		die("SO_RCVTIMEO");
}

int answers(uint32_t seq, mnl_cb_t callback, void *user)
{
	static char buffer[1 << 16];
	ssize_t n;
	int r;

	do {
		n = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));
		if (n < 0)
			return -1;
		r = mnl_cb_run(buffer, (size_t)n, seq, mnl_socket_get_portid(netlink), callback, user);
	} while (r > 0);
	return r;
}

struct batch {
	struct mnl_nlmsg_batch *messages;
	char buffer[1 << 18];
	uint32_t first; /* sequence number of its first message */
};

struct batch *batch_begin(void)
{
	static struct batch batch;

	batch.messages = mnl_nlmsg_batch_start(batch.buffer, sizeof(batch.buffer) / 2);
	if (!batch.messages)
		die("batch");
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch.messages), ++sequence);
	mnl_nlmsg_batch_next(batch.messages);
	batch.first = sequence + 1;
	return &batch;
}

struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch->messages), type, family,
				     (uint16_t)(flags | NLM_F_ACK), ++sequence);
}

void batch_next(struct batch *batch)
{
	if (!mnl_nlmsg_batch_next(batch->messages)) {
		errno = ENOBUFS;
		die("batch");
	}
}

int batch_commit(struct batch *batch)
{
	static char buffer[1 << 16];
	uint32_t last = sequence;
	int r = 0;

	nftnl_batch_end(mnl_nlmsg_batch_current(batch->messages), ++sequence);
	mnl_nlmsg_batch_next(batch->messages);
	if (mnl_socket_sendto(netlink, mnl_nlmsg_batch_head(batch->messages),
			      mnl_nlmsg_batch_size(batch->messages)) < 0)
		die("send");
	mnl_nlmsg_batch_stop(batch->messages);
	for (uint32_t seen = batch->first - 1; seen != last;) {
		int n = (int)mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

		if (n < 0)
			die("receive");
		for (struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, n); m = mnl_nlmsg_next(m, &n)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);

			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			if (error->error && !r)
				r = error->error;
			if (m->nlmsg_seq >= batch->first && m->nlmsg_seq <= last)
				seen = m->nlmsg_seq;
			if (error->error && m->nlmsg_seq < batch->first)
				return r; /* the batch as a whole */
		}
	}
	return r;
}

static struct nlmsghdr *ipset_message(char *buffer, uint8_t command, const char *name)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *head;

	message->nlmsg_type = NFNL_SUBSYS_IPSET << 8 | command;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++sequence;
	head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = AF_INET;
	mnl_attr_put_u8(message, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	mnl_attr_put_strz(message, IPSET_ATTR_SETNAME, name);
	return message;
}

static int index_attr(const struct nlmsghdr *message, void *user)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == IPSET_ATTR_INDEX)
			*(uint16_t *)user = ntohs(mnl_attr_get_u16(attr));
	return MNL_CB_OK;
}

uint16_t set_create(const char *name, uint8_t family)
{
	char buffer[4096];
	struct nlmsghdr *message = ipset_message(buffer, IPSET_CMD_CREATE, name);
	struct nlattr *nest;
	uint16_t index = 0;

	mnl_attr_put_strz(message, IPSET_ATTR_TYPENAME, "hash:net");
	mnl_attr_put_u8(message, IPSET_ATTR_REVISION, 6);
	mnl_attr_put_u8(message, IPSET_ATTR_FAMILY, family);
	nest = mnl_attr_nest_start(message, IPSET_ATTR_DATA);
	mnl_attr_nest_end(message, nest);
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0 || answers(sequence, NULL, NULL) < 0)
		skip("no ipset hash:net in this kernel");
	message = ipset_message(buffer, IPSET_CMD_GET_BYNAME, name);
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0 || answers(sequence, index_attr, &index) < 0)
		die("index of a set");
	return index;
}
