/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step "packages". apt decides what comes along; what it would remove is refused unless asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/run.h"
#include "host-setup/step.h"

#define NAME "packages"
#define ARGS_MAX 512

/* The article's, and what it forgot: newuidmap, the user's bus, iptables for the CNI plugins, nsenter, setcap. */
static const char *const wanted[] = { "rootlesskit", "slirp4netns", "containerd", "runc",	   "uidmap",
				      "dbus-user-session", "iptables", "iproute2", "util-linux", "libcap2-bin",
				      "ca-certificates" };
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

/* Which of them are not installed. */
static int find_missing(bool missing[static WANTED], struct fault *fault)
{
	const char *argv[WANTED + 5] = { "dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\\n" };
	char *output = NULL, line[128];
	int r;

	memcpy(argv + 4, wanted, sizeof(wanted));
	r = run_tool(argv, NULL, &output);
	if (r < 0 || r > 1) { /* 1: some are unknown */
		free(output);
		return fault_set(fault, -EIO, "dpkg-query cannot tell what is installed");
	}
	for (size_t i = 0; i < WANTED; i++) {
		snprintf(line, sizeof(line), "ii %s\n", wanted[i]);
		missing[i] = !strstr(output, line);
	}
	free(output);
	return 0;
}

int packages_check(struct host *host, struct fault *say)
{
	bool missing[WANTED];
	int r = find_missing(missing, say);
	size_t n = 0, at = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < WANTED; i++) {
		if (!missing[i])
			continue;
		at += (size_t)snprintf(say->text + at, sizeof(say->text) - at, "%s%s", n++ ? " " : "install ",
				       wanted[i]);
	}
	if (n == 0 && host_exists(host, "/run/reboot-required"))
		fault_set(say, 0, "a reboot is due: an update asks for it");
	return n == 0;
}

/* Adds the words of @simulated behind @what ("Inst ", "Remv ") to the array. @fresh: only what is not installed in
 * another version ("Inst NAME [OLD] ..."). */
static json_t *simulated(const char *text, const char *what, bool fresh)
{
	json_t *ret = json_array();

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *name = text + strlen(what);
		size_t len;

		if (strncmp(text, what, strlen(what)) != 0)
			continue;
		len = strcspn(name, " \n");
		if (fresh && name[len] == ' ' && name[len + 1] == '[')
			continue;
		json_array_append_new(ret, json_stringn(name, len));
	}
	return ret;
}

static void join(const json_t *names, char *ret, size_t size)
{
	size_t at = 0, i;
	json_t *name;

	*ret = '\0';
	json_array_foreach(names, i, name)
		if (at < size)
			at += (size_t)snprintf(ret + at, size - at, "%s%s", i ? " " : "", json_string_value(name));
}

/* apt-get with @verb and the names. @output as run_tool() has it. */
static int apt(const char *const *options, const json_t *names, char **output, struct fault *fault)
{
	const char *argv[ARGS_MAX] = { "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0" };
	size_t n = 6, i;
	json_t *name;
	int r;

	while (*options)
		argv[n++] = *options++;
	json_array_foreach(names, i, name)
		if (n < ARGS_MAX - 1)
			argv[n++] = json_string_value(name);
	if (n == ARGS_MAX - 1)
		return fault_set(fault, -E2BIG, "too many packages");
	if (!output)
		return run_must(argv, NULL, fault);
	r = run_tool(argv, NULL, output);
	if (r == 0)
		return 0;
	fault_set(fault, -EIO, "apt-get cannot do it: %.300s",
		  r > 0 ? *output + (strlen(*output) > 300 ? strlen(*output) - 300 : 0)
									: strerror(-r));
	free(*output);
	*output = NULL;
	return -EIO;
}

/* All that is fresh is recorded, together with what an earlier, broken off run had recorded. */
static int record(struct host *host, json_t *fresh, struct fault *fault)
{
	json_t *all = json_array(), *old = json_object_get(state_of(host, NAME), "installed"), *name, *other;
	size_t i, j;

	json_array_extend(all, old);
	json_array_foreach(fresh, i, name) {
		bool there = false;

		json_array_foreach(old, j, other)
			there |= json_equal(name, other);
		if (!there)
			json_array_append(all, name);
	}
	return state_put(host, NAME, json_pack("{s:o}", "installed", all), fault);
}

/* The package starts a containerd as root at once, which nobody asked for and which leaves its files about. A mask
 * that a reboot takes away keeps it from that; the step "rootful" lifts it. */
static int keep_quiet(const json_t *fresh, struct fault *fault)
{
	static const char *const mask[] = { "systemctl", "mask", "--runtime", "containerd.service", NULL };
	json_t *name;
	size_t i;

	json_array_foreach(fresh, i, name)
		if (strcmp(json_string_value(name), "containerd") == 0)
			return run_must(mask, NULL, fault);
	return 0;
}

static int install(struct host *host, const json_t *names, struct fault *fault)
{
	static const char *const simulate[] = { "-s", "install", "--no-install-recommends", NULL };
	static const char *const keep[] = { "-y", "--no-remove", "install", "--no-install-recommends", NULL };
	static const char *const replace[] = { "-y", "install", "--no-install-recommends", NULL };
	char *text = NULL, list[256];
	json_t *gone, *fresh;
	int r = apt(simulate, names, &text, fault);

	if (r < 0)
		return r;
	gone = simulated(text, "Remv ", false);
	fresh = simulated(text, "Inst ", true);
	free(text);
	join(gone, list, sizeof(list));
	if (*list && !host->call->value[OPT_REPLACE]) {
		r = fault_set(fault, -EPERM, "apt would remove: %s", list);
		fault_hint(fault, "If that is wanted: --replace");
	} else {
		r = record(host, fresh, fault);
	}
	if (r == 0)
		r = keep_quiet(fresh, fault);
	if (r == 0)
		r = apt(*list ? replace : keep, names, NULL, fault);
	json_decref(gone);
	json_decref(fresh);
	return r;
}

int packages_apply(struct host *host, struct fault *fault)
{
	static const char *const update[] = { "apt-get", "-q", "update", NULL };
	bool missing[WANTED];
	json_t *names = json_array();
	int r = find_missing(missing, fault);

	for (size_t i = 0; r == 0 && i < WANTED; i++)
		if (missing[i])
			json_array_append_new(names, json_string(wanted[i]));
	if (r == 0 && run_tool(update, NULL, NULL) != 0)
		fputs("packages: apt-get update failed; trying with the lists that are here\n", stderr);
	if (r == 0)
		r = install(host, names, fault);
	json_decref(names);
	return r;
}

bool packages_ours(const struct host *host, const char *package)
{
	const json_t *names = json_object_get(state_of(host, NAME), "installed");
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (strcmp(json_string_value(name), package) == 0)
			return true;
	return false;
}

/* What apt would remove beside ours came later, and leans on ours. */
static int others(const json_t *names, const char *text, struct fault *fault)
{
	json_t *gone = simulated(text, "Purg ", false), *beside = json_array(), *name, *ours;
	char list[256];
	size_t i, j;

	json_array_foreach(gone, i, name) {
		bool is_ours = false;

		json_array_foreach(names, j, ours)
			is_ours |= json_equal(name, ours);
		if (!is_ours)
			json_array_append(beside, name);
	}
	join(beside, list, sizeof(list));
	json_decref(gone);
	json_decref(beside);
	return *list ? fault_set(fault, 1, "the packages stay: others need them: %s", list) : 0;
}

int packages_undo(struct host *host, struct fault *fault)
{
	static const char *const simulate[] = { "-s", "purge", NULL };
	static const char *const unmask[] = { "systemctl", "unmask", "--runtime", "containerd.service", NULL };
	static const char *const purge[] = { "-y", "purge", NULL };
	const json_t *names = json_object_get(state_of(host, NAME), "installed");
	char *text = NULL;
	int r;

	if (json_array_size(names) == 0)
		return 0;
	r = apt(simulate, names, &text, fault);
	if (r == 0)
		r = others(names, text, fault);
	free(text);
	if (r == 0)
		run_tool(unmask, NULL, NULL); /* of a run that was killed */
	return r == 0 ? apt(purge, names, NULL, fault) : r;
}
