/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Files of the host, which may stand below another root directory.
 */
#include <stddef.h>
#include <sys/types.h>

struct fault;

#define FILES_TEXT_MAX (4u << 20) /* of a file that is read whole */

/* @root "" or a directory, @path absolute. 0 or -ENAMETOOLONG. */
int files_path(const char *root, const char *path, char *ret, size_t size);

/* The whole text, NUL-terminated; the caller frees. A missing file is -ENOENT; longer than FILES_TEXT_MAX, or with a
 * NUL inside: -EFBIG, -EINVAL. */
int files_read(const char *root, const char *path, char **ret, struct fault *fault);

/* The same of what is left of an open file; the fault is the caller's to tell. */
int files_read_fd(int fd, char **ret);

/* @path below the directory @at (a descriptor), no link followed, never out of it, with the open flags @flags. A
 * descriptor or -errno. */
int files_open_beneath(int at, const char *path, int flags);

/* Replaces or makes the file by renaming a synced one over it; the directory must be there. An existing file's owner
 * and mode are kept, a new one is root's and has @mode. */
int files_write(const char *root, const char *path, const char *text, mode_t mode, struct fault *fault);
