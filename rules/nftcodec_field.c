/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec_int.h"

enum field_kind {
	FIELD_PROTO, FIELD_SRC, FIELD_DST, FIELD_HL, FIELD_SPORT, FIELD_DPORT, FIELD_FLAGS, FIELD_TYPE, FIELD_CODE,
};

/* Where in its header; ends with len 0. */
struct field {
	enum field_kind kind;
	uint8_t offset, len;
};

static const struct field ip4_fields[] = { { FIELD_PROTO, 9, 1 }, { FIELD_SRC, 12, 4 }, { FIELD_DST, 16, 4 }, { 0 } };
/* not the next header: it is the protocol only where no extension header stands between */
static const struct field ip6_fields[] = { { FIELD_HL, 7, 1 }, { FIELD_SRC, 8, 16 }, { FIELD_DST, 24, 16 }, { 0 } };
static const struct field tcp_fields[] = { { FIELD_SPORT, 0, 2 }, { FIELD_DPORT, 2, 2 }, { FIELD_FLAGS, 13, 1 },
	{ 0 } };
static const struct field udp_fields[] = { { FIELD_SPORT, 0, 2 }, { FIELD_DPORT, 2, 2 }, { 0 } };
static const struct field icmp_fields[] = { { FIELD_TYPE, 0, 1 }, { FIELD_CODE, 1, 1 }, { 0 } };

/* The protocol that the rule has asked for so far; 0 if for none, or all but one. */
static uint8_t known_proto(const struct decoder *d)
{
	const struct match *match = rule_find_match(d->rule, MATCH_PROTO);

	return match && !match->inverted ? match->u.proto : 0;
}

static const struct field *fields_of(const struct decoder *d, const struct load *load)
{
	if (load->key == NFT_PAYLOAD_NETWORK_HEADER)
		return d->l3 == NFPROTO_IPV4 ? ip4_fields : d->l3 == NFPROTO_IPV6 ? ip6_fields : NULL;
	if (load->key != NFT_PAYLOAD_TRANSPORT_HEADER)
		return NULL;
	switch (known_proto(d)) {
	case IPPROTO_TCP:
		return tcp_fields;
	case IPPROTO_UDP:
		return udp_fields;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return icmp_fields;
	default:
		return NULL;
	}
}

static const struct field *field_at(const struct field *fields, uint32_t offset)
{
	for (; fields && fields->len; fields++)
		if (offset >= fields->offset && offset < (uint32_t)fields->offset + fields->len)
			return fields;
	return NULL;
}

static int net_match(struct decoder *d, enum match_kind kind, bool inverted, const uint8_t *value, const uint8_t *mask,
		     uint32_t len)
{
	struct match *match = rule_add_match(d->rule, kind);

	if (!match)
		return -ENOMEM;
	match->inverted = inverted;
	match->u.net.addr.family = d->l3 == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	memcpy(match->u.net.addr.bytes, value, len);
	memcpy(match->u.net.mask, mask, len);
	return 0;
}

/* Adds "and the port lies in @span" (not: outside of it) to the rule's match of ports, or to a new one where the
 * old one cannot hold it. */
static int port_match(struct decoder *d, bool dport, bool inverted, struct port_span span)
{
	enum match_kind kind = known_proto(d) == IPPROTO_TCP ? MATCH_TCP : MATCH_UDP;
	struct match *match;

	for (size_t i = 0; i < d->rule->n_matches; i++) {
		match = &d->rule->matches[i];
		if (match->kind != kind)
			continue;

		struct port_span *old = dport ? &match->u.ports.dport : &match->u.ports.sport;
		bool *not = dport ? &match->u.ports.not_dport : &match->u.ports.not_sport;
		bool any = old->lo == 0 && old->hi == UINT16_MAX && !*not;
		struct port_span both = { old->lo > span.lo ? old->lo : span.lo,
					  old->hi < span.hi ? old->hi : span.hi };

		if (any) {
			*old = span;
			*not = inverted;
			return 0;
		}
		if (!*not && !inverted && both.lo <= both.hi) {
			*old = both;
			return 0;
		}
	}
	match = rule_add_match(d->rule, kind);
	if (!match)
		return -ENOMEM;
	*(dport ? &match->u.ports.dport : &match->u.ports.sport) = span;
	*(dport ? &match->u.ports.not_dport : &match->u.ports.not_sport) = inverted;
	return 0;
}

static int flags_match(struct decoder *d, bool inverted, uint8_t value, uint8_t mask)
{
	struct match *match = NULL;

	for (size_t i = 0; i < d->rule->n_matches; i++)
		if (d->rule->matches[i].kind == MATCH_TCP && !d->rule->matches[i].u.ports.flag_mask &&
		    !d->rule->matches[i].u.ports.not_flags)
			match = &d->rule->matches[i];
	if (!match)
		match = rule_add_match(d->rule, MATCH_TCP);
	if (!match)
		return -ENOMEM;
	match->u.ports.flag_mask = mask;
	match->u.ports.flag_set = value;
	match->u.ports.not_flags = inverted;
	return 0;
}

static int type_match(struct decoder *d, const struct load *load, bool inverted, uint8_t type)
{
	enum match_kind kind = known_proto(d) == IPPROTO_ICMP ? MATCH_ICMP : MATCH_ICMP6;
	struct match *match;

	if (kind == MATCH_ICMP && type == 255)
		return codec_unread(d, load); /* that number says "any" in a match */
	match = rule_add_match(d->rule, kind);
	if (!match)
		return -ENOMEM;
	match->u.icmp.type = type;
	match->inverted = inverted;
	return 0;
}

/* A code means something beside its type only. */
static int code_match(struct decoder *d, const struct load *load, bool inverted, uint8_t code)
{
	for (size_t i = 0; i < d->rule->n_matches && !inverted; i++) {
		struct match *match = &d->rule->matches[i];

		if ((match->kind != MATCH_ICMP && match->kind != MATCH_ICMP6) || match->inverted ||
		    (match->kind == MATCH_ICMP && match->u.icmp.type == 255) || match->u.icmp.code_lo != 0 ||
		    match->u.icmp.code_hi != UINT8_MAX)
			continue;
		match->u.icmp.code_lo = match->u.icmp.code_hi = code;
		return 0;
	}
	return codec_unread(d, load);
}

/* Ports that agree with @value in the leading bits of @mask. */
static bool port_span(const uint8_t *value, const uint8_t *mask, struct port_span *ret)
{
	unsigned port = (unsigned)value[0] << 8 | value[1];
	unsigned rest = ~((unsigned)mask[0] << 8 | mask[1]) & 0xffff;

	if (rest & (rest + 1))
		return false;
	*ret = (struct port_span){ (uint16_t)port, (uint16_t)(port | rest) };
	return true;
}

/* One whole field: @value and @mask have its length, and value no bit beyond mask. */
static int field_match(struct decoder *d, const struct load *load, const struct field *field, bool inverted,
		       const uint8_t *value, const uint8_t *mask)
{
	struct port_span span;

	switch (field->kind) {
	case FIELD_SRC:
	case FIELD_DST:
		return net_match(d, field->kind == FIELD_SRC ? MATCH_SRC : MATCH_DST, inverted, value, mask,
				 field->len);
	case FIELD_SPORT:
	case FIELD_DPORT:
		if (!port_span(value, mask, &span))
			return codec_unread(d, load);
		return port_match(d, field->kind == FIELD_DPORT, inverted, span);
	case FIELD_FLAGS:
		return mask[0] ? flags_match(d, inverted, value[0], mask[0]) : codec_unread(d, load);
	default:
		break;
	}
	if (mask[0] != 0xff)
		return codec_unread(d, load);
	if (field->kind == FIELD_PROTO)
		return codec_proto(d, value[0], inverted);
	if (field->kind == FIELD_TYPE)
		return type_match(d, load, inverted, value[0]);
	if (field->kind == FIELD_CODE)
		return code_match(d, load, inverted, value[0]);

	struct match *match = rule_add_match(d->rule, MATCH_HL);

	if (!match)
		return -ENOMEM;
	match->u.hl = value[0];
	match->inverted = inverted;
	return 0;
}

/* Bytes @from to @to of a load, all of one header: nft joins neighbouring fields in one comparison, iptables compares
 * a part of one. Field by field, which is right for "equal" only if there are several. */
static int payload_equal(struct decoder *d, const struct load *load, bool inverted, const uint8_t *data, uint32_t from,
			 uint32_t to)
{
	const struct field *fields = fields_of(d, load);
	int r = 0;

	for (uint32_t at = from; r == 0 && at < to;) {
		const struct field *field = field_at(fields, load->offset + at);
		uint8_t value[16] = { 0 }, mask[16] = { 0 };

		if (!field || (inverted && (field->offset + (uint32_t)field->len < load->offset + to))) {
			r = codec_unread(d, load);
			if (inverted)
				break;
			at++;
			continue;
		}
		for (; at < to && load->offset + at < (uint32_t)field->offset + field->len; at++) {
			value[load->offset + at - field->offset] = data[at];
			mask[load->offset + at - field->offset] = load->mask[at];
		}
		r = field_match(d, load, field, inverted, value, mask);
	}
	return r;
}

static int payload_order(struct decoder *d, const struct load *load, uint32_t op, const uint8_t *data, uint32_t len)
{
	const struct field *field = field_at(fields_of(d, load), load->offset);
	struct port_span span = { 0, UINT16_MAX };
	uint16_t port;

	if (!field || (field->kind != FIELD_SPORT && field->kind != FIELD_DPORT) || load->offset != field->offset ||
	    len != 2 || load->mask[0] != 0xff || load->mask[1] != 0xff)
		return codec_unread(d, load);
	port = (uint16_t)(data[0] << 8 | data[1]);
	if ((op == NFT_CMP_LT && port == 0) || (op == NFT_CMP_GT && port == UINT16_MAX))
		return codec_unread(d, load);
	if (op == NFT_CMP_LT || op == NFT_CMP_LTE)
		span.hi = (uint16_t)(op == NFT_CMP_LT ? port - 1 : port);
	else
		span.lo = (uint16_t)(op == NFT_CMP_GT ? port + 1 : port);
	return port_match(d, field->kind == FIELD_DPORT, false, span);
}

int codec_payload_compare(struct decoder *d, const struct load *load, uint32_t op, const uint8_t *data, uint32_t len)
{
	uint32_t from = 0, to = len;

	if (load->offset > UINT16_MAX)
		return codec_unread(d, load);
	for (uint32_t i = 0; i < len; i++)
		if (data[i] & ~load->mask[i])
			return codec_unread(d, load); /* never, or always */
	if (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)
		return payload_order(d, load, op, data, len);
	/* bytes that are masked out at the ends do not count; with none left it is the family's /0 */
	while (to > from + 1 && !load->mask[to - 1])
		to--;
	while (from + 1 < to && !load->mask[from])
		from++;
	return payload_equal(d, load, op == NFT_CMP_NEQ, data, from, to);
}

int codec_range(struct decoder *d, const struct load *load, bool inverted, const uint8_t *from, const uint8_t *to,
		uint32_t len)
{
	const struct field *field = load->kind == LOAD_PAYLOAD ? field_at(fields_of(d, load), load->offset) : NULL;
	struct port_span span;

	if (field && (field->kind == FIELD_SPORT || field->kind == FIELD_DPORT) && load->offset == field->offset &&
	    len == 2 && load->mask[0] == 0xff && load->mask[1] == 0xff) {
		span.lo = (uint16_t)(from[0] << 8 | from[1]);
		span.hi = (uint16_t)(to[0] << 8 | to[1]);
		if (span.lo <= span.hi)
			return port_match(d, field->kind == FIELD_DPORT, inverted, span);
	}
	return codec_unread(d, load);
}
