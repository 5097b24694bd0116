/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/conf.h"
#include "rules/word.h"

#define SECTION "firewall"
#define TRUST_LINE "trust     ="

/* Whatever may be trusted can be written down. */
_Static_assert(sizeof(TRUST_LINE) - 1 + POLICY_TRUST_MAX * IFNAMSIZ <= CONF_LINE_MAX,
	       "a line of fwd.conf is too short");

/* -EINVAL, having said what is wrong with a value @offset bytes into it. The name is put in front by conf_key(). */
#define WRONG(diag, offset, ...) (diag_set(diag, 0, (unsigned)(offset) + 1, __VA_ARGS__), -EINVAL)

static int set_ssh(struct policy *policy, const char *value, struct diag *diag)
{
	char quoted[WORD_QUOTED_MAX];

	if (strcmp(value, "anyone") == 0)
		policy->ssh = SSH_ANYONE;
	else if (strcmp(value, "whitelist") == 0)
		policy->ssh = SSH_WHITELIST;
	else
		return WRONG(diag, 0, "%s is neither \"anyone\" nor \"whitelist\"",
			     word_quote(value, strlen(value), quoted));
	return 0;
}

static int set_ssh_ports(struct policy *policy, const char *value, struct diag *diag)
{
	const char *rest = value, *word;
	char quoted[WORD_QUOTED_MAX];
	size_t len;
	int r;

	policy->ssh_auto = strcmp(value, "auto") == 0;
	policy->n_ssh_ports = 0;
	if (policy->ssh_auto)
		return 0;
	while ((r = word_next(value, &rest, &word, &len)) > 0) {
		size_t n = policy->n_ssh_ports;
		unsigned port;

		word_quote(word, len, quoted);
		if (len == 4 && memcmp(word, "auto", len) == 0)
			return WRONG(diag, word - value, "\"auto\" stands alone, or there is a list of ports");
		if (word_number(word, len, UINT16_MAX, &port) < 0 || port == 0)
			return WRONG(diag, word - value, "%s is neither \"auto\" nor a port from 1 to 65535", quoted);
		if (policy_add_ssh_port(policy, (uint16_t)port) < 0)
			return WRONG(diag, word - value, "%s is one more than the %d ports that fit", quoted,
				     POLICY_SSH_PORTS_MAX);
		if (policy->n_ssh_ports == n)
			return WRONG(diag, word - value, "port %s stands here twice", quoted);
	}
	if (r < 0)
		return WRONG(diag, rest - value, "a comma with no word on one side");
	if (policy->n_ssh_ports == 0)
		return WRONG(diag, 0, "expected \"auto\" or ports, found nothing");
	return 0;
}

/* Nothing trusted is an empty value. */
static int set_trust(struct policy *policy, const char *value, struct diag *diag)
{
	const char *rest = value, *word;
	char quoted[WORD_QUOTED_MAX];
	size_t len;
	int r;

	policy->n_trust = 0;
	while ((r = word_next(value, &rest, &word, &len)) > 0) {
		char name[CONF_LINE_MAX + 1];
		size_t n = policy->n_trust;

		word_quote(word, len, quoted);
		snprintf(name, sizeof(name), "%.*s", (int)len, word);
		if (strcmp(name, "lo") == 0)
			return WRONG(diag, word - value, "\"lo\" is always trusted, leave it out");
		if (name[len - 1] == '+' || name[len - 1] == '*')
			return WRONG(diag, word - value, "%s is a pattern, expected whole names of interfaces", quoted);
		if (len >= IFNAMSIZ)
			return WRONG(diag, word - value, "%s is too long for an interface (%d bytes at most)", quoted,
				     IFNAMSIZ - 1);
		if (!policy_is_interface(name))
			return WRONG(diag, word - value, "%s cannot be the name of an interface", quoted);
		if (policy_add_trust(policy, name) < 0)
			return WRONG(diag, word - value, "%s is one more than the %d interfaces that fit", quoted,
				     POLICY_TRUST_MAX);
		if (policy->n_trust == n)
			return WRONG(diag, word - value, "%s stands here twice", quoted);
	}
	return r < 0 ? WRONG(diag, rest - value, "a comma with no word on one side") : 0;
}

static int set_timeout(struct policy *policy, const char *value, struct diag *diag)
{
	size_t len = strlen(value), digits = strspn(value, "0123456789");
	const char *unit = value + digits;
	char quoted[WORD_QUOTED_MAX];
	unsigned number, seconds;
	int r;

	word_quote(value, len, quoted);
	if (strcmp(unit, "") == 0 || strcmp(unit, "s") == 0)
		seconds = 1;
	else if (strcmp(unit, "m") == 0)
		seconds = 60;
	else if (strcmp(unit, "h") == 0)
		seconds = 3600;
	else
		digits = seconds = 0;
	r = word_number(value, digits, POLICY_TIMEOUT_MAX, &number);
	if (r == -EINVAL)
		return WRONG(diag, 0, "%s is no time, expected a number and s, m or h", quoted);
	if (r < 0 || number * seconds < POLICY_TIMEOUT_MIN || number * seconds > POLICY_TIMEOUT_MAX)
		return WRONG(diag, 0, "%s is not between 10s and 1h", quoted);
	policy->timeout = number * seconds;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct policy *policy, const char *value, struct diag *diag);
} keys[] = {
	{ "ssh", set_ssh },
	{ "ssh-ports", set_ssh_ports },
	{ "trust", set_trust },
	{ "timeout", set_timeout },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

int conf_key(struct policy *policy, const char *section, const char *name, const char *value, struct diag *diag)
{
	struct policy changed = *policy;
	struct diag found = { 0 };
	int r;

	if (strcmp(section, SECTION) != 0)
		return -ENOENT;
	if (!name)
		return 0;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		r = keys[i].set(&changed, value, &found);
		if (r == 0)
			*policy = changed;
		else
			diag_set(diag, found.line, found.column, "[%s] %s: %s", section, name, found.text);
		return r;
	}
	return -ENOENT;
}

static int take_policy_key(const char *section, const char *name, const char *value, struct diag *diag, void *user)
{
	static const char *const sections[] = { SECTION, NULL };
	const char *known[N_KEYS + 1] = { NULL };
	int r = conf_key(user, section, name, value, diag);
	const char *near;

	if (r != -ENOENT)
		return r;
	if (!name) {
		near = word_near(section, sections);
		diag_set(diag, 0, 0, near ? "unknown section [%s], did you mean [%s]?" :
			 "unknown section [%s], there is [%s] only", section, SECTION);
	} else {
		for (size_t i = 0; i < N_KEYS; i++)
			known[i] = keys[i].name;
		near = word_near(name, known);
		diag_set(diag, 0, 0, near ? "[%s] %s: unknown key, did you mean \"%s\"?" :
			 "[%s] %s: unknown key, known are %s", section, name,
			 near ? near : "ssh, ssh-ports, trust and timeout");
	}
	return -EINVAL;
}

int conf_parse(const char *text, size_t len, struct policy *ret, struct diag *diag)
{
	struct policy policy;
	int r;

	policy_init(&policy);
	r = conf_walk(text, len, take_policy_key, &policy, diag);
	if (r == 0)
		*ret = policy;
	return r;
}

static void print(FILE *file, const struct policy *policy)
{
	fprintf(file, "[" SECTION "]\n");
	fprintf(file, "ssh       = %s\n", policy->ssh == SSH_ANYONE ? "anyone" : "whitelist");
	fprintf(file, "ssh-ports =%s", policy->ssh_auto ? " auto" : "");
	for (size_t i = 0; i < policy->n_ssh_ports && !policy->ssh_auto; i++)
		fprintf(file, " %u", policy->ssh_ports[i]);
	fprintf(file, "\n" TRUST_LINE);
	for (size_t i = 0; i < policy->n_trust; i++)
		fprintf(file, " %s", policy->trust[i]);
	fprintf(file, "\ntimeout   = %us\n", policy->timeout);
}

/* Reads its own text back: what cannot be read would be found out when the host boots. */
int conf_print(const struct policy *policy, char **ret)
{
	struct policy written = *policy, read;
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);
	bool failed;
	int r;

	if (!file)
		return -ENOMEM;
	print(file, policy);
	failed = ferror(file);
	if (fclose(file) != 0 || failed) {
		free(text);
		return -ENOMEM;
	}
	if (written.ssh_auto)
		written.n_ssh_ports = 0;
	r = conf_parse(text, len, &read, NULL);
	if (r == 0 && !policy_equal(&read, &written))
		r = -EINVAL;
	if (r < 0) {
		free(text);
		return r;
	}
	*ret = text;
	return 0;
}
