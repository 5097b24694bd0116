/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fwd/ctl/child.h"

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

static int find_in_path(char *ret, size_t size)
{
	const char *at = getenv("PATH");

	/* users' paths often lack sbin */
	for (at = at ? at : "/usr/local/sbin:/usr/sbin:/sbin"; *at; at += *at == ':') {
		size_t len = strcspn(at, ":");

		if (len && *at == '/' && (size_t)snprintf(ret, size, "%.*s/fwd", (int)len, at) < size &&
		    is_program(ret))
			return 0;
		at += len;
	}
	return -ENOENT;
}

int child_find_fwd(char *ret, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		if ((size_t)snprintf(ret, size, "%s/../sbin/fwd", self) < size && is_program(ret))
			return 0;
		/* the build tree: fwd/ctl/fwctl and fwd/daemon/fwd */
		slash = strrchr(self, '/');
		if (slash && strcmp(slash, "/ctl") == 0 && (size_t)snprintf(ret, size, "%s/../daemon/fwd",
									    self) < size &&
		    is_program(ret))
			return 0;
	}
	return find_in_path(ret, size);
}

static char *read_output(int fd)
{
	char *text = malloc(CHILD_OUTPUT_MAX + 1), rest[4096];
	size_t have = 0;
	ssize_t n = 1;

	while (text && have < CHILD_OUTPUT_MAX && n > 0) {
		n = read(fd, text + have, CHILD_OUTPUT_MAX - have);
		have += n > 0 ? (size_t)n : 0;
	}
	while (n > 0) /* read on, or it would be killed by SIGPIPE */
		n = read(fd, rest, sizeof(rest));
	if (text)
		text[have] = '\0';
	return text;
}

static void start(char *const *argv, int out)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
	}
	execvp(argv[0], argv);
	_exit(127);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int child_run(char *const *argv, char **output)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old_int, old_quit;
	int pipes[2] = { -1, -1 }, r;
	pid_t pid;

	fflush(stdout);
	if (output && pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	/* Ctrl-C is the editor's, not ours: our temporary file has to go afterwards */
	sigaction(SIGINT, &ignore, &old_int);
	sigaction(SIGQUIT, &ignore, &old_quit);
	pid = fork();
	if (pid == 0)
		start(argv, pipes[1]);
	r = pid < 0 ? -errno : 0;
	if (output) {
		close(pipes[1]);
		if (r == 0)
			*output = read_output(pipes[0]);
		close(pipes[0]);
	}
	if (r == 0)
		r = wait_for(pid);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGQUIT, &old_quit, NULL);
	if (r >= 0 && output && !*output)
		return -ENOMEM;
	return r;
}
