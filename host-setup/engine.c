/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host plan`, `apply`, `check` and `undo`: one walk over the table of steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-setup/commands.h"
#include "host-setup/fetch.h"
#include "host-setup/step.h"
#include "host-setup/text.h"

#define STEPS_MAX 16

struct walk {
	struct host host;
	const struct call *call;
	json_t *told; /* of --json */
	size_t todo, blocked;
	bool changed;
	struct fault fault;
};

/* Whether --skip (or, with --only, not --only) names it. */
static bool is_left_out(const struct call *call, const char *name)
{
	const char *list = call->value[OPT_ONLY] ? call->value[OPT_ONLY] : call->value[OPT_SKIP];
	size_t len = strlen(name);
	bool named = false;

	for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
		named |= strncmp(at, name, len) == 0 && (at[len] == ',' || !at[len]);
	return call->value[OPT_ONLY] ? !named : named;
}

static bool names_are_steps(const struct call *call)
{
	const char *list = call->value[OPT_ONLY] ? call->value[OPT_ONLY] : call->value[OPT_SKIP];
	struct fault fault = { 0 };

	if (call->value[OPT_ONLY] && call->value[OPT_SKIP]) {
		fault_set(&fault, 0, "--only and --skip do not go together");
		call_fail(call, HOST_USAGE, &fault);
		return false;
	}
	for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
		size_t len = strcspn(at, ",");
		bool known = false;

		for (const struct step *step = step_table; step->name; step++)
			known |= strlen(step->name) == len && strncmp(at, step->name, len) == 0;
		if (!known) {
			fault_set(&fault, 0, "\"%.*s\" is no step", (int)len, at);
			call_fail(call, HOST_USAGE, &fault);
			return false;
		}
	}
	return true;
}

static int end(struct walk *walk, int code)
{
	host_end(&walk->host);
	json_decref(walk->told);
	return code;
}

static int begin(struct walk *walk, const struct call *call, bool change)
{
	struct fault fault = { 0 };

	*walk = (struct walk){ .call = call };
	if (!names_are_steps(call))
		return HOST_USAGE;
	if (host_begin(&walk->host, call, change, &fault) < 0) {
		host_end(&walk->host);
		return call_fail(call, HOST_REFUSED, &fault);
	}
	walk->told = json_array();
	return fetch_source(call, &walk->host.source) ? 0 : end(walk, HOST_USAGE);
}

static void tell_json(struct walk *walk, const struct step *step, const char *state, const char *text, int changed)
{
	char *clean = text_escape(text);
	json_t *one = json_pack("{s:s,s:s,s:s,s:s}", "step", step->name, "state", state, "reason", step->reason, "text",
				clean ? clean : "");

	if (changed >= 0)
		json_object_set_new(one, "changed", json_boolean(changed));
	json_array_append_new(walk->told, one);
	free(clean);
}

static void tell(struct walk *walk, const struct step *step, const char *state, const struct fault *fault)
{
	if (walk->call->value[OPT_JSON])
		return;
	printf("%-8s  %-10s  ", state, step->name);
	text_put(stdout, fault->text[0] ? fault->text : step->reason);
	putchar('\n');
	if (fault->hint[0]) {
		printf("%22s", "");
		text_put(stdout, fault->hint);
		putchar('\n');
	}
	fflush(stdout);
}

/* All checks; counts what is to do. */
static void survey(struct walk *walk)
{
	for (const struct step *step = step_table; step->name; step++) {
		struct fault say = { 0 };
		int r;

		if (is_left_out(walk->call, step->name))
			continue;
		r = step->check(&walk->host, &say);
		walk->todo += r == 0;
		walk->blocked += r < 0;
		tell(walk, step, r < 0 ? "trouble" : r ? "right" : "to do", &say);
		tell_json(walk, step, r < 0 ? "trouble" : r ? "right" : "todo", say.text, -1);
	}
}

static int answer(struct walk *walk, int code, bool could_change)
{
	if (walk->call->value[OPT_JSON])
		call_answer(walk->call, code, could_change ? walk->changed : -1,
			    json_pack("{s:O}", "steps", walk->told));
	return code;
}

int run_plan(const struct call *call)
{
	struct walk walk;
	int code = begin(&walk, call, false);

	if (code)
		return code;
	survey(&walk);
	return end(&walk, answer(&walk, HOST_DONE, false));
}

int run_check(const struct call *call)
{
	struct walk walk;
	int code = begin(&walk, call, false);

	if (code)
		return code;
	survey(&walk);
	return end(&walk, answer(&walk, walk.todo || walk.blocked ? HOST_TODO : HOST_DONE, false));
}

/* Whether it may go on: --yes, or a person says so. */
static bool agreed(const struct call *call, const char *question, struct fault *fault)
{
	char line[16];

	if (call->value[OPT_YES])
		return true;
	if (!isatty(STDIN_FILENO) || call->value[OPT_JSON]) {
		fault_set(fault, 0, "nobody is here to agree: --yes does it");
		return false;
	}
	fprintf(stderr, "%s [y/N] ", question);
	if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
		return true;
	fault_set(fault, 0, "nothing was changed");
	return false;
}

/* 1 if something was done. */
static int apply_one(struct walk *walk, const struct step *step)
{
	struct fault say = { 0 };
	int r = step->check(&walk->host, &say);

	if (r == 1) {
		tell_json(walk, step, "right", say.text, 0);
		return 0;
	}
	if (r == 0) {
		tell(walk, step, "doing", &say);
		walk->fault = (struct fault){ 0 };
		walk->changed = true;
		r = step->apply(&walk->host, &walk->fault);
		if (r == 0) {
			say = (struct fault){ 0 };
			r = step->check(&walk->host, &say);
			if (r == 0)
				r = fault_set(&walk->fault, -1, "it was done, but still it has to: %s", say.text);
			else if (r < 0)
				walk->fault = say;
		}
	} else {
		walk->fault = say;
	}
	tell_json(walk, step, r < 0 ? "failed" : "done", r < 0 ? walk->fault.text : say.text, r >= 0);
	return r;
}

static int fail_step(struct walk *walk, const struct step *step)
{
	struct fault fault = walk->fault;

	if (walk->call->value[OPT_JSON]) {
		return answer(walk, HOST_REFUSED, true);
	}
	snprintf(fault.text, sizeof(fault.text), "%s: %.480s", step->name, walk->fault.text);
	return call_fail(walk->call, HOST_REFUSED, &fault);
}

static int apply_all(struct walk *walk)
{
	for (const struct step *step = step_table; step->name; step++)
		if (!is_left_out(walk->call, step->name) && apply_one(walk, step) < 0)
			return fail_step(walk, step);
	if (!walk->call->value[OPT_JSON])
		puts(walk->changed ? "All steps are done." : "All steps were right already.");
	if (walk->host.trial && !walk->call->value[OPT_JSON])
		puts("The firewall is on trial. Log in a second time, from another terminal, and say there: fwctl confirm\n"
		     "Without it everything is as before when the trial is over.");
	return answer(walk, walk->host.trial ? HOST_TRIAL : HOST_DONE, true);
}

int run_apply(const struct call *call)
{
	struct fault fault = { 0 };
	struct walk walk;
	int code = begin(&walk, call, true);

	if (code)
		return code;
	if (!call->value[OPT_JSON])
		survey(&walk);
	json_array_clear(walk.told);
	if ((walk.todo || call->value[OPT_JSON]) && !agreed(call, "Do what is to do?", &fault))
		return end(&walk, call_fail(call, HOST_REFUSED, &fault));
	return end(&walk, apply_all(&walk));
}

static int undo_one(struct walk *walk, const struct step *step)
{
	int r;

	walk->fault = (struct fault){ 0 };
	r = step->undo(&walk->host, &walk->fault);
	if (r == 0) {
		r = state_drop(&walk->host, step->name, &walk->fault);
		walk->changed = true;
	}
	if (r >= 0)
		tell(walk, step, r ? "kept" : "undone", &walk->fault);
	tell_json(walk, step, r < 0 ? "failed" : r ? "kept" : "undone", walk->fault.text, r == 0);
	return r < 0 ? r : 0;
}

int run_undo(const struct call *call)
{
	const struct step *steps[STEPS_MAX];
	struct fault fault = { 0 };
	struct walk walk;
	size_t n = 0;
	int code = begin(&walk, call, true);

	if (code)
		return code;
	walk.host.forget = true;
	for (const struct step *step = step_table; step->name && n < STEPS_MAX; step++) {
		if (!state_of(&walk.host, step->name) || is_left_out(call, step->name))
			continue;
		steps[n++] = step;
		if (!call->value[OPT_JSON])
			printf("to undo   %-10s  %s\n", step->name, step->reason);
	}
	if (n && !agreed(call, "Undo these?", &fault))
		return end(&walk, call_fail(call, HOST_REFUSED, &fault));
	for (int last = 0; last < 2; last++)
		for (size_t i = n; i-- > 0;)
			if (steps[i]->undo_last == last && undo_one(&walk, steps[i]) < 0)
				return end(&walk, fail_step(&walk, steps[i]));
	if (!call->value[OPT_JSON] && !walk.changed)
		puts("There is nothing to undo.");
	return end(&walk, answer(&walk, HOST_DONE, true));
}
