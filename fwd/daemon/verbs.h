/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The verbs of the control protocol (docs/protocol.md): JSON in, one call of the firewall, JSON out.
 */
#include <stdbool.h>
#include <sys/types.h>

struct firewall;
struct json_t;

struct caller {
	uid_t uid;      /* SO_PEERCRED */
	pid_t pid;
	bool may_read;  /* root, or of the group fwd */
};

/* Answers @request. Returns a new reference, or NULL when out of memory. *fd is a descriptor to pass along, or -1; the
 * receiver of the answer closes it. NULL with *fd VERBS_LATER: the answer comes with verbs_end(). */
#define VERBS_LATER (-2)
struct json_t *verbs_answer(struct firewall *firewall, struct json_t *request, const struct caller *caller, int *fd);
/* The answer to those who wait, when a trial ended (see firewall_on_end()). A new reference. */
struct json_t *verbs_end(int exit, const char *text);
/* An answer for what is no request at all. */
struct json_t *verbs_error(int exit, const char *text, const char *hint);
