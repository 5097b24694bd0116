/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/daemon/entries_internal.h"

/* Those of one set that may be in it, ascending by network. */
struct lookup {
	struct plan **plans;
	size_t n, found;
};

static int by_net(const void *a, const void *b)
{
	return cidr_compare(&(*(struct plan *const *)a)->entry.net, &(*(struct plan *const *)b)->entry.net);
}

static int net_by_plan(const void *net, const void *plan)
{
	return cidr_compare(net, &(*(struct plan *const *)plan)->entry.net);
}

static int found_entry(const struct entry *entry, void *user)
{
	struct lookup *lookup = user;
	struct plan **end = lookup->plans + lookup->n, **at;

	at = entry->nomatch ? NULL : bsearch(&entry->net, lookup->plans, lookup->n, sizeof(*at), net_by_plan);
	if (!at)
		return 0;
	while (at > lookup->plans && cidr_equal(&at[-1]->entry.net, &entry->net))
		at--;
	for (; at < end && cidr_equal(&(*at)->entry.net, &entry->net); at++) { /* one may be asked for twice */
		(*at)->old = *entry;
		(*at)->found = true;
		lookup->found++;
	}
	return lookup->found == lookup->n;
}

int entries_look_up(struct firewall *firewall, struct plan *plans, size_t n)
{
	struct plan **some = calloc(n, sizeof(*some));
	size_t n_some = 0;
	int r = some ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		int in = sets_test(firewall->sets, plans[i].set, &plans[i].entry.net);

		if (in > 0)
			some[n_some++] = &plans[i];
		else if (in < 0 && in != -ENOENT)
			r = in;
	}
	if (n_some > 1)
		qsort(some, n_some, sizeof(*some), by_net);
	for (size_t i = 0, m; i < n_some && r == 0; i += m) {
		struct lookup lookup = { .plans = some + i };

		for (m = 1; i + m < n_some && strcmp(some[i + m]->set, some[i]->set) == 0; m++)
			;
		lookup.n = m;
		r = sets_dump(firewall->sets, some[i]->set, now_epoch(), found_entry, &lookup);
		if (r > 0)
			r = 0;
	}
	free(some);
	return r;
}
