/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>

#include "fwd/daemon/conntrack.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/logins.h"
#include "fwd/daemon/proof.h"
#include "rules/compile.h"

static void missing(struct proof *ret, const struct login *login, const char *text)
{
	char host[ADDR_TEXT_MAX] = "HOST";

	if (login)
		addr_format(&login->connection.local, host);
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(ret->hint, sizeof(ret->hint), "from a login of its own: ssh -o ControlPath=none %s sudo fwctl confirm; or, if you are sure: --force",
		 host);
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

/* What the rules on trial say to one packet of the session, or of a new one like it. */
static enum verdict judge(struct firewall *firewall, const struct ruleset *actual, const struct socket_info *connection,
			  uint16_t state, struct verdict_way *way)
{
	struct question question = { firewall, GATE_OPEN, false };
	struct packet packet;

	inspect_packet(&connection->peer, IPPROTO_TCP, connection->local_port, &packet);
	packet.dst = connection->local;
	packet.sport = connection->peer_port;
	packet.ct_state = state;
	packet.tcp_flags = state == CT_NEW ? 0x02 : 0x10; /* SYN, ACK */
	if (state == CT_ESTABLISHED)
		packet.ct_status = CT_STATUS_SEEN_REPLY | CT_STATUS_ASSURED | CT_STATUS_CONFIRMED;
	verdict(actual, &packet, inspect_lookup, &question, way);
	return way->verdict;
}

static void look_at_session(struct firewall *firewall, const struct ruleset *actual, const struct login *login, struct proof *ret)
{
	const struct socket_info *connection = &login->connection;
	struct verdict_way way;
	char rule[300], text[sizeof(ret->text)];
	uint64_t heard;

	if (judge(firewall, actual, connection, CT_NEW, &way) != VERDICT_ACCEPT) {
		step_print(way.decides ? way.decides : way.doubt ? way.doubt : &way.steps[0], rule, sizeof(rule));
		snprintf(text, sizeof(text), "a new login from your address would be %s: %s",
			 way.verdict == VERDICT_DROP ? "refused" : "let in or not, that cannot be told", rule);
		missing(ret, login, text);
		return;
	}
	if (!way.decides) {
		missing(ret, login, "no rule says that your address gets in");
		return;
	}
	step_print(way.decides, ret->by, sizeof(ret->by));
	if (judge(firewall, actual, connection, CT_ESTABLISHED, &way) != VERDICT_ACCEPT || !way.decides ||
	    !chain_is_ours(way.decides->chain->name)) {
		rule[0] = '\0';
		if (way.decides)
			step_print(way.decides, rule, sizeof(rule));
		snprintf(text, sizeof(text), "this session proves nothing: a rule in front of ours lets established connections through: %s",
			 rule);
		missing(ret, login, text);
	} else if (!is_begun_by_peer(connection)) {
		missing(ret, login, "this session proves nothing: it is older than connection tracking, which takes it for one of the host's own");
	} else if (sockets_heard(connection, &heard) < 0 || heard > now_ms() - firewall->trial.begun) {
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
