/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fwd/daemon/file.h"

int file_path(const char *dir, const char *name, char ret[static PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int read_all(int fd, char *text, size_t size, size_t *len)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*len = n;
	return 0;
}

static int read_file(const char *path, size_t max, bool trusted, char **ret, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r = 0;
	char *text = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (trusted && ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH))))
		r = -EPERM;
	else if ((size_t)st.st_size > max)
		r = -EFBIG;
	else if (!(text = malloc((size_t)st.st_size + 2)))
		r = -ENOMEM;
	else
		r = read_all(fd, text, (size_t)st.st_size + 1, &n); /* one more: it may be growing */
	if (r == 0 && n > (size_t)st.st_size)
		r = -EAGAIN;
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	text[n] = '\0';
	*ret = text;
	*len = n;
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *len)
{
	return read_file(path, max, false, ret, len);
}

int file_read_trusted(const char *path, size_t max, char **ret, size_t *len)
{
	return read_file(path, max, true, ret, len);
}

const char *file_error(int r)
{
	switch (r) {
	case -ELOOP:
		return "is a link, which is not followed";
	case -EINVAL:
		return "is no regular file";
	case -EFBIG:
		return "is larger than it may be";
	case -EPERM:
		return "belongs to another user, or others may write it";
	case -EAGAIN:
		return "is just being written";
	default:
		return strerror(-r);
	}
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_prepare(const char *path, const char *text, size_t len, mode_t mode, struct file_aside *ret)
{
	struct file_aside file;
	int fd, r;

	if (snprintf(file.path, sizeof(file.path), "%s", path) >= PATH_MAX ||
	    snprintf(file.aside, sizeof(file.aside), "%s.fwd-new", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	unlink(file.aside); /* of a run that died; O_EXCL follows no link */
	fd = open(file.aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		unlink(file.aside);
		return r;
	}
	*ret = file;
	return 0;
}

int file_commit(struct file_aside *file)
{
	char dir[PATH_MAX];
	int fd, r = 0;

	if (rename(file->aside, file->path) < 0)
		return -errno;
	file->aside[0] = '\0';
	strcpy(dir, file->path);
	fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

void file_discard(struct file_aside *file)
{
	if (file->aside[0])
		unlink(file->aside);
	file->aside[0] = '\0';
}

int file_make_dir(const char *path, mode_t mode)
{
	char parent[PATH_MAX];

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (strlen(path) >= sizeof(parent))
		return -ENAMETOOLONG;
	strcpy(parent, path);
	for (char *slash = strchr(parent + 1, '/'); *path && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}
