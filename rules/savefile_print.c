/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savefile.h"
#include "rules/savename.h"

struct out {
	char *text;
	size_t size, len; /* len may pass size: what did not fit is counted only */
};

static void put(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *out, const char *format, ...)
{
	size_t left = out->len < out->size ? out->size - out->len : 0;
	va_list args;

	va_start(args, format);
	out->len += (size_t)vsnprintf(left ? out->text + out->len : NULL, left, format, args);
	va_end(args);
}

static void put_string(struct out *out, const char *text)
{
	char quoted[SAVEFILE_RULE_MAX];

	savename_quote(text, quoted, sizeof(quoted));
	put(out, " %s", quoted);
}

static const char *not(bool inverted)
{
	return inverted ? " !" : "";
}

static void put_net(struct out *out, const char *option, const struct match *match, uint8_t family)
{
	int af = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	unsigned bits = af == AF_INET ? 32 : 128, len = 0;
	char addr[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];
	uint8_t whole[16];

	while (len < bits && match->u.net.mask[len / 8] >> (7 - len % 8) & 1)
		len++;
	cidr_mask(len, whole);
	inet_ntop(af, match->u.net.addr.bytes, addr, sizeof(addr));
	inet_ntop(af, match->u.net.mask, mask, sizeof(mask));
	if (memcmp(whole, match->u.net.mask, bits / 8) == 0)
		put(out, "%s %s %s/%u", not(match->inverted), option, addr, len);
	else
		put(out, "%s %s %s/%s", not(match->inverted), option, addr, mask);
}

/* What iptables keeps beside its list of matches. It prints that first, whatever the order was. */
static void put_header(struct out *out, const struct rule *rule, uint8_t family)
{
	static const struct {
		enum match_kind kind;
		const char *option;
	} order[] = {
		{ MATCH_SRC, "-s" }, { MATCH_DST, "-d" }, { MATCH_IIF, "-i" }, { MATCH_OIF, "-o" },
		{ MATCH_PROTO, "-p" },
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		for (size_t j = 0; j < rule->n_matches; j++) {
			const struct match *match = &rule->matches[j];
			char name[SAVENAME_PROTO_MAX];

			if (match->kind != order[i].kind)
				continue;
			switch (match->kind) {
			case MATCH_SRC:
			case MATCH_DST:
				put_net(out, order[i].option, match, family);
				break;
			case MATCH_PROTO:
				savename_proto(match->u.proto, name);
				put(out, "%s -p %s", not(match->inverted), name);
				break;
			default:
				put(out, "%s %s %s%s", not(match->inverted), order[i].option, match->u.iface.name,
				    match->u.iface.prefix ? "+" : "");
			}
		}
	}
}

static void put_span(struct out *out, struct port_span span)
{
	if (span.lo == span.hi)
		put(out, "%u", span.lo);
	else
		put(out, "%u:%u", span.lo, span.hi);
}

static void put_ports(struct out *out, const char *option, struct port_span span, bool inverted)
{
	if (span.lo == 0 && span.hi == UINT16_MAX && !inverted)
		return;
	put(out, "%s %s ", not(inverted), option);
	put_span(out, span);
}

static void put_bits(struct out *out, const struct savename_bit *bits, unsigned value)
{
	const char *comma = "";

	for (; bits->name; bits++) {
		if (value & bits->bit) {
			put(out, "%s%s", comma, bits->name);
			comma = ",";
		}
	}
	if (!*comma)
		put(out, "NONE");
}

static void put_tcp_udp(struct out *out, const struct match *match)
{
	put(out, " -m %s", match->kind == MATCH_TCP ? "tcp" : "udp");
	put_ports(out, "--sport", match->u.ports.sport, match->u.ports.not_sport);
	put_ports(out, "--dport", match->u.ports.dport, match->u.ports.not_dport);
	if (match->kind == MATCH_TCP && match->u.ports.flag_mask) {
		put(out, "%s --tcp-flags ", not(match->u.ports.not_flags));
		put_bits(out, savename_tcp_flags, match->u.ports.flag_mask);
		put(out, " ");
		put_bits(out, savename_tcp_flags, match->u.ports.flag_set);
	}
}

static void put_icmp(struct out *out, const struct match *match)
{
	bool v4 = match->kind == MATCH_ICMP, every = match->u.icmp.code_lo == 0 && match->u.icmp.code_hi == UINT8_MAX;

	put(out, " -m %s%s %s ", v4 ? "icmp" : "icmp6", not(match->inverted), v4 ? "--icmp-type" : "--icmpv6-type");
	if (v4 && match->u.icmp.type == UINT8_MAX && every) {
		put(out, "any");
		return;
	}
	put(out, "%u", match->u.icmp.type);
	if (match->u.icmp.code_lo == match->u.icmp.code_hi)
		put(out, "/%u", match->u.icmp.code_lo);
	else if (!every) /* has no text that iptables would read; only other programs make such rules */
		put(out, "/%u-%u", match->u.icmp.code_lo, match->u.icmp.code_hi);
}

static void put_multiport(struct out *out, const struct match *match)
{
	const char *option = match->u.multiport.which == 's' ? "--sports" :
			     match->u.multiport.which == 'd' ? "--dports" : "--ports";

	put(out, " -m multiport%s %s ", not(match->inverted), option);
	for (size_t i = 0; i < match->u.multiport.n; i++) {
		if (i)
			put(out, ",");
		put_span(out, match->u.multiport.spans[i]);
	}
}

/* The order is that of libxt_conntrack, revision 3; not that of the bits. */
static void put_conntrack(struct out *out, const struct match *match)
{
	unsigned flags = match->u.conntrack.flags, invert = match->u.conntrack.invert;

	if (match->text && strcmp(match->text, "state") == 0) {
		put(out, " -m state%s --state ", not(invert & CONNTRACK_STATE));
		put_bits(out, savename_states, match->u.conntrack.states);
		return;
	}
	put(out, " -m conntrack");
	if (flags & CONNTRACK_STATE) {
		put(out, "%s --ctstate ", not(invert & CONNTRACK_STATE));
		put_bits(out, savename_states, match->u.conntrack.states);
	}
	if (flags & CONNTRACK_ORIGDST_PORT) {
		put(out, "%s --ctorigdstport ", not(invert & CONNTRACK_ORIGDST_PORT));
		put_span(out, match->u.conntrack.origdst_port);
	}
	if (flags & CONNTRACK_STATUS) {
		put(out, "%s --ctstatus ", not(invert & CONNTRACK_STATUS));
		put_bits(out, savename_statuses, match->u.conntrack.status);
	}
	if (flags & CONNTRACK_DIRECTION) { /* has no "!": iptables refuses one */
		bool reply = match->u.conntrack.reply != !!(invert & CONNTRACK_DIRECTION);

		put(out, " --ctdir %s", reply ? "REPLY" : "ORIGINAL");
	}
}

static void put_set(struct out *out, const struct match *match)
{
	put(out, " -m set%s --match-set %s ", not(match->inverted), match->u.set.name);
	for (unsigned i = 0; i < match->u.set.dim; i++)
		put(out, "%s%s", i ? "," : "", match->u.set.src >> i & 1 ? "src" : "dst");
}

static void put_match(struct out *out, const struct match *match)
{
	const char *text = match->text ? match->text : "";

	switch (match->kind) {
	case MATCH_SRC:
	case MATCH_DST:
	case MATCH_IIF:
	case MATCH_OIF:
	case MATCH_PROTO:
		break; /* put_header() */
	case MATCH_TCP:
	case MATCH_UDP:
		put_tcp_udp(out, match);
		break;
	case MATCH_ICMP:
	case MATCH_ICMP6:
		put_icmp(out, match);
		break;
	case MATCH_HL:
		put(out, " -m hl%s --hl-eq %u", not(match->inverted), match->u.hl);
		break;
	case MATCH_MULTIPORT:
		put_multiport(out, match);
		break;
	case MATCH_CONNTRACK:
		put_conntrack(out, match);
		break;
	case MATCH_SET:
		put_set(out, match);
		break;
	case MATCH_COMMENT:
		put(out, " -m comment --comment");
		put_string(out, text);
		break;
	case MATCH_LIMIT:
		put(out, " -m limit %s", text);
		break;
	case MATCH_OPAQUE:
		put(out, "%s [%s]", not(match->inverted), text);
		break;
	}
}

static void put_nflog(struct out *out, const struct target *target)
{
	put(out, " -j NFLOG");
	if (target->nflog.prefix[0]) {
		put(out, " --nflog-prefix");
		put_string(out, target->nflog.prefix);
	}
	if (target->nflog.group)
		put(out, " --nflog-group %u", target->nflog.group);
	if (target->nflog.size)
		put(out, " --nflog-size %u", target->nflog.size);
	if (target->nflog.threshold)
		put(out, " --nflog-threshold %u", target->nflog.threshold);
}

static void put_target(struct out *out, const struct target *target, uint8_t family)
{
	switch (target->kind) {
	case TARGET_NONE:
		break;
	case TARGET_ACCEPT:
		put(out, " -j ACCEPT");
		break;
	case TARGET_DROP:
		put(out, " -j DROP");
		break;
	case TARGET_RETURN:
		put(out, " -j RETURN");
		break;
	case TARGET_REJECT:
		put(out, " -j REJECT %s", target->text ? target->text : savename_reject(family));
		break;
	case TARGET_JUMP:
		put(out, " -j %s", target->chain ? target->chain : "");
		break;
	case TARGET_GOTO:
		put(out, " -g %s", target->chain ? target->chain : "");
		break;
	case TARGET_NFLOG:
		put_nflog(out, target);
		break;
	case TARGET_LOG:
		put(out, " -j LOG%s%s", target->text ? " " : "", target->text ? target->text : "");
		break;
	case TARGET_OPAQUE:
		put(out, " -j [%s]", target->text ? target->text : "");
		break;
	}
}

int savefile_print_rule(const struct rule *rule, const char *chain, uint8_t family, char *ret, size_t size)
{
	struct out out = { .text = ret, .size = size };

	put(&out, "-A %s", chain);
	put_header(&out, rule, family);
	for (size_t i = 0; i < rule->n_matches; i++)
		put_match(&out, &rule->matches[i]);
	put_target(&out, &rule->target, family);
	return out.len < size ? (int)out.len : -ENOSPC;
}
