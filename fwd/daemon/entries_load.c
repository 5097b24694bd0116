/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets at the start of the daemon: made where they are missing, filled from the journal, and compared with it where they
 * stand already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/log.h"
#include "rules/compile.h"

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

/* Bringing together what stands in the kernel and what the journal says. */
struct merge {
	struct firewall *firewall;
	const char *set;
	uint64_t now;
	struct entry *stale; /* in the kernel, but removed or over according to the journal */
	size_t n_stale, by_hand, left_alone;
};

static int merge_entry(enum entry_gap gap, const struct entry *entry, void *user)
{
	struct merge *merge = user;
	struct entry *bigger;
	int r;

	if (gap == GAP_UNKNOWN) {
		/* nobody wrote of it: added by hand while we were away. The administrator's habit is an allow. */
		r = journal_add(merge->firewall->journal, merge->set, entry, merge->now);
		if (r == -ENOBUFS && journal_sync(merge->firewall->journal, NULL) == 0)
			r = journal_add(merge->firewall->journal, merge->set, entry, merge->now);
		merge->by_hand += r == 0;
		merge->left_alone += r == -EINVAL; /* an exception, or a comment that the file cannot hold */
		return r == -EINVAL || r == -ETIME ? 0 : r;
	}
	if (gap != GAP_REMOVED) /* set right when the dump is over */
		return 0;
	bigger = reallocarray(merge->stale, merge->n_stale + 1, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	merge->stale = bigger;
	merge->stale[merge->n_stale++] = *entry;
	return 0;
}

static int put_back(struct merge *merge, const struct journal_state *state, const uint8_t *gaps, size_t *n)
{
	int r = 0;

	for (size_t i = 0; i < merge->n_stale && r == 0; i++) {
		r = sets_del(merge->firewall->sets, merge->set, &merge->stale[i].net);
		if (r == -ENOENT)
			r = 0;
	}
	for (size_t i = 0; i < state->n && r == 0; i++) {
		struct entry entry;

		if (gaps[i] == GAP_NONE)
			continue;
		journal_state_entry(state, i, &entry);
		r = sets_add(merge->firewall->sets, merge->set, &entry, 1, false, merge->now, NULL);
		++*n;
	}
	return r;
}

/* Brings a set that stands to what the journal says; what was added by hand is journalled. */
static int merge_set(struct firewall *firewall, const char *set, const struct journal_state *state, uint64_t now, struct diag *diag)
{
	struct merge merge = { .firewall = firewall, .set = set, .now = now };
	uint8_t *gaps = NULL;
	size_t missing = 0;
	int r = entries_compare(firewall->sets, set, state, now, merge_entry, &merge, &gaps);

	if (r == 0)
		r = put_back(&merge, state, gaps, &missing);
	if (r == 0 && merge.by_hand)
		r = journal_sync(firewall->journal, diag);
	if (r < 0)
		journal_drop(firewall->journal);
	if (r < 0)
		diag_set(diag, 0, 0, "cannot bring the set %s up to date: %s", set, strerror(-r));
	else if (merge.by_hand || missing || merge.n_stale)
		log_say(LOG_NOTICE, "%s: %zu entries put back, %zu taken out, %zu added by hand and kept", set, missing,
			merge.n_stale, merge.by_hand);
	if (r == 0 && merge.left_alone)
		log_say(LOG_WARNING, "%s: %zu entries that the file cannot hold are in the kernel only: fwctl diff names them", set,
			merge.left_alone);
	free(merge.stale);
	free(gaps);
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
	if (r < 0) { /* rules must find their sets, even empty ones: without them there would be no rules at all */
		ensure_set(firewall, set, family, 0, &made, diag);
		return r;
	}
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

static bool has_gate(struct firewall *firewall)
{
	struct journal_state state = { 0 };
	bool created = journal_state(firewall->journal, SET_GATE, now_epoch(), &state, NULL) == 0 && state.created;

	journal_state_free(&state);
	return created;
}

int entries_load(struct firewall *firewall, struct diag *diag)
{
	const struct policy *policy = &firewall->confirmed.policy;
	int result = 0;

	if (!firewall->journal)
		return entries_ensure(firewall, policy, diag); /* rules must find their sets, even empty ones */
	firewall->gate_journaled = has_gate(firewall);
	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			int r = load_set(firewall, &policy->lists[i], i, f, diag);

			if (r < 0)
				result = r;
		}
	}
	return result;
}
