/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <netinet/in.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/jsontext.h"
#include "fwd/daemon/status.h"
#include "fwd/daemon/verbs_internal.h"

#define WOULD_MAX 1000           /* lines of one answer, which has 1 MiB */
#define FOR_MAX (24u * 24 * 3600) /* seconds: ipset ends at 24.8 days */

json_t *verbs_error(int exit, const char *text, const char *hint)
{
	json_t *error = json_pack("{s:o}", "text", json_from_text(text));

	if (error && hint && *hint)
		json_object_set_new(error, "hint", json_from_text(hint));
	return json_pack("{s:i, s:b, s:o}", "exit", exit, "changed", 0, "error", error);
}

static void add_would(const char *line, void *user)
{
	size_t n = json_array_size(user);

	if (n < WOULD_MAX)
		json_array_append_new(user, json_from_text(line));
	else if (n == WOULD_MAX)
		json_array_append_new(user, json_string("and more"));
}

#define DISABLE_SECONDS_MAX (24 * 3600) /* whoever wants longer says when it is time */

static int verb_ping(struct call *call)
{
	call->result = json_pack("{s:s}", "version", FWD_VERSION);
	return take_nothing_more(call);
}

static int verb_status(struct call *call)
{
	int r = take_nothing_more(call);

	return r < 0 ? r : firewall_status(call->firewall, &call->result);
}

static int verb_diff(struct call *call)
{
	int r = take_nothing_more(call);

	return r < 0 ? r : firewall_diff(call->firewall, &call->result);
}

static int verb_list(struct call *call)
{
	char list[LIST_NAME_MAX + 1] = LIST_MAIN;
	struct diag diag = { 0 };
	uint64_t entries;
	int r = take_string(call, "list", false, list, sizeof(list));

	if (r >= 0)
		r = take_nothing_more(call);
	if (r < 0)
		return r;
	if (firewall_list(call->firewall, list, &call->fd, &entries, &diag) < 0)
		return change_refuse(&call->change, NULL, "%s", diag.text);
	call->result = json_pack("{s:s, s:I}", "list", list, "entries", (json_int_t)entries);
	return 0;
}

static int verb_why(struct call *call)
{
	char source[ADDR_TEXT_MAX], proto[16];
	json_int_t port = 0;
	struct addr addr;
	uint8_t number;
	int r = take_string(call, "source", true, source, sizeof(source));

	if (r >= 0)
		r = take_string(call, "proto", true, proto, sizeof(proto));
	if (r >= 0)
		r = take_number(call, "port", 1, UINT16_MAX, &port);
	if (r >= 0)
		r = take_nothing_more(call);
	if (r < 0)
		return r;
	if (addr_parse(source, &addr) < 0)
		return call_usage(call, "\"%s\" is no address", source);
	if (strcmp(proto, "tcp") == 0)
		number = IPPROTO_TCP;
	else if (strcmp(proto, "udp") == 0)
		number = IPPROTO_UDP;
	else if (strcmp(proto, "icmp") == 0)
		number = addr.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	else
		return call_usage(call, "\"%s\" is neither tcp, udp nor icmp", proto);
	if ((number == IPPROTO_TCP || number == IPPROTO_UDP) != (port != 0))
		return call_usage(call, port ? "icmp has no ports" : "\"port\" is missing");
	return firewall_why(call->firewall, &addr, number, (uint16_t)port, &call->result);
}

/* What is to be said of one network: that it is not quite what was asked for, and what the firewall found. */
static void add_note(const struct call *call, const char *net, const char *note, json_t *json)
{
	const char *said = json_string_value(json_object_get(call->cleared, net));
	char text[512];

	if (!said && (!note || !*note))
		return;
	snprintf(text, sizeof(text), "%s%.64s%s%s", said ? "host bits cleared: you said " : "", said ? said : "",
		 said && note && *note ? "; " : "", note ? note : "");
	json_object_set_new(json, "note", json_from_text(text));
}

static void add_entry(const struct entry *entry, enum entry_was was, const char *note, void *user)
{
	static const char *const words[] = { "absent", "present", "changed" };
	const struct call *call = user;
	char net[ADDR_TEXT_MAX];
	json_t *json;

	cidr_format(&entry->net, net);
	json = json_pack("{s:s, s:s, s:I}", "net", net, "was", words[was], "until", (json_int_t)entry->until);
	add_note(call, net, note, json);
	json_array_append_new(json_object_get(call->result, "entries"), json);
}

static void add_removed(const struct entry *entry, enum entry_was was, const char *note, void *user)
{
	const struct call *call = user;
	char net[ADDR_TEXT_MAX];
	json_t *json;

	cidr_format(&entry->net, net);
	json = json_pack("{s:s, s:s}", "net", net, "was", was == ENTRY_ABSENT ? "absent" : "present");
	if (note && *note)
		json_object_set_new(json, "still", json_from_text(note));
	add_note(call, net, NULL, json);
	json_array_append_new(json_object_get(call->result, "entries"), json);
}

static int verb_allow(struct call *call)
{
	char comment[ENTRY_COMMENT_MAX + 1];
	struct allow allow = { .list = LIST_MAIN };
	struct diag diag = { 0 };
	struct cidr *nets = NULL;
	json_int_t seconds = 0;
	int r = take_networks(call, &nets, &allow.n);

	if (r >= 0)
		r = take_number(call, "for", 1, FOR_MAX, &seconds);
	if (r >= 0)
		r = take_flag(call, "wide", &allow.wide);
	if (r >= 0 && (r = take_string(call, "comment", false, comment, sizeof(comment))) > 0) {
		allow.comment = comment;
		if (entry_comment_check(comment, &diag) < 0)
			r = call_usage(call, "comment: %s", diag.text);
	}
	if (r >= 0)
		r = take_nothing_more(call);
	if (r >= 0) {
		allow.nets = nets;
		allow.until = seconds ? (uint64_t)time(NULL) + (uint64_t)seconds : 0;
		call->result = json_pack("{s:[]}", "entries");
		r = firewall_allow(call->firewall, &allow, &call->change, add_entry, call);
	}
	free(nets);
	return r;
}

static int verb_remove(struct call *call)
{
	struct cidr *nets = NULL;
	size_t n = 0;
	int r = take_networks(call, &nets, &n);

	if (r >= 0)
		r = take_trial(call);
	if (r >= 0) {
		call->result = json_pack("{s:[]}", "entries");
		r = firewall_remove(call->firewall, LIST_MAIN, nets, n, &call->change, add_removed, call);
	}
	if (r >= 0 && call->change.exit == EXIT_TRIAL)
		json_object_set_new(call->result, "trial", json_trial(call->firewall));
	free(nets);
	return r;
}

static int verb_trial(struct call *call, int (*begin)(struct firewall *firewall, struct change *change))
{
	int r = take_trial(call);

	if (r >= 0)
		r = begin(call->firewall, &call->change);
	if (r >= 0)
		call->result = json_pack("{s:o}", "trial", json_trial(call->firewall));
	if (r >= 0 && call->change.preflight)
		json_object_set(call->result, "preflight", call->change.preflight);
	return r;
}

static int verb_enable(struct call *call)
{
	return verb_trial(call, firewall_enable);
}

static int verb_reload(struct call *call)
{
	return verb_trial(call, firewall_reload);
}

static int verb_confirm(struct call *call)
{
	int r = take_flag(call, "force", &call->change.force);

	if (r >= 0)
		r = take_nothing_more(call);
	if (r >= 0)
		r = firewall_confirm(call->firewall, &call->change);
	if (r >= 0)
		call->result = json_pack("{s:o, s:o}", "generation", json_generation(call->firewall), "to",
					 json_back_to(call->firewall));
	if (r >= 0 && call->change.text[0])
		json_object_set_new(call->result, "by", json_from_text(call->change.text));
	return r;
}

static int verb_rollback(struct call *call)
{
	int r = take_nothing_more(call);

	if (r >= 0)
		r = firewall_rollback(call->firewall, &call->change);
	if (r >= 0)
		call->result = json_pack("{s:o}", "to", json_back_to(call->firewall));
	return r;
}

static int verb_extend(struct call *call)
{
	json_int_t seconds = 0;
	int r = take_number(call, "seconds", 1, POLICY_TIMEOUT_MAX, &seconds);

	if (r == 0)
		r = call_usage(call, "\"seconds\" is missing");
	if (r >= 0)
		r = take_nothing_more(call);
	if (r >= 0)
		r = firewall_extend(call->firewall, (unsigned)seconds, &call->change);
	if (r >= 0)
		call->result = json_pack("{s:o}", "trial", json_trial(call->firewall));
	return r;
}

/* Answered when the trial ends; at once, where there is none. */
static int verb_wait(struct call *call)
{
	int r = take_nothing_more(call);

	if (r >= 0 && firewall_on_trial(call->firewall))
		call->fd = VERBS_LATER;
	return r;
}

static int verb_disable(struct call *call)
{
	bool accept = false;
	json_int_t seconds = 0;
	int r = take_flag(call, "accept", &accept);

	if (r >= 0)
		r = take_number(call, "for", POLICY_TIMEOUT_MIN, DISABLE_SECONDS_MAX, &seconds);
	if (r >= 0)
		r = take_nothing_more(call);
	if (r < 0)
		return r;
	call->change.timeout = (unsigned)seconds;
	r = firewall_disable(call->firewall, accept, &call->change);
	if (r >= 0 && firewall_on_trial(call->firewall))
		call->result = json_pack("{s:o}", "trial", json_trial(call->firewall));
	else if (r >= 0)
		call->result = json_pack("{s:o}", "policies", json_policies(call->firewall));
	return r;
}

static const struct verb {
	const char *name;
	bool root;
	int (*function)(struct call *call);
} verbs[] = {
	{ "ping", false, verb_ping },
	{ "status", false, verb_status },
	{ "list", false, verb_list },
	{ "why", false, verb_why },
	{ "diff", false, verb_diff },
	{ "allow", true, verb_allow },
	{ "remove", true, verb_remove },
	{ "enable", true, verb_enable },
	{ "reload", true, verb_reload },
	{ "confirm", true, verb_confirm },
	{ "rollback", true, verb_rollback },
	{ "extend", true, verb_extend },
	{ "wait", false, verb_wait },
	{ "disable", true, verb_disable },
};

/* A member that nobody knows may be "args" misspelt, with "dry_run" in it. */
static int check_members(struct call *call, json_t *request)
{
	const char *name;
	json_t *value;

	json_object_foreach(request, name, value)
		if (strcmp(name, "verb") != 0 && strcmp(name, "args") != 0 && strcmp(name, "from") != 0)
			return call_usage(call, "a request has no \"%.64s\"", name);
	value = json_object_get(request, "args");
	if (value && !json_is_object(value))
		return call_usage(call, "\"args\" is no object");
	value = json_object_get(request, "from");
	if (value && !json_is_object(value))
		return call_usage(call, "\"from\" is no object");
	return 0;
}

/* What a client says of who stands behind it: recorded, never believed. */
static void describe(struct call *call, json_t *request)
{
	json_t *from = json_object_get(request, "from");
	const char *sudo = json_string_value(json_object_get(from, "sudo_user"));
	const char *ssh = json_string_value(json_object_get(from, "ssh"));

	snprintf(call->who, sizeof(call->who), "uid %u%s%.64s%s%.64s", call->caller->uid, sudo ? ", sudo of " : "", sudo ? sudo : "",
		 ssh ? ", from " : "", ssh ? ssh : "");
	call->change.who = call->who;
}

static json_t *answer(struct call *call, int r)
{
	json_t *json;

	if (r < 0 && !call->change.text[0])
		change_refuse(&call->change, NULL, "%s", strerror(-r));
	if (r < 0) {
		json_decref(call->result);
		return verbs_error(call->change.exit, call->change.text, call->change.hint);
	}
	json = json_pack("{s:i, s:b, s:o}", "exit", call->change.exit, "changed", call->change.changed, "result",
			 call->result ? call->result : json_object());
	if (json && call->change.dry_run)
		json_object_set(json_object_get(json, "result"), "would", call->would);
	return json;
}

json_t *verbs_answer(struct firewall *firewall, json_t *request, const struct caller *caller, int *fd)
{
	struct call call = { .firewall = firewall, .caller = caller, .fd = -1, .would = json_array(), .cleared = json_object() };
	const char *name = json_string_value(json_object_get(request, "verb"));
	const struct verb *verb = NULL;
	json_t *given = json_object_get(request, "args"), *reply;
	int r;

	*fd = -1;
	for (size_t i = 0; name && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			verb = &verbs[i];
	if (!name || !verb) {
		json_decref(call.would);
		json_decref(call.cleared);
		return verbs_error(EXIT_USAGE, name ? "no such verb" : "a request has a \"verb\"", NULL);
	}
	if (!caller->may_read || (verb->root && caller->uid != 0)) {
		json_decref(call.would);
		json_decref(call.cleared);
		return verbs_error(EXIT_REFUSED, verb->root ? "only root may do that" : "only root and the group fwd may ask", NULL);
	}
	describe(&call, request);
	call.change.pid = caller->pid;
	call.args = json_is_object(given) ? json_copy(given) : json_object();
	r = check_members(&call, request);
	call.change.would = add_would;
	call.change.user = call.would;
	if (r >= 0 && verb->root)
		r = take_flag(&call, "dry_run", &call.change.dry_run);
	if (r >= 0)
		r = verb->function(&call);
	reply = call.fd == VERBS_LATER ? NULL : answer(&call, r);
	json_decref(call.args);
	json_decref(call.would);
	json_decref(call.cleared);
	json_decref(call.change.preflight);
	*fd = call.fd;
	return reply;
}

json_t *verbs_end(int exit, const char *text)
{
	return json_pack("{s:i, s:b, s:{s:o}}", "exit", exit, "changed", 0, "result", "text", json_from_text(text));
}
