/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "fwd/daemon/kernel_internal.h"

/* Room kept free for the next message: a rule with four comments of 256 bytes takes 2 KiB. */
#define MESSAGE_ROOM 8192

struct batch {
	char *buf;
	size_t used, size;
	uint32_t seq;              /* of the next message */
	const struct step **steps; /* by seq - first_seq: who is to blame for an error */
	uint32_t first_seq;
	size_t n;
};

static int batch_room(struct batch *batch)
{
	if (batch->size - batch->used < MESSAGE_ROOM) {
		char *bigger = realloc(batch->buf, batch->size + 16 * MESSAGE_ROOM);

		if (!bigger)
			return -ENOMEM;
		batch->buf = bigger;
		batch->size += 16 * MESSAGE_ROOM;
	}
	return 0;
}

static struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags, const struct step *step)
{
	const struct step **bigger;

	if (batch_room(batch) < 0)
		return NULL;
	bigger = reallocarray(batch->steps, batch->n + 1, sizeof(*bigger));
	if (!bigger)
		return NULL;
	batch->steps = bigger;
	batch->steps[batch->n++] = step;
	return nftnl_nlmsg_build_hdr(batch->buf + batch->used, type, family, flags, batch->seq++);
}

static void batch_commit(struct batch *batch, const struct nlmsghdr *message)
{
	batch->used += NLMSG_ALIGN(message->nlmsg_len);
}

static int batch_mark(struct batch *batch, uint16_t type, uint32_t generation)
{
	struct nlmsghdr *message;
	struct nfgenmsg *header;

	if (batch_room(batch) < 0)
		return -ENOMEM;
	message = mnl_nlmsg_put_header(batch->buf + batch->used);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = batch->seq++;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(NFNL_SUBSYS_NFTABLES);
	if (generation)
		mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(generation));
	batch_commit(batch, message);
	return 0;
}

static int put_table(struct batch *batch, const struct step *step)
{
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWTABLE, step->table->family, NLM_F_CREATE, step);
	struct nftnl_table *table = nftnl_table_alloc();
	int r = -ENOMEM;

	if (message && table && nftnl_table_set_str(table, NFTNL_TABLE_NAME, step->table->name) == 0) {
		nftnl_table_nlmsg_build_payload(message, table);
		batch_commit(batch, message);
		r = 0;
	}
	nftnl_table_free(table);
	return r;
}

static int put_chain(struct batch *batch, const struct step *step, uint16_t type, uint16_t flags)
{
	const struct chain *wish = step->chain;
	struct nlmsghdr *message = batch_message(batch, type, step->table->family, flags, step);
	struct nftnl_chain *chain = nftnl_chain_alloc();
	int r = -ENOMEM;

	if (!message || !chain || nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, step->table->name) < 0 ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, wish->name) < 0)
		goto out;
	if (step->kind == STEP_ADD_CHAIN && wish->base) {
		if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0)
			goto out;
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, wish->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, wish->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, wish->policy == NF_DROP ? NF_DROP : NF_ACCEPT);
	}
	if (step->kind == STEP_POLICY)
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, step->to);
	nftnl_chain_nlmsg_build_payload(message, chain);
	batch_commit(batch, message);
	r = 0;
out:
	nftnl_chain_free(chain);
	return r;
}

static int put_del_rule(struct batch *batch, const struct step *step)
{
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_DELRULE, step->table->family, 0, step);
	struct nftnl_rule *rule = nftnl_rule_alloc();
	int r = -ENOMEM;

	if (message && rule && nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, step->table->name) == 0 &&
	    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, step->chain->name) == 0) {
		if (step->rule) /* without a handle: all rules of the chain */
			nftnl_rule_set_u64(rule, NFTNL_RULE_HANDLE, step->rule->handle);
		nftnl_rule_nlmsg_build_payload(message, rule);
		batch_commit(batch, message);
		r = 0;
	}
	nftnl_rule_free(rule);
	return r;
}

static int put_add_rule(struct batch *batch, const struct step *step, const struct codec_sets *sets)
{
	uint16_t flags = NLM_F_CREATE | (step->before ? 0 : NLM_F_APPEND);
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWRULE, step->table->family, flags, step);
	struct nftnl_rule *rule;
	int r;

	if (!message)
		return -ENOMEM;
	r = nftcodec_encode(step->rule, step->table->family, step->table->name, step->chain->name, sets, &rule);
	if (r < 0)
		return r;
	if (step->before)
		nftnl_rule_set_u64(rule, NFTNL_RULE_POSITION, step->before);
	nftnl_rule_nlmsg_build_payload(message, rule);
	batch_commit(batch, message);
	nftnl_rule_free(rule);
	return 0;
}

static int put_step(struct batch *batch, const struct step *step, const struct codec_sets *sets)
{
	int r;

	switch (step->kind) {
	case STEP_ADD_TABLE:
		return put_table(batch, step);
	case STEP_ADD_CHAIN:
		return put_chain(batch, step, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	case STEP_POLICY:
		return put_chain(batch, step, NFT_MSG_NEWCHAIN, 0);
	case STEP_DEL_RULE:
		return put_del_rule(batch, step);
	case STEP_ADD_RULE:
		return put_add_rule(batch, step, sets);
	case STEP_DEL_CHAIN:
		r = put_del_rule(batch, step);
		return r < 0 ? r : put_chain(batch, step, NFT_MSG_DELCHAIN, 0);
	}
	return -EINVAL;
}

/* The first error of the batch's messages. The kernel answers each failing message, and all answers are there when sendto
 * returns; BATCH_END is acknowledged by new kernels only, so a GETGEN behind it marks the end. */
static int batch_answers(struct kernel *kernel, const struct batch *batch, uint32_t barrier, struct diag *diag)
{
	char buf[8192]; /* errors echo the message that failed */
	int first = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(kernel->socket, buf, sizeof(buf));
		const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

			if (message->nlmsg_seq == barrier) {
				if (message->nlmsg_type != NLMSG_ERROR || error->error == 0)
					return first;
				return first ? first : error->error;
			}
			if (message->nlmsg_type != NLMSG_ERROR || error->error == 0 || first)
				continue;
			first = error->error;
			if (message->nlmsg_seq - batch->first_seq < batch->n) {
				const struct step *step = batch->steps[message->nlmsg_seq - batch->first_seq];
				char text[DIAG_TEXT_MAX - 64];

				step_text(step, text, sizeof(text));
				diag_set(diag, 0, 0, "the kernel refused \"%s\": %s", text, strerror(-first));
			}
		}
	}
}

int kernel_send(struct kernel *kernel, const struct diff *diff, bool (*pick)(const struct step *step), uint32_t generation,
		struct diag *diag)
{
	struct batch batch = { .seq = kernel->seq };
	struct nlmsghdr *barrier;
	int r = batch_mark(&batch, NFNL_MSG_BATCH_BEGIN, generation);

	batch.first_seq = batch.seq;
	for (size_t i = 0; i < diff->n && r == 0; i++) {
		if (!pick(&diff->steps[i]))
			continue;
		r = put_step(&batch, &diff->steps[i], &kernel->resolver);
		if (r < 0) {
			char text[DIAG_TEXT_MAX - 64];

			step_text(&diff->steps[i], text, sizeof(text));
			diag_set(diag, 0, 0, "cannot encode \"%s\": %s", text, strerror(-r));
		}
	}
	if (r == 0 && batch.n > 0) {
		r = batch_mark(&batch, NFNL_MSG_BATCH_END, 0);
		if (r == 0)
			r = batch_room(&batch);
	}
	if (r == 0 && batch.n > 0) {
		if (mnl_socket_sendto(kernel->socket, batch.buf, batch.used) < 0) {
			r = -errno;
			diag_set(diag, 0, 0, "cannot send %zu bytes of rules to the kernel: %s", batch.used, strerror(-r));
		} else {
			char buf[64];

			barrier = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETGEN, AF_UNSPEC, 0, batch.seq++);
			if (mnl_socket_sendto(kernel->socket, barrier, barrier->nlmsg_len) < 0)
				r = -errno;
			else
				r = batch_answers(kernel, &batch, batch.seq - 1, diag);
		}
	}
	kernel->seq = batch.seq;
	free(batch.buf);
	free(batch.steps);
	return r;
}
