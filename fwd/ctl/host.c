/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"

/* The program: beside this one's prefix, in its build tree, else where this build installs it. */
static bool find_program(char *ret, size_t size)
{
	static const char *const beside[] = { "/../libexec/fwd-host", "/../../host-setup/fwd-host" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
			if ((size_t)snprintf(ret, size, "%s%s", self, beside[i]) < size && access(ret, X_OK) == 0)
				return true;
	}
	return (size_t)snprintf(ret, size, "%s", FWD_HOST) < size && access(ret, X_OK) == 0;
}

int run_host(const struct ctl *ctl, const struct invocation *call)
{
	char path[PATH_MAX], **argv;
	size_t n = 0;

	if (!find_program(path, sizeof(path)))
		return ctl_fail(ctl, EXIT_REFUSED, "It is built where libcurl, libarchive and libmd are.",
				"the program fwd-host is not installed beside fwctl");
	argv = calloc(call->n_words + 3, sizeof(*argv));
	if (!argv)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "out of memory");
	argv[n++] = path;
	if (ctl->json)
		argv[n++] = "--json";
	for (size_t i = 0; i < call->n_words; i++)
		argv[n++] = call->words[i];
	fflush(stdout);
	execv(path, argv);
	free(argv);
	return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", path, strerror(errno));
}
