/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host doctor`: every step's check, then every question; each trouble with what to do next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/doctor.h"
#include "host-setup/step.h"
#include "host-setup/text.h"

struct examination {
	const struct call *call;
	struct host host;
	json_t *told;
	size_t troubles;
};

static void tell(struct examination *exam, const char *group, const char *name, const char *state,
		 const struct fault *say)
{
	char *text = text_escape(say->text), *hint = text_escape(say->hint);

	json_array_append_new(exam->told, json_pack("{s:s,s:s,s:s,s:s,s:s}", "group", group, "name", name, "state",
						    state, "text",
						    text ? text : "", "hint", hint ? hint : ""));
	if (!exam->call->value[OPT_JSON]) {
		printf("%-8s  %-9s  %s%s%s\n", state, group, name, text && *text ? ": " : "", text ? text : "");
		if (hint && *hint)
			printf("%21s%s\n", "", hint);
		fflush(stdout);
	}
	free(text);
	free(hint);
}

static void ask_steps(struct examination *exam)
{
	for (const struct step *step = step_table; step->name; step++) {
		struct fault say = { 0 };
		int r = step->check(&exam->host, &say);

		if (r == 0 && !say.hint[0])
			fault_hint(&say, "fwctl host apply does it.");
		exam->troubles += r <= 0;
		tell(exam, "steps", step->name, r > 0 ? "well" : "trouble", &say);
	}
}

static void ask_questions(struct examination *exam)
{
	for (const struct question *question = question_table; question->name; question++) {
		struct fault say = { 0 };
		int r;

		if (question->needs_image && !exam->call->value[OPT_IMAGE]) {
			fault_set(&say, 0, "not tried without --image IMAGE");
			tell(exam, question->group, question->name, "untried", &say);
			continue;
		}
		r = question->ask(&exam->host, &say);
		exam->troubles += r <= 0;
		tell(exam, question->group, question->name, r > 0 ? "well" : "trouble", &say);
	}
}

int run_doctor(const struct call *call)
{
	struct examination exam = { .call = call };
	struct fault fault = { 0 };
	int code = HOST_DONE;

	if (host_begin(&exam.host, call, false, &fault) < 0) {
		host_end(&exam.host);
		return call_fail(call, HOST_REFUSED, &fault);
	}
	exam.told = json_array();
	ask_steps(&exam);
	ask_questions(&exam);
	code = exam.troubles ? HOST_TODO : HOST_DONE;
	if (call->value[OPT_JSON])
		call_answer(call, code, -1, json_pack("{s:O}", "findings", exam.told));
	else
		puts(exam.troubles ? "Something is to do: see above." : "All is well.");
	json_decref(exam.told);
	host_end(&exam.host);
	return code;
}
