/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every tests/golden/conflist/NAME.in: to NAME.out, and back; or NAME.same: nothing is to do; or NAME.why: refused, with
 * this in the text. "replace" in NAME: with --replace.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host-setup/conflist.h"
#include "host-setup/fault.h"
#include "host-setup/files.h"

static char *read_or_null(const char *base, const char *suffix)
{
	char path[600], *text = NULL;

	snprintf(path, sizeof(path), "%s%s", base, suffix);
	return files_read("", path, &text, NULL) == 0 ? text : NULL;
}

/* The tree as it has to become, made without the code under test. */
static json_t *expected(const char *text)
{
	json_t *tree = json_loads(text, 0, NULL), *plugin;
	size_t n;

	assert_non_null(tree);
	json_array_foreach(json_object_get(tree, "plugins"), n, plugin) {
		const char *type = json_string_value(json_object_get(plugin, "type"));

		if (!type || strcmp(type, "portmap") != 0)
			continue;
		json_object_set_new(plugin, "conditionsV4", json_pack("[s,s,s,s,s]", "-m", "set", "--match-set",
								      "whitelist", "src"));
		json_object_set_new(plugin, "conditionsV6", json_pack("[s,s,s,s,s]", "-m", "set", "--match-set",
								      "whitelist6", "src"));
	}
	return tree;
}

static void edits(const char *name, const char *base, const char *text, bool replace)
{
	char *out = NULL, *back = NULL, *again = NULL, *golden, path[600];
	json_t *was = json_object(), *none = json_object(), *want = expected(text), *got;
	struct fault fault = { 0 };

	if (conflist_edit(text, replace, &out, was, &fault) != 0)
		fail_msg("%s: %s", name, fault.text);
	snprintf(path, sizeof(path), "%s.out", base);
	if (getenv("UPDATE"))
		assert_int_equal(files_write("", path, out, 0644, NULL), 0);
	golden = read_or_null(base, ".out");
	assert_non_null(golden);
	if (strcmp(out, golden) != 0)
		fail_msg("%s becomes\n%s", name, out);
	got = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_equal(got, want));
	/* once is enough, and back it goes to the byte */
	assert_int_equal(conflist_edit(out, false, &again, none, &fault), 1);
	assert_null(again);
	assert_int_equal(json_object_size(none), 0);
	if (conflist_restore(out, was, &back, &fault) != 0)
		fail_msg("%s: back: %s", name, fault.text);
	if (strcmp(back, text) != 0)
		fail_msg("%s comes back as\n%s", name, back);
	free(out), free(back), free(golden);
	json_decref(was), json_decref(none), json_decref(want), json_decref(got);
}

static void golden(void **state)
{
	char pattern[512], base[512];
	size_t edited = 0, refused = 0, same = 0;
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/tests/golden/conflist/*.in", getenv("TEST_SOURCE"));
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + 1;
		bool replace = strstr(name, "replace") != NULL;
		char *text = read_or_null(found.gl_pathv[i], ""), *why, *nothing, *ret = NULL;
		struct fault fault = { 0 };
		json_t *was = json_object();

		snprintf(base, sizeof(base), "%.*s", (int)strlen(found.gl_pathv[i]) - 3, found.gl_pathv[i]);
		why = read_or_null(base, ".why");
		nothing = read_or_null(base, ".same");
		assert_non_null(text);
		if (why) {
			why[strcspn(why, "\n")] = '\0';
			if (conflist_edit(text, replace, &ret, was, &fault) >= 0 || ret || !strstr(fault.text, why))
				fail_msg("%s: \"%s\" and not \"%s\"", name, fault.text, why);
			refused++;
		} else if (nothing) {
			if (conflist_edit(text, replace, &ret, was, &fault) != 1 || ret || json_object_size(was))
				fail_msg("%s: not left alone", name);
			same++;
		} else {
			edits(name, base, text, replace);
			edited++;
		}
		free(text), free(why), free(nothing);
		json_decref(was);
	}
	globfree(&found);
	assert_true(edited >= 20 && refused >= 20 && same >= 2);
}

static void restored(const char *text, json_t *was, const char *want)
{
	struct fault fault = { 0 };
	char *back = NULL;
	int r = conflist_restore(text, was, &back, &fault);

	assert_int_equal(r, want ? 0 : 1);
	if (want)
		assert_string_equal(back, want);
	free(back);
	json_decref(was);
}

#define FOUR "[\"-m\",\"set\",\"--match-set\",\"whitelist\",\"src\"]"
#define SIX "[\"-m\",\"set\",\"--match-set\",\"whitelist6\",\"src\"]"
#define LIST(members) "{\"plugins\":[{" members "}]}"

/* Somebody was there between apply and undo. */
static void changed_since(void **state)
{
	(void)state;
	/* moved to the front, with more behind */
	restored(LIST("\"conditionsV4\": " FOUR " ,  \"type\":\"portmap\",\"conditionsV6\":" SIX ",\"snat\":true"),
		 json_pack("{s:n,s:n}", "conditionsV4", "conditionsV6"), LIST("\"type\":\"portmap\",\"snat\":true"));
	/* theirs now: it stays */
	restored(LIST("\"type\":\"portmap\",\"conditionsV4\":[\"-s\",\"192.0.2.1\"],\"conditionsV6\":" SIX),
		 json_pack("{s:n,s:n}", "conditionsV4", "conditionsV6"),
		 LIST("\"type\":\"portmap\",\"conditionsV4\":[\"-s\",\"192.0.2.1\"]"));
	/* already gone; never ours */
	restored(LIST("\"type\":\"portmap\""), json_pack("{s:n}", "conditionsV4"), NULL);
	restored(LIST("\"type\":\"portmap\",\"conditionsV4\":" FOUR), json_object(), NULL);
	restored(LIST("\"type\":\"portmap\",\"conditionsV4\":" FOUR), json_pack("{s:s}", "conditionsV4", "[ 1 ]"),
		 LIST("\"type\":\"portmap\",\"conditionsV4\":[ 1 ]"));
}

static void no_record_no_harm(void **state)
{
	struct fault fault = { 0 };
	char *ret = NULL;
	/* what is no JSON in a record that somebody edited goes into no file */
	json_t *was = json_pack("{s:s}", "conditionsV4", "1,\"type\":2");

	(void)state;
	assert_true(conflist_restore(LIST("\"type\":\"portmap\",\"conditionsV4\":" FOUR), was, &ret, &fault) < 0);
	assert_null(ret);
	json_decref(was);
	assert_int_equal(conflist_restore("{", NULL, &ret, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "no valid JSON"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(changed_since),
		cmocka_unit_test(no_record_no_harm),
	};

	return cmocka_run_group_tests_name("conflist", tests, NULL, NULL);
}
