/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A firewall that only looks at what it is asked, for those who test the verbs. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition) do { \
		if (!(condition)) { \
			fprintf(stderr, "not so: %s\n", #condition); \
			abort(); \
		} \
	} while (0)

struct firewall_stub {
	bool root;    /* the caller is: only then may anything change */
	bool fails;   /* every call, after half of its work */
	bool dry_run; /* was asked for */
};
extern struct firewall_stub stub;
