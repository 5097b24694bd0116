/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "host-setup/commands.h"

const struct opt_info opt_table[OPT_COUNT] = {
	[OPT_JSON] = { "json", 0, NULL, "answer in one line of JSON" },
	[OPT_HELP] = { "help", 'h', NULL, "explain the command" },
	[OPT_VERSION] = { "version", 0, NULL, "print the version" },
	[OPT_ROOT] = { "root", 0, "DIR", "the host's files are below DIR; / if not given" },
	[OPT_USER] = { "user", 0, "USER", "who runs the containers; containerd if not given" },
	[OPT_UID] = { "uid", 0, "N", "who owns it inside the container" },
	[OPT_GID] = { "gid", 0, "N", "the group that owns it inside; the same number as --uid if not given" },
};

#define WHERE (OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_USER))

const struct command command_table[] = {
	{ "idmap", "N", "who is uid and gid N of a container on this host, and why", WHERE, 1, 1, run_idmap },
	{ "volume create", "NAME", "make ~/volumes/NAME for a user inside containers",
	  WHERE | OPT_BIT(OPT_UID) | OPT_BIT(OPT_GID), 1, 1, run_volume_create },
	{ "volume list", "", "the volumes, and who owns them on both sides", WHERE, 0, 0, run_volume_list },
	{ "help", "[COMMAND]", "explain all commands, or one", 0, 0, 2, run_help },
	{ NULL },
};
