/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include "fwd/ctl/files.h"
#include "fwd/ctl/setlook.h"
#include "fwd/ctl/whyfiles.h"
#include "rules/savefile.h"
#include "rules/verdict.h"

#define SETS_SIZE_MAX (1u << 30)
#define EPHEMERAL_PORT 40000 /* some port of a client; nobody has a rule about it */

/* Reads a file of the directory. A missing one is -ENOENT. */
static int read_from(const char *dir, const char *name, size_t most, char *where, size_t size, struct file_text *ret)
{
	snprintf(where, size, "%s/%s", dir, name);
	return file_read(where, most, ret);
}

/* Whether no unicast packet for this host has such a destination: broadcast, multicast, link-local. */
static bool is_special(const struct match *match)
{
	const struct addr *addr = &match->u.net.addr;

	if (addr->family == AF_INET)
		return addr->bytes[0] >= 224;
	return addr->bytes[0] == 0xff || (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80);
}

/* What nobody knows of the packet becomes unreadable, so that verdict() follows both ways. */
static int veil_match(struct match *match)
{
	char text[128], net[ADDR_TEXT_MAX];

	if (match->kind == MATCH_IIF && strcmp(match->u.iface.name, "lo") != 0) {
		snprintf(text, sizeof(text), "%s-i %s%s", match->inverted ? "! " : "", match->u.iface.name,
			 match->u.iface.prefix ? "+" : "");
	} else if (match->kind == MATCH_DST && !is_special(match)) {
		addr_format(&match->u.net.addr, net);
		snprintf(text, sizeof(text), "%s-d %s", match->inverted ? "! " : "", net);
	} else {
		return 0;
	}
	if (match_set_text(match, text) < 0)
		return -ENOMEM;
	match->kind = MATCH_OPAQUE;
	match->inverted = false;
	return 0;
}

/* A second ruleset with the same shape, so that the first can be printed as it is written. */
static int veil(struct ruleset *ruleset)
{
	for (size_t t = 0; t < ruleset->n_tables; t++) {
		const struct table *table = &ruleset->tables[t];

		for (size_t c = 0; c < table->n_chains; c++) {
			for (size_t r = 0; r < table->chains[c].n_rules; r++) {
				const struct rule *rule = &table->chains[c].rules[r];

				for (size_t m = 0; m < rule->n_matches; m++)
					if (veil_match(&rule->matches[m]) < 0)
						return -ENOMEM;
			}
		}
	}
	return 0;
}

static void make_packet(const struct whyfiles_question *question, struct packet *ret)
{
	bool v4 = question->source.family == AF_INET;
	struct packet packet = {
		.hook = NF_INET_LOCAL_IN,
		.src = question->source,
		.dst.family = question->source.family,
		.hop_limit = 64,
		.ct_state = CT_NEW,
	};

	if (strcmp(question->proto, "icmp") == 0) {
		packet.proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		packet.icmp_type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	} else {
		packet.proto = strcmp(question->proto, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		packet.sport = EPHEMERAL_PORT;
		packet.dport = packet.ct_origdst_port = (uint16_t)question->port;
		packet.tcp_flags = packet.proto == IPPROTO_TCP ? 0x02 : 0; /* SYN */
	}
	strcpy(packet.iif, question->source.bytes[0] == 127 && v4 ? "lo" : "");
	*ret = packet;
}

/* The rule of a step as it is written in @plain, or the policy of its chain. */
static void step_text(const struct ruleset *plain, const struct verdict_step *step, uint8_t family, char *ret,
		      size_t size)
{
	const struct chain *chain = table_find_chain(ruleset_find_table(plain, step->table->family, step->table->name),
						     step->chain->name);

	if (!chain || step->rule >= chain->n_rules)
		snprintf(ret, size, "-P %s %s", step->chain->name, step->chain->policy == NF_DROP ? "DROP" : "ACCEPT");
	else
		savefile_print_rule(&chain->rules[step->rule], chain->name, family, ret, size);
}

static json_t *make_way(const struct verdict_way *way, const struct ruleset *plain, uint8_t family,
			const struct setlook *sets)
{
	char text[SAVEFILE_RULE_MAX], net[ADDR_TEXT_MAX];
	json_t *ret = json_pack("{s:s,s:s}", "verdict", verdict_name(way->verdict), "chain", "INPUT");
	json_t *steps = json_array();
	const struct match *match = NULL;
	struct cidr entry;

	if (way->decides) {
		step_text(plain, way->decides, family, text, sizeof(text));
		json_object_set_new(ret, "decides", json_string(text));
		if (way->decides->rule < way->decides->chain->n_rules)
			match = rule_find_match(&way->decides->chain->rules[way->decides->rule], MATCH_SET);
	}
	if (way->doubt) {
		step_text(plain, way->doubt, family, text, sizeof(text));
		json_object_set_new(ret, "doubt", json_string(text));
	}
	if (match && !match->inverted && setlook_entry(sets, match->u.set.name, &entry) == 0) {
		cidr_format(&entry, net);
		json_object_set_new(ret, "entry", json_string(net));
	}
	for (size_t i = 0; i < way->n_steps; i++) {
		const struct verdict_step *step = &way->steps[i];
		char table[64];

		step_text(plain, step, family, text, sizeof(text));
		snprintf(table, sizeof(table), "%s %s", family == NFPROTO_IPV4 ? "ip" : "ip6", step->table->name);
		json_array_append_new(steps, json_pack("{s:s,s:s,s:b}", "table", table, "rule", text, "certain",
						       step->certain));
	}
	json_object_set_new(ret, "steps", steps);
	return ret;
}

static int read_sets(const char *dir, struct setlook *sets, char *where, size_t size, struct diag *diag)
{
	struct file_text file;
	int r = read_from(dir, "ipsets", SETS_SIZE_MAX, where, size, &file);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* no sets: rules that ask for one can then not be told */
	r = setlook_read(sets, file.text, file.len, (uint64_t)file.mtime, diag);
	free(file.text);
	return r;
}

int whyfiles(const char *dir, const struct whyfiles_question *question, json_t **ret, char *where, size_t size,
	     struct diag *diag)
{
	uint8_t family = question->source.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct ruleset *plain = ruleset_new(), *veiled = ruleset_new();
	struct file_text file = { 0 };
	struct setlook *sets = NULL;
	struct verdict_way way;
	struct packet packet;
	int r = plain && veiled ? setlook_new(&question->source, (uint64_t)time(NULL), &sets) : -ENOMEM;

	if (r == 0)
		r = read_sets(dir, sets, where, size, diag);
	if (r == 0)
		r = read_from(dir, family == NFPROTO_IPV4 ? "rules.v4" : "rules.v6", SAVEFILE_SIZE_MAX, where, size,
			      &file);
	if (r == 0)
		r = savefile_parse(file.text, file.len, family, plain, diag);
	if (r == 0)
		r = savefile_parse(file.text, file.len, family, veiled, diag);
	if (r == 0)
		r = veil(veiled);
	if (r == 0) {
		make_packet(question, &packet);
		verdict(veiled, &packet, setlook_match, sets, &way);
		*ret = make_way(&way, plain, family, sets);
	}
	free(file.text);
	setlook_free(sets);
	ruleset_free(plain);
	ruleset_free(veiled);
	return r;
}
