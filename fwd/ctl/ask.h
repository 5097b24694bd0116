/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Asking the daemon on behalf of a command: transport errors are told here, once, with what to do.
 */
#include <stdbool.h>

#include <jansson.h>

#include "fwd/ctl/client.h"

struct ctl;
struct invocation;

/* 0, or an exit code after having spoken. */
int ask_open(const struct ctl *ctl, struct client **ret);
/* Sends @verb with @args (NULL: none; the reference is taken over). @change: says who asks. As ask_open(). */
int ask(const struct ctl *ctl, struct client *client, const char *verb, json_t *args, bool change, struct answer *ret);

/* What of an answer is the same for all commands: --json, errors, dry runs. True if nothing is left to be said. */
bool answer_told(const struct ctl *ctl, const struct answer *answer);

const json_t *answer_result(const struct answer *answer); /* NULL if there is none */
bool answer_changed(const struct answer *answer);
/* A string of an object, or "": answers are taken as they come. */
const char *json_text(const json_t *object, const char *key);
json_int_t json_number(const json_t *object, const char *key); /* 0 where there is none */

/* The options of a call as arguments of a request. NULL after having spoken, with *code set. */
json_t *ask_args(const struct ctl *ctl, const struct invocation *call, int *code);
