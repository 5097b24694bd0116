/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Small files, read whole and replaced whole. A replacement is written aside and synced first; its rename is the moment at
 * which it counts.
 */
#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

/* The caller frees *ret (NUL-terminated; *len without it). -ENOENT, -EFBIG above @max, -ELOOP for a link, -EINVAL for what is
 * no regular file. */
int file_read(const char *path, size_t max, char **ret, size_t *len);
/* As above, of a file whose contents root answers for: -EPERM if it is another user's, or others may write it. */
int file_read_trusted(const char *path, size_t max, char **ret, size_t *len);
/* What a negative answer of these two means, for people. */
const char *file_error(int r);

struct file_aside {
	char path[PATH_MAX];
	char aside[PATH_MAX]; /* empty: nothing is pending */
};

/* Writes @path's next contents beside it and syncs them. On failure nothing is left behind. */
int file_prepare(const char *path, const char *text, size_t len, mode_t mode, struct file_aside *ret);
/* Renames it into place and syncs the directory. After a failure the old contents stand. */
int file_commit(struct file_aside *file);
void file_discard(struct file_aside *file); /* removes what is pending; nothing pending is fine */

/* PATH is DIR/NAME; -ENAMETOOLONG. */
int file_path(const char *dir, const char *name, char ret[static PATH_MAX]);
/* Makes a directory (0755) and its parents where they are missing. */
int file_make_dir(const char *path, mode_t mode);
