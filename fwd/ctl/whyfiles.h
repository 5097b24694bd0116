/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * `why --files`: the verdict of what lies in a directory, as it would be after a boot. No daemon, no kernel.
 *
 * Files do not say by which interface or to which of the host's addresses a connection comes: rules that ask for those
 * count as rules that may match, and "cannot tell" is the answer where they matter.
 */
#include <stddef.h>

#include <jansson.h>

#include "rules/addr.h"
#include "rules/diag.h"

struct whyfiles_question {
	struct addr source;
	const char *proto; /* "tcp", "udp", "icmp" */
	unsigned port;
};

/* 0 with *ret a WAY of docs/protocol.md; else -errno with the file in @where and, if its content is at fault, @diag. */
int whyfiles(const char *dir, const struct whyfiles_question *question, json_t **ret, char *where, size_t size,
	     struct diag *diag);
