/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/ruleset.h"
#include "rules/saveline.h"
#include "rules/savename.h"

const struct savename_bit savename_states[] = {
	{ "INVALID", CT_INVALID },
	{ "NEW", CT_NEW },
	{ "RELATED", CT_RELATED },
	{ "ESTABLISHED", CT_ESTABLISHED },
	{ "UNTRACKED", CT_UNTRACKED },
	{ "SNAT", CT_SNAT },
	{ "DNAT", CT_DNAT },
	{ NULL, 0 },
};

const struct savename_bit savename_statuses[] = {
	{ "EXPECTED", CT_STATUS_EXPECTED },
	{ "SEEN_REPLY", CT_STATUS_SEEN_REPLY },
	{ "ASSURED", CT_STATUS_ASSURED },
	{ "CONFIRMED", CT_STATUS_CONFIRMED },
	{ NULL, 0 },
};

const struct savename_bit savename_tcp_flags[] = {
	{ "FIN", 0x01 }, { "SYN", 0x02 }, { "RST", 0x04 }, { "PSH", 0x08 }, { "ACK", 0x10 }, { "URG", 0x20 },
	{ NULL, 0 },
};

bool savename_bits(const struct savename_bit *bits, const char *text, unsigned all, unsigned *ret)
{
	unsigned value = 0;

	for (;;) {
		size_t n = strcspn(text, ",");
		const struct savename_bit *bit = bits;

		while (bit->name && (strlen(bit->name) != n || strncasecmp(bit->name, text, n) != 0))
			bit++;
		if (bit->name)
			value |= bit->bit;
		else if (all && n == 3 && strncasecmp(text, "ALL", n) == 0)
			value |= all;
		else if (n != 4 || strncasecmp(text, "NONE", n) != 0)
			return false;
		text += n;
		if (!*text)
			break;
		text++;
	}
	*ret = value;
	return true;
}

struct number_name {
	const char *name;
	uint16_t number;
};

/* Printed, the first of a number; all of them known to iptables itself but igmp. */
static const struct number_name printed_protocols[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", IPPROTO_ICMP }, { "ipv6-icmp", IPPROTO_ICMPV6 },
	{ "icmpv6", IPPROTO_ICMPV6 }, { "igmp", IPPROTO_IGMP }, { "esp", IPPROTO_ESP }, { "ah", IPPROTO_AH },
	{ "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP }, { "udplite", IPPROTO_UDPLITE }, { "mobility-header", 135 },
	{ "mh", 135 },
};

/* Read only. "ipip" is 94, not IP in IP (4, ipencap). */
static const struct number_name read_protocols[] = {
	{ "all", 0 }, { "ipencap", 4 }, { "gre", 47 }, { "ipv6", 41 }, { "ipv6-route", 43 }, { "ipv6-frag", 44 },
	{ "ipv6-nonxt", 59 }, { "ipv6-opts", 60 }, { "eigrp", 88 }, { "ospf", 89 }, { "ipip", 94 }, { "pim", 103 },
	{ "ipcomp", 108 }, { "vrrp", 112 }, { "l2tp", 115 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void savename_proto(uint8_t proto, char ret[static SAVENAME_PROTO_MAX])
{
	for (size_t i = 0; i < COUNT(printed_protocols); i++) {
		if (printed_protocols[i].number == proto) {
			snprintf(ret, SAVENAME_PROTO_MAX, "%s", printed_protocols[i].name);
			return;
		}
	}
	snprintf(ret, SAVENAME_PROTO_MAX, "%u", proto);
}

static bool find_name(const struct number_name *names, size_t n, const char *text, uint16_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(names[i].name, text) == 0) {
			*ret = names[i].number;
			return true;
		}
	}
	return false;
}

bool savename_parse_proto(const char *text, uint8_t *ret)
{
	uint64_t number;
	uint16_t found;

	if (saveline_number(text, UINT8_MAX, &number))
		*ret = (uint8_t)number;
	else if (find_name(printed_protocols, COUNT(printed_protocols), text, &found) ||
		 find_name(read_protocols, COUNT(read_protocols), text, &found))
		*ret = (uint8_t)found;
	else
		return false;
	return true;
}

bool savename_port(const char *text, uint16_t *ret)
{
	static const struct number_name services[] = {
		{ "ftp", 21 }, { "ssh", 22 }, { "telnet", 23 }, { "smtp", 25 }, { "domain", 53 }, { "bootps", 67 },
		{ "bootpc", 68 }, { "http", 80 }, { "ntp", 123 }, { "snmp", 161 }, { "https", 443 },
		{ "submission", 587 }, { "imaps", 993 }, { "pop3s", 995 },
	};
	uint64_t number;

	if (find_name(services, COUNT(services), text, ret))
		return true;
	if (!saveline_number(text, UINT16_MAX, &number))
		return false;
	*ret = (uint16_t)number;
	return true;
}

const char *savename_reject(uint8_t family)
{
	return family == NFPROTO_IPV4 ? "--reject-with icmp-port-unreachable" : "--reject-with icmp6-port-unreachable";
}

static void quote(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	ret[n++] = '"';
	for (; *text && n + 4 < size; text++) {
		if (strchr("\"'\\", *text))
			ret[n++] = '\\';
		ret[n++] = *text;
	}
	ret[n++] = '"';
	ret[n] = '\0';
}

void savename_quote(const char *text, char *ret, size_t size)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	if (*text && !text[strspn(text, bare)])
		snprintf(ret, size, "%s", text);
	else
		quote(text, ret, size);
}

void savename_word(const char *text, char *ret, size_t size)
{
	if (*text && !strpbrk(text, " \t\n\"'\\"))
		snprintf(ret, size, "%s", text);
	else
		quote(text, ret, size);
}
