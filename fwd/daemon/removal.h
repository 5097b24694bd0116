/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Entries taken away on trial: not by a copy of the set, but by a cut, a small set of what goes; the rules on trial ask for
 * the list and not the cut. What stays allowed inside a network of the cut is an exception (nomatch) in it, with its end.
 */
#include <stddef.h>

#include "rules/diag.h"
#include "rules/entry.h"

struct change;
struct firewall;

/* Whether to take @nets off the whitelist would cut a live login: 1 and who in @ret, 0, or -errno. */
int removal_cuts_login(struct firewall *firewall, const struct cidr *nets, size_t n, char *ret, size_t size);
/* Puts the removal of @nets on trial, with @change answered. */
int removal_begin(struct firewall *firewall, const struct cidr *nets, size_t n, struct change *change);
/* Under a live gate: what is in the cut goes from journal and kernel. 0 or -errno with @diag, nothing changed then. */
int removal_commit(struct firewall *firewall, struct diag *diag);
/* After the trial's rules are gone. */
void removal_end(struct firewall *firewall);
/* An allow while a removal is on trial: it holds in both states. Otherwise nothing happens. */
void removal_allow(struct firewall *firewall, const struct entry *entry);
/* Whether the cut holds anything: what a restarted daemon goes by. */
bool removal_is_pending(struct firewall *firewall);
