/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/compile.h"
#include "rules/rulebuild.h"

#define ICMP_PROTO 0xff /* in struct line: ICMP or ICMPv6, as the family has it */

/* One rule of the baseline; what is 0 is not asked for. No target: the end of a table. */
struct line {
	uint8_t family; /* 0: both */
	uint8_t proto;
	uint8_t icmp_type;
	uint8_t icmp_code; /* 0: any */
	uint8_t hop_limit;
	bool link_local; /* the source is in fe80::/10 */
	uint16_t sport, dport; /* UDP */
	uint16_t states;
	uint16_t status;
	bool reply;
	enum target_kind target;
};

/* Begins the chains of both hooks. Errors about live flows come first, whichever end they concern; then the answers to
 * what began here. Never plain ESTABLISHED: an inbound flow must be judged by every packet, or to revoke would not cut
 * it. */
static const struct line answers[] = {
	{ .proto = ICMP_PROTO, .states = CT_RELATED, .target = TARGET_ACCEPT },
	{ .states = CT_RELATED | CT_ESTABLISHED, .reply = true, .target = TARGET_ACCEPT },
	{ .status = CT_STATUS_EXPECTED, .target = TARGET_ACCEPT },
	{ 0 },
};

/* What a host needs whoever asks. Path MTU stands before INVALID, for that is what conntrack calls a report about a
 * flow that it does not track; redirects (137) too, for so it calls those that do not quote a packet before all else, and
 * routers name the better hop's hardware address first. Neighbour discovery, router messages and MLD it leaves UNTRACKED.
 * Hop limit 255 can only come from the own link: no router forwards it. MLD comes with hop limit 1. */
static const struct line services[] = {
	{ .family = AF_INET, .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 4, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 2, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 137, .hop_limit = 255, .target = TARGET_ACCEPT },
	{ .states = CT_INVALID, .target = TARGET_DROP },
	{ .family = AF_INET, .proto = IPPROTO_ICMP, .icmp_type = 8, .target = TARGET_ACCEPT },
	{ .family = AF_INET, .proto = IPPROTO_IGMP, .target = TARGET_ACCEPT },
	{ .family = AF_INET, .proto = IPPROTO_UDP, .sport = 67, .dport = 68, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 128, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 133, .hop_limit = 255, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 134, .hop_limit = 255, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 135, .hop_limit = 255, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 136, .hop_limit = 255, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 130, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 131, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 132, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 143, .target = TARGET_ACCEPT },
	{ .family = AF_INET6, .link_local = true, .proto = IPPROTO_UDP, .dport = 546, .target = TARGET_ACCEPT },
	{ 0 },
};

static void add_conntrack(struct builder *b, const struct line *line)
{
	struct match *match = build_match(b, MATCH_CONNTRACK);

	if (line->states)
		match->u.conntrack.flags |= CONNTRACK_STATE;
	if (line->status)
		match->u.conntrack.flags |= CONNTRACK_STATUS;
	if (line->reply)
		match->u.conntrack.flags |= CONNTRACK_DIRECTION;
	match->u.conntrack.states = line->states;
	match->u.conntrack.status = line->status;
	match->u.conntrack.reply = line->reply;
}

static void add_line(struct builder *b, const struct line *line)
{
	struct match *match;

	if (line->family && line->family != b->family)
		return;
	build_rule(b, line->target, NULL);
	if (line->link_local)
		build_link_local(b);
	if (line->proto == ICMP_PROTO)
		build_match(b, MATCH_PROTO)->u.proto = b->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	else if (line->proto)
		build_match(b, MATCH_PROTO)->u.proto = line->proto;
	if (line->sport || line->dport) {
		match = build_match(b, MATCH_UDP);
		if (line->sport)
			match->u.ports.sport = (struct port_span){ line->sport, line->sport };
		if (line->dport)
			match->u.ports.dport = (struct port_span){ line->dport, line->dport };
	}
	if (line->icmp_type) {
		match = build_match(b, line->proto == IPPROTO_ICMP ? MATCH_ICMP : MATCH_ICMP6);
		match->u.icmp.type = line->icmp_type;
		if (line->icmp_code)
			match->u.icmp.code_lo = match->u.icmp.code_hi = line->icmp_code;
	}
	if (line->hop_limit)
		build_match(b, MATCH_HL)->u.hl = line->hop_limit;
	if (line->states || line->status)
		add_conntrack(b, line);
}

static void add_lines(struct builder *b, const struct line *lines)
{
	for (; lines->target != TARGET_NONE; lines++)
		add_line(b, lines);
}

static void add_trusted(struct builder *b, const char *interface)
{
	build_rule(b, TARGET_ACCEPT, NULL);
	build_iif(b, interface);
}

static void add_ssh(struct builder *b, const struct policy *policy)
{
	if (policy->ssh != SSH_ANYONE)
		return;
	for (size_t i = 0; i < policy->n_ssh_ports; i++) {
		struct port_span port = { policy->ssh_ports[i], policy->ssh_ports[i] };

		build_rule(b, TARGET_ACCEPT, NULL);
		build_match(b, MATCH_PROTO)->u.proto = IPPROTO_TCP;
		build_match(b, MATCH_TCP)->u.ports.dport = port;
	}
}

/* The set of a list; on a trial that takes entries away, without those of the cut. */
static void build_list_set(struct builder *b, const char *set)
{
	build_set(b, set, false);
	if (b->cut)
		build_set(b, b->family == AF_INET6 ? SET_CUT6 : SET_CUT, true);
}

/* Destination and interface of a list, in a rule just begun. */
static void add_scope(struct builder *b, const struct list *list)
{
	if (list->destination.addr.family)
		build_network(b, MATCH_DST, &list->destination);
	if (list->interface[0])
		build_iif(b, list->interface);
}

/* One rule of a list for @n ports of one protocol, MULTIPORT_MAX slots at most. */
static void add_port_rule(struct builder *b, const struct list *list, const char *set, uint8_t proto,
			  const struct port_span *spans, size_t n)
{
	struct match *match;

	build_rule(b, TARGET_ACCEPT, NULL);
	add_scope(b, list);
	build_match(b, MATCH_PROTO)->u.proto = proto;
	if (n == 1) {
		build_match(b, proto == IPPROTO_TCP ? MATCH_TCP : MATCH_UDP)->u.ports.dport = spans[0];
	} else {
		match = build_match(b, MATCH_MULTIPORT);
		match->u.multiport.which = 'd';
		match->u.multiport.n = n;
		memcpy(match->u.multiport.spans, spans, n * sizeof(*spans));
	}
	build_list_set(b, set);
}

static void add_ports(struct builder *b, const struct list *list, const char *set, uint8_t proto)
{
	struct port_span spans[MULTIPORT_MAX];
	size_t n = 0, slots = 0;

	for (size_t i = 0; i < list->n_ports; i++) {
		const struct list_port *port = &list->ports[i];
		size_t needed = port->lo == port->hi ? 1 : 2;

		if (port->proto != proto)
			continue;
		if (slots + needed > MULTIPORT_MAX) {
			add_port_rule(b, list, set, proto, spans, n);
			n = slots = 0;
		}
		spans[n++] = (struct port_span){ port->lo, port->hi };
		slots += needed;
	}
	if (n > 0)
		add_port_rule(b, list, set, proto, spans, n);
}

/* A published port. The packet carries the container's port by now; the one that was asked for stands in conntrack. */
static void add_published(struct builder *b, const struct list *list, const char *set)
{
	for (size_t i = 0; i < list->n_ports; i++) {
		struct match *match;

		build_rule(b, TARGET_ACCEPT, NULL);
		add_scope(b, list);
		build_match(b, MATCH_PROTO)->u.proto = list->ports[i].proto;
		match = build_match(b, MATCH_CONNTRACK);
		match->u.conntrack.flags = CONNTRACK_STATE | CONNTRACK_ORIGDST_PORT;
		match->u.conntrack.states = CT_DNAT;
		match->u.conntrack.origdst_port = (struct port_span){ list->ports[i].lo, list->ports[i].hi };
		build_list_set(b, set);
	}
}

static void add_lists(struct builder *b, const struct policy *policy, bool forward)
{
	for (size_t i = 0; i < policy->n_lists; i++) {
		const struct list *list = &policy->lists[i];
		char set[32];

		if (list->destination.addr.family && list->destination.addr.family != b->family)
			continue;
		list_set_name(list, b->family, set);
		if (list->n_ports == 0) {
			build_rule(b, TARGET_ACCEPT, NULL);
			add_scope(b, list);
			build_list_set(b, set);
		} else if (forward) {
			add_published(b, list, set);
		} else {
			add_ports(b, list, set, IPPROTO_TCP);
			add_ports(b, list, set, IPPROTO_UDP);
		}
	}
}

static void add_body(struct builder *b, const struct policy *policy, bool forward)
{
	add_lines(b, answers);
	if (!forward)
		add_trusted(b, "lo");
	for (size_t i = 0; i < policy->n_trust; i++)
		add_trusted(b, policy->trust[i]);
	if (!forward) {
		add_lines(b, services);
		add_ssh(b, policy);
	}
	add_lists(b, policy, forward);
	build_rule(b, TARGET_DROP, NULL); /* the base chain's policy only repeats it */
}

struct hook {
	const char *base, *chain, *trial;
	uint8_t number;
	bool forward;
};

static const struct hook hooks[] = {
	{ "INPUT", CHAIN_INPUT, CHAIN_TRIAL_INPUT, NF_INET_LOCAL_IN, false },
	{ "FORWARD", CHAIN_FORWARD, CHAIN_TRIAL_FORWARD, NF_INET_FORWARD, true },
};
#define N_HOOKS (sizeof(hooks) / sizeof(*hooks))

static bool is_trial(const struct wish *wish)
{
	return wish->candidate || wish->trial_off;
}

static bool is_off(const struct wish *wish)
{
	return !wish->confirmed && !is_trial(wish);
}

/* The chains before any rule: pointers to chains do not outlive the next one. */
static int add_chains(struct table *table, const struct hook *hook, const struct wish *wish)
{
	struct chain *base = table_add_chain(table, hook->base);

	if (!base)
		return -ENOMEM;
	base->base = true;
	base->filter = true;
	base->hook = hook->number;
	base->policy = wish->policy;
	if (is_off(wish))
		return 0;
	if (!table_add_chain(table, hook->chain) || (is_trial(wish) && !table_add_chain(table, hook->trial)))
		return -ENOMEM;
	return 0;
}

static void add_rules(struct builder *b, const struct hook *hook, const struct wish *wish)
{
	build_chain(b, hook->base);
	build_rule(b, TARGET_JUMP, hook->chain);
	build_chain(b, hook->chain);
	if (is_trial(wish)) {
		/* goto: who enters the trial never comes back to the confirmed rules */
		build_rule(b, TARGET_GOTO, hook->trial);
		build_set(b, SET_GATE, false);
	}
	if (wish->confirmed)
		add_body(b, wish->confirmed, hook->forward);
	if (is_trial(wish)) {
		build_chain(b, hook->trial);
		b->cut = wish->cut;
		if (wish->candidate)
			add_body(b, wish->candidate, hook->forward);
		else
			build_rule(b, TARGET_ACCEPT, NULL); /* the policy may be DROP: nobody must come to it */
		b->cut = false;
	}
}

static int compile_family(struct ruleset *ruleset, uint8_t family, const struct wish *wish)
{
	struct builder b = { .family = family, .table = ruleset_add_table(ruleset, family, "filter") };

	if (!b.table)
		return -ENOMEM;
	for (size_t i = 0; i < N_HOOKS; i++)
		if (add_chains(b.table, &hooks[i], wish) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < N_HOOKS && !is_off(wish); i++)
		add_rules(&b, &hooks[i], wish);
	return b.error;
}

int compile(const struct wish *wish, struct ruleset **ret)
{
	struct ruleset *ruleset = ruleset_new();

	if (!ruleset || compile_family(ruleset, NFPROTO_IPV4, wish) < 0 ||
	    compile_family(ruleset, NFPROTO_IPV6, wish) < 0) {
		ruleset_free(ruleset);
		return -ENOMEM;
	}
	*ret = ruleset;
	return 0;
}

bool chain_is_ours(const char *name)
{
	return strncmp(name, CHAIN_PREFIX, strlen(CHAIN_PREFIX)) == 0;
}

bool rule_is_our_jump(const struct rule *rule)
{
	/* with a match it is somebody's own idea: it does not bring every packet to us */
	if (rule->target.kind != TARGET_JUMP || !rule->target.chain || rule->n_matches > 0)
		return false;
	for (size_t i = 0; i < N_HOOKS; i++)
		if (strcmp(rule->target.chain, hooks[i].chain) == 0)
			return true;
	return false;
}

void compiled_ssh_ports(const struct ruleset *ruleset, struct policy *policy)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

	for (size_t i = 0; i < sizeof(families); i++) {
		const struct chain *chain = table_find_chain(ruleset_find_table(ruleset, families[i], "filter"), CHAIN_INPUT);

		for (size_t j = 0; chain && j < chain->n_rules; j++) {
			const struct rule *rule = &chain->rules[j];
			const struct match *tcp = rule_find_match(rule, MATCH_TCP);

			/* add_ssh() makes them of a protocol and a port, and nothing else */
			if (rule->target.kind == TARGET_ACCEPT && rule->n_matches == 2 && tcp && rule_find_match(rule, MATCH_PROTO) &&
			    tcp->u.ports.dport.lo == tcp->u.ports.dport.hi && tcp->u.ports.dport.lo != 0)
				policy_add_ssh_port(policy, tcp->u.ports.dport.lo);
		}
	}
}
