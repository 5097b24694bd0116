/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <jansson.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"

#define WIDTH 80
#define WIDTH_MIN 40

static void look_at_terminal(struct ctl *ctl)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return;
	ctl->color = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	ctl->width = WIDTH;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN && size.ws_col < WIDTH)
		ctl->width = size.ws_col;
}

static int print_version(const struct ctl *ctl)
{
	if (ctl->json)
		ctl_print_json(json_pack("{s:i,s:{s:s}}", "exit", 0, "result", "version", FWD_VERSION));
	else
		puts("fwctl " FWD_VERSION);
	return EXIT_DONE;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct invocation call;
	int code = options_parse(ctl, argc, argv, &call);

	if (code)
		return code;
	if (call.value[OPT_HELP])
		return run_help(ctl, &call);
	if (call.value[OPT_VERSION])
		return print_version(ctl);
	return call.command ? call.command->run(ctl, &call) : run_page(ctl, &call);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .socket = CTL_SOCKET };
	int code;

	look_at_terminal(&ctl);
	code = run(&ctl, argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("fwctl: the output could not be written\n", stderr);
		return code ? code : EXIT_REFUSED;
	}
	return code;
}
