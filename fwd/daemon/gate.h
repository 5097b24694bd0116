/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The gate: the set fwd-trial, asked by the first rule of each of our chains while a trial runs. Its two members (all of
 * IPv4, all of IPv6) expire with the trial, in the kernel, whether fwd lives or not.
 */
#include <stdint.h>

#include "rules/diag.h"

struct journal;
struct sets;

/* Lines that make its sets, and the cut's, empty ones, where the list file is loaded. Gathered, not synced. 0 or -errno. */
int gate_journal(struct journal *journal);
/* Its sets: made where they are missing. The gate is empty afterwards. */
int gate_ensure(struct sets *sets, struct diag *diag);
/* Opens it for @timeout seconds from now, or from now on instead of what was left. */
int gate_arm(struct sets *sets, unsigned timeout, uint64_t generation);
/* Whole seconds (cut off, at least 1) for which both families still pass it; 0: closed; or -errno. */
int gate_left(struct sets *sets);
int gate_close(struct sets *sets);
