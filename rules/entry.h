/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * An entry: one network in a whitelist, and the limits on what may be said about it.
 *
 * The kernel and ipset know relative timeouts only, so the absolute expiry rides in the comment that both keep:
 * "until=EPOCH" or "until=EPOCH TEXT". A comment of a user can therefore not begin with "until=".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/addr.h"
#include "rules/diag.h"

#define ENTRY_COMMENT_MAX 200     /* bytes of a user's comment, without the NUL */
#define ENTRY_KERNEL_COMMENT 256  /* IPSET_MAX_COMMENT_SIZE + 1 (linux/netfilter/ipset/ip_set.h) */
#define ENTRY_TIMEOUT_MAX 2147483u /* seconds; IPSET_MAX_TIMEOUT, more is clamped in silence by the kernel */
#define SET_NAME_MAX 31           /* IPSET_MAXNAMELEN - 1 */

struct entry {
	struct cidr net;
	uint64_t until;   /* seconds since the epoch; 0: for ever */
	uint64_t packets; /* as far as the set counts */
	uint64_t bytes;
	bool nomatch;     /* excludes what a wider entry covers: it opens nothing */
	char comment[ENTRY_KERNEL_COMMENT]; /* the user's part only; entries that others made may fill it */
};

/* UTF-8 without control characters, quotes and backslashes, at most ENTRY_COMMENT_MAX bytes, beginning neither with
 * "until=" nor with "-". (A newline would inject lines into `ipset save`; a quote cannot be represented there; a comment
 * "-q" is taken for an option of ipset even within quotes, and the rest of the file is then not loaded.) 0 or -EINVAL. */
int entry_comment_check(const char *comment, struct diag *diag);

/* The comment as kernel and file hold it. Returns its length; @ret is always terminated. A comment of others that is too
 * long beside "until=" is cut, between characters. */
size_t entry_comment_join(const struct entry *entry, char ret[static ENTRY_KERNEL_COMMENT]);
/* The way back; a malformed "until=" (leading zeros, 0, more than 64 bits) is plain text. The first of several counts, the
 * others are dropped. Sets until and comment of @ret, nothing else; more than ENTRY_KERNEL_COMMENT - 1 bytes are cut. */
void entry_comment_split(const char *comment, struct entry *ret);

/* Relative timeout for kernel and file at time @now: 0 for ever, at most ENTRY_TIMEOUT_MAX (the daemon re-arms what
 * lies further ahead), at least 1. An entry whose time is over answers -ETIME: it must not be added. */
int entry_timeout(const struct entry *entry, uint64_t now, uint32_t *ret);
