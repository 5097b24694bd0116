/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>

#include "fwd/daemon/group.h"

int group_find(const char *path, const char *name, gid_t *ret)
{
	FILE *file = fopen(path, "re");
	const struct group *group;
	int r = -ENOENT;

	if (!file)
		return -errno;
	while (r < 0 && (group = fgetgrent(file))) {
		if (strcmp(group->gr_name, name) != 0)
			continue;
		*ret = group->gr_gid;
		r = 0;
	}
	fclose(file);
	return r;
}
