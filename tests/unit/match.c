/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "rules/match.h"

#define V4(a, b, c, d) { .family = AF_INET, .bytes = { a, b, c, d } }
#define V6(last) { .family = AF_INET6, .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = last } }
#define HERE4 .iif = "eth0", .src = V4(192, 0, 2, 7), .dst = V4(198, 51, 100, 1)
#define HERE6 .iif = "eth0", .src = V6(7), .dst = V6(1)
#define NET4(a, b, c, d, ...) .u.net = { .addr = V4(a, b, c, d), .mask = { __VA_ARGS__ } }
#define ANY_PORT { 0, 65535 }

/* What an inverted match says. */
enum inversion {
	OPPOSITE, /* the opposite */
	STILL_NO, /* no as well */
	NONE,     /* the kind has no inversion as a whole */
};

struct example {
	const char *name;
	struct match match;
	struct packet packet;
	enum answer expected;
	enum inversion inversion;
};

static const struct example examples[] = {
	{ "iif", { MATCH_IIF, .u.iface = { "eth0" } }, { HERE4 }, ANSWER_YES },
	{ "iif, other", { MATCH_IIF, .u.iface = { "eth1" } }, { HERE4 }, ANSWER_NO },
	{ "iif, a beginning is not the name", { MATCH_IIF, .u.iface = { "eth" } }, { HERE4 }, ANSWER_NO },
	{ "iif, longer", { MATCH_IIF, .u.iface = { "eth01" } }, { HERE4 }, ANSWER_NO },
	{ "iif, prefix", { MATCH_IIF, .u.iface = { "eth", true } }, { HERE4 }, ANSWER_YES },
	{ "iif, prefix as long as the name", { MATCH_IIF, .u.iface = { "eth0", true } }, { HERE4 }, ANSWER_YES },
	{ "iif, prefix longer", { MATCH_IIF, .u.iface = { "eth01", true } }, { HERE4 }, ANSWER_NO },
	{ "iif, every name", { MATCH_IIF, .u.iface = { "", true } }, { HERE4 }, ANSWER_YES },
	{ "oif looks at oif", { MATCH_OIF, .u.iface = { "eth1" } }, { HERE4, .oif = "eth1" }, ANSWER_YES },
	{ "oif, not iif", { MATCH_OIF, .u.iface = { "eth0" } }, { HERE4, .oif = "eth1" }, ANSWER_NO },
	{ "oif, none at this hook", { MATCH_OIF, .u.iface = { "eth0" } }, { HERE4 }, ANSWER_NO },

	{ "src", { MATCH_SRC, NET4(192, 0, 2, 0, 255, 255, 255) }, { HERE4 }, ANSWER_YES },
	{ "src, other", { MATCH_SRC, NET4(192, 0, 3, 0, 255, 255, 255) }, { HERE4 }, ANSWER_NO },
	{ "src, not dst", { MATCH_SRC, NET4(198, 51, 100, 1, 255, 255, 255, 255) }, { HERE4 }, ANSWER_NO },
	{ "dst", { MATCH_DST, NET4(198, 51, 100, 1, 255, 255, 255, 255) }, { HERE4 }, ANSWER_YES },
	{ "dst, last bit", { MATCH_DST, NET4(198, 51, 100, 0, 255, 255, 255, 255) }, { HERE4 }, ANSWER_NO },
	{ "src, mask with holes", { MATCH_SRC, NET4(0, 0, 0, 7, 0, 0, 0, 255) }, { HERE4 }, ANSWER_YES },
	{ "src, mask with holes, other", { MATCH_SRC, NET4(0, 0, 0, 8, 0, 0, 0, 255) }, { HERE4 }, ANSWER_NO },
	{ "src, family alone", { MATCH_SRC, NET4(0, 0, 0, 0, 0) }, { HERE4 }, ANSWER_YES },
	{ "src, family alone, other", { MATCH_SRC, NET4(0, 0, 0, 0, 0) }, { HERE6 }, ANSWER_NO, STILL_NO },
	{ "src, first byte", { MATCH_SRC, NET4(193, 0, 2, 7, 255, 255, 255, 255) }, { HERE4 }, ANSWER_NO },
	{ "src, other family", { MATCH_SRC, NET4(32, 1, 13, 184, 255, 255, 255, 255) }, { HERE6 }, ANSWER_NO, STILL_NO },
	{ "src, IPv6", { MATCH_SRC, .u.net = { V6(7), { [15] = 255 } } }, { HERE6 }, ANSWER_YES },
	{ "src, IPv6, other", { MATCH_SRC, .u.net = { V6(6), { [15] = 255 } } }, { HERE6 }, ANSWER_NO },

	{ "proto", { MATCH_PROTO, .u.proto = IPPROTO_TCP }, { HERE4, .proto = IPPROTO_TCP }, ANSWER_YES },
	{ "proto, other", { MATCH_PROTO, .u.proto = IPPROTO_TCP }, { HERE4, .proto = IPPROTO_UDP }, ANSWER_NO },
	{ "proto of a fragment", { MATCH_PROTO, .u.proto = IPPROTO_TCP },
	  { HERE4, .proto = IPPROTO_TCP, .fragment = true }, ANSWER_YES },

	{ "icmp", { MATCH_ICMP, .u.icmp = { 3, 4, 4 } }, { HERE4, .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 4 },
	  ANSWER_YES },
	{ "icmp, code below", { MATCH_ICMP, .u.icmp = { 3, 4, 5 } },
	  { HERE4, .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 3 }, ANSWER_NO },
	{ "icmp, code above", { MATCH_ICMP, .u.icmp = { 3, 4, 5 } },
	  { HERE4, .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 6 }, ANSWER_NO },
	{ "icmp, type", { MATCH_ICMP, .u.icmp = { 3, 0, 255 } }, { HERE4, .proto = IPPROTO_ICMP, .icmp_type = 8 }, ANSWER_NO },
	{ "icmp, any", { MATCH_ICMP, .u.icmp = { 255, 0, 255 } }, { HERE4, .proto = IPPROTO_ICMP, .icmp_type = 8 },
	  ANSWER_YES },
	{ "icmp, protocol", { MATCH_ICMP, .u.icmp = { 255, 0, 255 } }, { HERE4, .proto = IPPROTO_TCP }, ANSWER_NO, STILL_NO },
	{ "icmp, fragment", { MATCH_ICMP, .u.icmp = { 255, 0, 255 } },
	  { HERE4, .proto = IPPROTO_ICMP, .fragment = true }, ANSWER_NO, STILL_NO },
	{ "icmp6", { MATCH_ICMP6, .u.icmp = { 2, 0, 255 } },
	  { HERE6, .proto = IPPROTO_ICMPV6, .icmp_type = 2, .icmp_code = 9 },
	  ANSWER_YES },
	{ "icmp6, 255 is a type", { MATCH_ICMP6, .u.icmp = { 255, 0, 255 } },
	  { HERE6, .proto = IPPROTO_ICMPV6, .icmp_type = 2 }, ANSWER_NO },
	{ "icmp6 is not icmp", { MATCH_ICMP6, .u.icmp = { 8, 0, 255 } }, { HERE6, .proto = IPPROTO_ICMP, .icmp_type = 8 },
	  ANSWER_NO, STILL_NO },
	{ "hl", { MATCH_HL, .u.hl = 255 }, { HERE6, .hop_limit = 255 }, ANSWER_YES },
	{ "hl, other", { MATCH_HL, .u.hl = 255 }, { HERE6, .hop_limit = 254 }, ANSWER_NO },
	{ "hl, IPv4", { MATCH_HL, .u.hl = 255 }, { HERE4, .hop_limit = 255 }, ANSWER_NO, STILL_NO },

	{ "comment", { MATCH_COMMENT, .text = "x" }, { HERE4 }, ANSWER_YES, NONE },
	{ "limit", { MATCH_LIMIT, .text = "--limit 5/sec" }, { HERE4 }, ANSWER_MAYBE, NONE },
	{ "opaque", { MATCH_OPAQUE, .text = "u32" }, { HERE4 }, ANSWER_MAYBE, NONE },
};

static enum answer ask(const struct match *match, const struct packet *packet)
{
	struct match copy = *match;
	struct rule rule = { .matches = &copy, .n_matches = 1 };

	return match_rule(&rule, packet, NULL, NULL);
}

static void expect(const char *name, enum answer answer, enum answer expected)
{
	if (answer != expected)
		fail_msg("%s: %d, not %d", name, answer, expected);
}

static void plain_and_inverted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const struct example *example = &examples[i];
		struct match inverted = example->match;

		expect(example->name, ask(&example->match, &example->packet), example->expected);
		inverted.inverted = true;
		if (example->inversion == OPPOSITE)
			expect(example->name, ask(&inverted, &example->packet),
			       example->expected == ANSWER_YES ? ANSWER_NO : ANSWER_YES);
		else
			expect(example->name, ask(&inverted, &example->packet), example->expected);
	}
}

static void ports(void **state)
{
	static const struct {
		const char *name;
		bool not_sport, not_dport, not_flags;
		struct port_span sport, dport;
		uint8_t mask, set;
		uint16_t from, to;
		uint8_t flags;
		enum answer expected;
	} table[] = {
		{ "any", 0, 0, 0, ANY_PORT, ANY_PORT, 0, 0, 1, 65535, 0x02, ANSWER_YES },
		{ "dport", 0, 0, 0, ANY_PORT, { 22, 22 }, 0, 0, 1, 22, 0, ANSWER_YES },
		{ "dport, other", 0, 0, 0, ANY_PORT, { 22, 22 }, 0, 0, 22, 23, 0, ANSWER_NO },
		{ "dport, not", 0, 1, 0, ANY_PORT, { 22, 22 }, 0, 0, 1, 22, 0, ANSWER_NO },
		{ "dport, not, other", 0, 1, 0, ANY_PORT, { 22, 22 }, 0, 0, 1, 23, 0, ANSWER_YES },
		{ "first", 0, 0, 0, ANY_PORT, { 10, 20 }, 0, 0, 1, 10, 0, ANSWER_YES },
		{ "last", 0, 0, 0, ANY_PORT, { 10, 20 }, 0, 0, 1, 20, 0, ANSWER_YES },
		{ "before", 0, 0, 0, ANY_PORT, { 10, 20 }, 0, 0, 1, 9, 0, ANSWER_NO },
		{ "behind", 0, 0, 0, ANY_PORT, { 10, 20 }, 0, 0, 1, 21, 0, ANSWER_NO },
		{ "sport", 0, 0, 0, { 67, 67 }, ANY_PORT, 0, 0, 67, 68, 0, ANSWER_YES },
		{ "sport, other", 0, 0, 0, { 67, 67 }, ANY_PORT, 0, 0, 68, 67, 0, ANSWER_NO },
		{ "sport, not", 1, 0, 0, { 67, 67 }, ANY_PORT, 0, 0, 67, 68, 0, ANSWER_NO },
		{ "sport, not, other", 1, 0, 0, { 67, 67 }, ANY_PORT, 0, 0, 68, 67, 0, ANSWER_YES },
		{ "flags", 0, 0, 0, ANY_PORT, ANY_PORT, 0x17, 0x02, 1, 2, 0xc2, ANSWER_YES },
		{ "flags, other", 0, 0, 0, ANY_PORT, ANY_PORT, 0x17, 0x02, 1, 2, 0x12, ANSWER_NO },
		{ "flags, not", 0, 0, 1, ANY_PORT, ANY_PORT, 0x17, 0x02, 1, 2, 0x02, ANSWER_NO },
		{ "flags, not, other", 0, 0, 1, ANY_PORT, ANY_PORT, 0x17, 0x02, 1, 2, 0x12, ANSWER_YES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct match match = { MATCH_TCP, .u.ports = { table[i].sport, table[i].dport, table[i].not_sport,
							       table[i].not_dport, table[i].mask, table[i].set,
							       table[i].not_flags } };
		struct packet packet = { HERE4, .proto = IPPROTO_TCP, .sport = table[i].from, .dport = table[i].to,
					 .tcp_flags = table[i].flags };

		expect(table[i].name, ask(&match, &packet), table[i].expected);
		packet.fragment = true; /* negations or not */
		expect(table[i].name, ask(&match, &packet), ANSWER_NO);
		packet.fragment = false;
		packet.proto = IPPROTO_UDP;
		expect(table[i].name, ask(&match, &packet), ANSWER_NO);
		match.kind = MATCH_UDP;
		if (!table[i].mask)
			expect(table[i].name, ask(&match, &packet), table[i].expected);
		packet.proto = IPPROTO_TCP;
		expect(table[i].name, ask(&match, &packet), ANSWER_NO);
	}
}

static void multiport(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP };
	static const struct {
		uint8_t which;
		uint16_t sport, dport;
		enum answer expected;
	} table[] = {
		{ 'd', 1, 80, ANSWER_YES },  { 'd', 80, 1, ANSWER_NO },  { 'd', 1, 8000, ANSWER_YES },
		{ 'd', 1, 8010, ANSWER_YES }, { 'd', 1, 8011, ANSWER_NO }, { 'd', 1, 7999, ANSWER_NO },
		{ 's', 80, 1, ANSWER_YES },  { 's', 1, 80, ANSWER_NO },  { 'b', 80, 1, ANSWER_YES },
		{ 'b', 1, 8005, ANSWER_YES }, { 'b', 1, 2, ANSWER_NO },    { 'd', 1, 9, ANSWER_NO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		/* the third slot is not counted in n */
		struct match match = { MATCH_MULTIPORT, .u.multiport = { table[i].which, 2,
				{ { 80, 80 }, { 8000, 8010 }, { 9, 9 } } } };

		for (size_t j = 0; j < sizeof(protos); j++) {
			struct packet packet = { HERE4, .proto = protos[j], .sport = table[i].sport, .dport = table[i].dport };

			match.inverted = false;
			expect("multiport", ask(&match, &packet), table[i].expected);
			match.inverted = true;
			expect("! multiport", ask(&match, &packet), table[i].expected == ANSWER_YES ? ANSWER_NO : ANSWER_YES);
			packet.fragment = true;
			expect("! multiport of a fragment", ask(&match, &packet), ANSWER_NO);
			packet.fragment = false;
			packet.proto = IPPROTO_ICMP;
			expect("! multiport of ICMP", ask(&match, &packet), ANSWER_NO);
		}
	}
}

enum { STATE = CONNTRACK_STATE, STATUS = CONNTRACK_STATUS, PORT = CONNTRACK_ORIGDST_PORT,
		DIRECTION = CONNTRACK_DIRECTION };

static void conntrack(void **state)
{
	static const struct {
		const char *name;
		uint16_t asked, inverted, states, status;
		bool reply;
		uint16_t ct_state, ct_status;
		bool ct_reply;
		enum answer expected;
	} table[] = {
		{ "state", STATE, 0, CT_NEW | CT_RELATED, 0, 0, CT_NEW, 0, 0, ANSWER_YES },
		{ "state, other", STATE, 0, CT_NEW | CT_RELATED, 0, 0, CT_ESTABLISHED, 0, 0, ANSWER_NO },
		{ "! state", STATE, STATE, CT_NEW, 0, 0, CT_NEW, 0, 0, ANSWER_NO },
		{ "! state, other", STATE, STATE, CT_NEW, 0, 0, CT_ESTABLISHED, 0, 0, ANSWER_YES },
		{ "DNAT", STATE, 0, CT_DNAT, 0, 0, CT_NEW | CT_DNAT, 0, 0, ANSWER_YES },
		{ "DNAT, not done", STATE, 0, CT_DNAT, 0, 0, CT_NEW | CT_SNAT, 0, 0, ANSWER_NO },
		{ "SNAT", STATE, 0, CT_SNAT, 0, 0, CT_NEW | CT_SNAT, 0, 0, ANSWER_YES },
		{ "state beside DNAT", STATE, 0, CT_NEW, 0, 0, CT_NEW | CT_DNAT, 0, 0, ANSWER_YES },
		{ "DNAT without an entry", STATE, 0, CT_DNAT, 0, 0, CT_INVALID | CT_DNAT, 0, 0, ANSWER_NO },
		{ "INVALID", STATE, 0, CT_INVALID, 0, 0, CT_INVALID, 0, 0, ANSWER_YES },
		{ "INVALID is not UNTRACKED", STATE, 0, CT_INVALID, 0, 0, CT_UNTRACKED, 0, 0, ANSWER_NO },
		{ "UNTRACKED", STATE, 0, CT_UNTRACKED, 0, 0, CT_UNTRACKED, 0, 0, ANSWER_YES },
		{ "UNTRACKED is not INVALID", STATE, 0, CT_UNTRACKED, 0, 0, CT_INVALID, 0, 0, ANSWER_NO },
		{ "! NEW, invalid", STATE, STATE, CT_NEW, 0, 0, CT_INVALID, 0, 0, ANSWER_YES },
		{ "INVALID, and the rest is not looked at", STATE | DIRECTION | STATUS | PORT, 0, CT_INVALID, 1, 1, CT_INVALID, 0, 0,
		  ANSWER_YES },
		{ "direction without an entry", DIRECTION, 0, 0, 0, 1, CT_INVALID, 0, 1, ANSWER_NO },
		{ "! direction without an entry", DIRECTION, DIRECTION, 0, 0, 1, CT_INVALID, 0, 0, ANSWER_NO },
		{ "status without an entry", STATUS, 0, 0, 1, 0, CT_UNTRACKED, 1, 0, ANSWER_NO },
		{ "! status without an entry", STATUS, STATUS, 0, 1, 0, CT_UNTRACKED, 0, 0, ANSWER_NO },
		{ "port without an entry", PORT, 0, 0, 0, 0, CT_INVALID, 0, 0, ANSWER_NO },
		{ "nothing asked", 0, 0, 0, 0, 0, CT_NEW, 0, 0, ANSWER_YES },
		{ "nothing asked, no entry", 0, 0, 0, 0, 0, CT_INVALID, 0, 0, ANSWER_NO },
		{ "reply", DIRECTION, 0, 0, 0, 1, CT_ESTABLISHED, 0, 1, ANSWER_YES },
		{ "reply, is original", DIRECTION, 0, 0, 0, 1, CT_ESTABLISHED, 0, 0, ANSWER_NO },
		{ "original", DIRECTION, 0, 0, 0, 0, CT_ESTABLISHED, 0, 0, ANSWER_YES },
		{ "original, is reply", DIRECTION, 0, 0, 0, 0, CT_ESTABLISHED, 0, 1, ANSWER_NO },
		{ "! reply", DIRECTION, DIRECTION, 0, 0, 1, CT_ESTABLISHED, 0, 0, ANSWER_YES },
		{ "status", STATUS, 0, 0, CT_STATUS_EXPECTED, 0, CT_NEW, CT_STATUS_EXPECTED | CT_STATUS_CONFIRMED, 0, ANSWER_YES },
		{ "status, other", STATUS, 0, 0, CT_STATUS_EXPECTED, 0, CT_NEW, CT_STATUS_CONFIRMED, 0, ANSWER_NO },
		{ "! status", STATUS, STATUS, 0, CT_STATUS_EXPECTED, 0, CT_NEW, CT_STATUS_EXPECTED, 0, ANSWER_NO },
		{ "! status, other", STATUS, STATUS, 0, CT_STATUS_EXPECTED, 0, CT_NEW, 0, 0, ANSWER_YES },
		{ "two parts, first fails", STATE | DIRECTION, 0, CT_NEW, 0, 1, CT_ESTABLISHED, 0, 1, ANSWER_NO },
		{ "two parts, second fails", STATE | DIRECTION, 0, CT_ESTABLISHED, 0, 1, CT_ESTABLISHED, 0, 0, ANSWER_NO },
		{ "one part inverted", STATE | DIRECTION, STATE, CT_NEW, 0, 1, CT_ESTABLISHED, 0, 1, ANSWER_YES },
		{ "a part that nobody knows", STATE | 0x0004, 0, CT_NEW, 0, 0, CT_NEW, 0, 0, ANSWER_MAYBE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct match match = { MATCH_CONNTRACK, .u.conntrack = { table[i].asked, table[i].inverted, table[i].states,
									 table[i].status, table[i].reply, { 8080, 8090 } } };
		struct packet packet = { HERE4, .proto = IPPROTO_TCP, .dport = 8085, .ct_state = table[i].ct_state,
					 .ct_status = table[i].ct_status, .ct_reply = table[i].ct_reply };

		expect(table[i].name, ask(&match, &packet), table[i].expected);
	}
}

static void conntrack_port(void **state)
{
	static const struct {
		uint16_t port;
		enum answer expected;
	} table[] = { { 8079, ANSWER_NO }, { 8080, ANSWER_YES }, { 8090, ANSWER_YES }, { 8091, ANSWER_NO } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct match match = { MATCH_CONNTRACK, .u.conntrack = { .flags = PORT, .origdst_port = { 8080, 8090 } } };
		/* any protocol: xt_conntrack does not ask which */
		struct packet packet = { HERE4, .proto = i % 2 ? IPPROTO_SCTP : IPPROTO_TCP, .dport = 80, .ct_state = CT_NEW,
					 .ct_origdst_port = table[i].port };

		expect("origdst", ask(&match, &packet), table[i].expected);
		match.u.conntrack.invert = PORT;
		expect("! origdst", ask(&match, &packet), table[i].expected == ANSWER_YES ? ANSWER_NO : ANSWER_YES);
	}
}

static int lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	assert_string_equal(set, "friends");
	assert_int_equal(dim, 2);
	assert_int_equal(src, 1);
	assert_int_equal(packet->dport, 80);
	return *(int *)user;
}

static void sets(void **state)
{
	struct match match = { MATCH_SET, .u.set = { "friends", 2, 1 } };
	struct rule rule = { .matches = &match, .n_matches = 1 };
	struct packet packet = { HERE4, .proto = IPPROTO_TCP, .dport = 80 };
	int found;

	(void)state;
	found = 1;
	expect("member", match_rule(&rule, &packet, lookup, &found), ANSWER_YES);
	found = 0;
	expect("stranger", match_rule(&rule, &packet, lookup, &found), ANSWER_NO);
	found = -2;
	expect("no such set", match_rule(&rule, &packet, lookup, &found), ANSWER_MAYBE);
	match.inverted = true;
	expect("! no such set", match_rule(&rule, &packet, lookup, &found), ANSWER_MAYBE);
	found = 1;
	expect("! member", match_rule(&rule, &packet, lookup, &found), ANSWER_NO);
	found = 0;
	expect("! stranger", match_rule(&rule, &packet, lookup, &found), ANSWER_YES);
	expect("nobody to ask", match_rule(&rule, &packet, NULL, NULL), ANSWER_MAYBE);
}

static void together(void **state)
{
	struct match matches[] = {
		{ MATCH_OPAQUE, .text = "x" },
		{ MATCH_PROTO, .u.proto = IPPROTO_TCP },
		{ MATCH_IIF, .u.iface = { "eth0" } },
	};
	struct rule rule = { .matches = matches, .n_matches = 3 };
	struct packet packet = { HERE4, .proto = IPPROTO_TCP };

	(void)state;
	expect("one cannot be told", match_rule(&rule, &packet, NULL, NULL), ANSWER_MAYBE);
	packet.iif[0] = 'x';
	expect("a later one fails", match_rule(&rule, &packet, NULL, NULL), ANSWER_NO);
	rule.n_matches = 0;
	expect("none", match_rule(&rule, &packet, NULL, NULL), ANSWER_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_and_inverted), cmocka_unit_test(ports),
		cmocka_unit_test(multiport),          cmocka_unit_test(conntrack),
		cmocka_unit_test(conntrack_port),     cmocka_unit_test(sets),
		cmocka_unit_test(together),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
