/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "tests/unit/probes.h"

static const struct list test_lists[] = {
	{ .name = LIST_MAIN },
	{ .name = "web", .n_ports = 3, .ports = { { IPPROTO_TCP, 80, 80 }, { IPPROTO_UDP, 53, 53 }, { IPPROTO_TCP, 8000,
	  8010 } } },
	/* 6 ranges and 9 ports of TCP are 21 slots; the last port stands alone in its protocol */
	{ .name = "many", .n_ports = 16, .ports = {
		{ IPPROTO_TCP, 1001, 1002 }, { IPPROTO_TCP, 1011, 1012 }, { IPPROTO_TCP, 1021, 1022 }, { IPPROTO_TCP, 1031, 1032 },
		{ IPPROTO_TCP, 1041, 1042 }, { IPPROTO_TCP, 1051, 1052 }, { IPPROTO_TCP, 1061, 1061 }, { IPPROTO_TCP, 1071, 1071 },
		{ IPPROTO_TCP, 1081, 1081 }, { IPPROTO_TCP, 1091, 1091 }, { IPPROTO_TCP, 1101, 1101 }, { IPPROTO_TCP, 1111, 1111 },
		{ IPPROTO_TCP, 1121, 1121 }, { IPPROTO_TCP, 1131, 1131 }, { IPPROTO_TCP, 1141, 1141 }, { IPPROTO_UDP, 1201,
		  1203 } } },
	{ .name = "office", .interface = "eth1" },
	{ .name = "db", .n_ports = 1, .ports = { { IPPROTO_TCP, 5432, 5432 } },
	  .destination = { { AF_INET, { 10, 4, 0, 0 } }, 24 } },
	{ .name = "db6", .destination = { { AF_INET6, { 0xfd, 4 } }, 64 } },
	{ .name = "mixed", .interface = "eth1", .n_ports = 1, .ports = { { IPPROTO_UDP, 7, 9 } },
	  .destination = { { AF_INET, { 10, 4, 0, 0 } }, 24 } },
};

struct policy full_policy(void)
{
	struct policy policy;

	policy_init(&policy);
	policy.ssh_auto = false;
	policy.ssh_ports[0] = 22;
	policy.ssh_ports[1] = 2222;
	policy.n_ssh_ports = 2;
	strcpy(policy.trust[0], "wg0");
	strcpy(policy.trust[1], "tailscale0");
	policy.n_trust = 2;
	policy.n_lists = sizeof(test_lists) / sizeof(*test_lists);
	memcpy(policy.lists, test_lists, sizeof(test_lists));
	return policy;
}

struct policy narrow_policy(void)
{
	struct policy policy = full_policy();

	policy.ssh = SSH_WHITELIST;
	policy.n_trust = 0;
	policy.lists[1] = policy.lists[OFFICE - 1];
	policy.lists[1].interface[0] = 0;
	policy.n_lists = 2;
	return policy;
}

#define ICMP .proto = IPPROTO_ICMP
#define UDP .proto = IPPROTO_UDP
#define IN4 .family = AF_INET
#define IN6 .family = AF_INET6
#define YES .expected = VERDICT_ACCEPT
#define NO .expected = VERDICT_DROP
#define FWD .forward = true

static const struct probe probes[] = {
	{ "stranger", NO },
	{ "related ICMP, original", ICMP, .type = 3, .code = 1, .state = CT_RELATED, YES },
	{ "related ICMP, reply", ICMP, .type = 1, .state = CT_RELATED, .reply = true, YES },
	{ "related TCP, original", .state = CT_RELATED, NO },
	{ "related TCP, reply", .state = CT_RELATED, .reply = true, YES },
	{ "answer", .state = CT_ESTABLISHED, .reply = true, YES },
	{ "established, original", .state = CT_ESTABLISHED, NO },
	{ "new, reply", .state = CT_NEW, .reply = true, NO },
	{ "expected", .state = CT_ESTABLISHED, .status = CT_STATUS_EXPECTED | CT_STATUS_CONFIRMED, YES },
	{ "not expected", .state = CT_ESTABLISHED,
	  .status = CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED, NO },
	{ "loopback", .iif = "lo", YES },
	{ "loopback, invalid", .iif = "lo", .state = CT_INVALID, YES },
	{ "not loopback", .iif = "lo0", NO },
	{ "trusted", .iif = "wg0", YES },
	{ "trusted, invalid", .iif = "wg0", .state = CT_INVALID, YES },
	{ "trusted, the second", .iif = "tailscale0", YES },
	{ "trusted, the second, invalid", .iif = "tailscale0", .state = CT_INVALID, YES },
	{ "not trusted", .iif = "wg1", NO },
	{ "invalid, listed", .list = MAIN, .state = CT_INVALID, NO },
	{ "invalid", .state = CT_INVALID, NO },
	{ "untracked, listed", .list = MAIN, .state = CT_UNTRACKED, YES },
	{ "ssh", .dport = 22, YES },
	{ "ssh, invalid", .dport = 22, .state = CT_INVALID, NO },
	{ "ssh, established", .dport = 22, .state = CT_ESTABLISHED, YES },
	{ "ssh, second port", .dport = 2222, YES },
	{ "ssh, second port, invalid", .dport = 2222, .state = CT_INVALID, NO },
	{ "ssh is TCP", UDP, .dport = 22, NO },
	{ "ssh, between", .dport = 23, NO },
	{ "ssh is the destination", .sport = 22, NO },

	{ "path MTU", IN4, ICMP, .type = 3, .code = 4, YES },
	{ "path MTU, invalid", IN4, ICMP, .type = 3, .code = 4, .state = CT_INVALID, YES },
	{ "unreachable, code 3", IN4, ICMP, .type = 3, .code = 3, NO },
	{ "unreachable, code 5", IN4, ICMP, .type = 3, .code = 5, NO },
	{ "redirect", IN4, ICMP, .type = 5, .code = 4, NO },
	{ "echo", IN4, ICMP, .type = 8, YES },
	{ "echo, invalid", IN4, ICMP, .type = 8, .state = CT_INVALID, NO },
	{ "echo reply", IN4, ICMP, .type = 0, NO },
	{ "IGMP", IN4, .proto = IPPROTO_IGMP, YES },
	{ "IGMP, invalid", IN4, .proto = IPPROTO_IGMP, .state = CT_INVALID, NO },
	{ "IGMP, IPv6", IN6, .proto = IPPROTO_IGMP, NO },
	{ "DHCP", IN4, UDP, .sport = 67, .dport = 68, YES },
	{ "DHCP, invalid", IN4, UDP, .sport = 67, .dport = 68, .state = CT_INVALID, NO },
	{ "DHCP, source", IN4, UDP, .sport = 66, .dport = 68, NO },
	{ "DHCP, destination", IN4, UDP, .sport = 67, .dport = 67, NO },
	{ "DHCP, TCP", IN4, .sport = 67, .dport = 68, NO },
	{ "DHCP, IPv6", IN6, UDP, .sport = 67, .dport = 68, NO },

	{ "packet too big", IN6, ICMP, .type = 2, .code = 0, YES },
	{ "packet too big, invalid", IN6, ICMP, .type = 2, .state = CT_INVALID, YES },
	{ "unreachable", IN6, ICMP, .type = 1, NO },
	{ "time exceeded", IN6, ICMP, .type = 3, .code = 4, NO },
	{ "echo", IN6, ICMP, .type = 128, YES },
	{ "echo, invalid", IN6, ICMP, .type = 128, .state = CT_INVALID, NO },
	{ "echo reply", IN6, ICMP, .type = 129, NO },
	{ "router solicitation", IN6, ICMP, .type = 133, .hop_limit = 255, .state = CT_UNTRACKED, YES },
	{ "router advertisement", IN6, ICMP, .type = 134, .hop_limit = 255, .state = CT_UNTRACKED, YES },
	{ "neighbour solicitation", IN6, ICMP, .type = 135, .hop_limit = 255, .state = CT_UNTRACKED, YES },
	{ "neighbour advertisement", IN6, ICMP, .type = 136, .hop_limit = 255, .state = CT_UNTRACKED, YES },
	{ "redirect", IN6, ICMP, .type = 137, .hop_limit = 255, .state = CT_UNTRACKED, YES },
	{ "router solicitation, invalid", IN6, ICMP, .type = 133, .hop_limit = 255, .state = CT_INVALID, NO },
	{ "router advertisement, invalid", IN6, ICMP, .type = 134, .hop_limit = 255, .state = CT_INVALID, NO },
	{ "neighbour solicitation, invalid", IN6, ICMP, .type = 135, .hop_limit = 255, .state = CT_INVALID, NO },
	{ "neighbour advertisement, invalid", IN6, ICMP, .type = 136, .hop_limit = 255, .state = CT_INVALID, NO },
	{ "redirect, invalid", IN6, ICMP, .type = 137, .hop_limit = 255, .state = CT_INVALID, YES },
	{ "redirect, routed, invalid", IN6, ICMP, .type = 137, .hop_limit = 254, .state = CT_INVALID, NO },
	{ "router solicitation, routed", IN6, ICMP, .type = 133, .hop_limit = 254, .state = CT_UNTRACKED, NO },
	{ "router advertisement, routed", IN6, ICMP, .type = 134, .hop_limit = 254, .state = CT_UNTRACKED, NO },
	{ "neighbour solicitation, routed", IN6, ICMP, .type = 135, .hop_limit = 254, .state = CT_UNTRACKED, NO },
	{ "neighbour advertisement, routed", IN6, ICMP, .type = 136, .hop_limit = 254, .state = CT_UNTRACKED, NO },
	{ "redirect, routed", IN6, ICMP, .type = 137, .hop_limit = 254, .state = CT_UNTRACKED, NO },
	{ "MLD query", IN6, ICMP, .type = 130, .hop_limit = 1, .state = CT_UNTRACKED, YES },
	{ "MLD report", IN6, ICMP, .type = 131, .hop_limit = 1, .state = CT_UNTRACKED, YES },
	{ "MLD done", IN6, ICMP, .type = 132, .hop_limit = 1, .state = CT_UNTRACKED, YES },
	{ "MLDv2 report", IN6, ICMP, .type = 143, .hop_limit = 1, .state = CT_UNTRACKED, YES },
	{ "MLD query, invalid", IN6, ICMP, .type = 130, .hop_limit = 1, .state = CT_INVALID, NO },
	{ "MLD report, invalid", IN6, ICMP, .type = 131, .hop_limit = 1, .state = CT_INVALID, NO },
	{ "MLD done, invalid", IN6, ICMP, .type = 132, .hop_limit = 1, .state = CT_INVALID, NO },
	{ "MLDv2 report, invalid", IN6, ICMP, .type = 143, .hop_limit = 1, .state = CT_INVALID, NO },
	{ "node information", IN6, ICMP, .type = 139, .hop_limit = 255, NO },
	{ "DHCPv6", IN6, UDP, .src = "fe80::1", .sport = 547, .dport = 546, YES },
	{ "DHCPv6, any source port", IN6, UDP, .src = "febf::1", .sport = 1, .dport = 546, YES },
	{ "DHCPv6, invalid", IN6, UDP, .src = "fe80::1", .dport = 546, .state = CT_INVALID, NO },
	{ "DHCPv6, from afar", IN6, UDP, .src = "fec0::1", .dport = 546, NO },
	{ "DHCPv6, server", IN6, UDP, .src = "fe80::1", .dport = 547, NO },

	{ "listed", .list = MAIN, YES },
	{ "listed, UDP", .list = MAIN, UDP, .dport = 1, YES },
	{ "listed, established", .list = MAIN, .state = CT_ESTABLISHED, YES },
	{ "web", .list = WEB, .dport = 80, YES },
	{ "web, invalid", .list = WEB, .dport = 80, .state = CT_INVALID, NO },
	{ "web, first of the range", .list = WEB, .dport = 8000, YES },
	{ "web, last of the range", .list = WEB, .dport = 8010, YES },
	{ "web, behind the range", .list = WEB, .dport = 8011, NO },
	{ "web, UDP", .list = WEB, UDP, .dport = 53, YES },
	{ "web, UDP, invalid", .list = WEB, UDP, .dport = 53, .state = CT_INVALID, NO },
	{ "web, TCP's port in UDP", .list = WEB, UDP, .dport = 80, NO },
	{ "web, UDP's port in TCP", .list = WEB, .dport = 53, NO },
	{ "web, source port", .list = WEB, .sport = 80, NO },
	{ "web's port, another list", .list = MANY, .dport = 80, NO },
	{ "many, first", .list = MANY, .dport = 1001, YES },
	{ "many, first, invalid", .list = MANY, .dport = 1001, .state = CT_INVALID, NO },
	{ "many, last of the first rule", .list = MANY, .dport = 1081, YES },
	{ "many, first of the second rule", .list = MANY, .dport = 1091, YES },
	{ "many, last", .list = MANY, .dport = 1141, YES },
	{ "many, last, invalid", .list = MANY, .dport = 1141, .state = CT_INVALID, NO },
	{ "many, range of UDP", .list = MANY, UDP, .dport = 1202, YES },
	{ "many, range of UDP, invalid", .list = MANY, UDP, .dport = 1202, .state = CT_INVALID, NO },
	{ "many, not", .list = MANY, .dport = 1003, NO },
	{ "office", .list = OFFICE, .iif = "eth1", YES },
	{ "office, invalid", .list = OFFICE, .iif = "eth1", .state = CT_INVALID, NO },
	{ "office, elsewhere", .list = OFFICE, NO },
	{ "db", IN4, .list = DB, .dst = "10.4.0.7", .dport = 5432, YES },
	{ "db, invalid", IN4, .list = DB, .dst = "10.4.0.7", .dport = 5432, .state = CT_INVALID, NO },
	{ "db, other destination", IN4, .list = DB, .dst = "10.4.1.7", .dport = 5432, NO },
	{ "db, other port", IN4, .list = DB, .dst = "10.4.0.7", .dport = 5433, NO },
	{ "db, IPv6", IN6, .list = DB, .dport = 5432, NO },
	{ "db6", IN6, .list = DB6, .dst = "fd04::7", YES },
	{ "db6, invalid", IN6, .list = DB6, .dst = "fd04::7", .state = CT_INVALID, NO },
	{ "db6, other destination", IN6, .list = DB6, .dst = "fd05::7", NO },
	{ "db6, IPv4", IN4, .list = DB6, NO },
	{ "mixed", IN4, .list = MIXED, UDP, .iif = "eth1", .dst = "10.4.0.7", .dport = 8, YES },
	{ "mixed, invalid", IN4, .list = MIXED, UDP, .iif = "eth1", .dst = "10.4.0.7", .dport = 8, .state = CT_INVALID, NO },
	{ "mixed, interface", IN4, .list = MIXED, UDP, .dst = "10.4.0.7", .dport = 8, NO },
	{ "mixed, destination", IN4, .list = MIXED, UDP, .iif = "eth1", .dport = 8, NO },
	{ "mixed, port", IN4, .list = MIXED, UDP, .iif = "eth1", .dst = "10.4.0.7", .dport = 10, NO },
	{ "mixed, protocol", IN4, .list = MIXED, .iif = "eth1", .dst = "10.4.0.7", .dport = 8, NO },

	{ "forward: stranger", FWD, NO },
	{ "forward: related ICMP, original", FWD, ICMP, .type = 3, .code = 1, .state = CT_RELATED, YES },
	{ "forward: related, original", FWD, .state = CT_RELATED, NO },
	{ "forward: answer", FWD, .state = CT_ESTABLISHED, .reply = true, YES },
	{ "forward: established, original", FWD, .state = CT_ESTABLISHED, NO },
	{ "forward: expected", FWD, .status = CT_STATUS_EXPECTED, YES },
	{ "forward: loopback is nothing", FWD, .iif = "lo", NO },
	{ "forward: trusted", FWD, .iif = "wg0", YES },
	{ "forward: trusted, the second", FWD, .iif = "tailscale0", YES },
	{ "forward: ssh", FWD, .dport = 22, NO },
	{ "forward: echo", FWD, IN4, ICMP, .type = 8, NO },
	{ "forward: path MTU without a flow", FWD, IN4, ICMP, .type = 3, .code = 4, NO },
	{ "forward: listed", FWD, .list = MAIN, YES },
	{ "forward: web", FWD, .list = WEB, .dport = 8080, .state = CT_NEW | CT_DNAT, .origdst = 80, YES },
	{ "forward: web, established", FWD, .list = WEB, .dport = 8080, .state = CT_ESTABLISHED | CT_DNAT, .origdst = 80,
	  YES },
	{ "forward: web, the range", FWD, .list = WEB, .dport = 80, .state = CT_NEW | CT_DNAT, .origdst = 8010, YES },
	{ "forward: web, UDP", FWD, .list = WEB, UDP, .dport = 5353, .state = CT_NEW | CT_DNAT, .origdst = 53, YES },
	{ "forward: web, protocol", FWD, .list = WEB, UDP, .dport = 80, .state = CT_NEW | CT_DNAT, .origdst = 80, NO },
	{ "forward: web, container's port", FWD, .list = WEB, .dport = 80, .state = CT_NEW | CT_DNAT, .origdst = 8081, NO },
	{ "forward: web, not published", FWD, .list = WEB, .dport = 80, .state = CT_NEW, .origdst = 80, NO },
	{ "forward: office", FWD, .list = OFFICE, .iif = "eth1", YES },
	{ "forward: office, elsewhere", FWD, .list = OFFICE, NO },
	{ "forward: db", FWD, IN4, .list = DB, .dst = "10.4.0.7", .state = CT_NEW | CT_DNAT, .origdst = 5432, YES },
	{ "forward: db, other container", FWD, IN4, .list = DB, .dst = "10.4.1.7", .state = CT_NEW | CT_DNAT,
	  .origdst = 5432, NO },
	{ "forward: db6", FWD, IN6, .list = DB6, .dst = "fd04::7", YES },
	{ "forward: db6, other", FWD, IN6, .list = DB6, .dst = "fd04:0:0:1::7", NO },
	{ "forward: mixed", FWD, IN4, .list = MIXED, UDP, .iif = "eth1", .dst = "10.4.0.7", .state = CT_NEW | CT_DNAT,
	  .origdst = 9, YES },
};
#define MANY_PORTS 16 /* of the list "many": a forward rule each, probed by their numbers */
_Static_assert(sizeof(probes) / sizeof(*probes) + MANY_PORTS == N_PROBES, "N_PROBES");

struct probe probe_at(size_t i)
{
	if (i < N_PROBES - MANY_PORTS)
		return probes[i];

	struct probe probe = { "forward: many", FWD, .list = MANY, .state = CT_NEW | CT_DNAT, YES };

	probe.origdst = test_lists[MANY - 1].ports[i + MANY_PORTS - N_PROBES].hi;
	probe.proto = test_lists[MANY - 1].ports[i + MANY_PORTS - N_PROBES].proto;
	return probe;
}

static struct packet packet_of(const struct probe *probe, uint8_t family)
{
	bool six = family == AF_INET6;
	struct packet packet = {
		.hook = probe->forward ? NF_INET_FORWARD : NF_INET_LOCAL_IN,
		.proto = probe->proto ? probe->proto : IPPROTO_TCP,
		.sport = probe->sport ? probe->sport : 40000,
		.dport = probe->dport ? probe->dport : 9999,
		.icmp_type = probe->type,
		.icmp_code = probe->code,
		.hop_limit = probe->hop_limit ? probe->hop_limit : 64,
		.ct_state = probe->state ? probe->state : CT_NEW,
		.ct_status = probe->status,
		.ct_reply = probe->reply,
	};

	if (six && packet.proto == IPPROTO_ICMP)
		packet.proto = IPPROTO_ICMPV6;
	packet.ct_origdst_port = probe->origdst ? probe->origdst : packet.dport;
	strcpy(packet.iif, probe->iif ? probe->iif : "eth0");
	if (probe->forward)
		strcpy(packet.oif, "br0");
	assert_int_equal(addr_parse(probe->src ? probe->src : six ? "2001:db8::7" : "192.0.2.7", &packet.src), 0);
	assert_int_equal(addr_parse(probe->dst ? probe->dst : six ? "2001:db8::1" : "198.51.100.1", &packet.dst), 0);
	return packet;
}

struct world {
	unsigned list; /* what the source is in */
	bool trial;
};

static int lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	const struct world *world = user;
	char name[32];

	assert_int_equal(dim, 1);
	assert_int_equal(src, 1);
	if (strcmp(set, SET_GATE) == 0)
		return world->trial;
	for (size_t i = 0; i < sizeof(test_lists) / sizeof(*test_lists); i++) {
		list_set_name(&test_lists[i], packet->src.family, name);
		if (strcmp(name, set) == 0)
			return world->list == i + 1;
	}
	fail_msg("a set of that name does not match this family: %s", set);
	return -1;
}

enum verdict ask(const struct ruleset *ruleset, const struct probe *probe, uint8_t family, bool trial)
{
	struct world world = { probe->list, trial };
	struct packet packet = packet_of(probe, family);
	struct verdict_way way;

	verdict(ruleset, &packet, lookup, &world, &way);
	return way.verdict;
}
