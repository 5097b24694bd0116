/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where administrators logged in from: root, others with its number, and members of the groups sudo, adm and wheel, as this
 * host's own files name them; from where and when, wtmp tells.
 *
 * wtmp is a witness, not a proof: it is written by login programs, and can be cut short, damaged, or left behind by another
 * clock. It is read from its end, and at most ADMINS_RECORDS_MAX records of it.
 */
#include <stdint.h>

#include "rules/addr.h"

#define ADMINS_RECORDS_MAX 65536 /* 25 MB of wtmp */
#define ADMINS_NAMES_MAX 1024

struct admins_paths {
	const char *group, *passwd, *wtmp;
};
extern const struct admins_paths admins_of_host;

struct admin_login {
	char user[33];
	struct addr from;
	uint64_t when; /* epoch seconds */
};

/* Logins of administrators over the network between @since and @now, the latest first, as often as they logged in. A non-zero
 * answer of @each ends it and is returned. -ENOENT: there is no wtmp (some systems keep another database), so that nothing is
 * known; -EINVAL: what is there is no file. */
int admins_logins(const struct admins_paths *paths, uint64_t since, uint64_t now,
		  int (*each)(const struct admin_login *login, void *user), void *user);
