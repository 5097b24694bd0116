/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A release's file, here and verified: downloaded, or taken from a directory.
 */
#include <stdbool.h>

struct fault;
struct package;

struct source {
	const char *from;   /* a directory instead of the network; NULL: none */
	const char *mirror; /* NULL: the projects' own places */
	const char *ca;     /* NULL: the system's */
	unsigned stall;     /* seconds */
};

/* The file comes to lie in the directory @dir (made if missing), with its hash beside it as FILE.sha256. *ret is a
 * descriptor of it, open for reading; what was read through it is what was verified. *changed: whether it was not
 * there before, and right. *verified: false only where --from has a file and no list of hashes. */
int package_obtain(const struct package *package, const struct source *source, const char *dir, int *ret, bool *changed,
		   bool *verified, struct fault *fault);
