/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-setup/account.h"
#include "host-setup/fault.h"
#include "host-setup/files.h"
#include "host-setup/text.h"

#define FIELDS_MAX 8

int account_name_check(const char *name, struct fault *fault)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	if (!len || name[len] || len > ACCOUNT_NAME_MAX || strchr("0123456789-", name[0]))
		return fault_set(fault, -EINVAL, "\"%s\" is no name of a user", name);
	return 0;
}

/* Copies the line at @text into @line and cuts it at its colons. Returns the number of fields, 0 for one that is too
 * long. */
static size_t split(const char *text, char *line, size_t size, char *ret[static FIELDS_MAX])
{
	size_t len = strcspn(text, "\n"), n = 0;
	char *at = line;

	if (len >= size)
		return 0;
	memcpy(line, text, len);
	line[len] = '\0';
	while (n < FIELDS_MAX) {
		ret[n++] = at;
		at = strchr(at, ':');
		if (!at)
			return n;
		*at++ = '\0';
	}
	return n + 1; /* more than anybody asks for */
}

static const char *next_line(const char *text)
{
	text += strcspn(text, "\n");
	return *text ? text + 1 : text;
}

int account_find(const char *passwd, const char *name, struct account *ret, struct fault *fault)
{
	char line[PATH_MAX + 1024], *field[FIELDS_MAX];
	int r = account_name_check(name, fault);

	if (r < 0)
		return r;
	for (; *passwd; passwd = next_line(passwd)) {
		struct account found = { 0 };
		size_t n = split(passwd, line, sizeof(line), field);

		if (!n || strcmp(field[0], name) != 0)
			continue;
		if (n != 7 || !text_number(field[2], &found.uid) || !text_number(field[3], &found.gid) ||
		    field[5][0] != '/' || strlen(field[5]) >= sizeof(found.home) || strlen(field[6]) >= sizeof(found.shell))
			return fault_set(fault, -EINVAL, "/etc/passwd: the line of %s cannot be used", name);
		strcpy(found.name, name);
		strcpy(found.home, field[5]);
		strcpy(found.shell, field[6]);
		*ret = found;
		return 0;
	}
	return fault_set(fault, -ENOENT, "there is no user %s", name);
}

static bool overlap(const struct idmap_range *a, uint32_t start, uint32_t count)
{
	return start < (uint64_t)a->start + a->count && a->start < (uint64_t)start + count;
}

static int add_range(struct idmap *map, uint32_t start, uint32_t count, unsigned line, struct fault *fault)
{
	if (count == 0)
		return 0;
	/* 2^32 - 1 is no id: it means "leave alone" to chown() */
	if ((uint64_t)start + count > UINT32_MAX || (uint64_t)idmap_last(map) + count >= UINT32_MAX)
		return fault_set(fault, -EINVAL, "%s:%u: the range goes beyond the last id", map->file, line);
	if (overlap(&(struct idmap_range){ start, count, line }, map->self, 1))
		return fault_set(fault, -EINVAL, "%s:%u: the range holds the user himself (%u)", map->file, line,
				 map->self);
	for (size_t i = 0; i < map->n; i++)
		if (overlap(&map->ranges[i], start, count))
			return fault_set(fault, -EINVAL, "%s:%u: the range overlaps that of line %u", map->file, line,
					 map->ranges[i].line);
	if (map->n == IDMAP_RANGES_MAX)
		return fault_set(fault, -E2BIG, "%s:%u: more than %d ranges of one user", map->file, line,
				 IDMAP_RANGES_MAX);
	map->ranges[map->n++] = (struct idmap_range){ start, count, line };
	return 0;
}

int idmap_parse(const char *text, const char *file, const struct account *account, uint32_t self, struct idmap *ret,
		struct fault *fault)
{
	struct idmap map = { .file = file, .self = self };
	char buffer[1024], *field[FIELDS_MAX];

	for (unsigned line = 1; *text; text = next_line(text), line++) {
		size_t n = split(text, buffer, sizeof(buffer), field);
		uint32_t uid, start, count;
		int r;

		if (!n || (strcmp(field[0], account->name) != 0 &&
			   !(text_number(field[0], &uid) && uid == account->uid)))
			continue;
		if (n != 3 || !text_number(field[1], &start) || !text_number(field[2], &count))
			return fault_set(fault, -EINVAL, "%s:%u: is no NAME:START:COUNT", file, line);
		r = add_range(&map, start, count, line, fault);
		if (r < 0)
			return r;
	}
	*ret = map;
	return 0;
}

int idmap_to_host(const struct idmap *map, uint32_t inside, uint32_t *ret, const struct idmap_range **ret_range)
{
	uint32_t at = 1;

	if (ret_range)
		*ret_range = NULL;
	if (inside == 0) {
		*ret = map->self;
		return 0;
	}
	for (size_t i = 0; i < map->n; at += map->ranges[i++].count) {
		if (inside - at >= map->ranges[i].count)
			continue;
		*ret = map->ranges[i].start + (inside - at);
		if (ret_range)
			*ret_range = &map->ranges[i];
		return 0;
	}
	return -ERANGE;
}

int idmap_to_inside(const struct idmap *map, uint32_t host, uint32_t *ret)
{
	uint32_t at = 1;

	if (host == map->self) {
		*ret = 0;
		return 0;
	}
	for (size_t i = 0; i < map->n; at += map->ranges[i++].count) {
		if (host < map->ranges[i].start || host - map->ranges[i].start >= map->ranges[i].count)
			continue;
		*ret = at + (host - map->ranges[i].start);
		return 0;
	}
	return -ERANGE;
}

uint32_t idmap_last(const struct idmap *map)
{
	uint32_t last = 0;

	for (size_t i = 0; i < map->n; i++)
		last += map->ranges[i].count;
	return last;
}

int account_load(const char *root, const char *name, struct account *ret, struct fault *fault)
{
	char *text;
	int r = account_name_check(name, fault);

	if (r == 0)
		r = files_read(root, "/etc/passwd", &text, fault);
	if (r < 0)
		return r;
	r = account_find(text, name, ret, fault);
	free(text);
	return r;
}

static int load_map(const char *root, const char *file, const struct account *account, uint32_t self, struct idmap *ret,
		    struct fault *fault)
{
	char *text;
	int r = files_read(root, file, &text, fault);

	if (r < 0)
		return r;
	r = idmap_parse(text, file, account, self, ret, fault);
	free(text);
	return r;
}

int account_maps(const char *root, const struct account *account, struct idmap *ret_uids, struct idmap *ret_gids,
		 struct fault *fault)
{
	int r = load_map(root, "/etc/subuid", account, account->uid, ret_uids, fault);

	return r < 0 ? r : load_map(root, "/etc/subgid", account, account->gid, ret_gids, fault);
}
