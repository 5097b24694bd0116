/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tarball_unpack(): the child that reads, and what is done around it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "host-setup/fault.h"
#include "host-setup/files.h"
#include "host-setup/tarball.h"

#define CHILD_SECONDS 120
#define CHILD_MEMORY (1u << 30)

static int remove_entry(int at, const char *name)
{
	if (unlinkat(at, name, 0) == 0)
		return 0;
	return errno == EISDIR || errno == EPERM ? tree_remove(at, name) : -errno;
}

int tree_remove(int at, const char *name)
{
	int fd = files_open_beneath(at, name, O_RDONLY | O_DIRECTORY), r = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_entry(dirfd(dir), entry->d_name);
	closedir(dir);
	if (r == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0)
		return -errno;
	return 0;
}

/* Nothing but the fresh directory is left to be seen, and no right beyond being its owner. */
static int confine(int into)
{
	struct rlimit seconds = { CHILD_SECONDS, CHILD_SECONDS }, memory = { CHILD_MEMORY, CHILD_MEMORY };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setrlimit(RLIMIT_CPU, &seconds) < 0)
		return -errno;
#if !defined(__SANITIZE_ADDRESS__)
	if (setrlimit(RLIMIT_AS, &memory) < 0)
		return -errno;
#else
	(void)memory; /* its shadow is larger than that */
#endif
	if (geteuid() != 0)
		return drop_capabilities();
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0 && errno != EPERM)
		return -errno;
	if (fchdir(into) < 0 || chroot(".") < 0)
		return -errno;
	return drop_capabilities();
}

static void child(int file, int into, int report, const struct tarball_limits *limits)
{
	struct fault fault = { 0 };
	int r = confine(into);
	ssize_t n;

	umask(022);
	if (r < 0)
		fault_set(&fault, r, "the unpacking cannot be confined: %s", strerror(-r));
	else
		r = tarball_read(file, into, limits, &fault);
	n = write(report, fault.text, strlen(fault.text));
	_exit(r == 0 && n >= 0 ? 0 : 1);
}

static int wait_for(pid_t pid, int report, struct fault *fault)
{
	char text[FAULT_TEXT_MAX];
	ssize_t n, have = 0;
	int status;

	while ((n = read(report, text + have, sizeof(text) - 1 - (size_t)have)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		have += n > 0 ? n : 0;
	}
	text[have] = '\0';
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fault_set(fault, -errno, "waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return fault_set(fault, -EBADMSG, "the unpacking was ended by signal %d", WTERMSIG(status));
	return fault_set(fault, -EBADMSG, "%s", text);
}

static int run_child(int file, int into, const struct tarball_limits *limits, struct fault *fault)
{
	int pipes[2];
	pid_t pid;
	int r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fault_set(fault, -errno, "pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		child(file, into, pipes[1], limits);
	}
	close(pipes[1]);
	r = pid < 0 ? fault_set(fault, -errno, "fork: %s", strerror(errno)) : wait_for(pid, pipes[0], fault);
	close(pipes[0]);
	return r;
}

int tarball_unpack(int file, int at, const char *fresh, const struct tarball_limits *limits, struct fault *fault)
{
	int into, r = tree_remove(at, fresh);

	if (r == 0 && mkdirat(at, fresh, 0700) < 0)
		r = -errno;
	into = r < 0 ? r : files_open_beneath(at, fresh, O_RDONLY | O_DIRECTORY);
	if (into < 0)
		return fault_set(fault, into, "%s cannot be made: %s", fresh, strerror(-into));
	if (lseek(file, 0, SEEK_SET) < 0)
		r = fault_set(fault, -errno, "the archive: %s", strerror(errno));
	else
		r = run_child(file, into, limits, fault);
	close(into);
	if (r < 0)
		tree_remove(at, fresh);
	return r;
}
