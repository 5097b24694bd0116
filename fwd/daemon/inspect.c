/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about what stands, all answered by verdict() over what the kernel holds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/gate.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/jsontext.h"
#include "fwd/daemon/route.h"
#include "rules/compile.h"
#include "rules/overlay.h"
#include "rules/savefile.h"

/* Addresses that belong to nobody (RFC 5737, RFC 3849), and ports that no rule means. */
static const char *const stranger_text[FAMILIES] = { "203.0.113.77", "2001:db8:ffff:ffff::77" };
static const uint16_t odd_ports[] = { 9, 33333, 64999 };

int inspect_lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	const struct question *question = user;
	struct cidr host = cidr_of(src & 1 ? &packet->src : &packet->dst, addr_bits(packet->src.family));

	if (strcmp(set, SET_GATE) == 0)
		return question->gate == GATE_AS_IS ? gate_left(question->firewall->sets) > 0 : question->gate == GATE_OPEN;
	if (question->listed && (strcmp(set, LIST_MAIN) == 0 || strcmp(set, LIST_MAIN "6") == 0))
		return 1;
	return dim == 1 ? sets_test(question->firewall->sets, set, &host) : -EOPNOTSUPP;
}

void inspect_packet(const struct addr *source, uint8_t proto, uint16_t port, struct packet *ret)
{
	struct packet packet = {
		.hook = NF_INET_LOCAL_IN,
		.src = *source,
		.dst = { .family = source->family },
		.proto = proto,
		.sport = 40000, /* of the ephemeral range */
		.dport = port,
		.ct_origdst_port = port,
		.ct_state = CT_NEW,
		.tcp_flags = 0x02, /* SYN */
		.icmp_type = source->family == AF_INET6 ? 128 : 8,
		.hop_limit = 64,
	};

	if (route_lookup(source, packet.iif, &packet.dst) < 0)
		packet.iif[0] = '\0';
	*ret = packet;
}

struct addr inspect_nobody(int family)
{
	struct addr addr = { 0 };

	addr_parse(stranger_text[family], &addr);
	return addr;
}

void inspect_outside(int family, char ret[static IFNAMSIZ])
{
	struct addr source = inspect_nobody(family);
	struct packet packet;

	inspect_packet(&source, IPPROTO_TCP, odd_ports[0], &packet);
	memcpy(ret, packet.iif, IFNAMSIZ);
}

/* How bad an answer is: @bad, before "cannot tell", before the other one. */
static unsigned badness(enum verdict verdict, enum verdict bad)
{
	return verdict == bad ? 2 : verdict == VERDICT_UNKNOWN ? 1 : 0;
}

/* What becomes of somebody whom no rule knows, at ports that no rule means: the worst answer of several. */
enum verdict inspect_stranger(struct firewall *firewall, const struct ruleset *ruleset, int family, enum gate_view gate,
			      bool listed, struct verdict_way *ret)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct question question = { firewall, gate, listed };
	struct addr source = inspect_nobody(family);
	enum verdict bad = listed ? VERDICT_DROP : VERDICT_ACCEPT, worst = VERDICT_UNKNOWN;
	struct verdict_way way;

	for (size_t i = 0; i < sizeof(protos); i++) {
		for (size_t j = 0; j < sizeof(odd_ports) / sizeof(*odd_ports); j++) {
			struct packet packet;

			inspect_packet(&source, protos[i], odd_ports[j], &packet);
			verdict(ruleset, &packet, inspect_lookup, &question, &way);
			if ((i == 0 && j == 0) || badness(way.verdict, bad) > badness(worst, bad)) {
				worst = way.verdict;
				verdict_way_copy(ret, &way);
			}
		}
	}
	return worst;
}

void verdict_way_copy(struct verdict_way *ret, const struct verdict_way *way)
{
	*ret = *way;
	if (way->doubt)
		ret->doubt = ret->steps + (way->doubt - way->steps);
	if (way->decides)
		ret->decides = ret->steps + (way->decides - way->steps);
}

void step_print(const struct verdict_step *step, char *ret, size_t size)
{
	if (step->rule < step->chain->n_rules)
		savefile_print_rule(&step->chain->rules[step->rule], step->chain->name, step->table->family, ret, size);
	else
		snprintf(ret, size, "-P %s %s", step->chain->name, step->chain->policy == NF_DROP ? "DROP" : "ACCEPT");
}

bool step_is_foreign(const struct verdict_step *step)
{
	return step && !chain_is_ours(step->chain->name);
}

/* One family of what would stand; true if all is well, else @rule is the one in the way and @text says what it does. */
static bool family_is_fine(struct firewall *firewall, const struct ruleset *future, int family, struct verdict_way *way, char *text,
			   size_t size)
{
	const char *word;

	if (inspect_stranger(firewall, future, family, GATE_CLOSED, false, way) == VERDICT_ACCEPT && step_is_foreign(way->decides))
		word = "lets everybody in";
	else if (inspect_stranger(firewall, future, family, GATE_CLOSED, true, way) == VERDICT_DROP && step_is_foreign(way->decides))
		word = "refuses even listed sources";
	else
		return true;
	snprintf(text, size, "%s: a rule in front of ours %s", family == V4 ? "IPv4" : "IPv6", word);
	return false;
}

static void say_why(const struct verdict_way *way, int family, bool files, struct front *ret)
{
	const char *tool = family == V4 ? "iptables" : "ip6tables", *table = way->decides->table->name;
	char rule[SAVEFILE_RULE_MAX];
	size_t len = strlen(ret->text);

	step_print(way->decides, rule, sizeof(rule));
	snprintf(ret->text + len, sizeof(ret->text) - len, "%s: %.300s (table %s)", files ? " at the next boot" : "", rule, table);
	if (files)
		snprintf(ret->hint, sizeof(ret->hint), "take it out of rules.v%d, or --force", family == V4 ? 4 : 6);
	else if (strncmp(rule, "-A ", 3) == 0)
		snprintf(ret->hint, sizeof(ret->hint), "take it away (%s -t %s -D %.300s), or --force", tool, table, rule + 3);
	else
		snprintf(ret->hint, sizeof(ret->hint), "take it away, or --force");
}

static bool is_fine(struct firewall *firewall, const struct ruleset *actual, const struct policy *candidate, bool jump_last,
		    bool files, struct front *ret)
{
	struct wish wish = { .confirmed = candidate, .policy = NF_DROP };
	struct ruleset *ours = NULL, *both = NULL;
	struct verdict_way way;
	bool fine = compile(&wish, &ours) == 0 && ruleset_overlay(actual, ours, jump_last, &both) == 0;

	if (!fine)
		snprintf(ret->text, sizeof(ret->text), "out of memory");
	for (int f = 0; f < FAMILIES && fine; f++) {
		fine = family_is_fine(firewall, both, f, &way, ret->text, sizeof(ret->text));
		if (!fine)
			say_why(&way, f, files, ret);
	}
	ruleset_free(both);
	ruleset_free(ours);
	return fine;
}

bool inspect_front(struct firewall *firewall, const struct policy *candidate, bool jump_last, struct front *ret)
{
	struct ruleset *actual;
	bool fine;

	*ret = (struct front){ 0 };
	if (kernel_read(firewall->kernel, &actual) < 0) {
		snprintf(ret->text, sizeof(ret->text), "cannot read the rules in the kernel");
		return false;
	}
	fine = is_fine(firewall, actual, candidate, jump_last, false, ret);
	ruleset_free(actual);
	return fine;
}

bool inspect_files(struct firewall *firewall, const struct policy *candidate, struct front *ret)
{
	struct ruleset *saved;
	bool fine;

	*ret = (struct front){ 0 };
	if (store_read_rules(firewall->paths.iptables_dir, &saved) < 0)
		return true;
	fine = is_fine(firewall, saved, candidate, false, true, ret);
	ruleset_free(saved);
	return fine;
}

void inspect_allowed(struct firewall *firewall, const struct cidr *net, char *note, size_t size)
{
	struct question question = { firewall, GATE_AS_IS, false };
	uint16_t ports[] = { odd_ports[0], 0 };
	const struct ruleset *actual;
	struct packet packet;
	char rule[SAVEFILE_RULE_MAX];

	note[0] = '\0';
	if (kernel_look(firewall->kernel, &actual) < 0)
		return;
	inspect_packet(&net->addr, IPPROTO_TCP, ports[0], &packet);
	if (firewall->confirmed.policy.n_ssh_ports)
		ports[1] = firewall->confirmed.policy.ssh_ports[0];
	for (size_t i = 0; i < 2 && ports[i] && !note[0]; i++) {
		struct verdict_way way;

		packet.dport = packet.ct_origdst_port = ports[i];
		verdict(actual, &packet, inspect_lookup, &question, &way);
		if (way.verdict == VERDICT_ACCEPT)
			continue;
		if (way.decides || way.doubt) {
			step_print(way.decides ? way.decides : way.doubt, rule, sizeof(rule));
			snprintf(note, size, "%s tcp/%u all the same: %.180s", way.verdict == VERDICT_DROP ? "refused at" :
				 "cannot tell for", ports[i], rule);
		}
	}
}

static json_t *json_way(struct firewall *firewall, const struct ruleset *ruleset, const struct packet *packet, enum gate_view gate)
{
	struct question question = { firewall, gate, false };
	struct verdict_way way;
	char rule[SAVEFILE_RULE_MAX], table[64];
	json_t *json, *steps = json_array();

	verdict(ruleset, packet, inspect_lookup, &question, &way);
	json = json_pack("{s:s, s:s, s:o}", "verdict", verdict_name(way.verdict), "chain",
			 packet->hook == NF_INET_FORWARD ? "FORWARD" : "INPUT", "interface", json_from_text(packet->iif));
	for (size_t i = 0; i < way.n_steps; i++) {
		const struct verdict_step *step = &way.steps[i];
		uint8_t family = step->table->family;

		step_print(step, rule, sizeof(rule));
		snprintf(table, sizeof(table), "%s %.40s", family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet",
			 step->table->name);
		json_array_append_new(steps, json_pack("{s:o, s:o, s:b}", "table", json_from_text(table), "rule", json_from_text(rule),
							   "certain", step->certain));
	}
	if (way.decides) {
		step_print(way.decides, rule, sizeof(rule));
		json_object_set_new(json, "decides", json_from_text(rule));
	}
	if (way.doubt) {
		step_print(way.doubt, rule, sizeof(rule));
		json_object_set_new(json, "doubt", json_from_text(rule));
	}
	json_object_set_new(json, "steps", steps);
	return json;
}

/* The narrowest entry that covers the source, for people: the network that lets it in. */
static void add_entry(struct firewall *firewall, const struct addr *source, json_t *way)
{
	struct cidr net = cidr_of(source, addr_bits(source->family));
	char set[32], text[ADDR_TEXT_MAX];

	list_set_name(&firewall->confirmed.policy.lists[0], source->family, set);
	if (sets_test(firewall->sets, set, &net) <= 0)
		return;
	for (unsigned len = net.len; len-- > 1;) {
		struct cidr wider = cidr_of(source, len);

		if (sets_test(firewall->sets, set, &wider) > 0) {
			net = wider;
			break;
		}
	}
	cidr_format(&net, text);
	json_object_set_new(way, "entry", json_string(text));
}

int firewall_why(struct firewall *firewall, const struct addr *source, uint8_t proto, uint16_t port, json_t **ret)
{
	struct ruleset *actual;
	struct packet packet;
	json_t *json, *now;
	int r = firewall->kernel ? kernel_read(firewall->kernel, &actual) : -EOPNOTSUPP;

	if (r < 0)
		return r;
	inspect_packet(source, proto, port, &packet);
	now = json_way(firewall, actual, &packet, GATE_AS_IS);
	add_entry(firewall, source, now);
	json = json_pack("{s:o}", "now", now);
	if (firewall->trial.on)
		json_object_set_new(json, "confirmed", json_way(firewall, actual, &packet, GATE_CLOSED));
	ruleset_free(actual);
	*ret = json;
	return json ? 0 : -ENOMEM;
}
