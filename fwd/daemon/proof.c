/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/conntrack.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/proof.h"
#include "rules/compile.h"

#define OLDER_MAX 262144 /* connections of one host; with more, none counts as younger than the trial */
#define OLDER_STEP 1024

/* What is missing; with @login, that a login of its own would show it. */
static void missing(struct proof *ret, const struct login *login, const char *text)
{
	char host[ADDR_TEXT_MAX] = "HOST", port[16] = "";

	if (login) {
		addr_format(&login->connection.local, host);
		if (login->connection.local_port != 22)
			snprintf(port, sizeof(port), "-p %u ", login->connection.local_port);
	}
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(ret->hint, sizeof(ret->hint),
		 "from a login of its own: ssh -o ControlPath=none %s%s sudo fwctl confirm; or, if you are sure: --force", port, host);
}

/* That the kernel takes the peer for the beginner: then its packets are judged, and not let through as answers of ours. */
static bool is_begun_by_peer(const struct socket_info *connection)
{
	struct ct_tuple tuple = { IPPROTO_TCP, connection->peer, connection->local, connection->peer_port, connection->local_port };
	struct conntrack *conntrack;
	struct ct_entry entry;
	bool begun;

	if (conntrack_open(&conntrack) < 0)
		return false;
	begun = conntrack_find(conntrack, &tuple, &entry) == 0 && addr_equal(&entry.original.src, &connection->peer) &&
		entry.original.sport == connection->peer_port;
	conntrack_close(conntrack);
	return begun;
}

/* What the rules on trial say to one packet of the session, or of a new one like it: from where it comes in to the socket. */
static enum verdict judge(struct firewall *firewall, const struct ruleset *actual, const struct socket_info *connection,
			  uint16_t state, struct verdict_way *way)
{
	static const uint8_t hooks[] = { NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN };
	struct question question = { firewall, GATE_OPEN, false };
	struct packet packet;

	inspect_packet(&connection->peer, IPPROTO_TCP, connection->local_port, &packet);
	packet.dst = connection->local;
	packet.sport = connection->peer_port;
	packet.ct_state = state;
	packet.tcp_flags = state == CT_NEW ? 0x02 : 0x10; /* SYN, ACK */
	if (state == CT_ESTABLISHED)
		packet.ct_status = CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED;
	for (size_t i = 0; i < sizeof(hooks); i++) {
		packet.hook = hooks[i];
		verdict(actual, &packet, inspect_lookup, &question, way);
		if (way->verdict != VERDICT_ACCEPT)
			break;
	}
	return way->verdict;
}

static uint64_t cookie_of(const struct socket_info *info)
{
	return (uint64_t)info->cookie[1] << 32 | info->cookie[0];
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

/* Half-open ones have the cookie that the connection will have. */
static int on_older(const struct socket_info *info, void *user)
{
	struct trial *trial = user;

	if (info->proto != IPPROTO_TCP)
		return 0;
	if (trial->n_older == OLDER_MAX)
		return -E2BIG;
	if (trial->n_older % OLDER_STEP == 0) {
		uint64_t *bigger = reallocarray(trial->older, trial->n_older + OLDER_STEP, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		trial->older = bigger;
	}
	trial->older[trial->n_older++] = cookie_of(info);
	return 0;
}

void proof_begin(struct firewall *firewall)
{
	struct trial *trial = &firewall->trial;

	trial->older_known = sockets_connected(on_older, trial) == 0;
	if (trial->n_older)
		qsort(trial->older, trial->n_older, sizeof(*trial->older), by_number);
}

void proof_end(struct firewall *firewall)
{
	free(firewall->trial.older);
	firewall->trial.older = NULL;
	firewall->trial.n_older = 0;
}

/* Its first packet, too, was judged by the rules on trial. */
static bool is_younger(const struct firewall *firewall, const struct socket_info *connection)
{
	const struct trial *trial = &firewall->trial;
	const uint64_t cookie = cookie_of(connection);

	return trial->older_known && !(trial->n_older && bsearch(&cookie, trial->older, trial->n_older, sizeof(cookie), by_number));
}

/* Whether something came in from the peer since the trial began. The kernel counts in ticks, and we in whole milliseconds. */
static bool was_heard(const struct firewall *firewall, const struct socket_info *connection)
{
	struct timespec tick;
	uint64_t heard, since = now_ms() - firewall->trial.begun;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || sockets_heard(connection, &heard) < 0)
		return false;
	return heard + (uint64_t)tick.tv_nsec / 1000000 + 1 < since;
}

/* Both are decided by the same rule: who gets through now would get through anew. */
static bool same_step(const struct verdict_step *a, const struct verdict_step *b)
{
	return a->chain == b->chain && a->rule == b->rule;
}

/* A new connection passes the translations, too, and who can tell where to: "cannot tell" where one may match. */
static void let_nat_count(struct ruleset *actual)
{
	for (size_t i = 0; i < actual->n_tables; i++)
		for (size_t j = 0; j < actual->tables[i].n_chains; j++)
			if (actual->tables[i].chains[j].base && actual->tables[i].chains[j].hook == NF_INET_PRE_ROUTING)
				actual->tables[i].chains[j].filter = true;
}

/* Whether a new login gets in, as far as rules tell. Else @ret says why not. */
static bool gets_in(struct firewall *firewall, const struct ruleset *actual, const struct login *login, bool younger,
		    struct verdict_step *by, struct proof *ret)
{
	char rule[300], text[sizeof(ret->text)];
	struct verdict_way way;

	judge(firewall, actual, &login->connection, CT_NEW, &way);
	if (way.verdict == VERDICT_DROP || (way.verdict == VERDICT_UNKNOWN && !younger)) {
		step_print(way.decides ? way.decides : way.doubt ? way.doubt : &way.steps[0], rule, sizeof(rule));
		snprintf(text, sizeof(text), "a new login from your address would be %s: %s",
			 way.verdict == VERDICT_DROP ? "refused" : "let in or not, that cannot be told", rule);
		missing(ret, login, text);
		if (way.verdict == VERDICT_DROP)
			snprintf(ret->hint, sizeof(ret->hint), "fwctl allow me; or fwctl rollback; or, if you are sure: --force");
		return false;
	}
	if (way.decides) {
		step_print(way.decides, ret->by, sizeof(ret->by));
		*by = *way.decides;
	} else if (younger) {
		snprintf(ret->by, sizeof(ret->by), "this login, which began after the trial");
	} else {
		missing(ret, login, "no rule says that your address gets in");
		return false;
	}
	return true;
}

static void look_at_session(struct firewall *firewall, struct ruleset *actual, const struct login *login, struct proof *ret)
{
	const bool younger = is_younger(firewall, &login->connection);
	char rule[300] = "", text[sizeof(ret->text)];
	struct verdict_step by = { 0 };
	struct verdict_way way;

	judge(firewall, actual, &login->connection, CT_ESTABLISHED, &way);
	let_nat_count(actual);
	if (!gets_in(firewall, actual, login, younger, &by, ret))
		return;
	if (younger) {
		ret->holds = true;
	} else if (way.verdict != VERDICT_ACCEPT || !way.decides ||
		   (!chain_is_ours(way.decides->chain->name) && !same_step(way.decides, &by))) {
		if (way.decides)
			step_print(way.decides, rule, sizeof(rule));
		snprintf(text, sizeof(text), "this session proves nothing: a rule in front of ours lets established connections through: %s",
			 rule);
		missing(ret, login, text);
	} else if (!is_begun_by_peer(&login->connection)) {
		missing(ret, login, "this session proves nothing: it is older than connection tracking, which takes it for one of the host's own");
	} else if (!was_heard(firewall, &login->connection)) {
		missing(ret, login, "nothing came in from your address since the trial began: it may be that nothing can");
	} else {
		ret->holds = true;
	}
}

void proof_of_access(struct firewall *firewall, pid_t pid, struct proof *ret)
{
	struct ruleset *actual;
	struct login login;

	memset(ret, 0, sizeof(*ret));
	switch (logins_of(pid, &login)) {
	case LOGIN_CONSOLE:
		ret->holds = true;
		snprintf(ret->by, sizeof(ret->by), "a local console");
		return;
	case LOGIN_OTHER:
		missing(ret, NULL, "this command comes from no SSH session whose packets could prove that you get in");
		return;
	case LOGIN_SSH:
		break;
	}
	if (kernel_read(firewall->kernel, &actual) < 0) {
		missing(ret, &login, "the rules in the kernel cannot be read");
		return;
	}
	look_at_session(firewall, actual, &login, ret);
	ruleset_free(actual);
}
