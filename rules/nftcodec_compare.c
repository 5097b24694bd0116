/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec_int.h"

#define NFT_UNTRACKED 0x40u /* NF_CT_STATE_UNTRACKED_BIT; the other bits of `ct state` are those of xt_conntrack */
#define NFT_STATES (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW | NFT_UNTRACKED)
#define NAT_SRC 0x10u       /* IPS_SRC_NAT and IPS_DST_NAT (nf_conntrack_common.h): `ct status` */
#define NAT_DST 0x20u
#define STATUS_KNOWN (CT_STATUS_EXPECTED | CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED)
#define IFINDEX_LO 1u       /* the loopback interface of every network namespace */

int codec_proto(struct decoder *d, uint8_t proto, bool inverted)
{
	struct match *match = NULL;

	for (size_t i = 0; i < d->rule->n_matches; i++)
		if (d->rule->matches[i].kind == MATCH_PROTO)
			match = &d->rule->matches[i];
	if (match) {
		bool same = match->u.proto == proto;

		if (same == (match->inverted == inverted) && (same || !match->inverted))
			return 0; /* said already, or implied: equal to one is other than another */
		if (match->inverted && !inverted && !same) {
			match->u.proto = proto;
			match->inverted = false;
			return 0;
		}
	}
	if (match || proto == 0) {
		d->native = true;
		return codec_opaque(d, "meta l4proto %s%u", inverted ? "!= " : "", proto);
	}
	match = rule_add_match(d->rule, MATCH_PROTO);
	if (!match)
		return -ENOMEM;
	match->u.proto = proto;
	match->inverted = inverted;
	return 0;
}

/* "Is it IPv4?" becomes a source of 0.0.0.0/0: an address match never fits the other family. */
static int family_check(struct decoder *d, uint8_t family)
{
	struct match *match;

	if (d->family == NFPROTO_INET && d->l3 == 0)
		d->l3 = family;
	else if (d->l3 == family)
		return 0;
	match = rule_add_match(d->rule, MATCH_SRC);
	if (!match)
		return -ENOMEM;
	match->u.net.addr.family = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	return 0;
}

static int iface_match(struct decoder *d, const struct load *load, bool inverted, const uint8_t *data, uint32_t len)
{
	size_t used = strnlen((const char *)data, len);
	struct match *match;
	bool known = used > 0 && used < IFNAMSIZ;

	for (uint32_t i = 0; i < len; i++)
		known = known && load->mask[i] == 0xff && (i < used || data[i] == 0);
	if (!known)
		return codec_unread(d, load);
	match = rule_add_match(d->rule, load->key == NFT_META_IIFNAME ? MATCH_IIF : MATCH_OIF);
	if (!match)
		return -ENOMEM;
	memcpy(match->u.iface.name, data, used);
	match->u.iface.prefix = used == len;
	match->inverted = inverted;
	return 0;
}

/* By number: whose it is, only the kernel knows; but for one. */
static int ifindex_match(struct decoder *d, const struct load *load, bool inverted, uint32_t index)
{
	struct match *match;

	if (index != IFINDEX_LO)
		return codec_opaque(d, "%s %s%u", load->name, inverted ? "!= " : "", index);
	match = rule_add_match(d->rule, load->key == NFT_META_IIF ? MATCH_IIF : MATCH_OIF);
	if (!match)
		return -ENOMEM;
	memcpy(match->u.iface.name, "lo", sizeof("lo"));
	match->inverted = inverted;
	return 0;
}

static bool unmasked(const struct load *load, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (load->mask[i] != 0xff)
			return false;
	return len == load->len;
}

static uint32_t word_of(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

static int meta_compare(struct decoder *d, const struct load *load, bool inverted, const uint8_t *data, uint32_t len)
{
	uint16_t type;

	if (load->key == NFT_META_IIFNAME || load->key == NFT_META_OIFNAME)
		return iface_match(d, load, inverted, data, len);
	if (!unmasked(load, len))
		return codec_unread(d, load);
	switch (load->key) {
	case NFT_META_L4PROTO:
		return codec_proto(d, data[0], inverted);
	case NFT_META_NFPROTO:
		if (data[0] == NFPROTO_IPV4 || data[0] == NFPROTO_IPV6)
			return family_check(d, (data[0] == NFPROTO_IPV4) != inverted ? NFPROTO_IPV4 : NFPROTO_IPV6);
		break;
	case NFT_META_PROTOCOL:
		memcpy(&type, data, sizeof(type));
		if (type == htons(ETH_P_IP) || type == htons(ETH_P_IPV6))
			return family_check(d, (type == htons(ETH_P_IP)) != inverted ? NFPROTO_IPV4 : NFPROTO_IPV6);
		break;
	case NFT_META_IIF:
	case NFT_META_OIF:
		return ifindex_match(d, load, inverted, word_of(data));
	}
	return codec_unread(d, load);
}

static struct match *conntrack_match(struct decoder *d, uint16_t flag, bool inverted)
{
	struct match *match = rule_add_match(d->rule, MATCH_CONNTRACK);

	if (!match)
		return NULL;
	match->u.conntrack.flags = flag;
	match->u.conntrack.invert = inverted ? flag : 0;
	return match;
}

/* Any of the bits @any is set (inverted: none). */
static int ct_bits_match(struct decoder *d, const struct load *load, uint32_t any, bool inverted)
{
	bool nat = load->key == NFT_CT_STATUS && any && !(any & ~(NAT_SRC | NAT_DST));
	struct match *match;

	if (load->key == NFT_CT_STATUS && !nat) {
		if (any == 0 || (any & ~STATUS_KNOWN))
			return codec_unread(d, load);
		match = conntrack_match(d, CONNTRACK_STATUS, inverted);
		if (!match)
			return -ENOMEM;
		match->u.conntrack.status = (uint16_t)any;
		return 0;
	}
	if (!nat && (any == 0 || (any & ~NFT_STATES)))
		return codec_unread(d, load);
	match = conntrack_match(d, CONNTRACK_STATE, inverted);
	if (!match)
		return -ENOMEM;
	if (nat)
		match->u.conntrack.states = (uint16_t)((any & NAT_SRC ? CT_SNAT : 0) | (any & NAT_DST ? CT_DNAT : 0));
	else
		match->u.conntrack.states =
			(uint16_t)((any & ~NFT_UNTRACKED) | (any & NFT_UNTRACKED ? CT_UNTRACKED : 0));
	if (!nat || !inverted)
		return 0;
	/* a packet without an entry has no `ct status`, not even one without NAT; a state it has, and no SNAT in it */
	match = conntrack_match(d, CONNTRACK_STATE, false);
	if (!match)
		return -ENOMEM;
	match->u.conntrack.states = CT_NEW | CT_ESTABLISHED | CT_RELATED;
	return 0;
}

static bool one_bit(uint32_t value)
{
	return value && !(value & (value - 1));
}

static int ct_compare(struct decoder *d, const struct load *load, bool inverted, const uint8_t *data, uint32_t len)
{
	uint32_t value, mask;
	struct match *match;

	if (len != load->len)
		return codec_unread(d, load);
	if (load->key == NFT_CT_DIRECTION) {
		if (data[0] > 1 || load->mask[0] != 0xff)
			return codec_unread(d, load);
		match = conntrack_match(d, CONNTRACK_DIRECTION, false);
		if (!match)
			return -ENOMEM;
		match->u.conntrack.reply = (data[0] == 1) != inverted;
		return 0;
	}
	value = word_of(data);
	mask = word_of(load->mask);
	if (value == 0 && mask != UINT32_MAX)
		return ct_bits_match(d, load, mask, !inverted);
	/* a state is exactly one bit, so equality and a mask of that bit are the same; a status has many */
	if (one_bit(value) && (mask == value || (load->key == NFT_CT_STATE && (mask & value))))
		return ct_bits_match(d, load, value, inverted);
	return codec_unread(d, load);
}

int codec_compare(struct decoder *d, const struct load *load, uint32_t op, const uint8_t *data, uint32_t len)
{
	bool equality = op == NFT_CMP_EQ || op == NFT_CMP_NEQ, inverted = op == NFT_CMP_NEQ;

	if (load->kind == LOAD_PAYLOAD)
		return codec_payload_compare(d, load, op, data, len);
	if (load->kind == LOAD_META && equality)
		return meta_compare(d, load, inverted, data, len);
	if (load->kind == LOAD_CT && equality)
		return ct_compare(d, load, inverted, data, len);
	return codec_unread(d, load);
}
