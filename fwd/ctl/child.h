/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Other programs: the daemon's binary and an editor. Argument vectors only, never a shell.
 */
#include <stddef.h>

#define CHILD_OUTPUT_MAX 65536

/* The path of `fwd`: beside this program's prefix (../sbin/fwd), in its build tree, else in PATH. 0 or -ENOENT. */
int child_find_fwd(char *ret, size_t size);

/*
 * Runs @argv and waits. @output NULL: it has our terminal; else what it says on stdout and stderr, NUL-terminated,
 * cut at CHILD_OUTPUT_MAX; the caller frees. Returns its exit status, 128 + N if a signal ended it, 127 if it could not
 * be started, or -errno.
 */
int child_run(char *const *argv, char **output);
