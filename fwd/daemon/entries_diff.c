/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets in the kernel beside what the journal says of them: for the start of the daemon, which brings them together, and for
 * `diff`, which tells.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/firewall_internal.h"

#define SAME_SECONDS 2 /* what is left of a timeout is told in whole seconds */
#define TOLD_MAX 100

bool entry_same(const struct entry *a, const struct entry *b)
{
	uint64_t gap = a->until > b->until ? a->until - b->until : b->until - a->until;

	return (a->until == 0) == (b->until == 0) && gap <= SAME_SECONDS && a->nomatch == b->nomatch &&
	       strcmp(a->comment, b->comment) == 0;
}

struct compare {
	const struct journal_state *state;
	uint8_t *gaps;
	entries_found *found;
	void *user;
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
	/* neither array is there where it would be empty, and bsearch() takes no NULL */
	struct journal_item *item = state->n ? bsearch(&entry->net, state->items, state->n, sizeof(*state->items), by_net) : NULL;
	enum entry_gap gap = GAP_UNKNOWN;
	struct entry known;

	if (item) {
		journal_state_entry(state, (size_t)(item - state->items), &known);
		gap = entry_same(&known, entry) ? GAP_NONE : GAP_OTHER;
		compare->gaps[item - state->items] = gap;
	} else if (state->n_removed && bsearch(&entry->net, state->removed, state->n_removed, sizeof(*state->removed), by_net)) {
		gap = GAP_REMOVED;
	}
	return gap == GAP_NONE ? 0 : compare->found(gap, entry, compare->user);
}

int entries_compare(struct sets *sets, const char *set, const struct journal_state *state, uint64_t now, entries_found *found,
		    void *user, uint8_t **ret)
{
	struct compare compare = { .state = state, .found = found, .user = user };
	int r;

	compare.gaps = malloc(state->n + 1);
	if (!compare.gaps)
		return -ENOMEM;
	memset(compare.gaps, GAP_MISSING, state->n);
	r = sets_dump(sets, set, now, compare_entry, &compare);
	if (r < 0) {
		free(compare.gaps);
		return r;
	}
	*ret = compare.gaps;
	return 0;
}

/* Telling. */
struct telling {
	const char *set;
	uint64_t now, n;
	entries_told *told;
	void *user;
};

static void tell(struct telling *telling, const char *text)
{
	char line[160];

	if (telling->n++ >= TOLD_MAX)
		return;
	snprintf(line, sizeof(line), "%s%s", telling->set, text);
	telling->told(line, telling->user);
}

static int tell_gap(enum entry_gap gap, const struct entry *entry, void *user)
{
	struct telling *telling = user;
	char net[ADDR_TEXT_MAX], text[128];
	const char *what = "";

	/* the kernel's clock and ours do not strike at the same moment */
	if (entry->until && entry->until <= telling->now + SAME_SECONDS && gap != GAP_OTHER)
		return 0;
	switch (gap) {
	case GAP_MISSING:
		what = "only in the file";
		break;
	case GAP_OTHER:
		what = "its end or comment is another in the kernel than in the file";
		break;
	case GAP_REMOVED:
		what = "in the kernel, but removed in the file";
		break;
	case GAP_UNKNOWN:
		what = entry->nomatch ? "an exception (nomatch) in the kernel, which fwd does not keep" : "only in the kernel";
		break;
	case GAP_NONE:
		return 0;
	}
	cidr_format(&entry->net, net);
	snprintf(text, sizeof(text), " %s: %s", net, what);
	tell(telling, text);
	return 0;
}

static int tell_set(struct firewall *firewall, const struct journal_state *state, struct telling *telling, int family)
{
	char text[128];
	struct set_info info;
	uint8_t *gaps;
	int r = sets_info(firewall->sets, telling->set, &info);

	if (r == 0 && !set_info_is_ours(&info, family_af[family]))
		tell(telling, ": a set of another make has the name");
	if (r == 0)
		r = entries_compare(firewall->sets, telling->set, state, telling->now, tell_gap, telling, &gaps);
	if (r == -ENOENT) {
		snprintf(text, sizeof(text), ": the set is missing in the kernel, with %zu entries of the file", state->n);
		tell(telling, text);
		return 0;
	}
	if (r == -EOPNOTSUPP || r == -EBADMSG) /* of another make */
		return 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < state->n; i++) {
		struct entry entry;

		if (gaps[i] != GAP_MISSING)
			continue;
		journal_state_entry(state, i, &entry);
		tell_gap(GAP_MISSING, &entry, telling);
	}
	free(gaps);
	return 0;
}

static int diff_set(struct firewall *firewall, struct telling *telling, int family)
{
	struct journal_state state = { 0 };
	struct diag diag = { 0 };
	char text[128];
	int r = journal_state(firewall->journal, telling->set, telling->now, &state, &diag);

	if (r < 0) {
		snprintf(text, sizeof(text), ": %.120s", diag.text);
		tell(telling, text);
		return 0;
	}
	if (telling->now < state.newest)
		telling->now = state.newest;
	if (state.skipped) {
		snprintf(text, sizeof(text), ": %u lines of the file cannot be read", state.skipped);
		tell(telling, text);
	}
	if (state.created || state.n > 0 || firewall->confirmed.on || firewall->trial.on)
		r = tell_set(firewall, &state, telling, family);
	journal_state_free(&state);
	return r;
}

int entries_diff(struct firewall *firewall, entries_told *told, void *user)
{
	const struct policy *policy = &firewall->confirmed.policy;
	struct telling telling = { .told = told, .user = user };
	char text[128], set[32];
	int result = 0;

	if (!firewall->journal || !firewall->sets) {
		told("the file, or the sets, cannot be had: fwctl status says why", user);
		return 0;
	}
	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			int r;

			list_set_name(&policy->lists[i], family_af[f], set);
			telling.set = set;
			telling.now = now_epoch();
			r = diff_set(firewall, &telling, f);
			if (r < 0)
				result = r;
		}
	}
	if (telling.n > TOLD_MAX) {
		snprintf(text, sizeof(text), "… and %llu more", (unsigned long long)(telling.n - TOLD_MAX));
		told(text, user);
	}
	return result;
}
