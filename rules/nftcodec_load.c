/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/nftcodec_int.h"

/* The 32-bit register that a number of the kernel names: 1 to 4 are the old ones of 16 bytes. */
static int slot_of(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (int)(reg - NFT_REG32_00);
	return -1;
}

/* Forgets what the registers held, and gives the place for what they hold now. */
static struct load *load_store(struct decoder *d, uint32_t reg, uint32_t len)
{
	int first = slot_of(reg);
	unsigned n = (len + 3) / 4;

	if (first < 0 || len == 0 || len > CODEC_DATA_MAX || (unsigned)first + n > CODEC_SLOTS) {
		d->lost = true;
		return NULL;
	}
	for (unsigned i = (unsigned)first; i < (unsigned)first + n; i++) {
		int8_t old = d->owner[i];

		for (unsigned j = 0; old >= 0 && j < CODEC_SLOTS; j++)
			if (d->owner[j] == old)
				d->owner[j] = -1;
	}
	for (unsigned i = 0; i < n; i++)
		d->owner[(unsigned)first + i] = (int8_t)first;

	struct load *load = &d->loads[first];

	memset(load, 0, sizeof(*load));
	load->len = (uint8_t)len;
	memset(load->mask, 0xff, len);
	return load;
}

/* What was loaded into exactly this register and is at least @len bytes; else we have lost the thread. */
const struct load *codec_load_find(struct decoder *d, uint32_t reg, uint32_t len)
{
	int first = slot_of(reg);

	if (first < 0 || len == 0 || d->owner[first] != first || d->loads[first].len < len) {
		d->lost = true;
		return NULL;
	}
	return &d->loads[first];
}

/* Something whose value we do not model. Its length is not told either: as far as it may reach. */
int codec_load_other(struct decoder *d, uint32_t reg, uint32_t len, const char *name)
{
	int first = slot_of(reg);
	struct load *load;

	if (len == 0 && first >= 0)
		len = (uint32_t)(CODEC_SLOTS - first) * 4 < 16 ? (uint32_t)(CODEC_SLOTS - first) * 4 : 16;
	load = load_store(d, reg, len);
	if (load) {
		load->kind = LOAD_OTHER;
		snprintf(load->name, sizeof(load->name), "%s", name);
	}
	return 0;
}

static const char *meta_name(uint32_t key)
{
	static const char *const names[] = {
		[NFT_META_LEN] = "meta length", [NFT_META_PROTOCOL] = "meta protocol",
		[NFT_META_PRIORITY] = "meta priority",
		[NFT_META_MARK] = "meta mark", [NFT_META_IIF] = "iif", [NFT_META_OIF] = "oif",
		[NFT_META_IIFNAME] = "iifname", [NFT_META_OIFNAME] = "oifname", [NFT_META_IFTYPE] = "iiftype",
		[NFT_META_OIFTYPE] = "oiftype", [NFT_META_SKUID] = "meta skuid", [NFT_META_SKGID] = "meta skgid",
		[NFT_META_NFPROTO] = "meta nfproto", [NFT_META_L4PROTO] = "meta l4proto", [NFT_META_CPU] = "meta cpu",
		[NFT_META_PKTTYPE] = "meta pkttype", [NFT_META_IIFGROUP] = "iifgroup", [NFT_META_OIFGROUP] = "oifgroup",
		[NFT_META_CGROUP] = "meta cgroup",
	};

	return key < sizeof(names) / sizeof(names[0]) && names[key] ? names[key] : "meta";
}

int codec_meta(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t key = codec_u32(expr, NFTNL_EXPR_META_KEY), reg = codec_u32(expr, NFTNL_EXPR_META_DREG), len = 4;
	struct load *load;

	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_META_DREG)) {
		d->native = true;
		return codec_opaque(d, "%s set", meta_name(key));
	}
	if (key == NFT_META_IIFNAME || key == NFT_META_OIFNAME)
		len = IFNAMSIZ;
	else if (key == NFT_META_L4PROTO || key == NFT_META_NFPROTO)
		len = 1;
	else if (key == NFT_META_PROTOCOL)
		len = 2;
	else if (key == NFT_META_PKTTYPE)
		len = 1;
	else if (key != NFT_META_IIF && key != NFT_META_OIF && key != NFT_META_MARK)
		return codec_load_other(d, reg, 0, meta_name(key));
	load = load_store(d, reg, len);
	if (load) {
		load->kind = LOAD_META;
		load->key = key;
		load->printable = key == NFT_META_MARK || key == NFT_META_PKTTYPE || key == NFT_META_IIF ||
				  key == NFT_META_OIF;
		snprintf(load->name, sizeof(load->name), "%s", meta_name(key));
	}
	return 0;
}

int codec_payload(struct decoder *d, const struct nftnl_expr *expr)
{
	static const char *const bases[] = { "ll", "nh", "th" };
	uint32_t base = codec_u32(expr, NFTNL_EXPR_PAYLOAD_BASE), offset = codec_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET);
	uint32_t len = codec_u32(expr, NFTNL_EXPR_PAYLOAD_LEN);
	struct load *load;

	if (nftnl_expr_is_set(expr, NFTNL_EXPR_PAYLOAD_SREG) || !nftnl_expr_is_set(expr, NFTNL_EXPR_PAYLOAD_DREG)) {
		d->native = true;
		return codec_opaque(d, "payload set");
	}
	load = load_store(d, codec_u32(expr, NFTNL_EXPR_PAYLOAD_DREG), len);
	if (load) {
		load->kind = LOAD_PAYLOAD;
		load->key = base;
		load->offset = offset;
		load->printable = d->l3 == NFPROTO_IPV4 && base == NFT_PAYLOAD_NETWORK_HEADER && offset == 8 &&
				  len == 1; /* TTL */
		snprintf(load->name, sizeof(load->name), "payload %s+%u", base < 3 ? bases[base] : "?", offset);
	}
	return 0;
}

int codec_ct(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t key = codec_u32(expr, NFTNL_EXPR_CT_KEY), reg = codec_u32(expr, NFTNL_EXPR_CT_DREG);
	bool known = key == NFT_CT_STATE || key == NFT_CT_STATUS || key == NFT_CT_DIRECTION;
	struct load *load;

	d->native = true;
	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_CT_DREG))
		return codec_opaque(d, "ct set");
	if (!known)
		return codec_load_other(d, reg, 0, key == NFT_CT_MARK ? "ct mark" : "ct");
	load = load_store(d, reg, key == NFT_CT_DIRECTION ? 1 : 4);
	if (load) {
		load->kind = LOAD_CT;
		load->key = key;
		snprintf(load->name, sizeof(load->name), "ct %s",
			 key == NFT_CT_STATE ? "state" : key == NFT_CT_STATUS ? "status" : "direction");
	}
	return 0;
}

/* dreg = (sreg & mask) ^ xor. Followed where it only takes bits away. */
int codec_bitwise(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t len = codec_u32(expr, NFTNL_EXPR_BITWISE_LEN), mask_len, xor_len;
	uint32_t op = codec_u32(expr, NFTNL_EXPR_BITWISE_OP), dreg = codec_u32(expr, NFTNL_EXPR_BITWISE_DREG);
	const struct load *source = codec_load_find(d, codec_u32(expr, NFTNL_EXPR_BITWISE_SREG), len);
	const uint8_t *mask = codec_data(expr, NFTNL_EXPR_BITWISE_MASK, &mask_len);
	const uint8_t *xor = codec_data(expr, NFTNL_EXPR_BITWISE_XOR, &xor_len);
	struct load copy, *load;
	bool plain;

	if (!source)
		return 0;
	copy = *source;
	plain = op == NFT_BITWISE_BOOL && mask_len == len && xor_len == len; /* len is not 0 */
	for (uint32_t i = 0; plain && i < len; i++)
		plain = xor[i] == 0;
	if (!plain || copy.kind == LOAD_OTHER)
		return codec_load_other(d, dreg, len, copy.name);
	for (uint32_t i = 0; i < len; i++)
		copy.mask[i] &= mask[i];
	copy.len = (uint8_t)len;
	load = load_store(d, dreg, len);
	if (load)
		*load = copy;
	return 0;
}

int codec_byteorder(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t len = codec_u32(expr, NFTNL_EXPR_BYTEORDER_LEN);
	const struct load *source = codec_load_find(d, codec_u32(expr, NFTNL_EXPR_BYTEORDER_SREG), len);
	struct load copy;

	if (!source)
		return 0;
	copy = *source;
	return codec_load_other(d, codec_u32(expr, NFTNL_EXPR_BYTEORDER_DREG), len, copy.name);
}
