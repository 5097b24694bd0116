/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Groups of this host, from its own file. Not by getgrnam(): that loads what nsswitch.conf names (0.7 MB for systemd's), and
 * may wait for a directory service that the firewall keeps out.
 */
#include <sys/types.h>

#define GROUP_FILE "/etc/group"

/* The id of group @name in @path. 0, -ENOENT, or what opening the file says. */
int group_find(const char *path, const char *name, gid_t *ret);
