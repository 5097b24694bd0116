/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What verdict() says of the rules that stand: shared by `why`, `status`, `diff` and the look ahead before a change.
 */
#include "fwd/daemon/firewall.h"
#include "rules/verdict.h"

enum gate_view {
	GATE_AS_IS,  /* as the kernel has it now */
	GATE_OPEN,   /* as if a trial ran */
	GATE_CLOSED, /* as if none ran: what the confirmed rules say */
};

struct question {
	struct firewall *firewall;
	enum gate_view gate;
	bool listed; /* as if every source were on the whitelist */
};

/* A set_lookup whose user is a struct question. */
int inspect_lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user);
/* A new connection (or an echo request) from @source to this host, coming in where this host would answer to. */
void inspect_packet(const struct addr *source, uint8_t proto, uint16_t port, struct packet *ret);
/* A source that no rule knows: an address that belongs to nobody. @family: V4, V6. */
struct addr inspect_nobody(int family);
/* The interface that strangers of a family (V4, V6) come in by; empty where there is no way to them. */
void inspect_outside(int family, char ret[static IFNAMSIZ]);
/* The worst answer that a source known to no rule gets at ports that no rule means: accept, before "cannot tell", before
 * drop; with @listed (the source counts as whitelisted) the other way round. */
enum verdict inspect_stranger(struct firewall *firewall, const struct ruleset *ruleset, int family, enum gate_view gate,
			      bool listed, struct verdict_way *ret);

void verdict_way_copy(struct verdict_way *ret, const struct verdict_way *way);
/* "-A CHAIN …" or "-P CHAIN POLICY" */
void step_print(const struct verdict_step *step, char *ret, size_t size);
/* Whether a step is a rule or policy of others. NULL is allowed. */
bool step_is_foreign(const struct verdict_step *step);
