/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rules/savename.h"
#include "rules/savereading.h"

enum take { TAKE_NO, TAKE_YES };

static int append(struct target *target, const char *option, const char *value)
{
	size_t size = (target->text ? strlen(target->text) : 0) + strlen(option) + (value ? strlen(value) : 0) + 3;
	char *text = malloc(size);

	if (!text)
		return -ENOMEM;
	snprintf(text, size, "%s%s%s%s%s", target->text ? target->text : "", target->text ? " " : "", option,
		 value ? " " : "", value ? value : "");
	free(target->text);
	target->text = text;
	return TAKE_YES;
}

static int take_reject(const struct savereading *r, const char *option, const char *value)
{
	struct target *target = &r->out->rule.target;
	char text[64];

	if (strcmp(option, "--reject-with") != 0 || target->text || !*value || strpbrk(value, " \t\"'\\"))
		return TAKE_NO;
	if (snprintf(text, sizeof(text), "%s %s", option, value) >= (int)sizeof(text))
		return TAKE_NO;
	if (strcmp(text, savename_reject(r->family)) == 0)
		return TAKE_YES; /* as if nothing were said */
	return target_set_text(target, text) < 0 ? -ENOMEM : TAKE_YES;
}

static int take_log(const struct savereading *r, const char *option, const char *value)
{
	char quoted[256];

	if (strcmp(option, "--log-level") == 0) {
		/* 4, warning, is what it does by itself: iptables leaves it out */
		if (strcmp(value, "4") == 0 || strcasecmp(value, "warning") == 0)
			return TAKE_YES;
		savename_word(value, quoted, sizeof(quoted));
	} else if (strcmp(option, "--log-prefix") == 0) {
		savename_quote(value, quoted, sizeof(quoted));
	} else {
		return TAKE_NO;
	}
	return strlen(value) > 100 ? TAKE_NO : append(&r->out->rule.target, option, quoted);
}

static int take_log_flag(const struct savereading *r, const char *option)
{
	static const char *const flags[] = {
		"--log-tcp-sequence", "--log-tcp-options", "--log-ip-options", "--log-uid", "--log-macdecode",
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(flags[i], option) == 0)
			return append(&r->out->rule.target, option, NULL);
	return TAKE_NO;
}

static int take_nflog(const struct savereading *r, const char *option, const char *value)
{
	struct target *target = &r->out->rule.target;
	uint64_t number;

	if (strcmp(option, "--nflog-prefix") == 0) {
		if (!*value || strlen(value) >= sizeof(target->nflog.prefix) || target->nflog.prefix[0])
			return TAKE_NO;
		snprintf(target->nflog.prefix, sizeof(target->nflog.prefix), "%s", value);
	} else if (strcmp(option, "--nflog-group") == 0 && saveline_number(value, UINT16_MAX, &number)) {
		target->nflog.group = (uint16_t)number;
	} else if (strcmp(option, "--nflog-threshold") == 0 && saveline_number(value, UINT16_MAX, &number)) {
		target->nflog.threshold = (uint16_t)number;
	} else if (strcmp(option, "--nflog-size") == 0 && saveline_number(value, UINT32_MAX, &number) && number) {
		target->nflog.size = (uint32_t)number; /* a size of 0 that is given is not the same as none */
	} else {
		return TAKE_NO;
	}
	return TAKE_YES;
}

/* The target with all its words, from its name on. */
static int make_opaque(struct savereading *r, size_t from)
{
	struct target *target = &r->out->rule.target;

	savereading_swallow(r);
	memset(&target->nflog, 0, sizeof(target->nflog));
	free(target->text);
	target->text = savereading_join(r, from, r->at);
	target->kind = TARGET_OPAQUE;
	return target->text ? 0 : -ENOMEM;
}

static int read_options(struct savereading *r)
{
	const struct saveline *line = r->line;
	enum target_kind kind = r->out->rule.target.kind;
	size_t name = r->at - 1;

	while (r->at < line->n_words) {
		const char *option = line->words[r->at];
		const char *value = r->at + 1 < line->n_words ? line->words[r->at + 1] : NULL;
		int taken = TAKE_NO;

		if (strcmp(option, "!") == 0 || savereading_core(option) || savereading_is_implicit(r, option))
			return 0;
		if (option[0] != '-')
			return savereading_refuse(r, r->at, "an unexpected word");
		if (kind == TARGET_LOG) {
			taken = take_log_flag(r, option);
			if (taken == TAKE_YES) {
				r->at++;
				continue;
			}
		}
		if (taken == TAKE_NO && value)
			taken = kind == TARGET_LOG    ? take_log(r, option, value) :
				kind == TARGET_REJECT ? take_reject(r, option, value) :
							take_nflog(r, option, value);
		if (taken < 0)
			return taken;
		if (taken == TAKE_NO)
			return make_opaque(r, name);
		r->at += 2;
	}
	return 0;
}

int savetarget_read(struct savereading *r, const char *name)
{
	static const struct {
		const char *name;
		enum target_kind kind;
		bool options;
	} known[] = {
		{ "ACCEPT", TARGET_ACCEPT, false }, { "DROP", TARGET_DROP, false }, { "RETURN", TARGET_RETURN, false },
		{ "REJECT", TARGET_REJECT, true }, { "NFLOG", TARGET_NFLOG, true }, { "LOG", TARGET_LOG, true },
	};
	bool chain = table_find_chain(r->table, name);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		if (chain) /* a chain of that name: which is meant? */
			return make_opaque(r, r->at - 1);
		r->out->rule.target.kind = known[i].kind;
		return known[i].options ? read_options(r) : 0;
	}
	if (chain)
		return rule_set_target(&r->out->rule, TARGET_JUMP, name);
	return make_opaque(r, r->at - 1);
}
