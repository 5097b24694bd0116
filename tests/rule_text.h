/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A rule as one line of text that shows every member, for comparing and for messages of tests. Not iptables' syntax.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules/ruleset.h"

struct rule_text {
	char text[4096];
	size_t used;
};

static inline void __attribute__((format(printf, 2, 3))) text_add(struct rule_text *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to->text + to->used, sizeof(to->text) - to->used, format, args);
	va_end(args);
	to->used += strlen(to->text + to->used);
}

static inline void text_net(struct rule_text *to, const struct match *match)
{
	struct addr mask = { .family = match->u.net.addr.family };
	char text[ADDR_TEXT_MAX];

	memcpy(mask.bytes, match->u.net.mask, sizeof(mask.bytes));
	addr_format(&match->u.net.addr, text);
	text_add(to, " %s", text);
	addr_format(&mask, text);
	text_add(to, "/%s", text);
}

static inline void text_match(struct rule_text *to, const struct match *match)
{
	static const char *const names[] = { "iif", "oif", "src", "dst", "proto", "tcp", "udp", "icmp", "icmp6", "hl",
		"multiport", "conntrack", "set", "comment", "limit", "opaque" };

	text_add(to, "%s%s", match->inverted ? "!" : "", names[match->kind]);
	switch (match->kind) {
	case MATCH_IIF:
	case MATCH_OIF:
		text_add(to, " %s%s", match->u.iface.name, match->u.iface.prefix ? "+" : "");
		break;
	case MATCH_SRC:
	case MATCH_DST:
		text_net(to, match);
		break;
	case MATCH_PROTO:
		text_add(to, " %u", match->u.proto);
		break;
	case MATCH_TCP:
	case MATCH_UDP:
		text_add(to, " %s%u-%u %s%u-%u", match->u.ports.not_sport ? "!" : "", match->u.ports.sport.lo,
			 match->u.ports.sport.hi, match->u.ports.not_dport ? "!" : "", match->u.ports.dport.lo,
			 match->u.ports.dport.hi);
		if (match->u.ports.flag_mask || match->u.ports.not_flags)
			text_add(to, " %sflags %02x/%02x", match->u.ports.not_flags ? "!" : "", match->u.ports.flag_set,
				 match->u.ports.flag_mask);
		break;
	case MATCH_ICMP:
	case MATCH_ICMP6:
		text_add(to, " %u code %u-%u", match->u.icmp.type, match->u.icmp.code_lo, match->u.icmp.code_hi);
		break;
	case MATCH_HL:
		text_add(to, " %u", match->u.hl);
		break;
	case MATCH_MULTIPORT:
		text_add(to, " %c", match->u.multiport.which);
		for (unsigned i = 0; i < match->u.multiport.n; i++)
			text_add(to, " %u-%u", match->u.multiport.spans[i].lo, match->u.multiport.spans[i].hi);
		break;
	case MATCH_CONNTRACK:
		text_add(to, " %x^%x states %x status %x reply %d dport %u-%u", match->u.conntrack.flags,
			 match->u.conntrack.invert, match->u.conntrack.states, match->u.conntrack.status,
			 match->u.conntrack.reply, match->u.conntrack.origdst_port.lo,
			 match->u.conntrack.origdst_port.hi);
		break;
	case MATCH_SET:
		text_add(to, " %s dim %u src %x", match->u.set.name, match->u.set.dim, match->u.set.src);
		break;
	case MATCH_COMMENT:
	case MATCH_LIMIT:
	case MATCH_OPAQUE:
		text_add(to, " [%s]", match->text);
		break;
	}
	text_add(to, "; ");
}

static inline void rule_to_text(const struct rule *rule, struct rule_text *to)
{
	static const char *const names[] = { "none", "accept", "drop", "reject", "return", "jump", "goto", "nflog",
		"log", "opaque" };
	const struct target *target = &rule->target;

	to->used = 0;
	to->text[0] = '\0';
	for (size_t i = 0; i < rule->n_matches; i++)
		text_match(to, &rule->matches[i]);
	text_add(to, "-> %s", names[target->kind]);
	if (target->chain)
		text_add(to, " %s", target->chain);
	if (target->text)
		text_add(to, " [%s]", target->text);
	if (target->kind == TARGET_NFLOG)
		text_add(to, " group %u threshold %u size %u [%s]", target->nflog.group, target->nflog.threshold,
			 target->nflog.size, target->nflog.prefix);
	if (rule->native)
		text_add(to, " native");
	if (rule->dead_log)
		text_add(to, " dead_log");
}
