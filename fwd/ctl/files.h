/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Whole files in memory.
 */
#include <stddef.h>
#include <time.h>

struct file_text {
	char *text; /* NUL-terminated, which is not counted; owned */
	size_t len;
	time_t mtime;
};

/* A regular file of at most @most bytes. 0 or -errno; -EFBIG, -EISDIR, -EINVAL for what is no regular file. */
int file_read(const char *path, size_t most, struct file_text *ret);
