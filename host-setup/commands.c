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
	[OPT_MIRROR] = { "mirror", 0, "URL", "https address where the releases' files lie side by side" },
	[OPT_CA] = { "ca", 0, "FILE", "certificates to trust instead of the system's" },
	[OPT_STALL] = { "stall", 0, "SECONDS", "give a try up after so long without data; 30 if not given" },
	[OPT_NERDCTL_VERSION] = { "nerdctl-version", 0, "V", "another version of nerdctl" },
	[OPT_CNI_VERSION] = { "cni-version", 0, "V", "another version of the CNI plugins" },
	[OPT_ARCH] = { "arch", 0, "ARCH", "another architecture than this machine's, as amd64 or arm64" },
	[OPT_FROM] = { "from", 0, "DIR", "take the releases' files from DIR instead of the network" },
	[OPT_YES] = { "yes", 0, NULL, "ask nothing" },
	[OPT_REPLACE] = { "replace", 0, NULL, "let apt remove packages, and the whitelist replace conditions, in the way" },
	[OPT_HOME] = { "home", 0, "DIR", "where a new user lives; /home/USER if not given" },
	[OPT_SUBID_START] = { "subid-start", 0, "N", "first id in /etc/subuid and /etc/subgid" },
	[OPT_ONLY] = { "only", 0, "STEP,STEP", "these steps alone" },
	[OPT_SKIP] = { "skip", 0, "STEP,STEP", "all steps but these" },
	[OPT_REMOVE_DATA] = { "remove-data", 0, NULL, "remove the user with his home: images, containers, volumes" },
	[OPT_IMAGE] = { "image", 0, "IMAGE", "try containers, too, with an image that has id, cat and touch" },
	[OPT_CONDITIONS] = { "conditions", 0, NULL, "the whitelist in CNI's portmap, for containers that run as root" },
	[OPT_GID] = { "gid", 0, "N", "the group that owns it inside; the same number as --uid if not given" },
};

#define NET (OPT_BIT(OPT_MIRROR) | OPT_BIT(OPT_CA) | OPT_BIT(OPT_STALL) | OPT_BIT(OPT_NERDCTL_VERSION) | \
	     OPT_BIT(OPT_CNI_VERSION))
#define WHERE (OPT_BIT(OPT_ROOT) | OPT_BIT(OPT_USER))

#define UNDO (WHERE | OPT_BIT(OPT_ONLY) | OPT_BIT(OPT_SKIP) | OPT_BIT(OPT_YES) | OPT_BIT(OPT_REMOVE_DATA))
#define STEPS (WHERE | OPT_BIT(OPT_ONLY) | OPT_BIT(OPT_SKIP) | OPT_BIT(OPT_HOME) | OPT_BIT(OPT_SUBID_START) | \
	       OPT_BIT(OPT_CONDITIONS))

const struct command command_table[] = {
	{ "plan", "", "what is to do until containers run here", STEPS | NET | OPT_BIT(OPT_FROM), 0, 0, run_plan },
	{ "apply", "", "show the plan, and do it",
	  STEPS | NET | OPT_BIT(OPT_FROM) | OPT_BIT(OPT_YES) | OPT_BIT(OPT_REPLACE), 0, 0,
	  run_apply },
	{ "check", "", "is all still as it should be?", STEPS | NET | OPT_BIT(OPT_FROM), 0, 0, run_check },
	{ "doctor", "", "examine all, try it, and say what to do", WHERE | OPT_BIT(OPT_IMAGE), 0, 0, run_doctor },
	{ "undo", "", "take back what apply did", UNDO, 0, 0, run_undo },
	{ "shell", "[-- COMMAND ...]", "a shell, or a command, as the container user", WHERE, 0, UINT32_MAX,
	  run_shell },
	{ "idmap", "N", "who is uid and gid N of a container on this host, and why", WHERE, 1, 1, run_idmap },
	{ "volume create", "NAME", "make ~/volumes/NAME for a user inside containers",
	  WHERE | OPT_BIT(OPT_UID) | OPT_BIT(OPT_GID), 1, 1, run_volume_create },
	{ "volume list", "", "the volumes, and who owns them on both sides", WHERE, 0, 0, run_volume_list },
	{ "fetch", "DIR", "download nerdctl and the CNI plugins to DIR, verified, for --from", NET | OPT_BIT(OPT_ARCH),
	  1, 1,
	  run_fetch },
	{ "help", "[COMMAND]", "explain all commands, or one", 0, 0, 2, run_help },
	{ NULL },
};
