/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What commands share: one request with its answer told, and who "me" is.
 */
#include <stdbool.h>

#include <jansson.h>

#include "rules/addr.h"

struct command;
struct ctl;

/* Asks the verb of @command with @args (taken over), tells the answer and returns its exit code. */
int request_run(const struct ctl *ctl, const struct command *command, json_t *args);
/* 0 having said what "me" is, or an exit code after having said why not. @whole: the address, not its /64. */
int me_resolve(const struct ctl *ctl, bool whole, char ret[static ADDR_TEXT_MAX]);
