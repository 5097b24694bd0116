/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "host-setup/commands.h"

int main(int argc, char **argv)
{
	struct call call;
	int code = options_parse(argc, argv, &call);

	if (code)
		return code;
	if (call.value[OPT_VERSION])
		puts("fwd-host " FWD_VERSION);
	else if (call.value[OPT_HELP] || !call.command)
		code = usage_print(&call);
	else
		code = call.command->run(&call);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("fwctl host: the output could not be written\n", stderr);
		return code ? code : HOST_REFUSED;
	}
	return code;
}
