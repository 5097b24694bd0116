/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/caller.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"
#include "rules/entry.h"
#include "rules/policy.h"

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const json_t *answer_result(const struct answer *answer)
{
	return json_object_get(answer->json, "result");
}

bool answer_changed(const struct answer *answer)
{
	return json_is_true(json_object_get(answer->json, "changed"));
}

int ask_open(const struct ctl *ctl, struct client **ret)
{
	int r = client_open(ctl->socket, ret);

	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		return ctl_fail(ctl, EXIT_NO_DAEMON,
				"Start it: systemctl start fwd. If the firewall itself is in the way: fwctl rescue",
				"no daemon answers at %s", ctl->socket);
	case -EACCES:
	case -EPERM:
		return ctl_fail(ctl, EXIT_REFUSED, "Reading needs root or the group fwd, changing needs root.",
				"%s: permission denied", ctl->socket);
	case -ENAMETOOLONG:
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\" is too long for the path of a socket", ctl->socket);
	default:
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", ctl->socket, strerror(-r));
	}
}

static json_t *make_from(void)
{
	json_t *from = json_object();
	struct caller caller;

	caller_find(false, &caller);
	if (caller.sudo_user[0])
		json_object_set_new(from, "sudo_user", json_string(caller.sudo_user));
	if (caller.ssh[0])
		json_object_set_new(from, "ssh", json_string(caller.ssh));
	if (caller.tty[0])
		json_object_set_new(from, "tty", json_string(caller.tty));
	return from;
}

static int fail_transport(const struct ctl *ctl, int r, bool change)
{
	const char *look = change ? "Whether anything changed is not known: fwctl status tells." : NULL;

	switch (r) {
	case -EMSGSIZE:
		return ctl_fail(ctl, EXIT_REFUSED, "Give fewer networks at once, or wider ones.",
				"the request is longer than 64 KiB; nothing was sent");
	case -ENOMEM:
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "out of memory");
	case -EPIPE:
	case -ECONNRESET:
		return ctl_fail(ctl, EXIT_NO_DAEMON, change ? look : "systemctl status fwd says why.",
				"the daemon closed the connection without an answer");
	case -ETIMEDOUT:
		return ctl_fail(ctl, EXIT_NO_DAEMON, change ? look : "systemctl status fwd says more.",
				"the daemon did not answer for %d s", CLIENT_PATIENCE);
	default:
		return ctl_fail(ctl, EXIT_REFUSED, look, "what answered at %s does not speak the protocol of fwd",
				ctl->socket);
	}
}

int ask(const struct ctl *ctl, struct client *client, const char *verb, json_t *args, bool change, struct answer *ret)
{
	json_t *request = json_pack("{s:s}", "verb", verb);
	int r;

	if (args && json_object_size(args))
		json_object_set(request, "args", args);
	json_decref(args);
	if (change)
		json_object_set_new(request, "from", make_from());
	r = request ? client_ask(client, request, ret) : -ENOMEM;
	json_decref(request);
	return r < 0 ? fail_transport(ctl, r, change) : 0;
}

bool answer_told(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *error = json_object_get(answer->json, "error"),
		*would = json_object_get(answer_result(answer), "would");

	if (ctl->json) {
		if (isatty(STDOUT_FILENO)) /* a raw line could steer the terminal */
			ctl_print_json(json_incref(answer->json));
		else
			printf("%s\n", answer->line);
		return true;
	}
	if (error) {
		const char *hint = json_text(error, "hint");

		ctl_fail(ctl, answer->exit, *hint ? hint : NULL, "%s", json_text(error, "text"));
		return true;
	}
	if (json_is_array(would)) {
		show_would(ctl, would, answer_changed(answer));
		show_preflight(ctl, json_object_get(answer_result(answer), "preflight"), false);
		return true;
	}
	return false;
}

/* One option with a time in it. False after having spoken. */
static bool set_time(const struct ctl *ctl, json_t *args, const char *key, const char *word, uint32_t min, uint32_t max)
{
	struct diag diag = { 0 };
	uint32_t seconds;

	if (!word)
		return true;
	if (duration_parse(word, min, max, &seconds, &diag) < 0) {
		ctl_fail(ctl, EXIT_USAGE, NULL, "--%s \"%s\": %s", key, word, diag.text);
		return false;
	}
	json_object_set_new(args, key, json_integer(seconds));
	return true;
}

json_t *ask_args(const struct ctl *ctl, const struct invocation *call, int *code)
{
	static const struct {
		enum opt opt;
		const char *key;
	} flags[] = { { OPT_WIDE, "wide" }, { OPT_FORCE, "force" }, { OPT_ACCEPT, "accept" },
		      { OPT_DRY_RUN, "dry_run" } };
	json_t *args = json_object();
	const char *comment = call->value[OPT_COMMENT];
	bool off = call->command->options & OPT_BIT(OPT_ACCEPT); /* its --for is a trial's */
	struct diag diag = { 0 };

	*code = EXIT_USAGE;
	if (!set_time(ctl, args, "for", call->value[OPT_FOR], off ? POLICY_TIMEOUT_MIN : 1, off ? DISABLE_FOR_MAX : FOR_MAX) ||
	    !set_time(ctl, args, "timeout", call->value[OPT_TIMEOUT], POLICY_TIMEOUT_MIN, POLICY_TIMEOUT_MAX))
		goto fail;
	if (comment) {
		if (entry_comment_check(comment, &diag) < 0) {
			ctl_fail(ctl, EXIT_USAGE, NULL, "--comment \"%s\": %s", comment, diag.text);
			goto fail;
		}
		json_object_set_new(args, "comment", json_string(comment));
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (call->value[flags[i].opt])
			json_object_set_new(args, flags[i].key, json_true());
	/* what can go on trial: a person sees what it cuts, a script would not */
	if (call->command->options & OPT_BIT(OPT_TIMEOUT) && isatty(STDIN_FILENO))
		json_object_set_new(args, "interactive", json_true());
	return args;
fail:
	json_decref(args);
	return NULL;
}
