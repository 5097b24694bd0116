/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host shell`: as the container user, who cannot log in, with what a login would have set. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-setup/account.h"
#include "host-setup/commands.h"
#include "host-setup/fault.h"
#include "host-setup/run.h"

int run_shell(const struct call *call)
{
	char *bash[] = { "bash", NULL };
	char **argv = call->n_words ? call->words : bash;
	struct account account;
	struct fault fault = { 0 };
	int r;

	if (geteuid() != 0) {
		fault_set(&fault, 0, "this needs root");
		return call_fail(call, HOST_REFUSED, &fault);
	}
	if (account_load(call_root(call), call_user(call), &account, &fault) < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	fflush(NULL);
	if (call->n_words)
		call->words[call->n_words] = NULL; /* words stand in argv, which has room behind them */
	r = run_become(&account);
	if (r == 0) {
		execvp(argv[0], argv);
		r = -errno;
	}
	fault_set(&fault, r, "%s: %s", argv[0], strerror(-r));
	return call_fail(call, r == -ENOENT ? 127 : HOST_REFUSED, &fault);
}
