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
 * receiver of the answer closes it. */
struct json_t *verbs_answer(struct firewall *firewall, struct json_t *request, const struct caller *caller, int *fd);
/* An answer for what is no request at all. */
struct json_t *verbs_error(int exit, const char *text, const char *hint);
