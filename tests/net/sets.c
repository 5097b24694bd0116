/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sets against the kernel, in a network namespace of its own: the machine's sets cannot be touched.
 *
 *     net-sets --bench           prints what things cost
 *     net-sets --make COMMAND …  makes whitelist, whitelist6 and a gate, as the daemon would, and becomes COMMAND in there
 */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

#define NOW 1700000000u
#define MANY 10000u

static struct sets *sets;

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Polls, as the kernel tells nobody of expiries. */
#define wait_until(condition, ms)                                                                        \
	do {                                                                                             \
		const uint64_t end = clock_ms() + (ms);                                                  \
		while (!(condition) && clock_ms() < end)                                                 \
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);                       \
		assert_true(condition);                                                                  \
	} while (0)

static struct cidr net(const char *text)
{
	struct cidr ret;

	assert_int_equal(cidr_parse(text, &ret, NULL), 0);
	return ret;
}

static struct entry entry(const char *text, uint64_t until, const char *comment)
{
	struct entry ret = { .net = net(text), .until = until };

	snprintf(ret.comment, sizeof(ret.comment), "%s", comment);
	return ret;
}

static int add(const char *set, const char *text)
{
	struct entry one = entry(text, 0, "");

	return sets_add(sets, set, &one, 1, true, NOW, NULL);
}

static int del(const char *set, const char *text)
{
	struct cidr one = net(text);

	return sets_del(sets, set, &one);
}

static int test(const char *set, const char *text)
{
	struct cidr one = net(text);

	return sets_test(sets, set, &one);
}

struct seen {
	struct entry *entries;
	size_t n, room;
	size_t stop_at; /* 0: never */
};

static int collect(const struct entry *one, void *user)
{
	struct seen *seen = user;

	if (seen->n == seen->room) {
		seen->room = seen->room ? seen->room * 2 : 16;
		seen->entries = realloc(seen->entries, seen->room * sizeof(*seen->entries));
		assert_non_null(seen->entries);
	}
	seen->entries[seen->n++] = *one;
	return seen->n == seen->stop_at ? 4711 : 0;
}

static struct seen dump(const char *set)
{
	struct seen seen = { 0 };

	assert_int_equal(sets_dump(sets, set, NOW, collect, &seen), 0);
	return seen;
}

static size_t count(const char *set)
{
	struct seen seen = dump(set);

	free(seen.entries);
	return seen.n;
}

static struct entry only(const char *set)
{
	struct seen seen = dump(set);
	struct entry ret;

	assert_int_equal(seen.n, 1);
	ret = seen.entries[0];
	free(seen.entries);
	return ret;
}

static void assert_only(const char *set, const char *text)
{
	struct entry one = only(set);
	char found[ADDR_TEXT_MAX];

	cidr_format(&one.net, found);
	assert_string_equal(found, text);
}

/* Distinct /32 or /128. */
static struct entry *many(size_t n, uint8_t family)
{
	struct entry *ret = calloc(n, sizeof(*ret));

	assert_non_null(ret);
	for (size_t i = 0; i < n; i++) {
		uint8_t *b = ret[i].net.addr.bytes;

		ret[i].net.addr.family = family;
		ret[i].net.len = (uint8_t)addr_bits(family);
		b += family == AF_INET ? 0 : 12;
		ret[i].net.addr.bytes[0] = family == AF_INET ? 10 : 0x20;
		b[1] = (uint8_t)(i >> 16);
		b[2] = (uint8_t)(i >> 8);
		b[3] = (uint8_t)i;
		snprintf(ret[i].comment, sizeof(ret[i].comment), "entry %zu", i);
	}
	return ret;
}

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

struct doomed {
	char names[64][32];
	size_t n;
};

static int note_name(const char *name, void *user)
{
	struct doomed *doomed = user;

	assert_true(doomed->n < 64);
	strcpy(doomed->names[doomed->n++], name);
	return 0;
}

/* Each test begins without sets. Lists refer to others and come last. */
static int setup(void **state)
{
	struct doomed doomed = { 0 };

	if (sets_open(&sets) < 0 || sets_names(sets, note_name, &doomed) < 0)
		return -1;
	while (doomed.n)
		if (sets_destroy(sets, doomed.names[--doomed.n]) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	sets_close(sets);
	sets = NULL;
	return 0;
}

static void make(const char *name, uint8_t family)
{
	assert_int_equal(sets_create_net(sets, name, family, 0), 0);
}

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

/* 64 entries with the longest comments in one bucket: the smallest table, many entries. */
static void test_dump_of_full_buckets(void **state)
{
	struct entry *entries = many(600, AF_INET);

	for (int round = 0; round < 20; round++) { /* each set hashes otherwise */
		assert_int_equal(sets_create_net(sets, "w", AF_INET, 1), 0);
		for (size_t i = 0; i < 600; i++)
			memset(entries[i].comment, 'x', ENTRY_COMMENT_MAX);
		assert_int_equal(sets_add(sets, "w", entries, 600, true, NOW, NULL), 0);
		assert_int_equal(count("w"), 600);
		assert_int_equal(sets_destroy(sets, "w"), 0);
	}
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

#include "tests/net/sets_bench.h"

static int make_and_run(char **command)
{
	static const char *const both[] = { "whitelist", "whitelist6" };
	struct entry one = entry("192.0.2.0/24", NOW + 5000, "Büro");

	if (sets_open(&sets) < 0 || sets_create_net(sets, "whitelist", AF_INET, 0) < 0 ||
	    sets_create_net(sets, "whitelist6", AF_INET6, 5000) < 0 || sets_create_gate(sets, "gate") < 0 ||
	    sets_add(sets, "whitelist", &one, 1, true, NOW, NULL) < 0 || sets_add_members(sets, "gate", both, 2, 100, "trial 7") < 0)
		return 1;
	sets_close(sets);
	execvp(*command, command);
	return 1;
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
#define SETS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		SETS_TEST(test_create),
		SETS_TEST(test_is_ours),
		SETS_TEST(test_gate_info),
		SETS_TEST(test_names_refused),
		SETS_TEST(test_unknown_set),
		SETS_TEST(test_add_and_del),
		SETS_TEST(test_add_many),
		SETS_TEST(test_dump_is_whole),
		SETS_TEST(test_dump_of_full_buckets),
		SETS_TEST(test_done),
		SETS_TEST(test_replace),
		SETS_TEST(test_counters),
		SETS_TEST(test_semantics_of_test),
		SETS_TEST(test_timeout),
		SETS_TEST(test_comments),
		SETS_TEST(test_dump_ends_early),
		SETS_TEST(test_dump_keeps_busy),
		SETS_TEST(test_swap),
		SETS_TEST(test_resolver),
		SETS_TEST(test_destroy_busy),
		SETS_TEST(test_gate),
		SETS_TEST(test_gate_expires),
		SETS_TEST(test_gate_refuses),
		SETS_TEST(test_names),
		SETS_TEST(test_flush),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return 77;
	}
	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return bench();
	if (argc > 2 && !strcmp(argv[1], "--make"))
		return make_and_run(argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
