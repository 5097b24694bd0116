/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Other programs: argument vectors, never a shell. They are looked for in PATH, get no standard input and speak
 * English.
 */
#include <stdbool.h>

struct account;
struct fault;

#define RUN_OUTPUT_MAX (256u << 10)

/* Runs @argv as @as, or as ourselves with NULL, and waits. *output (may be NULL): what it said on both outputs, cut at
 * RUN_OUTPUT_MAX; the caller frees. Returns the exit status, 128 + N if a signal ended it, 127 if it could not be
 * started, or -errno. */
int run_tool(const char *const *argv, const struct account *as, char **output);

/* The same, and anything but 0 is a fault that shows the last lines. */
int run_must(const char *const *argv, const struct account *as, struct fault *fault);

/* The environment of the container user: what a login would have made. For the child that becomes him; 0 or -errno. */
int run_become(const struct account *account);
