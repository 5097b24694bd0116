/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "fwd/daemon/admins.h"

#define NOW 1800000000u
#define DAY 86400u

static char dir[] = "/tmp/fwd-admins-XXXXXX", wtmp[64], group[64], passwd[64];
static const struct admins_paths paths = { group, passwd, wtmp };

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, len, out), len);
	fclose(out);
}

static int make(void **state)
{
	static const char groups[] = "root:x:0:\nsudo:x:27:anna,averyveryverylongnamethatnorecordcanholdatall\nadm:x:4:bert\nstaff:x:50:dora\nwheel:x:10:",
			  users[] = "root:x:0:0::/:\ntoor:x:0:0::/:\nclara:x:7:27::/:\ndora:x:8:50::/:\nanna:x:9:9::/:\n";

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(wtmp, sizeof(wtmp), "%s/wtmp", dir);
	snprintf(group, sizeof(group), "%s/group", dir);
	snprintf(passwd, sizeof(passwd), "%s/passwd", dir);
	write_file(group, groups, sizeof(groups) - 1);
	write_file(passwd, users, sizeof(users) - 1);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	unlink(wtmp);
	unlink(group);
	unlink(passwd);
	return rmdir(dir);
}

static struct utmpx record(const char *user, const char *host, const char *addr, uint32_t when)
{
	struct utmpx ret = { .ut_type = USER_PROCESS };

	ret.ut_tv.tv_sec = (__typeof__(ret.ut_tv.tv_sec))when;
	memcpy(ret.ut_user, user, strnlen(user, sizeof(ret.ut_user)));
	memcpy(ret.ut_host, host, strnlen(host, sizeof(ret.ut_host)));
	if (*addr)
		assert_true(inet_pton(strchr(addr, ':') ? AF_INET6 : AF_INET, addr, ret.ut_addr_v6) == 1);
	return ret;
}

struct heard {
	char text[4096];
	size_t n;
};

static int on_login(const struct admin_login *login, void *user)
{
	struct heard *heard = user;
	char from[ADDR_TEXT_MAX];
	size_t len = strlen(heard->text);

	addr_format(&login->from, from);
	if (heard->n++ < 16)
		snprintf(heard->text + len, sizeof(heard->text) - len, "%s %s %u\n", login->user, from, NOW - (unsigned)login->when);
	return 0;
}

static void check(const struct utmpx *records, size_t n, size_t tail, const char *want)
{
	struct heard heard = { 0 };

	write_file(wtmp, records, n * sizeof(*records) + tail);
	assert_int_equal(admins_logins(&paths, NOW - 90 * DAY, NOW, on_login, &heard), 0);
	assert_string_equal(heard.text, want);
}

static void who_counts(void **state)
{
	struct utmpx records[] = {
		record("root", "192.0.2.1", "", NOW - 8), record("anna", "192.0.2.2", "", NOW - 7), record("bert", "192.0.2.3", "", NOW - 6),
		record("clara", "192.0.2.4", "", NOW - 5), record("toor", "192.0.2.5", "", NOW - 4), record("dora", "192.0.2.6", "", NOW - 3),
		record("", "192.0.2.7", "", NOW - 2), record("roo", "192.0.2.8", "", NOW - 1),
		record("averyveryverylongnamethatnorecor", "192.0.2.9", "", NOW),
	};

	(void)state;
	check(records, sizeof(records) / sizeof(*records), 0,
	      "toor 192.0.2.5 4\nclara 192.0.2.4 5\nbert 192.0.2.3 6\nanna 192.0.2.2 7\nroot 192.0.2.1 8\n");
}

static void from_where(void **state)
{
	struct utmpx records[] = {
		record("root", "2001:db8::1", "192.0.2.9", NOW), record("root", "desk.example", "192.0.2.2", NOW),
		record("root", "desk.example", "2001:db8::2", NOW), record("root", "desk.example", "::ffff:192.0.2.3", NOW),
		record("root", ":0", "", NOW), record("root", "tmux(7).%0", "", NOW), record("root", "", "", NOW),
	};
	struct utmpx full = record("root", "", "192.0.2.4", NOW);

	(void)state;
	memset(full.ut_host, '1', sizeof(full.ut_host)); /* no NUL at its end */
	records[6] = full;
	check(records, 7, 0, "root 192.0.2.4 0\nroot 192.0.2.3 0\nroot 2001:db8::2 0\nroot 192.0.2.2 0\nroot 2001:db8::1 0\n");
}

static void when(void **state)
{
	struct utmpx records[] = {
		record("root", "192.0.2.1", "", 0), record("root", "192.0.2.2", "", NOW - 90 * DAY - 1),
		record("root", "192.0.2.3", "", NOW - 90 * DAY), record("root", "192.0.2.4", "", NOW + 1),
		record("root", "192.0.2.5", "", UINT32_MAX), record("root", "192.0.2.6", "", NOW),
	};

	(void)state;
	check(records, 6, 0, "root 192.0.2.6 0\nroot 192.0.2.3 7776000\n");
	records[5].ut_type = DEAD_PROCESS;
	records[2].ut_type = LOGIN_PROCESS;
	check(records, 6, 0, "");
}

static void damaged(void **state)
{
	struct utmpx records[3] = { record("root", "192.0.2.1", "", NOW), record("root", "192.0.2.2", "", NOW),
				    record("root", "192.0.2.3", "", NOW) };
	struct heard heard = { 0 };

	(void)state;
	check(records, 0, 0, "");
	check(records, 0, 100, "");
	check(records, 2, sizeof(*records) - 1, "root 192.0.2.2 0\nroot 192.0.2.1 0\n");
	memset(&records[1], 0xff, sizeof(*records));
	check(records, 3, 0, "root 192.0.2.3 0\nroot 192.0.2.1 0\n");
	unlink(wtmp);
	assert_int_equal(admins_logins(&paths, 0, NOW, on_login, &heard), -ENOENT);
	assert_int_equal(mkfifo(wtmp, 0600), 0); /* nobody writes: to wait would be for ever */
	assert_int_equal(admins_logins(&paths, 0, NOW, on_login, &heard), -EINVAL);
	unlink(wtmp);
	assert_int_equal(mkdir(wtmp, 0700), 0);
	assert_int_equal(admins_logins(&paths, 0, NOW, on_login, &heard), -EINVAL);
	rmdir(wtmp);
	assert_int_equal(heard.n, 0);
}

/* More than is read: the oldest are left out, whatever the file's size. */
static void huge(void **state)
{
	struct utmpx one = record("root", "192.0.2.1", "", NOW - 1), last = record("root", "192.0.2.2", "", NOW);
	struct heard heard = { 0 };
	FILE *out = fopen(wtmp, "w");

	(void)state;
	assert_non_null(out);
	for (unsigned i = 0; i < ADMINS_RECORDS_MAX + 100; i++)
		assert_int_equal(fwrite(&one, sizeof(one), 1, out), 1);
	assert_int_equal(fseeko(out, (off_t)8 << 30, SEEK_SET), 0); /* a hole of 8 GiB: zeros */
	fwrite("", 1, 1, out);
	fclose(out);
	assert_int_equal(admins_logins(&paths, 0, NOW, on_login, &heard), 0);
	assert_int_equal(heard.n, 0);
	out = fopen(wtmp, "w");
	for (unsigned i = 0; i < ADMINS_RECORDS_MAX + 100; i++)
		fwrite(i == ADMINS_RECORDS_MAX + 99 ? &last : &one, sizeof(one), 1, out);
	fclose(out);
	assert_int_equal(admins_logins(&paths, 0, NOW, on_login, &heard), 0);
	assert_int_equal(heard.n, ADMINS_RECORDS_MAX);
	assert_memory_equal(heard.text, "root 192.0.2.2 0\n", 17);
}

static int stop(const struct admin_login *login, void *user)
{
	(void)login;
	return ++*(int *)user == 2 ? 4711 : 0;
}

static void ended_by_the_caller(void **state)
{
	struct utmpx records[3] = { record("root", "192.0.2.1", "", NOW), record("root", "192.0.2.2", "", NOW),
				    record("root", "192.0.2.3", "", NOW) };
	int n = 0;

	(void)state;
	write_file(wtmp, records, sizeof(records));
	assert_int_equal(admins_logins(&paths, 0, NOW, stop, &n), 4711);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_counts), cmocka_unit_test(from_where), cmocka_unit_test(when),
		cmocka_unit_test(damaged),    cmocka_unit_test(huge),	    cmocka_unit_test(ended_by_the_caller),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
