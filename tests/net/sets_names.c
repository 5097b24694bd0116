/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and indexes, references, and the gate. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/net/sets_bed.h"

static int append_name(const char *name, void *user)
{
	strcat(strcat(user, name), " ");
	return 0;
}

static int first_name(const char *name, void *user)
{
	snprintf(user, 32, "%s", name);
	return 7;
}

static void test_names(void **state)
{
	char text[256] = "", name[32];

	assert_int_equal(sets_names(sets, append_name, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	make("w", AF_INET);
	make("w6", AF_INET6);
	assert_int_equal(sets_names(sets, append_name, text), 0);
	assert_string_equal(text, "w w6 gate ");
	assert_int_equal(sets_names(sets, first_name, name), 7);
	assert_string_equal(name, "w");
	assert_int_equal(sets_swap(sets, "w", "w"), 0);
}

static void test_swap(void **state)
{
	make("a", AF_INET);
	make("b", AF_INET);
	make("c", AF_INET6);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(add("a", "192.0.2.1"), 0);
	assert_int_equal(sets_swap(sets, "a", "b"), 0);
	assert_int_equal(count("a"), 0);
	assert_int_equal(count("b"), 1);
	assert_int_equal(sets_swap(sets, "a", "c"), -EINVAL);
	assert_int_equal(sets_swap(sets, "a", "gate"), -EINVAL);
}

static void test_resolver(void **state)
{
	struct codec_sets resolver = sets_resolver(sets);
	char name[SET_NAME_MAX + 1];
	struct set_info info;
	uint16_t a, b, c;

	make("a", AF_INET);
	make("b", AF_INET);
	assert_int_equal(resolver.index("a", &a, resolver.user), 0);
	assert_int_equal(resolver.index("b", &b, resolver.user), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(resolver.name(a, name, resolver.user), 0);
	assert_string_equal(name, "a");
	assert_int_equal(resolver.name(b, name, resolver.user), 0);
	assert_string_equal(name, "b");
	assert_int_equal(sets_info(sets, "b", &info), 0);
	assert_int_equal(info.index, b);

	/* Names stay with their indexes, so that rules go on naming the same set. */
	assert_int_equal(sets_swap(sets, "a", "b"), 0);
	assert_int_equal(resolver.index("a", &c, resolver.user), 0);
	assert_int_equal(c, a);
	assert_int_equal(resolver.name(b, name, resolver.user), 0);
	assert_string_equal(name, "b");

	/* A freed index is given to the next set, and nobody may remember the old one. */
	assert_int_equal(sets_destroy(sets, "a"), 0);
	assert_int_equal(resolver.index("a", &c, resolver.user), -ENOENT);
	assert_int_equal(resolver.name(a, name, resolver.user), -ENOENT);
	make("c", AF_INET6);
	assert_int_equal(resolver.index("c", &c, resolver.user), 0);
	assert_int_equal(c, a);
	assert_int_equal(resolver.name(a, name, resolver.user), 0);
	assert_string_equal(name, "c");
}

static void test_destroy_busy(void **state)
{
	const char *const member = "w";
	struct set_info info;
	uint64_t start;

	make("w", AF_INET);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(sets_add_members(sets, "gate", &member, 1, 100, NULL), 0);
	assert_int_equal(sets_info(sets, "w", &info), 0);
	assert_int_equal(info.references, 1);
	start = clock_ms();
	assert_int_equal(sets_destroy(sets, "w"), -EBUSY);
	assert_in_range(clock_ms() - start, 190, 2000);
	assert_int_equal(sets_flush(sets, "gate"), 0);
	assert_int_equal(sets_destroy(sets, "w"), 0);
}

static void test_gate(void **state)
{
	const char *const both[] = { "fwd-all", "fwd-all6" };
	char comment[ENTRY_KERNEL_COMMENT] = "before";
	int left;

	make(both[0], AF_INET);
	make(both[1], AF_INET6);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(sets_member_left(sets, "gate", both[0], comment), 0);
	assert_string_equal(comment, "before");
	assert_int_equal(sets_test_member(sets, "gate", both[0]), 0);

	assert_int_equal(sets_add_members(sets, "gate", both, 2, 100, "trial 7"), 0);
	assert_int_equal(sets_test_member(sets, "gate", both[0]), 1);
	assert_int_equal(sets_test_member(sets, "gate", both[1]), 1);
	left = sets_member_left(sets, "gate", both[1], comment);
	assert_in_range(left, 98, 100);
	assert_string_equal(comment, "trial 7");
	wait_until(sets_member_left(sets, "gate", both[1], NULL) < left, 3000);

	/* Extended, with another word. */
	assert_int_equal(sets_add_members(sets, "gate", both, 2, 500, "trial 8"), 0);
	assert_in_range(sets_member_left(sets, "gate", both[0], comment), 498, 500);
	assert_string_equal(comment, "trial 8");

	assert_int_equal(sets_flush(sets, "gate"), 0);
	assert_int_equal(sets_member_left(sets, "gate", both[0], NULL), 0);
	assert_int_equal(sets_member_left(sets, "gate", both[1], NULL), 0);
	assert_int_equal(sets_test_member(sets, "gate", both[1]), 0);
}

static void test_gate_expires(void **state)
{
	const char *const both[] = { "fwd-all", "fwd-all6" };
	const uint64_t start = clock_ms();

	make(both[0], AF_INET);
	make(both[1], AF_INET6);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(sets_add_members(sets, "gate", both, 2, 1, NULL), 0);
	wait_until(!sets_test_member(sets, "gate", both[0]) && !sets_test_member(sets, "gate", both[1]), 5000);
	assert_true(clock_ms() - start >= 1000);
	assert_int_equal(sets_member_left(sets, "gate", both[0], NULL), 0);
}

/* As nobody but a person makes it: it must not look like one that is over. */
static void test_gate_for_ever(void **state)
{
	struct nlmsghdr *request;
	struct answer answer;
	struct nlattr *data;

	make("fwd-all", AF_INET);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_ADD, NLM_F_ACK | NLM_F_EXCL, "gate");
	data = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	mnl_attr_put_strz(request, IPSET_ATTR_NAME, "fwd-all");
	mnl_attr_put_u32(request, IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER, 0);
	mnl_attr_nest_end(request, data);
	assert_int_equal(sets_ask(sets, request, &answer), 0);
	assert_int_equal(answer.error, 0);
	assert_int_equal(sets_member_left(sets, "gate", "fwd-all", NULL), INT_MAX);
}

static void test_gate_refuses(void **state)
{
	const char *const half[] = { "fwd-all", "none" };
	const char *const gate = "gate";
	const char *many_members[100];
	char comment[ENTRY_KERNEL_COMMENT + 1];

	make(half[0], AF_INET);
	assert_int_equal(sets_create_gate(sets, "gate"), 0);
	assert_int_equal(sets_add_members(sets, "gate", half, 1, 0, NULL), -ERANGE);
	assert_int_equal(sets_add_members(sets, "gate", half, 1, ENTRY_TIMEOUT_MAX + 1, NULL), -ERANGE);
	assert_int_equal(sets_member_left(sets, "gate", half[0], NULL), 0);
	assert_int_equal(sets_add_members(sets, "gate", half, 1, ENTRY_TIMEOUT_MAX, NULL), 0);
	assert_in_range(sets_member_left(sets, "gate", half[0], NULL), ENTRY_TIMEOUT_MAX - 2, ENTRY_TIMEOUT_MAX);
	assert_int_equal(sets_add_members(sets, "gate", half, 2, 60, NULL), -ENOENT);
	assert_int_equal(sets_test_member(sets, "gate", "none"), 0);
	assert_int_equal(sets_add_members(sets, "gate", &gate, 1, 60, NULL), -ELOOP);
	memset(comment, 'x', sizeof(comment) - 1);
	comment[ENTRY_KERNEL_COMMENT] = 0;
	assert_int_equal(sets_add_members(sets, "gate", half, 1, 60, comment), -EINVAL);
	for (size_t i = 0; i < 100; i++)
		many_members[i] = half[0];
	comment[ENTRY_KERNEL_COMMENT - 1] = 0;
	assert_int_equal(sets_add_members(sets, "gate", many_members, 100, 60, comment), -E2BIG);
	/* Elements that are no networks. */
	assert_int_equal(sets_dump(sets, "gate", NOW, collect, NULL), -EOPNOTSUPP);
	assert_int_equal(add("gate", "192.0.2.1"), -EAFNOSUPPORT);
	assert_int_equal(sets_add_members(sets, half[0], &gate, 1, 60, NULL), -EAFNOSUPPORT);
}

int run_names(void)
{
	const struct CMUnitTest tests[] = {
		SETS_TEST(test_names),
		SETS_TEST(test_swap),
		SETS_TEST(test_resolver),
		SETS_TEST(test_destroy_busy),
		SETS_TEST(test_gate),
		SETS_TEST(test_gate_expires),
		SETS_TEST(test_gate_for_ever),
		SETS_TEST(test_gate_refuses),
	};

	return cmocka_run_group_tests_name("sets_names", tests, NULL, NULL);
}
