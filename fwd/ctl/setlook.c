/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/ctl/setlook.h"
#include "rules/setfile.h"
#include "rules/verdict.h"

#define SETS_MAX 256 /* sets of one file */

/* What covers the source, by prefix length: at most one network each. */
struct covering {
	bool present, nomatch;
	uint64_t until; /* 0: for ever */
};

struct look_set {
	char name[SET_NAME_MAX + 1];
	bool unreadable; /* holds something else than networks */
	struct covering by_len[129];
};

struct setlook {
	struct addr source;
	uint64_t now;
	bool commands; /* the file says more than create, add and del */
	struct look_set *sets;
	size_t n_sets;
};

int setlook_new(const struct addr *source, uint64_t now, struct setlook **ret)
{
	struct setlook *setlook = calloc(1, sizeof(*setlook));

	if (!setlook)
		return -ENOMEM;
	setlook->source = *source;
	setlook->now = now;
	*ret = setlook;
	return 0;
}

void setlook_free(struct setlook *setlook)
{
	if (!setlook)
		return;
	free(setlook->sets);
	free(setlook);
}

static struct look_set *find(const struct setlook *setlook, const char *name)
{
	for (size_t i = 0; i < setlook->n_sets; i++)
		if (strcmp(setlook->sets[i].name, name) == 0)
			return &setlook->sets[i];
	return NULL;
}

static int create(struct setlook *setlook, const struct set_line *line, struct diag *diag)
{
	struct look_set *sets;

	if (find(setlook, line->set))
		return 0; /* as `ipset restore -exist` has it */
	if (setlook->n_sets == SETS_MAX) {
		diag_set(diag, 0, 0, "more than %d sets", SETS_MAX);
		return -EINVAL;
	}
	sets = reallocarray(setlook->sets, setlook->n_sets + 1, sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	setlook->sets = sets;
	sets += setlook->n_sets++;
	memset(sets, 0, sizeof(*sets));
	strcpy(sets->name, line->set);
	/* an empty list:set (the gate, kept for the boot) has no member that could match; members make it unreadable */
	sets->unreadable = strcmp(line->type, "hash:net") != 0 && strcmp(line->type, "hash:ip") != 0 &&
			   strcmp(line->type, "list:set") != 0;
	return 0;
}

static int change(struct setlook *setlook, const struct set_line *line, uint64_t mtime, struct diag *diag)
{
	struct look_set *set = find(setlook, line->set);
	struct covering *covering;

	if (!set) {
		diag_set(diag, 0, 0, "the set %s was not created before", line->set);
		return -EINVAL;
	}
	if (!line->is_net) {
		set->unreadable = set->unreadable || line->kind == SET_LINE_ADD;
		return 0;
	}
	if (!cidr_contains(&line->entry.net, &setlook->source))
		return 0;
	covering = &set->by_len[line->entry.net.len];
	*covering = (struct covering){ 0 };
	if (line->kind == SET_LINE_DEL)
		return 0;
	covering->present = true;
	covering->nomatch = line->nomatch;
	covering->until = line->entry.until ? line->entry.until : line->has_timeout &&
		line->timeout ? mtime + line->timeout : 0;
	return 0;
}

int setlook_read(struct setlook *setlook, const char *text, size_t len, uint64_t mtime, struct diag *diag)
{
	unsigned number = 0;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		struct set_line line;
		int r;

		number++;
		r = setfile_parse_line(text, n, &line, diag);
		if (r == 0 && line.kind == SET_LINE_CREATE)
			r = create(setlook, &line, diag);
		else if (r == 0 && (line.kind == SET_LINE_ADD || line.kind == SET_LINE_DEL))
			r = change(setlook, &line, mtime, diag);
		else if (r == 0 && line.kind == SET_LINE_OTHER)
			setlook->commands = true;
		if (r < 0) {
			diag->line = number;
			return r;
		}
		n += end != NULL;
		text += n;
		len -= n;
	}
	return 0;
}

/* The longest live network that covers the source: -1 if there is none. */
static int longest(const struct setlook *setlook, const struct look_set *set)
{
	for (int len = 128; len >= 0; len--) {
		const struct covering *covering = &set->by_len[len];

		if (covering->present && (covering->until == 0 || covering->until > setlook->now))
			return len;
	}
	return -1;
}

int setlook_match(const char *name, unsigned dim, unsigned src, const struct packet *packet, void *user)
{
	const struct setlook *setlook = user;
	const struct look_set *set = find(setlook, name);
	int len;

	(void)packet;
	if (setlook->commands || !set || set->unreadable || dim != 1 || !(src & 1))
		return -EOPNOTSUPP;
	len = longest(setlook, set);
	return len >= 0 && !set->by_len[len].nomatch;
}

int setlook_entry(const struct setlook *setlook, const char *name, struct cidr *ret)
{
	const struct look_set *set = find(setlook, name);
	int len = set ? longest(setlook, set) : -1;

	if (len < 0)
		return -ENOENT;
	*ret = cidr_of(&setlook->source, (unsigned)len);
	return 0;
}
