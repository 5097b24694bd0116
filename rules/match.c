/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include "rules/match.h"

static enum answer answer_of(bool match)
{
	return match ? ANSWER_YES : ANSWER_NO;
}

static bool in_span(struct port_span span, uint16_t port)
{
	return port >= span.lo && port <= span.hi;
}

static bool iface_matches(const struct match *match, const char *name)
{
	size_t len = strlen(match->u.iface.name);

	/* with no interface at this hook the kernel compares an empty name */
	return (strncmp(match->u.iface.name, name, match->u.iface.prefix ? len : IFNAMSIZ) == 0) != match->inverted;
}

static bool net_matches(const struct match *match, const struct addr *addr)
{
	uint8_t differs = 0;

	/* An address test in an inet table stands behind a test of the family, so that even "not this address" is false
	 * for the other family. */
	if (match->u.net.addr.family != addr->family)
		return false;
	for (size_t i = 0; i < sizeof(addr->bytes); i++)
		differs |= (addr->bytes[i] ^ match->u.net.addr.bytes[i]) & match->u.net.mask[i];
	return !differs != match->inverted;
}

/* Ports, flags, type and code lie in the first fragment alone: for the others xt_tcpudp, xt_multiport and the icmp
 * matches answer no before they look at a negation. (xt_tcp drops a fragment at offset 8, an old trick to rewrite
 * flags. The offset is not known here, and where conntrack is in use no fragment gets this far: it puts them
 * together.) */
static bool ports_match(const struct match *match, const struct packet *packet)
{
	if (packet->fragment || packet->proto != (match->kind == MATCH_TCP ? IPPROTO_TCP : IPPROTO_UDP))
		return false;
	if (in_span(match->u.ports.sport, packet->sport) == match->u.ports.not_sport ||
	    in_span(match->u.ports.dport, packet->dport) == match->u.ports.not_dport)
		return false;
	if (match->kind == MATCH_UDP)
		return true;
	return ((packet->tcp_flags & match->u.ports.flag_mask) == match->u.ports.flag_set) != match->u.ports.not_flags;
}

static bool multiport_matches(const struct match *match, const struct packet *packet)
{
	bool found = false;

	switch (packet->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		break;
	default:
		return false;
	}
	if (packet->fragment)
		return false;
	for (size_t i = 0; i < match->u.multiport.n && !found; i++) {
		struct port_span span = match->u.multiport.spans[i];

		found = (match->u.multiport.which != 'd' && in_span(span, packet->sport)) ||
			(match->u.multiport.which != 's' && in_span(span, packet->dport));
	}
	return found != match->inverted;
}

static bool icmp_matches(const struct match *match, const struct packet *packet)
{
	bool found;

	if (packet->fragment || packet->proto != (match->kind == MATCH_ICMP ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	found = (match->u.icmp.type == packet->icmp_type && packet->icmp_code >= match->u.icmp.code_lo &&
		 packet->icmp_code <= match->u.icmp.code_hi) ||
		(match->kind == MATCH_ICMP && match->u.icmp.type == 255);
	return found != match->inverted;
}

/* As xt_conntrack does it: without an entry the state alone is looked at, if it is asked for, and every other part is
 * then taken as given, so that "INVALID, direction REPLY" matches each invalid packet. */
static enum answer conntrack_matches(const struct match *match, const struct packet *packet)
{
	bool entry = packet->ct_state & (CT_ESTABLISHED | CT_RELATED | CT_NEW);
	uint16_t asked = match->u.conntrack.flags, inverted = match->u.conntrack.invert;
	uint16_t state = entry ? packet->ct_state : packet->ct_state & ~(CT_SNAT | CT_DNAT);

	if (asked & ~(CONNTRACK_STATE | CONNTRACK_STATUS | CONNTRACK_ORIGDST_PORT | CONNTRACK_DIRECTION))
		return ANSWER_MAYBE;
	if ((asked & CONNTRACK_STATE) && !(match->u.conntrack.states & state) != !!(inverted & CONNTRACK_STATE))
		return ANSWER_NO;
	if (!entry)
		return answer_of(asked & CONNTRACK_STATE);
	if ((asked & CONNTRACK_DIRECTION) &&
	    (match->u.conntrack.reply != packet->ct_reply) != !!(inverted & CONNTRACK_DIRECTION))
		return ANSWER_NO;
	if ((asked & CONNTRACK_ORIGDST_PORT) && !in_span(match->u.conntrack.origdst_port, packet->ct_origdst_port) !=
						!!(inverted & CONNTRACK_ORIGDST_PORT))
		return ANSWER_NO;
	if ((asked & CONNTRACK_STATUS) &&
	    !(match->u.conntrack.status & packet->ct_status) != !!(inverted & CONNTRACK_STATUS))
		return ANSWER_NO;
	return ANSWER_YES;
}

static enum answer set_matches(const struct match *match, const struct packet *packet, set_lookup *lookup, void *user)
{
	int found = -1;

	if (lookup)
		found = lookup(match->u.set.name, match->u.set.dim, match->u.set.src, packet, user);
	return found < 0 ? ANSWER_MAYBE : answer_of(!found == match->inverted);
}

static enum answer match_answer(const struct match *match, const struct packet *packet, set_lookup *lookup, void *user)
{
	switch (match->kind) {
	case MATCH_IIF:
		return answer_of(iface_matches(match, packet->iif));
	case MATCH_OIF:
		return answer_of(iface_matches(match, packet->oif));
	case MATCH_SRC:
		return answer_of(net_matches(match, &packet->src));
	case MATCH_DST:
		return answer_of(net_matches(match, &packet->dst));
	case MATCH_PROTO:
		return answer_of((match->u.proto == packet->proto) != match->inverted);
	case MATCH_TCP:
	case MATCH_UDP:
		return answer_of(ports_match(match, packet));
	case MATCH_ICMP:
	case MATCH_ICMP6:
		return answer_of(icmp_matches(match, packet));
	case MATCH_HL:
		return answer_of(packet->src.family == AF_INET6 &&
				 (match->u.hl == packet->hop_limit) != match->inverted);
	case MATCH_MULTIPORT:
		return answer_of(multiport_matches(match, packet));
	case MATCH_CONNTRACK:
		return conntrack_matches(match, packet);
	case MATCH_SET:
		return set_matches(match, packet, lookup, user);
	case MATCH_COMMENT:
		return ANSWER_YES;
	case MATCH_LIMIT:
	case MATCH_OPAQUE:
		return ANSWER_MAYBE;
	}
	return ANSWER_MAYBE;
}

enum answer match_rule(const struct rule *rule, const struct packet *packet, set_lookup *lookup, void *user)
{
	enum answer answer = ANSWER_YES;

	for (size_t i = 0; i < rule->n_matches; i++) {
		enum answer one = match_answer(&rule->matches[i], packet, lookup, user);

		if (one == ANSWER_NO)
			return ANSWER_NO;
		if (one == ANSWER_MAYBE)
			answer = ANSWER_MAYBE;
	}
	return answer;
}
