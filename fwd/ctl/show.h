/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Answers as a person reads them, on stdout. All text of the daemon is escaped on its way.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "fwd/ctl/posture.h"

struct answer;
struct ctl;

void show_status(const struct ctl *ctl, const struct answer *answer);
enum posture show_sentence(const struct ctl *ctl, const json_t *status);
void show_attention(const struct ctl *ctl, const json_t *status); /* with its heading; nothing if there is nothing */

/* @changed: something would change, if not in lines. */
void show_would(const struct ctl *ctl, const json_t *would, bool changed);
/* What a change cuts; nothing where nobody looked. @done: it is in force. */
void show_preflight(const struct ctl *ctl, const json_t *preflight, bool done);
void show_allow(const struct ctl *ctl, const struct answer *answer);
void show_remove(const struct ctl *ctl, const struct answer *answer);
void show_trial(const struct ctl *ctl, const struct answer *answer);
void show_wait(const struct ctl *ctl, const struct answer *answer);
void show_confirm(const struct ctl *ctl, const struct answer *answer);
void show_rollback(const struct ctl *ctl, const struct answer *answer);
void show_disable(const struct ctl *ctl, const struct answer *answer);
void show_diff(const struct ctl *ctl, const struct answer *answer);
/* @subject: "192.0.2.30 to tcp/22" */
void show_ways(const struct ctl *ctl, const char *subject, const json_t *result);

/* Entries as JSON lines from @fd. At most @most of them are shown (0: all). Returns how many there were, or -1 after
 * having spoken. @indent stands before each line of the table. */
long long show_entries(const struct ctl *ctl, int fd, size_t most, const char *indent);
/* The same as one JSON object. */
int print_entries_json(const struct answer *answer);
