/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts programs in a network namespace and tells how long each took, from vfork to exit: the same way for both sides of a
 * comparison.
 *
 *     launcher NETNS ROOT DIR
 *
 * ROOT is a root file system that DIR is mounted at /mnt of (in a mount namespace of its own). Commands on stdin, a line of
 * fields between tabs: "root" or "here" (where the program's file is looked for), then argv. Answer: nanoseconds and exit
 * code. What programs print goes to stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 64

static void fail(const char *what)
{
	fprintf(stderr, "launcher: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* In the parent's memory: nothing but system calls. */
static void start(const char *root, bool in_root, char **words)
{
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (!in_root || (chroot(root) == 0 && chdir("/") == 0))
		execv(words[0], words);
	_exit(127);
}

static void run(const char *root, char *line)
{
	char *words[WORDS + 1], *save = NULL;
	uint64_t begun;
	bool in_root;
	int n = 0, status;
	pid_t pid;

	for (char *word = strtok_r(line, "\t\n", &save); word && n < WORDS; word = strtok_r(NULL, "\t\n", &save))
		words[n++] = word;
	words[n] = NULL;
	if (n < 2)
		exit(2);
	in_root = strcmp(words[0], "root") == 0;
	begun = now();
	pid = vfork();
	if (pid == 0)
		start(root, in_root, words + 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		fail("vfork");
	printf("%" PRIu64 " %d\n", now() - begun, WIFEXITED(status) ? WEXITSTATUS(status) : 255);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[8192], point[4096];
	int fd = argc == 4 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail("NETNS ROOT DIR");
	snprintf(point, sizeof(point), "%s/mnt", argv[2]);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(argv[3], point, NULL, MS_BIND, NULL) < 0)
		fail(point);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	while (fgets(line, sizeof(line), stdin))
		run(argv[2], line);
	return 0;
}
