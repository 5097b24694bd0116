/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The journal's upkeep: a look whenever somebody else writes /etc/iptables/ipsets (`netfilter-persistent save`), until he has
 * come to rest, and a compaction when too many of its lines are dead. Nothing polls.
 */
struct firewall;
struct upkeep;

/* Watches the journal of @firewall. -ENOSYS and the like where inotify cannot be had: the journal is then looked at with
 * every change only. */
int upkeep_new(struct firewall *firewall, struct upkeep **ret);
void upkeep_free(struct upkeep *upkeep); /* NULL is allowed */
/* After changes of our own: compacts soon, if it is due. @upkeep may be NULL. */
void upkeep_kick(struct upkeep *upkeep);
