/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/setfile.h"

#define SEED 20240711u
#define ROUNDS 200000

/* The line lies at the very end of its allocation, so that the sanitizer sees a read beyond. */
static int parse(const char *text, size_t len, struct set_line *ret, struct diag *diag)
{
	char *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, text, len);
	r = setfile_parse_line(copy, len, ret, diag);
	free(copy);
	return r;
}

static struct set_line good(const char *text)
{
	struct set_line line;
	struct diag diag = { 0 };
	int r;

	memset(&line, 0xee, sizeof(line));
	r = parse(text, strlen(text), &line, &diag);
	if (r != 0)
		print_error("%s: %s\n", text, diag.text);
	assert_int_equal(r, 0);
	return line;
}

static void bad(const char *text, unsigned column)
{
	struct set_line line;
	struct diag diag = { 0 };

	memset(&line, 0xee, sizeof(line));
	if (parse(text, strlen(text), &line, &diag) != -EINVAL)
		fail_msg("taken: %s", text);
	assert_true(diag.text[0]);
	if (diag.column != column)
		fail_msg("%s: column %u (%s)", text, diag.column, diag.text);
	for (size_t i = 0; i < sizeof(line); i++)
		assert_int_equal(((unsigned char *)&line)[i], 0xee);
}

static bool net_is(const struct set_line *line, const char *text)
{
	struct cidr cidr;

	return line->is_net && cidr_parse(text, &cidr, NULL) == 0 && cidr_equal(&cidr, &line->entry.net);
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		enum set_line_kind kind;
		const char *set;
	} lines[] = {
		{ "", SET_LINE_EMPTY, "" },		{ " \t ", SET_LINE_EMPTY, "" },
		{ "\r", SET_LINE_EMPTY, "" },		{ "# add w 1.2.3.4 \"", SET_LINE_EMPTY, "" },
		{ "  # x", SET_LINE_EMPTY, "" },	{ "COMMIT", SET_LINE_COMMIT, "" },
		{ "COMMIT\r", SET_LINE_COMMIT, "" },	{ "commit", SET_LINE_OTHER, "" },
		{ "swap a b", SET_LINE_OTHER, "" },	{ "quit", SET_LINE_OTHER, "" },
		{ "-q", SET_LINE_OTHER, "bad" },	{ "flush w", SET_LINE_FLUSH, "w" },
		{ "flush", SET_LINE_FLUSH, "" },	{ "-F w", SET_LINE_FLUSH, "w" },
		{ "destroy w -q", SET_LINE_DESTROY, "w" }, { "x", SET_LINE_DESTROY, "" },
		{ "-X w", SET_LINE_DESTROY, "w" },	{ "add w 1.2.3.4", SET_LINE_ADD, "w" },
		{ "-A w 1.2.3.4", SET_LINE_ADD, "w" },	{ "--add w 1.2.3.4", SET_LINE_ADD, "w" },
		{ "a w 1.2.3.4", SET_LINE_ADD, "w" },	{ "del w 1.2.3.4", SET_LINE_DEL, "w" },
		{ "-D w 1.2.3.4", SET_LINE_DEL, "w" },	{ "d w 1.2.3.4", SET_LINE_DEL, "w" },
		{ "de w 1.2.3.4", SET_LINE_DEL, "w" },	{ "des w", SET_LINE_DESTROY, "w" },
		{ "-! add w 1.2.3.4", SET_LINE_ADD, "w" }, { "add -exist w 1.2.3.4 --quiet", SET_LINE_ADD, "w" },
		{ "\tadd\t\"w\"  \"1.2.3.4\" ", SET_LINE_ADD, "w" }, { "ADD w 1.2.3.4", SET_LINE_OTHER, "" },
		{ "create w hash:net", SET_LINE_CREATE, "w" }, { "-N w hash:net", SET_LINE_CREATE, "w" },
		{ "n w hash:net", SET_LINE_CREATE, "w" }, { "-A", SET_LINE_ADD, "bad" },
		{ "add 1234567890123456789012345678901 1.2.3.4", SET_LINE_ADD, "1234567890123456789012345678901" },
		{ "--", SET_LINE_OTHER, "" },		{ "\"\"", SET_LINE_OTHER, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct set_line line;

		if (strcmp(lines[i].set, "bad") == 0) {
			assert_int_equal(parse(lines[i].text, strlen(lines[i].text), &line, NULL), -EINVAL);
			continue;
		}
		line = good(lines[i].text);
		if (line.kind != lines[i].kind)
			fail_msg("%s is of kind %d", lines[i].text, line.kind);
		assert_string_equal(line.set, lines[i].set);
	}
}

static void adds(void **state)
{
	struct set_line line;

	(void)state;
	line = good("add w 10.0.0.0/8 timeout 99 nomatch packets 5 bytes 6 comment \"hello  world\"\r");
	assert_true(net_is(&line, "10.0.0.0/8"));
	assert_true(line.has_timeout && line.nomatch && !line.is_range);
	assert_int_equal(line.timeout, 99);
	assert_int_equal(line.entry.packets, 5);
	assert_int_equal(line.entry.bytes, 6);
	assert_int_equal(line.entry.until, 0);
	assert_string_equal(line.entry.comment, "hello  world");
	line = good("add w 2001:db8::/32 comment until=7 bytes 18446744073709551615");
	assert_true(net_is(&line, "2001:db8::/32"));
	assert_false(line.has_timeout || line.nomatch);
	assert_int_equal(line.entry.until, 7);
	assert_int_equal(line.entry.bytes, UINT64_MAX);
	assert_string_equal(line.entry.comment, "");
	line = good("add w 1.2.3.4/24 --timeout 0x10 --comment \"until=9 caf\xc3\xa9\"");
	assert_true(net_is(&line, "1.2.3.0/24")); /* as ipset does */
	assert_int_equal(line.timeout, 16);
	assert_int_equal(line.entry.until, 9);
	assert_string_equal(line.entry.comment, "caf\xc3\xa9");
	line = good("add w 1.2.3.4 timeout 0");
	assert_true(line.has_timeout && line.timeout == 0);
	line = good("add w 1.2.3.4 timeout 010");
	assert_int_equal(line.timeout, 8);
	line = good("add w 1.2.3.4 timeout 2147483");
	assert_int_equal(line.timeout, ENTRY_TIMEOUT_MAX);
	line = good("add w 0.0.0.0/0");
	assert_true(line.is_net && line.entry.net.len == 0);
	line = good("add w 1.2.3.0-1.2.3.9 comment x");
	assert_true(line.is_range && !line.is_net);
	assert_int_equal(line.from.bytes[3], 0);
	assert_int_equal(line.to.bytes[3], 9);
	/* other types: no network, no error */
	static const char *const foreign[] = {
		"add d 1.2.3.4,tcp:22 skbmark 0x1/0xff skbprio 1:10 skbqueue 3", "add f 10.0.0.0/8,physdev:eth0 wildcard",
		"add c whitelist before other timeout 59 comment \"x\"", "add m 00:11:22:33:44:55", "add b 22-80", "add b 22",
		"add w host.example", "add w 010.1.1.1", "add w 1.2.3.4/032", "add w 1.2.3.9-1.2.3.0", "add w ::1-::2",
		"add w ::ffff:1.2.3.4", "add w 1.2.3.4-", "add w my-set", "add w \"\"",
	};
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		line = good(foreign[i]);
		assert_false(line.is_net || line.is_range);
		assert_int_equal(line.kind, SET_LINE_ADD);
	}
}

static void creates(void **state)
{
	struct set_line line;

	(void)state;
	line = good("create whitelist hash:net family inet hashsize 1024 maxelem 4294967295 timeout 0 counters comment "
		    "bucketsize 12 initval 0xdbabbae4");
	assert_string_equal(line.type, "hash:net");
	assert_int_equal(line.family, AF_INET);
	assert_true(line.has_timeout && line.comment_ext && line.counters_ext);
	assert_int_equal(line.timeout, 0);
	assert_int_equal(line.maxelem, 4294967295);
	line = good("create w6 hash:net family inet6 hashsize 64 maxelem 65536 bucketsize 4 initval 0x1");
	assert_int_equal(line.family, AF_INET6);
	assert_false(line.has_timeout || line.comment_ext || line.counters_ext);
	assert_int_equal(line.maxelem, 65536);
	assert_int_equal(good("-N w nethash -6").family, AF_INET6);
	assert_string_equal(good("-N w nethash -6").type, "hash:net");
	assert_string_equal(good("create w setlist --size 8").type, "list:set");
	assert_int_equal(good("create w hash:ip,port --timeout 4 --family ipv6").family, AF_INET6);
	assert_int_equal(good("create w hash:net").family, AF_INET);
	assert_int_equal(good("create w hash:net").maxelem, 0);
	assert_int_equal(good("create w hash:mac hashsize 1024").family, 0);
	assert_int_equal(good("create c list:set size 8 timeout 60 comment").family, 0);
	assert_int_equal(good("create c list:set size 8 timeout 60 comment").timeout, 60);
	assert_int_equal(good("create a bitmap:ip range 10.0.0.0-10.0.0.255").family, 0);
	line = good("create a future:thing whatever 5 bitmask 255.255.0.0 comment");
	assert_string_equal(line.type, "future:thing");
	assert_true(line.comment_ext);
	assert_int_equal(line.family, 0);
	bad("create w", 8);
	bad("create w hash:net maxelem", 19);
	bad("create w hash:net timeout 2147484", 27);
	bad("create w hash:net maxelem 4294967296", 27);
	bad("create w hash:net family INET6", 26);
	bad("create w hash:net6789012345678901234567890123456789", 10);
}

static void refusals(void **state)
{
	struct set_line line;
	char text[2048];

	(void)state;
	bad("add", 1);
	bad("add w", 5);
	bad("add 12345678901234567890123456789012 1.2.3.4", 5);
	bad("add \"\" 1.2.3.4", 6);
	bad("add w 1.2.3.4 # x", 15);
	bad("add w 1.2.3.4 1.2.3.5", 15);
	bad("add w 1.2.3.4 COMMENT x", 15);
	bad("add w 1.2.3.4 -comment x", 15);
	bad("add w 1.2.3.4 comment", 15);
	bad("add w 1.2.3.4 comment \"\"", 24);
	bad("add w 1.2.3.4 comment \"-q\"", 15);
	bad("add w 1.2.3.4 comment \"-file\"", 24);
	bad("add w 1.2.3.4 comment \"a", 24);
	bad("add w 1.2.3.4 comment a\"b\"", 23);
	bad("add w 1.2.3.4 comment \"a\"b", 24);
	bad("add w 1.2.3.4 comment \"a\" \"b\"", 28);
	bad("add w 1.2.3.4 timeout 5 timeout 6", 25);
	bad("add w 1.2.3.4 timeout 2147484", 23);
	bad("add w 1.2.3.4 timeout -1", 23);
	bad("add w 1.2.3.4 timeout 5s", 23);
	bad("add w 1.2.3.4 timeout \" 5\"", 24);
	bad("add w 1.2.3.4 bytes 18446744073709551616", 21);
	bad("add w 1.2.3.4 packets x", 23);
	bad("del w 1.2.3.4 foo", 15);
	bad("flush w x", 9);
	bad("add w 1.2.3.4\nadd", 0);
	bad("-o xml add w 1.2.3.4", 1);
	bad("-exist", 0);
	assert_int_equal(parse("add w 1.2.3.4\0", 14, &line, NULL), -EINVAL);
	assert_int_equal(parse("add w 1.2.3.4/3\0\0\0", 18, &line, NULL), -EINVAL);
	assert_int_equal(parse("#\0", 2, &line, NULL), -EINVAL);
	/* lengths: the line, the comment, the number of words */
	memset(text, '#', sizeof(text));
	assert_int_equal(parse(text, SETFILE_LINE_MAX, &line, NULL), 0);
	text[SETFILE_LINE_MAX] = '\r';
	assert_int_equal(parse(text, SETFILE_LINE_MAX + 1, &line, NULL), 0);
	assert_int_equal(parse(text, SETFILE_LINE_MAX + 2, &line, NULL), -EINVAL);
	memset(text, 'x', sizeof(text));
	memcpy(text, "add w 1.2.3.4 comment ", 22);
	assert_int_equal(parse(text, 22 + 255, &line, NULL), 0);
	assert_int_equal(strlen(line.entry.comment), 255);
	assert_int_equal(parse(text, 22 + 256, &line, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? ' ' : 'x';
	assert_int_equal(parse(text, 2 * 64, &line, NULL), -EINVAL); /* "x x": destroy with words behind it */
	text[0] = 'w';
	assert_int_equal(parse(text, 2 * 64, &line, NULL), 0);
	assert_int_equal(parse(text, 2 * 65, &line, NULL), -EINVAL);
	text[SETFILE_LINE_MAX - 1] = '"';
	assert_int_equal(parse(text, SETFILE_LINE_MAX, &line, NULL), -EINVAL);
}

static void formats(void **state)
{
	struct entry entry = { .until = 1100, .comment = "office" };
	char text[SETFILE_LINE_MAX];
	int n;

	(void)state;
	assert_int_equal(cidr_parse("192.0.2.0/24", &entry.net, NULL), 0);
	n = setfile_format_create("whitelist", AF_INET, text, sizeof(text));
	assert_string_equal(text, "create whitelist hash:net family inet hashsize 1024 maxelem 4294967295 timeout 0 counters comment\n");
	assert_int_equal(n, strlen(text));
	assert_true(setfile_format_create("whitelist6", AF_INET6, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, " family inet6 "));
	assert_int_equal(setfile_format_create("w", 0, text, sizeof(text)), -EINVAL);
	assert_int_equal(setfile_format_create("whitelist", AF_INET, text, (size_t)n), -ENOSPC);
	assert_int_equal(setfile_format_create("whitelist", AF_INET, text, (size_t)n + 1), n);

	n = setfile_format_add("w", &entry, 1000, text, sizeof(text));
	assert_string_equal(text, "add w 192.0.2.0/24 timeout 100 comment \"until=1100 office\"\n");
	assert_int_equal(n, strlen(text));
	assert_int_equal(setfile_format_add("w", &entry, 1000, text, (size_t)n), -ENOSPC);
	assert_int_equal(setfile_format_add("w", &entry, 1000, text, (size_t)n + 1), n);
	assert_int_equal(setfile_format_add("w", &entry, 1100, text, sizeof(text)), -ETIME);
	entry.until = 0;
	entry.comment[0] = '\0';
	entry.net.len = 32;
	entry.bytes = 60;
	assert_true(setfile_format_add("w", &entry, 1000, text, sizeof(text)) > 0);
	assert_string_equal(text, "add w 192.0.2.0 timeout 0 packets 0 bytes 60\n");
	assert_int_equal(setfile_format_del("w", &entry.net, text, sizeof(text)), 16);
	assert_string_equal(text, "del w 192.0.2.0\n");
	assert_int_equal(setfile_format_del("w", &entry.net, text, 16), -ENOSPC);

	static const char *const comments[] = { "a\"b", "a\nb", "-q", "-exist", "--output" };
	for (size_t i = 0; i < sizeof(comments) / sizeof(*comments); i++) {
		strcpy(entry.comment, comments[i]);
		assert_int_equal(setfile_format_add("w", &entry, 0, text, sizeof(text)), -EINVAL);
	}
	entry.comment[0] = '\0';
	entry.nomatch = true;
	assert_int_equal(setfile_format_add("w", &entry, 0, text, sizeof(text)), -EINVAL);
	entry.nomatch = false;
	static const char *const names[] = { "", "a b", "a\"", "-q", "a\n", "caf\xc3\xa9", "12345678901234567890123456789012" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(setfile_format_add(names[i], &entry, 0, text, sizeof(text)), -EINVAL);
		assert_int_equal(setfile_format_del(names[i], &entry.net, text, sizeof(text)), -EINVAL);
		assert_int_equal(setfile_format_create(names[i], AF_INET, text, sizeof(text)), -EINVAL);
	}
	entry.net.len = 0;
	assert_int_equal(setfile_format_add("w", &entry, 0, text, sizeof(text)), -EINVAL);
	assert_int_equal(setfile_format_del("w", &entry.net, text, sizeof(text)), -EINVAL);
}

static void random_entry(struct entry *entry)
{
	struct addr addr = { .family = rand() % 2 ? AF_INET : AF_INET6 };
	size_t n = rand() % 3 ? (size_t)rand() % 30 : (size_t)rand() % (ENTRY_COMMENT_MAX + 1);

	memset(entry, 0, sizeof(*entry));
	for (unsigned i = 0; i < addr_bits(addr.family) / 8; i++)
		addr.bytes[i] = (uint8_t)rand();
	entry->net = cidr_of(&addr, 1 + (unsigned)rand() % addr_bits(addr.family));
	entry->until = rand() % 2 ? 1 + (uint64_t)rand() : 0;
	entry->packets = rand() % 2 ? (uint64_t)rand() * (uint64_t)rand() : 0;
	entry->bytes = rand() % 2 ? (uint64_t)rand() : 0;
	for (size_t i = 0; i < n; i++)
		do
			entry->comment[i] = (char)(' ' + rand() % 95);
		while (entry->comment[i] == '"' || entry->comment[i] == '\\' || (i == 0 && entry->comment[i] == '-'));
	assert_int_equal(entry_comment_check(entry->comment, NULL), 0);
}

static void round_trips(void **state)
{
	char text[SETFILE_LINE_MAX];

	(void)state;
	print_message("# seed %u\n", SEED);
	srand(SEED);
	for (int i = 0; i < ROUNDS; i++) {
		struct set_line line;
		struct entry entry;
		uint64_t now = (uint64_t)rand();
		uint32_t timeout;
		int n;

		random_entry(&entry);
		n = setfile_format_add("whitelist", &entry, now, text, sizeof(text));
		if (entry_timeout(&entry, now, &timeout) < 0) {
			assert_int_equal(n, -ETIME);
			continue;
		}
		assert_true(n > 0 && n <= SETFILE_LINE_MAX);
		assert_int_equal(text[n - 1], '\n');
		assert_int_equal(parse(text, (size_t)n - 1, &line, NULL), 0);
		assert_int_equal(line.kind, SET_LINE_ADD);
		assert_true(line.is_net && line.has_timeout && cidr_equal(&line.entry.net, &entry.net));
		assert_int_equal(line.timeout, timeout);
		assert_int_equal(line.entry.until, entry.until);
		assert_true(line.entry.packets == entry.packets && line.entry.bytes == entry.bytes);
		assert_string_equal(line.entry.comment, entry.comment);
		n = setfile_format_del("whitelist", &entry.net, text, sizeof(text));
		assert_int_equal(parse(text, (size_t)n - 1, &line, NULL), 0);
		assert_true(line.kind == SET_LINE_DEL && line.is_net && cidr_equal(&line.entry.net, &entry.net));
	}
}

/* Whatever the bytes: no crash, no read beyond, no touch on failure. */
static void garbage(void **state)
{
	static const char letters[] = "add del create w hash:net 1.2.3.4/24 timeout comment \"\"\"--\t\r#until=5 nomatch \x80";

	(void)state;
	srand(SEED + 1);
	for (int i = 0; i < ROUNDS; i++) {
		char text[128];
		size_t len = (size_t)rand() % sizeof(text);
		struct set_line line;

		for (size_t at = 0; at < len; at++)
			text[at] = letters[(size_t)rand() % (sizeof(letters) - 1)];
		if (rand() % 2 && len > 16)
			memcpy(text, "add w 1.2.3.4 ", 14);
		parse(text, len, &line, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(adds),
		cmocka_unit_test(creates),
		cmocka_unit_test(refusals),
		cmocka_unit_test(formats),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
