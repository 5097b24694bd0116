/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/networks.h"
#include "fwd/ctl/request.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/whyfiles.h"

static int why_daemon(const struct ctl *ctl, const char *source, const char *proto, unsigned port, const char *subject)
{
	json_t *args = json_pack("{s:s,s:s}", "source", source, "proto", proto);
	struct answer answer;
	struct client *client;
	int code = ask_open(ctl, &client);

	if (code) {
		json_decref(args);
		return code;
	}
	if (port)
		json_object_set_new(args, "port", json_integer(port));
	code = ask(ctl, client, "why", args, false, &answer);
	client_close(client);
	if (code)
		return code;
	if (!answer_told(ctl, &answer))
		show_ways(ctl, subject, answer_result(&answer));
	code = answer.exit;
	answer_clear(&answer);
	return code;
}

static int why_files(const struct ctl *ctl, const char *dir, const struct whyfiles_question *question,
		     const char *subject)
{
	char where[512];
	struct diag diag = { 0 };
	json_t *way;
	int r = whyfiles(dir, question, &way, where, sizeof(where), &diag);

	if (r < 0 && diag.line)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s:%u: %s", where, diag.line, diag.text);
	if (r < 0)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", where, diag.text[0] ? diag.text : strerror(-r));
	way = json_pack("{s:o}", "now", way);
	if (ctl->json) {
		ctl_print_json(json_pack("{s:i,s:o}", "exit", 0, "result", way));
		return EXIT_DONE;
	}
	show_ways(ctl, subject, way);
	json_decref(way);
	return EXIT_DONE;
}

int run_why(const struct ctl *ctl, const struct invocation *call)
{
	const char *source = call->words[0], *service = call->words[1];
	struct whyfiles_question question = { 0 };
	char me[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX], subject[160];
	struct diag diag = { 0 };
	int code = 0;

	if (strcmp(source, "me") == 0) {
		code = me_resolve(ctl, true, me);
		source = me;
	}
	if (code)
		return code;
	if (address_check(source, &question.source, &diag) < 0)
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\": %s", source, diag.text);
	if (service_check(service, &question.proto, &question.port, &diag) < 0)
		return ctl_fail(ctl, EXIT_USAGE, NULL, "\"%s\": %s", service, diag.text);
	addr_format(&question.source, text);
	snprintf(subject, sizeof(subject), "%s to %s", text, service);
	if (call->value[OPT_FILES])
		return why_files(ctl, call->value[OPT_FILES], &question, subject);
	return why_daemon(ctl, text, question.proto, question.port, subject);
}
