/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Connection tracking entries of this network namespace (ctnetlink through libmnl), those of the default zone.
 *
 * Answers as elsewhere: 0 or -errno; -ENOENT no such entry, -EEXIST there is one; -EOPNOTSUPP a kernel without ctnetlink;
 * -ETIMEDOUT after 5 s. Nothing here makes the kernel track packets: rules do. An entry that is made before they stand is used
 * from the first packet on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/addr.h"

struct conntrack;

struct ct_tuple {
	uint8_t proto;           /* IPPROTO_TCP, IPPROTO_UDP; a dump has others too, their ports 0 where they have none */
	struct addr src, dst;    /* of one family */
	uint16_t sport, dport;   /* host byte order */
};

struct ct_entry {
	struct ct_tuple original, reply;
	uint32_t status;         /* IPS_* of linux/netfilter/nf_conntrack_common.h */
};

int conntrack_open(struct conntrack **ret);
void conntrack_close(struct conntrack *conntrack); /* NULL is allowed */

/* The entry that a packet of @tuple belongs to, in whichever direction. */
int conntrack_find(struct conntrack *conntrack, const struct ct_tuple *tuple, struct ct_entry *ret);
/* An entry for a flow that lives already: @original tells who counts as its beginner. SEEN_REPLY and ASSURED, TCP state
 * ESTABLISHED without window checks, the protocol's usual timeout. -EEXIST too where there is one the other way round. */
int conntrack_create(struct conntrack *conntrack, const struct ct_tuple *original);
/* Only the entry that began as @original: one the other way round stays, -ENOENT. */
int conntrack_delete(struct conntrack *conntrack, const struct ct_tuple *original);
/* A non-zero answer of @each ends it and is returned. @each may use @conntrack. An entry that comes or goes meanwhile may be
 * missing or told twice. */
int conntrack_dump(struct conntrack *conntrack, int (*each)(const struct ct_entry *entry, void *user), void *user);
