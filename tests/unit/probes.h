/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Packets, and what a policy with a bit of everything does with them.
 */
#include "rules/compile.h"
#include "rules/verdict.h"

#define N_PROBES 167

/* Lists of the policy under test, by number; a source is in one of them or in none. */
enum { STRANGER, MAIN, WEB, MANY, OFFICE, DB, DB6, MIXED, EVERY_LIST };

/* What is not given: from a stranger on eth0, NEW, to port 9999 of TCP, hop limit 64. */
struct probe {
	const char *name;
	uint8_t family; /* 0: both */
	bool forward;
	unsigned list; /* what the source is in */
	const char *iif;
	const char *src, *dst;
	uint8_t proto; /* IPPROTO_ICMP: as the family has it */
	uint16_t sport, dport;
	uint8_t type, code, hop_limit;
	uint16_t state, status;
	bool reply;
	uint16_t origdst;
	enum verdict expected;
};

struct policy full_policy(void);
/* Narrower, but for one list that is open everywhere. */
struct policy narrow_policy(void);
struct probe probe_at(size_t i); /* of N_PROBES; expected is what full_policy() gives */

/* @trial: whether every source is a member of the gate. */
enum verdict ask(const struct ruleset *ruleset, const struct probe *probe, uint8_t family, bool trial);
