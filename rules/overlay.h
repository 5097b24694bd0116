/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What would stand if a wish were put in force: the question behind pre-flight, before anything is touched.
 */
#include "rules/ruleset.h"

/* A copy of @actual in which our part is @wish's (as compile() makes it; our jumps last). 0 or -ENOMEM. */
int ruleset_overlay(const struct ruleset *actual, const struct ruleset *wish, struct ruleset **ret);
