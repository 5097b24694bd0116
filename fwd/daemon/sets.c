/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/ipset/ip_set_hash.h>
#include <linux/netfilter/ipset/ip_set_list.h>
#include <linux/netfilter/nfnetlink.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

uint64_t sets_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sets_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = SETS_RETRY_STEP_NS }, NULL);
}

int set_name_check(const char *name)
{
	if (!*name)
		return -EINVAL;
	return strlen(name) > SET_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Codes from IPSET_ERR_TYPE_SPECIFIC on mean something else for each type. */
static int list_errno(int error)
{
	switch (-error) {
	case IPSET_ERR_NAME:
	case IPSET_ERR_NAMEREF:
	case IPSET_ERR_REF_EXIST:
		return -ENOENT;
	case IPSET_ERR_LOOP:
		return -ELOOP;
	case IPSET_ERR_LIST_FULL:
		return -EMFILE;
	default:
		return -EINVAL;
	}
}

int set_errno(int error, int exist, bool list)
{
	if (error > -IPSET_ERR_PRIVATE)
		return error;
	if (error <= -IPSET_ERR_TYPE_SPECIFIC && list)
		return list_errno(error);

	switch (-error) {
	case IPSET_ERR_EXIST:
		return exist;
	case IPSET_ERR_EXIST_SETNAME2: /* of swap: there is no second set */
		return -ENOENT;
	case IPSET_ERR_BUSY:
	case IPSET_ERR_REFERENCED:
		return -EBUSY;
	case IPSET_ERR_HASH_FULL:
		return -EMFILE;
	case IPSET_ERR_MAX_SETS:
		return -ENFILE;
	case IPSET_ERR_IPADDR_IPV4:
	case IPSET_ERR_IPADDR_IPV6:
	case IPSET_ERR_PROTOCOL: /* the element lacks what the type needs: IPADDR_IPV4 for IPv4, NAME for a list */
		return -EAFNOSUPPORT;
	case IPSET_ERR_FIND_TYPE:
	case IPSET_ERR_TIMEOUT:
	case IPSET_ERR_COUNTER:
	case IPSET_ERR_COMMENT:
	case IPSET_ERR_SKBINFO:
		return -EOPNOTSUPP;
	default: /* TYPE_MISMATCH, INVALID_*, HASH_ELEM, HASH_RANGE … */
		return -EINVAL;
	}
}

void sets_attributes(const struct nlattr *first, size_t len, unsigned max, const struct nlattr **ret)
{
	const char *end = (const char *)first + len;
	const struct nlattr *attr;

	memset(ret, 0, (max + 1) * sizeof(*ret));
	for (attr = first; mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr))
		if (mnl_attr_get_type(attr) <= max)
			ret[mnl_attr_get_type(attr)] = attr;
}

void sets_nested(const struct nlattr *nest, unsigned max, const struct nlattr **ret)
{
	sets_attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), max, ret);
}

uint64_t sets_number(const struct nlattr *attr)
{
	uint64_t u64;

	switch (attr ? mnl_attr_get_payload_len(attr) : 0) {
	case 1:
		return mnl_attr_get_u8(attr);
	case 2:
		return be16toh(mnl_attr_get_u16(attr));
	case 4:
		return be32toh(mnl_attr_get_u32(attr));
	case 8:
		memcpy(&u64, mnl_attr_get_payload(attr), sizeof(u64)); /* only 4-aligned */
		return be64toh(u64);
	default:
		return 0;
	}
}

bool sets_text_ok(const struct nlattr *attr, size_t size)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 && strlen(mnl_attr_get_str(attr)) < size;
}

int sets_socket(struct mnl_socket **ret)
{
	const struct timeval timeout = { .tv_sec = SETS_ANSWER_TIMEOUT };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return errno == EPROTONOSUPPORT ? -EOPNOTSUPP : -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		r = -errno;
		mnl_socket_close(nl);
		return r;
	}

	*ret = nl;
	return 0;
}

struct nlmsghdr *sets_request(void *buf, uint32_t seq, uint8_t command, uint16_t flags, const char *set)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *header;

	request->nlmsg_type = (NFNL_SUBSYS_IPSET << 8) | command;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = seq;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = AF_INET;
	header->version = NFNETLINK_V0;
	mnl_attr_put_u8(request, IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
	if (set)
		mnl_attr_put_strz(request, IPSET_ATTR_SETNAME, set);
	return request;
}

ssize_t sets_receive(struct mnl_socket *nl, void *buf)
{
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(nl, buf, SETS_BUFFER);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return n;
}

static int read_error(const struct nlmsghdr *nlh, struct answer *ret)
{
	const size_t skip = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg));
	const struct nlattr *attr[IPSET_ATTR_CMD_MAX + 1];
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
	const size_t len = mnl_nlmsg_get_payload_len(nlh);
	size_t echoed;

	if (len < sizeof(*error))
		return -EBADMSG;
	ret->error = error->error;
	/* Behind it our request comes back, its LINENO replaced by that of the entry that failed, in host byte order.
	 * (The receive buffer is larger than any request, so it is whole.) */
	echoed = len - sizeof(error->error);
	if (!error->error || echoed < skip || error->msg.nlmsg_len > echoed || error->msg.nlmsg_len < skip)
		return 0;
	sets_attributes((const struct nlattr *)((const char *)&error->msg + skip), error->msg.nlmsg_len - skip,
			IPSET_ATTR_CMD_MAX, attr);
	if (attr[IPSET_ATTR_LINENO] && mnl_attr_get_payload_len(attr[IPSET_ATTR_LINENO]) == sizeof(uint32_t))
		ret->line = mnl_attr_get_u32(attr[IPSET_ATTR_LINENO]);
	return 0;
}

int sets_ask(struct sets *sets, struct nlmsghdr *request, struct answer *ret)
{
	const uint32_t seq = request->nlmsg_seq;

	*ret = (struct answer){ 0 };
	if (mnl_socket_sendto(sets->nl, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		const struct nlmsghdr *nlh = (const void *)sets->buf;
		ssize_t got = sets_receive(sets->nl, sets->buf);
		int len;

		if (got < 0)
			return (int)got;
		/* An answer that comes after its request was given up bears an older number. */
		for (len = (int)got; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return read_error(nlh, ret);
			if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
				return -EBADMSG;
			sets_attributes(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg)),
					mnl_nlmsg_get_payload_len(nlh) - MNL_ALIGN(sizeof(struct nfgenmsg)),
					IPSET_ATTR_CMD_MAX, ret->attr);
			return 0;
		}
	}
}

int sets_command(struct sets *sets, uint8_t command, const char *set, const char *other)
{
	struct nlmsghdr *request;
	struct answer answer;
	int r;

	r = set_name_check(set);
	if (!r && other)
		r = set_name_check(other);
	if (r < 0)
		return r;
	/* Without EXCL newer kernels say that destroying what is not there worked. */
	request = sets_request(sets->buf, ++sets->seq, command, NLM_F_ACK | NLM_F_EXCL, set);
	if (other)
		mnl_attr_put_strz(request, IPSET_ATTR_SETNAME2, other);
	r = sets_ask(sets, request, &answer);
	return r < 0 ? r : set_errno(answer.error, -EEXIST, false);
}

/* Speaks the protocol that has the two look-ups of indexes (7, since Linux 4.20). */
static int greet(struct sets *sets)
{
	struct answer answer;
	int r;

	r = sets_ask(sets, sets_request(sets->buf, ++sets->seq, IPSET_CMD_PROTOCOL, 0, NULL), &answer);
	if (r < 0)
		return r;
	if (answer.error == -EINVAL) /* nfnetlink knows no such subsystem, nor a module of it */
		return -EOPNOTSUPP;
	if (answer.error)
		return set_errno(answer.error, -EEXIST, false);
	return sets_number(answer.attr[IPSET_ATTR_PROTOCOL]) < IPSET_PROTOCOL ? -EOPNOTSUPP : 0;
}

int sets_open(struct sets **ret)
{
	struct sets *sets = calloc(1, sizeof(*sets));
	int r;

	if (!sets)
		return -ENOMEM;
	r = sets_socket(&sets->nl);
	if (!r)
		r = greet(sets);
	if (r < 0) {
		sets_close(sets);
		return r;
	}

	*ret = sets;
	return 0;
}

void sets_close(struct sets *sets)
{
	if (!sets)
		return;
	if (sets->nl)
		mnl_socket_close(sets->nl);
	free(sets);
}

int sets_flush(struct sets *sets, const char *name)
{
	return sets_command(sets, IPSET_CMD_FLUSH, name, NULL);
}

int sets_swap(struct sets *sets, const char *a, const char *b)
{
	int r;

	for (;;) {
		r = sets_command(sets, IPSET_CMD_SWAP, a, b);
		/* Until Linux 6.12 a closed socket gave up its dump only after an RCU grace period. */
		if (r != -EBUSY || !sets->cut || sets_monotonic() - sets->cut > SETS_RETRY_NS)
			return r;
		sets_pause();
	}
}

int sets_destroy(struct sets *sets, const char *name)
{
	const uint64_t start = sets_monotonic();
	int r;

	for (;;) {
		r = sets_command(sets, IPSET_CMD_DESTROY, name, NULL);
		/* The kernel frees deleted rules from a work queue: 8 to 15 ms after the commit. */
		if (r != -EBUSY || sets_monotonic() - start > SETS_RETRY_NS)
			return r;
		sets_pause();
	}
}

static int index_by_name(const char *name, uint16_t *ret, void *user)
{
	struct sets *sets = user;
	struct answer answer;
	int r;

	r = set_name_check(name);
	if (!r)
		r = sets_ask(sets, sets_request(sets->buf, ++sets->seq, IPSET_CMD_GET_BYNAME, 0, name), &answer);
	if (r < 0)
		return r;
	if (answer.error)
		return set_errno(answer.error, -EEXIST, false);
	if (!answer.attr[IPSET_ATTR_INDEX])
		return -EBADMSG;
	*ret = (uint16_t)sets_number(answer.attr[IPSET_ATTR_INDEX]);
	return 0;
}

static int name_by_index(uint16_t index, char ret[static SET_NAME_MAX + 1], void *user)
{
	struct sets *sets = user;
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_GET_BYINDEX, 0, NULL);
	struct answer answer;
	int r;

	mnl_attr_put_u16(request, IPSET_ATTR_INDEX | NLA_F_NET_BYTEORDER, htobe16(index));
	r = sets_ask(sets, request, &answer);
	if (r < 0)
		return r;
	if (answer.error)
		return set_errno(answer.error, -EEXIST, false);
	if (!sets_text_ok(answer.attr[IPSET_ATTR_SETNAME], SET_NAME_MAX + 1))
		return -EBADMSG;
	strcpy(ret, mnl_attr_get_str(answer.attr[IPSET_ATTR_SETNAME]));
	return 0;
}

struct codec_sets sets_resolver(struct sets *sets)
{
	return (struct codec_sets){ .index = index_by_name, .name = name_by_index, .user = sets };
}
