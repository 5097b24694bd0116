/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Batches of nf_tables by others than fwd, and our own table that watches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "tests/net/agree.h"

#define TABLE "agree"
#define FIRST (-1000000) /* priority of chains ahead of all others; the last ones have its negative */
#define BATCH_MAX (1 << 20)
#define MESSAGE_ROOM 8192

static struct mnl_socket *nfnetlink;
static uint32_t sequence, first;
static char *batch;
static size_t used;

void batch_open(void)
{
	struct timeval patience = { .tv_sec = 10 };
	int size = 4 << 20;

	nfnetlink = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	batch = malloc(BATCH_MAX);
	if (!batch || !nfnetlink || mnl_socket_bind(nfnetlink, 0, MNL_SOCKET_AUTOPID) < 0)
		skip("netfilter's netlink: %s", strerror(errno));
	if (setsockopt(mnl_socket_get_fd(nfnetlink), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(mnl_socket_get_fd(nfnetlink), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(mnl_socket_get_fd(nfnetlink), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

void batch_close(void)
{
	if (nfnetlink)
		mnl_socket_close(nfnetlink);
	free(batch);
	nfnetlink = NULL;
	batch = NULL;
}

static struct nlmsghdr *message(uint16_t type, uint8_t family, uint16_t flags)
{
	if (used + MESSAGE_ROOM > BATCH_MAX)
		die("a batch of more than %d bytes", BATCH_MAX);
	return nftnl_nlmsg_build_hdr(batch + used, type, family, (uint16_t)(flags | NLM_F_ACK), ++sequence);
}

static void add(const struct nlmsghdr *nlh)
{
	used += NLMSG_ALIGN(nlh->nlmsg_len);
}

void batch_begin(void)
{
	used = 0;
	first = ++sequence;
	nftnl_batch_begin(batch, sequence);
	add((const struct nlmsghdr *)batch);
}

static void table_message(uint8_t family, const char *name, uint16_t type)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh = message(type, family, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
	nftnl_table_nlmsg_build_payload(nlh, table);
	nftnl_table_free(table);
	add(nlh);
}

void batch_table(uint8_t family, const char *name)
{
	table_message(family, name, NFT_MSG_NEWTABLE);
}

/* Made first if it is not there, so that it can always go. */
void batch_delete_table(uint8_t family, const char *name)
{
	table_message(family, name, NFT_MSG_NEWTABLE);
	table_message(family, name, NFT_MSG_DELTABLE);
}

void batch_chain(uint8_t family, const char *table, const char *name, const struct base *base)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = message(NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);

	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	if (base) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, base->type);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, base->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, base->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, base->policy);
	}
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	nftnl_chain_free(chain);
	add(nlh);
}

void batch_rule(struct nftnl_rule *rule, bool front)
{
	uint8_t family = (uint8_t)nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY);
	struct nlmsghdr *nlh = message(NFT_MSG_NEWRULE, family, NLM_F_CREATE | (front ? 0 : NLM_F_APPEND));

	nftnl_rule_nlmsg_build_payload(nlh, rule);
	nftnl_rule_free(rule);
	add(nlh);
}

int batch_commit(void)
{
	static char buffer[1 << 16];
	uint32_t last = sequence, seen = first;
	struct nlmsghdr *nlh = (void *)(batch + used);
	int r = 0;

	nftnl_batch_end((char *)nlh, ++sequence);
	add(nlh);
	if (mnl_socket_sendto(nfnetlink, batch, used) < 0)
		return -errno;
	while (seen < last) {
		int n = (int)mnl_socket_recvfrom(nfnetlink, buffer, sizeof(buffer));

		if (n < 0)
			return -errno;
		for (nlh = (void *)buffer; mnl_nlmsg_ok(nlh, n); nlh = mnl_nlmsg_next(nlh, &n)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq < first)
				continue;
			if (error->error && !r) {
				fprintf(stderr, "agree: message %u of a batch, type %u\n", nlh->nlmsg_seq - first,
					error->msg.nlmsg_type & 0xff);
				r = error->error;
			}
			if (nlh->nlmsg_seq == first && error->error)
				return r; /* the batch as a whole */
			if (nlh->nlmsg_seq <= last)
				seen = nlh->nlmsg_seq;
		}
	}
	return r;
}

/* The TOS that frame_build() gives to packets that want to be UNTRACKED. */
static void observe_untracked(void)
{
	static const uint8_t ip4 = NFPROTO_IPV4, ip6 = NFPROTO_IPV6, tos4 = 0x04, mask6[] = { 0x0f, 0xf0 };
	static const uint8_t tos6[] = { 0, 0x40 };
	struct nftnl_rule *rule = expr_rule(NFPROTO_INET, TABLE, "raw");

	expr_meta(rule, NFT_META_NFPROTO);
	expr_cmp(rule, NFT_CMP_EQ, &ip4, 1);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 1, 1);
	expr_cmp(rule, NFT_CMP_EQ, &tos4, 1);
	expr_plain(rule, "notrack");
	batch_rule(rule, false);
	rule = expr_rule(NFPROTO_INET, TABLE, "raw");
	expr_meta(rule, NFT_META_NFPROTO);
	expr_cmp(rule, NFT_CMP_EQ, &ip6, 1);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 0, 2);
	expr_mask(rule, mask6, 2);
	expr_cmp(rule, NFT_CMP_EQ, tos6, 2);
	expr_plain(rule, "notrack");
	batch_rule(rule, false);
}

/* DNAT of one protocol of one published address. */
static void observe_dnat(uint8_t family, uint8_t proto, bool to_guest)
{
	bool ip4 = family == NFPROTO_IPV4;
	struct addr public = addr_of(ip4 ? LOCAL4 : LOCAL6), inside = addr_of(ip4 ? GUESTS4 : GUESTS6);
	struct nftnl_rule *rule = expr_rule(NFPROTO_INET, TABLE, "nat");
	uint32_t len = ip4 ? 4 : 16;
	uint16_t port = htons(to_guest ? 80 : 22);

	public.bytes[len - 1] = to_guest ? PUBLISHED : PUBLISHED + 1;
	if (!to_guest)
		inside = addr_of(ip4 ? LOCAL4 : LOCAL6);
	inside.bytes[len - 1] = 10;
	expr_meta(rule, NFT_META_NFPROTO);
	expr_cmp(rule, NFT_CMP_EQ, &family, 1);
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, ip4 ? 16 : 24, len);
	expr_cmp(rule, NFT_CMP_EQ, public.bytes, len);
	expr_meta(rule, NFT_META_L4PROTO);
	expr_cmp(rule, NFT_CMP_EQ, &proto, 1);
	expr_immediate(rule, NFT_REG_1, inside.bytes, len);
	expr_immediate(rule, NFT_REG_2, &port, 2);
	expr_dnat(rule, family);
	batch_rule(rule, false);
}

/* A message with what register 1 holds, in the mark. */
static void observe_value(struct nftnl_rule *rule, char prefix)
{
	expr_set_mark(rule);
	expr_log(rule, OBSERVE_GROUP, (char[]){ prefix, '\0' });
	batch_rule(rule, false);
}

static void observe_hook(const char *name, const char *last, uint8_t hook)
{
	static const uint32_t keys[] = { NFT_CT_STATE, NFT_CT_DIRECTION, NFT_CT_STATUS };
	struct base base = { hook, FIRST, "filter", NF_ACCEPT };
	struct nftnl_rule *rule;
	uint32_t zero = 0;

	batch_chain(NFPROTO_INET, TABLE, name, &base);
	base.priority = -FIRST;
	batch_chain(NFPROTO_INET, TABLE, last, &base);
	for (int i = 0; i < 3; i++) {
		rule = expr_rule(NFPROTO_INET, TABLE, name);
		expr_ct(rule, keys[i]);
		observe_value(rule, (char[]){ OBSERVE_STATE, OBSERVE_DIRECTION, OBSERVE_STATUS }[i]);
	}
	rule = expr_rule(NFPROTO_INET, TABLE, name);
	expr_ct_port(rule);
	observe_value(rule, OBSERVE_PORT);
	rule = expr_rule(NFPROTO_INET, TABLE, name);
	expr_immediate(rule, NFT_REG_1, &zero, sizeof(zero)); /* as it was */
	observe_value(rule, OBSERVE_ALL);
	rule = expr_rule(NFPROTO_INET, TABLE, last);
	expr_log(rule, OBSERVE_GROUP, (char[]){ OBSERVE_LAST, '\0' });
	batch_rule(rule, false);
}

/* Nothing goes out by itself: no answer of the host changes the state of a flow. */
void observer_create(void)
{
	static const struct base raw = { NF_INET_PRE_ROUTING, -300, "filter", NF_ACCEPT };
	static const struct base nat = { NF_INET_PRE_ROUTING, -100, "nat", NF_ACCEPT };
	static const struct base mute = { NF_INET_LOCAL_OUT, FIRST, "filter", NF_DROP };
	int r;

	batch_begin();
	batch_table(NFPROTO_INET, TABLE);
	batch_chain(NFPROTO_INET, TABLE, "raw", &raw);
	batch_chain(NFPROTO_INET, TABLE, "nat", &nat);
	batch_chain(NFPROTO_INET, TABLE, "mute", &mute);
	observe_untracked();
	for (int guest = 0; guest < 2; guest++) {
		observe_dnat(NFPROTO_IPV4, IPPROTO_TCP, guest);
		observe_dnat(NFPROTO_IPV4, IPPROTO_UDP, guest);
		observe_dnat(NFPROTO_IPV6, IPPROTO_TCP, guest);
		observe_dnat(NFPROTO_IPV6, IPPROTO_UDP, guest);
	}
	observe_hook("input", "input-last", NF_INET_LOCAL_IN);
	observe_hook("forward", "forward-last", NF_INET_FORWARD);
	r = batch_commit();
	if (r < 0)
		skip("no nf_tables with NFLOG, conntrack and NAT: %s", strerror(-r));
}
