/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/gate.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/rescue.h"
#include "fwd/daemon/sshports.h"
#include "rules/compile.h"

static void say_line(const char *line, void *user)
{
	(void)user;
	printf("  %s\n", line);
}

/* Whether all the doubt is about a rule that refuses somebody (fail2ban's nft sets): the others get in. */
static bool refuses_some(const struct verdict_way *way)
{
	const struct verdict_step *step = way->doubt;
	enum target_kind kind = step && step->rule < step->chain->n_rules ? step->chain->rules[step->rule].target.kind : TARGET_NONE;

	return way->verdict == VERDICT_UNKNOWN && (kind == TARGET_DROP || kind == TARGET_REJECT);
}

/* SSH from a stranger, family by family, by what the kernel holds now. */
static bool check_family(struct firewall *firewall, int family, uint16_t port)
{
	struct question question = { firewall, GATE_AS_IS, false };
	struct addr source = { 0 };
	struct ruleset *actual;
	struct verdict_way way;
	struct packet packet;
	char rule[512] = "";
	bool some;

	addr_parse(family == V4 ? "203.0.113.77" : "2001:db8:ffff:ffff::77", &source);
	inspect_packet(&source, IPPROTO_TCP, port, &packet);
	if (kernel_read(firewall->kernel, &actual) < 0)
		return false;
	verdict(actual, &packet, inspect_lookup, &question, &way);
	some = refuses_some(&way);
	if (way.verdict != VERDICT_ACCEPT && (way.decides || way.doubt))
		step_print(way.decides ? way.decides : way.doubt, rule, sizeof(rule));
	printf("SSH over %s, tcp/%u: %s%s\n", family == V4 ? "IPv4" : "IPv6", port,
	       way.verdict == VERDICT_ACCEPT ? "open to everybody" : way.verdict == VERDICT_DROP ? "NOT open, by " :
	       some ? "open to all whom this does not refuse, which fwd cannot read: " : "cannot tell, because of ", rule);
	ruleset_free(actual);
	return way.verdict == VERDICT_ACCEPT || some;
}

static int put_in_force(struct firewall *firewall)
{
	struct ruleset *wish = NULL;
	struct diag diag = { 0 };
	int r = gate_close(firewall->sets);

	if (r < 0)
		fprintf(stderr, "fwd: the gate of a trial cannot be emptied: %s\n", strerror(-r));
	r = entries_ensure(firewall, &firewall->confirmed.policy, &diag);
	if (r == 0)
		r = confirmed_ruleset(&firewall->confirmed, &wish);
	if (r == 0) {
		puts("Changed in the kernel:");
		r = kernel_apply(firewall->kernel, wish, 0, say_line, NULL, &diag);
		if (r == 0)
			puts("  nothing: the rules were so already");
	}
	ruleset_free(wish);
	if (r < 0)
		fprintf(stderr, "fwd: %s\nBy hand: iptables -I INPUT -p tcp --dport 22 -j ACCEPT\n", diag.text[0] ? diag.text : strerror(-r));
	return r < 0 ? r : 0;
}

static int make_it_boot(struct firewall *firewall)
{
	struct store_commit commit;
	struct diag diag = { 0 };
	int r;

	firewall->confirmed.generation++;
	firewall->confirmed.since = now_epoch();
	r = store_prepare(firewall->paths.state_dir, firewall->paths.iptables_dir, &firewall->confirmed, &commit, &diag);
	if (r == 0)
		r = store_commit(&commit, &diag);
	if (r < 0)
		fprintf(stderr, "fwd: %s\nIt holds in the kernel only: a restart of fwd goes back to what was confirmed.\n", diag.text);
	else
		printf("Written to %s/" CONFIRMED_NAME ": it stays so after a restart and a reboot.\n", firewall->paths.state_dir);
	return r;
}

/* What is confirmed, with SSH open to anyone; off where nothing is confirmed. */
static void read_policy(struct firewall *firewall)
{
	struct diag diag = { 0 };
	int r = confirmed_read(firewall->paths.state_dir, &firewall->confirmed, &diag);

	if (r < 0) {
		confirmed_init(&firewall->confirmed);
		firewall->confirmed.on = r != -ENOENT;
	}
	if (r < 0 && r != -ENOENT)
		printf("%s/" CONFIRMED_NAME ":%u cannot be read (%s): the default policy is taken.\n", firewall->paths.state_dir, diag.line,
		       diag.text);
	firewall->confirmed.policy.ssh = SSH_ANYONE;
	sshports_find(&firewall->confirmed.policy, &firewall->confirmed.policy);
}

static bool check_ssh(struct firewall *firewall)
{
	bool open = true;

	for (int f = 0; f < FAMILIES; f++)
		for (size_t i = 0; i < firewall->confirmed.policy.n_ssh_ports; i++)
			open &= check_family(firewall, f, firewall->confirmed.policy.ssh_ports[i]);
	return open;
}

int rescue(const struct firewall_paths *paths)
{
	struct firewall firewall = { .paths = *paths };
	bool open = false;
	int r = sets_open(&firewall.sets);

	if (r == 0)
		r = kernel_open(firewall.sets, &firewall.kernel);
	if (r < 0) {
		fprintf(stderr, "fwd: the kernel's nf_tables or ipset cannot be had: %s\n", strerror(-r));
		goto out;
	}
	read_policy(&firewall);
	if (!firewall.confirmed.on) {
		puts("By what is confirmed the firewall is off: what is left of ours goes.");
		r = put_in_force(&firewall);
		open = r == 0 && check_ssh(&firewall);
		if (open || r < 0)
			goto out;
		/* without us nothing lets SSH in (policies DROP that others made, or of a half-done disable) */
		puts("So nobody gets in. fwd's baseline is put in force: SSH is open, everything else is closed.");
		firewall.confirmed.on = true;
	}
	r = put_in_force(&firewall);
	if (r == 0)
		make_it_boot(&firewall);
	open = r == 0 && check_ssh(&firewall);
	if (open)
		puts("Next: log in by SSH, look at `fwctl status`, and mend fwd.conf with `fwctl edit`; restart fwd if it hangs.");
out:
	kernel_close(firewall.kernel);
	sets_close(firewall.sets);
	return r < 0 || !open ? EXIT_REFUSED : EXIT_DONE;
}
