/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_limit.h>

#include "rules/nftcodec_int.h"

#define LOG_LEVEL_DEFAULT 4u   /* warning: not printed */
#define LIMIT_BURST_DEFAULT 5u /* xt_limit's: not printed */

/* Two logs at most, or a log and a verdict; see codec_target(). */
static int native_nflog(struct decoder *d, const struct nftnl_expr *expr, const char *prefix)
{
	struct target *target = &d->rule->target;
	bool first = target->kind == TARGET_NONE;
	int r = codec_target(d, TARGET_NFLOG, NULL, NULL);
	const void *data;
	uint32_t len;

	if (r < 0 || !first)
		return r;
	data = codec_data(expr, NFTNL_EXPR_LOG_GROUP, &len);
	if (len == sizeof(target->nflog.group))
		memcpy(&target->nflog.group, data, len);
	data = codec_data(expr, NFTNL_EXPR_LOG_QTHRESHOLD, &len);
	if (len == sizeof(target->nflog.threshold))
		memcpy(&target->nflog.threshold, data, len);
	target->nflog.size = codec_u32(expr, NFTNL_EXPR_LOG_SNAPLEN);
	/* cut as iptables cuts it: the kernel allows 127 bytes, xt_NFLOG 63 */
	snprintf(target->nflog.prefix, sizeof(target->nflog.prefix), "%s", prefix);
	return 0;
}

int codec_log(struct decoder *d, const struct nftnl_expr *expr)
{
	const char *prefix = codec_str(expr, NFTNL_EXPR_LOG_PREFIX);
	uint32_t level = LOG_LEVEL_DEFAULT;
	char text[CODEC_TEXT_MAX];

	if (nftnl_expr_is_set(expr, NFTNL_EXPR_LOG_GROUP))
		return native_nflog(d, expr, prefix);
	d->native = true;
	if (nftnl_expr_is_set(expr, NFTNL_EXPR_LOG_LEVEL))
		level = codec_u32(expr, NFTNL_EXPR_LOG_LEVEL);
	codec_log_text(prefix, level, codec_u32(expr, NFTNL_EXPR_LOG_FLAGS), text);
	return codec_target(d, TARGET_LOG, NULL, *text ? text : NULL);
}

/* Appends; what does not fit is cut. */
static void text_add(char *text, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, CODEC_TEXT_MAX - used, "%s%s", used ? " " : "", more);
}

/* Plain words stand as they are, everything else in quotes. */
static void text_quote(const char *word, char ret[static CODEC_TEXT_MAX])
{
	static const char plain[] = "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = 0;

	if (*word && word[strspn(word, plain)] == '\0') {
		snprintf(ret, CODEC_TEXT_MAX, "%s", word);
		return;
	}
	ret[n++] = '"';
	for (; *word && n < CODEC_TEXT_MAX - 3; word++) {
		if (strchr("\"\\'", *word))
			ret[n++] = '\\';
		ret[n++] = *word;
	}
	ret[n++] = '"';
	ret[n] = '\0';
}

void codec_log_text(const char *prefix, uint32_t level, uint32_t flags, char ret[static CODEC_TEXT_MAX])
{
	/* NF_LOG_* (linux/netfilter/nf_log.h), the same in xt_LOG.h; 0x10 is not in use */
	static const char *const names[] = { "--log-tcp-sequence", "--log-tcp-options", "--log-ip-options",
		"--log-uid", NULL, "--log-macdecode" };
	char word[CODEC_TEXT_MAX];

	ret[0] = '\0';
	if (*prefix) {
		text_quote(prefix, word);
		text_add(ret, "--log-prefix");
		text_add(ret, word);
	}
	if (level != LOG_LEVEL_DEFAULT) {
		snprintf(word, sizeof(word), "--log-level %" PRIu32, level);
		text_add(ret, word);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && (flags >> i & 1))
			text_add(ret, names[i]);
}

/* The rate by the coarsest unit that does not lose more than the finer one would. */
void codec_limit_text(uint32_t average, uint32_t burst, char ret[static CODEC_TEXT_MAX])
{
	static const struct {
		const char *name;
		uint32_t period;
	} units[] = {
		{ "day", XT_LIMIT_SCALE * 86400u },
		{ "hour", XT_LIMIT_SCALE * 3600u },
		{ "min", XT_LIMIT_SCALE * 60u },
		{ "sec", XT_LIMIT_SCALE },
	};
	size_t i = 0;
	char word[64];

	while (i + 1 < sizeof(units) / sizeof(units[0]) && average <= units[i + 1].period &&
	       units[i + 1].period % average <= units[i + 1].period / average)
		i++;
	snprintf(ret, CODEC_TEXT_MAX, "--limit %" PRIu32 "/%s", units[i].period / average, units[i].name);
	if (burst != LIMIT_BURST_DEFAULT) {
		snprintf(word, sizeof(word), "--limit-burst %" PRIu32, burst);
		text_add(ret, word);
	}
}

int codec_limit(struct decoder *d, const struct nftnl_expr *expr)
{
	uint64_t rate = codec_u64(expr, NFTNL_EXPR_LIMIT_RATE), unit = codec_u64(expr, NFTNL_EXPR_LIMIT_UNIT);
	char text[CODEC_TEXT_MAX];
	struct match *match;

	if (codec_u32(expr, NFTNL_EXPR_LIMIT_TYPE) != NFT_LIMIT_PKTS || codec_u32(expr, NFTNL_EXPR_LIMIT_FLAGS) ||
	    rate == 0 || unit == 0 || unit > 86400 || unit * XT_LIMIT_SCALE / rate == 0) {
		d->native = true;
		return codec_opaque(d, "limit");
	}
	codec_limit_text((uint32_t)(unit * XT_LIMIT_SCALE / rate), codec_u32(expr, NFTNL_EXPR_LIMIT_BURST), text);
	match = rule_add_match(d->rule, MATCH_LIMIT);
	return match ? match_set_text(match, text) : -ENOMEM;
}

/* By the ICMP code; NULL where iptables has no word. */
static const char *reject_name(uint8_t family, uint32_t type, uint32_t code)
{
	static const char *const ip4[] = { [0] = "icmp-net-unreachable", [1] = "icmp-host-unreachable",
		[2] = "icmp-proto-unreachable", [3] = "icmp-port-unreachable", [9] = "icmp-net-prohibited",
		[10] = "icmp-host-prohibited", [13] = "icmp-admin-prohibited" };
	static const char *const ip6[] = { [0] = "icmp6-no-route", [1] = "icmp6-adm-prohibited",
		[3] = "icmp6-addr-unreachable", [4] = "icmp6-port-unreachable", [5] = "icmp6-policy-fail",
		[6] = "icmp6-reject-route" };

	if (type == NFT_REJECT_TCP_RST)
		return "tcp-reset";
	if (type != NFT_REJECT_ICMP_UNREACH)
		return NULL;
	if (family == NFPROTO_IPV4)
		return code < sizeof(ip4) / sizeof(ip4[0]) ? ip4[code] : NULL;
	return code < sizeof(ip6) / sizeof(ip6[0]) ? ip6[code] : NULL;
}

int codec_reject(struct decoder *d, const struct nftnl_expr *expr)
{
	uint32_t len, type = codec_u32(expr, NFTNL_EXPR_REJECT_TYPE);
	const uint8_t *code = codec_data(expr, NFTNL_EXPR_REJECT_CODE, &len);
	const char *name = reject_name(d->l3, type, len ? *code : 0);
	char text[CODEC_TEXT_MAX];

	d->native = true;
	d->done = true;
	if (!name)
		return codec_target(d, TARGET_REJECT, NULL, NULL);
	snprintf(text, sizeof(text), "--reject-with %s", name);
	return codec_target(d, TARGET_REJECT, NULL, text);
}

int codec_verdict(struct decoder *d, const struct nftnl_expr *expr)
{
	int32_t verdict = (int32_t)codec_u32(expr, NFTNL_EXPR_IMM_VERDICT);
	const char *chain = codec_str(expr, NFTNL_EXPR_IMM_CHAIN);

	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_IMM_VERDICT))
		return codec_target(d, TARGET_OPAQUE, NULL, "immediate");
	if (verdict == NFT_CONTINUE)
		return 0;
	d->done = true;
	switch (verdict) {
	case NF_ACCEPT:
		return codec_target(d, TARGET_ACCEPT, NULL, NULL);
	case NF_DROP:
		return codec_target(d, TARGET_DROP, NULL, NULL);
	case NFT_RETURN:
		return codec_target(d, TARGET_RETURN, NULL, NULL);
	case NFT_JUMP:
	case NFT_GOTO:
		if (*chain)
			return codec_target(d, verdict == NFT_JUMP ? TARGET_JUMP : TARGET_GOTO, chain, NULL);
		break;
	}
	d->native = true;
	return codec_target(d, TARGET_OPAQUE, NULL, "verdict");
}
