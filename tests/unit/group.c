/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fwd/daemon/group.h"

static void finding(void **state)
{
	static const char text[] = "root:x:0:\n# a remark\n\nfwdx:x:7:\nnonsense\nfwd:x:no:\nfwd:x:984:anna,berta\nfwd:x:1:\nlast:x:65533:";
	char path[] = "/tmp/fwd-group-XXXXXX";
	int fd = mkstemp(path);
	gid_t gid = 42;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(group_find(path, "absent", &gid), -ENOENT);
	assert_int_equal(group_find(path, "fw", &gid), -ENOENT);
	assert_int_equal(gid, 42);
	assert_int_equal(group_find(path, "fwd", &gid), 0);
	assert_int_equal(gid, 984);
	assert_int_equal(group_find(path, "last", &gid), 0);
	assert_int_equal(gid, 65533);
	unlink(path);
	assert_int_equal(group_find(path, "fwd", &gid), -ENOENT);
	assert_int_equal(gid, 65533);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
