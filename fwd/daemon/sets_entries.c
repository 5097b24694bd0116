/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

/* Bytes that one more entry can take: nest, address, length, timeout, flags, line, comment, each with its header. */
#define ENTRY_ROOM (4 + 4 + 4 + 16 + 8 + 8 + 8 + 8 + 4 + ENTRY_KERNEL_COMMENT)
#define MEMBER_ROOM (4 + 4 + SET_NAME_MAX + 1 + 8 + 8 + 4 + ENTRY_KERNEL_COMMENT)

static void put_u32(struct nlmsghdr *request, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(request, type | NLA_F_NET_BYTEORDER, htobe32(value));
}

static void put_net(struct nlmsghdr *request, const struct cidr *net)
{
	struct nlattr *nest = mnl_attr_nest_start(request, IPSET_ATTR_IP);

	if (net->addr.family == AF_INET)
		mnl_attr_put(request, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, 4, net->addr.bytes);
	else
		mnl_attr_put(request, IPSET_ATTR_IPADDR_IPV6 | NLA_F_NET_BYTEORDER, 16, net->addr.bytes);
	mnl_attr_nest_end(request, nest);
	mnl_attr_put_u8(request, IPSET_ATTR_CIDR, net->len);
}

/* The timeout is always said, 0 too: a set of others may have a default of its own. @line: from 1, host byte order. */
static int put_entry(struct nlmsghdr *request, const struct entry *entry, uint64_t now, uint32_t line)
{
	char comment[ENTRY_KERNEL_COMMENT];
	struct nlattr *nest;
	uint32_t timeout;
	int r;

	r = entry_timeout(entry, now, &timeout);
	if (r < 0)
		return r;
	if (timeout > ENTRY_TIMEOUT_MAX) /* the kernel would clamp it in silence */
		return -ERANGE;

	nest = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	put_net(request, &entry->net);
	put_u32(request, IPSET_ATTR_TIMEOUT, timeout);
	if (entry->nomatch)
		put_u32(request, IPSET_ATTR_CADT_FLAGS, IPSET_FLAG_NOMATCH);
	if (entry_comment_join(entry, comment))
		mnl_attr_put_strz(request, IPSET_ATTR_COMMENT, comment);
	mnl_attr_put_u32(request, IPSET_ATTR_LINENO, line);
	mnl_attr_nest_end(request, nest);
	return 0;
}

struct slice {
	const struct entry *entries;
	size_t n;
	uint64_t now;
	uint16_t flags;
};

/* Adds what fits into one message; *done of them are in, whatever the answer. */
static int add_slice(struct sets *sets, const char *name, const struct slice *slice, size_t *done)
{
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_ADD, NLM_F_ACK | slice->flags, name);
	struct answer answer;
	struct nlattr *nest;
	int refused = 0;
	uint32_t n;
	int r;

	*done = 0;
	mnl_attr_put_u32(request, IPSET_ATTR_LINENO, 0); /* the kernel writes the failing line here */
	nest = mnl_attr_nest_start(request, IPSET_ATTR_ADT);
	for (n = 0; n < slice->n && request->nlmsg_len + ENTRY_ROOM <= SETS_MESSAGE_MAX; n++) {
		refused = put_entry(request, &slice->entries[n], slice->now, n + 1);
		if (refused < 0)
			break;
	}
	mnl_attr_nest_end(request, nest);
	if (!n)
		return refused;

	r = sets_ask(sets, request, &answer);
	if (r < 0)
		return r;
	if (answer.error) {
		*done = answer.line && answer.line <= n ? answer.line - 1 : 0;
		return set_errno(answer.error, -EEXIST, false);
	}
	*done = n;
	return refused;
}

int sets_add(struct sets *sets, const char *name, const struct entry *entries, size_t n, bool exclusive, uint64_t now,
	     size_t *done)
{
	struct slice slice = { .entries = entries, .n = n, .now = now, .flags = exclusive ? NLM_F_EXCL : 0 };
	int r = set_name_check(name);
	size_t in;

	while (!r && slice.n) {
		r = add_slice(sets, name, &slice, &in);
		slice.entries += in;
		slice.n -= in;
	}
	if (done)
		*done = n - slice.n;
	return r;
}

/* The kernel's error, as it is, of a command on one network. */
static int one_net(struct sets *sets, uint8_t command, const char *name, const struct cidr *net, struct answer *ret)
{
	struct nlmsghdr *request;
	struct nlattr *nest;
	int r = set_name_check(name);

	if (r < 0)
		return r;
	request = sets_request(sets->buf, ++sets->seq, command, NLM_F_ACK | NLM_F_EXCL, name);
	nest = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	put_net(request, net);
	mnl_attr_nest_end(request, nest);
	return sets_ask(sets, request, ret);
}

int sets_del(struct sets *sets, const char *name, const struct cidr *net)
{
	struct answer answer;
	int r = one_net(sets, IPSET_CMD_DEL, name, net, &answer);

	return r < 0 ? r : set_errno(answer.error, -ENOENT, false);
}

/* A test answers -IPSET_ERR_EXIST for every "no", a /0 and another family included. */
static int test_result(const struct answer *answer)
{
	if (answer->error == -IPSET_ERR_EXIST)
		return 0;
	return answer->error ? set_errno(answer->error, 0, false) : 1;
}

int sets_test(struct sets *sets, const char *name, const struct cidr *net)
{
	struct answer answer;
	int r = one_net(sets, IPSET_CMD_TEST, name, net, &answer);

	return r < 0 ? r : test_result(&answer);
}

int sets_test_member(struct sets *sets, const char *gate, const char *member)
{
	struct nlmsghdr *request;
	struct answer answer;
	struct nlattr *nest;
	int r;

	r = set_name_check(gate);
	if (!r)
		r = set_name_check(member);
	if (r < 0)
		return r;
	request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_TEST, NLM_F_ACK | NLM_F_EXCL, gate);
	nest = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	mnl_attr_put_strz(request, IPSET_ATTR_NAME, member);
	mnl_attr_nest_end(request, nest);
	r = sets_ask(sets, request, &answer);
	return r < 0 ? r : test_result(&answer);
}

static int put_members(struct nlmsghdr *request, const char *const *members, size_t n, uint32_t timeout,
		       const char *comment)
{
	struct nlattr *list = mnl_attr_nest_start(request, IPSET_ATTR_ADT);

	for (size_t i = 0; i < n; i++) {
		struct nlattr *nest;
		int r = set_name_check(members[i]);

		if (r < 0)
			return r;
		if (request->nlmsg_len + MEMBER_ROOM > SETS_MESSAGE_MAX)
			return -E2BIG;
		nest = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
		mnl_attr_put_strz(request, IPSET_ATTR_NAME, members[i]);
		put_u32(request, IPSET_ATTR_TIMEOUT, timeout);
		if (comment && *comment)
			mnl_attr_put_strz(request, IPSET_ATTR_COMMENT, comment);
		mnl_attr_put_u32(request, IPSET_ATTR_LINENO, (uint32_t)i + 1);
		mnl_attr_nest_end(request, nest);
	}
	mnl_attr_nest_end(request, list);
	return 0;
}

int sets_add_members(struct sets *sets, const char *gate, const char *const *members, size_t n, uint32_t timeout,
		     const char *comment)
{
	struct nlmsghdr *request;
	struct answer answer;
	int r = set_name_check(gate);

	if (r < 0)
		return r;
	if (!timeout || timeout > ENTRY_TIMEOUT_MAX)
		return -ERANGE;
	if (comment && strlen(comment) >= ENTRY_KERNEL_COMMENT)
		return -EINVAL;

	request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_ADD, NLM_F_ACK, gate);
	mnl_attr_put_u32(request, IPSET_ATTR_LINENO, 0);
	r = put_members(request, members, n, timeout, comment);
	if (!r)
		r = sets_ask(sets, request, &answer);
	return r < 0 ? r : set_errno(answer.error, -EEXIST, true);
}
