/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into fwd-host: ends it by SIGKILL at the KILL_AT-th call that changes the disk, before that call, as a
 * power cut would. Without KILL_AT the calls are counted into the file KILL_COUNT.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls, at;
static pid_t self; /* children are left alone */

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("KILL_AT");

	if (strcmp(program_invocation_short_name, "fwd-host") != 0)
		return;
	self = getpid();
	at = text ? atol(text) : 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("KILL_COUNT");
	FILE *out = path && getpid() == self ? fopen(path, "w") : NULL;

	if (out) {
		fprintf(out, "%ld\n", calls);
		fclose(out);
	}
}

static void count(void)
{
	if (getpid() == self && ++calls == at)
		kill(self, SIGKILL);
}

#define WRAP(ret, name, parameters, arguments) \
	ret name parameters; \
	ret name parameters \
	{ \
		ret(*next) parameters = (ret(*) parameters)dlsym(RTLD_NEXT, #name); \
		count(); \
		return next arguments; \
	}

WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size))
