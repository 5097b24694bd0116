/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What would stand if a wish were put in force: the question behind pre-flight, before anything is touched.
 */
#include "rules/ruleset.h"

/* A copy of @actual in which our part is @wish's (as compile() makes it). Our jumps stay where they stand, those that are
 * missing come last; with @jump_last all do. 0 or -ENOMEM. */
int ruleset_overlay(const struct ruleset *actual, const struct ruleset *wish, bool jump_last, struct ruleset **ret);
