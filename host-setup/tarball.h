/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Unpacking of a release's tarball (tar, gzip or not). Foreign bytes: they are read by a child that has no
 * capability, sees nothing but the fresh directory, and may neither run long nor use much memory. What is not plainly
 * harmless is refused whole.
 *
 * Refused: absolute names, "..", names that are empty, long, deep or not printable ASCII; names that occur twice;
 * links that are absolute or hold "..", hard links, devices, pipes; setuid, setgid and sticky bits; owners other than
 * root; attributes and ACLs; more or larger members than the limits; whatever libarchive even warns of. Modes become
 * 0755 for directories and whatever may be executed, 0644 for other files.
 */
#include <stdint.h>

struct fault;

struct tarball_limits {
	uint64_t members;
	uint64_t member_bytes;
	uint64_t total_bytes;
};
extern const struct tarball_limits tarball_limits; /* ample for what we unpack */

/* Unpacks what is read from the descriptor @file into a directory @fresh that is made below the directory @at; one
 * that is there is removed first. 0, or -errno with nothing left there. */
int tarball_unpack(int file, int at, const char *fresh, const struct tarball_limits *limits, struct fault *fault);

/* The reading itself, in this process, into the empty directory @into. For tarball_unpack(), and for the fuzzer. */
int tarball_read(int file, int into, const struct tarball_limits *limits, struct fault *fault);

/* Whether a link may point there, and whether a member may be called so. */
int tarball_check_name(const char *name, struct fault *fault);
int tarball_check_link(const char *name, const char *target, struct fault *fault);

/* Removes @name below @at with all that is in it, following no link. A missing one is no error. */
int tree_remove(int at, const char *name);
