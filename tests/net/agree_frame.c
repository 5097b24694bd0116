/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as bytes, both ways.
 */
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include "tests/net/agree.h"

#define TOS_UNTRACK 0x04 /* what observer_create() looks for */
#define PART 24          /* bytes behind the network header in a first fragment */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static uint32_t sum_words(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	return len & 1 ? sum + ((uint32_t)data[len - 1] << 8) : sum;
}

static unsigned fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static size_t addr_bytes(const struct addr *addr)
{
	return addr->family == AF_INET ? 4 : 16;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* The network header for @len bytes of @next behind it. Returns its length. */
static size_t put_network(const struct tuple *tuple, uint8_t next, uint8_t hop, uint8_t tos, unsigned id, size_t len,
			  uint8_t *at)
{
	if (tuple->src.family == AF_INET) {
		memset(at, 0, 20);
		at[0] = 0x45;
		at[1] = tos;
		put16(at + 2, (unsigned)len + 20);
		put16(at + 4, id);
		at[8] = hop;
		at[9] = next;
		memcpy(at + 12, tuple->src.bytes, 4);
		memcpy(at + 16, tuple->dst.bytes, 4);
		put16(at + 10, fold(sum_words(0, at, 20)));
		return 20;
	}
	at[0] = 0x60 | tos >> 4;
	at[1] = (uint8_t)(tos << 4);
	put16(at + 2, id);
	put16(at + 4, (unsigned)len);
	at[6] = next;
	at[7] = hop;
	memcpy(at + 8, tuple->src.bytes, 16);
	memcpy(at + 24, tuple->dst.bytes, 16);
	return 40;
}

/* The first 8 bytes of what a router or host complains about. */
static size_t put_inner(const struct tuple *inner, uint8_t *at)
{
	size_t len = put_network(inner, inner->proto, 64, 0, 1, 40, at);

	memset(at + len, 0, 8);
	if (is_icmp(inner->proto)) {
		at[len] = (uint8_t)(inner->dport >> 8);
		at[len + 1] = (uint8_t)inner->dport;
		put16(at + len + 4, inner->sport);
	} else {
		put16(at + len, inner->sport);
		put16(at + len + 2, inner->dport);
		if (inner->proto == IPPROTO_UDP)
			put16(at + len + 4, 40);
	}
	return len + 8;
}

/* Where the checksum stands in a header of @proto; 0: it has none that anybody looks at. */
static size_t checksum_at(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_IGMP:
		return 2;
	}
	return 0;
}

static size_t put_transport(const struct spec *spec, uint8_t *at)
{
	const struct tuple *tuple = &spec->tuple;
	size_t len = 48, sum_at = checksum_at(tuple->proto), n = addr_bytes(&tuple->src);
	uint32_t sum = 0;

	memset(at, 0, len);
	if (has_ports(tuple->proto)) {
		put16(at, tuple->sport);
		put16(at + 2, tuple->dport);
	}
	if (tuple->proto == IPPROTO_TCP) {
		put16(at + 14, 4096); /* window */
		at[7] = at[11] = 1;
		at[12] = 5 << 4;
		at[13] = spec->flags;
	} else if (tuple->proto == IPPROTO_UDP || tuple->proto == IPPROTO_UDPLITE) {
		put16(at + 4, (unsigned)len);
	} else if (is_icmp(tuple->proto) || tuple->proto == IPPROTO_IGMP) {
		at[0] = spec->type;
		at[1] = spec->code;
		put16(at + 4, tuple->sport);
		if (spec->error)
			len = 8 + put_inner(&spec->inner, at + 8);
	}
	if (!sum_at)
		return len;
	if (tuple->proto != IPPROTO_ICMP && tuple->proto != IPPROTO_IGMP) {
		sum = sum_words(sum_words(0, tuple->src.bytes, n), tuple->dst.bytes, n);
		sum += (uint32_t)len + tuple->proto;
	}
	put16(at + sum_at, fold(sum_words(sum, at, len)) ^ (spec->spoilt ? 0x5555 : 0));
	return len;
}

size_t frame_build(const struct spec *spec, uint8_t ret[static FRAME_MAX])
{
	static const uint8_t options[8] = { 0, 0, 1, 4 }; /* PadN */
	uint8_t rest[FRAME_MAX], next = spec->tuple.proto;
	size_t len = 0, head;

	if (spec->extension && spec->tuple.src.family == AF_INET6) {
		memcpy(rest, options, sizeof(options));
		rest[0] = next;
		next = spec->id & 1 ? IPPROTO_HOPOPTS : IPPROTO_DSTOPTS;
		len = sizeof(options);
	}
	len += put_transport(spec, rest + len);
	head = put_network(&spec->tuple, next, spec->hop, spec->untrack ? TOS_UNTRACK : 0, spec->id, len, ret);
	memcpy(ret + head, rest, len);
	return head + len;
}

size_t frame_fragment(const uint8_t *whole, size_t len, bool second, uint8_t ret[static FRAME_MAX])
{
	bool ip4 = whole[0] >> 4 == 4;
	size_t head = ip4 ? 20 : 40, from = second ? PART : 0, n = second ? len - head - PART : PART;
	size_t extra = ip4 ? 0 : 8;

	memcpy(ret, whole, head);
	memcpy(ret + head + extra, whole + head + from, n);
	if (ip4) {
		put16(ret + 2, (unsigned)(head + n));
		put16(ret + 6, second ? PART / 8 : 0x2000);
		put16(ret + 10, 0);
		put16(ret + 10, fold(sum_words(0, ret, 20)));
		return head + n;
	}
	put16(ret + 4, (unsigned)(n + extra));
	ret[6] = IPPROTO_FRAGMENT;
	memset(ret + head, 0, extra);
	ret[head] = whole[6];
	put16(ret + head + 2, second ? PART : 1);
	memcpy(ret + head + 6, whole + 2, 2); /* the identification: as in the flow label */
	return head + extra + n;
}

/* Behind extension headers. Returns the offset, or 0. */
static size_t skip_extensions(const uint8_t *data, size_t len, uint8_t *proto)
{
	size_t at = 40;

	*proto = data[6];
	while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_DSTOPTS || *proto == IPPROTO_ROUTING) {
		if (at + 8 > len)
			return 0;
		*proto = data[at];
		at += 8u * (data[at + 1] + 1u);
	}
	return at;
}

static void parse_transport(const uint8_t *data, size_t len, struct packet *ret)
{
	if (has_ports(ret->proto) && len >= 4) {
		ret->sport = (uint16_t)get16(data);
		ret->dport = (uint16_t)get16(data + 2);
	}
	if (ret->proto == IPPROTO_TCP && len >= 14)
		ret->tcp_flags = data[13];
	if (is_icmp(ret->proto) && len >= 2) {
		ret->icmp_type = data[0];
		ret->icmp_code = data[1];
	}
}

bool frame_parse(const uint8_t *data, size_t len, struct packet *ret, uint16_t *id)
{
	bool ip4 = len >= 20 && data[0] >> 4 == 4;
	size_t head, n = ip4 ? 4 : 16;

	if (!ip4 && (len < 40 || data[0] >> 4 != 6))
		return false;
	ret->src.family = ret->dst.family = ip4 ? AF_INET : AF_INET6;
	memcpy(ret->src.bytes, data + (ip4 ? 12 : 8), n);
	memcpy(ret->dst.bytes, data + (ip4 ? 16 : 24), n);
	ret->hop_limit = data[ip4 ? 8 : 7];
	ret->proto = data[9];
	head = ip4 ? (data[0] & 15) * 4u : skip_extensions(data, len, &ret->proto);
	*id = (uint16_t)get16(data + (ip4 ? 4 : 2));
	if (head == 0 || head > len)
		return false;
	ret->fragment = ip4 && (get16(data + 6) & 0x1fff);
	if (!ret->fragment)
		parse_transport(data + head, len - head, ret);
	return true;
}
