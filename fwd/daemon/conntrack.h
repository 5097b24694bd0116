/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Connection tracking entries of this network namespace (ctnetlink through libmnl).
 *
 * Answers as elsewhere: 0 or -errno; -ENOENT no such entry, -EEXIST there is one; -EOPNOTSUPP a kernel without ctnetlink.
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/addr.h"

struct conntrack;

struct ct_tuple {
	uint8_t proto;           /* IPPROTO_TCP, IPPROTO_UDP */
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
 * ESTABLISHED without window checks, the protocol's usual timeout. */
int conntrack_create(struct conntrack *conntrack, const struct ct_tuple *original);
int conntrack_delete(struct conntrack *conntrack, const struct ct_tuple *original);
/* A non-zero answer of @each ends it and is returned. */
int conntrack_dump(struct conntrack *conntrack, int (*each)(const struct ct_entry *entry, void *user), void *user);
