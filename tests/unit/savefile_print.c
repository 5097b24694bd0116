/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random rules: what is printed reads back as the same rule, and reading it and printing it again gives the same text.
 * SEED=n repeats a run.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "rules/savefile.h"

#define ROUNDS 20000

static uint64_t random_state;

static unsigned below(unsigned n)
{
	random_state ^= random_state << 13; /* xorshift64 */
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 20) % n;
}

static void random_text(char *ret, size_t max)
{
	/* every printable byte, a tab, and UTF-8 */
	size_t len = 1 + below((unsigned)max - 2);

	for (size_t i = 0; i < len; i++) {
		unsigned c = below(97);

		ret[i] = c == 95 ? '\t' : c == 96 ? '\xc3' : (char)(' ' + c);
	}
	ret[len] = '\0';
}

static struct port_span random_span(void)
{
	uint16_t a = (uint16_t)below(65536), b = (uint16_t)below(65536);

	if (below(2))
		return (struct port_span){ a, a };
	return (struct port_span){ a < b ? a : b, a < b ? b : a };
}

static void random_net(struct match *match, uint8_t family)
{
	unsigned size = family == NFPROTO_IPV4 ? 4 : 16;

	match->u.net.addr.family = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	cidr_mask(1 + below(size * 8), match->u.net.mask);
	if (below(8) == 0)
		match->u.net.mask[size - 1] ^= 5; /* not contiguous any more, and never zero */
	for (unsigned i = 0; i < size; i++)
		match->u.net.addr.bytes[i] = (uint8_t)(below(256) & (below(3) ? 255 : 0) & match->u.net.mask[i]);
}

/* The parts that come with -s -d -i -o -p, in the order of iptables-save. Returns the protocol, 0: none or inverted. */
static uint8_t add_header(struct rule *rule, uint8_t family)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, 0, 2, 41, 47, IPPROTO_SCTP, 135, 255 };
	struct match *match;
	uint8_t proto;

	for (int kind = MATCH_SRC; kind <= MATCH_DST; kind++) {
		if (below(3))
			continue;
		match = rule_add_match(rule, kind);
		match->inverted = below(2);
		random_net(match, family);
	}
	for (int kind = MATCH_IIF; kind <= MATCH_OIF; kind++) {
		if (below(3))
			continue;
		match = rule_add_match(rule, kind);
		match->inverted = below(2);
		match->u.iface.prefix = below(2);
		snprintf(match->u.iface.name, IFNAMSIZ, "e%u.%u", below(1000), below(4096));
	}
	proto = protocols[below(sizeof(protocols))];
	if (proto == 0)
		proto = family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (below(4) == 0)
		return 0;
	match = rule_add_match(rule, MATCH_PROTO);
	match->u.proto = proto;
	match->inverted = below(6) == 0;
	return match->inverted ? 0 : proto;
}

static void add_ports(struct rule *rule, uint8_t proto)
{
	struct match *match = rule_add_match(rule, proto == IPPROTO_TCP ? MATCH_TCP : MATCH_UDP);

	if (below(2)) {
		match->u.ports.sport = random_span();
		match->u.ports.not_sport = below(2);
	}
	if (below(2)) {
		match->u.ports.dport = random_span();
		match->u.ports.not_dport = below(2);
	}
	if (proto == IPPROTO_TCP && below(2)) {
		match->u.ports.flag_mask = (uint8_t)(1 + below(63));
		match->u.ports.flag_set = (uint8_t)below(64);
		match->u.ports.not_flags = below(2);
	}
}

static void add_multiport(struct rule *rule)
{
	struct match *match = rule_add_match(rule, MATCH_MULTIPORT);
	unsigned slots = 1 + below(MULTIPORT_MAX);

	match->inverted = below(2);
	match->u.multiport.which = (uint8_t)"sdb"[below(3)];
	while (slots) {
		struct port_span span = random_span();

		if (slots == 1)
			span.hi = span.lo;
		match->u.multiport.spans[match->u.multiport.n++] = span;
		slots -= span.lo == span.hi ? 1 : 2;
	}
}

static void add_icmp(struct rule *rule, uint8_t proto)
{
	struct match *match = rule_add_match(rule, proto == IPPROTO_ICMP ? MATCH_ICMP : MATCH_ICMP6);

	match->inverted = below(2);
	match->u.icmp.type = (uint8_t)below(256);
	if (below(2) && (match->u.icmp.type < 255 || proto == IPPROTO_ICMPV6))
		match->u.icmp.code_lo = match->u.icmp.code_hi = (uint8_t)below(256);
}

static void add_conntrack(struct rule *rule)
{
	static const uint16_t states[] = { CT_INVALID, CT_NEW, CT_RELATED, CT_ESTABLISHED, CT_UNTRACKED, CT_SNAT, CT_DNAT };
	struct match *match = rule_add_match(rule, MATCH_CONNTRACK);
	unsigned parts = 1 + below(15);

	if (parts & 1) {
		match->u.conntrack.flags |= CONNTRACK_STATE;
		match->u.conntrack.states = states[below(7)] | states[below(7)];
	}
	if (parts & 2) {
		match->u.conntrack.flags |= CONNTRACK_STATUS;
		match->u.conntrack.status = (uint16_t)below(16);
	}
	if (parts & 4) {
		match->u.conntrack.flags |= CONNTRACK_ORIGDST_PORT;
		match->u.conntrack.origdst_port = random_span();
	}
	match->u.conntrack.invert = (uint16_t)(below(0x10000) & match->u.conntrack.flags);
	if (parts & 8) {
		match->u.conntrack.flags |= CONNTRACK_DIRECTION;
		match->u.conntrack.reply = below(2);
	}
}

static void add_other(struct rule *rule, uint8_t family)
{
	char text[ENTRY_KERNEL_COMMENT];
	struct match *match;

	switch (below(4)) {
	case 0:
		match = rule_add_match(rule, MATCH_SET);
		match->inverted = below(2);
		snprintf(match->u.set.name, sizeof(match->u.set.name), "set-%u", below(1000000));
		match->u.set.dim = (uint8_t)(1 + below(6));
		match->u.set.src = (uint8_t)below(1u << match->u.set.dim);
		break;
	case 1:
		random_text(text, sizeof(text));
		match_set_text(rule_add_match(rule, MATCH_COMMENT), text);
		break;
	case 2:
		match_set_text(rule_add_match(rule, MATCH_LIMIT), below(2) ? "--limit 7/day" : "--limit 1/sec --limit-burst 9");
		break;
	default:
		if (family == NFPROTO_IPV4)
			break;
		match = rule_add_match(rule, MATCH_HL);
		match->inverted = below(2);
		match->u.hl = (uint8_t)below(256);
		break;
	}
}

static void set_target(struct rule *rule)
{
	rule_set_target(rule, TARGET_NONE + (int)below(TARGET_OPAQUE), NULL);
	switch (rule->target.kind) {
	case TARGET_JUMP:
	case TARGET_GOTO:
		rule_set_target(rule, rule->target.kind, "X");
		break;
	case TARGET_REJECT:
		if (below(2))
			target_set_text(&rule->target, "--reject-with tcp-reset");
		break;
	case TARGET_LOG:
		if (below(2))
			target_set_text(&rule->target, "--log-prefix \"a \\\"b\" --log-level 6 --log-uid");
		break;
	case TARGET_NFLOG:
		rule->target.nflog.group = (uint16_t)(below(2) * below(65536));
		rule->target.nflog.threshold = (uint16_t)(below(2) * below(65536));
		rule->target.nflog.size = below(2) * below(1u << 20);
		if (below(2))
			random_text(rule->target.nflog.prefix, sizeof(rule->target.nflog.prefix));
		break;
	default:
		break;
	}
}

static void random_rule(struct rule *rule, uint8_t family)
{
	uint8_t proto;

	memset(rule, 0, sizeof(*rule));
	proto = add_header(rule, family);
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP) && below(2))
		add_ports(rule, proto);
	if ((proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP) && below(3) == 0)
		add_multiport(rule);
	if ((proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) && below(2))
		add_icmp(rule, proto);
	for (unsigned n = below(4); n; n--) {
		if (below(2))
			add_conntrack(rule);
		else
			add_other(rule, family);
	}
	set_target(rule);
}

static void round_trip(void **state)
{
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : 20261124;
	print_message("# SEED=%llu\n", (unsigned long long)random_state);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t family = below(2) ? NFPROTO_IPV4 : NFPROTO_IPV6;
		struct ruleset *ruleset = ruleset_new();
		char printed[SAVEFILE_RULE_MAX], again[SAVEFILE_RULE_MAX], file[SAVEFILE_RULE_MAX + 100];
		struct diag diag = { 0 };
		struct rule rule;
		const struct chain *chain;

		random_rule(&rule, family);
		assert_true(savefile_print_rule(&rule, "T", family, printed, sizeof(printed)) > 0);
		snprintf(file, sizeof(file), "*raw\n:T -\n:X -\n%s\nCOMMIT\n", printed);
		if (savefile_parse(file, strlen(file), family, ruleset, &diag) < 0)
			fail_msg("rule %u: %s\n%u:%u %s", i, printed, diag.line, diag.column, diag.text);
		chain = table_find_chain(&ruleset->tables[0], "T");
		assert_int_equal(chain->n_rules, 1);
		savefile_print_rule(&chain->rules[0], "T", family, again, sizeof(again));
		assert_string_equal(printed, again);
		if (!rule_equal(&rule, &chain->rules[0]))
			fail_msg("rule %u: %s", i, printed);
		rule_clear(&rule);
		ruleset_free(ruleset);
	}
}

/* What the kernel may hold though no text of iptables says it. */
static void without_words(void **state)
{
	struct rule rule = { 0 };
	struct match *match;
	char text[SAVEFILE_RULE_MAX];

	match = rule_add_match(&rule, MATCH_ICMP);
	match->u.icmp.type = 3;
	match->u.icmp.code_lo = 1;
	match->u.icmp.code_hi = 4;
	match = rule_add_match(&rule, MATCH_CONNTRACK); /* "--ctdir ORIGINAL" is the inversion of REPLY in the kernel */
	match->u.conntrack.flags = match->u.conntrack.invert = CONNTRACK_DIRECTION;
	match->u.conntrack.reply = true;
	match = rule_add_match(&rule, MATCH_OPAQUE);
	match->inverted = true;
	match_set_text(match, "ct mark");
	rule_set_target(&rule, TARGET_OPAQUE, NULL);
	savefile_print_rule(&rule, "T", NFPROTO_IPV4, text, sizeof(text));
	assert_string_equal(text, "-A T -m icmp --icmp-type 3/1-4 -m conntrack --ctdir ORIGINAL ! [ct mark] -j []");
	rule_clear(&rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(without_words),
	};

	return cmocka_run_group_tests_name("savefile_print", tests, NULL, NULL);
}
