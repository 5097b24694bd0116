/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is made, with what properties, what is refused, and what others make. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <linux/netfilter/ipset/ip_set_hash.h>
#include <linux/netfilter/ipset/ip_set_list.h>

#include "tests/net/sets_bed.h"

static void test_create(void **state)
{
	struct set_info info = { .index = 99 };

	assert_int_equal(sets_info(sets, "w", &info), -ENOENT);
	assert_int_equal(info.index, 99);
	make("w", AF_INET);
	make("w6", AF_INET6);
	assert_int_equal(sets_create_net(sets, "w", AF_INET, 0), -EEXIST);
	assert_int_equal(sets_create_net(sets, "w", AF_INET6, 0), -EEXIST);
	assert_int_equal(sets_create_gate(sets, "w"), -EEXIST);
	assert_int_equal(sets_create_net(sets, "x", AF_UNIX, 0), -EAFNOSUPPORT);

	assert_int_equal(sets_info(sets, "w", &info), 0);
	assert_string_equal(info.type, "hash:net");
	assert_int_equal(info.family, AF_INET);
	assert_true(info.timeout && info.counters && info.comment);
	assert_false(info.foreign);
	assert_int_equal(info.default_timeout, 0);
	assert_int_equal(info.maxelem, UINT32_MAX);
	assert_int_equal(info.entries, 0);
	assert_int_equal(info.references, 0);
	assert_true(set_info_is_ours(&info, AF_INET));
	assert_false(set_info_is_ours(&info, AF_INET6));

	assert_int_equal(add("w", "192.0.2.1"), 0);
	assert_int_equal(sets_info(sets, "w", &info), 0);
	assert_int_equal(info.entries, 1);
	assert_int_equal(sets_info(sets, "w6", &info), 0);
	assert_true(set_info_is_ours(&info, AF_INET6));
}

static void test_is_ours(void **state)
{
	struct set_info ours, info;

	make("w", AF_INET);
	assert_int_equal(sets_info(sets, "w", &ours), 0);
#define NOT_OURS(change) (info = ours, change, assert_false(set_info_is_ours(&info, AF_INET)))
	NOT_OURS(strcpy(info.type, "hash:ip"));
	NOT_OURS(info.family = AF_INET6);
	NOT_OURS(info.timeout = false);
	NOT_OURS(info.default_timeout = 1);
	NOT_OURS(info.counters = false);
	NOT_OURS(info.comment = false);
	NOT_OURS(info.maxelem = 65536);
	NOT_OURS(info.foreign = true);
#undef NOT_OURS
	info = ours; /* what may differ */
	info.entries = info.references = info.index = 3;
	assert_true(set_info_is_ours(&info, AF_INET));
}

static void test_gate_info(void **state)
{
	struct set_info info;

	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(sets_info(sets, "gate", &info), 0);
	assert_string_equal(info.type, "list:set");
	assert_int_equal(info.family, 0);
	assert_true(info.timeout && info.comment);
	assert_int_equal(info.default_timeout, 60);
}

static void test_names_refused(void **state)
{
	const char *longest = "0123456789012345678901234567890", *over = "01234567890123456789012345678901";
	struct codec_sets resolver = sets_resolver(sets);
	struct entry one = entry("192.0.2.1", 0, "");
	struct set_info info;
	uint16_t index;

	make(longest, AF_INET);
	assert_int_equal(add(longest, "192.0.2.1"), 0);
	assert_int_equal(count(longest), 1);
	assert_int_equal(sets_create_net(sets, over, AF_INET, 0), -ENAMETOOLONG);
	assert_int_equal(sets_create_gate(sets, over), -ENAMETOOLONG);
	assert_int_equal(sets_info(sets, over, &info), -ENAMETOOLONG);
	assert_int_equal(sets_add(sets, over, &one, 1, false, NOW, NULL), -ENAMETOOLONG);
	assert_int_equal(del(over, "192.0.2.1"), -ENAMETOOLONG);
	assert_int_equal(test(over, "192.0.2.1"), -ENAMETOOLONG);
	assert_int_equal(sets_dump(sets, over, NOW, collect, NULL), -ENAMETOOLONG);
	assert_int_equal(sets_swap(sets, longest, over), -ENAMETOOLONG);
	assert_int_equal(sets_swap(sets, over, longest), -ENAMETOOLONG);
	assert_int_equal(sets_flush(sets, over), -ENAMETOOLONG);
	assert_int_equal(sets_destroy(sets, over), -ENAMETOOLONG);
	assert_int_equal(sets_test_member(sets, longest, over), -ENAMETOOLONG);
	assert_int_equal(sets_test_member(sets, over, longest), -ENAMETOOLONG);
	assert_int_equal(sets_member_left(sets, over, longest, NULL), -ENAMETOOLONG);
	assert_int_equal(sets_member_left(sets, longest, over, NULL), -ENAMETOOLONG);
	assert_int_equal(sets_add_members(sets, over, &longest, 1, 60, NULL), -ENAMETOOLONG);
	assert_int_equal(resolver.index(over, &index, resolver.user), -ENAMETOOLONG);
	/* No name is how the kernel is told "all of them". */
	assert_int_equal(sets_flush(sets, ""), -EINVAL);
	assert_int_equal(sets_destroy(sets, ""), -EINVAL);
	assert_int_equal(sets_create_net(sets, "", AF_INET, 0), -EINVAL);
	assert_int_equal(count(longest), 1);
}

static void test_unknown_set(void **state)
{
	struct codec_sets resolver = sets_resolver(sets);
	struct entry one = entry("192.0.2.1", 0, "");
	const char *member = "none";
	char name[SET_NAME_MAX + 1];
	size_t done = 9;
	uint16_t index;

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "none", &one, 1, false, NOW, &done), -ENOENT);
	assert_int_equal(done, 0);
	assert_int_equal(del("none", "192.0.2.1"), -ENOENT);
	assert_int_equal(test("none", "192.0.2.1"), -ENOENT);
	assert_int_equal(sets_dump(sets, "none", NOW, collect, NULL), -ENOENT);
	assert_int_equal(sets_swap(sets, "none", "w"), -ENOENT);
	assert_int_equal(sets_swap(sets, "w", "none"), -ENOENT);
	assert_int_equal(sets_flush(sets, "none"), -ENOENT);
	assert_int_equal(sets_destroy(sets, "none"), -ENOENT);
	assert_int_equal(sets_test_member(sets, "none", "w"), -ENOENT);
	assert_int_equal(sets_member_left(sets, "none", "w", NULL), -ENOENT);
	assert_int_equal(sets_add_members(sets, "none", &member, 1, 60, NULL), -ENOENT);
	assert_int_equal(resolver.index("none", &index, resolver.user), -ENOENT);
	assert_int_equal(resolver.name(200, name, resolver.user), -ENOENT);
	assert_int_equal(resolver.name(65535, name, resolver.user), -ENOENT);
}

/* A set as others would make it, with a default timeout of 600 or none. */
static void make_foreign(const char *name, const char *type, uint32_t maxelem, uint32_t flags, bool timeout)
{
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_CREATE, NLM_F_ACK | NLM_F_EXCL, name);
	struct answer answer;
	struct nlattr *data;

	mnl_attr_put_strz(request, IPSET_ATTR_TYPENAME, type);
	mnl_attr_put_u8(request, IPSET_ATTR_REVISION, 5);
	mnl_attr_put_u8(request, IPSET_ATTR_FAMILY, AF_INET);
	data = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	mnl_attr_put_u32(request, IPSET_ATTR_MAXELEM | NLA_F_NET_BYTEORDER, htobe32(maxelem));
	if (flags)
		mnl_attr_put_u32(request, IPSET_ATTR_CADT_FLAGS | NLA_F_NET_BYTEORDER, htobe32(flags));
	if (timeout)
		mnl_attr_put_u32(request, IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER, htobe32(600));
	mnl_attr_nest_end(request, data);
	assert_int_equal(sets_ask(sets, request, &answer), 0);
	assert_int_equal(answer.error, 0);
}

/* The kernel's own: add without any of our words. */
static void add_plainly(const char *set, const char *text, uint16_t port)
{
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_ADD, NLM_F_ACK | NLM_F_EXCL, set);
	struct cidr one = net(text);
	struct nlattr *data, *ip;
	struct answer answer;

	data = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	ip = mnl_attr_nest_start(request, IPSET_ATTR_IP);
	mnl_attr_put(request, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, 4, one.addr.bytes);
	mnl_attr_nest_end(request, ip);
	if (port) {
		mnl_attr_put_u16(request, IPSET_ATTR_PORT | NLA_F_NET_BYTEORDER, htobe16(port));
		mnl_attr_put_u8(request, IPSET_ATTR_PROTO, IPPROTO_TCP);
	}
	mnl_attr_nest_end(request, data);
	assert_int_equal(sets_ask(sets, request, &answer), 0);
	assert_int_equal(answer.error, 0);
}

static void test_sets_of_others(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	struct set_info info;
	size_t done;

	make_foreign("full", "hash:net", 100, IPSET_FLAG_WITH_COMMENT, true);
	assert_int_equal(sets_info(sets, "full", &info), 0);
	assert_int_equal(info.maxelem, 100);
	assert_int_equal(info.default_timeout, 600);
	assert_true(info.comment && info.timeout);
	assert_false(info.counters || info.foreign || set_info_is_ours(&info, AF_INET));
	assert_int_equal(sets_add(sets, "full", entries, MANY, true, NOW, &done), -EMFILE);
	assert_in_range(done, 1, 100);
	assert_int_equal(count("full"), done);
	/* For ever, whatever the set's default. */
	assert_int_equal(sets_flush(sets, "full"), 0);
	assert_int_equal(sets_add(sets, "full", entries, 1, true, NOW, &done), 0);
	assert_int_equal(only("full").until, 0);
	assert_int_equal(sets_flush(sets, "full"), 0);
	add_plainly("full", "192.0.2.1", 0);
	assert_in_range(only("full").until, NOW + 598, NOW + 600); /* of what is left */

	make_foreign("plain", "hash:net", 100, IPSET_FLAG_WITH_FORCEADD | IPSET_FLAG_WITH_COUNTERS, false);
	assert_int_equal(sets_info(sets, "plain", &info), 0);
	assert_true(info.foreign && info.counters);
	assert_false(info.timeout || info.comment);
	assert_int_equal(sets_add(sets, "plain", entries, 1, true, NOW, &done), -EOPNOTSUPP);
	make_foreign("silent", "hash:net", 100, 0, true);
	assert_int_equal(sets_add(sets, "silent", entries, 1, true, NOW, &done), -EOPNOTSUPP);
	add_plainly("plain", "192.0.2.1", 0);
	assert_int_equal(only("plain").until, 0);
	assert_only("plain", "192.0.2.1");

	make_foreign("addresses", "hash:ip", 100, 0, false);
	add_plainly("addresses", "192.0.2.1", 0); /* has no length */
	assert_only("addresses", "192.0.2.1");
	make_foreign("ports", "hash:net,port", 100, 0, false);
	assert_int_equal(sets_dump(sets, "ports", NOW, collect, NULL), 0);
	add_plainly("ports", "192.0.2.1", 80);
	assert_int_equal(sets_dump(sets, "ports", NOW, collect, NULL), -EOPNOTSUPP);
	assert_int_equal(sets_swap(sets, "full", "plain"), 0);
	assert_int_equal(sets_swap(sets, "full", "ports"), -EINVAL);
	free(entries);
}

static void test_errnos(void **state)
{
	assert_int_equal(set_errno(0, -EEXIST, false), 0);
	assert_int_equal(set_errno(-ENOENT, -EEXIST, false), -ENOENT);
	assert_int_equal(set_errno(-EPERM, -EEXIST, true), -EPERM);
	assert_int_equal(set_errno(-IPSET_ERR_EXIST, -EEXIST, false), -EEXIST);
	assert_int_equal(set_errno(-IPSET_ERR_EXIST, -ENOENT, true), -ENOENT);
	assert_int_equal(set_errno(-IPSET_ERR_BUSY, 0, false), -EBUSY);
	assert_int_equal(set_errno(-IPSET_ERR_REFERENCED, 0, true), -EBUSY);
	assert_int_equal(set_errno(-IPSET_ERR_HASH_FULL, 0, false), -EMFILE);
	assert_int_equal(set_errno(-IPSET_ERR_NAME, 0, true), -ENOENT); /* the same number as HASH_FULL */
	assert_int_equal(set_errno(-IPSET_ERR_LIST_FULL, 0, true), -EMFILE);
	assert_int_equal(set_errno(-IPSET_ERR_HASH_ELEM, 0, false), -EINVAL);
	assert_int_equal(set_errno(-IPSET_ERR_MAX_SETS, 0, false), -ENFILE);
	assert_int_equal(set_errno(-IPSET_ERR_FIND_TYPE, 0, false), -EOPNOTSUPP);
	assert_int_equal(set_errno(-IPSET_ERR_TIMEOUT, 0, true), -EOPNOTSUPP);
	assert_int_equal(set_errno(-IPSET_ERR_IPADDR_IPV6, 0, false), -EAFNOSUPPORT);
	assert_int_equal(set_errno(-IPSET_ERR_INVALID_CIDR, 0, false), -EINVAL);
	assert_int_equal(set_errno(-4999, 0, false), -EINVAL);
}

static void test_without_rights(void **state)
{
	struct sets *none = NULL;

	if (seteuid(65534) < 0)
		skip();
	assert_int_equal(sets_open(&none), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_null(none);
}

int run_create(void)
{
	const struct CMUnitTest tests[] = {
		SETS_TEST(test_create),
		SETS_TEST(test_is_ours),
		SETS_TEST(test_gate_info),
		SETS_TEST(test_names_refused),
		SETS_TEST(test_unknown_set),
		SETS_TEST(test_sets_of_others),
		SETS_TEST(test_errnos),
		SETS_TEST(test_without_rights),
	};

	return cmocka_run_group_tests_name("sets_create", tests, NULL, NULL);
}
