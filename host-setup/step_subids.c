/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step "subids": the ids that the user may use inside containers, overlapping nobody's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/commands.h"
#include "host-setup/files.h"
#include "host-setup/run.h"
#include "host-setup/step.h"
#include "host-setup/text.h"

#define COUNT 65536u
#define FIRST 100000u
#define NAME "subids"

static const char *const files[] = { "/etc/subuid", "/etc/subgid" };
static struct idmap maps[2]; /* uids, gids */

/* Files that are missing are empty. */
static int load(const struct host *host, const struct account *account, struct fault *fault)
{
	for (int i = 0; i < 2; i++) {
		char *text = NULL;
		int r = files_read(host->root, files[i], &text, fault);

		if (r < 0 && r != -ENOENT)
			return r;
		r = idmap_parse(text ? text : "", files[i], account, i == 0 ? account->uid : account->gid, &maps[i],
				fault);
		free(text);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool wished_start(const struct host *host, uint32_t *ret)
{
	const char *text = host->call->value[OPT_SUBID_START];

	return text && text_number(text, ret);
}

/* Whether a line of anybody but @except has an id of the range. */
static bool is_taken(const char *text, const char *except, uint32_t start)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		unsigned long long from, count;
		size_t len = strcspn(text, ":\n");

		if (text[len] != ':' || (except && len == strlen(except) && strncmp(text, except, len) == 0) ||
		    sscanf(text + len, ":%llu:%llu", &from, &count) != 2)
			continue;
		if (from < (unsigned long long)start + COUNT && start < from + count)
			return true;
	}
	return false;
}

static int find_start(const struct host *host, uint32_t *ret, struct fault *fault)
{
	char *texts[2] = { NULL, NULL };
	uint32_t start = FIRST, wish;
	bool wished = wished_start(host, &wish);
	int r = 0;

	for (int i = 0; i < 2; i++)
		files_read(host->root, files[i], &texts[i], NULL);
	if (wished)
		start = wish;
	for (;; start += COUNT) {
		bool taken = start > UINT32_MAX - 2 * COUNT;

		for (int i = 0; i < 2; i++)
			taken |= texts[i] && is_taken(texts[i], wished ? host->user : NULL, start);
		if (!taken)
			break;
		if (wished || start > UINT32_MAX - 2 * COUNT) {
			r = fault_set(fault, -EEXIST, "--subid-start %u: somebody else has ids from %u to %u", start,
				      start,
				      start + COUNT - 1);
			break;
		}
	}
	free(texts[0]);
	free(texts[1]);
	if (r == 0)
		*ret = start;
	return r;
}

/* 1 if the ranges are as wished. */
static int judge(const struct host *host, struct fault *say)
{
	const char *text = host->call->value[OPT_SUBID_START];
	uint32_t start;

	if (text && !text_number(text, &start))
		return fault_set(say, -EINVAL, "--subid-start: \"%s\" is no number", text);
	for (int i = 0; i < 2; i++) {
		if (idmap_last(&maps[i]) < COUNT)
			return fault_set(say, 0, "give %s %u ids in /etc/subuid and /etc/subgid", host->user, COUNT);
		if (text && maps[i].ranges[0].start != start)
			return fault_set(say, 0,
					 "let the ids of %s start at %u instead of %u: files of existing containers "
					 "and volumes keep their old owners", host->user, start, maps[i].ranges[0].start);
	}
	return 1;
}

int subids_check(struct host *host, struct fault *say)
{
	struct account account;
	int r = host_account(host, &account, say);

	if (r == -ENOENT)
		return fault_set(say, 0, "give %s %u ids in /etc/subuid and /etc/subgid", host->user, COUNT);
	if (r == 0)
		r = load(host, &account, say);
	return r < 0 ? r : judge(host, say);
}

/* usermod with @verb ("add", "del") for one range of the file @i. */
static int change(const struct host *host, const char *verb, int i, uint32_t start, uint32_t count, struct fault *fault)
{
	char option[32], range[32];
	const char *argv[] = { "usermod", option, range, host->user, NULL };

	snprintf(option, sizeof(option), "--%s-sub%ss", verb, i == 0 ? "uid" : "gid");
	snprintf(range, sizeof(range), "%u-%u", start, start + count - 1);
	return run_must(argv, NULL, fault);
}

/* The ranges that are there and do not go with the wished start: taken away; the state has them, for undo. */
static int clear_old(struct host *host, uint32_t start, struct fault *fault)
{
	int r = 0;

	for (int i = 0; i < 2; i++)
		for (size_t j = 0; r == 0 && j < maps[i].n; j++) {
			const struct idmap_range *range = &maps[i].ranges[j];

			if (range->start == start && range->count == COUNT)
				continue;
			r = change(host, "del", i, range->start, range->count, fault);
		}
	return r;
}

static json_t *ranges_json(void)
{
	json_t *ret = json_array();

	for (int i = 0; i < 2; i++)
		for (size_t j = 0; j < maps[i].n; j++)
			json_array_append_new(ret, json_pack("[i,I,I]", i, (json_int_t)maps[i].ranges[j].start,
							     (json_int_t)maps[i].ranges[j].count));
	return ret;
}

int subids_apply(struct host *host, struct fault *fault)
{
	json_t *state = state_of(host, NAME), *old;
	struct account account;
	uint32_t start = 0;
	int r = host_account(host, &account, fault);

	if (r == 0)
		r = load(host, &account, fault);
	if (r == 0)
		r = find_start(host, &start, fault);
	if (r < 0)
		return r;
	if (state && !host->call->value[OPT_SUBID_START]) /* an earlier run began with that */
		start = (uint32_t)json_integer_value(json_object_get(state, "start"));
	old = state ? json_incref(json_object_get(state, "old")) : ranges_json();
	r = state_put(host, NAME, json_pack("{s:I,s:o}", "start", (json_int_t)start, "old", old), fault);
	if (r == 0 && host->call->value[OPT_SUBID_START])
		r = clear_old(host, start, fault);
	for (int i = 0; r == 0 && i < 2; i++)
		r = change(host, "add", i, start, COUNT, fault);
	/* the article: a change is seen by a new containerd only */
	return r == 0 ? service_restart(host, fault) : r;
}

int subids_undo(struct host *host, struct fault *fault)
{
	const json_t *state = state_of(host, NAME), *old = json_object_get(state, "old");
	uint32_t start = (uint32_t)json_integer_value(json_object_get(state, "start"));
	struct account account;
	json_t *range;
	size_t n;
	int r = 0;

	/* a user of ours takes his ranges with him */
	if (host_account(host, &account, NULL) < 0 || state_of(host, "user"))
		return 0;
	for (int i = 0; r == 0 && i < 2; i++)
		r = change(host, "del", i, start, COUNT, fault);
	json_array_foreach(old, n, range)
		if (r == 0)
			r = change(host, "add", (int)json_integer_value(json_array_get(range, 0)),
				   (uint32_t)json_integer_value(json_array_get(range, 1)),
				   (uint32_t)json_integer_value(json_array_get(range, 2)), fault);
	return r;
}
