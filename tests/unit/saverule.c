/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every text here was loaded by iptables-restore and printed by iptables-save of 1.8.9 (Debian 12) and 1.8.11 (Debian 13),
 * both nf_tables, on kernel 6.18. Where the two differ: 1.8.9 asks /etc/protocols for names (igmp, gre, ospf), 1.8.11 prints
 * numbers but for its own dozen names; 1.8.9 makes "any" of the ICMP type 255 whatever the code; 1.8.9 drops
 * "! --dport 0:65535" (which never matches) when it loads it.
 */
#include <errno.h>
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
#include "tests/unit/savetext.h"

/* iptables-save's own words, in both versions: reading and printing changes nothing. */
static const char *const exact4[] = {
	"-A T",
	"-A T -j ACCEPT",
	"-A T -j RETURN",
	"-A T -j X",
	"-A T -g X",
	"-A T ! -s 10.0.0.0/255.0.255.0 ! -d 1.2.3.4/32 ! -i eth0 ! -o eth1 -j ACCEPT",
	"-A T -s 10.0.0.0/8 -d 1.2.3.4/32 -i eth0 -o eth+ -p tcp -j ACCEPT",
	"-A T -s 0.0.0.3/0.0.0.255 -j ACCEPT",
	"-A T ! -i + -j DROP",
	"-A T -i e+h",
	"-A T -i abcdefghijklmno",
	"-A T ! -p tcp -j ACCEPT",
	"-A T -p esp -j ACCEPT",
	"-A T -p sctp -m multiport --dports 5",
	"-A T -p ipv6-icmp -j ACCEPT",
	"-A T -p mobility-header -j ACCEPT",
	"-A T -p 255 -j ACCEPT",
	"-A T -p tcp -m tcp --dport 22 -j ACCEPT",
	"-A T -p tcp -m tcp ! --sport 1:2 --dport 22:65535 -j ACCEPT",
	"-A T -p tcp -m tcp --dport 0",
	"-A T -p tcp -m tcp -j ACCEPT",
	"-A T -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
	"-A T -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j ACCEPT",
	"-A T -p tcp -m tcp --sport 6 --dport 5 --tcp-flags FIN,SYN,URG FIN,SYN -j ACCEPT",
	"-A T -p udp -m udp ! --dport 53 -j ACCEPT",
	"-A T -p udp -m udp -m multiport --dports 5",
	"-A T -p tcp -m multiport --dports 80,443,8000:8010 -j ACCEPT",
	"-A T -p tcp -m multiport ! --dports 80 -j ACCEPT",
	"-A T -p udp -m multiport --sports 80,22 -j ACCEPT",
	"-A T -p tcp -m multiport --ports 80,22 -j ACCEPT",
	"-A T -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14:15",
	"-A T -p icmp -m icmp --icmp-type 8 -j ACCEPT",
	"-A T -p icmp -m icmp --icmp-type 3/4 -j ACCEPT",
	"-A T -p icmp -m icmp ! --icmp-type 3/0 -j ACCEPT",
	"-A T -p icmp -m icmp --icmp-type any -j ACCEPT",
	"-A T -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT",
	"-A T -m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT --ctorigdstport 80:90 "
	"--ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED --ctdir ORIGINAL -j ACCEPT",
	"-A T -m conntrack ! --ctstate NEW ! --ctorigdstport 80 ! --ctstatus EXPECTED -j ACCEPT",
	"-A T -m conntrack --ctstatus NONE -j ACCEPT",
	"-A T -m conntrack --ctorigdstport 0:65535 -j ACCEPT",
	"-A T -m state ! --state INVALID,NEW -j ACCEPT",
	"-A T -m set --match-set whitelist src -j ACCEPT",
	"-A T -m set ! --match-set fwd-cut src -j DROP",
	"-A T -m set --match-set whitelist src -m set ! --match-set fwd-cut dst,src,src",
	"-A T -m limit --limit 5/min --limit-burst 10 -j ACCEPT",
	"-A T -m limit --limit 3/hour -j ACCEPT",
	"-A T -p tcp -m comment --comment one -m set --match-set whitelist src -m conntrack --ctstate NEW -m tcp --dport 3",
	"-A T -m comment --comment a -m comment --comment b",
	"-A T -j NFLOG --nflog-prefix x --nflog-group 5 --nflog-size 64 --nflog-threshold 100",
	"-A T -j NFLOG --nflog-prefix \"x y: \"",
	"-A T -j NFLOG --nflog-group 65535 --nflog-size 4294967295 --nflog-threshold 65535",
	"-A T -j LOG",
	"-A T -j LOG --log-prefix abc --log-level 3 --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid "
	"--log-macdecode",
	"-A T -j REJECT --reject-with icmp-port-unreachable",
	"-A T -p tcp -j REJECT --reject-with tcp-reset",
};

static const char *const exact6[] = {
	"-A T -p ipv6-icmp -m icmp6 --icmpv6-type 133 -m hl --hl-eq 255 -j ACCEPT",
	"-A T -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j ACCEPT",
	"-A T -p ipv6-icmp -m icmp6 ! --icmpv6-type 255 -j ACCEPT",
	"-A T -m hl ! --hl-eq 255 -j ACCEPT",
	"-A T -s 2001:db8::1/128 -d 2001:db8::/32 -j ACCEPT",
	"-A T -s 2001::/ffff:0:ffff:: -j ACCEPT",
	"-A T -s ::1.2.3.4/128 -j ACCEPT",
	"-A T -s ::ffff:0.0.0.0/96 -j ACCEPT",
	"-A T -s 2001:db8::1:0:0:1/128 -j ACCEPT",
	"-A T -p icmp -j ACCEPT",
	"-A T -p tcp -m multiport --dports 80,443 -j REJECT --reject-with icmp6-port-unreachable",
	"-A T -j REJECT --reject-with icmp6-adm-prohibited",
};

static void exact(void **state)
{
	for (size_t i = 0; i < sizeof(exact4) / sizeof(exact4[0]); i++)
		check_printed(exact4[i], exact4[i], NFPROTO_IPV4);
	for (size_t i = 0; i < sizeof(exact6) / sizeof(exact6[0]); i++)
		check_printed(exact6[i], exact6[i], NFPROTO_IPV6);
}

/* Only letters, digits, '-' and '_' go bare: each printable byte was tried. */
static void quotes(void **state)
{
	static const char *const texts[] = {
		"hello", "a-b_C9", "-x", "\"hello world\"", "\"a.b\"", "\"a!b\"", "\"\"", "\"a\\\"b\\\\c\"", "\"it\\'s\"", "\"#\"",
		"\"a\tb\"", "\"a$b`c\"", "\"\xc3\xbcmlaut\"",
	};
	char line[200];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(line, sizeof(line), "-A T -m comment --comment %s -j ACCEPT", texts[i]);
		check_printed(line, line, NFPROTO_IPV4);
	}
}

/* What people write, and what iptables makes of it. */
static void in_other_words(void **state)
{
	static const char *const pairs[][2] = {
		{ "--append T --protocol tcp --source 1.2.3.4 --destination 5.6.7.8 --in-interface a --out-interface b --match tcp "
		  "--destination-port 3 --source-port 4 --jump ACCEPT",
		  "-A T -s 1.2.3.4/32 -d 5.6.7.8/32 -i a -o b -p tcp -m tcp --sport 4 --dport 3 -j ACCEPT" },
		{ "-j ACCEPT -p tcp --dport ssh -m comment --comment late -A T",
		  "-A T -p tcp -m tcp --dport 22 -m comment --comment late -j ACCEPT" },
		{ "  -A\tT   -j   ACCEPT  ", "-A T -j ACCEPT" },
		{ "-A T \"-j\" \"ACCEPT\"", "-A T -j ACCEPT" },
		{ "-A T -m comment --comment \"a\\qb\"", "-A T -m comment --comment aqb" },
		{ "-A T -m comment --comment a\\b", "-A T -m comment --comment \"a\\\\b\"" },
		{ "-A T -m comment --comment a'b", "-A T -m comment --comment \"a\\'b\"" },
		{ "-A T -s 10.1.2.3/8 -j ACCEPT", "-A T -s 10.0.0.0/8 -j ACCEPT" },
		{ "-A T -s 10.1.2.3/255.255.0.0", "-A T -s 10.1.0.0/16" },
		{ "-A T -s 0.0.0.0/0 -d 0/0 -i + -p all -j ACCEPT", "-A T -j ACCEPT" },
		{ "-A T -p TCP", "-A T -p tcp" },
		{ "-A T -p 6", "-A T -p tcp" },
		{ "-A T -p gre", "-A T -p 47" },     /* gre to 1.8.9 */
		{ "-A T -p ipip", "-A T -p 94" },
		{ "-A T -p 2", "-A T -p igmp" },     /* 2 to 1.8.11 */
		{ "-A T -p tcp --syn --dport :22", "-A T -p tcp -m tcp --dport 0:22 --tcp-flags FIN,SYN,RST,ACK SYN" },
		{ "-A T -p tcp --dport 22 -s 1.2.3.4 --sport 5", "-A T -s 1.2.3.4/32 -p tcp -m tcp --sport 5 --dport 22" },
		{ "-A T -m tcp -p tcp --dport 5", "-A T -p tcp -m tcp --dport 5" },
		{ "-A T -p tcp -m conntrack --ctstate NEW --dport 22", "-A T -p tcp -m conntrack --ctstate NEW -m tcp --dport 22" },
		{ "-A T -p tcp -m tcp --dport 0:65535", "-A T -p tcp -m tcp" },
		{ "-A T -p tcp -m tcp ! --dport 0:65535", "-A T -p tcp -m tcp ! --dport 0:65535" },
		{ "-A T -p icmp --icmp-type echo-request", "-A T -p icmp -m icmp --icmp-type 8" },
		{ "-A T -p icmp --icmp-type 255", "-A T -p icmp -m icmp --icmp-type any" },
		{ "-A T -m conntrack --ctdir reply --ctstate established,NEW",
		  "-A T -m conntrack --ctstate NEW,ESTABLISHED --ctdir REPLY" },
		{ "-A T -m limit --limit-burst 6 --limit 1/s", "-A T -m limit --limit 1/sec --limit-burst 6" },
		{ "-A T -m limit --limit 5/minute --limit-burst 5", "-A T -m limit --limit 5/min" },
		{ "-A T -j LOG --log-uid --log-level debug --log-prefix \"x y\"",
		  "-A T -j LOG --log-prefix \"x y\" --log-level 7 --log-uid" },
		{ "-A T -j LOG --log-level warning", "-A T -j LOG" },
		{ "-A T -j NFLOG --nflog-threshold 0 --nflog-group 0", "-A T -j NFLOG" },
		{ "-A T -j REJECT", "-A T -j REJECT --reject-with icmp-port-unreachable" },
		{ "-A T -4 -j DROP", "-A T -j DROP" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		check_printed(pairs[i][0], pairs[i][1], NFPROTO_IPV4);
}

/* Never guess: the words stay, and nothing that was half read. */
static void opaque(void **state)
{
	static const char *const pairs[][2] = {
		{ "-A T -m recent --rcheck --name x -p tcp -j DROP", "-A T -p tcp [-m recent --rcheck --name x] -j DROP" },
		{ "-A T -m addrtype ! --dst-type LOCAL -j X", "-A T [-m addrtype ! --dst-type LOCAL] -j X" },
		{ "-A T -m conntrack --ctstate NEW --ctexpire 5 -j ACCEPT", "-A T [-m conntrack --ctstate NEW --ctexpire 5] -j ACCEPT" },
		{ "-A T -m set --match-set w src --return-nomatch", "-A T [-m set --match-set w src --return-nomatch]" },
		{ "-A T -p tcp -m tcp --tcp-option 7 ! --dport 5", "-A T -p tcp [-m tcp --tcp-option 7 ! --dport 5]" },
		{ "-A T -p tcp --dport 022", "-A T -p tcp [--dport 022]" }, /* octal */
		{ "-A T -p tcp ! --dport gopher", "-A T -p tcp [! --dport gopher]" },
		{ "-A T -p tcp -m multiport --dport 80", "-A T -p tcp [-m multiport --dport 80]" },
		{ "-A T -s 10.0.0.1,10.0.0.2 ! -d localhost", "-A T [-s 10.0.0.1,10.0.0.2] [! -d localhost]" },
		{ "-A T -s 010.1.1.1", "-A T [-s 010.1.1.1]" },
		{ "-A T ! -s 0.0.0.0/0", "-A T [! -s 0.0.0.0/0]" },
		{ "-A T ! -f -p tcpmux", "-A T [! -f] [-p tcpmux]" },
		{ "-A T -j DNAT --to-destination 1.2.3.4:80 -p tcp", "-A T -p tcp -j [DNAT --to-destination 1.2.3.4:80]" },
		{ "-A T -j MARK --set-mark 1", "-A T -j [MARK --set-mark 1]" },
		{ "-A T -j NFLOG --nflog-size 0", "-A T -j [NFLOG --nflog-size 0]" },
		{ "-A T -j NFLOG --nflog-group 7 --nflog-range 64", "-A T -j [NFLOG --nflog-group 7 --nflog-range 64]" },
		{ "-A T -j LOG --log-level 9", "-A T -j [LOG --log-level 9]" },
		{ "-A T -j Y", "-A T -j [Y]" },
		/* whose option is it? then nothing of the matches is known */
		{ "-A T -s 1.2.3.4 --unheard-of 5 -j ACCEPT", "-A T [-A T -s 1.2.3.4 --unheard-of 5 -j ACCEPT] -j ACCEPT" },
		{ "-A T --dport 5 -j ACCEPT", "-A T [-A T --dport 5 -j ACCEPT] -j ACCEPT" },
		{ "-A T -p udp -m tcp --dport 5 -j DROP", "-A T [-A T -p udp -m tcp --dport 5 -j DROP] -j DROP" },
		/* 1.8.9 keeps the last of the two ports alone */
		{ "-A T -p tcp -m tcp --dport 1 -m tcp --dport 2 -j DROP",
		  "-A T [-A T -p tcp -m tcp --dport 1 -m tcp --dport 2 -j DROP] -j DROP" },
		{ "-A T ! -p tcp --dport 5 -j DROP", "-A T [-A T ! -p tcp --dport 5 -j DROP] -j DROP" },
		{ "-A T -p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15:16",
		  "-A T -p tcp [-m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15:16]" },
		{ "-A T -m state --state DNAT", "-A T [-m state --state DNAT]" },
		/* a target may hide there: 1.8.9 reads the first, 1.8.11 both */
		{ "-A T --jum ACCEPT", "-A T [-A T --jum ACCEPT] -j [not understood]" },
		{ "-A T -m recent --rcheck --jum DROP", "-A T [-m recent --rcheck --jum DROP] -j [not understood]" },
		{ "-A T -m recent --rcheck --got X", "-A T [-m recent --rcheck --got X] -j [not understood]" },
		{ "-A T -m recent --rcheck -jACCEPT", "-A T [-m recent --rcheck -jACCEPT] -j [not understood]" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		check_printed(pairs[i][0], pairs[i][1], NFPROTO_IPV4);
	check_printed("-A T -p icmp -m icmp --icmp-type 8", "-A T [-A T -p icmp -m icmp --icmp-type 8]", NFPROTO_IPV6);
	check_printed("-A T -m hl --hl-eq 1", "-A T [-A T -m hl --hl-eq 1]", NFPROTO_IPV4);
}

/* iptables-restore refuses the whole file, and so the host boots open. */
static void refused(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
	} lines[] = {
		{ "-I T -j ACCEPT", 1 }, { "-D T -j ACCEPT", 1 }, { "-P INPUT DROP", 1 }, { "-t filter -A T", 1 },
		{ "-A T -j ACCEPT # why", 16 }, { "-A T ACCEPT", 6 }, { "-A T -j", 6 }, { "-A", 1 }, { "-A Y -j ACCEPT", 1 },
		{ "-A T -g Y", 9 }, { "-A T -p ! tcp", 6 }, { "-A T -p tcp --dport ! 22", 13 }, { "-A T ! -j DROP", 8 },
		{ "-A T ! ! -s 1.2.3.4", 8 }, { "-A T -j DROP !", 14 }, { "-A T -s 1.2.3.4 -s 1.2.3.5", 17 },
		{ "-A T -j DROP -g X", 14 }, { "-A T -p tcp --dport 1 --dport 2", 23 },
		{ "-A T -p tcp --syn --tcp-flags ACK ACK", 19 }, { "-A T -p tcp -m multiport --dports 1 --sports 2", 37 },
		{ "-A T -m comment --comment \"a", 27 }, { "-A T -m comment --comment \"a\"b", 30 }, { "-A T -j ACCEPT\r", 15 },
		{ "\r", 1 }, { "   ", 0 }, { "COMMIT ", 1 }, { " COMMIT", 2 }, { "*mangle", 1 }, { " :Y - [0:0]", 2 },
		{ "[5] -A T", 1 }, { "[5:6", 1 }, { ":Y", 1 }, { ":INPUT drop [0:0]", 8 }, { ":-Y - [0:0]", 2 },
		{ ":!Y - [0:0]", 2 }, { ":Y - [0:x]", 6 }, { "-j DROP", 0 }, { "-A T -c 5", 6 },
	};
	struct diag diag = { 0 };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct ruleset *ruleset = parse_line(lines[i].line, NFPROTO_IPV4, -EINVAL, &diag);

		assert_int_equal(ruleset->n_tables, 0);
		if (diag.line != HEAD_LINES + 1 || diag.column != lines[i].column || !diag.text[0])
			fail_msg("%s: %u:%u %s", lines[i].line, diag.line, diag.column, diag.text);
		ruleset_free(ruleset);
	}
}

static void no_room(void **state)
{
	struct diag diag = { 0 };
	struct ruleset *ruleset = parse_line("-A T -s 1.2.3.4 -m comment --comment \"a b\" -j X", NFPROTO_IPV4, 0, &diag);
	static const char whole[] = "-A T -s 1.2.3.4/32 -m comment --comment \"a b\" -j X";
	char text[100];

	for (size_t size = 1; size < sizeof(whole); size++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(savefile_print_rule(first_rule(ruleset, NFPROTO_IPV4), "T", NFPROTO_IPV4, text, size), -ENOSPC);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, whole, size - 1);
	}
	assert_int_equal(savefile_print_rule(first_rule(ruleset, NFPROTO_IPV4), "T", NFPROTO_IPV4, text, sizeof(whole)),
			 sizeof(whole) - 1);
	ruleset_free(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact),
		cmocka_unit_test(quotes),
		cmocka_unit_test(in_other_words),
		cmocka_unit_test(opaque),
		cmocka_unit_test(refused),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests_name("saverule", tests, NULL, NULL);
}
