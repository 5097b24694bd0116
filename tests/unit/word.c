/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/word.h"

static void quoting(void **state)
{
	char quoted[WORD_QUOTED_MAX];
	char word[300];

	(void)state;
	assert_string_equal(word_quote("abc", 2, quoted), "\"ab\"");
	assert_string_equal(word_quote("", 0, quoted), "\"\"");
	assert_string_equal(word_quote("a\x1b\0\xc3\xa4 ~", 7, quoted), "\"a\\x1b\\x00\\xc3\\xa4 ~\"");
	for (size_t len = 0; len < sizeof(word); len++) { /* bytes that take one, and that take four */
		memset(word, 'x', len);
		word_quote(word, len, quoted);
		assert_in_range(strlen(quoted), 2, WORD_QUOTED_MAX - 1);
		assert_int_equal(strstr(quoted, "...") != NULL, len > 42);
		memset(word, '\n', len);
		word_quote(word, len, quoted);
		assert_in_range(strlen(quoted), 2, WORD_QUOTED_MAX - 1);
		assert_int_equal(strstr(quoted, "...") != NULL, len > 10);
		assert_int_equal(quoted[strlen(quoted) - 1], '"');
	}
}

static void splitting(void **state)
{
	static const struct {
		const char *list, *words; /* words in (); then the place of a comma that parts nothing */
	} rows[] = {
		{ "", "" }, { " \t ", "" }, { "a", "(a)" }, { " a ", "(a)" }, { "a b", "(a)(b)" }, { "a,b", "(a)(b)" },
		{ "a , b", "(a)(b)" }, { "a\t,\tb  c", "(a)(b)(c)" }, { ",", "0" }, { " ,a", "1" }, { "a,", "(a)1" },
		{ "a, ", "(a)1" }, { "a,,b", "(a)1" }, { "a , , b", "(a)2" }, { "a b,", "(a)(b)3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *rest = rows[i].list, *word;
		char words[80] = "";
		size_t len;
		int r;

		while ((r = word_next(rows[i].list, &rest, &word, &len)) > 0)
			sprintf(words + strlen(words), "(%.*s)", (int)len, word);
		if (r < 0)
			sprintf(words + strlen(words), "%d", (int)(rest - rows[i].list));
		assert_string_equal(words, rows[i].words);
	}
}

static void numbers(void **state)
{
	static const struct {
		const char *word;
		int r;
		unsigned number;
	} rows[] = {
		{ "0", 0, 0 }, { "1", 0, 1 }, { "65535", 0, 65535 }, { "65536", -ERANGE, 7 },
		{ "99999999999999999999999", -ERANGE, 7 },
		{ "18446744073709551617", -ERANGE, 7 }, { "", -EINVAL, 7 }, { "01", -EINVAL, 7 }, { "00", -EINVAL, 7 },
		{ "-1", -EINVAL, 7 }, { "+1", -EINVAL, 7 }, { "1x", -EINVAL, 7 }, { "0x1", -EINVAL, 7 },
		{ " 1", -EINVAL, 7 },
		{ "99999999999x", -EINVAL, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned number = 7;

		assert_int_equal(word_number(rows[i].word, strlen(rows[i].word), 65535, &number), rows[i].r);
		assert_int_equal(number, rows[i].number);
	}
}

static void near_misses(void **state)
{
	static const char *const known[] = { "ssh", "ssh-ports", "trust", "timeout", NULL };
	static const char *const none[] = { NULL };
	static const struct {
		const char *word, *near;
	} rows[] = {
		{ "ssh", "ssh" }, { "SSH", "ssh" }, { "shs", "ssh" }, { "sshh", "ssh" }, { "sh", "ssh" },
		{ "ssh_port", "ssh-ports" },
		{ "trsut", "trust" }, { "trusted", "trust" }, { "tiemout", "timeout" }, { "timeouts", "timeout" },
		{ "", NULL }, { "drift", NULL }, { "ports", NULL }, { "container", NULL }, { "s", NULL },
		{ "xyz", NULL },
		{ "sshsshsshsshsshsshsshsshsshsshsshsshsshsshsshsshsshsshsshsshssh", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *near = word_near(rows[i].word, known);

		assert_string_equal(near ? near : "nothing", rows[i].near ? rows[i].near : "nothing");
	}
	assert_null(word_near("ssh", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoting),
		cmocka_unit_test(splitting),
		cmocka_unit_test(numbers),
		cmocka_unit_test(near_misses),
	};

	return cmocka_run_group_tests_name("word", tests, NULL, NULL);
}
