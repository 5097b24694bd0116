/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <net/if.h> /* before the kernel headers, whose linux/if.h then steps aside */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>

#include "rules/nftcodec_int.h"

#define CONNTRACK_KNOWN (CONNTRACK_STATE | CONNTRACK_STATUS | CONNTRACK_ORIGDST_PORT | CONNTRACK_DIRECTION)
#define STATUS_KNOWN (CT_STATUS_EXPECTED | CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED)

/* All of these: 0, -ENOMEM, or -EOPNOTSUPP: not a form that we know, nothing added. @info is at least as long as the
 * table below says, but not aligned. */
static int decode_tcp(struct decoder *d, const void *info)
{
	struct xt_tcp tcp;
	struct match *match;

	memcpy(&tcp, info, sizeof(tcp));
	if (tcp.option || (tcp.invflags & XT_TCP_INV_OPTION) || tcp.spts[0] > tcp.spts[1] || tcp.dpts[0] > tcp.dpts[1])
		return -EOPNOTSUPP;
	match = rule_add_match(d->rule, MATCH_TCP);
	if (!match)
		return -ENOMEM;
	match->u.ports.sport = (struct port_span){ tcp.spts[0], tcp.spts[1] };
	match->u.ports.dport = (struct port_span){ tcp.dpts[0], tcp.dpts[1] };
	match->u.ports.not_sport = tcp.invflags & XT_TCP_INV_SRCPT;
	match->u.ports.not_dport = tcp.invflags & XT_TCP_INV_DSTPT;
	match->u.ports.flag_mask = tcp.flg_mask;
	match->u.ports.flag_set = tcp.flg_cmp;
	match->u.ports.not_flags = tcp.invflags & XT_TCP_INV_FLAGS;
	return 0;
}

static int decode_udp(struct decoder *d, const void *info)
{
	struct xt_udp udp;
	struct match *match;

	memcpy(&udp, info, sizeof(udp));
	if (udp.spts[0] > udp.spts[1] || udp.dpts[0] > udp.dpts[1])
		return -EOPNOTSUPP;
	match = rule_add_match(d->rule, MATCH_UDP);
	if (!match)
		return -ENOMEM;
	match->u.ports.sport = (struct port_span){ udp.spts[0], udp.spts[1] };
	match->u.ports.dport = (struct port_span){ udp.dpts[0], udp.dpts[1] };
	match->u.ports.not_sport = udp.invflags & XT_UDP_INV_SRCPT;
	match->u.ports.not_dport = udp.invflags & XT_UDP_INV_DSTPT;
	return 0;
}

static int decode_icmp(struct decoder *d, const void *info, enum match_kind kind)
{
	struct ipt_icmp icmp;
	struct match *match;

	memcpy(&icmp, info, sizeof(icmp));
	match = rule_add_match(d->rule, kind);
	if (!match)
		return -ENOMEM;
	match->u.icmp.type = icmp.type;
	match->u.icmp.code_lo = icmp.code[0];
	match->u.icmp.code_hi = icmp.code[1];
	match->inverted = icmp.invflags & IPT_ICMP_INV;
	return 0;
}

static int decode_icmp4(struct decoder *d, const void *info)
{
	return decode_icmp(d, info, MATCH_ICMP);
}

static int decode_icmp6(struct decoder *d, const void *info)
{
	return decode_icmp(d, info, MATCH_ICMP6);
}

static int decode_hl(struct decoder *d, const void *info)
{
	struct ip6t_hl_info hl;
	struct match *match;

	memcpy(&hl, info, sizeof(hl));
	if (hl.mode != IP6T_HL_EQ && hl.mode != IP6T_HL_NE)
		return -EOPNOTSUPP;
	match = rule_add_match(d->rule, MATCH_HL);
	if (!match)
		return -ENOMEM;
	match->u.hl = hl.hop_limit;
	match->inverted = hl.mode == IP6T_HL_NE;
	return 0;
}

static int decode_multiport(struct decoder *d, const void *info)
{
	static const char which[] = { [XT_MULTIPORT_SOURCE] = 's', [XT_MULTIPORT_DESTINATION] = 'd',
		[XT_MULTIPORT_EITHER] = 'b' };
	struct match value = { .kind = MATCH_MULTIPORT };
	struct xt_multiport_v1 ports;
	struct match *match;

	memcpy(&ports, info, sizeof(ports));
	if (ports.flags >= sizeof(which) || ports.count == 0 || ports.count > XT_MULTI_PORTS)
		return -EOPNOTSUPP;
	value.u.multiport.which = (uint8_t)which[ports.flags];
	value.inverted = ports.invert;
	for (unsigned i = 0; i < ports.count; i++) {
		struct port_span *span = &value.u.multiport.spans[value.u.multiport.n++];

		span->lo = span->hi = ports.ports[i];
		if (!ports.pflags[i])
			continue;
		if (++i == ports.count || ports.ports[i] < span->lo)
			return -EOPNOTSUPP;
		span->hi = ports.ports[i];
	}
	match = rule_add_match(d->rule, MATCH_MULTIPORT);
	if (!match)
		return -ENOMEM;
	*match = value;
	return 0;
}

static int decode_conntrack(struct decoder *d, const void *info)
{
	struct xt_conntrack_mtinfo3 ct;
	struct match *match;
	uint16_t flags;

	memcpy(&ct, info, sizeof(ct));
	/* "-m state" is this match with a flag that changes the printed name only */
	flags = ct.match_flags & (uint16_t)~XT_CONNTRACK_STATE_ALIAS;
	if (flags == 0 || (flags & ~CONNTRACK_KNOWN))
		return -EOPNOTSUPP;
	if ((flags & CONNTRACK_STATUS) && (ct.status_mask == 0 || (ct.status_mask & ~STATUS_KNOWN)))
		return -EOPNOTSUPP;
	if ((flags & CONNTRACK_ORIGDST_PORT) && ct.origdst_port > ct.origdst_port_high)
		return -EOPNOTSUPP;
	match = rule_add_match(d->rule, MATCH_CONNTRACK);
	if (!match)
		return -ENOMEM;
	match->u.conntrack.flags = flags;
	match->u.conntrack.invert = ct.invert_flags & flags & (uint16_t)~CONNTRACK_DIRECTION;
	if (flags & CONNTRACK_STATE)
		match->u.conntrack.states = ct.state_mask;
	if (flags & CONNTRACK_STATUS)
		match->u.conntrack.status = ct.status_mask;
	if (flags & CONNTRACK_DIRECTION)
		match->u.conntrack.reply = ct.invert_flags & CONNTRACK_DIRECTION;
	if (flags & CONNTRACK_ORIGDST_PORT)
		match->u.conntrack.origdst_port = (struct port_span){ ct.origdst_port, ct.origdst_port_high };
	return 0;
}

/* The old match of that name; its bits are those of conntrack but for UNTRACKED. */
static int decode_state(struct decoder *d, const void *info)
{
	struct xt_state_info state;
	struct match *match;

	memcpy(&state, info, sizeof(state));
	match = rule_add_match(d->rule, MATCH_CONNTRACK);
	if (!match)
		return -ENOMEM;
	match->u.conntrack.flags = CONNTRACK_STATE;
	match->u.conntrack.states = state.statemask & (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW);
	if (state.statemask & XT_STATE_UNTRACKED)
		match->u.conntrack.states |= CT_UNTRACKED;
	return 0;
}

static int decode_set(struct decoder *d, const void *info)
{
	struct xt_set_info_match_v4 set;
	char name[SET_NAME_MAX + 1] = { 0 };
	struct match *match;

	memcpy(&set, info, sizeof(set));
	/* the flags of the set's counters, and --return-nomatch (bit 7), are beyond struct match */
	if (set.flags || set.packets.op || set.bytes.op || set.match_set.dim == 0 ||
	    set.match_set.dim > IPSET_DIM_MAX || set.match_set.flags >> (set.match_set.dim + 1))
		return -EOPNOTSUPP;
	if (!d->sets || !d->sets->name || d->sets->name(set.match_set.index, name, d->sets->user) < 0)
		return -EOPNOTSUPP;
	match = rule_add_match(d->rule, MATCH_SET);
	if (!match)
		return -ENOMEM;
	memcpy(match->u.set.name, name, sizeof(name));
	match->u.set.dim = set.match_set.dim;
	match->u.set.src = set.match_set.flags >> 1;
	match->inverted = set.match_set.flags & 1;
	return 0;
}

static int decode_comment(struct decoder *d, const void *info)
{
	char text[XT_MAX_COMMENT_LEN + 1] = { 0 };
	struct match *match = rule_add_match(d->rule, MATCH_COMMENT);

	memcpy(text, info, XT_MAX_COMMENT_LEN);
	return match ? match_set_text(match, text) : -ENOMEM;
}

static int decode_limit(struct decoder *d, const void *info)
{
	struct xt_rateinfo limit;
	char text[CODEC_TEXT_MAX];
	struct match *match;

	memcpy(&limit, info, sizeof(limit));
	if (limit.avg == 0)
		return -EOPNOTSUPP;
	codec_limit_text(limit.avg, limit.burst, text);
	match = rule_add_match(d->rule, MATCH_LIMIT);
	return match ? match_set_text(match, text) : -ENOMEM;
}

static const struct {
	const char *name;
	uint32_t revision;
	uint32_t size;
	int (*decode)(struct decoder *d, const void *info);
} xt_matches[] = {
	{ "comment", 0, sizeof(struct xt_comment_info), decode_comment },
	{ "conntrack", 3, sizeof(struct xt_conntrack_mtinfo3), decode_conntrack },
	{ "hl", 0, sizeof(struct ip6t_hl_info), decode_hl },
	{ "icmp", 0, sizeof(struct ipt_icmp), decode_icmp4 },
	{ "icmp6", 0, sizeof(struct ipt_icmp), decode_icmp6 },
	{ "limit", 0, sizeof(struct xt_rateinfo), decode_limit },
	{ "multiport", 1, sizeof(struct xt_multiport_v1), decode_multiport },
	{ "set", 4, sizeof(struct xt_set_info_match_v4), decode_set },
	{ "state", 0, sizeof(struct xt_state_info), decode_state },
	{ "tcp", 0, sizeof(struct xt_tcp), decode_tcp },
	{ "udp", 0, sizeof(struct xt_udp), decode_udp },
};

int codec_xt_decode_match(struct decoder *d, const struct nftnl_expr *expr)
{
	const char *name = codec_str(expr, NFTNL_EXPR_MT_NAME);
	uint32_t revision = codec_u32(expr, NFTNL_EXPR_MT_REV), len;
	const void *info = codec_data(expr, NFTNL_EXPR_MT_INFO, &len);
	int r = -EOPNOTSUPP;

	for (size_t i = 0; info && i < sizeof(xt_matches) / sizeof(xt_matches[0]); i++)
		if (strcmp(name, xt_matches[i].name) == 0 && revision == xt_matches[i].revision &&
		    len >= xt_matches[i].size)
			r = xt_matches[i].decode(d, info);
	return r == -EOPNOTSUPP ? codec_opaque(d, "-m %s", name) : r;
}

static int decode_reject(struct decoder *d, const void *info)
{
	static const char *const ip4[] = { "icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable",
		"icmp-port-unreachable", NULL, "icmp-net-prohibited", "icmp-host-prohibited", "tcp-reset",
		"icmp-admin-prohibited" };
	static const char *const ip6[] = { "icmp6-no-route", "icmp6-adm-prohibited", NULL, "icmp6-addr-unreachable",
		"icmp6-port-unreachable", NULL, "tcp-reset", "icmp6-policy-fail", "icmp6-reject-route" };
	const char *const *names = d->family == NFPROTO_IPV6 ? ip6 : ip4;
	char text[CODEC_TEXT_MAX];
	uint32_t with;

	_Static_assert(sizeof(ip4) == sizeof(ip6), "one size");
	memcpy(&with, info, sizeof(with));
	d->done = true;
	if (with >= sizeof(ip4) / sizeof(ip4[0]) || !names[with])
		return codec_target(d, TARGET_REJECT, NULL, NULL);
	snprintf(text, sizeof(text), "--reject-with %s", names[with]);
	return codec_target(d, TARGET_REJECT, NULL, text);
}

static int decode_nflog(struct decoder *d, const void *info)
{
	struct target *target = &d->rule->target;
	bool first = target->kind == TARGET_NONE;
	struct xt_nflog_info nflog;
	int r = codec_target(d, TARGET_NFLOG, NULL, NULL);

	if (r < 0 || !first)
		return r;
	memcpy(&nflog, info, sizeof(nflog));
	target->nflog.group = nflog.group;
	target->nflog.threshold = nflog.threshold;
	target->nflog.size = nflog.flags & XT_NFLOG_F_COPY_LEN ? nflog.len : 0;
	memcpy(target->nflog.prefix, nflog.prefix, sizeof(nflog.prefix) - 1);
	return 0;
}

static int decode_log(struct decoder *d, const void *info)
{
	char text[CODEC_TEXT_MAX], prefix[sizeof(((struct xt_log_info *)0)->prefix) + 1] = { 0 };
	struct xt_log_info log;

	memcpy(&log, info, sizeof(log));
	memcpy(prefix, log.prefix, sizeof(log.prefix));
	codec_log_text(prefix, log.level, log.logflags, text);
	return codec_target(d, TARGET_LOG, NULL, *text ? text : NULL);
}

static const struct {
	const char *name;
	uint32_t size;
	int (*decode)(struct decoder *d, const void *info);
} xt_targets[] = {
	{ "LOG", sizeof(struct xt_log_info), decode_log },
	{ "NFLOG", sizeof(struct xt_nflog_info), decode_nflog },
	{ "REJECT", sizeof(uint32_t), decode_reject },
};

int codec_xt_decode_target(struct decoder *d, const struct nftnl_expr *expr)
{
	const char *name = codec_str(expr, NFTNL_EXPR_TG_NAME);
	uint32_t len;
	const void *info = codec_data(expr, NFTNL_EXPR_TG_INFO, &len);
	char text[CODEC_TEXT_MAX];

	for (size_t i = 0; info && i < sizeof(xt_targets) / sizeof(xt_targets[0]); i++)
		if (strcmp(name, xt_targets[i].name) == 0 && len >= xt_targets[i].size &&
		    codec_u32(expr, NFTNL_EXPR_TG_REV) == 0)
			return xt_targets[i].decode(d, info);
	snprintf(text, sizeof(text), "-j %s", name);
	return codec_target(d, TARGET_OPAQUE, NULL, text);
}
