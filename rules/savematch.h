/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Options of the matches that iptables-save text may hold. For saverule.c.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/ruleset.h"

struct savematch_option {
	const char *name;
	unsigned id; /* a bit; options that exclude each other share one */
};

struct savematch {
	const char *name; /* behind -m */
	enum match_kind kind;
	uint8_t proto;    /* "-p" of it loads the match by itself; 0: none does */
	bool bare;        /* may stand without an option */
	const struct savematch_option *options;
	bool (*take)(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted);
};

const struct savematch *savematch_find(const char *name);
const struct savematch *savematch_of_proto(uint8_t proto);
const struct savematch_option *savematch_option(const struct savematch *match, const char *name);
/* How many words belong to an option. */
size_t savematch_values(const char *option);

/* Address or network of -s and -d. *any: it is every address, which iptables leaves out. */
bool savematch_net(const char *text, uint8_t family, struct match *match, bool *any);
bool savematch_iface(const char *text, struct match *match);
