/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries: in, out, replaced, over. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/net/sets_bed.h"

static void test_add_and_del(void **state)
{
	make("w", AF_INET);
	make("w6", AF_INET6);
	assert_int_equal(add("w", "192.0.2.0/24"), 0);
	assert_int_equal(add("w", "192.0.2.0/24"), -EEXIST);
	assert_int_equal(add("w6", "2001:db8::/48"), 0);
	assert_int_equal(add("w6", "2001:db8::/48"), -EEXIST);
	assert_only("w", "192.0.2.0/24");
	assert_only("w6", "2001:db8::/48");
	assert_int_equal(only("w").until, 0);
	assert_string_equal(only("w").comment, "");

	assert_int_equal(del("w", "192.0.2.0/25"), -ENOENT);
	assert_int_equal(del("w", "192.0.2.0"), -ENOENT);
	assert_int_equal(del("w", "192.0.2.0/24"), 0);
	assert_int_equal(del("w", "192.0.2.0/24"), -ENOENT);
	assert_int_equal(count("w"), 0);
	assert_int_equal(del("w6", "2001:db8::/48"), 0);

	assert_int_equal(add("w", "2001:db8::1"), -EAFNOSUPPORT);
	assert_int_equal(add("w6", "192.0.2.1"), -EAFNOSUPPORT);
	assert_int_equal(del("w", "2001:db8::1"), -EAFNOSUPPORT);
	assert_int_equal(del("w6", "192.0.2.1"), -EAFNOSUPPORT);
	assert_int_equal(add("w", "0.0.0.0/0"), -EINVAL);
	assert_int_equal(add("w6", "::/0"), -EINVAL);
	assert_int_equal(del("w", "0.0.0.0/0"), -EINVAL);
	assert_int_equal(add("w", "0.0.0.0/1"), 0);
	assert_int_equal(add("w", "128.0.0.0/1"), 0);
}

static void test_add_many(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	size_t done = 1;

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, 0, true, NOW, &done), 0);
	assert_int_equal(done, 0);
	assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, &done), 0);
	assert_int_equal(done, MANY);
	assert_int_equal(count("w"), MANY);
	assert_int_equal(test("w", "10.0.39.15"), 1); /* the last */
	assert_int_equal(test("w", "10.0.39.16"), 0);
	assert_int_equal(sets_add(sets, "w", entries, MANY, false, NOW, &done), 0);
	assert_int_equal(done, MANY);
	free(entries);

	entries = many(MANY, AF_INET6);
	make("w6", AF_INET6);
	assert_int_equal(sets_add(sets, "w6", entries, MANY, true, NOW, &done), 0);
	assert_int_equal(done, MANY);
	assert_int_equal(count("w6"), MANY);
	free(entries);
}

static void test_done(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	const size_t where[] = { 0, 1, 57, 4321, MANY - 1 };
	size_t done;

	for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++) {
		const size_t k = where[i];

		make("w", AF_INET);
		assert_int_equal(sets_add(sets, "w", &entries[k], 1, true, NOW, NULL), 0);
		done = 12345678;
		assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, &done), -EEXIST);
		assert_int_equal(done, k);
		assert_int_equal(count("w"), k + 1);
		assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, NULL), -EEXIST);
		assert_int_equal(sets_destroy(sets, "w"), 0);

		/* What is over is not even sent; those before it are in. */
		make("w", AF_INET);
		entries[k].until = NOW;
		assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, &done), -ETIME);
		entries[k].until = 0;
		assert_int_equal(done, k);
		assert_int_equal(count("w"), k);
		assert_int_equal(sets_destroy(sets, "w"), 0);

		make("w", AF_INET);
		entries[k].net.addr.family = AF_INET6;
		assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, &done), -EAFNOSUPPORT);
		entries[k].net.addr.family = AF_INET;
		assert_int_equal(done, k);
		assert_int_equal(count("w"), k);
		assert_int_equal(sets_destroy(sets, "w"), 0);
	}
	free(entries);
}

static void test_replace(void **state)
{
	struct entry one = entry("192.0.2.7", NOW + 100, "first");

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", &one, 1, false, NOW, NULL), 0);
	assert_string_equal(only("w").comment, "first");
	assert_int_equal(only("w").until, NOW + 100);
	one = entry("192.0.2.7", 0, "");
	assert_int_equal(sets_add(sets, "w", &one, 1, true, NOW, NULL), -EEXIST);
	assert_string_equal(only("w").comment, "first");
	assert_int_equal(sets_add(sets, "w", &one, 1, false, NOW, NULL), 0);
	assert_string_equal(only("w").comment, "");
	assert_int_equal(only("w").until, 0);
}

/* Counters as packets would leave them: no rule is needed to set them. */
static void test_counters(void **state)
{
	struct entry one = entry("192.0.2.7", 0, "again");
	const uint64_t packets = htobe64(5000000000u), bytes = htobe64(7000000000u);
	struct nlmsghdr *request;
	struct nlattr *data, *ip;
	struct answer answer;

	make("w", AF_INET);
	request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_ADD, NLM_F_ACK, "w");
	data = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	ip = mnl_attr_nest_start(request, IPSET_ATTR_IP);
	mnl_attr_put(request, IPSET_ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, 4, one.net.addr.bytes);
	mnl_attr_nest_end(request, ip);
	mnl_attr_put(request, IPSET_ATTR_PACKETS | NLA_F_NET_BYTEORDER, 8, &packets);
	mnl_attr_put(request, IPSET_ATTR_BYTES | NLA_F_NET_BYTEORDER, 8, &bytes);
	mnl_attr_nest_end(request, data);
	assert_int_equal(sets_ask(sets, request, &answer), 0);
	assert_int_equal(answer.error, 0);

	assert_int_equal(test("w", "192.0.2.7"), 1); /* counts nothing */
	assert_int_equal(sets_add(sets, "w", &one, 1, false, NOW, NULL), 0);
	one = only("w");
	assert_string_equal(one.comment, "again");
	assert_true(one.packets == 5000000000u && one.bytes == 7000000000u);
}

static void test_semantics_of_test(void **state)
{
	struct entry one = entry("192.0.2.128/25", 0, "");

	make("w", AF_INET);
	make("w6", AF_INET6);
	assert_int_equal(add("w", "192.0.2.0/24"), 0);
	assert_int_equal(add("w6", "2001:db8::/32"), 0);
	assert_int_equal(test("w", "192.0.2.77"), 1);      /* covered */
	assert_int_equal(test("w", "192.0.3.1"), 0);
	assert_int_equal(test("w", "192.0.2.0/24"), 1);    /* exactly */
	assert_int_equal(test("w", "192.0.2.0/25"), 0);    /* covered, but not there */
	assert_int_equal(test("w", "192.0.0.0/16"), 0);
	assert_int_equal(test("w", "0.0.0.0/0"), 0);
	assert_int_equal(test("w", "2001:db8::1"), 0);
	assert_int_equal(test("w6", "2001:db8::1"), 1);
	assert_int_equal(test("w6", "2001:db8::/32"), 1);
	assert_int_equal(test("w6", "2001:db8::/64"), 0);
	assert_int_equal(test("w6", "192.0.2.77"), 0);

	one.nomatch = true;
	assert_int_equal(sets_add(sets, "w", &one, 1, true, NOW, NULL), 0);
	assert_int_equal(test("w", "192.0.2.200"), 0);
	assert_int_equal(test("w", "192.0.2.77"), 1);
	assert_int_equal(del("w", "192.0.2.0/24"), 0);
	assert_true(only("w").nomatch);
	one.nomatch = false;
	assert_int_equal(sets_add(sets, "w", &one, 1, false, NOW, NULL), 0);
	assert_false(only("w").nomatch);
}

static void test_timeout(void **state)
{
	struct entry entries[2] = { entry("192.0.2.1", NOW + 1, ""), entry("192.0.2.2", NOW + 100, "stays") };
	struct entry far = entry("192.0.2.3", NOW + 100u * 86400, "far");
	uint64_t start = clock_ms();
	struct entry one;

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, 2, true, NOW, NULL), 0);
	assert_int_equal(count("w"), 2);
	wait_until(count("w") == 1, 5000);
	assert_true(clock_ms() - start >= 1000);
	one = only("w");
	assert_string_equal(one.comment, "stays");
	assert_int_equal(one.until, NOW + 100); /* said by the comment: not moved by the second that passed */
	assert_int_equal(test("w", "192.0.2.1"), 0);
	assert_int_equal(del("w", "192.0.2.1"), -ENOENT);
	/* Expired but not collected: as if it were not there. */
	entries[0].until = 0;
	assert_int_equal(sets_add(sets, "w", entries, 1, true, NOW, NULL), 0);
	assert_int_equal(sets_flush(sets, "w"), 0);

	/* Further ahead than the kernel can count: it holds the longest, and the truth is in the comment. */
	assert_int_equal(sets_add(sets, "w", &far, 1, true, NOW, NULL), 0);
	assert_int_equal(only("w").until, NOW + 100u * 86400);
	assert_string_equal(only("w").comment, "far");
}

static void test_comments(void **state)
{
	const char *text = "Büro «Zürich» – 東京 🔑";
	struct entry one = entry("192.0.2.1", NOW + 5000, text);
	struct entry full = entry("192.0.2.1", NOW + 5000, "");

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", &one, 1, true, NOW, NULL), 0);
	assert_string_equal(only("w").comment, text);
	assert_int_equal(only("w").until, NOW + 5000);
	memset(full.comment, 'y', ENTRY_COMMENT_MAX);
	assert_int_equal(sets_add(sets, "w", &full, 1, false, NOW, NULL), 0);
	assert_string_equal(only("w").comment, full.comment);
	full.until = 0; /* of others: the kernel takes 255 bytes */
	memset(full.comment, 'z', ENTRY_KERNEL_COMMENT - 1);
	assert_int_equal(sets_add(sets, "w", &full, 1, false, NOW, NULL), 0);
	assert_string_equal(only("w").comment, full.comment);
}

static void test_flush(void **state)
{
	make("w", AF_INET);
	make("x", AF_INET);
	assert_int_equal(add("w", "192.0.2.1"), 0);
	assert_int_equal(add("x", "192.0.2.1"), 0);
	assert_int_equal(sets_flush(sets, "w"), 0);
	assert_int_equal(count("w"), 0);
	assert_int_equal(count("x"), 1);
}

/* An answer that was given up comes before the next one, and must not be taken for it. */
static void test_late_answers(void **state)
{
	const struct timeval soon = { .tv_usec = 20000 };
	struct nlmsghdr *request;
	struct timeval timeout;
	socklen_t len = sizeof(timeout);

	assert_int_equal(getsockopt(mnl_socket_get_fd(sets->nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, &len), 0);
	assert_int_equal(timeout.tv_sec, 5);
	make("w", AF_INET);
	assert_int_equal(add("w", "192.0.2.1"), 0);
	for (int i = 0; i < 3; i++) {
		request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_DESTROY, NLM_F_ACK | NLM_F_EXCL, "none");
		assert_true(mnl_socket_sendto(sets->nl, request, request->nlmsg_len) > 0);
	}
	assert_int_equal(test("w", "192.0.2.1"), 1);
	assert_int_equal(test("w", "192.0.2.2"), 0);
	assert_int_equal(setsockopt(mnl_socket_get_fd(sets->nl), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	assert_int_equal(sets_receive(sets->nl, sets->buf), -ETIMEDOUT);
	assert_int_equal(test("w", "192.0.2.1"), 1);
}

int run_elements(void)
{
	const struct CMUnitTest tests[] = {
		SETS_TEST(test_add_and_del),
		SETS_TEST(test_add_many),
		SETS_TEST(test_done),
		SETS_TEST(test_replace),
		SETS_TEST(test_counters),
		SETS_TEST(test_semantics_of_test),
		SETS_TEST(test_timeout),
		SETS_TEST(test_comments),
		SETS_TEST(test_flush),
		SETS_TEST(test_late_answers),
	};

	return cmocka_run_group_tests_name("sets_elements", tests, NULL, NULL);
}
