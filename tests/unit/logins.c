/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a process up to the console, over a /proc of the test's own: what cannot be had by real sessions, or not everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fwd/daemon/logins.h"
#include "fwd/daemon/process.h"

#define TTY1 (4 << 8 | 1)
#define TTYS0 (4 << 8 | 64)
#define HVC0 (229 << 8)
#define PTS3 (136 << 8 | 3)

static char root[64];

static int remove_tree(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) ? -1 : 0;
}

static int make_tree(void **state)
{
	strcpy(root, "/tmp/fwd-logins-XXXXXX");
	process_root = root;
	return mkdtemp(root) ? 0 : -1;
}

static void put(int pid, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(int pid, const char *name, const char *format, ...)
{
	char path[128];
	va_list args;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%d/%s", root, pid, name);
	file = fopen(path, "w");
	assert_non_null(file);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	fclose(file);
}

static void put_start(int pid, const char *name, int parent, int tty, int start)
{
	put(pid, "stat", "%d (%s) S %d %d %d %d -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 123 45 6\n",
	    pid, name, parent, pid, pid, tty, start);
}

/* A process that began at @pid. */
static void add(int pid, int parent, const char *program, unsigned uid, int tty)
{
	char path[128], target[128];

	snprintf(path, sizeof(path), "%s/%d", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/fd", root, pid);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/exe", root, pid);
	snprintf(target, sizeof(target), "/usr/bin/%s", program);
	assert_int_equal(symlink(target, path), 0);
	put_start(pid, program, parent, tty, pid);
	put(pid, "status", "Name:\t%.15s\nUmask:\t0022\nUid:\t%u\t%u\t%u\t%u\nGid:\t0\t0\t0\t0\n", program, uid, uid, uid, uid);
}

/* init - @getty on @tty - a shell - sudo - what asks, on a terminal of sudo's */
static enum login_kind typed_at(const char *getty, unsigned uid, int tty)
{
	struct login login;

	add(1, 0, "systemd", 0, 0);
	add(10, 1, getty, uid, tty);
	add(11, 10, "bash", 1000, tty);
	add(12, 11, "sudo", 0, tty);
	add(13, 12, "fwctl", 0, PTS3);
	return logins_of(13, &login);
}

#define CASE(name, want, getty, uid, tty)                          \
	static void name(void **state)                             \
	{                                                          \
		assert_int_equal(typed_at(getty, uid, tty), want); \
	}

CASE(console, LOGIN_CONSOLE, "login", 0, TTY1)
CASE(console_replaced, LOGIN_CONSOLE, "login (deleted)", 0, TTY1) /* by an upgrade */
CASE(console_serial, LOGIN_CONSOLE, "agetty", 0, TTYS0)
CASE(console_of_hypervisor, LOGIN_CONSOLE, "login", 0, HVC0)
CASE(console_rescue, LOGIN_CONSOLE, "sulogin", 0, TTY1)
CASE(no_console, LOGIN_OTHER, "login", 0, PTS3) /* telnetd */
CASE(no_terminal, LOGIN_OTHER, "login", 0, 0)
CASE(no_getty, LOGIN_OTHER, "service", 0, TTY1)
CASE(getty_of_a_user, LOGIN_OTHER, "login", 1000, TTY1)
CASE(sshd_between, LOGIN_OTHER, "sshd", 0, TTY1)
CASE(multiplexer_between, LOGIN_OTHER, "tmux", 0, 0)

static void getty_with_two_users(void **state)
{
	static const char *const uids[] = { "1000\t0\t0\t0", "0\t1000\t0\t0", "0\t0\t1000\t0", "0\t0\t0\t1000" };
	struct login login;

	typed_at("login", 0, TTY1);
	for (size_t i = 0; i < sizeof(uids) / sizeof(*uids); i++) {
		put(10, "status", "Name:\tlogin\nUid:\t%s\n", uids[i]);
		assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
	}
	put(10, "status", "Name:\tx\\nUid:\t0\t0\t0\t0\nUid:\t1000\t1000\t1000\t1000\n");
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
}

static void sshd_of_a_console(void **state)
{
	struct login login;

	typed_at("login", 0, TTY1);
	add(20, 12, "sshd-session", 1000, 0);
	add(21, 20, "bash", 1000, PTS3);
	assert_int_equal(logins_of(21, &login), LOGIN_OTHER);
}

static void program_unknown(void **state)
{
	char path[128];
	struct login login;

	typed_at("login", 0, TTY1);
	snprintf(path, sizeof(path), "%s/11/exe", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
}

static void names_are_names(void **state)
{
	struct login login;

	typed_at("login", 0, TTY1);
	put_start(11, "a) S 1 1 1 0 (b", 10, TTY1, 11);
	assert_int_equal(logins_of(13, &login), LOGIN_CONSOLE);
	put_start(11, "a) S 10 1 1 1025 (b", 1, 0, 11);
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
}

/* A number that was given anew: the parent is younger than its child. */
static void parent_is_another(void **state)
{
	struct login login;

	typed_at("login", 0, TTY1);
	put_start(10, "login", 1, TTY1, 12);
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
}

static void parent_is_gone(void **state)
{
	struct login login;

	typed_at("login", 0, TTY1);
	put_start(12, "sudo", 99, TTY1, 12);
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
	assert_int_equal(logins_of(99, &login), LOGIN_OTHER);
}

static void garbage(void **state)
{
	static const char *const stats[] = { "", "11", "11 (bash", "11 )bash(", "11 (bash) S", "11 (bash) S x y z", "\n" };
	struct login login;

	typed_at("login", 0, TTY1);
	for (size_t i = 0; i < sizeof(stats) / sizeof(*stats); i++) {
		put(11, "stat", "%s", stats[i]);
		assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
	}
	put_start(11, "bash", 10, TTY1, 11);
	assert_int_equal(logins_of(13, &login), LOGIN_CONSOLE);
	put(10, "status", "Name:\tlogin\n");
	assert_int_equal(logins_of(13, &login), LOGIN_OTHER);
}

static void circle(void **state)
{
	struct login login;

	add(20, 21, "bash", 1000, TTY1);
	add(21, 20, "bash", 1000, TTY1);
	put_start(20, "bash", 21, TTY1, 20);
	put_start(21, "bash", 20, TTY1, 20);
	assert_int_equal(logins_of(20, &login), LOGIN_OTHER);
}

static enum login_kind typed_deep(int depth)
{
	struct login login;

	typed_at("login", 0, TTY1);
	for (int i = 0; i < depth; i++)
		add(14 + i, 13 + i, "bash", 0, TTY1);
	return logins_of(13 + depth, &login);
}

static void deep(void **state)
{
	assert_int_equal(typed_deep(200), LOGIN_CONSOLE);
}

static void too_deep(void **state)
{
	assert_int_equal(typed_deep(300), LOGIN_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(console), TEST(console_replaced), TEST(console_serial), TEST(console_of_hypervisor), TEST(console_rescue),
		TEST(no_console), TEST(no_terminal), TEST(no_getty), TEST(getty_of_a_user), TEST(sshd_between),
		TEST(multiplexer_between), TEST(getty_with_two_users), TEST(sshd_of_a_console), TEST(program_unknown),
		TEST(names_are_names), TEST(parent_is_another), TEST(parent_is_gone), TEST(garbage), TEST(circle), TEST(deep),
		TEST(too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
