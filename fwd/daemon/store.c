/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <linux/netfilter.h>

#include "fwd/daemon/store.h"
#include "rules/compile.h"
#include "rules/conf.h"
#include "rules/savefile.h"

#define NUMBER_MAX (UINT64_MAX / 4) /* what JSON and one more can hold */

static const uint8_t nfproto[FAMILIES] = { NFPROTO_IPV4, NFPROTO_IPV6 };
static const char *const rules_name[FAMILIES] = { "rules.v4", "rules.v6" };
static const char *const recorded_name[FAMILIES][BASES] = {
	{ "policy-input-v4", "policy-forward-v4" },
	{ "policy-input-v6", "policy-forward-v6" },
};

void confirmed_init(struct confirmed *ret)
{
	memset(ret, 0, sizeof(*ret));
	memset(ret->recorded, POLICY_KEEP, sizeof(ret->recorded));
	policy_init(&ret->policy);
}

static int read_number(const char *value, uint64_t *ret, struct diag *diag)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || number > NUMBER_MAX) {
		diag_set(diag, 0, 0, "\"%s\" is no number", value);
		return -EINVAL;
	}
	*ret = number;
	return 0;
}

static int read_ports(const char *value, struct policy *policy, struct diag *diag)
{
	char *end;

	for (; *value; value = end) {
		unsigned long port = strtoul(value, &end, 10);

		if (end == value || port < 1 || port > UINT16_MAX || policy_add_ssh_port(policy, (uint16_t)port) < 0) {
			diag_set(diag, 0, 0, "\"%s\" is no list of ports", value);
			return -EINVAL;
		}
		while (*end == ' ')
			end++;
	}
	return 0;
}

/* A place for what must be known before the policy's own keys can be judged. */
struct reading {
	struct confirmed confirmed;
	struct policy found; /* the ports that "auto" stood for */
	bool seen_state;
};

static int read_state_key(const char *name, const char *value, struct reading *reading, struct diag *diag)
{
	struct confirmed *confirmed = &reading->confirmed;

	if (strcmp(name, "active") == 0) {
		reading->seen_state = true;
		confirmed->on = strcmp(value, "on") == 0;
		if (confirmed->on || strcmp(value, "off") == 0)
			return 0;
		diag_set(diag, 0, 0, "active: \"%s\" is neither on nor off", value);
		return -EINVAL;
	}
	if (strcmp(name, "generation") == 0)
		return read_number(value, &confirmed->generation, diag);
	if (strcmp(name, "since") == 0)
		return read_number(value, &confirmed->since, diag);
	if (strcmp(name, "ssh-ports-found") == 0)
		return read_ports(value, &reading->found, diag);
	for (int f = 0; f < FAMILIES; f++) {
		for (int b = 0; b < BASES; b++) {
			if (strcmp(name, recorded_name[f][b]) != 0)
				continue;
			confirmed->recorded[f][b] = strcmp(value, "DROP") == 0 ? NF_DROP :
						    strcmp(value, "ACCEPT") == 0 ? NF_ACCEPT : POLICY_KEEP;
			return 0;
		}
	}
	diag_set(diag, 0, 0, "[state] has no \"%s\"", name);
	return -EINVAL;
}

static int read_key(const char *section, const char *name, const char *value, struct diag *diag, void *user)
{
	struct reading *reading = user;

	if (strcmp(section, "state") == 0 && !name)
		return 0;
	if (strcmp(section, "state") == 0)
		return read_state_key(name, value, reading, diag);
	return conf_key(&reading->confirmed.policy, section, name, value, diag);
}

static int state_read(const char *dir, const char *name, struct confirmed *ret, struct diag *diag)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	char path[PATH_MAX], *text = NULL;
	size_t len;
	int r = reading ? file_path(dir, name, path) : -ENOMEM;

	if (r == 0)
		r = file_read_trusted(path, CONF_SIZE_MAX, &text, &len);
	if (r == 0) {
		confirmed_init(&reading->confirmed);
		policy_init(&reading->found);
		r = conf_walk(text, len, read_key, reading, diag);
	} else if (r != -ENOENT) {
		diag_set(diag, 0, 0, "%s", file_error(r));
	}
	if (r == 0 && !reading->seen_state) {
		diag_set(diag, 0, 0, "it does not say whether the firewall is on");
		r = -EINVAL;
	}
	if (r == 0) {
		struct policy *policy = &reading->confirmed.policy;

		for (size_t i = 0; policy->ssh_auto && i < reading->found.n_ssh_ports; i++)
			policy_add_ssh_port(policy, reading->found.ssh_ports[i]);
		*ret = reading->confirmed;
	}
	free(text);
	free(reading);
	return r;
}

int confirmed_read(const char *state_dir, struct confirmed *ret, struct diag *diag)
{
	return state_read(state_dir, CONFIRMED_NAME, ret, diag);
}

int trial_record_read(const char *run_dir, struct confirmed *ret)
{
	return state_read(run_dir, TRIAL_NAME, ret, NULL);
}

static const char *policy_word(uint8_t policy)
{
	return policy == NF_DROP ? "DROP" : policy == NF_ACCEPT ? "ACCEPT" : "unknown";
}

static int confirmed_print(const struct confirmed *confirmed, char **ret, size_t *len)
{
	char *policy = NULL, *text = NULL;
	FILE *out;
	int r = conf_print(&confirmed->policy, &policy);

	if (r < 0)
		return r;
	out = open_memstream(&text, len);
	if (!out) {
		free(policy);
		return -ENOMEM;
	}
	fprintf(out, "# What fwd was told to be, confirmed: this is what boots. Written by fwd; change fwd.conf instead.\n"
		"[state]\nactive = %s\ngeneration = %" PRIu64 "\nsince = %" PRIu64 "\n",
		confirmed->on ? "on" : "off", confirmed->generation, confirmed->since);
	for (int f = 0; f < FAMILIES; f++)
		for (int b = 0; b < BASES; b++)
			fprintf(out, "%s = %s\n", recorded_name[f][b], policy_word(confirmed->recorded[f][b]));
	if (confirmed->policy.ssh_auto && confirmed->policy.n_ssh_ports) {
		fprintf(out, "ssh-ports-found =");
		for (size_t i = 0; i < confirmed->policy.n_ssh_ports; i++)
			fprintf(out, " %u", confirmed->policy.ssh_ports[i]);
		fputc('\n', out);
	}
	fprintf(out, "\n%s", policy);
	free(policy);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

int trial_record_write(const char *run_dir, const struct confirmed *candidate)
{
	struct file_aside file = { 0 };
	char path[PATH_MAX], *text = NULL;
	size_t len;
	int r = confirmed_print(candidate, &text, &len);

	if (r == 0)
		r = file_path(run_dir, TRIAL_NAME, path);
	if (r == 0)
		r = file_prepare(path, text, len, 0600, &file);
	if (r == 0)
		r = file_commit(&file);
	file_discard(&file);
	free(text);
	return r;
}

int confirmed_ruleset(const struct confirmed *confirmed, struct ruleset **ret)
{
	struct wish wish = { .confirmed = confirmed->on ? &confirmed->policy : NULL,
			     .policy = confirmed->on ? NF_DROP : POLICY_KEEP };
	int r = compile(&wish, ret);

	if (r < 0 || confirmed->on)
		return r;
	for (int f = 0; f < FAMILIES; f++) {
		struct table *table = ruleset_find_table(*ret, nfproto[f], "filter");
		struct chain *input = table_find_chain(table, "INPUT"), *forward = table_find_chain(table, "FORWARD");

		if (input)
			input->policy = confirmed->recorded[f][BASE_INPUT];
		if (forward)
			forward->policy = confirmed->recorded[f][BASE_FORWARD];
	}
	return 0;
}

/* The next contents of one rendering. A file that is not there is an empty one. */
static int render(const char *path, const struct confirmed *confirmed, int family, char **ret, char **old, struct diag *diag)
{
	struct savefile_policies policies = { confirmed->recorded[family][BASE_INPUT], confirmed->recorded[family][BASE_FORWARD] };
	struct ruleset *ruleset = NULL;
	size_t len = 0;
	int r = file_read_trusted(path, SAVEFILE_SIZE_MAX, old, &len);

	if (r == -ENOENT)
		*old = calloc(1, 1);
	else if (r < 0)
		diag_set(diag, 0, 0, "%s", file_error(r));
	if (r < 0 && r != -ENOENT)
		return r;
	if (!*old)
		return -ENOMEM;
	if (!confirmed->on && !strstr(*old, CHAIN_PREFIX)) { /* nothing of ours in it: none of our business */
		*ret = strdup(*old);
		return *ret ? 0 : -ENOMEM;
	}
	r = confirmed->on ? confirmed_ruleset(confirmed, &ruleset) : 0;
	if (r == 0)
		r = savefile_merge(*old, len, nfproto[family], ruleset, &policies, ret, diag);
	ruleset_free(ruleset);
	return r;
}

int store_prepare(const char *state_dir, const char *iptables_dir, const struct confirmed *confirmed,
		  struct store_commit *ret, struct diag *diag)
{
	struct store_commit commit = { 0 };
	char path[PATH_MAX] = "", *text = NULL;
	size_t len;
	int r = confirmed_print(confirmed, &text, &len);

	if (r == 0)
		r = file_path(state_dir, CONFIRMED_NAME, path);
	if (r == 0)
		r = file_prepare(path, text, len, 0600, &commit.confirmed);
	free(text);
	for (int f = 0; f < FAMILIES && r == 0; f++) {
		struct diag problem = { 0 };
		char *old = NULL;

		text = NULL;
		r = file_path(iptables_dir, rules_name[f], path);
		if (r == 0)
			r = render(path, confirmed, f, &text, &old, &problem);
		if (r == 0 && strcmp(old, text) != 0)
			r = file_prepare(path, text, strlen(text), 0640, &commit.rules[f]);
		if (problem.line)
			diag_set(diag, 0, 0, "%s:%u: %s", path, problem.line, problem.text);
		else if (problem.text[0])
			diag_set(diag, 0, 0, "%s: %s", path, problem.text);
		free(text);
		free(old);
	}
	if (r < 0) {
		diag_set(diag, 0, 0, "cannot write %s: %s", path, strerror(-r));
		store_discard(&commit);
		return r;
	}
	*ret = commit;
	return 0;
}

int store_commit(struct store_commit *commit, struct diag *diag)
{
	int r = file_commit(&commit->confirmed);

	if (commit->confirmed.aside[0]) { /* not renamed: nothing happened */
		diag_set(diag, 0, 0, "cannot write %s: %s", commit->confirmed.path, strerror(-r));
		store_discard(commit);
		return r;
	}
	if (r < 0)
		diag_set(diag, 0, 0, "%s was written, but its directory cannot be synced: %s", commit->confirmed.path, strerror(-r));
	for (int f = 0; f < FAMILIES; f++) {
		if (!commit->rules[f].aside[0])
			continue;
		r = file_commit(&commit->rules[f]);
		if (r < 0)
			diag_set(diag, 0, 0, "cannot write %s: %s", commit->rules[f].path, strerror(-r));
		file_discard(&commit->rules[f]);
	}
	return 0;
}

void store_discard(struct store_commit *commit)
{
	file_discard(&commit->confirmed);
	for (int f = 0; f < FAMILIES; f++)
		file_discard(&commit->rules[f]);
}

int store_check(const char *iptables_dir, const struct confirmed *confirmed, const char **which, struct diag *diag)
{
	for (int f = 0; f < FAMILIES; f++) {
		char path[PATH_MAX], *text = NULL, *old = NULL;
		int r = file_path(iptables_dir, rules_name[f], path);
		bool same;

		if (r == 0)
			r = render(path, confirmed, f, &text, &old, diag);
		same = r == 0 && strcmp(old, text) == 0;
		free(text);
		free(old);
		if (!same) {
			if (which)
				*which = rules_name[f];
			return r < 0 ? r : 0;
		}
	}
	return 1;
}

int store_read_rules(const char *iptables_dir, struct ruleset **ret)
{
	struct ruleset *ruleset = ruleset_new();

	if (!ruleset)
		return -ENOMEM;
	for (int f = 0; f < FAMILIES; f++) {
		char path[PATH_MAX], *text = NULL;
		size_t len;

		if (file_path(iptables_dir, rules_name[f], path) == 0 && file_read(path, SAVEFILE_SIZE_MAX, &text, &len) == 0)
			savefile_parse(text, len, nfproto[f], ruleset, NULL);
		free(text);
	}
	*ret = ruleset;
	return 0;
}
