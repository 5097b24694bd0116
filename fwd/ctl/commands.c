/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/show.h"
#include "fwd/ctl/typo.h"

const struct opt_info opt_table[OPT_COUNT] = {
	[OPT_JSON] = { "json", 0, NULL, "print the daemon's answer as it is" },
	[OPT_SOCKET] = { "socket", 0, "PATH", "where the daemon listens; /run/fwd/fwd.sock if not given" },
	[OPT_HELP] = { "help", 'h', NULL, "explain the command" },
	[OPT_VERSION] = { "version", 0, NULL, "print the version" },
	[OPT_FOR] = { "for", 0, "TIME", "end by itself after TIME, as 90s, 30m, 2h, 7d" },
	[OPT_COMMENT] = { "comment", 0, "TEXT", "say why, at most 200 bytes" },
	[OPT_WIDE] = { "wide", 0, NULL, "take networks wider than /16 (IPv6: /32)" },
	[OPT_TIMEOUT] = { "timeout", 0, "TIME", "how long the trial waits for its confirm; 10s to 1h" },
	[OPT_ACCEPT] = { "accept", 0, NULL, "leave all policies at ACCEPT, whatever they were before" },
	[OPT_FORCE] = { "force", 0, NULL, "do it though the checks advise against it" },
	[OPT_DRY_RUN] = { "dry-run", 0, NULL, "change nothing, say what would change" },
	[OPT_FILES] = { "files", 0, "DIR", "ask DIR/rules.v4, rules.v6 and ipsets instead of the daemon" },
	[OPT_FILE] = { "file", 0, "PATH", "the configuration; /etc/fwd/fwd.conf if not given" },
	[OPT_RESCUE_CONF] = { NULL, 'c', "FILE", "the daemon's configuration" },
	[OPT_RESCUE_DIR] = { NULL, 'd', "DIR", "its /etc/iptables" },
	[OPT_RESCUE_STATE] = { NULL, 'S', "DIR", "its /var/lib/fwd" },
	[OPT_RESCUE_SOCKET] = { NULL, 's', "PATH", "its socket" },
};

#define DRY OPT_BIT(OPT_DRY_RUN)
#define ON_TRIAL (DRY | OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_FORCE))

const struct command command_table[] = {
	{ "status", "look", "", "is it in force? what wants attention",
	  "status", 0, 0, 0, run_simple, show_status },
	{ "list", "look", "[NAME]", "the networks of the whitelist, or of NAME",
	  "list", 0, 0, 1, run_list, NULL },
	{ "why", "look", "SRC PROTO/PORT", "does a connection get in? by which rule?",
	  "why", OPT_BIT(OPT_FILES), 2, 2, run_why, NULL },
	{ "diff", "look", "", "kernel, files, fwd.conf against confirmed",
	  "diff", 0, 0, 0, run_simple, show_diff },
	{ "allow", "open", "NET|A-B|me|any ...", "let networks in",
	  "allow", DRY | OPT_BIT(OPT_FOR) | OPT_BIT(OPT_COMMENT) | OPT_BIT(OPT_WIDE), 1, WORDS_MAX, run_networks,
		show_allow },
	{ "remove", "close", "NET|A-B|me|any ...", "take networks off the whitelist",
	  "remove", ON_TRIAL, 1, WORDS_MAX, run_networks, show_remove },
	{ "enable", "firewall", "", "close the host, on trial until confirmed",
	  "enable", ON_TRIAL, 0, 0, run_simple, show_trial },
	{ "disable", "firewall", "", "take the firewall down",
	  "disable", DRY | OPT_BIT(OPT_ACCEPT) | OPT_BIT(OPT_FOR), 0, 0, run_simple, show_disable },
	{ "edit", "firewall", "", "change fwd.conf, check it, reload",
	  NULL, OPT_BIT(OPT_FILE) | OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_FORCE), 0, 0, run_edit, NULL },
	{ "reload", "firewall", "", "put fwd.conf in force; narrower: on trial",
	  "reload", ON_TRIAL, 0, 0, run_simple, show_trial },
	{ "confirm", "trial", "", "keep what is on trial",
	  "confirm", DRY | OPT_BIT(OPT_FORCE), 0, 0, run_simple, show_confirm },
	{ "rollback", "trial", "", "end the trial now and go back",
	  "rollback", DRY, 0, 0, run_simple, show_rollback },
	{ "extend", "trial", "TIME", "give the trial more time",
	  "extend", DRY, 1, 1, run_extend, show_trial },
	{ "wait", "trial", "", "wait for the end of the trial",
	  "wait", 0, 0, 0, run_wait, show_wait },
	{ "rescue", "trouble", "", "get back in, as root, without the daemon",
	  NULL, OPT_BIT(OPT_RESCUE_CONF) | OPT_BIT(OPT_RESCUE_DIR) | OPT_BIT(OPT_RESCUE_STATE) |
	  OPT_BIT(OPT_RESCUE_SOCKET), 0, 0, run_rescue, NULL },
	{ "help", "trouble", "[COMMAND]", "explain all commands, or one",
	  NULL, 0, 0, 1, run_help, NULL },
	{ "host", "host", "COMMAND ...", "a rootless container host, set up and kept",
	  NULL, 0, 0, WORDS_RAW, run_host, NULL },
	{ NULL },
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = command_table; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const char *command_guess(const char *word)
{
	struct typo typo = { 0 };

	for (const struct command *command = command_table; command->name; command++)
		typo_offer(&typo, word, command->name);
	return typo.best;
}
