/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * ipsets in the kernel. libmnl does the work (add, del, test, dump, swap, flush, destroy, many entries a message);
 * libipset only creates, because it knows the type revisions of the running kernel.
 *
 * Calls block for as long as the kernel takes: microseconds, but for sets_info(), dumps and flushes of big sets. An
 * answer that does not come within 5 s is -ETIMEDOUT.
 * Errors are negative errnos: -ENOENT no such set, -EEXIST an entry (or set) is there, -ENOENT on del where it is
 * not, -EBUSY referenced or being dumped, -EMFILE more elements than the set takes, -ENAMETOOLONG a name of more than
 * SET_NAME_MAX bytes (-EINVAL: of none), -EAFNOSUPPORT an element of another kind (family, or type), -EINVAL what no
 * set holds (a /0) or types that cannot be swapped, -EOPNOTSUPP a kernel without ipset or without the type, a set
 * without the extension that the entry needs, or elements that are no networks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/entry.h"
#include "rules/nftcodec.h"

struct sets;

int sets_open(struct sets **ret);
void sets_close(struct sets *sets); /* NULL is allowed */

struct set_info {
	char type[32];      /* "hash:net" */
	uint8_t family;     /* AF_INET, AF_INET6, or 0 where the type has none */
	uint16_t index;     /* kernel index: valid until the set is destroyed, and across swaps */
	bool timeout, counters, comment; /* extensions */
	uint32_t default_timeout;
	uint64_t maxelem;
	bool foreign;       /* has an extension that no set of ours has: forceadd, skbinfo */
	uint32_t entries;   /* alive; the kernel walks the whole table to count them */
	uint32_t references; /* by rules and list:sets */
};

/* -ENOENT if there is none. Costs a walk of the set: for one number ask the resolver. */
int sets_info(struct sets *sets, const char *name, struct set_info *ret);

/* A whitelist set: hash:net, timeout 0 counters comment, maxelem 4294967295. @hint: entries expected (the kernel
 * doubles the table by itself, but blocks for 0.2 s when it is big). -EEXIST; -EIO where libipset fails without
 * saying why. */
int sets_create_net(struct sets *sets, const char *name, uint8_t family, uint32_t hint);
/* The gate: list:set with timeout (default 60) and comment. -EEXIST. */
int sets_create_gate(struct sets *sets, const char *name);
/* Whether an existing set is exactly what sets_create_net() makes. */
bool set_info_is_ours(const struct set_info *info, uint8_t family);

/* Adds @n entries in as few messages as possible, to a set that knows timeouts. @exclusive: an entry that exists
 * already is -EEXIST; otherwise it is replaced, with its timeout and comment (counters stay). Timeouts are made of
 * entry.until at @now; an entry whose time is over is -ETIME. On an error *done (may be NULL) says how many of them
 * are in: those before it. */
int sets_add(struct sets *sets, const char *name, const struct entry *entries, size_t n, bool exclusive, uint64_t now,
	     size_t *done);
int sets_del(struct sets *sets, const char *name, const struct cidr *net); /* -ENOENT if it is not in */
/* 1, 0 or negative. A whole address is looked up as a packet would be (covered counts, nomatch excludes); a network
 * exactly. A /0 or an address of the other family is in no set: 0. */
int sets_test(struct sets *sets, const char *name, const struct cidr *net);
/* Whether the set @member is, now, a member of the list:set @gate: 1, 0 or negative. */
int sets_test_member(struct sets *sets, const char *gate, const char *member);
/* Seconds left of a member: 0 if it is not in (any more), INT_MAX if it never expires, or negative errno. Rounded
 * down, but at least 1 while it is in. @comment (may be NULL, untouched if not in): ENTRY_KERNEL_COMMENT. */
int sets_member_left(struct sets *sets, const char *gate, const char *member, char *comment);
/* All members in one message; those that are in get the new timeout and comment. @timeout: 1 to ENTRY_TIMEOUT_MAX,
 * else -ERANGE (a gate that never closes would be no gate). -ENOENT: no such gate or member; members before it are
 * then in. */
int sets_add_members(struct sets *sets, const char *gate, const char *const *members, size_t n, uint32_t timeout,
		     const char *comment);

/* Calls @each for every entry (until is computed from what is left, unless the comment says until=); a non-zero
 * answer ends the dump and is returned. An entry that is in from beginning to end is seen exactly once, one that
 * comes or goes meanwhile may be. @each may use @sets, but swap and destroy of this set are -EBUSY until the end. */
int sets_dump(struct sets *sets, const char *name, uint64_t now, int (*each)(const struct entry *entry, void *user),
	      void *user);

/* -EBUSY while somebody dumps one of them: the caller tries again. (Older kernels let go of a dump that @each ended a
 * moment after it: that is waited for here, for at most 200 ms.) */
int sets_swap(struct sets *sets, const char *a, const char *b);
int sets_flush(struct sets *sets, const char *name);
/* Retries for at most 200 ms while the kernel still holds a reference of rules deleted a moment ago. */
int sets_destroy(struct sets *sets, const char *name);
/* Calls @each for the name of every set of this namespace, list:sets last. A swap meanwhile may show a name twice and
 * hide the other. A non-zero answer ends it and is returned. */
int sets_names(struct sets *sets, int (*each)(const char *name, void *user), void *user);

/* The resolver that nftcodec needs. Valid as long as @sets. It asks the kernel each time: a freed index is reused at
 * once. */
struct codec_sets sets_resolver(struct sets *sets);
