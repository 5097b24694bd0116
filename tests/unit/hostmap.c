/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host-setup/account.h"
#include "host-setup/fault.h"
#include "host-setup/text.h"
#include "host-setup/volume.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct account user = { .name = "containerd", .uid = 1500, .gid = 1501, .home = "/home/containerd" };
static struct idmap map;

static void parse(const char *text)
{
	struct fault fault = { 0 };

	if (idmap_parse(text, "F", &user, user.uid, &map, &fault) != 0)
		fail_msg("%s: %s", text, fault.text);
}

static void maps(uint32_t inside, uint32_t host)
{
	uint32_t there = 0, back = 0;

	assert_int_equal(idmap_to_host(&map, inside, &there, NULL), 0);
	assert_int_equal(there, host);
	assert_int_equal(idmap_to_inside(&map, host, &back), 0);
	assert_int_equal(back, inside);
}

static void ends(uint32_t last)
{
	uint32_t there = 42;

	assert_int_equal(idmap_last(&map), last);
	assert_true(idmap_to_host(&map, last + 1, &there, NULL) < 0);
	assert_true(idmap_to_host(&map, UINT32_MAX, &there, NULL) < 0);
	assert_int_equal(there, 42);
}

/* The article's numbers, and its variant. */
static void article(void **state)
{
	(void)state;
	parse("containerd:100000:65536\n");
	maps(0, 1500);
	maps(1, 100000);
	maps(1000, 100999);
	maps(65536, 165535);
	ends(65536);
	parse("containerd:100001:65536\n");
	maps(1000, 101000);
}

/* As the kernel showed it for such a file: 0 1500 1, 1 200000 10, 11 300000 5, 16 50000 1000. */
static void several(void **state)
{
	uint32_t inside = 7;

	(void)state;
	parse("# comment\nanna:100000:65536\ncontainerd:200000:10\n1500:300000:5\n\nbob:1:2\nnonsense\ncontainerd:9:0\n"
	      "containerdx:7:7\n1501:1:1\ncontainerd:50000:1000");
	assert_int_equal(map.n, 3);
	maps(10, 200009);
	maps(11, 300000);
	maps(15, 300004);
	maps(16, 50000);
	maps(1015, 50999);
	ends(1015);
	assert_int_equal(map.ranges[2].line, 11);
	assert_true(idmap_to_inside(&map, 200010, &inside) < 0);
	assert_true(idmap_to_inside(&map, 100000, &inside) < 0);
	assert_int_equal(inside, 7);
	parse("");
	maps(0, 1500);
	ends(0);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "containerd:100000\n", "F:1: is no" }, { "containerd:100000:1:2\n", "F:1: is no" },
		{ "x:1:1\ncontainerd:-1:10\n", "F:2: is no" }, { "containerd::10\n", "is no" },
		{ "containerd:0x10:10\n", "is no" }, { "containerd:100000: 10\n", "is no" },
		{ "containerd:4294967296:1\n", "is no" }, { "containerd:4294967295:1\n", "beyond" },
		{ "containerd:4294967000:4294967000\n", "beyond" },
		{ "containerd:100000:10\ncontainerd:100009:10\n", "F:2: the range overlaps that of line 1" },
		{ "1500:100000:10\ncontainerd:99999:2\n", "overlaps" }, { "containerd:100:10\n1500:90:100\n",
									  "overlaps" },
		{ "containerd:1000:1000\n", "holds the user himself" }, { "containerd:1500:1\n", "himself" },
	};

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		struct fault fault = { 0 };

		map.n = 99;
		if (idmap_parse(bad[i].text, "F", &user, user.uid, &map, &fault) == 0 ||
		    !strstr(fault.text, bad[i].says))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i].text, fault.text, bad[i].says);
		assert_int_equal(map.n, 99);
	}
	parse("containerd:1501:10\ncontainerd:1490:10\n"); /* beside him on either side */
	parse("containerd:4294967294:1\n");
}

static void most(void **state)
{
	char *text = malloc(64 * (IDMAP_RANGES_MAX + 1)), *at = text;
	struct fault fault = { 0 };

	(void)state;
	for (unsigned i = 0; i < IDMAP_RANGES_MAX; i++)
		at += sprintf(at, "containerd:%u:1\n", 100000 + 2 * i);
	parse(text);
	maps(IDMAP_RANGES_MAX, 100000 + 2 * (IDMAP_RANGES_MAX - 1));
	sprintf(at, "containerd:1:1\n");
	assert_true(idmap_parse(text, "F", &user, user.uid, &map, &fault) < 0);
	free(text);
}

static void accounts(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n\n#x\ncontainerdx:x:1:1::/x:/bin/sh\n"
				     "containerd:x:1500:1501:A, B:/home/c d:/usr/sbin/nologin\ncontainerd:x:1:1::/y:/z\n"
				     "short:x:1:1::/y\nmany:x:1:1::/y:/z:/a:/b:/c\nletters:x:a:1::/y:/z\nrelative:x:1:1::y:/z\n"
				     "last:x:4294967294:7::/l:";
	static const char *const bad[] = { "short", "many", "letters", "relative", "nobody", "", "Root", "x:y", "-x",
					   "1x",
					   "root\n", "a23456789012345678901234567890123" };
	struct account account = { .uid = 42 };
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(account_find(passwd, "containerd", &account, &fault), 0);
	assert_int_equal(account.uid, 1500);
	assert_int_equal(account.gid, 1501);
	assert_string_equal(account.home, "/home/c d");
	assert_string_equal(account.shell, "/usr/sbin/nologin");
	assert_int_equal(account_find(passwd, "last", &account, &fault), 0);
	assert_string_equal(account.shell, "");
	account.uid = 42;
	for (size_t i = 0; i < N(bad); i++) {
		fault.text[0] = '\0';
		if (account_find(passwd, bad[i], &account, &fault) == 0 || !fault.text[0])
			fail_msg("\"%s\" was found", bad[i]);
	}
	assert_int_equal(account.uid, 42);
}

static void names(void **state)
{
	static const char *const good[] = { "ubuntu", "a", "9", "db-1_x.y", "A" };
	static const char *const bad[] = { "", ".", "..", ".x", "-x", "_x", "a/b", "/", "a b", "a\n", "a\xc3\xa4", "a*",
					   "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
					   "1234567890123456789012345678901234567890123456789" };

	(void)state;
	for (size_t i = 0; i < N(good); i++)
		assert_int_equal(volume_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < N(bad); i++)
		if (volume_name_check(bad[i], NULL) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void texts(void **state)
{
	char *text = text_escape("a\033[2J\xff\n~");
	uint32_t n = 42;

	(void)state;
	assert_string_equal(text, "a\\x1b[2J\\xff\\x0a~");
	free(text);
	assert_false(text_number("4294967296", &n) || text_number("18446744073709551617", &n) || text_number("", &n) ||
		     text_number("+1", &n) || text_number("1 ", &n));
	assert_int_equal(n, 42);
	assert_true(text_number("4294967295", &n));
	assert_int_equal(n, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(article), cmocka_unit_test(several), cmocka_unit_test(refused), cmocka_unit_test(most),
		cmocka_unit_test(accounts), cmocka_unit_test(names), cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
