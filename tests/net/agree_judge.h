/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The comparison, and what came of it.
 */
#include "tests/net/agree.h"

/* What is told to verdict() wrongly on purpose, to see that this test can fail. */
enum breakage {
	BREAK_NOTHING,
	BREAK_SETS,      /* the bounds of entries, by one address */
	BREAK_PORTS,     /* destination ports, by one */
	BREAK_STATES,    /* NEW and ESTABLISHED */
	BREAK_DIRECTION, /* ORIGINAL and REPLY */
	BREAK_EXPECTED,  /* conntrack's status */
	BREAK_PUBLISHED, /* the port before DNAT */
	BREAK_IFACES,    /* names of interfaces */
	BREAK_HOPS,      /* the hop limit, by one */
	BREAK_UNTRACKED, /* UNTRACKED and INVALID */
	BREAKAGES,
};
extern const char *const breakage_names[BREAKAGES];

enum { STATE_NEW, STATE_ESTABLISHED, STATE_REPLY, STATE_RELATED, STATE_RELATED_REPLY, STATE_INVALID, STATE_UNTRACKED,
       STATE_EXPECTED, STATE_DNAT, STATES };

struct count {
	unsigned packets, accepted, dropped; /* by the kernel */
	unsigned unknown, false_accepts, false_drops; /* of verdict() */
	unsigned unknown_accepted; /* by the kernel, of unknown */
};

struct tally {
	struct count classes[2][2]; /* [forward][IPv6] */
	unsigned states[STATES];
	unsigned lost;    /* never came to a hook */
	unsigned unnamed; /* "cannot tell" without a rule that is to blame */
	unsigned judged;
};

struct judge {
	const struct ruleset *ruleset;
	struct sets *sets;
	unsigned policy; /* number, for reports */
	enum breakage breakage;
	bool quiet;
};

void judge_packet(const struct judge *judge, const struct spec *spec, const struct seen *seen, struct tally *tally);
unsigned tally_false(const struct tally *tally);
unsigned tally_unknown(const struct tally *tally);
/* Whether the kernel accepted at most half of what verdict() can tell (the rest hangs on the clock). */
bool count_wants_accept(const struct count *count);
/* Prints it. @whole: shares and states count too. Returns whether all is well. */
bool tally_report(const struct tally *tally, bool whole);
