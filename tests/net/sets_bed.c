/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/net/sets_bed.h"

struct sets *sets;

uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct cidr net(const char *text)
{
	struct cidr ret;

	assert_int_equal(cidr_parse(text, &ret, NULL), 0);
	return ret;
}

struct entry entry(const char *text, uint64_t until, const char *comment)
{
	struct entry ret = { .net = net(text), .until = until };

	snprintf(ret.comment, sizeof(ret.comment), "%s", comment);
	return ret;
}

int add(const char *set, const char *text)
{
	struct entry one = entry(text, 0, "");

	return sets_add(sets, set, &one, 1, true, NOW, NULL);
}

int del(const char *set, const char *text)
{
	struct cidr one = net(text);

	return sets_del(sets, set, &one);
}

int test(const char *set, const char *text)
{
	struct cidr one = net(text);

	return sets_test(sets, set, &one);
}

int collect(const struct entry *one, void *user)
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

struct seen dump(const char *set)
{
	struct seen seen = { 0 };

	assert_int_equal(sets_dump(sets, set, NOW, collect, &seen), 0);
	return seen;
}

size_t count(const char *set)
{
	struct seen seen = dump(set);

	free(seen.entries);
	return seen.n;
}

struct entry only(const char *set)
{
	struct seen seen = dump(set);
	struct entry ret;

	assert_int_equal(seen.n, 1);
	ret = seen.entries[0];
	free(seen.entries);
	return ret;
}

void assert_only(const char *set, const char *text)
{
	struct entry one = only(set);
	char found[ADDR_TEXT_MAX];

	cidr_format(&one.net, found);
	assert_string_equal(found, text);
}

struct entry *many(size_t n, uint8_t family)
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

int setup(void **state)
{
	struct doomed doomed = { 0 };

	if (sets_open(&sets) < 0 || sets_names(sets, note_name, &doomed) < 0)
		return -1;
	while (doomed.n)
		if (sets_destroy(sets, doomed.names[--doomed.n]) < 0)
			return -1;
	return 0;
}

int teardown(void **state)
{
	sets_close(sets);
	sets = NULL;
	return 0;
}

void make(const char *name, uint8_t family)
{
	assert_int_equal(sets_create_net(sets, name, family, 0), 0);
}
