/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/entries_internal.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/removal.h"
#include "rules/compile.h"

static const char *const cut_name[FAMILIES] = { SET_CUT, SET_CUT6 };

/* A list of networks on its way. */
struct nets {
	struct entry *list;
	size_t n;
};

static int nets_add(struct nets *nets, const struct entry *entry)
{
	struct entry *bigger = reallocarray(nets->list, nets->n + 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	nets->list = bigger;
	nets->list[nets->n++] = *entry;
	return 0;
}

static void list_set(struct firewall *firewall, uint8_t family, char ret[static 32])
{
	list_set_name(&firewall->confirmed.policy.lists[0], family, ret);
}

static bool is_among(const struct cidr *net, const struct cidr *nets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_equal(net, &nets[i]))
			return true;
	return false;
}

struct future {
	struct question question;
	const struct cidr *nets;
	size_t n;
	const struct ruleset *actual;
	char *who;
	size_t size;
};

/* What the whitelist will say of an address: the entries that cover it, one prefix length after the other, without @nets. */
static int stays_listed(struct firewall *firewall, const char *set, const struct addr *addr, const struct cidr *nets, size_t n)
{
	unsigned bits = addr_bits(addr->family);
	struct plan host = { .entry.net = cidr_of(addr, bits) };
	int r;

	for (unsigned len = bits - 1; len > 0; len--) {
		struct cidr net = cidr_of(addr, len);

		if (!is_among(&net, nets, n) && sets_test(firewall->sets, set, &net) > 0)
			return 1;
	}
	if (is_among(&host.entry.net, nets, n))
		return 0;
	snprintf(host.set, sizeof(host.set), "%s", set);
	r = entries_look_up(firewall, &host, 1);
	return r < 0 ? r : host.found;
}

static int future_lookup(const char *set, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	const struct future *future = user;
	char ours[32];

	list_set(future->question.firewall, packet->src.family, ours);
	if (strcmp(set, ours) == 0 && dim == 1 && (src & 1))
		return stays_listed(future->question.firewall, ours, &packet->src, future->nets, future->n);
	return inspect_lookup(set, dim, src, packet, (void *)&future->question);
}

static int on_login(const struct login *login, void *user)
{
	struct future *future = user;
	struct verdict_way way;
	struct packet packet;
	char peer[ADDR_TEXT_MAX];

	inspect_packet(&login->connection.peer, IPPROTO_TCP, login->connection.local_port, &packet);
	packet.dst = login->connection.local;
	verdict(future->actual, &packet, inspect_lookup, &future->question, &way);
	if (way.verdict != VERDICT_ACCEPT) /* it lives on borrowed time already */
		return 0;
	verdict(future->actual, &packet, future_lookup, future, &way);
	if (way.verdict == VERDICT_ACCEPT)
		return 0;
	addr_format(&login->connection.peer, peer);
	snprintf(future->who, future->size, "%s from %s%s%s", login->user[0] ? login->user : "somebody", peer, login->tty[0] ? " on " : "",
		 login->tty);
	return 1;
}

int removal_cuts_login(struct firewall *firewall, const struct cidr *nets, size_t n, char *ret, size_t size)
{
	struct ruleset *actual;
	struct future future = { { firewall, GATE_CLOSED, false }, nets, n, NULL, ret, size };
	int r = n ? kernel_read(firewall->kernel, &actual) : 0;

	if (n == 0 || r < 0)
		return r;
	future.actual = actual;
	r = logins_each(on_login, &future);
	ruleset_free(actual);
	return r;
}

struct inside {
	const struct cidr *nets;
	size_t n;
	struct nets *ret;
};

/* Entries that stay although a network around them goes. */
static int on_inside(const struct entry *entry, void *user)
{
	const struct inside *inside = user;
	struct entry exception = *entry;

	if (entry->nomatch || is_among(&entry->net, inside->nets, inside->n))
		return 0;
	exception.nomatch = true;
	for (size_t i = 0; i < inside->n; i++)
		if (cidr_covers(&inside->nets[i], &entry->net))
			return nets_add(inside->ret, &exception);
	return 0;
}

static int fill_cut(struct firewall *firewall, int family, const struct cidr *nets, size_t n)
{
	struct nets cut = { 0 };
	struct inside inside = { nets, n, &cut };
	uint64_t now = now_epoch();
	struct cidr wider;
	char set[32];
	int r = sets_create_net(firewall->sets, cut_name[family], family_af[family], (uint32_t)n);

	list_set(firewall, family_af[family], set);
	if (r == 0 || r == -EEXIST)
		r = sets_flush(firewall->sets, cut_name[family]);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct entry entry = { .net = nets[i] };

		/* what a wider entry still covers is not cut, it only goes */
		if (nets[i].addr.family == family_af[family] &&
		    !(entries_covered_by(firewall, set, &nets[i], &wider) && !is_among(&wider, nets, n)))
			r = nets_add(&cut, &entry);
	}
	if (r == 0)
		r = sets_dump(firewall->sets, set, now, on_inside, &inside);
	if (r == 0 && cut.n)
		r = sets_add(firewall->sets, cut_name[family], cut.list, cut.n, false, now, NULL);
	free(cut.list);
	return r;
}

int removal_begin(struct firewall *firewall, const struct cidr *nets, size_t n, struct change *change)
{
	struct confirmed candidate = firewall->confirmed;
	int r = 0;

	for (int f = 0; f < FAMILIES && r == 0; f++)
		r = fill_cut(firewall, f, nets, n);
	if (r < 0) {
		removal_end(firewall);
		return change_refuse(change, NULL, "cannot put the removal on trial: %s; nothing was changed", strerror(-r));
	}
	candidate.generation++;
	r = trial_begin(firewall, TRIAL_REMOVE, &candidate, change);
	if (r < 0)
		removal_end(firewall);
	return r;
}

static int on_cut(const struct entry *entry, void *user)
{
	return entry->nomatch ? 0 : nets_add(user, entry);
}

int removal_commit(struct firewall *firewall, struct diag *diag)
{
	struct nets cut = { 0 };
	char set[32];
	int r = firewall->journal ? 0 : -EIO;

	for (int f = 0; f < FAMILIES && r == 0; f++)
		r = sets_dump(firewall->sets, cut_name[f], now_epoch(), on_cut, &cut);
	for (size_t i = 0; i < cut.n && r == 0; i++) {
		list_set(firewall, cut.list[i].net.addr.family, set);
		r = journal_del(firewall->journal, set, &cut.list[i].net);
	}
	if (r == 0)
		r = journal_sync(firewall->journal, diag);
	else if (firewall->journal)
		journal_drop(firewall->journal);
	for (size_t i = 0; i < cut.n && r == 0; i++) {
		list_set(firewall, cut.list[i].net.addr.family, set);
		r = sets_del(firewall->sets, set, &cut.list[i].net);
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		diag_set(diag, 0, 0, "cannot take the entries away: %s", strerror(-r));
	free(cut.list);
	return r;
}

void removal_end(struct firewall *firewall)
{
	for (int f = 0; f < FAMILIES; f++)
		sets_flush(firewall->sets, cut_name[f]); /* not there: never was a removal on trial */
}

bool removal_is_pending(struct firewall *firewall)
{
	struct nets cut = { 0 };
	bool pending;

	for (int f = 0; f < FAMILIES; f++)
		sets_dump(firewall->sets, cut_name[f], now_epoch(), on_cut, &cut);
	pending = cut.n > 0;
	free(cut.list);
	return pending;
}

void removal_allow(struct firewall *firewall, const struct entry *entry)
{
	int family = entry->net.addr.family == AF_INET6 ? V6 : V4, r = 0;
	struct entry exception = *entry;
	struct nets cut = { 0 };
	bool inside = false;

	if (!firewall->trial.on || firewall->trial.kind != TRIAL_REMOVE)
		return;
	r = sets_dump(firewall->sets, cut_name[family], now_epoch(), on_cut, &cut);
	for (size_t i = 0; i < cut.n && r == 0; i++) {
		if (cidr_covers(&entry->net, &cut.list[i].net))
			r = sets_del(firewall->sets, cut_name[family], &cut.list[i].net);
		else
			inside |= cidr_covers(&cut.list[i].net, &entry->net);
	}
	exception.nomatch = true;
	if (r == 0 && inside)
		r = sets_add(firewall->sets, cut_name[family], &exception, 1, false, now_epoch(), NULL);
	if (r < 0)
		log_say(LOG_WARNING, "an allow in mid-trial holds only once the trial is over: %s", strerror(-r));
	free(cut.list);
}
