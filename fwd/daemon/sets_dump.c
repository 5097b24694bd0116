/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading sets. Each dump has a socket of its own: closing it is the only way to end one early, and what is not ended
 * keeps the set busy. The kernel walks a table that it keeps for the dump across resizes, a bucket at a time, so that
 * nothing is torn and NLM_F_DUMP_INTR is never set.
 */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

struct dump {
	struct mnl_socket *nl;
	void *buf; /* SETS_BUFFER */
	/* For each message, attributes of the command level. A non-zero answer ends the dump. */
	int (*each)(struct dump *dump, const struct nlattr **attr);
	void *user;
	union {
		int (*entry)(const struct entry *entry, void *user);
		int (*name)(const char *name, void *user);
		struct set_info *info;
		struct member {
			const char *name;
			char *comment;
			int left;
		} *member;
	} to;
	uint64_t now;
};

/* 1: go on; 0: the end; or what @each answered, or negative. */
static int dump_message(struct dump *dump, const struct nlmsghdr *nlh, uint32_t seq, int *ret)
{
	const struct nlattr *attr[IPSET_ATTR_CMD_MAX + 1];

	if (nlh->nlmsg_seq != seq)
		return 1;
	*ret = 0;
	switch (nlh->nlmsg_type) {
	case NLMSG_DONE: /* carries the errno of a dump that failed on its way */
	case NLMSG_ERROR:
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
			memcpy(ret, mnl_nlmsg_get_payload(nlh), sizeof(*ret));
		*ret = *ret < 0 ? set_errno(*ret, -EEXIST, false) : 0;
		return 0;
	case NLMSG_OVERRUN:
		*ret = -ENOBUFS;
		return 0;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg)) {
		*ret = -EBADMSG;
		return 0;
	}
	sets_attributes(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg)),
			mnl_nlmsg_get_payload_len(nlh) - MNL_ALIGN(sizeof(struct nfgenmsg)), IPSET_ATTR_CMD_MAX, attr);
	*ret = dump->each(dump, attr);
	return !*ret;
}

static int dump_read(struct dump *dump, uint32_t seq)
{
	for (;;) {
		const struct nlmsghdr *nlh = dump->buf;
		ssize_t got = sets_receive(dump->nl, dump->buf);
		int len, r;

		if (got < 0)
			return (int)got;
		for (len = (int)got; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
			if (!dump_message(dump, nlh, seq, &r))
				return r;
	}
}

/*
 * The kernel sizes the messages of a dump by what the reader took before: one page if it took nothing. A bucket that
 * does not fit (12 entries with the longest comments are 3.9 KB; older kernels put 64 into one) ends the dump, with
 * NLMSG_DONE and no error, as if that were all: tried on 6.18. So something small is read first, into the buffer of the
 * dump.
 */
static int widen(struct dump *dump)
{
	const struct nlmsghdr *request = sets_request(dump->buf, 0, IPSET_CMD_PROTOCOL, 0, NULL);
	ssize_t r;

	if (mnl_socket_sendto(dump->nl, request, request->nlmsg_len) < 0)
		return -errno;
	r = sets_receive(dump->nl, dump->buf);
	return r < 0 ? (int)r : 0;
}

static int dump_run(struct dump *dump, const char *set, uint32_t flags)
{
	struct nlmsghdr *request;
	int r;

	r = sets_socket(&dump->nl);
	if (!r)
		r = widen(dump);
	if (r < 0)
		return r;
	request = sets_request(dump->buf, 1, IPSET_CMD_LIST, NLM_F_DUMP, set);
	if (flags)
		mnl_attr_put_u32(request, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, htobe32(flags));
	if (mnl_socket_sendto(dump->nl, request, request->nlmsg_len) < 0)
		return -errno;
	return dump_read(dump, 1);
}

/* @set: NULL for all. */
static int list(struct sets *sets, struct dump *dump, const char *set, uint32_t flags)
{
	int r = set ? set_name_check(set) : 0;

	if (r < 0)
		return r;
	dump->buf = calloc(1, SETS_BUFFER); /* libmnl leaves padding as it finds it */
	if (!dump->buf)
		return -ENOMEM;
	r = dump_run(dump, set, flags);
	if (dump->nl)
		mnl_socket_close(dump->nl);
	if (r)
		sets->cut = sets_monotonic();
	free(dump->buf);
	return r;
}

static int info_each(struct dump *dump, const struct nlattr **attr)
{
	const struct nlattr *data[IPSET_ATTR_CREATE_MAX + 1];
	struct set_info info = { 0 };
	uint32_t flags;

	if (!sets_text_ok(attr[IPSET_ATTR_TYPENAME], sizeof(info.type)) || !attr[IPSET_ATTR_INDEX] ||
	    !attr[IPSET_ATTR_DATA])
		return -EBADMSG;
	sets_nested(attr[IPSET_ATTR_DATA], IPSET_ATTR_CREATE_MAX, data);
	strcpy(info.type, mnl_attr_get_str(attr[IPSET_ATTR_TYPENAME]));
	info.family = (uint8_t)sets_number(attr[IPSET_ATTR_FAMILY]);
	info.index = (uint16_t)sets_number(attr[IPSET_ATTR_INDEX]);
	flags = (uint32_t)sets_number(data[IPSET_ATTR_CADT_FLAGS]);
	info.timeout = data[IPSET_ATTR_TIMEOUT];
	info.default_timeout = (uint32_t)sets_number(data[IPSET_ATTR_TIMEOUT]);
	info.counters = flags & IPSET_FLAG_WITH_COUNTERS;
	info.comment = flags & IPSET_FLAG_WITH_COMMENT;
	info.foreign = flags & ~(uint32_t)(IPSET_FLAG_WITH_COUNTERS | IPSET_FLAG_WITH_COMMENT);
	info.maxelem = sets_number(data[IPSET_ATTR_MAXELEM]);
	info.entries = (uint32_t)sets_number(data[IPSET_ATTR_ELEMENTS]);
	info.references = (uint32_t)sets_number(data[IPSET_ATTR_REFERENCES]);
	*dump->to.info = info;
	return 0;
}

int sets_info(struct sets *sets, const char *name, struct set_info *ret)
{
	struct dump dump = { .each = info_each, .to.info = ret };

	return list(sets, &dump, name, IPSET_FLAG_LIST_HEADER);
}

static int name_each(struct dump *dump, const struct nlattr **attr)
{
	if (!sets_text_ok(attr[IPSET_ATTR_SETNAME], SET_NAME_MAX + 1))
		return -EBADMSG;
	return dump->to.name(mnl_attr_get_str(attr[IPSET_ATTR_SETNAME]), dump->user);
}

int sets_names(struct sets *sets, int (*each)(const char *name, void *user), void *user)
{
	struct dump dump = { .each = name_each, .to.name = each, .user = user };

	return list(sets, &dump, NULL, IPSET_FLAG_LIST_SETNAME);
}

/* Elements with anything but an address and its length are none of ours. */
static const unsigned char more_than_net[] = {
	IPSET_ATTR_IP_TO, IPSET_ATTR_PORT, IPSET_ATTR_MARK, IPSET_ATTR_ETHER, IPSET_ATTR_NAME, IPSET_ATTR_IP2,
	IPSET_ATTR_IFACE,
};

static int read_net(const struct nlattr **data, struct cidr *ret)
{
	const struct nlattr *ip[IPSET_ATTR_IPADDR_MAX + 1];
	struct addr addr = { 0 };
	unsigned len;

	for (size_t i = 0; i < sizeof(more_than_net); i++)
		if (data[more_than_net[i]])
			return -EOPNOTSUPP;
	if (!data[IPSET_ATTR_IP])
		return -EOPNOTSUPP;
	sets_nested(data[IPSET_ATTR_IP], IPSET_ATTR_IPADDR_MAX, ip);
	addr.family = ip[IPSET_ATTR_IPADDR_IPV4] ? AF_INET : AF_INET6;
	ip[0] = ip[IPSET_ATTR_IPADDR_IPV4] ? ip[IPSET_ATTR_IPADDR_IPV4] : ip[IPSET_ATTR_IPADDR_IPV6];
	len = addr_bits(addr.family);
	if (!ip[0] || mnl_attr_get_payload_len(ip[0]) * 8 != len)
		return -EBADMSG;
	memcpy(addr.bytes, mnl_attr_get_payload(ip[0]), len / 8);
	if (data[IPSET_ATTR_CIDR]) {
		if (sets_number(data[IPSET_ATTR_CIDR]) > len)
			return -EBADMSG;
		len = (unsigned)sets_number(data[IPSET_ATTR_CIDR]);
	}
	*ret = cidr_of(&addr, len);
	return 0;
}

static int read_entry(const struct nlattr *element, uint64_t now, struct entry *ret)
{
	const struct nlattr *data[IPSET_ATTR_ADT_MAX + 1];
	struct entry entry = { 0 };
	uint64_t left;
	int r;

	sets_nested(element, IPSET_ATTR_ADT_MAX, data);
	r = read_net(data, &entry.net);
	if (r < 0)
		return r;
	left = sets_number(data[IPSET_ATTR_TIMEOUT]);
	entry.packets = sets_number(data[IPSET_ATTR_PACKETS]);
	entry.bytes = sets_number(data[IPSET_ATTR_BYTES]);
	entry.nomatch = sets_number(data[IPSET_ATTR_CADT_FLAGS]) & IPSET_FLAG_NOMATCH;
	if (sets_text_ok(data[IPSET_ATTR_COMMENT], ENTRY_KERNEL_COMMENT))
		entry_comment_split(mnl_attr_get_str(data[IPSET_ATTR_COMMENT]), &entry);
	if (!entry.until && left)
		entry.until = now + left;
	*ret = entry;
	return 0;
}

static int entries_each(struct dump *dump, const struct nlattr **attr)
{
	const struct nlattr *element;

	if (!attr[IPSET_ATTR_ADT]) /* the last message of some sets has none */
		return 0;
	mnl_attr_for_each_nested(element, attr[IPSET_ATTR_ADT]) {
		struct entry entry;
		int r = read_entry(element, dump->now, &entry);

		if (!r)
			r = dump->to.entry(&entry, dump->user);
		if (r)
			return r;
	}
	return 0;
}

int sets_dump(struct sets *sets, const char *name, uint64_t now, int (*each)(const struct entry *entry, void *user),
	      void *user)
{
	struct dump dump = { .each = entries_each, .to.entry = each, .user = user, .now = now };

	return list(sets, &dump, name, 0);
}

static int member_each(struct dump *dump, const struct nlattr **attr)
{
	struct member *member = dump->to.member;
	const struct nlattr *element;

	if (!attr[IPSET_ATTR_ADT])
		return 0;
	mnl_attr_for_each_nested(element, attr[IPSET_ATTR_ADT]) {
		const struct nlattr *data[IPSET_ATTR_ADT_MAX + 1];

		sets_nested(element, IPSET_ATTR_ADT_MAX, data);
		if (!sets_text_ok(data[IPSET_ATTR_NAME], SET_NAME_MAX + 1) ||
		    strcmp(mnl_attr_get_str(data[IPSET_ATTR_NAME]), member->name))
			continue;
		member->left = (int)sets_number(data[IPSET_ATTR_TIMEOUT]);
		if (!member->left)
			member->left = INT_MAX;
		if (member->comment)
			strcpy(member->comment, sets_text_ok(data[IPSET_ATTR_COMMENT], ENTRY_KERNEL_COMMENT) ?
						mnl_attr_get_str(data[IPSET_ATTR_COMMENT]) : "");
	}
	return 0;
}

int sets_member_left(struct sets *sets, const char *gate, const char *member, char *comment)
{
	struct member wanted = { .name = member, .comment = comment };
	struct dump dump = { .each = member_each, .to.member = &wanted };
	int r = set_name_check(member);

	if (!r)
		r = list(sets, &dump, gate, 0);
	return r < 0 ? r : wanted.left;
}
