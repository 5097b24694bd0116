/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The sets of an `ipsets` file as far as one source address is concerned: what a packet from it would find.
 */
#include <stddef.h>
#include <stdint.h>

#include "rules/addr.h"
#include "rules/diag.h"

struct packet;
struct setlook;

int setlook_new(const struct addr *source, uint64_t now, struct setlook **ret);
void setlook_free(struct setlook *setlook); /* NULL is allowed */

/* The whole text of the file; relative timeouts count from @mtime. 0 or -EINVAL with @diag, -ENOMEM. */
int setlook_read(struct setlook *setlook, const char *text, size_t len, uint64_t mtime, struct diag *diag);

/* A set_lookup of rules/verdict.h; @user is the setlook. */
int setlook_match(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user);
/* The network of @set that covers the source. 0 or -ENOENT. */
int setlook_entry(const struct setlook *setlook, const char *set, struct cidr *ret);
