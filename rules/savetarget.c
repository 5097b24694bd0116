/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/savename.h"
#include "rules/savereading.h"

enum take { TAKE_NO, TAKE_YES };

/* What stands behind LOG; iptables prints it in its own order. */
struct log {
	char prefix[30]; /* struct xt_log_info: iptables cuts there */
	unsigned level;
	unsigned flags; /* bit i: log_flags[i] */
};

static const char *const log_flags[] = {
	"--log-tcp-sequence", "--log-tcp-options", "--log-ip-options", "--log-uid", "--log-macdecode",
};
#define LOG_FLAGS (sizeof(log_flags) / sizeof(log_flags[0]))
#define LOG_LEVEL 4 /* warning; it goes unsaid */

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

static int take_log(struct log *log, const char *option, const char *value)
{
	static const char *const levels[] = {
		"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
	};
	uint64_t number;

	if (strcmp(option, "--log-prefix") == 0 && *value) {
		snprintf(log->prefix, sizeof(log->prefix), "%s", value);
		return TAKE_YES;
	}
	if (strcmp(option, "--log-level") != 0)
		return TAKE_NO;
	for (unsigned i = 0; i < 8; i++) {
		if (strcmp(levels[i], value) == 0) {
			log->level = i;
			return TAKE_YES;
		}
	}
	if (!saveline_number(value, 7, &number))
		return TAKE_NO;
	log->level = (unsigned)number;
	return TAKE_YES;
}

static int take_log_flag(struct log *log, const char *option)
{
	for (size_t i = 0; i < LOG_FLAGS; i++) {
		if (strcmp(log_flags[i], option) == 0) {
			log->flags |= 1u << i;
			return TAKE_YES;
		}
	}
	return TAKE_NO;
}

static int set_log(struct target *target, const struct log *log)
{
	char text[256] = "", quoted[2 * sizeof(log->prefix) + 4];
	size_t n = 0;

	if (log->prefix[0]) {
		savename_quote(log->prefix, quoted, sizeof(quoted));
		n += (size_t)snprintf(text + n, sizeof(text) - n, " --log-prefix %s", quoted);
	}
	if (log->level != LOG_LEVEL)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " --log-level %u", log->level);
	for (size_t i = 0; i < LOG_FLAGS; i++)
		if (log->flags >> i & 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", log_flags[i]);
	return target_set_text(target, n ? text + 1 : NULL);
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

static int take(struct savereading *r, struct log *log, const char *option, const char *value)
{
	switch (r->out->rule.target.kind) {
	case TARGET_LOG:
		return take_log(log, option, value);
	case TARGET_REJECT:
		return take_reject(r, option, value);
	default:
		return take_nflog(r, option, value);
	}
}

static int read_options(struct savereading *r)
{
	const struct saveline *line = r->line;
	struct target *target = &r->out->rule.target;
	struct log log = { .level = LOG_LEVEL };
	size_t name = r->at - 1;

	while (r->at < line->n_words) {
		const char *option = line->words[r->at];
		const char *value = r->at + 1 < line->n_words ? line->words[r->at + 1] : NULL;
		int taken = TAKE_NO;

		if (strcmp(option, "!") == 0 || savereading_core(option) || savereading_is_implicit(r, option))
			break;
		if (option[0] != '-')
			return savereading_refuse(r, r->at, "an unexpected word");
		if (target->kind == TARGET_LOG && take_log_flag(&log, option) == TAKE_YES) {
			r->at++;
			continue;
		}
		if (value)
			taken = take(r, &log, option, value);
		if (taken < 0)
			return taken;
		if (taken == TAKE_NO)
			return make_opaque(r, name);
		r->at += 2;
	}
	return target->kind == TARGET_LOG ? set_log(target, &log) : 0;
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
