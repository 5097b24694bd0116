/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * fwd.conf as a policy, and a policy as fwd.conf. Read by inih, with its traps closed: long lines, comments behind values,
 * continuation lines, line numbers. Any error is fatal and names its line. docs/fwd.conf.5 is the user's side.
 */
#include <stddef.h>

#include "rules/diag.h"
#include "rules/policy.h"

#define CONF_SIZE_MAX 65536 /* bytes of a file */
#define CONF_LINE_MAX 190   /* bytes of a line: inih as Debian builds it cuts at 200 */

/* Returns 0, or -EINVAL with @diag (or -ENOMEM); @ret is touched only on success. A NUL in the text is an error. */
int conf_parse(const char *text, size_t len, struct policy *ret, struct diag *diag);

/* Canonical text; conf_parse() of it gives an equal policy. The caller frees *ret. */
int conf_print(const struct policy *policy, char **ret);

/* A file of the same syntax with other sections (the confirmed state): calls @key for each "name = value".
 * A negative answer ends the reading with it; @key fills in @diag without line, conf_walk adds the line. */
int conf_walk(const char *text, size_t len,
	      int (*key)(const char *section, const char *name, const char *value, struct diag *diag, void *user),
	      void *user, struct diag *diag);
/* One key of a policy, for such callers. -ENOENT if policies have no such key. */
int conf_key(struct policy *policy, const char *section, const char *name, const char *value, struct diag *diag);
