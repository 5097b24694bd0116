/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets at the start of the daemon: made where they are missing, filled from the journal, and compared with it where they
 * stand already.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/log.h"

#define SAME_SECONDS 2 /* what is left of a timeout is told in whole seconds */

/* 0: it is there and ours, -ENOENT: it is not there. */
static int check_set(struct firewall *firewall, const char *set, int family, struct diag *diag)
{
	struct set_info info;
	int r = sets_info(firewall->sets, set, &info);

	if (r == -ENOENT)
		return r;
	if (r < 0) {
		diag_set(diag, 0, 0, "cannot look at the set %s: %s", set, strerror(-r));
		return r;
	}
	if (!set_info_is_ours(&info, family_af[family])) {
		diag_set(diag, 0, 0,
			 "a set %s of another make (%s) is there: save its entries with `ipset save %s`, and destroy it or rename it",
			 set, info.type, set);
		return -EEXIST;
	}
	return 0;
}

/* The set of one family, made if it is not there. */
static int ensure_set(struct firewall *firewall, const char *set, int family, uint32_t hint, bool *made, struct diag *diag)
{
	int r = check_set(firewall, set, family, diag);

	*made = false;
	if (r != -ENOENT)
		return r;
	r = sets_create_net(firewall->sets, set, family_af[family], hint);
	*made = r == 0;
	if (r < 0)
		diag_set(diag, 0, 0, "cannot make the set %s: %s", set, strerror(-r));
	return r;
}

int entries_check(struct firewall *firewall, const struct policy *policy, struct diag *diag)
{
	char set[32];

	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			int r;

			list_set_name(&policy->lists[i], family_af[f], set);
			r = check_set(firewall, set, f, diag);
			if (r < 0 && r != -ENOENT)
				return r;
		}
	}
	return 0;
}

int entries_ensure(struct firewall *firewall, const struct policy *policy, struct diag *diag)
{
	int r = entries_check(firewall, policy, diag); /* of all of them, before any is made */
	char set[32];
	bool made;

	for (size_t i = 0; i < policy->n_lists && r == 0; i++) {
		for (int f = 0; f < FAMILIES && r == 0; f++) {
			list_set_name(&policy->lists[i], family_af[f], set);
			r = ensure_set(firewall, set, f, 0, &made, diag);
		}
	}
	return r;
}

bool entry_same(const struct entry *a, const struct entry *b)
{
	uint64_t gap = a->until > b->until ? a->until - b->until : b->until - a->until;

	return (a->until == 0) == (b->until == 0) && gap <= SAME_SECONDS && strcmp(a->comment, b->comment) == 0;
}

/* Loading: kernel against journal. */
struct compare {
	struct firewall *firewall;
	const char *set;
	const struct journal_state *state;
	bool *seen;               /* by index in state->items */
	struct entry *stale;      /* in the kernel, but removed or over according to the journal */
	size_t n_stale;
	uint64_t now;
	size_t by_hand;
	int error;
};

static int by_net(const void *key, const void *element)
{
	return cidr_compare(key, element);
}

_Static_assert(offsetof(struct journal_item, net) == 0, "bsearch looks for a struct cidr at the start of an item");

static int compare_entry(const struct entry *entry, void *user)
{
	struct compare *compare = user;
	const struct journal_state *state = compare->state;
	struct journal_item *item = bsearch(&entry->net, state->items, state->n, sizeof(*state->items), by_net);

	if (item) {
		struct entry known;

		journal_state_entry(state, (size_t)(item - state->items), &known);
		compare->seen[item - state->items] = entry_same(&known, entry);
		return 0;
	}
	if (bsearch(&entry->net, state->removed, state->n_removed, sizeof(*state->removed), by_net)) {
		struct entry *bigger = reallocarray(compare->stale, compare->n_stale + 1, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		compare->stale = bigger;
		compare->stale[compare->n_stale++] = *entry;
		return 0;
	}
	/* nobody wrote of it: added by hand while we were away. The administrator's habit is an allow. */
	compare->by_hand++;
	return journal_add(compare->firewall->journal, compare->set, entry, compare->now);
}

/* Brings a set that stands to what the journal says; what was added by hand is journalled. */
static int merge_set(struct firewall *firewall, const char *set, const struct journal_state *state, uint64_t now, struct diag *diag)
{
	struct compare compare = { .firewall = firewall, .set = set, .state = state, .now = now };
	size_t missing = 0;
	int r;

	compare.seen = calloc(state->n + 1, sizeof(*compare.seen));
	r = compare.seen ? sets_dump(firewall->sets, set, now, compare_entry, &compare) : -ENOMEM;
	for (size_t i = 0; i < compare.n_stale && r == 0; i++) {
		r = sets_del(firewall->sets, set, &compare.stale[i].net);
		if (r == -ENOENT)
			r = 0;
	}
	for (size_t i = 0; i < state->n && r == 0; i++) {
		struct entry entry;

		if (compare.seen[i])
			continue;
		journal_state_entry(state, i, &entry);
		r = sets_add(firewall->sets, set, &entry, 1, false, now, NULL);
		missing++;
	}
	if (r == 0 && compare.by_hand)
		r = journal_sync(firewall->journal, diag);
	if (r < 0)
		diag_set(diag, 0, 0, "cannot bring the set %s up to date: %s", set, strerror(-r));
	else if (compare.by_hand || missing || compare.n_stale)
		log_say(LOG_NOTICE, "%s: %zu entries put back, %zu taken out, %zu added by hand and kept", set, missing,
			compare.n_stale, compare.by_hand);
	free(compare.stale);
	free(compare.seen);
	return r;
}

#define FILL_AT_ONCE 256

/* A new set from the journal, many entries a message. */
static int fill_set(struct firewall *firewall, const char *set, const struct journal_state *state, uint64_t now)
{
	struct entry *entries = calloc(FILL_AT_ONCE, sizeof(*entries));
	int r = entries ? 0 : -ENOMEM;

	for (size_t i = 0; i < state->n && r == 0;) {
		size_t n = 0;

		for (; n < FILL_AT_ONCE && i < state->n; i++)
			journal_state_entry(state, i, &entries[n++]);
		r = sets_add(firewall->sets, set, entries, n, false, now, NULL);
	}
	free(entries);
	return r;
}

static int load_set(struct firewall *firewall, const struct list *list, size_t index, int family, struct diag *diag)
{
	struct journal_state state = { 0 };
	uint64_t now = now_epoch();
	char set[32];
	bool made;
	int r;

	list_set_name(list, family_af[family], set);
	r = journal_state(firewall->journal, set, now, &state, diag);
	if (r < 0)
		return r;
	firewall->journaled[index][family] = state.created;
	if (state.skipped)
		firewall_degrade(firewall, "%s/ipsets: %u lines of %s could not be read", firewall->paths.iptables_dir, state.skipped, set);
	if (now < state.newest)
		now = state.newest; /* a clock that lags: nothing that was over comes back */
	if (!state.created && !firewall->confirmed.on && state.n == 0) { /* never used: the host's business */
		journal_state_free(&state);
		return 0;
	}
	r = ensure_set(firewall, set, family, (uint32_t)state.n, &made, diag);
	if (r == 0 && made)
		r = fill_set(firewall, set, &state, now);
	else if (r == 0)
		r = merge_set(firewall, set, &state, now, diag);
	if (r < 0)
		diag_set(diag, 0, 0, "cannot load the set %s: %s", set, strerror(-r));
	journal_state_free(&state);
	return r;
}

int entries_load(struct firewall *firewall, struct diag *diag)
{
	const struct policy *policy = &firewall->confirmed.policy;
	int result = 0;

	if (!firewall->journal)
		return entries_ensure(firewall, policy, diag); /* rules must find their sets, even empty ones */
	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			int r = load_set(firewall, &policy->lists[i], i, f, diag);

			if (r < 0)
				result = r;
		}
	}
	return result;
}
