/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/inspect.h"
#include "rules/match.h"
#include "rules/savefile.h"
#include "tests/net/agree_judge.h"

#define UNKNOWN_MAX 5  /* percent of all packets */
#define SHARE_MIN 30   /* percent of each class, accepted and dropped */
#define STATE_MIN 10   /* packets in each state */
#define SHOWN_MAX 10   /* false answers that are printed */
#define AROUND 3       /* rules before and behind the one that decides */

const char *const breakage_names[BREAKAGES] = { "nothing", "sets", "ports", "states", "direction", "expected",
	"published", "ifaces", "hops", "untracked" };
static const char *const state_names[STATES] = { "new", "established", "reply", "related", "related reply", "invalid",
	"untracked", "expected", "dnat" };
static unsigned shown;

struct asking {
	struct question question;
	enum breakage breakage;
};

/* The daemon's own answer. */
static int lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	struct asking *asking = user;
	struct packet wrong = *packet;

	if (asking->breakage == BREAK_SETS) {
		addr_step(&wrong.src, 1);
		packet = &wrong;
	}
	return inspect_lookup(set, dim, src, packet, &asking->question);
}

static struct packet break_packet(const struct packet *packet, enum breakage breakage)
{
	struct packet ret = *packet;

	if (breakage == BREAK_PORTS)
		ret.dport++;
	else if (breakage == BREAK_STATES && (ret.ct_state & (CT_NEW | CT_ESTABLISHED)))
		ret.ct_state ^= CT_NEW | CT_ESTABLISHED;
	else if (breakage == BREAK_DIRECTION)
		ret.ct_reply = !ret.ct_reply;
	else if (breakage == BREAK_EXPECTED)
		ret.ct_status ^= CT_STATUS_EXPECTED;
	else if (breakage == BREAK_PUBLISHED)
		ret.ct_origdst_port = ret.dport;
	else if (breakage == BREAK_IFACES)
		ret.iif[strlen(ret.iif) - 1] ^= 1;
	else if (breakage == BREAK_HOPS)
		ret.hop_limit++;
	else if (breakage == BREAK_UNTRACKED && (ret.ct_state & (CT_INVALID | CT_UNTRACKED)))
		ret.ct_state ^= CT_INVALID | CT_UNTRACKED;
	return ret;
}

static void print_rule(const struct verdict_step *step, size_t index, const char *mark)
{
	struct verdict_step other = *step;
	char text[SAVEFILE_RULE_MAX];

	other.rule = index;
	step_print(&other, text, sizeof(text));
	printf("    %s %s\n", mark, text);
}

static void print_around(const char *what, const struct verdict_step *step)
{
	size_t from = step->rule > AROUND ? step->rule - AROUND : 0;

	printf("  %s, in table %s (family %u):\n", what, step->table->name, step->table->family);
	for (size_t i = from; i <= step->rule + AROUND && i <= step->chain->n_rules; i++)
		if (i < step->chain->n_rules || step->chain->base)
			print_rule(step, i, i == step->rule ? "=>" : "  ");
}

static void print_packet(const struct judge *judge, const struct spec *spec, const struct packet *packet)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

	addr_format(&packet->src, src);
	addr_format(&packet->dst, dst);
	printf("  policy %u, recipe \"%s\"%s%s%s%s\n", judge->policy, spec->recipe, spec->fragment ? ", fragments" : "",
	       spec->extension ? ", extension" : "", spec->spoilt ? ", wrong checksum" : "",
	       spec->error ? ", an error" : "");
	printf("  hook %u iif %s oif %s %s -> %s proto %u ports %u %u flags %02x icmp %u/%u hop %u\n", packet->hook,
	       packet->iif, packet->oif, src, dst, packet->proto, packet->sport, packet->dport, packet->tcp_flags,
	       packet->icmp_type, packet->icmp_code, packet->hop_limit);
	printf("  ct state %03x status %02x %s, port before DNAT %u\n", packet->ct_state, packet->ct_status,
	       packet->ct_reply ? "reply" : "original", packet->ct_origdst_port);
}

static void print_false(const struct judge *judge, const struct spec *spec, const struct seen *seen,
			const struct verdict_way *way)
{
	if (judge->quiet || shown++ >= SHOWN_MAX)
		return;
	printf("FALSE: verdict() says %s, the kernel %s it\n", verdict_name(way->verdict),
	       seen->survived ? "accepted" : "dropped");
	print_packet(judge, spec, &seen->packet);
	for (size_t i = 0; i < way->n_steps; i++)
		print_rule(&way->steps[i], way->steps[i].rule, way->steps[i].certain ? "step" : "step?");
	if (way->decides)
		print_around("decides", way->decides);
}

/* Whether the rule named is one that verdict() cannot read, or cannot answer for this packet. */
static bool doubt_is_named(const struct verdict_way *way, const struct packet *packet, struct asking *asking)
{
	const struct verdict_step *step = way->doubt;
	const struct rule *rule;

	if (!step || step->rule >= step->chain->n_rules)
		return false;
	rule = &step->chain->rules[step->rule];
	return rule->target.kind == TARGET_OPAQUE || match_rule(rule, packet, lookup, asking) == ANSWER_MAYBE;
}

static void count_states(const struct packet *packet, struct tally *tally)
{
	switch (packet->ct_state & (CT_NEW | CT_ESTABLISHED | CT_RELATED | CT_INVALID | CT_UNTRACKED)) {
	case CT_NEW:
		tally->states[STATE_NEW]++;
		break;
	case CT_ESTABLISHED:
		tally->states[packet->ct_reply ? STATE_REPLY : STATE_ESTABLISHED]++;
		break;
	case CT_RELATED:
		tally->states[packet->ct_reply ? STATE_RELATED_REPLY : STATE_RELATED]++;
		break;
	case CT_INVALID:
		tally->states[STATE_INVALID]++;
		break;
	default:
		tally->states[STATE_UNTRACKED]++;
	}
	if (packet->ct_status & CT_STATUS_EXPECTED)
		tally->states[STATE_EXPECTED]++;
	if (packet->ct_state & CT_DNAT)
		tally->states[STATE_DNAT]++;
}

void judge_packet(const struct judge *judge, const struct spec *spec, const struct seen *seen, struct tally *tally)
{
	struct firewall firewall = { .sets = judge->sets };
	struct asking asking = { { &firewall, GATE_AS_IS, false }, judge->breakage };
	struct packet packet;
	struct verdict_way way;
	struct count *count;

	if (!seen->probed) {
		tally->lost++;
		return;
	}
	packet = break_packet(&seen->packet, judge->breakage);
	verdict(judge->ruleset, &packet, lookup, &asking, &way);
	count = &tally->classes[seen->packet.hook == NF_INET_FORWARD][seen->packet.src.family == AF_INET6];
	tally->judged++;
	count->packets++;
	count->accepted += seen->survived;
	count->dropped += !seen->survived;
	count_states(&seen->packet, tally);
	if (way.verdict == VERDICT_UNKNOWN) {
		count->unknown++;
		count->unknown_accepted += seen->survived;
		if (!doubt_is_named(&way, &packet, &asking)) {
			tally->unnamed++;
			print_false(judge, spec, seen, &way);
		}
		return;
	}
	if ((way.verdict == VERDICT_ACCEPT) == seen->survived)
		return;
	count->false_accepts += !seen->survived;
	count->false_drops += seen->survived;
	print_false(judge, spec, seen, &way);
}

unsigned tally_false(const struct tally *tally)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n += tally->classes[i / 2][i % 2].false_accepts + tally->classes[i / 2][i % 2].false_drops;
	return n;
}

unsigned tally_unknown(const struct tally *tally)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n += tally->classes[i / 2][i % 2].unknown;
	return n;
}

bool count_wants_accept(const struct count *count)
{
	return count->accepted - count->unknown_accepted <= count->dropped - (count->unknown - count->unknown_accepted);
}

static bool complain(bool fine, const char *text)
{
	if (!fine)
		printf("NOT OK: %s\n", text);
	return fine;
}

bool tally_report(const struct tally *tally, bool whole)
{
	bool fine = true, shares = true, states = true;

	printf("%-14s %8s %9s %9s %12s %14s %12s\n", "", "packets", "accepted", "dropped", "cannot tell",
	       "false accepts", "false drops");
	for (int i = 0; i < 4; i++) {
		const struct count *count = &tally->classes[i / 2][i % 2];

		printf("%-8s %-5s %8u %9u %9u %12u %14u %12u\n", i / 2 ? "FORWARD" : "INPUT", i % 2 ? "IPv6" : "IPv4",
		       count->packets, count->accepted, count->dropped, count->unknown,
		       count->false_accepts, count->false_drops);
		shares = shares && count->packets && count->accepted * 100 >= count->packets * SHARE_MIN &&
			 count->dropped * 100 >= count->packets * SHARE_MIN;
	}
	for (int i = 0; i < STATES; i++) {
		printf("%s%s %u", i ? ", " : "", state_names[i], tally->states[i]);
		states = states && tally->states[i] >= STATE_MIN;
	}
	printf("\n%u judged, %u never came to a hook, cannot tell %.2f %%\n", tally->judged, tally->lost,
	       tally->judged ? 100.0 * tally_unknown(tally) / tally->judged : 0.0);
	fine &= complain(tally_false(tally) == 0, "verdict() does not agree with the kernel");
	fine &= complain(tally->unnamed == 0, "\"cannot tell\" without a rule that is to blame");
	if (!whole)
		return fine;
	fine &= complain(tally_unknown(tally) * 100 <= tally->judged * UNKNOWN_MAX, "too often \"cannot tell\"");
	fine &= complain(shares, "a class with too few accepted or dropped packets shows little");
	return complain(states, "a state that hardly occurred") && fine;
}
