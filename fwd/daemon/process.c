/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fwd/daemon/process.h"

#define DELETED " (deleted)" /* the kernel's mark behind the path of a file that was replaced */

const char *process_root = "/proc";

static int path_of(pid_t pid, const char *name, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%d/%s", process_root, (int)pid, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* At most @size - 1 bytes of it, NUL-terminated. */
static int read_text(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, r = path_of(pid, name, path);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	r = n < 0 ? -errno : (int)n;
	close(fd);
	if (n >= 0)
		ret[n] = '\0';
	return r;
}

/* As the kernel packs a device into the number that it prints. */
static dev_t unpack_device(uint32_t packed)
{
	return makedev(packed >> 8 & 0xfff, (packed & 0xff) | (packed >> 12 & 0xfff00));
}

int process_read(pid_t pid, struct process *ret)
{
	struct process process = { .pid = pid };
	char text[1024], *name, *rest;
	int r = read_text(pid, "stat", text, sizeof(text)), tty;

	if (r < 0)
		return r;
	name = strchr(text, '(');
	rest = strrchr(text, ')'); /* a name may hold parentheses */
	if (!name || !rest || rest < name)
		return r == 0 ? -ESRCH : -EBADMSG;
	*rest++ = '\0';
	/* state ppid pgrp session tty_nr, then 14 more that are not needed, and the start */
	if (sscanf(rest, " %*c %d %*d %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &process.parent,
		   &process.session, &tty, &process.start) != 4)
		return -EBADMSG;
	process.tty = unpack_device((uint32_t)tty);
	snprintf(process.name, sizeof(process.name), "%s", name + 1);
	*ret = process;
	return 0;
}

int process_parent(const struct process *child, struct process *ret)
{
	struct process parent, again;
	int r;

	if (child->parent <= 0)
		return -ESRCH;
	r = process_read(child->parent, &parent);
	if (r == 0)
		r = process_read(child->pid, &again);
	if (r < 0)
		return r;
	/* had the parent ended meanwhile, its child would have another now */
	if (again.start != child->start || again.parent != child->parent || parent.start > child->start)
		return -ESRCH;
	*ret = parent;
	return 0;
}

int process_uid(pid_t pid, uid_t *ret)
{
	char text[4096], *line;
	unsigned real, effective, saved, fs;
	int r = read_text(pid, "status", text, sizeof(text));

	if (r < 0)
		return r;
	line = strstr(text, "\nUid:"); /* the name in front of it is printed with its newlines escaped */
	if (!line || sscanf(line, "\nUid: %u %u %u %u", &real, &effective, &saved, &fs) != 4)
		return -EBADMSG;
	if (real != effective || real != saved || real != fs)
		return -EPERM;
	*ret = real;
	return 0;
}

int process_program(pid_t pid, char ret[static PROCESS_NAME_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *base;
	size_t len;
	ssize_t n;
	int r = path_of(pid, "exe", path);

	if (r < 0)
		return r;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	len = (size_t)n;
	if (len > strlen(DELETED) && strcmp(target + len - strlen(DELETED), DELETED) == 0)
		target[len - strlen(DELETED)] = '\0';
	base = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strlen(base) >= PROCESS_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(ret, base);
	return 0;
}

int process_title(pid_t pid, char *ret, size_t size)
{
	int n = read_text(pid, "cmdline", ret, size);

	return n < 0 ? n : 0;
}

static bool is_number(const char *name)
{
	return isdigit((unsigned char)*name);
}

int process_each(size_t max, int (*each)(pid_t pid, void *user), void *user)
{
	DIR *dir = opendir(process_root);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir))) {
		if (!is_number(entry->d_name))
			continue;
		r = max-- == 0 ? -E2BIG : each(atoi(entry->d_name), user);
	}
	closedir(dir);
	return r;
}

int process_descriptors(pid_t pid, size_t max, int (*each)(const struct process_descriptor *descriptor, void *user), void *user)
{
	char path[PATH_MAX], target[PROCESS_NAME_MAX];
	struct process_descriptor descriptor = { .target = target };
	struct dirent *entry;
	int r = path_of(pid, "fd", path);
	DIR *dir;

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return -errno;
	descriptor.dir = dirfd(dir);
	while (r == 0 && (entry = readdir(dir))) {
		ssize_t n;

		if (!is_number(entry->d_name))
			continue;
		if (max-- == 0) {
			r = -E2BIG;
			break;
		}
		n = readlinkat(descriptor.dir, entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue; /* closed meanwhile */
		target[n] = '\0';
		descriptor.number = entry->d_name;
		r = each(&descriptor, user);
	}
	closedir(dir);
	return r;
}
