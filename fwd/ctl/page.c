/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/posture.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/text.h"
#include "rules/policy.h"

#define PAGE_ENTRIES 10

/* The first networks of the whitelist. 0, or an exit code after having spoken. */
static int show_let_in(const struct ctl *ctl, struct client *client, const char *heading)
{
	struct answer answer;
	long long n = 0;
	int code = ask(ctl, client, "list", json_pack("{s:s}", "list", LIST_MAIN), false, &answer);

	if (code)
		return code;
	if (json_object_get(answer.json, "error")) {
		answer_told(ctl, &answer);
		code = EXIT_REFUSED;
	} else if (json_number(answer_result(&answer), "entries") > 0) {
		printf("\n%s\n", heading);
		n = show_entries(ctl, answer.fd, PAGE_ENTRIES, "  ");
		if (n > PAGE_ENTRIES)
			printf("  ... and %lld more: fwctl list\n", n - PAGE_ENTRIES);
	}
	answer_clear(&answer);
	return code ? code : n < 0 ? EXIT_REFUSED : 0;
}

static void show_lists(const json_t *status)
{
	bool heading = false;
	size_t i;
	json_t *list;

	json_array_foreach(json_object_get(status, "lists"), i, list) {
		char count[64];

		if (strcmp(json_text(list, "name"), LIST_MAIN) == 0)
			continue;
		if (!heading)
			puts("\nLists with limits");
		heading = true;
		count_format(json_number(list, "v4") + json_number(list, "v6"), "network", "networks", count,
			     sizeof(count));
		printf("  %s: ", count);
		fputs("fwctl list ", stdout);
		text_print(stdout, json_text(list, "name"));
		putchar('\n');
	}
}

static const char *next_step(const json_t *status)
{
	const char *state = json_text(status, "state"), *wish = json_text(status, "wish");
	json_int_t networks = 0;
	size_t i;
	json_t *list;

	json_array_foreach(json_object_get(status, "lists"), i, list)
		networks += json_number(list, "v4") + json_number(list, "v6");
	if (posture_is_disabled(status))
		return "fwctl rollback brings the firewall back now, fwctl confirm leaves it off for good.";
	if (strcmp(state, "trial") == 0)
		return "fwctl confirm keeps what is on trial, fwctl rollback ends it now.";
	if (strcmp(state, "off") == 0 && networks == 0)
		return "fwctl allow me puts your own address on the whitelist, fwctl enable closes the host, on trial.";
	if (strcmp(state, "off") == 0)
		return "fwctl enable closes the host to everybody else, on trial until fwctl confirm.";
	if (strcmp(state, "on") != 0)
		return "fwctl diff shows what differs, fwctl status all that is known.";
	if (strcmp(wish, "differs") == 0)
		return "fwctl diff, then fwctl reload.";
	if (networks == 0)
		return "fwctl allow NET lets a network in, fwctl allow me your own address.";
	return "fwctl allow NET lets another network in, fwctl why SRC tcp/PORT tells who gets in and why, "
	       "fwctl help lists all.";
}

int run_page(const struct ctl *ctl, const struct invocation *call)
{
	struct answer answer;
	struct client *client;
	const json_t *status;
	bool closed, off;
	int code = ask_open(ctl, &client);

	(void)call;
	if (code)
		return code;
	code = ask(ctl, client, "status", NULL, false, &answer);
	if (code) {
		client_close(client);
		return code;
	}
	if (!answer_told(ctl, &answer)) {
		status = answer_result(&answer);
		closed = show_sentence(ctl, status) == POSTURE_CLOSED;
		off = strcmp(json_text(status, "state"), "off") == 0 || posture_is_disabled(status);
		/* "let in" only where the daemon's verdict makes it a difference */
		code = show_let_in(ctl, client, off ? "On the whitelist, for when the firewall is on" :
				   closed ? "Let in, to every port" : "On the whitelist");
		show_lists(status);
		show_attention(ctl, status);
		putchar('\n');
		text_fill(ctl, stdout, "Next: ", "      ", next_step(status));
	}
	if (code == 0)
		code = answer.exit;
	answer_clear(&answer);
	client_close(client);
	return code;
}
