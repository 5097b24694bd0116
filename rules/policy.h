/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The policy: the configured whole, as a plain value that may be copied by assignment. conf.h reads and prints it,
 * compile.h makes rules of it.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/addr.h"

#define POLICY_SSH_PORTS_MAX 15
#define POLICY_TRUST_MAX 11 /* as many of the longest names as fit into a line of fwd.conf */
#define POLICY_LISTS_MAX 32
#define LIST_NAME_MAX 27 /* set names: NAME, NAME6; and room for a suffix while one is built aside */
#define LIST_PORTS_MAX 16

#define POLICY_TIMEOUT_DEFAULT 60 /* seconds that a trial waits for its confirm */
#define POLICY_TIMEOUT_MIN 10
#define POLICY_TIMEOUT_MAX 3600

#define LIST_MAIN "whitelist" /* the list that is always there and opens everything */

enum ssh_access {
	SSH_ANYONE,    /* baseline: open to everybody */
	SSH_WHITELIST, /* only to the lists that cover it */
};

struct list_port {
	uint8_t proto;   /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t lo, hi; /* host byte order */
};

/* A set and the scope that it opens. With no port, destination and interface: everything. */
struct list {
	char name[LIST_NAME_MAX + 1];
	struct list_port ports[LIST_PORTS_MAX];
	size_t n_ports;
	struct cidr destination; /* family 0: any */
	char interface[IFNAMSIZ]; /* empty: any */
};

struct policy {
	enum ssh_access ssh;
	bool ssh_auto; /* ssh-ports = auto: ssh_ports holds what was found (compile), nothing (conf) */
	uint16_t ssh_ports[POLICY_SSH_PORTS_MAX]; /* ascending, host byte order */
	size_t n_ssh_ports;
	char trust[POLICY_TRUST_MAX][IFNAMSIZ]; /* ascending by strcmp(), so that the order in the file says nothing */
	size_t n_trust;
	unsigned timeout; /* seconds */
	struct list lists[POLICY_LISTS_MAX]; /* [0] is LIST_MAIN without scope */
	size_t n_lists;
};

void policy_init(struct policy *ret); /* the default: ssh anyone, ports auto, no trust, 60 s, LIST_MAIN */
/* In everything, found SSH ports and the order of lists included: equal policies compile to equal rules. */
bool policy_equal(const struct policy *a, const struct policy *b);
/* Inserts in order; what is there already is fine. -ENOSPC when full. */
int policy_add_ssh_port(struct policy *policy, uint16_t port);
/* As above; -EINVAL if @name cannot be the name of one interface. "lo" is -EINVAL too: it is always trusted. */
int policy_add_trust(struct policy *policy, const char *name);
/* Names that the kernel takes, without those that mean something to iptables-restore (quotes, backslash, a "+" at the
 * end), to fwd.conf (, ; #) or to people (a "*" at the end: it would match nothing but itself). */
bool policy_is_interface(const char *name);
/* Name of the set of a list for a family. */
void list_set_name(const struct list *list, uint8_t family, char ret[static 32]);

/* Whether going from @old to @new can take access from anybody. If so, @why (may be NULL) says what, for people.
 * Looks at what is written in both: with ssh-ports = auto, fill in the found ports first. In doubt it says true. */
bool policy_narrows(const struct policy *old, const struct policy *new, char *why, size_t size);
