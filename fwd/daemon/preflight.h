/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Before a trial: what it would cut, by name. All of it asked of verdict(), over the rules that stand and over those that
 * would: who is logged in, where administrators logged in from before, the ports that are listened on, live connections.
 */
#include "rules/addr.h"
#include "rules/verdict.h"

struct change;
struct firewall;
struct json_t;
struct policy;

#define PREFLIGHT_DAYS 90        /* administrators' earlier logins */
#define PREFLIGHT_ITEMS_MAX 256  /* of a list in the answer, which has 1 MiB; what changes goes first */
#define PREFLIGHT_FLOWS_MAX 50   /* connections told by name */
#define PREFLIGHT_ASKED_MAX 8192 /* connections asked about; the rest is counted */
#define PREFLIGHT_PORTS_MAX 1024

/* One state of the host: rules, and what its sets say. */
struct preflight_view {
	const struct ruleset *ruleset;
	set_lookup *lookup;
	void *user;
};

struct preflight {
	struct json_t *json;       /* PREFLIGHT of docs/protocol.md; owned */
	unsigned cut;              /* live logins that end, or may */
	char who[320];             /* the first of them */
	char first[ADDR_TEXT_MAX]; /* the address of the first */
};

/* 0 or -ENOMEM. What cannot be found out is null in the answer, and cuts nobody. */
int preflight_look(struct firewall *firewall, const struct preflight_view *before, const struct preflight_view *after,
		   struct preflight *ret);
/* What becomes of the host under @candidate, in change->preflight. Refuses (-EPERM) what cuts a live login, unless somebody
 * sits at a terminal, forces it, or only asks. */
int preflight_change(struct firewall *firewall, const struct policy *candidate, struct change *change);
/* Whether somebody who gets in @before may not @after. */
bool preflight_cuts(enum verdict before, enum verdict after);
