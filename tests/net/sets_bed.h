/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the tests of sets share: short words for what is done to the sets of the kernel, in a namespace of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "fwd/daemon/sets.h"
#include "fwd/daemon/sets_internal.h"

#define NOW 1700000000u
#define MANY 10000u

extern struct sets *sets; /* of the test that runs */

/* Polls, as the kernel tells nobody of expiries. */
#define wait_until(condition, ms)                                                                        \
	do {                                                                                             \
		const uint64_t end = clock_ms() + (ms);                                                  \
		while (!(condition) && clock_ms() < end)                                                 \
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);                       \
		assert_true(condition);                                                                  \
	} while (0)

struct seen {
	struct entry *entries;
	size_t n, room;
	size_t stop_at; /* 0: never */
};

uint64_t clock_ms(void);
struct cidr net(const char *text);
struct entry entry(const char *text, uint64_t until, const char *comment);
int add(const char *set, const char *text);
int del(const char *set, const char *text);
int test(const char *set, const char *text);
int collect(const struct entry *one, void *user);
struct seen dump(const char *set);
size_t count(const char *set);
struct entry only(const char *set);
void assert_only(const char *set, const char *text);
/* Distinct /32 or /128. */
struct entry *many(size_t n, uint8_t family);
void make(const char *name, uint8_t family);
/* Each test begins without sets. Lists refer to others and come last. */
int setup(void **state);
int teardown(void **state);

#define SETS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Each of these runs one file of tests and answers how many failed. */
int run_create(void);
int run_elements(void);
int run_dump(void);
int run_names(void);
int bench(void); /* prints */
