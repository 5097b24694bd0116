/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/caller.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/networks.h"
#include "fwd/ctl/request.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"
#include "rules/policy.h"

int request_run(const struct ctl *ctl, const struct command *command, json_t *args)
{
	struct answer answer;
	struct client *client;
	int code = ask_open(ctl, &client);

	if (code) {
		json_decref(args);
		return code;
	}
	code = ask(ctl, client, command->verb, args, (command->options & OPT_BIT(OPT_DRY_RUN)) != 0, &answer);
	client_close(client);
	if (code)
		return code;
	if (!answer_told(ctl, &answer))
		command->show(ctl, &answer);
	code = answer.exit;
	answer_clear(&answer);
	return code;
}

int run_simple(const struct ctl *ctl, const struct invocation *call)
{
	int code;
	json_t *args = ask_args(ctl, call, &code);

	return args ? request_run(ctl, call->command, args) : code;
}

int run_extend(const struct ctl *ctl, const struct invocation *call)
{
	struct diag diag = { 0 };
	uint32_t seconds;
	int code;
	json_t *args = ask_args(ctl, call, &code);

	if (!args)
		return code;
	if (duration_parse(call->words[0], 1, POLICY_TIMEOUT_MAX, &seconds, &diag) < 0) {
		json_decref(args);
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\": %s", call->words[0], diag.text);
	}
	json_object_set_new(args, "seconds", json_integer(seconds));
	return request_run(ctl, call->command, args);
}

int run_wait(const struct ctl *ctl, const struct invocation *call)
{
	struct answer answer;
	struct client *client;
	int code = ask_open(ctl, &client);

	if (code)
		return code;
	client_be_patient(client);
	code = ask(ctl, client, "wait", NULL, false, &answer);
	client_close(client);
	if (code)
		return code;
	if (!answer_told(ctl, &answer))
		call->command->show(ctl, &answer);
	code = answer.exit;
	answer_clear(&answer);
	return code;
}

int me_resolve(const struct ctl *ctl, bool whole, char ret[static ADDR_TEXT_MAX])
{
	struct caller caller;
	struct diag diag = { 0 };
	const char *kind;

	caller_find(true, &caller);
	if (!caller.ssh[0])
		return ctl_fail(ctl, EXIT_REFUSED, "Name the address instead.",
				"\"me\": this is no SSH session (no SSH_CONNECTION here nor in a process above)");
	if (caller_network(caller.ssh, whole, ret, &diag) < 0)
		return ctl_fail(ctl, EXIT_REFUSED, "Name the network instead.", "\"me\": %s", diag.text);
	if (ctl->json)
		return 0;
	kind = strchr(ret, '/') ? ", the /64 that your address lies in" : "";
	printf("me is %s%s, by SSH_CONNECTION.\n", ret, kind);
	if (caller.detached)
		puts("No sshd is above this process (tmux, screen?): that may be the address of an earlier login.");
	return 0;
}

/* The words as the protocol takes them, or NULL after having spoken, with *code set. */
static json_t *network_list(const struct ctl *ctl, const struct invocation *call, int *code)
{
	json_t *list = json_array();

	for (size_t i = 0; i < call->n_words; i++) {
		const char *word = call->words[i];
		char me[ADDR_TEXT_MAX];
		struct diag diag = { 0 };

		*code = 0;
		if (strcmp(word, "me") == 0) {
			*code = me_resolve(ctl, false, me);
			word = me;
		} else if (network_check(word, &diag) < 0) {
			*code = ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\": %s", word, diag.text);
		}
		if (*code) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, json_string(word));
	}
	return list;
}

int run_networks(const struct ctl *ctl, const struct invocation *call)
{
	int code;
	json_t *args = ask_args(ctl, call, &code), *list;

	if (!args)
		return code;
	list = network_list(ctl, call, &code);
	if (!list) {
		json_decref(args);
		return code;
	}
	json_object_set_new(args, "networks", list);
	return request_run(ctl, call->command, args);
}

int run_list(const struct ctl *ctl, const struct invocation *call)
{
	struct answer answer;
	struct client *client;
	const char *name;
	int code = ask_open(ctl, &client);

	if (code)
		return code;
	code = ask(ctl, client, "list", call->n_words ? json_pack("{s:s}", "list", call->words[0]) : NULL, false,
		   &answer);
	client_close(client);
	if (code)
		return code;
	code = answer.exit;
	if (ctl->json && answer_result(&answer)) {
		print_entries_json(&answer);
	} else if (!answer_told(ctl, &answer)) {
		name = json_text(answer_result(&answer), "list");
		if (json_number(answer_result(&answer), "entries") == 0)
			printf("The list %s is empty. fwctl allow NET lets a network in.\n", name);
		else if (show_entries(ctl, answer.fd, 0, "") < 0)
			code = EXIT_REFUSED;
	}
	answer_clear(&answer);
	return code;
}
