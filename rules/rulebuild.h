/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rules under construction: what compile() writes with.
 */
#include "rules/ruleset.h"

/* One table under construction. The first lack of memory stays in error, and everything after it does nothing, so that
 * only compile() has to ask. */
struct builder {
	uint8_t family;
	struct table *table;
	struct chain *chain; /* being filled: add no chain to the table meanwhile */
	struct rule *rule;   /* being filled; NULL after an error */
	struct match spare;  /* written to after an error */
	bool cut;            /* lists are asked without what is in the cut */
	int error;
};

void build_chain(struct builder *b, const char *name); /* which must be there */
void build_rule(struct builder *b, enum target_kind kind, const char *chain);
/* A match of the rule just begun. Never NULL. */
struct match *build_match(struct builder *b, enum match_kind kind);
void build_network(struct builder *b, enum match_kind kind, const struct cidr *net);
void build_link_local(struct builder *b);
void build_iif(struct builder *b, const char *name);
void build_set(struct builder *b, const char *name, bool inverted);
