/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fwd/daemon/wall.h"

#define TERMINALS_MAX 256

/* A terminal that takes messages is writable for its group (mesg(1)); utmp is not asked, for it is gone from trixie on. */
static void tell(int dir, const char *name, const char *line, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && (st.st_mode & S_IWGRP) && isatty(fd))
		(void)!write(fd, line, len);
	close(fd);
}

static void tell_dir(const char *path, const char *prefix, const char *line, size_t len)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned told = 0;

	if (!dir)
		return;
	while (told < TERMINALS_MAX && (entry = readdir(dir))) {
		const char *rest = entry->d_name + strlen(prefix);

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !isdigit((unsigned char)*rest))
			continue;
		tell(dirfd(dir), entry->d_name, line, len);
		told++;
	}
	closedir(dir);
}

void wall_say(const char *text)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "\r\n\afwd: %s\r\n", text);

	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	for (int i = 3; i < len; i++) /* what was read from files or the network is not for terminals */
		if (iscntrl((unsigned char)line[i]) && i < len - 2)
			line[i] = '?';
	tell_dir("/dev/pts", "", line, (size_t)len);
	tell_dir("/dev", "tty", line, (size_t)len);
}
