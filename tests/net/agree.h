/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the files of the test `agree` share: verdict() against the kernel, on random packets over random policies.
 *
 *   peer namespace              namespace of the host under test
 *       p0 ----------------------- up0    192.0.2.1      2001:db8:1::1   default route
 *       p1 ----------------------- up1    192.0.2.129    2001:db8:2::1
 *       p2 ----------------------- lan0   10.0.3.1       2001:db8:3::1   the guests' network lies behind it
 *
 * All packets are raw frames from the peer, which itself never says a word. A table of our own (inet agree) logs each
 * packet ahead of every other chain of the hook, with what conntrack says of it, and behind them if it survived. What
 * verdict() is asked is thus what netfilter saw, and what it must say is what netfilter did.
 *
 * Everything here ends the program where the ground gives way: die() if that should not be, skip() if it cannot be
 * here.
 */
#include <stdarg.h>

#include "fwd/daemon/sets.h"
#include "rules/policy.h"
#include "rules/ruleset.h"
#include "rules/verdict.h"
#include "tests/random_rule.h"

struct nftnl_rule;
struct codec_sets;

enum { UP0, UP1, LAN0, N_IFACES };
extern const char *const iface_names[N_IFACES];

#define LOCAL4 "198.51.100.0"  /* /24: every address of it is one of the host */
#define LOCAL6 "2001:db8:5::"  /* /64 */
#define GUESTS4 "203.0.113.0"  /* /24: behind lan0 */
#define GUESTS6 "2001:db8:6::" /* /64 */
#define LOCAL_LEN4 24
#define LOCAL_LEN6 120
#define PUBLISHED 200 /* last byte of the local address whose TCP and UDP goes to port 80 of a guest; the next one: to
		       * port 22 of the host */

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* What a flow is known by, as it was begun. Of ICMP: sport is the identifier, dport type << 8 | code. Host
 * byte order. */
struct tuple {
	struct addr src, dst;
	uint8_t proto;
	uint16_t sport, dport;
};

/* What is sent. */
struct spec {
	uint16_t id; /* not 0; IPv4 identification, IPv6 flow label */
	uint8_t iface;
	struct tuple tuple; /* as it goes over the wire */
	uint8_t flags, type, code, hop;
	bool untrack;   /* asks our own table for no conntrack */
	bool fragment;  /* in two */
	bool extension; /* IPv6: a header of options in front */
	bool spoilt;    /* checksum */
	bool error;     /* ICMP: about @inner */
	struct tuple inner;
	const char *recipe;
};

/* What was seen of it. */
struct seen {
	bool probed, survived;
	struct packet packet;
	uint32_t state, direction, status; /* of nf_tables: ct state, …; 0: not told */
	uint16_t port; /* that was asked for before DNAT */
	bool has_port;
};

/* agree_bed.c: this process is then in the namespace of the host under test. */
void bed_open(void);
void bed_close(void);
void bed_send(const struct spec *spec);
void bed_iface(uint32_t index, char ret[static IFNAMSIZ]); /* of the host; 0: empty */

/* agree_frame.c: packets from their network header on. */
#define FRAME_MAX 512
size_t frame_build(const struct spec *spec, uint8_t ret[static FRAME_MAX]);
/* The first (@second: the second) half of a packet that goes in two. */
size_t frame_fragment(const uint8_t *whole, size_t len, bool second, uint8_t ret[static FRAME_MAX]);
/* Fills in what stands in the packet itself. False: nothing that we sent. */
bool frame_parse(const uint8_t *data, size_t len, struct packet *ret, uint16_t *id);

/* agree_watch.c. Prefixes of the messages; a value is in the mark. ALL comes when all is told, LAST if it survived. */
#define OBSERVE_GROUP 1
enum { OBSERVE_STATE = 'S', OBSERVE_DIRECTION = 'D', OBSERVE_STATUS = 'T', OBSERVE_PORT = 'P', OBSERVE_ALL = 'A',
	OBSERVE_LAST = 'L' };
void watch_open(void);
void watch_close(void);
/* Until the packet with the id @last has been seen; @seen by id. Returns false if that takes more than @patience ms. */
bool watch_read(struct seen *seen, size_t n, uint16_t last, int patience);

/* agree_flow.c: entries of conntrack that nobody had to send packets for. */
enum { FLOW_SEEN_REPLY = 1, FLOW_EXPECTED = 2, FLOW_PUBLISHED = 4 };
void flow_open(void);
void flow_close(void);
void flow_create(const struct tuple *orig, unsigned flags, const struct addr *guest); /* @guest: of a published flow */
struct tuple tuple_reverse(const struct tuple *tuple);

/* agree_nft.c: one batch at a time. */
struct base {
	uint8_t hook;
	int32_t priority;
	const char *type;
	uint8_t policy;
};
void batch_open(void);
void batch_close(void);
void batch_begin(void);
void batch_table(uint8_t family, const char *name);
void batch_delete_table(uint8_t family, const char *name);
/* @base NULL: no base chain. */
void batch_chain(uint8_t family, const char *table, const char *name, const struct base *base);
void batch_rule(struct nftnl_rule *rule, bool front); /* takes it */
int batch_commit(void); /* 0 or -errno */
void observer_create(void);

/* agree_expr.c: native expressions, each added to the rule; values pass through register 1. */
struct nftnl_rule *expr_rule(uint8_t family, const char *table, const char *chain);
void expr_meta(struct nftnl_rule *rule, uint32_t key);
void expr_ct(struct nftnl_rule *rule, uint32_t key);
void expr_ct_port(struct nftnl_rule *rule); /* ct original proto-dst */
void expr_set_mark(struct nftnl_rule *rule); /* of the packet, from register 1 */
void expr_fib(struct nftnl_rule *rule);
void expr_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len);
void expr_mask(struct nftnl_rule *rule, const void *mask, uint32_t len);
void expr_cmp(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len);
void expr_range(struct nftnl_rule *rule, bool inverted, const void *from, const void *to, uint32_t len);
void expr_immediate(struct nftnl_rule *rule, uint32_t reg, const void *data, uint32_t len);
void expr_verdict(struct nftnl_rule *rule, int verdict, const char *chain);
void expr_log(struct nftnl_rule *rule, uint16_t group, const char *prefix);
void expr_limit(struct nftnl_rule *rule);
void expr_dnat(struct nftnl_rule *rule, uint8_t family); /* address in register 1, port in register 2 */
void expr_plain(struct nftnl_rule *rule, const char *name); /* counter, notrack */
void expr_reject(struct nftnl_rule *rule);

/* agree_world.c: one policy and what is in its sets. */
#define SETS_MAX 7    /* names; each for both families */
#define ENTRIES_MAX 12
#define EDGES_MAX 256
struct filled {
	char name[SET_NAME_MAX + 1];
	struct entry entries[ENTRIES_MAX];
	size_t n;
};
#define AIMS_MAX 128
/* What a rule of others asks for; what is 0 it does not. */
struct aim {
	uint8_t family, iface; /* N_IFACES: any */
	bool forward, has_sport, has_dport, has_flags, has_icmp;
	struct cidr src, dst;
	uint8_t proto, flags, type, code, hop;
	struct port_span sport, dport;
};
struct world {
	struct aim aims[AIMS_MAX];
	size_t n_aims;
	uint64_t random; /* the generator's state; the next world goes on from it */
	struct policy confirmed, candidate;
	bool has_confirmed, has_candidate, gate_open;
	uint8_t policy;
	struct filled sets[SETS_MAX][2]; /* [family is IPv6] */
	struct addr edges[2][EDGES_MAX]; /* of entries: first, last, below, above */
	size_t n_edges[2];
	uint16_t ports[EDGES_MAX];       /* ports that rules ask for */
	size_t n_ports;
	bool opaque; /* foreign rules may have what verdict() cannot read */
};
extern const char *const set_names[SETS_MAX]; /* [0] is LIST_MAIN, the last one no list's */
void world_create_sets(struct sets *sets);
void world_draw(struct world *world);
void world_fill(const struct world *world, struct sets *sets); /* and opens or closes the gate */
const struct policy *world_policy(const struct world *world);  /* what decides now */
void world_add_port(struct world *world, unsigned port);       /* an edge; out of range: nothing */
bool addr_is_source(const struct addr *addr); /* nothing that the kernel throws away before netfilter */
void addr_step(struct addr *addr, int step);
struct addr addr_of(const char *text);
struct addr random_addr(uint64_t *state, uint8_t family); /* fit for a source */

/* agree_aim.c */
struct aim *aim_begin(struct world *world, uint8_t family, bool forward); /* for a new rule */
struct aim *aim_now(struct world *world); /* of the rule that is being made */
bool aim_apply(struct world *world, uint8_t family, bool forward, struct spec *spec); /* false: no rule to aim at */

/* agree_foreign.c, agree_native.c: rules of others. */
/* Tables, and rules in front of ours; both add to a batch. */
void foreign_front(struct world *world, const struct codec_sets *sets);
void foreign_behind(struct world *world, const struct codec_sets *sets);
void native_table(struct world *world);
struct nftnl_rule *native_rule(struct world *world, uint8_t family, bool forward, const char *table, const char *chain,
			       const char *jump); /* @jump: NULL or a chain */

/* agree_draw.c: a packet that is likely to be accepted, or to be dropped; makes the flow that it belongs to. */
void draw_packet(struct world *world, uint8_t family, bool forward, bool accept, struct spec *ret);
struct addr draw_local(struct world *world, uint8_t family);
struct addr draw_guest(struct world *world, uint8_t family);
struct addr draw_source(struct world *world, uint8_t family); /* at an edge, mostly */
uint16_t draw_port(struct world *world);
