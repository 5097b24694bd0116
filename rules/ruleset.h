/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The ruleset: tables, chains and rules as one value. The kernel encoding (nftcodec), the files (savefile), `why`
 * (verdict) and drift are functions of it, so that they cannot disagree.
 *
 * It holds foreign rules too. What of them cannot be read becomes MATCH_OPAQUE or TARGET_OPAQUE with a text that names
 * it; verdict() then says "cannot tell" rather than guess.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/addr.h"
#include "rules/entry.h"

#define CHAIN_NAME_MAX 28       /* of chains that iptables reads (XT_EXTENSION_MAXNAMELEN - 1) */
#define MULTIPORT_MAX 15        /* slots; a range takes two (XT_MULTI_PORTS) */

enum match_kind {
	MATCH_IIF,       /* u.iface */
	MATCH_OIF,       /* u.iface */
	MATCH_SRC,       /* u.net; inverted or not, never matches a packet of the other family. With mask 0 it says */
	MATCH_DST,       /* just that (`meta nfproto` in a table of family inet) and cannot be encoded */
	MATCH_PROTO,     /* u.proto */
	MATCH_TCP,       /* u.ports; implies nothing: MATCH_PROTO stands before it, as in iptables */
	MATCH_UDP,       /* u.ports */
	MATCH_ICMP,      /* u.icmp */
	MATCH_ICMP6,     /* u.icmp */
	MATCH_HL,        /* u.hl: IPv6 hop limit equal to (inverted: other than) */
	MATCH_MULTIPORT, /* u.multiport */
	MATCH_CONNTRACK, /* u.conntrack; text "state" where it goes by its older name, else NULL */
	MATCH_SET,       /* u.set */
	MATCH_COMMENT,   /* text; never decides */
	MATCH_LIMIT,     /* text as iptables prints it ("--limit 5/sec"); may or may not match */
	MATCH_OPAQUE,    /* text names what could not be read */
};

/* Bits of u.conntrack.flags: which parts are asked for. Values of xt_conntrack.h, revision 3. */
enum {
	CONNTRACK_STATE = 0x0001,
	CONNTRACK_STATUS = 0x0040,
	CONNTRACK_ORIGDST_PORT = 0x0200,
	CONNTRACK_DIRECTION = 0x1000,
};
/* Bits of u.conntrack.states (XT_CONNTRACK_STATE_*). */
enum {
	CT_INVALID = 0x01,
	CT_ESTABLISHED = 0x02,
	CT_RELATED = 0x04,
	CT_NEW = 0x08,
	CT_SNAT = 0x40,
	CT_DNAT = 0x80,
	CT_UNTRACKED = 0x100,
};
/* Bits of u.conntrack.status (IPS_* of nf_conntrack_common.h). */
enum { CT_STATUS_EXPECTED = 0x01, CT_STATUS_SEEN_REPLY = 0x02, CT_STATUS_ASSURED = 0x04, CT_STATUS_CONFIRMED = 0x08 };

struct port_span {
	uint16_t lo, hi; /* host byte order, lo <= hi */
};

struct match {
	enum match_kind kind;
	bool inverted; /* not in TCP, UDP and CONNTRACK, which negate their parts */
	char *text; /* COMMENT, LIMIT, OPAQUE, CONNTRACK; owned */
	union {
		struct {
			char name[IFNAMSIZ];
			bool prefix; /* "eth+": every name that begins so */
		} iface;
		struct {
			struct addr addr; /* a packet of another family does not match, not even inverted */
			uint8_t mask[16]; /* network byte order; need not be contiguous. Empty: only the family is asked for */
		} net;
		uint8_t proto; /* IPPROTO_*; never 0 */
		struct {
			struct port_span sport, dport; /* 0..65535: any */
			bool not_sport, not_dport;
			uint8_t flag_mask, flag_set; /* TCP: --tcp-flags; mask 0: not asked */
			bool not_flags;
		} ports;
		struct {
			uint8_t type; /* 255 in MATCH_ICMP: any */
			uint8_t code_lo, code_hi; /* 0..255: any */
		} icmp;
		uint8_t hl;
		struct {
			uint8_t which; /* 's', 'd' or 'b' (either) */
			uint8_t n;
			struct port_span spans[MULTIPORT_MAX];
		} multiport;
		struct {
			uint16_t flags;        /* what is asked for */
			uint16_t invert;       /* the same bits: which parts are negated */
			uint16_t states;
			uint16_t status;
			bool reply;            /* DIRECTION: REPLY or ORIGINAL; never in invert (xt: REPLY = inverted) */
			struct port_span origdst_port;
		} conntrack;
		struct {
			char name[SET_NAME_MAX + 1];
			uint8_t dim;   /* 1 or more */
			uint8_t src;   /* bit i set: dimension i+1 is the source */
		} set;
	} u;
};

enum target_kind {
	TARGET_NONE, /* counts and goes on */
	TARGET_ACCEPT,
	TARGET_DROP,
	TARGET_REJECT, /* text: "--reject-with …" or NULL; decides as DROP */
	TARGET_RETURN,
	TARGET_JUMP, /* chain */
	TARGET_GOTO, /* chain */
	TARGET_NFLOG, /* nflog; goes on */
	TARGET_LOG,  /* text as iptables prints it; goes on */
	TARGET_OPAQUE, /* text; may decide anything */
};

struct target {
	enum target_kind kind;
	char *chain; /* JUMP, GOTO; owned */
	char *text;  /* owned */
	struct {
		uint16_t group;
		uint16_t threshold;  /* 0: not given */
		uint32_t size;       /* bytes copied; 0: not given */
		char prefix[64];     /* NUL-terminated */
	} nflog;
};

struct rule {
	struct match *matches;
	size_t n_matches;
	struct target target;
	uint64_t packets, bytes;
	uint64_t handle;   /* of the kernel; 0 where it comes from elsewhere */
	bool native;       /* of a table of iptables, but iptables-save prints a wrong rule, or nothing of the table */
	bool dead_log;     /* a log statement beside a verdict: iptables-save loses it */
};

struct chain {
	char *name;
	bool base;
	bool filter;       /* base: type filter (others, such as nat, decide nothing here) */
	uint8_t hook;      /* base: NF_INET_* (linux/netfilter.h) */
	int32_t priority;  /* base */
	uint8_t policy;    /* base: NF_ACCEPT or NF_DROP; POLICY_KEEP in a wish: leave what stands */
	uint64_t packets, bytes; /* base: what came to the policy */
	struct rule *rules;
	size_t n_rules;
};
#define POLICY_KEEP 0xff

struct table {
	uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET; others are never read */
	char *name;
	struct chain *chains;
	size_t n_chains;
};

struct ruleset {
	struct table *tables;
	size_t n_tables;
	uint32_t generation; /* of the kernel when it was read; 0 elsewhere */
};

/* All functions that allocate return NULL or -ENOMEM with nothing half done. Pointers to tables, chains, rules and
 * matches are valid until the next one is added to the same parent. */
struct ruleset *ruleset_new(void);
void ruleset_free(struct ruleset *ruleset); /* NULL is allowed */

struct table *ruleset_find_table(const struct ruleset *ruleset, uint8_t family, const char *name);
struct table *ruleset_add_table(struct ruleset *ruleset, uint8_t family, const char *name); /* or the one there is */
struct chain *table_find_chain(const struct table *table, const char *name); /* @table may be NULL */
struct chain *table_add_chain(struct table *table, const char *name);        /* or the one there is */
/* The next chain behind @name ("": the first) that is no base chain, in alphabetical order. @table may be NULL. */
const struct chain *table_next_chain(const struct table *table, const char *name);
struct rule *chain_add_rule(struct chain *chain);
struct match *rule_add_match(struct rule *rule, enum match_kind kind);
int rule_set_target(struct rule *rule, enum target_kind kind, const char *chain);
int match_set_text(struct match *match, const char *text);
int target_set_text(struct target *target, const char *text);

int rule_copy(struct rule *ret, const struct rule *rule); /* @ret is overwritten, not freed */
void rule_clear(struct rule *rule);                       /* frees what it holds, not itself */
/* Same effect in the same words: counters, handle and the order of matches of different kinds do not count. */
bool rule_equal(const struct rule *a, const struct rule *b);
const struct match *rule_find_match(const struct rule *rule, enum match_kind kind);
