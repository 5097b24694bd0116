/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sets cost, printed for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/net/sets_bed.h"

#define BENCH_MANY 100000u
#define BENCH_SINGLE 10000u

static uint64_t lap(const char *what, size_t n, uint64_t since)
{
	const uint64_t now = sets_monotonic();
	const double ns = (double)(now - since);

	printf("%-52s %10.2f ms  %8.3f us each  %9.0f /s\n", what,
	       ns / 1e6, ns / 1e3 / (double)n, (double)n * 1e9 / ns);
	return sets_monotonic();
}

static void bench_bulk(uint32_t hint, uint8_t family, const char *what)
{
	struct entry *entries = many(BENCH_MANY, family);
	uint64_t start;

	assert_int_equal(sets_create_net(sets, "bench", family, hint), 0);
	for (size_t i = 0; i < BENCH_MANY; i++)
		entries[i].until = i % 2 ? NOW + 86400 : 0;
	start = sets_monotonic();
	assert_int_equal(sets_add(sets, "bench", entries, BENCH_MANY, false, NOW, NULL), 0);
	start = lap(what, BENCH_MANY, start);
	if (hint) {
		struct set_info info;
		struct seen seen = { .room = BENCH_MANY, .entries = calloc(BENCH_MANY, sizeof(struct entry)) };

		assert_int_equal(sets_add(sets, "bench", entries, BENCH_MANY, false, NOW, NULL), 0);
		start = lap("  again, replacing", BENCH_MANY, start);
		assert_int_equal(sets_dump(sets, "bench", NOW, collect, &seen), 0);
		start = lap("  dump", BENCH_MANY, start);
		assert_int_equal(seen.n, BENCH_MANY);
		assert_int_equal(sets_info(sets, "bench", &info), 0);
		start = lap("  info", 1, start);
		free(seen.entries);
	}
	assert_int_equal(sets_destroy(sets, "bench"), 0);
	lap("  destroy", 1, start);
	free(entries);
}

static void bench_single(void)
{
	struct entry *entries = many(BENCH_SINGLE, AF_INET);
	struct codec_sets resolver = sets_resolver(sets);
	struct set_info info;
	uint16_t index;
	uint64_t start = sets_monotonic();

	assert_int_equal(sets_create_net(sets, "bench", AF_INET, 0), 0);
	start = lap("create, the first of the process", 1, start);
	assert_int_equal(sets_create_net(sets, "other", AF_INET, 0), 0);
	start = lap("create", 1, start);
	for (size_t i = 0; i < BENCH_SINGLE; i++)
		assert_int_equal(sets_add(sets, "bench", &entries[i], 1, true, NOW, NULL), 0);
	start = lap("add, one a call", BENCH_SINGLE, start);
	for (size_t i = 0; i < BENCH_SINGLE; i++)
		assert_int_equal(sets_test(sets, "bench", &entries[i].net), 1);
	start = lap("test", BENCH_SINGLE, start);
	for (size_t i = 0; i < BENCH_SINGLE; i++)
		assert_int_equal(resolver.index("bench", &index, resolver.user), 0);
	start = lap("index by name", BENCH_SINGLE, start);
	for (size_t i = 0; i < BENCH_SINGLE; i++)
		assert_int_equal(sets_info(sets, "other", &info), 0);
	start = lap("info of an empty set", BENCH_SINGLE, start);
	for (size_t i = 0; i < BENCH_SINGLE; i++)
		assert_int_equal(sets_del(sets, "bench", &entries[i].net), 0);
	start = lap("del", BENCH_SINGLE, start);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(sets_swap(sets, "bench", "other"), 0);
	lap("swap", 1000, start);
	assert_int_equal(sets_destroy(sets, "bench"), 0);
	assert_int_equal(sets_destroy(sets, "other"), 0);
	free(entries);
}

static long resident(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

int bench(void)
{
	const long before = resident();
	long opened;

	if (sets_open(&sets) < 0)
		return 1;
	opened = resident();
	bench_single();
	printf("resident: %ld KiB at start, %ld open, %ld after %u single calls\n", before, opened, resident(),
	       BENCH_SINGLE);
	bench_bulk(BENCH_MANY, AF_INET, "add 100 k, hint right");
	bench_bulk(0, AF_INET, "add 100 k, no hint (the table grows)");
	bench_bulk(BENCH_MANY, AF_INET6, "add 100 k IPv6, hint right");
	sets_close(sets);
	return 0;
}
