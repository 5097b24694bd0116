/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "rules/addr.h"

#define SEED 20260807U /* printed, so that a failure can be had again */

static struct addr address(const char *text)
{
	struct addr addr;

	if (addr_parse(text, &addr) < 0)
		fail_msg("%s is refused", text);
	return addr;
}

static struct cidr network(const char *text)
{
	struct cidr cidr;

	if (cidr_parse(text, &cidr, NULL) < 0)
		fail_msg("%s is refused", text);
	return cidr;
}

static void assert_network(const struct cidr *cidr, const char *expected)
{
	char text[ADDR_TEXT_MAX];

	cidr_format(cidr, text);
	assert_string_equal(text, expected);
}

static void addresses(void **state)
{
	static const char *const refused[] = {
		"", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "1..2.3", "0x7f.0.0.1",
		"01.2.3.4", "1.2.3.04", "010.0.0.1", "00.0.0.0", "1.2.3.4/24", "2130706433", "localhost", "1,2,3,4",
		"::ffff:1.2.3.4", "::ffff:102:304", "0:0:0:0:0:ffff:1.2.3.4", "::FFFF:0.0.0.0", "fe80::1%lo",
		"fe80::1%1",
		":", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "[::1]", "::1 ",
		"::01.2.3.4",
	};
	static const char *const taken[] = {
		"0.0.0.0", "255.255.255.255", "10.0.0.1", "::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2001:db8::1", "1:0:2:0:3:0:4:0",
	};
	struct addr addr, before;
	char text[ADDR_TEXT_MAX];

	(void)state;
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		addr = before;
		if (addr_parse(refused[i], &addr) == 0)
			fail_msg("\"%s\" is taken", refused[i]);
		assert_memory_equal(&addr, &before, sizeof(addr));
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		addr = address(taken[i]);
		addr_format(&addr, text);
		assert_string_equal(text, taken[i]);
	}
	addr = address("1.2.3.4");
	assert_int_equal(addr.family, AF_INET);
	assert_memory_equal(addr.bytes, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	addr = address("2001:DB8::0:1");
	assert_int_equal(addr.family, AF_INET6);
	addr_format(&addr, text);
	assert_string_equal(text, "2001:db8::1");
}

static void networks(void **state)
{
	static const struct {
		const char *text, *printed;
		bool cleared;
	} taken[] = {
		{ "0.0.0.0/0", "0.0.0.0/0", false },     { "1.2.3.4/0", "0.0.0.0/0", true },
		{ "128.0.0.0/1", "128.0.0.0/1", false }, { "255.255.255.255/1", "128.0.0.0/1", true },
		{ "10.1.2.3/8", "10.0.0.0/8", true },    { "10.1.2.3/31", "10.1.2.2/31", true },
		{ "10.1.2.3/32", "10.1.2.3", false },    { "10.1.2.3", "10.1.2.3", false },
		{ "::/0", "::/0", false },               { "ffff::/1", "8000::/1", true },
		{ "2001:db8::1/64", "2001:db8::/64", true }, { "2001:db8::1/127", "2001:db8::/127", true },
		{ "2001:db8::1/128", "2001:db8::1", false }, { "2001:db8::1", "2001:db8::1", false },
		{ "2001:db8:ff00::/39", "2001:db8:fe00::/39", true },
	};
	static const char *const refused[] = {
		"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
		"10.0.0.0/00",
		"10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0 /8", "10.0.0.0/8/8", "10.0.0.0/0x8", "10.0.0.0/4294967296",
		"10.0.0.0/264",
		"10.0.0.0/255.0.0.0", "10/8", "010.0.0.0/8", "::ffff:1.2.3.4/128", "::ffff:0:0/96", "fe80::%lo/64",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
	};
	struct cidr cidr, before;
	bool cleared;

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		cleared = !taken[i].cleared;
		assert_int_equal(cidr_parse(taken[i].text, &cidr, &cleared), 0);
		assert_network(&cidr, taken[i].printed);
		assert_int_equal(cleared, taken[i].cleared);
	}
	memset(&before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		cidr = before;
		if (cidr_parse(refused[i], &cidr, NULL) == 0)
			fail_msg("\"%s\" is taken", refused[i]);
		assert_memory_equal(&cidr, &before, sizeof(cidr));
	}
}

static void containing(void **state)
{
	static const struct {
		const char *net, *first, *last, *before, *after; /* NULL: there is none */
	} edges[] = {
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255", NULL, NULL },
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0" },
		{ "10.1.2.128/25", "10.1.2.128", "10.1.2.255", "10.1.2.127", "10.1.3.0" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3", "10.1.2.2", "10.1.2.4" },
		{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
		{ "2001:db8::/33", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
		  "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::" },
		{ "::1/128", "::1", "::1", "::", "::2" },
	};
	struct cidr four = network("0.0.0.0/0"), six = network("::/0"), half = network("0.0.0.0/1");
	struct addr addr;

	(void)state;
	assert_true(cidr_covers(&four, &half));
	assert_false(cidr_covers(&half, &four)); /* though it holds its first address */
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		struct cidr net = network(edges[i].net);
		struct addr first = address(edges[i].first), last = address(edges[i].last);

		addr = cidr_first(&net);
		assert_true(addr_equal(&addr, &first));
		addr = cidr_last(&net);
		assert_true(addr_equal(&addr, &last));
		assert_true(cidr_contains(&net, &first));
		assert_true(cidr_contains(&net, &last));
		if (edges[i].before) {
			addr = address(edges[i].before);
			assert_false(cidr_contains(&net, &addr));
			addr = address(edges[i].after);
			assert_false(cidr_contains(&net, &addr));
		}
		assert_true(cidr_covers(&net, &net));
		assert_true(cidr_covers(first.family == AF_INET ? &four : &six, &net));
		assert_false(cidr_covers(first.family == AF_INET ? &six : &four, &net));
		assert_false(cidr_contains(first.family == AF_INET ? &six : &four, &first));
		if (net.len)
			assert_false(cidr_covers(&net, first.family == AF_INET ? &four : &six));
	}
}

static void ordering(void **state)
{
	static const char *const ascending[] = {
		"0.0.0.0/0", "0.0.0.0/1", "0.0.0.0", "9.255.255.255", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0",
		"200.0.0.0/8",
		"255.255.255.255", "::/0", "::", "::1", "7fff::/16", "8000::/1", "ffff::/16",
	};
	const size_t n = sizeof(ascending) / sizeof(ascending[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			struct cidr a = network(ascending[i]), b = network(ascending[j]);
			int order = cidr_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(cidr_equal(&a, &b), i == j);
		}
	}
}

/* The sum of two addresses is not needed: one network begins where the other ends if the last address plus one says
 * so. */
static bool follows(const struct addr *last, const struct addr *first)
{
	struct addr next = *last;

	for (unsigned i = addr_bits(next.family) / 8; i-- > 0;)
		if (++next.bytes[i])
			return addr_equal(&next, first);
	return false;
}

/*
 * Exact: the networks lie end to end from @from to @to. Minimal: each is as wide as any network of the range that
 * holds its addresses (its parent reaches out of the range), and a cover needs at least one network for each of
 * these.
 */
static size_t check_range(const struct addr *from, const struct addr *to)
{
	struct cidr nets[ADDR_RANGE_MAX];
	struct addr edge;
	size_t n = 0;

	assert_int_equal(addr_range(from, to, nets, &n), 0);
	assert_in_range(n, 1, addr_bits(from->family) == 32 ? 62 : 254);
	edge = cidr_first(&nets[0]);
	assert_true(addr_equal(&edge, from));
	edge = cidr_last(&nets[n - 1]);
	assert_true(addr_equal(&edge, to));
	for (size_t i = 0; i < n; i++) {
		struct addr first = cidr_first(&nets[i]), last = cidr_last(&nets[i]);

		if (i > 0) {
			edge = cidr_last(&nets[i - 1]);
			assert_true(follows(&edge, &first));
		}
		if (nets[i].len > 0) {
			struct cidr parent = cidr_of(&first, nets[i].len - 1U);

			first = cidr_first(&parent);
			last = cidr_last(&parent);
			assert_true(addr_compare(&first, from) < 0 || addr_compare(&last, to) > 0);
		}
	}
	return n;
}

static void ranges(void **state)
{
	static const struct {
		const char *from, *to;
		size_t n;
	} rows[] = {
		{ "0.0.0.0", "255.255.255.255", 1 },
		{ "10.0.0.7", "10.0.0.7", 1 },
		{ "0.0.0.0", "0.0.0.0", 1 },
		{ "255.255.255.255", "255.255.255.255", 1 },
		{ "0.0.0.1", "255.255.255.254", 62 },
		{ "0.0.0.1", "255.255.255.255", 32 },
		{ "0.0.0.0", "255.255.255.254", 32 },
		{ "10.0.0.5", "10.0.0.9", 3 },
		{ "127.255.255.255", "128.0.0.0", 2 },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 },
		{ "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 254 },
		{ "2001:db8::7", "2001:db8::7", 1 },
		{ "2001:db8::", "2001:db8::ffff", 1 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 },
	};
	struct addr from = address("10.0.0.2"), to = address("10.0.0.1"), six = address("::1");
	struct cidr nets[ADDR_RANGE_MAX];
	size_t n = 77;

	(void)state;
	assert_int_equal(addr_range(&from, &to, nets, &n), -EINVAL);
	assert_int_equal(addr_range(&from, &six, nets, &n), -EINVAL);
	assert_int_equal(n, 77);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		from = address(rows[i].from);
		to = address(rows[i].to);
		assert_int_equal(check_range(&from, &to), rows[i].n);
	}
	from = address("10.0.0.5");
	to = address("10.0.0.9");
	assert_int_equal(addr_range(&from, &to, nets, &n), 0);
	assert_network(&nets[0], "10.0.0.5");
	assert_network(&nets[1], "10.0.0.6/31");
	assert_network(&nets[2], "10.0.0.8/31");
}

/* Runs of zeros are common, so that all ways to shorten IPv6 are met. */
static struct addr random_address(uint8_t family)
{
	struct addr addr = { .family = family };

	do {
		for (unsigned i = 0; i < addr_bits(family) / 8; i++)
			addr.bytes[i] = random() % 3 ? (uint8_t)random() : 0;
		if (random() % 2)
			memset(addr.bytes + random() % 4, 0, (size_t)(random() % (addr_bits(family) / 8 - 3)));
	} while (family == AF_INET6 && memcmp(addr.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0);
	return addr;
}

static void random_values(void **state)
{
	(void)state;
	print_message("# seed %u\n", SEED);
	srandom(SEED);
	for (int i = 0; i < 20000; i++) {
		uint8_t family = i % 2 ? AF_INET : AF_INET6;
		struct addr addr = random_address(family), again;
		struct cidr cidr = cidr_of(&addr, (unsigned)random() % (addr_bits(family) + 1)), back;
		char text[ADDR_TEXT_MAX];
		bool cleared = true;

		addr_format(&addr, text);
		again = address(text);
		assert_memory_equal(&addr, &again, sizeof(addr));
		cidr_format(&cidr, text);
		assert_int_equal(cidr_parse(text, &back, &cleared), 0);
		assert_true(cidr_equal(&cidr, &back));
		assert_false(cleared);
		assert_true(cidr_contains(&cidr, &addr));
		if (i % 20 < 2) {
			again = random_address(family);
			if (addr_compare(&addr, &again) <= 0)
				check_range(&addr, &again);
			else
				check_range(&again, &addr);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(networks),
		cmocka_unit_test(containing),
		cmocka_unit_test(ordering),
		cmocka_unit_test(ranges),
		cmocka_unit_test(random_values),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
