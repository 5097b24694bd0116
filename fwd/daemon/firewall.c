/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/event.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/file.h"
#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/monitor.h"
#include "fwd/daemon/sshports.h"
#include "fwd/daemon/upkeep.h"
#include "rules/compile.h"

const uint8_t family_af[FAMILIES] = { AF_INET, AF_INET6 };
const uint8_t family_nfproto[FAMILIES] = { NFPROTO_IPV4, NFPROTO_IPV6 };

uint64_t now_epoch(void)
{
	return (uint64_t)time(NULL);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int change_refuse(struct change *change, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(change->text, sizeof(change->text), format, args);
	va_end(args);
	snprintf(change->hint, sizeof(change->hint), "%s", hint ? hint : "");
	change->exit = EXIT_REFUSED;
	change->changed = false;
	return -EPERM;
}

void firewall_degrade(struct firewall *firewall, const char *format, ...)
{
	char text[sizeof(firewall->degraded)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_say(LOG_ERR, "degraded: %s", text);
	if (!firewall->degraded[0])
		memcpy(firewall->degraded, text, sizeof(text));
}

int firewall_ruleset(struct firewall *firewall, struct ruleset **ret)
{
	struct wish wish = {
		.confirmed = firewall->confirmed.on ? &firewall->confirmed.policy : NULL,
		.candidate = firewall->trial.kind == TRIAL_DISABLE ? NULL : &firewall->trial.candidate.policy,
		.trial_off = firewall->trial.kind == TRIAL_DISABLE,
		.cut = firewall->trial.kind == TRIAL_REMOVE,
		.policy = firewall->confirmed.on ? NF_DROP : POLICY_KEEP,
	};

	if (firewall->trial.on)
		return compile(&wish, ret);
	return confirmed_ruleset(&firewall->confirmed, ret);
}

#define REFUSE_DEPTH 16
#define REFUSE_RULES 65536 /* looked at in one go */

/* Whether a rule can end in a refusal: by itself or in a chain that it leads to. @budget bounds loops, and chains that many
 * ways lead to, in what we read. */
static bool may_refuse(const struct table *table, const struct rule *rule, unsigned depth, unsigned *budget)
{
	const struct chain *chain;

	if (depth > REFUSE_DEPTH || (*budget)-- == 0) {
		*budget = 0;
		return true;
	}
	switch (rule->target.kind) {
	case TARGET_DROP:
	case TARGET_REJECT:
	case TARGET_OPAQUE:
	case TARGET_GOTO:
		return true;
	case TARGET_JUMP:
		chain = table_find_chain(table, rule->target.chain);
		if (!chain)
			return true;
		for (size_t i = 0; i < chain->n_rules; i++)
			if (may_refuse(table, &chain->rules[i], depth + 1, budget))
				return true;
		return false;
	default:
		return false;
	}
}

/* Whether an interface is the one that strangers come in by. */
static bool is_outside(const struct match *match, const char *outside)
{
	size_t len = match->u.iface.prefix ? strlen(match->u.iface.name) : IFNAMSIZ;

	return strncmp(match->u.iface.name, outside, len) == 0;
}

/* A rule that accepts without asking for a source, a port or an inner interface opens the host: it stays behind us, dead.
 * Asking for all sources or ports but one is no asking. */
static bool asks_for_something(const struct rule *rule, const char *outside)
{
	for (size_t i = 0; i < rule->n_matches; i++) {
		const struct match *match = &rule->matches[i];
		struct port_span dport = match->u.ports.dport;

		if (match->inverted)
			continue;
		switch (match->kind) {
		case MATCH_SRC:
		case MATCH_SET:
		case MATCH_MULTIPORT:
			return true;
		case MATCH_IIF:
			if (!is_outside(match, outside))
				return true;
			break;
		case MATCH_TCP:
		case MATCH_UDP:
			if (dport.hi - dport.lo < 1024 && !match->u.ports.not_dport)
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}

bool firewall_jump_may_move(struct firewall *firewall, const struct ruleset *actual)
{
	const struct policy *policy = firewall->trial.on ? &firewall->trial.candidate.policy : &firewall->confirmed.policy;
	unsigned budget = REFUSE_RULES;
	struct front front;
	bool behind_any = false;

	for (int f = 0; f < FAMILIES; f++) {
		const struct table *table = ruleset_find_table(actual, family_nfproto[f], "filter");
		char outside[IFNAMSIZ];

		inspect_outside(f, outside);
		for (size_t i = 0; table && i < table->n_chains; i++) {
			const struct chain *chain = &table->chains[i];
			bool behind = false;

			for (size_t j = 0; chain->base && j < chain->n_rules; j++) {
				const struct rule *rule = &chain->rules[j];

				if (rule_is_our_jump(rule)) {
					behind = true;
				} else if (behind) {
					behind_any = true;
					if (may_refuse(table, rule, 0, &budget) || !asks_for_something(rule, outside))
						return false;
				}
			}
		}
	}
	/* words may deceive: the last one has the look at what would stand afterwards */
	return behind_any && inspect_front(firewall, policy, true, &front);
}

static bool has_our_part(const struct ruleset *actual)
{
	for (size_t i = 0; i < actual->n_tables; i++)
		for (size_t j = 0; j < actual->tables[i].n_chains; j++)
			if (chain_is_ours(actual->tables[i].chains[j].name))
				return true;
	return false;
}

int firewall_settle(struct firewall *firewall, struct diag *diag)
{
	struct ruleset *actual, *wish = NULL;
	unsigned flags = 0;
	int r = kernel_read(firewall->kernel, &actual);

	if (r < 0) {
		diag_set(diag, 0, 0, "cannot read the rules in the kernel: %s", strerror(-r));
		return r;
	}
	if (!firewall->confirmed.on && !firewall->trial.on && !has_our_part(actual)) {
		ruleset_free(actual); /* off, and nothing of ours is left: the host is somebody else's */
		return 0;
	}
	if (firewall_jump_may_move(firewall, actual))
		flags |= KERNEL_JUMP_LAST;
	ruleset_free(actual);
	r = firewall_ruleset(firewall, &wish);
	if (r == 0)
		r = kernel_apply(firewall->kernel, wish, flags, NULL, NULL, diag);
	ruleset_free(wish);
	return r;
}

/* Somebody changed rules. Ours are put last again where that is safe; what of ours was changed is told by status and diff. */
static void on_foreign_change(void *user)
{
	struct firewall *firewall = user;
	struct ruleset *actual, *wish = NULL;
	struct diag diag = { 0 };

	if ((!firewall->confirmed.on && !firewall->trial.on) || kernel_read(firewall->kernel, &actual) < 0)
		return;
	if (firewall_jump_may_move(firewall, actual) && firewall_ruleset(firewall, &wish) == 0) {
		if (kernel_apply(firewall->kernel, wish, KERNEL_JUMP_LAST, NULL, NULL, &diag) < 0)
			log_say(LOG_WARNING, "a rule was added behind ours, and ours could not be put last: %s", diag.text);
		else
			log_say(LOG_NOTICE, "a rule was added behind ours: ours are last again, so that it counts");
	}
	ruleset_free(wish);
	ruleset_free(actual);
}

static int open_kernel(struct firewall *firewall)
{
	int r = sets_open(&firewall->sets);

	if (r < 0) {
		firewall_degrade(firewall, "the kernel has no ipset for us: %s", strerror(-r));
		return r;
	}
	r = kernel_open(firewall->sets, &firewall->kernel);
	if (r < 0) {
		firewall_degrade(firewall, "the kernel has no nf_tables for us: %s", strerror(-r));
		return r;
	}
	r = monitor_new(firewall->base, kernel_portid(firewall->kernel), on_foreign_change, firewall, &firewall->monitor);
	if (r < 0)
		firewall_degrade(firewall, "cannot hear of changes to rules: %s", strerror(-r));
	return 0;
}

/* The SSH ports that our own rules still name, in the kernel and in the renderings: at boot no sshd listens yet. */
static void recall_ssh_ports(struct firewall *firewall, struct policy *policy)
{
	struct ruleset *ruleset;

	if (firewall->kernel && kernel_read(firewall->kernel, &ruleset) == 0) {
		compiled_ssh_ports(ruleset, policy);
		ruleset_free(ruleset);
	}
	if (store_read_rules(firewall->paths.iptables_dir, &ruleset) == 0) {
		compiled_ssh_ports(ruleset, policy);
		ruleset_free(ruleset);
	}
	sshports_find(policy, policy);
}

/* A confirmed state that is there but cannot be trusted: SSH open, everything else closed. */
static void read_confirmed(struct firewall *firewall)
{
	struct diag diag = { 0 };
	int r = confirmed_read(firewall->paths.state_dir, &firewall->confirmed, &diag);

	if (r == 0)
		return;
	confirmed_init(&firewall->confirmed);
	if (r == -ENOENT)
		return;
	recall_ssh_ports(firewall, &firewall->confirmed.policy);
	firewall->confirmed.on = true;
	firewall->guessed = true;
	if (diag.line)
		firewall_degrade(firewall, "%s/" CONFIRMED_NAME ":%u: %s; SSH is open, everything else is closed",
				 firewall->paths.state_dir, diag.line, diag.text);
	else
		firewall_degrade(firewall, "%s/" CONFIRMED_NAME ": %s; SSH is open, everything else is closed",
				 firewall->paths.state_dir, diag.text[0] ? diag.text : strerror(-r));
}

/* Somebody saved the kernel's rules in mid-trial. */
static bool trial_is_in_files(struct firewall *firewall)
{
	struct ruleset *saved;
	bool found = false;

	if (store_read_rules(firewall->paths.iptables_dir, &saved) < 0)
		return false;
	for (int f = 0; f < FAMILIES; f++)
		found |= table_find_chain(ruleset_find_table(saved, family_nfproto[f], "filter"), CHAIN_TRIAL_INPUT) != NULL;
	ruleset_free(saved);
	return found;
}

static void start(struct firewall *firewall)
{
	struct diag diag = { 0 };
	char path[PATH_MAX];
	int r;

	r = file_make_dir(firewall->paths.iptables_dir, 0755);
	if (r == 0)
		r = file_path(firewall->paths.iptables_dir, "ipsets", path);
	if (r == 0)
		r = journal_open(path, &firewall->journal, &diag);
	if (r < 0)
		firewall_degrade(firewall, "%s: %s", firewall->paths.iptables_dir, diag.text[0] ? diag.text : strerror(-r));
	if (firewall->journal && journal_read_only(firewall->journal))
		firewall_degrade(firewall, "%s is on a read-only file system: nothing can be allowed or removed", path);
	else if (firewall->journal && upkeep_new(firewall, &firewall->upkeep) < 0)
		log_say(LOG_WARNING, "cannot hear of others who write the list file");
	diag_clear(&diag);
	if (entries_load(firewall, &diag) < 0)
		firewall_degrade(firewall, "%s", diag.text);
	diag_clear(&diag);
	if (trial_resume(firewall, &diag) < 0)
		firewall_degrade(firewall, "%s", diag.text);
	diag_clear(&diag);
	r = firewall_settle(firewall, &diag);
	if (r < 0)
		firewall_degrade(firewall, "%s", diag.text);
	else if (firewall->confirmed.on || firewall->trial.on)
		log_say(LOG_NOTICE, "generation %llu is in force%s", (unsigned long long)firewall->confirmed.generation,
			r ? "" : ": nothing was to be done");
	if (firewall->guessed) /* the file that cannot be read may be worth more than our guess */
		return;
	if ((firewall->confirmed.on || trial_is_in_files(firewall)) &&
	    store_check(firewall->paths.iptables_dir, &firewall->confirmed, NULL, NULL) == 0) {
		struct store_commit commit;

		diag_clear(&diag);
		if (store_prepare(firewall->paths.state_dir, firewall->paths.iptables_dir, &firewall->confirmed, &commit, &diag) < 0 ||
		    store_commit(&commit, &diag) < 0)
			firewall_degrade(firewall, "%s", diag.text);
	}
}

int firewall_new(struct event_base *base, const struct firewall_paths *paths, struct firewall **ret)
{
	struct firewall *firewall = calloc(1, sizeof(*firewall));
	int r;

	if (!firewall)
		return -ENOMEM;
	firewall->base = base;
	firewall->paths = *paths;
	r = open_kernel(firewall);
	read_confirmed(firewall);
	if (r == 0)
		start(firewall);
	*ret = firewall;
	return 0;
}

void firewall_free(struct firewall *firewall)
{
	if (!firewall)
		return;
	if (firewall->clock)
		event_free(firewall->clock);
	monitor_free(firewall->monitor);
	upkeep_free(firewall->upkeep);
	journal_close(firewall->journal);
	kernel_close(firewall->kernel);
	sets_close(firewall->sets);
	free(firewall);
}
