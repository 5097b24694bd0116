/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <net/if.h> /* before the kernel headers, whose linux/if.h then steps aside */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>

#include "rules/nftcodec_int.h"

#define STATES_KNOWN (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW | CT_SNAT | CT_DNAT | CT_UNTRACKED)
#define STATUS_KNOWN (CT_STATUS_EXPECTED | CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED)
#define CONNTRACK_KNOWN (CONNTRACK_STATE | CONNTRACK_STATUS | CONNTRACK_ORIGDST_PORT | CONNTRACK_DIRECTION)

/* The kernel takes the size of the struct or that size padded, and compares what lies in the holes too. */
static void *xt_new(struct codec_xt *xt, const char *name, uint32_t revision, size_t size)
{
	*xt = (struct codec_xt){ .name = name, .revision = revision, .size = (uint32_t)XT_ALIGN(size) };
	xt->info = calloc(1, xt->size);
	return xt->info;
}

bool codec_text_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* What iptables has no words for it prints without: an open door after the next restore. */
#define TCP_FLAGS_KNOWN 0x3f /* FIN, SYN, RST, PSH, ACK, URG */

static int ports_check(const struct match *match)
{
	struct port_span sport = match->u.ports.sport, dport = match->u.ports.dport;

	if (match->inverted || sport.lo > sport.hi || dport.lo > dport.hi)
		return -EINVAL;
	/* "none at all" comes out of iptables-restore as "any" */
	if ((match->u.ports.not_sport && sport.lo == 0 && sport.hi == UINT16_MAX) ||
	    (match->u.ports.not_dport && dport.lo == 0 && dport.hi == UINT16_MAX))
		return -EOPNOTSUPP;
	return 0;
}

static int encode_tcp(const struct match *match, struct codec_xt *ret)
{
	struct xt_tcp *tcp;
	int r = ports_check(match);

	if (r < 0)
		return r;
	if ((match->u.ports.flag_set & ~match->u.ports.flag_mask) ||
	    (match->u.ports.not_flags && !match->u.ports.flag_mask))
		return -EINVAL;
	if (match->u.ports.flag_mask & ~TCP_FLAGS_KNOWN)
		return -EOPNOTSUPP;
	tcp = xt_new(ret, "tcp", 0, sizeof(*tcp));
	if (!tcp)
		return -ENOMEM;
	tcp->spts[0] = match->u.ports.sport.lo;
	tcp->spts[1] = match->u.ports.sport.hi;
	tcp->dpts[0] = match->u.ports.dport.lo;
	tcp->dpts[1] = match->u.ports.dport.hi;
	tcp->flg_mask = match->u.ports.flag_mask;
	tcp->flg_cmp = match->u.ports.flag_set;
	if (match->u.ports.not_sport)
		tcp->invflags |= XT_TCP_INV_SRCPT;
	if (match->u.ports.not_dport)
		tcp->invflags |= XT_TCP_INV_DSTPT;
	if (match->u.ports.not_flags)
		tcp->invflags |= XT_TCP_INV_FLAGS;
	return 0;
}

static int encode_udp(const struct match *match, struct codec_xt *ret)
{
	struct xt_udp *udp;
	int r = ports_check(match);

	if (r < 0)
		return r;
	if (match->u.ports.flag_mask || match->u.ports.flag_set ||
	    match->u.ports.not_flags)
		return -EINVAL;
	udp = xt_new(ret, "udp", 0, sizeof(*udp));
	if (!udp)
		return -ENOMEM;
	udp->spts[0] = match->u.ports.sport.lo;
	udp->spts[1] = match->u.ports.sport.hi;
	udp->dpts[0] = match->u.ports.dport.lo;
	udp->dpts[1] = match->u.ports.dport.hi;
	if (match->u.ports.not_sport)
		udp->invflags |= XT_UDP_INV_SRCPT;
	if (match->u.ports.not_dport)
		udp->invflags |= XT_UDP_INV_DSTPT;
	return 0;
}

/* ipt_icmp and ip6t_icmp are one layout under two names. */
static int encode_icmp(const struct match *match, struct codec_xt *ret)
{
	uint8_t lo = match->u.icmp.code_lo, hi = match->u.icmp.code_hi;
	struct ipt_icmp *icmp;

	_Static_assert(sizeof(struct ipt_icmp) == sizeof(struct ip6t_icmp), "one layout");
	if (lo > hi)
		return -EINVAL;
	if (lo != hi && (lo != 0 || hi != UINT8_MAX))
		return -EOPNOTSUPP;
	icmp = xt_new(ret, match->kind == MATCH_ICMP ? "icmp" : "icmp6", 0, sizeof(*icmp));
	if (!icmp)
		return -ENOMEM;
	icmp->type = match->u.icmp.type;
	icmp->code[0] = lo;
	icmp->code[1] = hi;
	if (match->inverted)
		icmp->invflags = IPT_ICMP_INV;
	return 0;
}

static int encode_hl(const struct match *match, struct codec_xt *ret)
{
	struct ip6t_hl_info *hl = xt_new(ret, "hl", 0, sizeof(*hl));

	if (!hl)
		return -ENOMEM;
	hl->mode = match->inverted ? IP6T_HL_NE : IP6T_HL_EQ;
	hl->hop_limit = match->u.hl;
	return 0;
}

static int encode_multiport(const struct match *match, struct codec_xt *ret)
{
	struct xt_multiport_v1 ports = { 0 };
	struct xt_multiport_v1 *info;

	switch (match->u.multiport.which) {
	case 's':
		ports.flags = XT_MULTIPORT_SOURCE;
		break;
	case 'd':
		ports.flags = XT_MULTIPORT_DESTINATION;
		break;
	case 'b':
		ports.flags = XT_MULTIPORT_EITHER;
		break;
	default:
		return -EINVAL;
	}
	if (match->u.multiport.n == 0 || match->u.multiport.n > MULTIPORT_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < match->u.multiport.n; i++) {
		struct port_span span = match->u.multiport.spans[i];
		unsigned need = span.lo == span.hi ? 1 : 2;

		if (span.lo > span.hi || ports.count + need > XT_MULTI_PORTS)
			return -EINVAL;
		ports.pflags[ports.count] = need == 2;
		ports.ports[ports.count++] = span.lo;
		if (need == 2)
			ports.ports[ports.count++] = span.hi;
	}
	ports.invert = match->inverted;
	info = xt_new(ret, "multiport", 1, sizeof(*info));
	if (!info)
		return -ENOMEM;
	*info = ports;
	return 0;
}

static int encode_conntrack(const struct match *match, struct codec_xt *ret)
{
	uint16_t flags = match->u.conntrack.flags, invert = match->u.conntrack.invert;
	uint16_t states = match->u.conntrack.states, status = match->u.conntrack.status;
	struct xt_conntrack_mtinfo3 *info;

	/* REPLY is the inverse of ORIGINAL in the kernel; the value says it by `reply` alone */
	if (match->inverted || flags == 0 || (flags & ~CONNTRACK_KNOWN) || (invert & ~flags) ||
	    (invert & CONNTRACK_DIRECTION))
		return -EINVAL;
	if ((flags & CONNTRACK_STATE) && (states == 0 || (states & ~STATES_KNOWN)))
		return -EINVAL;
	if ((flags & CONNTRACK_STATUS) && (status == 0 || (status & ~STATUS_KNOWN)))
		return -EINVAL;
	if (match->u.conntrack.origdst_port.lo > match->u.conntrack.origdst_port.hi)
		return -EINVAL;
	info = xt_new(ret, "conntrack", 3, sizeof(*info));
	if (!info)
		return -ENOMEM;
	info->match_flags = flags;
	info->invert_flags = invert;
	if (flags & CONNTRACK_STATE)
		info->state_mask = states;
	if (flags & CONNTRACK_STATUS)
		info->status_mask = status;
	if ((flags & CONNTRACK_DIRECTION) && match->u.conntrack.reply)
		info->invert_flags |= CONNTRACK_DIRECTION;
	if (flags & CONNTRACK_ORIGDST_PORT) {
		info->origdst_port = match->u.conntrack.origdst_port.lo;
		info->origdst_port_high = match->u.conntrack.origdst_port.hi;
	}
	return 0;
}

static int encode_set(const struct match *match, const struct codec_sets *sets, struct codec_xt *ret)
{
	struct xt_set_info_match_v4 *info;
	uint8_t dim = match->u.set.dim;
	uint16_t index;
	int r;

	if (dim == 0 || dim > IPSET_DIM_MAX || match->u.set.src >> dim)
		return -EINVAL;
	if (!sets || !sets->index)
		return -ENOENT;
	r = sets->index(match->u.set.name, &index, sets->user);
	if (r < 0)
		return r;
	info = xt_new(ret, "set", 4, sizeof(*info));
	if (!info)
		return -ENOMEM;
	info->match_set.index = index;
	info->match_set.dim = dim;
	/* bit 0 inverts, bit i is dimension i */
	info->match_set.flags = (uint8_t)(match->u.set.src << 1 | match->inverted);
	return 0;
}

static int encode_comment(const struct match *match, struct codec_xt *ret)
{
	struct xt_comment_info *info;
	size_t len;

	if (match->inverted || !match->text)
		return -EINVAL;
	len = strlen(match->text);
	if (len >= sizeof(info->comment) || !codec_text_plain(match->text))
		return -EOPNOTSUPP;
	info = xt_new(ret, "comment", 0, sizeof(*info));
	if (!info)
		return -ENOMEM;
	memcpy(info->comment, match->text, len);
	return 0;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
	       proto == IPPROTO_UDPLITE;
}

int codec_xt_encode_match(const struct match *match, uint8_t family, uint8_t proto, const struct codec_sets *sets,
			  struct codec_xt *ret)
{
	switch (match->kind) {
	case MATCH_TCP:
		return proto == IPPROTO_TCP ? encode_tcp(match, ret) : -EINVAL;
	case MATCH_UDP:
		return proto == IPPROTO_UDP ? encode_udp(match, ret) : -EINVAL;
	case MATCH_ICMP:
		return proto == IPPROTO_ICMP && family == NFPROTO_IPV4 ? encode_icmp(match, ret) : -EINVAL;
	case MATCH_ICMP6:
		return proto == IPPROTO_ICMPV6 && family == NFPROTO_IPV6 ? encode_icmp(match, ret) : -EINVAL;
	case MATCH_HL:
		return family == NFPROTO_IPV6 ? encode_hl(match, ret) : -EINVAL;
	case MATCH_MULTIPORT:
		return has_ports(proto) ? encode_multiport(match, ret) : -EINVAL;
	case MATCH_CONNTRACK:
		return encode_conntrack(match, ret);
	case MATCH_SET:
		return encode_set(match, sets, ret);
	case MATCH_COMMENT:
		return encode_comment(match, ret);
	default:
		return -EOPNOTSUPP;
	}
}

int codec_xt_encode_nflog(const struct target *target, struct codec_xt *ret)
{
	struct xt_nflog_info *info;
	size_t len = strnlen(target->nflog.prefix, sizeof(target->nflog.prefix));

	_Static_assert(sizeof(info->prefix) == sizeof(target->nflog.prefix), "one size");
	if (len == sizeof(target->nflog.prefix))
		return -EINVAL;
	if (!codec_text_plain(target->nflog.prefix))
		return -EOPNOTSUPP;
	info = xt_new(ret, "NFLOG", 0, sizeof(*info));
	if (!info)
		return -ENOMEM;
	info->group = target->nflog.group;
	info->threshold = target->nflog.threshold;
	if (target->nflog.size) {
		info->len = target->nflog.size;
		info->flags = XT_NFLOG_F_COPY_LEN;
	}
	memcpy(info->prefix, target->nflog.prefix, len);
	return 0;
}
