/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>

#include "rules/policy.h"

void policy_init(struct policy *ret)
{
	*ret = (struct policy){
		.ssh = SSH_ANYONE,
		.ssh_auto = true,
		.timeout = POLICY_TIMEOUT_DEFAULT,
		.lists = { { .name = LIST_MAIN } },
		.n_lists = 1,
	};
}

static bool destination_equal(const struct cidr *a, const struct cidr *b)
{
	if (a->addr.family == 0 || b->addr.family == 0)
		return a->addr.family == b->addr.family;
	return cidr_equal(a, b);
}

static bool list_equal(const struct list *a, const struct list *b)
{
	if (strcmp(a->name, b->name) != 0 || strcmp(a->interface, b->interface) != 0 || a->n_ports != b->n_ports)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].proto != b->ports[i].proto || a->ports[i].lo != b->ports[i].lo ||
		    a->ports[i].hi != b->ports[i].hi)
			return false;
	return destination_equal(&a->destination, &b->destination);
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	if (a->ssh != b->ssh || a->ssh_auto != b->ssh_auto || a->timeout != b->timeout ||
	    a->n_ssh_ports != b->n_ssh_ports || a->n_trust != b->n_trust || a->n_lists != b->n_lists)
		return false;
	for (size_t i = 0; i < a->n_ssh_ports; i++)
		if (a->ssh_ports[i] != b->ssh_ports[i])
			return false;
	for (size_t i = 0; i < a->n_trust; i++)
		if (strcmp(a->trust[i], b->trust[i]) != 0)
			return false;
	for (size_t i = 0; i < a->n_lists; i++)
		if (!list_equal(&a->lists[i], &b->lists[i]))
			return false;
	return true;
}

int policy_add_ssh_port(struct policy *policy, uint16_t port)
{
	size_t at = 0;

	while (at < policy->n_ssh_ports && policy->ssh_ports[at] < port)
		at++;
	if (at < policy->n_ssh_ports && policy->ssh_ports[at] == port)
		return 0;
	if (policy->n_ssh_ports == POLICY_SSH_PORTS_MAX)
		return -ENOSPC;
	memmove(&policy->ssh_ports[at + 1], &policy->ssh_ports[at],
		(policy->n_ssh_ports - at) * sizeof(policy->ssh_ports[0]));
	policy->ssh_ports[at] = port;
	policy->n_ssh_ports++;
	return 0;
}

bool policy_is_interface(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++) /* printable ASCII without the blank */
		if (name[i] <= ' ' || name[i] >= 0x7f || strchr("/:\"'\\,;#", name[i]))
			return false;
	return name[len - 1] != '+' && name[len - 1] != '*';
}

int policy_add_trust(struct policy *policy, const char *name)
{
	size_t at = 0;

	if (!policy_is_interface(name) || strcmp(name, "lo") == 0)
		return -EINVAL;
	while (at < policy->n_trust && strcmp(policy->trust[at], name) < 0)
		at++;
	if (at < policy->n_trust && strcmp(policy->trust[at], name) == 0)
		return 0;
	if (policy->n_trust == POLICY_TRUST_MAX)
		return -ENOSPC;
	memmove(&policy->trust[at + 1], &policy->trust[at], (policy->n_trust - at) * sizeof(policy->trust[0]));
	memset(policy->trust[at], 0, sizeof(policy->trust[at]));
	memcpy(policy->trust[at], name, strlen(name));
	policy->n_trust++;
	return 0;
}

void list_set_name(const struct list *list, uint8_t family, char ret[static 32])
{
	snprintf(ret, 32, "%s%s", list->name, family == AF_INET6 ? "6" : "");
}

static bool has_ssh_port(const struct policy *policy, uint16_t port)
{
	for (size_t i = 0; i < policy->n_ssh_ports; i++)
		if (policy->ssh_ports[i] == port)
			return true;
	return false;
}

static bool trusts(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_trust; i++)
		if (strcmp(policy->trust[i], name) == 0)
			return true;
	return false;
}

static const struct list *find_list(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n_lists; i++)
		if (strcmp(policy->lists[i].name, name) == 0)
			return &policy->lists[i];
	return NULL;
}

/* The first port of @wanted that no range of @list opens, or -1. Ranges may overlap and stand in any order. */
static int first_uncovered(const struct list *list, const struct list_port *wanted)
{
	unsigned port = wanted->lo;
	size_t i = 0;

	while (port <= wanted->hi && i < list->n_ports) {
		const struct list_port *range = &list->ports[i++];

		if (range->proto == wanted->proto && range->lo <= port && port <= range->hi) {
			port = range->hi + 1U;
			i = 0; /* one that stands further in front may go on from here */
		}
	}
	return port <= wanted->hi ? (int)port : -1;
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

static bool list_narrows(const struct list *old, const struct list *new, char *why, size_t size)
{
	char net[ADDR_TEXT_MAX];

	if (new->interface[0] && strcmp(new->interface, old->interface) != 0) {
		snprintf(why, size, "list %s would open only what comes in by %s", old->name, new->interface);
		return true;
	}
	if (new->destination.addr.family != 0 && !cidr_covers(&new->destination, &old->destination)) {
		cidr_format(&new->destination, net);
		snprintf(why, size, "list %s would open only what goes to %s", old->name, net);
		return true;
	}
	if (new->n_ports == 0)
		return false;
	if (old->n_ports == 0) { /* no ports name everything: ICMP and SCTP too */
		snprintf(why, size, "list %s would no longer open everything", old->name);
		return true;
	}
	for (size_t i = 0; i < old->n_ports; i++) {
		int port = first_uncovered(new, &old->ports[i]);

		if (port >= 0) {
			snprintf(why, size, "list %s would no longer open %s/%d", old->name,
				 proto_name(old->ports[i].proto), port);
			return true;
		}
	}
	return false;
}

/* Where SSH was for the whitelist, its ports opened nothing by themselves: the lists did, and they are looked at
 * below. */
static bool ssh_narrows(const struct policy *old, const struct policy *new, char *why, size_t size)
{
	if (old->ssh == SSH_WHITELIST)
		return false;
	if (new->ssh == SSH_WHITELIST) {
		snprintf(why, size, "SSH would be open to the whitelist only, no longer to anyone");
		return true;
	}
	for (size_t i = 0; i < old->n_ssh_ports; i++)
		if (!has_ssh_port(new, old->ssh_ports[i])) {
			snprintf(why, size, "SSH port %u would no longer be open to anyone", old->ssh_ports[i]);
			return true;
		}
	return false;
}

bool policy_narrows(const struct policy *old, const struct policy *new, char *why, size_t size)
{
	char nobody[1];

	if (!why) {
		why = nobody;
		size = 0;
	}
	if (ssh_narrows(old, new, why, size))
		return true;
	for (size_t i = 0; i < old->n_trust; i++)
		if (!trusts(new, old->trust[i])) {
			snprintf(why, size, "interface %s would no longer be trusted", old->trust[i]);
			return true;
		}
	for (size_t i = 0; i < old->n_lists; i++) {
		const struct list *list = find_list(new, old->lists[i].name);

		if (!list) {
			snprintf(why, size, "list %s would be gone", old->lists[i].name);
			return true;
		}
		if (list_narrows(&old->lists[i], list, why, size))
			return true;
	}
	return false;
}
