/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/saveline.h"
#include "rules/savematch.h"
#include "rules/savename.h"

enum {
	ID_SPORT = 1,
	ID_DPORT = 2,
	ID_FLAGS = 4,
	ID_ONLY = 1, /* of matches with one option */
	ID_RATE = 1,
	ID_BURST = 2,
};

/* "A", "A:B", "A:", ":B" */
static bool parse_span(const char *text, struct port_span *ret)
{
	const char *colon = strchr(text, ':');
	struct port_span span = { 0, UINT16_MAX };
	char first[16];

	if (!colon) {
		if (!savename_port(text, &span.lo))
			return false;
		span.hi = span.lo;
	} else {
		size_t n = (size_t)(colon - text);

		if (n >= sizeof(first))
			return false;
		memcpy(first, text, n);
		first[n] = '\0';
		if ((n && !savename_port(first, &span.lo)) || (colon[1] && !savename_port(colon + 1, &span.hi)))
			return false;
	}
	if (span.lo > span.hi)
		return false;
	*ret = span;
	return true;
}

static bool take_ports(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	unsigned mask, set;

	switch (id) {
	case ID_SPORT:
		match->u.ports.not_sport = inverted;
		return parse_span(values[0], &match->u.ports.sport);
	case ID_DPORT:
		match->u.ports.not_dport = inverted;
		return parse_span(values[0], &match->u.ports.dport);
	default:
		break;
	}
	if (strcmp(name, "--syn") == 0) {
		mask = 0x17; /* FIN,SYN,RST,ACK */
		set = 0x02;
	} else if (!savename_bits(savename_tcp_flags, values[0], 0x3f, &mask) ||
		   !savename_bits(savename_tcp_flags, values[1], 0x3f, &set)) {
		return false;
	}
	if (!mask && (set || inverted))
		return false; /* never true, and not to be told from "not asked" here */
	match->u.ports.flag_mask = (uint8_t)mask;
	match->u.ports.flag_set = (uint8_t)set;
	match->u.ports.not_flags = inverted;
	return true;
}

/* TYPE or TYPE/CODE, by number or by one of the names that people write. */
static bool take_icmp(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	static const struct {
		enum match_kind kind;
		const char *name;
		uint8_t type;
	} names[] = {
		{ MATCH_ICMP, "echo-request", 8 }, { MATCH_ICMP, "ping", 8 },
		{ MATCH_ICMP, "echo-reply", 0 }, { MATCH_ICMP, "pong", 0 },
		{ MATCH_ICMP, "destination-unreachable", 3 }, { MATCH_ICMP, "time-exceeded", 11 },
		{ MATCH_ICMP, "parameter-problem", 12 }, { MATCH_ICMP, "any", 255 },
		{ MATCH_ICMP6, "echo-request", 128 }, { MATCH_ICMP6, "echo-reply", 129 },
		{ MATCH_ICMP6, "destination-unreachable", 1 }, { MATCH_ICMP6, "packet-too-big", 2 },
		{ MATCH_ICMP6, "time-exceeded", 3 }, { MATCH_ICMP6, "parameter-problem", 4 },
		{ MATCH_ICMP6, "router-solicitation", 133 }, { MATCH_ICMP6, "router-advertisement", 134 },
		{ MATCH_ICMP6, "neighbour-solicitation", 135 }, { MATCH_ICMP6, "neighbor-solicitation", 135 },
		{ MATCH_ICMP6, "neighbour-advertisement", 136 }, { MATCH_ICMP6, "neighbor-advertisement", 136 },
	};
	const char *slash = strchr(values[0], '/');
	uint64_t type, code;
	char copy[8];

	match->inverted = inverted;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].kind == match->kind && strcasecmp(names[i].name, values[0]) == 0) {
			match->u.icmp.type = names[i].type;
			return true;
		}
	}
	snprintf(copy, sizeof(copy), "%.*s", slash ? (int)(slash - values[0]) : 7, values[0]);
	if (!saveline_number(copy, UINT8_MAX, &type) || (slash && !saveline_number(slash + 1, UINT8_MAX, &code)))
		return false;
	/* 1.8.9 makes "any" of 255/3, 1.8.11 does not */
	if (slash && type == UINT8_MAX && match->kind == MATCH_ICMP)
		return false;
	match->u.icmp.type = (uint8_t)type;
	if (slash)
		match->u.icmp.code_lo = match->u.icmp.code_hi = (uint8_t)code;
	return true;
}

static bool take_hl(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	uint64_t hl;

	match->inverted = inverted;
	if (!saveline_number(values[0], UINT8_MAX, &hl))
		return false;
	match->u.hl = (uint8_t)hl;
	return true;
}

static bool take_multiport(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	const char *text = values[0];
	unsigned slots = 0;

	match->inverted = inverted;
	match->u.multiport.which = strstr(name, "dest") || strstr(name, "dports") ? 'd' :
				   strcmp(name, "--ports") == 0			  ? 'b' :
										    's';
	for (;;) {
		size_t n = strcspn(text, ",");
		struct port_span *span = &match->u.multiport.spans[match->u.multiport.n];
		char copy[32], *colon;

		if (n >= sizeof(copy) || slots >= MULTIPORT_MAX)
			return false;
		memcpy(copy, text, n);
		copy[n] = '\0';
		colon = strchr(copy, ':');
		/* "80:", ":80" and "80:80" are refused */
		if (!parse_span(copy, span) || (colon && (colon == copy || !colon[1] || span->lo == span->hi)))
			return false;
		match->u.multiport.n++;
		slots += colon ? 2 : 1;
		if (slots > MULTIPORT_MAX)
			return false;
		text += n;
		if (!*text)
			return true;
		text++;
	}
}

static bool take_conntrack(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	unsigned bits;

	match->u.conntrack.flags |= (uint16_t)id;
	if (inverted)
		match->u.conntrack.invert |= (uint16_t)id;
	switch (id) {
	case CONNTRACK_STATE:
		if (!savename_bits(savename_states, values[0], 0, &bits) || !bits)
			return false;
		/* the older name of the match knows no translations */
		if (strcmp(name, "--state") == 0 && (bits & (CT_SNAT | CT_DNAT) || match_set_text(match, "state") < 0))
			return false;
		match->u.conntrack.states = (uint16_t)bits;
		return true;
	case CONNTRACK_STATUS:
		if (!savename_bits(savename_statuses, values[0], 0, &bits))
			return false;
		match->u.conntrack.status = (uint16_t)bits;
		return true;
	case CONNTRACK_ORIGDST_PORT:
		return parse_span(values[0], &match->u.conntrack.origdst_port);
	default:
		match->u.conntrack.reply = strcasecmp(values[0], "REPLY") == 0;
		return !inverted && (match->u.conntrack.reply || strcasecmp(values[0], "ORIGINAL") == 0);
	}
}

static bool take_set(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	const char *text = values[1];

	match->inverted = inverted;
	if (!*values[0] || strlen(values[0]) > SET_NAME_MAX || strpbrk(values[0], " \t\"\\"))
		return false;
	snprintf(match->u.set.name, sizeof(match->u.set.name), "%s", values[0]);
	for (;;) {
		size_t n = strcspn(text, ",");

		if (match->u.set.dim == 6 || n != 3 || (memcmp(text, "src", n) != 0 && memcmp(text, "dst", n) != 0))
			return false;
		if (*text == 's')
			match->u.set.src |= (uint8_t)(1 << match->u.set.dim);
		match->u.set.dim++;
		text += n;
		if (!*text)
			return true;
		text++;
	}
}

static bool take_comment(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	char cut[256]; /* struct xt_comment_info: iptables cuts there */

	snprintf(cut, sizeof(cut), "%s", values[0]);
	return !inverted && match_set_text(match, cut) == 0;
}

/* iptables prints the rate first, in its own words, and no burst of 5. */
static bool take_limit(struct match *match, unsigned id, const char *name, const char *const *values, bool inverted)
{
	static const char *const units[][2] = {
		{ "second", "sec" }, { "minute", "min" }, { "hour", "hour" }, { "day", "day" }, { NULL, NULL },
	};
	const char *old = match->text ? match->text : "";
	const char *slash = strchr(values[0], '/'), *unit = slash ? slash + 1 : "sec";
	char count[8], text[64];
	uint64_t number;
	size_t i = 0;

	if (inverted)
		return false;
	if (id == ID_BURST) {
		if (!saveline_number(values[0], 10000, &number) || number == 0)
			return false;
		if (number == 5)
			return true;
		snprintf(text, sizeof(text), "%s --limit-burst %u", *old ? old : "--limit 3/hour", (unsigned)number);
		return match_set_text(match, text) == 0;
	}
	snprintf(count, sizeof(count), "%.*s", slash ? (int)(slash - values[0]) : 7, values[0]);
	while (units[i][0] && strncasecmp(units[i][0], unit, strlen(unit)) != 0)
		i++;
	if (!*unit || !units[i][0] || !saveline_number(count, 10000, &number) || number == 0)
		return false;
	old = strstr(old, " --limit-burst");
	snprintf(text, sizeof(text), "--limit %u/%s%s", (unsigned)number, units[i][1], old ? old : "");
	return match_set_text(match, text) == 0;
}

static const struct savematch matches[] = {
	{ "tcp", MATCH_TCP, IPPROTO_TCP, true,
	  (const struct savematch_option[]){ { "--sport", ID_SPORT }, { "--source-port", ID_SPORT },
		{ "--dport", ID_DPORT }, { "--destination-port", ID_DPORT }, { "--tcp-flags", ID_FLAGS },
		{ "--syn", ID_FLAGS }, { NULL, 0 } },
	  take_ports },
	{ "udp", MATCH_UDP, IPPROTO_UDP, true,
	  (const struct savematch_option[]){ { "--sport", ID_SPORT }, { "--source-port", ID_SPORT },
		{ "--dport", ID_DPORT }, { "--destination-port", ID_DPORT }, { NULL, 0 } },
	  take_ports },
	{ "icmp", MATCH_ICMP, IPPROTO_ICMP, false,
	  (const struct savematch_option[]){ { "--icmp-type", ID_ONLY }, { NULL, 0 } }, take_icmp },
	{ "icmp6", MATCH_ICMP6, IPPROTO_ICMPV6, false,
	  (const struct savematch_option[]){ { "--icmpv6-type", ID_ONLY }, { NULL, 0 } }, take_icmp },
	{ "hl", MATCH_HL, 0, false, (const struct savematch_option[]){ { "--hl-eq", ID_ONLY }, { NULL, 0 } }, take_hl },
	/* the singular --dport is left out: with both matches loaded it could be either's */
	{ "multiport", MATCH_MULTIPORT, 0, false,
	  (const struct savematch_option[]){ { "--sports", ID_ONLY }, { "--source-ports", ID_ONLY },
		{ "--dports", ID_ONLY }, { "--destination-ports", ID_ONLY }, { "--ports", ID_ONLY }, { NULL, 0 } },
	  take_multiport },
	{ "conntrack", MATCH_CONNTRACK, 0, false,
	  (const struct savematch_option[]){ { "--ctstate", CONNTRACK_STATE }, { "--ctstatus", CONNTRACK_STATUS },
		{ "--ctorigdstport", CONNTRACK_ORIGDST_PORT }, { "--ctdir", CONNTRACK_DIRECTION }, { NULL, 0 } },
	  take_conntrack },
	{ "state", MATCH_CONNTRACK, 0, false,
	  (const struct savematch_option[]){ { "--state", CONNTRACK_STATE }, { NULL, 0 } }, take_conntrack },
	{ "set", MATCH_SET, 0, false,
	  (const struct savematch_option[]){ { "--match-set", ID_ONLY }, { NULL, 0 } }, take_set },
	{ "comment", MATCH_COMMENT, 0, false,
	  (const struct savematch_option[]){ { "--comment", ID_ONLY }, { NULL, 0 } }, take_comment },
	{ "limit", MATCH_LIMIT, 0, false,
	  (const struct savematch_option[]){ { "--limit", ID_RATE }, { "--limit-burst", ID_BURST }, { NULL, 0 } },
	  take_limit },
};

const struct savematch *savematch_find(const char *name)
{
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++)
		if (strcmp(matches[i].name, name) == 0)
			return &matches[i];
	return NULL;
}

const struct savematch *savematch_of_proto(uint8_t proto)
{
	for (size_t i = 0; proto && i < sizeof(matches) / sizeof(matches[0]); i++)
		if (matches[i].proto == proto)
			return &matches[i];
	return NULL;
}

const struct savematch_option *savematch_option(const struct savematch *match, const char *name)
{
	for (const struct savematch_option *option = match->options; option->name; option++)
		if (strcmp(option->name, name) == 0)
			return option;
	return NULL;
}

size_t savematch_values(const char *option)
{
	if (strcmp(option, "--syn") == 0)
		return 0;
	return strcmp(option, "--tcp-flags") == 0 || strcmp(option, "--match-set") == 0 ? 2 : 1;
}

bool savematch_net(const char *text, uint8_t family, struct match *match, bool *any)
{
	int af = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	unsigned bits = af == AF_INET ? 32 : 128;
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	uint64_t len = bits;
	static const uint8_t zero[16];

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (strcmp(text, "0/0") == 0 && af == AF_INET) {
		*any = true;
		return true;
	}
	/* not addr_parse(): iptables takes IPv4-mapped addresses, though no packet has one */
	if (inet_pton(af, addr, match->u.net.addr.bytes) != 1)
		return false;
	match->u.net.addr.family = (uint8_t)af;
	if (!slash || saveline_number(slash + 1, bits, &len))
		cidr_mask((unsigned)len, match->u.net.mask);
	else if (inet_pton(af, slash + 1, match->u.net.mask) != 1)
		return false;
	for (size_t i = 0; i < 16; i++)
		match->u.net.addr.bytes[i] &= match->u.net.mask[i];
	*any = memcmp(match->u.net.mask, zero, sizeof(zero)) == 0;
	return true;
}

bool savematch_iface(const char *text, struct match *match)
{
	size_t n = strlen(text);

	if (n == 0 || n >= IFNAMSIZ || strpbrk(text, " \t\"\\/"))
		return false;
	snprintf(match->u.iface.name, sizeof(match->u.iface.name), "%s", text);
	match->u.iface.prefix = text[n - 1] == '+';
	if (match->u.iface.prefix)
		match->u.iface.name[n - 1] = '\0';
	return true;
}
