/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <netinet/in.h>

#include "fwd/daemon/gate.h"
#include "fwd/daemon/journal.h"
#include "fwd/daemon/sets.h"
#include "fwd/daemon/store.h"
#include "rules/compile.h"

static const char *const members[] = { SET_ALL, SET_ALL6 };

/* The gate's sets: made once, empty as long as no trial runs. */
int gate_ensure(struct sets *sets, struct diag *diag)
{
	static const char *const halves[FAMILIES][2] = { { "0.0.0.0/1", "128.0.0.0/1" }, { "::/1", "8000::/1" } };
	int r = 0;

	for (int f = 0; f < FAMILIES && r == 0; f++) {
		struct entry both[2] = { 0 };

		r = sets_create_net(sets, members[f], f == V4 ? AF_INET : AF_INET6, 2);
		if (r == -EEXIST)
			r = 0;
		for (int i = 0; i < 2 && r == 0; i++)
			r = cidr_parse(halves[f][i], &both[i].net, NULL);
		if (r == 0)
			r = sets_add(sets, members[f], both, 2, false, (uint64_t)time(NULL), NULL);
	}
	if (r == 0)
		r = sets_create_gate(sets, SET_GATE);
	if (r == -EEXIST)
		r = sets_flush(sets, SET_GATE);
	if (r < 0)
		diag_set(diag, 0, 0, "cannot make the sets of a trial (%s): %s", SET_GATE, strerror(-r));
	return r;
}

int gate_left(struct sets *sets)
{
	int left = sets_member_left(sets, SET_GATE, SET_ALL, NULL), left6 = sets_member_left(sets, SET_GATE, SET_ALL6, NULL);

	if (left == -ENOENT || left6 == -ENOENT)
		return 0;
	return left < left6 ? left : left6;
}

int gate_arm(struct sets *sets, unsigned timeout, uint64_t generation)
{
	char comment[64];

	snprintf(comment, sizeof(comment), "fwd trial %" PRIu64, generation);
	return sets_add_members(sets, SET_GATE, members, 2, timeout, comment);
}

int gate_close(struct sets *sets)
{
	int r = sets_flush(sets, SET_GATE);

	return r == -ENOENT ? 0 : r;
}

/* `iptables-restore` refuses a whole file when a set that it names is missing, and the host boots open. */
int gate_journal(struct journal *journal)
{
	static const char *const cuts[FAMILIES] = { SET_CUT, SET_CUT6 };
	/* word for word what `ipset save` prints of what sets_create_gate() makes: another header would abort a restore */
	int r = journal_line(journal, "create " SET_GATE " list:set size 8 timeout 60 comment");

	for (int f = 0; f < FAMILIES && r == 0; f++)
		r = journal_create(journal, cuts[f], f == V4 ? AF_INET : AF_INET6);
	return r;
}
