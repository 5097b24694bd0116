/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-setup/account.h"
#include "host-setup/fault.h"
#include "host-setup/run.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void set_environment(const struct account *account, const char *path)
{
	char text[64];

	clearenv();
	setenv("PATH", path, 1);
	setenv("HOME", account->home, 1);
	setenv("USER", account->name, 1);
	setenv("LOGNAME", account->name, 1);
	setenv("SHELL", "/bin/bash", 1);
	snprintf(text, sizeof(text), "/run/user/%u", account->uid);
	setenv("XDG_RUNTIME_DIR", text, 1);
	snprintf(text, sizeof(text), "unix:path=/run/user/%u/bus", account->uid);
	setenv("DBUS_SESSION_BUS_ADDRESS", text, 1);
}

int run_become(const struct account *account)
{
	const char *now = getenv("PATH"), *term = getenv("TERM");
	char *path = strdup(now ? now : DEFAULT_PATH), *terminal = term ? strdup(term) : NULL;

	if (!path)
		return -ENOMEM;
	if (setgroups(1, &account->gid) < 0 || setresgid(account->gid, account->gid, account->gid) < 0 ||
	    setresuid(account->uid, account->uid, account->uid) < 0) {
		free(path);
		free(terminal);
		return -errno;
	}
	set_environment(account, path);
	if (terminal)
		setenv("TERM", terminal, 1);
	free(path);
	free(terminal);
	if (chdir(account->home) < 0 && chdir("/") < 0)
		return -errno;
	return 0;
}

static void start(const char *const *argv, const struct account *as, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (as && run_become(as) < 0)
		_exit(127);
	if (!getenv("PATH"))
		setenv("PATH", DEFAULT_PATH, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("DEBIAN_FRONTEND", "noninteractive", 1);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static char *read_output(int fd)
{
	char *text = malloc(RUN_OUTPUT_MAX + 1), rest[4096];
	size_t have = 0;
	ssize_t n;

	while (text && have < RUN_OUTPUT_MAX) {
		n = read(fd, text + have, RUN_OUTPUT_MAX - have);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	while ((n = read(fd, rest, sizeof(rest))) > 0) /* read on, or it would be killed by SIGPIPE */
		;
	if (text)
		text[have] = '\0';
	return text;
}

int run_tool(const char *const *argv, const struct account *as, char **output)
{
	int pipes[2], status;
	char *text;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		start(argv, as, pipes[1]);
	close(pipes[1]);
	text = pid < 0 ? NULL : read_output(pipes[0]);
	close(pipes[0]);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			free(text);
			return -errno;
		}
	if (output)
		*output = text;
	else
		free(text);
	if (output && !text)
		return -ENOMEM;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The last @lines lines. */
static const char *tail(const char *text, unsigned lines)
{
	const char *at = text + strlen(text);

	while (at > text && at[-1] == '\n')
		at--;
	for (; at > text; at--)
		if (at[-1] == '\n' && --lines == 0)
			break;
	return at;
}

int run_must(const char *const *argv, const struct account *as, struct fault *fault)
{
	char *output = NULL;
	int r = run_tool(argv, as, &output);

	if (r < 0)
		fault_set(fault, r, "%s: %s", argv[0], strerror(-r));
	else if (r == 127)
		fault_set(fault, -ENOENT, "%s: could not be started: is it installed?", argv[0]);
	else if (r != 0)
		fault_set(fault, -EIO, "%s%s%s ended with %d: %s", argv[0], argv[1] ? " " : "", argv[1] ? argv[1] : "",
			  r,
			  tail(output, 4));
	free(output);
	return r > 0 ? -EIO : r;
}
