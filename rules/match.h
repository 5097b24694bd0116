/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Whether a rule matches a packet, as the kernel's xt matches and native expressions have it. Part of verdict().
 */
#include "rules/verdict.h"

enum answer {
	ANSWER_NO,
	ANSWER_YES,
	ANSWER_MAYBE, /* cannot tell */
};

/* All matches of @rule together: one that certainly fails outweighs those that cannot be told. @lookup may be NULL. */
enum answer match_rule(const struct rule *rule, const struct packet *packet, set_lookup *lookup, void *user);
