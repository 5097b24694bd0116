/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Directories below ~/volumes of the user who runs the containers, owned by ids inside them. The home is his:
 * whatever stands there may change under our hands, so links are never followed, and only what is his already is
 * given to another of his ids.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct account;
struct fault;
struct idmap;

#define VOLUME_NAME_MAX 128
#define VOLUMES_MAX 65536

struct volume {
	char name[256];
	bool directory; /* false: something else, not to be used */
	uint32_t uid, gid; /* on the host */
	mode_t mode;
};

/* Letters, digits, and behind the first also . _ - */
int volume_name_check(const char *name, struct fault *fault);

/* A descriptor of the user's home below @root, which must be his. */
int volume_home(const char *root, const struct account *account, struct fault *fault);

struct volume_wish {
	const struct account *account;
	const struct idmap *uids, *gids;
	const char *name;
	uint32_t uid, gid; /* inside */
};
/* Makes it (0755), or gives an existing one to the wished ids; the mode and what is in it stay. *changed: whether it
 * was not so before. *ret: as it is now. */
int volume_create(int home, const struct volume_wish *wish, bool *changed, struct volume *ret, struct fault *fault);

/* Every entry, by name. The caller frees. */
int volume_list(int home, struct volume **ret, size_t *n, struct fault *fault);
