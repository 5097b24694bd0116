/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "fwd/daemon/kernel_internal.h"
#include "fwd/daemon/sets.h"

#define DUMP_BUFFER (64 * 1024) /* the kernel fills dumps up to 32 KiB when the reader's buffer allows */
#define READ_TRIES 20
#define LOOK_RULES_MAX 512      /* that are held for the next kernel_look(): about 0.3 MB */
#define APPLY_TRIES 10          /* against a churning iptables, 3 were the most ever seen */
#define ANSWER_TIMEOUT 5        /* seconds: the kernel answers at once, so this is a kernel in trouble */

int kernel_open(struct sets *sets, struct kernel **ret)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT };
	int size = 4 << 20, r;
	uint32_t generation;

	if (!kernel)
		return -ENOMEM;
	kernel->seq = (uint32_t)time(NULL);
	kernel->resolver = sets_resolver(sets);
	kernel->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!kernel->socket || mnl_socket_bind(kernel->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		kernel_close(kernel);
		return r;
	}
	/* a batch is one datagram; FORCE needs CAP_NET_ADMIN in the first user namespace, the plain call serves small ones */
	if (setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	r = kernel_generation(kernel, &generation);
	if (r < 0) {
		kernel_close(kernel);
		return r == -EINVAL ? -EOPNOTSUPP : r; /* nfnetlink's answer where nf_tables is missing */
	}
	*ret = kernel;
	return 0;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->socket)
		mnl_socket_close(kernel->socket);
	ruleset_free(kernel->seen);
	free(kernel);
}

uint32_t kernel_portid(const struct kernel *kernel)
{
	return mnl_socket_get_portid(kernel->socket);
}

/* What an interrupted dump left in the queue. A dump under way goes on until it is read to its end. */
static void drain(struct kernel *kernel)
{
	char buf[DUMP_BUFFER / 8];

	while (recv(mnl_socket_get_fd(kernel->socket), buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

/* Sends a request and passes each answer to @each until the end. NLM_F_DUMP_INTR anywhere: -EINTR. */
static int ask(struct kernel *kernel, uint16_t type, uint16_t flags, mnl_cb_t each, void *user)
{
	char request[MNL_ALIGN(sizeof(struct nlmsghdr)) + MNL_ALIGN(sizeof(struct nfgenmsg))];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(request, type, AF_UNSPEC, flags, ++kernel->seq);
	unsigned portid = mnl_socket_get_portid(kernel->socket);
	char *buf = malloc(DUMP_BUFFER);
	int r = buf ? 1 : -ENOMEM;

	drain(kernel);
	if (r > 0 && mnl_socket_sendto(kernel->socket, message, message->nlmsg_len) < 0)
		r = -errno;
	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(kernel->socket, buf, DUMP_BUFFER);

		/* EINTR stands for NLM_F_DUMP_INTR too */
		r = n < 0 ? -errno : mnl_cb_run(buf, (size_t)n, message->nlmsg_seq, portid, each, user);
		if (n >= 0 && r < 0)
			r = -errno;
		if (r > 0 && !(flags & NLM_F_DUMP))
			r = 0;
	}
	free(buf);
	return r;
}

static int on_generation(const struct nlmsghdr *message, void *user)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID)
			*(uint32_t *)user = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

int kernel_generation(struct kernel *kernel, uint32_t *ret)
{
	uint32_t generation = 0;
	int r = ask(kernel, NFT_MSG_GETGEN, 0, on_generation, &generation);

	if (r == 0)
		*ret = generation;
	return r;
}

struct reading {
	struct ruleset *ruleset;
	const struct codec_sets *resolver;
};

static bool family_is_read(uint8_t family)
{
	return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET;
}

static int on_chain(const struct nlmsghdr *message, void *user)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *reading = user;
	struct nftnl_chain *nft;
	struct table *table;
	struct chain *chain;
	int r = MNL_CB_OK;

	if (!family_is_read(header->nfgen_family))
		return MNL_CB_OK;
	nft = nftnl_chain_alloc();
	if (!nft || nftnl_chain_nlmsg_parse(message, nft) < 0) {
		errno = EBADMSG;
		r = MNL_CB_ERROR;
		goto out;
	}
	table = ruleset_add_table(reading->ruleset, header->nfgen_family, nftnl_chain_get_str(nft, NFTNL_CHAIN_TABLE));
	chain = table ? table_add_chain(table, nftnl_chain_get_str(nft, NFTNL_CHAIN_NAME)) : NULL;
	if (!chain) {
		errno = ENOMEM;
		r = MNL_CB_ERROR;
		goto out;
	}
	if (nftnl_chain_is_set(nft, NFTNL_CHAIN_HOOKNUM)) {
		const char *type = nftnl_chain_get_str(nft, NFTNL_CHAIN_TYPE);

		chain->base = true;
		chain->filter = !type || strcmp(type, "nat") != 0; /* route chains drop like filter chains do */
		chain->hook = (uint8_t)nftnl_chain_get_u32(nft, NFTNL_CHAIN_HOOKNUM);
		chain->priority = nftnl_chain_get_s32(nft, NFTNL_CHAIN_PRIO);
		chain->policy = (uint8_t)nftnl_chain_get_u32(nft, NFTNL_CHAIN_POLICY);
		chain->packets = nftnl_chain_get_u64(nft, NFTNL_CHAIN_PACKETS);
		chain->bytes = nftnl_chain_get_u64(nft, NFTNL_CHAIN_BYTES);
	}
out:
	nftnl_chain_free(nft);
	return r;
}

/* A rule with expressions that are newer than libnftnl: where it stands, and that nobody can read it. */
static int add_unread(const struct nlmsghdr *message, const struct reading *reading)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const char *table = NULL, *name = NULL;
	const struct nlattr *attr;
	uint64_t handle = 0;
	struct chain *chain;
	struct rule *rule;
	int r;

	mnl_attr_for_each(attr, message, sizeof(*header)) {
		if (mnl_attr_get_type(attr) == NFTA_RULE_TABLE)
			table = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_RULE_CHAIN)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_RULE_HANDLE)
			handle = be64toh(mnl_attr_get_u64(attr));
	}
	if (!table || !name)
		return -EBADMSG;
	chain = table_find_chain(ruleset_find_table(reading->ruleset, header->nfgen_family, table), name);
	if (!chain)
		return -EINTR;
	rule = chain_add_rule(chain);
	r = rule ? nftcodec_decode(NULL, reading->resolver, rule) : -ENOMEM;
	if (r == 0)
		rule->handle = handle;
	return r;
}

static int on_rule(const struct nlmsghdr *message, void *user)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *reading = user;
	struct nftnl_rule *nft;
	struct chain *chain;
	struct rule *rule;
	int r;

	if (!family_is_read(header->nfgen_family))
		return MNL_CB_OK;
	nft = nftnl_rule_alloc();
	if (nft && nftnl_rule_nlmsg_parse(message, nft) == 0) {
		const char *table = nftnl_rule_get_str(nft, NFTNL_RULE_TABLE), *name = nftnl_rule_get_str(nft, NFTNL_RULE_CHAIN);

		chain = table_find_chain(ruleset_find_table(reading->ruleset, header->nfgen_family, table), name);
		rule = chain ? chain_add_rule(chain) : NULL;
		if (!chain)
			r = -EINTR; /* made after the chains were dumped */
		else
			r = rule ? nftcodec_decode(nft, reading->resolver, rule) : -ENOMEM;
	} else {
		r = nft ? add_unread(message, reading) : -ENOMEM;
	}
	if (nft)
		nftnl_rule_free(nft);
	errno = -r;
	return r < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int on_table(const struct nlmsghdr *message, void *user)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct reading *reading = user;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*header)) {
		if (mnl_attr_get_type(attr) != NFTA_TABLE_NAME || !family_is_read(header->nfgen_family))
			continue;
		if (!ruleset_add_table(reading->ruleset, header->nfgen_family, mnl_attr_get_str(attr))) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

static int read_once(struct kernel *kernel, struct ruleset *ruleset)
{
	struct reading reading = { .ruleset = ruleset, .resolver = &kernel->resolver };
	uint32_t after;
	int r = kernel_generation(kernel, &ruleset->generation);

	if (r == 0)
		r = ask(kernel, NFT_MSG_GETTABLE, NLM_F_DUMP, on_table, &reading);
	if (r == 0)
		r = ask(kernel, NFT_MSG_GETCHAIN, NLM_F_DUMP, on_chain, &reading);
	if (r == 0)
		r = ask(kernel, NFT_MSG_GETRULE, NLM_F_DUMP, on_rule, &reading);
	if (r == 0)
		r = kernel_generation(kernel, &after);
	if (r == 0 && after != ruleset->generation)
		r = -EINTR;
	return r;
}

int kernel_read(struct kernel *kernel, struct ruleset **ret)
{
	for (int i = 0; i < READ_TRIES; i++) {
		struct ruleset *ruleset = ruleset_new();
		int r = ruleset ? read_once(kernel, ruleset) : -ENOMEM;

		if (r == 0) {
			*ret = ruleset;
			return 0;
		}
		ruleset_free(ruleset);
		if (r != -EINTR && r != -ENOENT)
			return r;
	}
	return -EAGAIN;
}

int kernel_look(struct kernel *kernel, const struct ruleset **ret)
{
	uint32_t generation;
	int r;

	if (kernel->seen && kernel_generation(kernel, &generation) == 0 && generation == kernel->seen->generation) {
		*ret = kernel->seen;
		return 0;
	}
	ruleset_free(kernel->seen);
	kernel->seen = NULL;
	r = kernel_read(kernel, &kernel->seen);
	if (r < 0)
		return r;
	*ret = kernel->seen;
	return 0;
}

void kernel_look_end(struct kernel *kernel)
{
	size_t rules = 0;

	for (size_t i = 0; kernel->seen && i < kernel->seen->n_tables; i++)
		for (size_t j = 0; j < kernel->seen->tables[i].n_chains; j++)
			rules += kernel->seen->tables[i].chains[j].n_rules;
	if (rules <= LOOK_RULES_MAX)
		return;
	ruleset_free(kernel->seen);
	kernel->seen = NULL;
}

/*
 * A policy does not switch together with the rules of its batch. As long as our jump stands it decides nothing, so that:
 * a policy that becomes ACCEPT goes first, in a batch of its own, while our chains still decide; DROP goes with the rules,
 * ahead of them.
 */
static bool is_loosening(const struct step *step)
{
	return step->kind == STEP_POLICY && step->to == NF_ACCEPT && step->from == NF_DROP;
}

static bool is_other(const struct step *step)
{
	return !is_loosening(step);
}

static int send_both(struct kernel *kernel, const struct diff *diff, uint32_t generation, struct diag *diag)
{
	bool loosens = false, others = false;
	int r = 0;

	for (size_t i = 0; i < diff->n; i++) {
		loosens |= is_loosening(&diff->steps[i]);
		others |= is_other(&diff->steps[i]);
	}
	if (loosens) {
		r = kernel_send(kernel, diff, is_loosening, generation, diag);
		if (r == 0)
			r = kernel_generation(kernel, &generation);
	}
	if (r == 0 && others)
		r = kernel_send(kernel, diff, is_other, generation, diag);
	return r;
}

int kernel_apply(struct kernel *kernel, const struct ruleset *wish, unsigned flags, kernel_told *told, void *user,
		 struct diag *diag)
{
	for (int i = 0; i < APPLY_TRIES; i++) {
		struct ruleset *actual;
		struct diff diff;
		int r = kernel_read(kernel, &actual), steps;

		if (r < 0) {
			diag_set(diag, 0, 0, "cannot read the rules in the kernel: %s", strerror(-r));
			return r;
		}
		r = diff_make(actual, wish, flags & KERNEL_JUMP_LAST ? DIFF_JUMP_LAST : 0, &diff);
		steps = r < 0 ? r : (int)diff.n;
		if (r == 0 && diff.n > 0 && !(flags & KERNEL_DRY_RUN)) {
			struct diag problem = { 0 };

			r = send_both(kernel, &diff, actual->generation, &problem);
			if (r < 0 && r != -ERESTART)
				diag_set(diag, 0, 0, "%s", problem.text);
		}
		if (r == 0 && told) {
			char line[DIAG_TEXT_MAX * 2];

			for (size_t j = 0; j < diff.n; j++)
				if (step_text(&diff.steps[j], line, sizeof(line)))
					told(line, user);
		}
		if (steps >= 0)
			diff_free(&diff);
		ruleset_free(actual);
		if (r != -ERESTART)
			return r < 0 ? r : steps;
	}
	diag_set(diag, 0, 0, "somebody keeps changing the rules in the kernel: gave up after %d tries", APPLY_TRIES);
	return -EAGAIN;
}
