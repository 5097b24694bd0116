/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/entry.h"

static void refused(const char *comment, const char *says, unsigned column)
{
	struct diag diag = { 0 };

	assert_int_equal(entry_comment_check(comment, &diag), -EINVAL);
	assert_non_null(strstr(diag.text, says));
	assert_int_equal(diag.column, column);
	assert_int_equal(entry_comment_check(comment, NULL), -EINVAL);
}

static void comments(void **state)
{
	static const char *const good[] = {
		"", "office", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xc2\xa0",
		"Until=5", "until", " until=5", "a-b", "it's # 5",
	};
	char text[ENTRY_COMMENT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(entry_comment_check(good[i], NULL), 0);
	refused("until=5", "until=", 1);
	refused("until=", "until=", 1);
	refused("-q", "-", 1);
	refused("a\nb", "control", 2);
	refused("a\x7f", "control", 2);
	refused("\x1b[31m", "control", 1);
	refused("a\tb", "control", 2);
	refused("\xc2\x80", "control", 1); /* C1 */
	refused("\xc2\x9f", "control", 1);
	refused("a\"b", "\"", 2);
	refused("a\\b", "\\", 2);
	refused("\x80", "UTF-8", 1);
	refused("ab\xc3", "UTF-8", 3);
	refused("\xc0\xaf", "UTF-8", 1);         /* overlong */
	refused("\xc1\xbf", "UTF-8", 1);
	refused("\xe0\x80\xaf", "UTF-8", 1);
	refused("\xf0\x80\x80\xaf", "UTF-8", 1);
	refused("\xed\xa0\x80", "UTF-8", 1);     /* surrogate */
	refused("\xf4\x90\x80\x80", "UTF-8", 1); /* beyond the last */
	refused("\xf5\x80\x80\x80", "UTF-8", 1);
	refused("\xe2\x82", "UTF-8", 1);
	refused("\xff", "UTF-8", 1);

	memset(text, 'x', sizeof(text));
	text[ENTRY_COMMENT_MAX] = '\0';
	assert_int_equal(entry_comment_check(text, NULL), 0);
	text[ENTRY_COMMENT_MAX] = 'x';
	text[ENTRY_COMMENT_MAX + 1] = '\0';
	refused(text, "longer", ENTRY_COMMENT_MAX + 1);
	/* the limit is in bytes: a character that begins within it and ends beyond */
	memcpy(text + ENTRY_COMMENT_MAX - 1, "\xc3\xa9", 3);
	refused(text, "longer", ENTRY_COMMENT_MAX);
}

static void split(const char *text, uint64_t until, const char *comment)
{
	struct entry entry = { .until = 7, .packets = 3, .bytes = 4 };

	memset(entry.comment, 'z', sizeof(entry.comment));
	entry_comment_split(text, &entry);
	assert_int_equal(entry.until, until);
	assert_string_equal(entry.comment, comment);
	assert_int_equal(entry.packets, 3);
	assert_int_equal(entry.bytes, 4);
}

static void splitting(void **state)
{
	(void)state;
	split("", 0, "");
	split("until=5", 5, "");
	split("until=5 ", 5, "");
	split("until=5 x", 5, "x");
	split("until=5  x ", 5, " x ");
	split("until=18446744073709551615 y", UINT64_MAX, "y");
	split("until=18446744073709551616 y", 0, "until=18446744073709551616 y");
	split("until=99999999999999999999 y", 0, "until=99999999999999999999 y");
	split("until=0", 0, "until=0");
	split("until=05", 0, "until=05");
	split("until=-5", 0, "until=-5");
	split("until=+5", 0, "until=+5");
	split("until= 5", 0, "until= 5");
	split("until=5x", 0, "until=5x");
	split("until=", 0, "until=");
	split("Until=5", 0, "Until=5");
	split(" until=5", 0, " until=5");
	split("until=5 until=6 x", 5, "x");
	split("until=5 until=6x", 5, "until=6x");
}

static void joining(void **state)
{
	struct entry entry = { 0 }, back = { 0 };
	char text[ENTRY_KERNEL_COMMENT];

	(void)state;
	assert_int_equal(entry_comment_join(&entry, text), 0);
	assert_string_equal(text, "");
	entry.until = 1700000000;
	assert_int_equal(entry_comment_join(&entry, text), 16);
	assert_string_equal(text, "until=1700000000");
	strcpy(entry.comment, "caf\xc3\xa9");
	assert_int_equal(entry_comment_join(&entry, text), 22);
	assert_string_equal(text, "until=1700000000 caf\xc3\xa9");
	/* the longest of a user fits beside the longest until= */
	entry.until = UINT64_MAX;
	memset(entry.comment, 'x', ENTRY_COMMENT_MAX);
	entry.comment[ENTRY_COMMENT_MAX] = '\0';
	assert_int_equal(entry_comment_join(&entry, text), 6 + 20 + 1 + ENTRY_COMMENT_MAX);
	entry_comment_split(text, &back);
	assert_int_equal(back.until, UINT64_MAX);
	assert_string_equal(back.comment, entry.comment);
	/* one of others is cut, and not within a character */
	entry.until = 0;
	memset(entry.comment, 'x', 255);
	entry.comment[255] = '\0';
	assert_int_equal(entry_comment_join(&entry, text), 255);
	entry.until = 5; /* leaves 247 */
	assert_int_equal(entry_comment_join(&entry, text), 255);
	memcpy(entry.comment + 246, "\xc3\xa9", 2);
	assert_int_equal(entry_comment_join(&entry, text), 254);
	assert_int_equal(text[253], 'x');
	memcpy(entry.comment + 244, "\xf0\x9f\x94\x91", 4);
	assert_int_equal(entry_comment_join(&entry, text), 252);
	/* without its terminator nothing beyond is read */
	memset(entry.comment, 'x', sizeof(entry.comment));
	entry.until = 0;
	assert_int_equal(entry_comment_join(&entry, text), 255);
}

static void timeouts(void **state)
{
	struct entry entry = { 0 };
	uint32_t timeout = 77;

	(void)state;
	assert_int_equal(entry_timeout(&entry, UINT64_MAX, &timeout), 0);
	assert_int_equal(timeout, 0);
	entry.until = 100;
	assert_int_equal(entry_timeout(&entry, 99, &timeout), 0);
	assert_int_equal(timeout, 1);
	assert_int_equal(entry_timeout(&entry, 100, &timeout), -ETIME);
	assert_int_equal(entry_timeout(&entry, 101, &timeout), -ETIME);
	assert_int_equal(timeout, 1);
	entry.until = ENTRY_TIMEOUT_MAX;
	assert_int_equal(entry_timeout(&entry, 0, &timeout), 0);
	assert_int_equal(timeout, ENTRY_TIMEOUT_MAX);
	assert_int_equal(entry_timeout(&entry, 1, &timeout), 0);
	assert_int_equal(timeout, ENTRY_TIMEOUT_MAX - 1);
	entry.until = UINT64_MAX;
	assert_int_equal(entry_timeout(&entry, 0, &timeout), 0);
	assert_int_equal(timeout, ENTRY_TIMEOUT_MAX);
	entry.until = (1ull << 32) + 5; /* must not wrap to 5 */
	assert_int_equal(entry_timeout(&entry, 0, &timeout), 0);
	assert_int_equal(timeout, ENTRY_TIMEOUT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments),
		cmocka_unit_test(splitting),
		cmocka_unit_test(joining),
		cmocka_unit_test(timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
