/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * fwd.conf as a policy, and a policy as fwd.conf. Syntax and limits: confwalk.h. docs/fwd.conf.5 is the user's side.
 */
#include <stddef.h>

#include "rules/confwalk.h"
#include "rules/diag.h"
#include "rules/policy.h"

/* Returns 0, or -EINVAL with @diag (or -ENOMEM); @ret is touched only on success. A NUL in the text is an error. */
int conf_parse(const char *text, size_t len, struct policy *ret, struct diag *diag);

/* Canonical text; conf_parse() of it gives an equal policy, but for SSH ports that were found (auto), of which
 * fwd.conf knows nothing. The caller frees *ret. -EINVAL if no text gives this policy (lists with a scope have no
 * syntax yet). */
int conf_print(const struct policy *policy, char **ret);

/* One key of a policy, or with @name NULL one section, for those who conf_walk() a file that has other sections too
 * (the confirmed state). -ENOENT, and nothing in @diag, if policies have no such section or key. @policy is touched
 * only on success. */
int conf_key(struct policy *policy, const char *section, const char *name, const char *value, struct diag *diag);
