/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps: whole, whatever happens meanwhile, and gone when they end. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/sets_bed.h"

/* Every entry of a dump is one that was added, and none comes twice. */
static void test_dump_is_whole(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	bool *met = calloc(MANY, sizeof(*met));
	struct seen seen;

	make("w", AF_INET);
	for (size_t i = 0; i < MANY; i++) /* as long as they come, so that buckets do not fit into a page */
		memset(entries[i].comment, 'x', ENTRY_COMMENT_MAX);
	assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, NULL), 0);
	seen = dump("w");
	assert_int_equal(seen.n, MANY);
	for (size_t i = 0; i < seen.n; i++) {
		const uint8_t *b = seen.entries[i].net.addr.bytes;
		size_t which = (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];

		assert_true(which < MANY && !met[which]);
		met[which] = true;
		assert_int_equal(strlen(seen.entries[i].comment), ENTRY_COMMENT_MAX);
	}
	free(seen.entries);
	free(met);
	free(entries);
}

#define BATCH 300u

/* The smallest table, always hashing the same way. */
static void make_small(void)
{
	struct nlmsghdr *request = sets_request(sets->buf, ++sets->seq, IPSET_CMD_CREATE, NLM_F_ACK | NLM_F_EXCL, "w");
	struct answer answer;
	struct nlattr *data;

	mnl_attr_put_strz(request, IPSET_ATTR_TYPENAME, "hash:net");
	mnl_attr_put_u8(request, IPSET_ATTR_REVISION, 7); /* the first that takes INITVAL, Linux 5.11 */
	mnl_attr_put_u8(request, IPSET_ATTR_FAMILY, AF_INET6);
	data = mnl_attr_nest_start(request, IPSET_ATTR_DATA);
	mnl_attr_put_u32(request, IPSET_ATTR_HASHSIZE | NLA_F_NET_BYTEORDER, htobe32(64));
	mnl_attr_put_u32(request, IPSET_ATTR_INITVAL | NLA_F_NET_BYTEORDER, htobe32(1));
	mnl_attr_put_u32(request, IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER, 0);
	mnl_attr_put_u32(request, IPSET_ATTR_CADT_FLAGS | NLA_F_NET_BYTEORDER,
			 htobe32(IPSET_FLAG_WITH_COUNTERS | IPSET_FLAG_WITH_COMMENT));
	mnl_attr_nest_end(request, data);
	assert_int_equal(sets_ask(sets, request, &answer), 0);
	if (answer.error)
		skip();
}

/* A first bucket that does not fit into a page. The first entry of each dump lies in the first bucket. */
static void test_dump_of_full_bucket(void **state)
{
	struct entry *entries = many(12 * BATCH, AF_INET6), full[12];

	for (size_t i = 0; i < 12; i++) {
		struct seen seen = { .stop_at = 1 };

		make_small();
		assert_int_equal(sets_add(sets, "w", &entries[i * BATCH], BATCH, true, NOW, NULL), 0);
		assert_int_equal(sets_dump(sets, "w", NOW, collect, &seen), 4711);
		full[i] = seen.entries[0];
		memset(full[i].comment, 'x', ENTRY_KERNEL_COMMENT - 1);
		full[i].comment[ENTRY_KERNEL_COMMENT - 1] = 0;
		free(seen.entries);
		assert_int_equal(sets_destroy(sets, "w"), 0);
	}
	make_small();
	assert_int_equal(sets_add(sets, "w", full, 12, true, NOW, NULL), 0);
	assert_int_equal(count("w"), 12);
	free(entries);
}

/* @each may use the sets; what is being dumped is busy. */
static int use_sets(const struct entry *one, void *user)
{
	size_t *n = user;

	if ((*n)++)
		return 0;
	assert_int_equal(sets_test(sets, "w", &one->net), 1);
	assert_int_equal(sets_swap(sets, "w", "x"), -EBUSY);
	assert_int_equal(sets_destroy(sets, "w"), -EBUSY);
	assert_int_equal(add("w", "198.51.100.0/24"), 0);
	assert_int_equal(del("w", "198.51.100.0/24"), 0);
	return 0;
}

static void test_dump_ends_early(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	struct seen seen = { .stop_at = 3 };

	make("w", AF_INET);
	make("x", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, NULL), 0);
	assert_int_equal(sets_dump(sets, "w", NOW, collect, &seen), 4711);
	assert_int_equal(seen.n, 3);
	assert_int_equal(sets_swap(sets, "w", "x"), 0);
	assert_int_equal(count("x"), MANY);
	assert_int_equal(sets_dump(sets, "x", NOW, collect, &seen), 0);
	free(seen.entries);
	seen = (struct seen){ .stop_at = 1 };
	assert_int_equal(sets_dump(sets, "x", NOW, collect, &seen), 4711);
	assert_int_equal(sets_destroy(sets, "x"), 0);
	free(seen.entries);

	free(entries);
}

static void test_dump_keeps_busy(void **state)
{
	struct entry *entries = many(2000, AF_INET);
	size_t n = 0;

	make("w", AF_INET);
	make("x", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, 2000, true, NOW, NULL), 0);
	assert_int_equal(sets_dump(sets, "w", NOW, use_sets, &n), 0);
	assert_int_equal(n, 2000);
	assert_int_equal(sets_swap(sets, "w", "x"), 0);
	free(entries);
}

static int grow(const struct entry *one, void *user)
{
	struct seen *seen = user;
	struct entry *others;

	if (collect(one, seen) || seen->n != 100)
		return 0;
	others = many(8 * MANY, AF_INET);
	for (size_t i = 0; i < 8 * MANY; i++)
		others[i].net.addr.bytes[0] = 11;
	assert_int_equal(sets_add(sets, "w", others, 8 * MANY, true, NOW, NULL), 0);
	free(others);
	return 0;
}

/* The table is made anew, many times over, under the feet of a dump. */
static void test_dump_of_growing_set(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	bool *met = calloc(MANY, sizeof(*met));
	struct seen seen = { 0 };
	size_t old = 0;

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, NULL), 0);
	assert_int_equal(sets_dump(sets, "w", NOW, grow, &seen), 0);
	for (size_t i = 0; i < seen.n; i++) {
		const uint8_t *b = seen.entries[i].net.addr.bytes;
		const size_t which = (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];

		if (b[0] != 10)
			continue;
		assert_true(which < MANY && !met[which]);
		met[which] = true;
		old++;
	}
	assert_int_equal(old, MANY);
	assert_int_equal(count("w"), 9 * MANY);
	free(seen.entries);
	free(met);
	free(entries);
}

static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void test_nothing_stays_open(void **state)
{
	struct entry *entries = many(MANY, AF_INET);
	const int before = next_fd();
	struct sets *second;
	struct set_info info;

	make("w", AF_INET);
	assert_int_equal(sets_add(sets, "w", entries, MANY, true, NOW, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct seen seen = { .stop_at = 5 };

		assert_int_equal(sets_dump(sets, "w", NOW, collect, &seen), 4711);
		free(seen.entries);
		assert_int_equal(sets_info(sets, "none", &info), -ENOENT);
		assert_int_equal(sets_create_net(sets, "w", AF_INET, 0), -EEXIST);
		assert_int_equal(sets_open(&second), 0);
		sets_close(second);
	}
	sets_close(NULL);
	make("x", AF_INET);
	assert_int_equal(next_fd(), before);
	free(entries);
}

int run_dump(void)
{
	const struct CMUnitTest tests[] = {
		SETS_TEST(test_dump_is_whole),
		SETS_TEST(test_dump_of_full_bucket),
		SETS_TEST(test_dump_ends_early),
		SETS_TEST(test_dump_keeps_busy),
		SETS_TEST(test_dump_of_growing_set),
		SETS_TEST(test_nothing_stays_open),
	};

	return cmocka_run_group_tests_name("sets_dump", tests, NULL, NULL);
}
