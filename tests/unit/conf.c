/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd.conf. Texts and what comes of them stand in tests/golden/conf: NAME.in with NAME.ok (the canonical text) or
 * NAME.err ("line:column: what is wrong"). `UPDATE=1 meson test -C build conf` writes the answers anew; read the
 * diff.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/conf.h"

#define PAIRS_MIN 40 /* fewer, and the directory was not found */

static char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 2 * CONF_SIZE_MAX);

	if (!file) {
		free(text);
		return NULL;
	}
	*len = fread(text, 1, 2 * CONF_SIZE_MAX - 1, file);
	fclose(file);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		fail_msg("%s cannot be written", path);
}

/* What comes of a text. The text is copied to where it just fits, so that the sanitizer sees a step too far. */
static char *answer(const char *text, size_t len, bool *ok)
{
	char *exact = malloc(len ? len : 1), *printed = NULL, *again = NULL;
	struct policy policy, back;
	struct diag diag = { 0 };
	int r;

	memcpy(exact, text, len);
	r = conf_parse(exact, len, &policy, &diag);
	free(exact);
	*ok = r == 0;
	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_true(asprintf(&printed, "%u:%u: %s\n", diag.line, diag.column, diag.text) > 0);
		return printed;
	}
	assert_string_equal(diag.text, "");
	assert_int_equal(conf_print(&policy, &printed), 0);
	assert_int_equal(conf_parse(printed, strlen(printed), &back, NULL), 0);
	assert_true(policy_equal(&policy, &back));
	assert_int_equal(conf_print(&back, &again), 0);
	assert_string_equal(printed, again);
	free(again);
	return printed;
}

static char *path_of(const char *dir, const char *name, const char *kind)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s.%s", dir, name, kind) > 0);
	return path;
}

/* Returns whether the pair is as it should be. */
static bool check_pair(const char *dir, const char *name, bool update)
{
	char *in = path_of(dir, name, "in"), *right, *wrong;
	char *text, *made, *expected;
	size_t len = 0, n = 0;
	bool ok, good;

	text = read_file(in, &len);
	assert_non_null(text);
	made = answer(text, len, &ok);
	right = path_of(dir, name, ok ? "ok" : "err");
	wrong = path_of(dir, name, ok ? "err" : "ok");
	if (update) {
		unlink(wrong);
		write_file(right, made);
	}
	expected = read_file(right, &n);
	good = expected && strcmp(expected, made) == 0 && access(wrong, F_OK) < 0;
	if (!good)
		print_error("%s: expected\n%sfound\n%s", name, expected ? expected : "(the other answer)\n", made);
	free(expected);
	free(made);
	free(text);
	free(wrong);
	free(right);
	free(in);
	return good;
}

static int is_golden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void golden(void **state)
{
	const char *source = getenv("TEST_SOURCE"), *update = getenv("UPDATE");
	struct dirent **entries = NULL;
	size_t pairs = 0, answers = 0, bad = 0;
	char dir[PATH_MAX];
	int n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/tests/golden/conf", source ? source : ".");
	n = scandir(dir, &entries, is_golden, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		char *dot = strrchr(entries[i]->d_name, '.');

		if (dot && strcmp(dot, ".in") == 0) {
			*dot = '\0';
			pairs++;
			bad += !check_pair(dir, entries[i]->d_name, update && update[0]);
		} else {
			answers++;
		}
		free(entries[i]);
	}
	free(entries);
	assert_int_equal(bad, 0);
	assert_true(pairs >= PAIRS_MIN);
	if (!update)
		assert_int_equal(answers, pairs);
}

static void untouched(void **state)
{
	const char text[] = "[firewall]\nssh = whitelist\ntimeout = no\n";
	struct policy policy, before;
	struct diag diag = { 0 };

	(void)state;
	memset(&before, 0xaa, sizeof(before));
	policy = before;
	assert_int_equal(conf_parse(text, strlen(text), &policy, NULL), -EINVAL);
	assert_memory_equal(&policy, &before, sizeof(policy));
	assert_int_equal(conf_parse(text, strlen(text), &policy, &diag), -EINVAL);
	assert_int_equal(diag.line, 3);
	assert_int_equal(conf_parse(NULL, 0, &policy, &diag), 0);
	policy_init(&before);
	assert_true(policy_equal(&policy, &before));

	/* a key that fails half-way through its list leaves the policy as it was */
	policy_add_trust(&before, "wg0");
	policy = before;
	assert_int_equal(conf_key(&policy, "firewall", "trust", "eth0 eth1 lo", NULL), -EINVAL);
	assert_true(policy_equal(&policy, &before));
	assert_int_equal(conf_key(&policy, "firewall", "ssh-ports", "22 0", NULL), -EINVAL);
	assert_true(policy_equal(&policy, &before));
}

/* Every value that a key can have comes back. */
static void all_printed(void **state)
{
	struct policy policy, back;
	char name[IFNAMSIZ];
	char *text;

	(void)state;
	for (unsigned i = POLICY_TIMEOUT_MIN; i <= POLICY_TIMEOUT_MAX; i++) {
		policy_init(&policy);
		policy.timeout = i;
		policy.ssh = i % 2 ? SSH_WHITELIST : SSH_ANYONE;
		policy.ssh_auto = i % 3 == 0;
		for (unsigned j = 0; !policy.ssh_auto && j < i % POLICY_SSH_PORTS_MAX + 1; j++)
			policy_add_ssh_port(&policy, (uint16_t)(65535 - j * 4095));
		for (unsigned j = 0; j < i % (POLICY_TRUST_MAX + 1); j++) {
			snprintf(name, sizeof(name), "interface-%05u", j);
			policy_add_trust(&policy, name);
		}
		assert_int_equal(conf_print(&policy, &text), 0);
		assert_int_equal(conf_parse(text, strlen(text), &back, NULL), 0);
		assert_true(policy_equal(&policy, &back));
		free(text);
	}
	assert_int_equal(conf_parse("[firewall]\n", 11, &policy, NULL), 0);
	policy_add_ssh_port(&policy, 22); /* found, not configured */
	assert_int_equal(conf_print(&policy, &text), 0);
	assert_non_null(strstr(text, "\nssh-ports = auto\n"));
	free(text);
}

/* What no text can say is not printed as something else. */
static void unprintable(void **state)
{
	struct policy policy;
	char *text = NULL;

	(void)state;
#define REFUSED(change) do { \
		policy_init(&policy); \
		change; \
		assert_int_equal(conf_print(&policy, &text), -EINVAL); \
		assert_null(text); \
	} while (0)
	REFUSED(policy.timeout = 9);
	REFUSED(policy.timeout = 3601);
	REFUSED(policy.ssh_auto = false);
	REFUSED(policy.n_trust = 1);
	REFUSED((policy.n_trust = 1, strcpy(policy.trust[0], "a b")));
	REFUSED((policy.n_lists = 2, strcpy(policy.lists[1].name, "web")));
	REFUSED(policy.lists[0].n_ports = 1);
}

static int count(const char *section, const char *name, const char *value, struct diag *diag, void *user)
{
	int *calls = user;

	(*calls)++;
	if (!name)
		return strcmp(section, "unwanted") == 0 ? -ENOENT : 0;
	if (strcmp(name, "column") == 0) {
		diag_set(diag, 0, 3, "the third byte");
		return -ERANGE;
	}
	if (strcmp(name, "whole") == 0) {
		diag_set(diag, 0, 0, "all of it");
		return -ERANGE;
	}
	return strcmp(name, "silent") == 0 ? -ENOSPC : 7; /* anything that is not negative goes on */
}

static void walking(void **state)
{
	static const struct {
		const char *text;
		int r, calls;
		unsigned line, column;
		const char *found;
	} rows[] = {
		{ "", 0, 0, 0, 0, "" },
		{ "[a]\n\n[b b]\nx = 1\ny =\n", 0, 4, 0, 0, "" },
		{ "[a]\nx = 1\n[b]\nx = 1", 0, 4, 0, 0, "" },
		{ "[a]\r\nx = 1\r\n\r\ncolumn  =  abc\r\ny = 1\r\n", -ERANGE, 3, 4, 14, "the third byte" },
		{ "[a]\nx = 1\nwhole = abc\ny = 1\n", -ERANGE, 3, 3, 1, "all of it" },
		{ "[a]\nsilent = 1\n[b]\n", -ENOSPC, 2, 2, 1, "[a] silent: No space left on device" },
		{ "[a]\nx = 1\n[unwanted]\ny = 1\n", -ENOENT, 3, 3, 1, "[unwanted]: unknown" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diag diag = { 0 };
		int calls = 0;

		assert_int_equal(conf_walk(rows[i].text, strlen(rows[i].text), count, &calls, &diag), rows[i].r);
		assert_int_equal(calls, rows[i].calls);
		assert_int_equal(diag.line, rows[i].line);
		assert_int_equal(diag.column, rows[i].column);
		assert_string_equal(diag.text, rows[i].found);
		calls = 0;
		assert_int_equal(conf_walk(rows[i].text, strlen(rows[i].text), count, &calls, NULL), rows[i].r);
	}
}

/* Limits, each at its edge and one beyond. */
static void limits(void **state)
{
	static char text[2 * CONF_SIZE_MAX];
	struct policy policy;
	struct diag diag = { 0 };
	int calls = 0;

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(conf_parse(text, CONF_SIZE_MAX, &policy, &diag), 0);
	assert_int_equal(conf_parse(text, CONF_SIZE_MAX + 1, &policy, &diag), -EINVAL);
	assert_string_equal(diag.text, "65537 bytes, of at most 65536");

	for (int many = CONF_NAMES_MAX; many <= CONF_NAMES_MAX + 1; many++) {
		size_t len = 0;

		for (int i = 0; i < many; i++)
			len += (size_t)sprintf(text + len, "[s%d]\n", i);
		assert_int_equal(conf_walk(text, len, count, &calls, NULL), many > CONF_NAMES_MAX ? -EINVAL : 0);
		len = (size_t)sprintf(text, "[s]\n");
		for (int i = 0; i < many; i++)
			len += (size_t)sprintf(text + len, "k%d =\n", i);
		assert_int_equal(conf_walk(text, len, count, &calls, NULL), many > CONF_NAMES_MAX ? -EINVAL : 0);
	}
	for (int longer = 0; longer < 2; longer++) {
		int len = sprintf(text, "[%0*d]\n%0*d =\n", CONF_NAME_MAX, 1, CONF_NAME_MAX + longer, 2);

		assert_int_equal(conf_walk(text, (size_t)len, count, &calls, NULL), longer ? -EINVAL : 0);
		len = sprintf(text, "[%0*d]\n", CONF_NAME_MAX + longer, 1);
		assert_int_equal(conf_walk(text, (size_t)len, count, &calls, NULL), longer ? -EINVAL : 0);
		len = sprintf(text, "[s]\nx = %0*d\r\n", CONF_LINE_MAX - 4 + longer, 1);
		assert_int_equal(conf_walk(text, (size_t)len, count, &calls, NULL), longer ? -EINVAL : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(untouched),
		cmocka_unit_test(all_printed),
		cmocka_unit_test(unprintable),
		cmocka_unit_test(walking),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
