/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `status` and `diff`: what stands beside what was confirmed and what is wished.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/inspect.h"
#include "fwd/daemon/jsontext.h"
#include "fwd/daemon/status.h"
#include "rules/compile.h"
#include "rules/conf.h"

json_t *json_trial(const struct firewall *firewall)
{
	const struct trial *trial = &firewall->trial;
	uint64_t now = now_ms();

	if (!trial->on)
		return json_null();
	return json_pack("{s:I, s:s, s:I, s:I, s:o}", "generation", (json_int_t)trial->generation, "what",
			 trial_name(trial), "timeout", (json_int_t)trial->timeout, "left",
			 (json_int_t)(trial->deadline > now ? (trial->deadline - now + 999) / 1000 : 0), "back_to",
			 json_back_to(firewall));
}

json_t *json_generation(const struct firewall *firewall)
{
	return json_integer((json_int_t)firewall->confirmed.generation);
}

json_t *json_back_to(const struct firewall *firewall)
{
	return json_string(firewall->confirmed.on ? "confirmed" : "off");
}

json_t *json_policies(struct firewall *firewall)
{
	static const char *const names[BASES] = { "INPUT", "FORWARD" };
	struct ruleset *actual;
	json_t *json = json_object();

	if (kernel_read(firewall->kernel, &actual) < 0)
		return json;
	for (int f = 0; f < FAMILIES; f++) {
		const struct table *table = ruleset_find_table(actual, family_nfproto[f], "filter");
		json_t *chains = json_object();

		for (int b = 0; b < BASES; b++) {
			const struct chain *chain = table_find_chain(table, names[b]);

			json_object_set_new(chains, names[b], json_string(chain && chain->policy == NF_DROP ? "DROP" : "ACCEPT"));
		}
		json_object_set_new(json, f == V4 ? "v4" : "v6", chains);
	}
	ruleset_free(actual);
	return json;
}

static json_t *json_policy(const struct policy *policy)
{
	json_t *ports = json_array(), *trust = json_array();

	for (size_t i = 0; i < policy->n_ssh_ports; i++)
		json_array_append_new(ports, json_integer(policy->ssh_ports[i]));
	for (size_t i = 0; i < policy->n_trust; i++)
		json_array_append_new(trust, json_from_text(policy->trust[i]));
	return json_pack("{s:s, s:o, s:b, s:o, s:I}", "ssh", policy->ssh == SSH_ANYONE ? "anyone" : "whitelist", "ssh_ports", ports,
			 "ssh_auto", policy->ssh_auto, "trust", trust, "timeout", (json_int_t)policy->timeout);
}

static json_t *json_lists(struct firewall *firewall)
{
	const struct policy *policy = &firewall->confirmed.policy;
	json_t *lists = json_array();

	for (size_t i = 0; i < policy->n_lists; i++) {
		json_int_t count[FAMILIES] = { 0 };
		struct set_info info;
		char set[32];

		for (int f = 0; f < FAMILIES; f++) {
			list_set_name(&policy->lists[i], family_af[f], set);
			if (sets_info(firewall->sets, set, &info) == 0)
				count[f] = info.entries;
		}
		json_array_append_new(lists, json_pack("{s:s, s:I, s:I}", "name", policy->lists[i].name, "v4", count[V4], "v6", count[V6]));
	}
	return lists;
}

static void attend(json_t *attention, const char *text, const char *hint)
{
	size_t n = json_array_size(attention);

	if (n == ATTENTION_MAX) {
		text = "and more of the kind";
		hint = "mend these first";
	}
	if (n <= ATTENTION_MAX)
		json_array_append_new(attention, json_pack("{s:o, s:s}", "text", json_from_text(text), "hint", hint));
}

static const char *wish_state(struct firewall *firewall, struct policy *wish, char *text, size_t size)
{
	struct diag diag = { 0 };
	const struct policy *against = firewall->trial.on ? &firewall->trial.candidate.policy : &firewall->confirmed.policy;

	text[0] = '\0';
	if (firewall_wish(firewall, wish, &diag) < 0) {
		if (diag.line)
			snprintf(text, size, "%s:%u: %s", firewall->paths.conf, diag.line, diag.text);
		else
			snprintf(text, size, "%s: %s", firewall->paths.conf, diag.text);
		return "unreadable";
	}
	return policy_equal(wish, against) ? "same" : "differs";
}

/* Chains or jumps of ours that are not as they should be. */
static void attend_drift(struct firewall *firewall, const struct ruleset *wish, json_t *attention)
{
	struct diag diag = { 0 };
	int steps = kernel_apply(firewall->kernel, wish, KERNEL_DRY_RUN, NULL, NULL, &diag);

	if (steps > 0)
		attend(attention, "somebody changed our rules in the kernel", "fwctl diff shows what; systemctl restart fwd puts them back");
}

/* Foreign rules that stand behind our jump never see a packet. */
static void attend_dead(const struct ruleset *actual, json_t *attention)
{
	for (size_t i = 0; i < actual->n_tables; i++) {
		for (size_t j = 0; j < actual->tables[i].n_chains; j++) {
			const struct chain *chain = &actual->tables[i].chains[j];
			bool behind = false;

			for (size_t k = 0; k < chain->n_rules && chain->base; k++) {
				struct verdict_step step = { &actual->tables[i], chain, k, true };
				char rule[256], text[400];

				if (rule_is_our_jump(&chain->rules[k])) {
					behind = true;
				} else if (behind) {
					step_print(&step, rule, sizeof(rule));
					snprintf(text, sizeof(text), "a rule behind ours has no effect: %s", rule);
					attend(attention, text, "put it in front (-I instead of -A) if it is meant");
				}
			}
		}
	}
}

static void attend_native(const struct ruleset *actual, json_t *attention)
{
	for (size_t i = 0; i < actual->n_tables; i++) {
		const struct table *table = &actual->tables[i];

		for (size_t j = 0; j < table->n_chains && table->family != NFPROTO_INET; j++) {
			for (size_t k = 0; k < table->chains[j].n_rules; k++) {
				char text[300];

				if (!table->chains[j].rules[k].native)
					continue;
				snprintf(text, sizeof(text),
					 "chain %s of table %s holds a rule made by nft that iptables-save cannot print: it prints nothing of the table",
					 table->chains[j].name, table->name);
				attend(attention, text, "do not run netfilter-persistent save; make the rule with iptables");
				return;
			}
		}
	}
}

/* A rendering that cannot be read is never written over, so that it stays behind what is confirmed. */
static void attend_files(struct firewall *firewall, json_t *attention)
{
	struct diag diag = { 0 };
	const char *which = NULL;
	char text[512];

	if (store_check(firewall->paths.iptables_dir, &firewall->confirmed, &which, &diag) >= 0 || !which)
		return;
	if (diag.line)
		snprintf(text, sizeof(text), "%.200s/%s:%u: %.250s", firewall->paths.iptables_dir, which, diag.line, diag.text);
	else
		snprintf(text, sizeof(text), "%.200s/%s: %.250s", firewall->paths.iptables_dir, which, diag.text);
	attend(attention, text, "mend it or take it away, then: systemctl restart fwd writes ours into it");
}

/* Somebody else's rule that keeps out those whom our lists let in. */
static void attend_refused(struct firewall *firewall, const struct ruleset *actual, int family, json_t *attention)
{
	struct verdict_way way;
	char rule[256], text[400];

	if (inspect_stranger(firewall, actual, family, GATE_AS_IS, true, &way) != VERDICT_DROP || !step_is_foreign(way.decides))
		return;
	step_print(way.decides, rule, sizeof(rule));
	snprintf(text, sizeof(text), "%s refuses even listed sources: %s (table %.40s)", family == V4 ? "IPv4" : "IPv6", rule,
		 way.decides->table->name);
	attend(attention, text, "take it away, or let what it refuses be less");
}

static json_t *json_stranger(struct firewall *firewall, const struct ruleset *actual, json_t *attention)
{
	json_t *json = json_object();

	for (int f = 0; f < FAMILIES; f++) {
		struct verdict_way way;
		enum verdict verdict = inspect_stranger(firewall, actual, f, GATE_AS_IS, false, &way);
		char rule[256], text[400];

		json_object_set_new(json, f == V4 ? "v4" : "v6", json_string(verdict_name(verdict)));
		if (!firewall->confirmed.on && !firewall->trial.on)
			continue;
		attend_refused(firewall, actual, f, attention);
		if (verdict == VERDICT_DROP || firewall->trial.kind == TRIAL_DISABLE) /* that is what was asked for */
			continue;
		if (way.decides || way.doubt)
			step_print(way.decides ? way.decides : way.doubt, rule, sizeof(rule));
		else
			snprintf(rule, sizeof(rule), "no chain has a say");
		snprintf(text, sizeof(text), verdict == VERDICT_ACCEPT ? "%s is open to everybody: %s" :
			 "%s: cannot tell whether it is closed: %s", f == V4 ? "IPv4" : "IPv6", rule);
		attend(attention, text, "fwctl why 203.0.113.77 tcp/9 shows the way of a packet");
	}
	return json;
}

/* What the kernel shows: whether a stranger gets in, and what of ours or of others is not as it should be. */
static json_t *look_at_kernel(struct firewall *firewall, json_t *attention)
{
	struct ruleset *actual, *wish = NULL;
	json_t *stranger;

	if (!firewall->kernel || kernel_read(firewall->kernel, &actual) < 0)
		return json_object();
	stranger = json_stranger(firewall, actual, attention);
	if (firewall->confirmed.on || firewall->trial.on) {
		if (firewall_ruleset(firewall, &wish) == 0)
			attend_drift(firewall, wish, attention);
		attend_dead(actual, attention);
		attend_native(actual, attention);
	}
	ruleset_free(wish);
	ruleset_free(actual);
	return stranger;
}

int firewall_status(struct firewall *firewall, json_t **ret)
{
	const struct confirmed *confirmed = &firewall->confirmed;
	const char *state = firewall->degraded[0] ? "degraded" : firewall->trial.on ? "trial" : confirmed->on ? "on" : "off";
	json_t *attention = json_array(), *stranger;
	struct policy policy = confirmed->policy; /* off: what enable would put in force, if that can be read */
	char wish_text[512];
	const char *wished = wish_state(firewall, &policy, wish_text, sizeof(wish_text));

	if (firewall->trial.on)
		policy = firewall->trial.candidate.policy;
	else if (confirmed->on)
		policy = confirmed->policy;
	if (firewall->degraded[0])
		attend(attention, firewall->degraded, "mend it, then: systemctl restart fwd");
	if (firewall->rolled_back[0])
		attend(attention, firewall->rolled_back, "begin it again, and confirm in time");
	stranger = look_at_kernel(firewall, attention);
	if (confirmed->on)
		attend_files(firewall, attention);
	if (confirmed->on && strcmp(wished, "differs") == 0)
		attend(attention, "fwd.conf says something else than what is in force", "fwctl reload puts it on trial");
	else if (strcmp(wished, "unreadable") == 0)
		attend(attention, wish_text, "fwctl edit");
	*ret = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "state", state, "generation",
			 (json_int_t)confirmed->generation, "since", (json_int_t)confirmed->since, "trial", json_trial(firewall),
			 "policy", json_policy(&policy), "lists", firewall->sets ? json_lists(firewall) : json_array(), "stranger",
			 stranger, "wish", wished, "wish_text", json_from_text(wish_text), "attention", attention);
	return *ret ? 0 : -ENOMEM;
}

#define DIFFERENCES_MAX 1000 /* of one answer, which has 1 MiB */

struct differences {
	json_t *array;
	const char *where;
};

static void add_difference(const char *line, void *user)
{
	struct differences *differences = user;

	size_t n = json_array_size(differences->array);

	if (n == DIFFERENCES_MAX)
		line = "and more";
	if (n <= DIFFERENCES_MAX)
		json_array_append_new(differences->array,
				      json_pack("{s:s, s:o}", "where", differences->where, "text", json_from_text(line)));
}

/* Lines of @a that @b lacks. */
static void lines_lacking(const char *a, const char *b, char sign, kernel_told *told, void *user)
{
	while (*a) {
		size_t len = strcspn(a, "\n");
		const char *other = b;
		char line[CONF_LINE_MAX + 8];

		while (*other && !(strcspn(other, "\n") == len && strncmp(a, other, len) == 0)) {
			other += strcspn(other, "\n");
			other += *other == '\n';
		}
		if (!*other && len > 0) {
			snprintf(line, sizeof(line), "%c %.*s", sign, (int)len, a);
			told(line, user);
		}
		a += len;
		a += *a == '\n';
	}
}

/* What `ssh-ports = auto` stands for. */
static void tell_found_ports(const struct policy *policy, char sign, kernel_told *told, void *user)
{
	char line[64 + 6 * POLICY_SSH_PORTS_MAX];
	int n = snprintf(line, sizeof(line), "%c ssh-ports = auto, found:", sign);

	for (size_t i = 0; i < policy->n_ssh_ports; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %u", policy->ssh_ports[i]);
	told(line, user);
}

/* fwd.conf against what is in force, in the words of fwd.conf. */
static void diff_wish(struct firewall *firewall, kernel_told *told, void *user)
{
	const struct policy *policy = &firewall->confirmed.policy;
	char *wished = NULL, *in_force = NULL;
	struct diag diag = { 0 };
	struct policy wish;

	if (firewall->trial.on)
		policy = &firewall->trial.candidate.policy;
	else if (!firewall->confirmed.on)
		return;
	if (firewall_wish(firewall, &wish, &diag) == 0 && conf_print(&wish, &wished) == 0 && conf_print(policy, &in_force) == 0) {
		lines_lacking(in_force, wished, '-', told, user);
		lines_lacking(wished, in_force, '+', told, user);
		if (strcmp(wished, in_force) == 0 && !policy_equal(&wish, policy)) {
			tell_found_ports(policy, '-', told, user);
			tell_found_ports(&wish, '+', told, user);
		}
	}
	free(wished);
	free(in_force);
}

int firewall_diff(struct firewall *firewall, json_t **ret)
{
	struct differences differences = { json_array(), "kernel" };
	struct ruleset *wish = NULL;
	struct diag diag = { 0 };
	const char *which = NULL;
	struct policy wished;
	char text[512];
	int r = firewall->kernel ? firewall_ruleset(firewall, &wish) : -EOPNOTSUPP;

	if (r == 0 && (firewall->confirmed.on || firewall->trial.on))
		r = kernel_apply(firewall->kernel, wish, KERNEL_DRY_RUN, add_difference, &differences, &diag);
	ruleset_free(wish);
	if (r < 0) {
		json_decref(differences.array);
		return r;
	}
	if (store_check(firewall->paths.iptables_dir, &firewall->confirmed, &which, &diag) != 1 && which) {
		differences.where = which;
		snprintf(text, sizeof(text), "line %u: %.400s", diag.line, diag.text);
		add_difference(diag.line ? text : diag.text[0] ? diag.text : "not what is confirmed: it is written anew when fwd starts", &differences);
	}
	differences.where = "ipsets";
	r = entries_diff(firewall, add_difference, &differences);
	if (r < 0)
		add_difference(strerror(-r), &differences);
	differences.where = "fwd.conf";
	if (strcmp(wish_state(firewall, &wished, text, sizeof(text)), "unreadable") == 0)
		add_difference(text, &differences);
	else
		diff_wish(firewall, add_difference, &differences);
	*ret = json_pack("{s:o}", "differences", differences.array);
	return *ret ? 0 : -ENOMEM;
}
