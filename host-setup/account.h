/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A user of the host as /etc/passwd has it, and the ids that are his inside user namespaces.
 */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct fault;

#define ACCOUNT_NAME_MAX 32
#define IDMAP_RANGES_MAX 339 /* the kernel takes 340 lines of a map, and the first is the user himself */

struct account {
	char name[ACCOUNT_NAME_MAX + 1];
	uint32_t uid, gid;
	char home[PATH_MAX]; /* absolute */
	char shell[256];
};

/* One of the user's ranges in /etc/subuid or /etc/subgid; the first starts at id 1 inside, the next where it ends. */
struct idmap_range {
	uint32_t start, count; /* on the host */
	unsigned line;
};

struct idmap {
	const char *file; /* what it was read from */
	uint32_t self;    /* what 0 inside is */
	struct idmap_range ranges[IDMAP_RANGES_MAX];
	size_t n;
};

/* A name that useradd takes: a-z, 0-9, - and _, not a digit or - first, at most 32. */
int account_name_check(const char *name, struct fault *fault);
/* From the text of a passwd file. -ENOENT: nobody has that name; -EINVAL: his line cannot be used. */
int account_find(const char *passwd, const char *name, struct account *ret, struct fault *fault);

/* From the text of a subuid or subgid file. Lines name a user by name or number. -EINVAL: a line of his cannot be
 * used, or his ranges overlap or include @self (the kernel takes no such map); -E2BIG: too many. */
int idmap_parse(const char *text, const char *file, const struct account *account, uint32_t self, struct idmap *ret,
		struct fault *fault);
/* -ERANGE: outside all ranges. *ret_range (may be NULL): the range it falls into, NULL for 0. */
int idmap_to_host(const struct idmap *map, uint32_t inside, uint32_t *ret, const struct idmap_range **ret_range);
int idmap_to_inside(const struct idmap *map, uint32_t host, uint32_t *ret);
uint32_t idmap_last(const struct idmap *map); /* the highest id inside */

/* Both maps of a user from the files below @root. */
int account_load(const char *root, const char *name, struct account *ret, struct fault *fault);
int account_maps(const char *root, const struct account *account, struct idmap *ret_uids, struct idmap *ret_gids,
		 struct fault *fault);
