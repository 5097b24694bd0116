/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a ruleset does with a packet, and by which rules. Sound for foreign rules too: where one cannot be read, both ways
 * are followed, and only if they end differently the answer is "cannot tell", with that rule named.
 */
#include "rules/ruleset.h"

enum verdict {
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_UNKNOWN, /* cannot tell */
};

/* A packet as netfilter sees it at a hook. */
struct packet {
	uint8_t hook; /* NF_INET_LOCAL_IN, NF_INET_FORWARD, … */
	char iif[IFNAMSIZ], oif[IFNAMSIZ]; /* empty: none at this hook */
	struct addr src, dst;              /* of one family */
	uint8_t proto;                     /* IPPROTO_* */
	uint16_t sport, dport;             /* of protocols that have ports; host byte order */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint8_t hop_limit;
	bool fragment;       /* not the first: has no ports */
	uint16_t ct_state;   /* exactly one of CT_INVALID, CT_ESTABLISHED, CT_RELATED, CT_NEW, CT_UNTRACKED, and CT_SNAT/CT_DNAT */
	uint16_t ct_status;  /* CT_STATUS_* */
	bool ct_reply;       /* direction */
	uint16_t ct_origdst_port; /* host byte order; = dport without DNAT. Of ICMP: type << 8 | code */
};

/* Does the set match? 1, 0, or negative: cannot tell. @dim and @src as in struct match. */
typedef int set_lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user);

#define VERDICT_STEPS_MAX 64
#define VERDICT_VISITS_MAX (1u << 18) /* rules looked at for a packet; beyond that it cannot tell (loops in a file) */

struct verdict_step {
	const struct table *table;
	const struct chain *chain;
	size_t rule;     /* index in the chain; == chain->n_rules: the chain's policy */
	bool certain;    /* false: it may match, or be reached, or nobody knows what its target does */
};

struct verdict_way {
	enum verdict verdict;
	size_t n_steps; /* in order: rules that match or may, and mattered (not: logs, chains that came back unharmed) */
	struct verdict_step steps[VERDICT_STEPS_MAX];
	bool truncated; /* steps are missing, but never the one of doubt or decides, which then stands last */
	/* UNKNOWN: the first step that made it so. Points into steps (so do not copy this struct), or NULL. */
	const struct verdict_step *doubt;
	/* What decides: the step whose target or policy gave the verdict; NULL when UNKNOWN or no chain has an opinion.
	 * Of several accepts the last one by a rule, else the last policy. */
	const struct verdict_step *decides;
};

/*
 * Passes @packet through every base chain of type filter at its hook, of its family and of inet, by priority, as the
 * kernel does: a drop is final, an accept ends one base chain only.
 * @lookup may be NULL: no set can be told. Steps point into @ruleset. @ret is always filled in.
 */
void verdict(const struct ruleset *ruleset, const struct packet *packet, set_lookup *lookup, void *user,
	     struct verdict_way *ret);
const char *verdict_name(enum verdict verdict); /* "accept", "drop", "cannot tell" */
