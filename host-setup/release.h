/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The releases that are downloaded: which versions, what their files are called, where they are, and what they hash
 * to.
 */
#include <stddef.h>

struct fault;

#define RELEASE_NAME_MAX 128
#define RELEASE_URL_MAX 512
#define SHA256_TEXT 65 /* 64 hexadecimal digits and a NUL */

enum release_id { RELEASE_NERDCTL, RELEASE_CNI, RELEASE_COUNT };

struct release {
	const char *name;
	const char *version; /* the one that is taken if none is asked for */
	const char *base;    /* address, without the version and the file */
	const char *sums;    /* the release's own list of hashes; NULL: the file's name with .sha256 */
};
extern const struct release release_table[RELEASE_COUNT];

/* One file of one release. */
struct package {
	enum release_id id;
	char version[32];
	char file[RELEASE_NAME_MAX];
	char sums[RELEASE_NAME_MAX]; /* the file that holds its hash, at the same place */
	const char *sha256;          /* pinned in our source; NULL: only the release's own list tells */
};

/* @version NULL: the table's. @arch NULL: this machine's. */
int package_of(enum release_id id, const char *version, const char *arch, struct package *ret, struct fault *fault);
/* Where @file of the package is: below @mirror, which has all files side by side, or, with NULL, at the project's own
 * place. */
int package_url(const struct package *package, const char *mirror, const char *file, char ret[static RELEASE_URL_MAX],
		struct fault *fault);

/* The hash of @file in the text of a list: "HASH  NAME" or "HASH *NAME" a line. -ENOENT: not in it. */
int sums_find(const char *text, const char *file, char ret[static SHA256_TEXT]);
/* Of all that can be read from a descriptor, from its beginning. */
int sha256_of(int fd, char ret[static SHA256_TEXT]);
