/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host-setup/fault.h"
#include "host-setup/release.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UPPER "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

static void names(void **state)
{
	struct package package;
	struct fault fault = { 0 };
	char url[RELEASE_URL_MAX];

	(void)state;
	assert_int_equal(package_of(RELEASE_NERDCTL, "2.0.3", "aarch64", &package, &fault), 0);
	assert_string_equal(package.file, "nerdctl-2.0.3-linux-arm64.tar.gz");
	assert_string_equal(package.sums, "SHA256SUMS");
	assert_int_equal(package_url(&package, NULL, package.file, url, &fault), 0);
	assert_string_equal(url,
			    "https://github.com/containerd/nerdctl/releases/download/v2.0.3/nerdctl-2.0.3-linux-arm64.tar.gz");
	assert_int_equal(package_of(RELEASE_CNI, NULL, "x86_64", &package, &fault), 0);
	assert_string_equal(package.file, "cni-plugins-linux-amd64-v1.6.2.tgz");
	assert_string_equal(package.sums, "cni-plugins-linux-amd64-v1.6.2.tgz.sha256");
	assert_int_equal(package_url(&package, "https://mirror.example/x//", "f", url, &fault), 0);
	assert_string_equal(url, "https://mirror.example/x/f");
	assert_true(package_url(&package, "http://mirror.example", "f", url, &fault) < 0);
	assert_true(package_of(RELEASE_CNI, "v1.6.2", "amd64", &package, &fault) < 0);
	assert_true(package_of(RELEASE_CNI, "1.6.2/..", "amd64", &package, &fault) < 0);
	assert_true(package_of(RELEASE_CNI, "1.6.2", "i386", &package, &fault) < 0);
	assert_true(package_of(RELEASE_CNI, "11111111111111111111111111111111", "amd64", &package, &fault) < 0);
}

static void sums(void **state)
{
	static const char *const bad[] = { "", HEX, HEX "  name.x\n", HEX "  x.name\n", HEX " name\n", HEX "   name\n",
					   "g" HEX "  name\n", HEX "0  name\n", "0123  name\n", HEX "\tname\n", HEX "  ./name\n" };
	char ret[SHA256_TEXT] = "untouched";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (sums_find(bad[i], "name", ret) == 0)
			fail_msg("%s", bad[i]);
	assert_string_equal(ret, "untouched");
	assert_int_equal(sums_find("x\n\n" HEX "  other\n" UPPER " *name\r\n" HEX "  name\n", "name", ret), 0);
	assert_string_equal(ret, HEX);
	assert_int_equal(sums_find(HEX "  name", "name", ret), 0);
}

static void hash(void **state)
{
	char ret[SHA256_TEXT];
	FILE *file = tmpfile();

	(void)state;
	fputs("abc", file);
	fflush(file); /* the offset stands at the end: it is read from the beginning all the same */
	assert_int_equal(sha256_of(fileno(file), ret), 0);
	assert_string_equal(ret,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-2, B.1 */
	fclose(file);
	assert_true(sha256_of(-1, ret) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(sums), cmocka_unit_test(hash) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
