/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the files of nftcodec share. Nobody else includes it.
 */
#include "rules/nftcodec.h"

struct nftnl_expr;

#define CODEC_TEXT_MAX 256 /* of a text that names something opaque; longer ones are cut */

/* An xt match or target as the kernel wants it: padded and zeroed. libnftnl takes ownership of info. */
struct codec_xt {
	const char *name;
	uint32_t revision;
	void *info; /* malloc()ed */
	uint32_t size;
};

/* @proto: of the rule, 0 if it asks for none or for all others than one. */
int codec_xt_encode_match(const struct match *match, uint8_t family, uint8_t proto, const struct codec_sets *sets,
			  struct codec_xt *ret);
int codec_xt_encode_nflog(const struct target *target, struct codec_xt *ret);
/* No control characters, which iptables-restore would refuse with the whole file. */
bool codec_text_plain(const char *text);

#define CODEC_SLOTS 16      /* 32-bit registers of the kernel (NFT_REG32_COUNT) */
#define CODEC_DATA_MAX 64   /* bytes of all of them */

enum load_kind {
	LOAD_META,    /* key: NFT_META_* */
	LOAD_CT,      /* key: NFT_CT_* */
	LOAD_PAYLOAD, /* key: NFT_PAYLOAD_*_HEADER, offset */
	LOAD_OTHER,   /* name says what it came from */
};

/* What stands in registers, from the first on. */
struct load {
	enum load_kind kind;
	uint32_t key, offset;
	uint8_t len;                  /* bytes */
	uint8_t mask[CODEC_DATA_MAX]; /* bits that still are those of the packet; the others are 0 */
	bool printable;               /* iptables-save prints a comparison of it, though we do not read it */
	char name[48];
};

struct decoder {
	const struct codec_sets *sets;
	struct rule *rule;
	uint8_t family;  /* of the table */
	uint8_t l3;      /* NFPROTO_IPV4, NFPROTO_IPV6, or 0: not known (yet) in a table of family inet */
	bool native;     /* something that iptables cannot print */
	bool lost;       /* registers went where we cannot follow */
	bool done;       /* a verdict: what follows is never reached */
	bool counted;
	int8_t owner[CODEC_SLOTS]; /* first slot of the load that lies here; -1: nothing known */
	struct load loads[CODEC_SLOTS];
	char names[CODEC_TEXT_MAX]; /* of the expressions, for the case that we get lost */
};

/* All return 0 or -ENOMEM; what they cannot read they make opaque. */
int codec_opaque(struct decoder *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A comparison with @load that we do not read; native unless iptables does. */
int codec_unread(struct decoder *d, const struct load *load);
int codec_target(struct decoder *d, enum target_kind kind, const char *chain, const char *text);
/* What was loaded into exactly this register and has at least @len bytes; else NULL, and the decoder is lost. */
const struct load *codec_load_find(struct decoder *d, uint32_t reg, uint32_t len);
/* @len 0: not known. */
int codec_load_other(struct decoder *d, uint32_t reg, uint32_t len, const char *name);
int codec_meta(struct decoder *d, const struct nftnl_expr *expr);
int codec_payload(struct decoder *d, const struct nftnl_expr *expr);
int codec_ct(struct decoder *d, const struct nftnl_expr *expr);
int codec_bitwise(struct decoder *d, const struct nftnl_expr *expr);
int codec_byteorder(struct decoder *d, const struct nftnl_expr *expr);
int codec_compare(struct decoder *d, const struct load *load, uint32_t op, const uint8_t *data, uint32_t len);
int codec_payload_compare(struct decoder *d, const struct load *load, uint32_t op, const uint8_t *data, uint32_t len);
int codec_proto(struct decoder *d, uint8_t proto, bool inverted);
int codec_range(struct decoder *d, const struct load *load, bool inverted, const uint8_t *from, const uint8_t *to,
		uint32_t len);
int codec_xt_decode_match(struct decoder *d, const struct nftnl_expr *expr);
int codec_xt_decode_target(struct decoder *d, const struct nftnl_expr *expr);
int codec_log(struct decoder *d, const struct nftnl_expr *expr);
int codec_limit(struct decoder *d, const struct nftnl_expr *expr);
int codec_reject(struct decoder *d, const struct nftnl_expr *expr);
int codec_verdict(struct decoder *d, const struct nftnl_expr *expr);

/* As iptables prints them. @average: as xt_limit has it, in 1/10000 s. */
void codec_limit_text(uint32_t average, uint32_t burst, char ret[static CODEC_TEXT_MAX]);
void codec_log_text(const char *prefix, uint32_t level, uint32_t flags, char ret[static CODEC_TEXT_MAX]);

/* NULL (and *len 0), "" or 0 for an attribute that is not there, 0 for one of another width too. */
const void *codec_data(const struct nftnl_expr *expr, uint16_t attr, uint32_t *len);
const char *codec_str(const struct nftnl_expr *expr, uint16_t attr);
uint32_t codec_u32(const struct nftnl_expr *expr, uint16_t attr);
uint64_t codec_u64(const struct nftnl_expr *expr, uint16_t attr);
