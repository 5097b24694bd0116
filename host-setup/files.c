/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "host-setup/fault.h"
#include "host-setup/files.h"

int files_path(const char *root, const char *path, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s%s", root, path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int files_read_fd(int fd, char **ret)
{
	size_t size = 4096, have = 0;
	char *text = malloc(size + 1);
	ssize_t n = 1;

	while (text && n > 0) {
		if (have == size) {
			char *more = size >= FILES_TEXT_MAX ? NULL : realloc(text, 2 * size + 1);

			if (!more) {
				free(text);
				return size >= FILES_TEXT_MAX ? -EFBIG : -ENOMEM;
			}
			text = more;
			size *= 2;
		}
		n = read(fd, text + have, size - have);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			have += (size_t)n;
	}
	if (!text)
		return -ENOMEM;
	text[have] = '\0';
	if (n < 0 || strlen(text) != have) {
		int r = n < 0 ? -errno : -EINVAL;

		free(text);
		return r;
	}
	*ret = text;
	return 0;
}

int files_read(const char *root, const char *path, char **ret, struct fault *fault)
{
	char full[PATH_MAX];
	int r = files_path(root, path, full, sizeof(full)), fd;

	if (r < 0)
		return fault_set(fault, r, "%s: the path is too long", path);
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	r = fd < 0 ? -errno : files_read_fd(fd, ret);
	if (fd >= 0)
		close(fd);
	return r < 0 ? fault_set(fault, r, "%s: %s", full, strerror(-r)) : 0;
}

int files_open_beneath(int at, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	long fd;

	do /* EAGAIN: somebody renamed on the way, so that the kernel cannot vouch for it */
		fd = syscall(SYS_openat2, at, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_parent(const char *full)
{
	char dir[PATH_MAX];
	int fd, r;

	snprintf(dir, sizeof(dir), "%s", full);
	*strrchr(dir, '/') = '\0';
	fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int write_new(const char *full, const char *text, mode_t mode)
{
	char aside[PATH_MAX + 16];
	struct stat old;
	int fd, r;

	snprintf(aside, sizeof(aside), "%s.fwd-new", full);
	if (unlink(aside) < 0 && errno != ENOENT)
		return -errno;
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r == 0 && lstat(full, &old) == 0) {
		mode = old.st_mode & 07777;
		if (fchown(fd, old.st_uid, old.st_gid) < 0)
			r = -errno;
	}
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && rename(aside, full) < 0)
		r = -errno;
	if (r < 0)
		unlink(aside);
	return r == 0 ? sync_parent(full) : r;
}

int files_write(const char *root, const char *path, const char *text, mode_t mode, struct fault *fault)
{
	char full[PATH_MAX];
	int r = files_path(root, path, full, sizeof(full));

	if (r == 0)
		r = write_new(full, text, mode);
	return r < 0 ? fault_set(fault, r, "%s: cannot be written: %s", path, strerror(-r)) : 0;
}
