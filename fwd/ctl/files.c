/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fwd/ctl/files.h"

static int read_all(int fd, size_t most, struct file_text *ret)
{
	struct file_text file = { 0 };
	struct stat st;
	size_t room;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if ((uint64_t)st.st_size > most)
		return -EFBIG;
	file.mtime = st.st_mtime;
	room = (size_t)st.st_size;
	file.text = malloc(room + 1);
	if (!file.text)
		return -ENOMEM;
	while (file.len < room) {
		ssize_t n = read(fd, file.text + file.len, room - file.len);

		if (n < 0 && errno != EINTR) {
			int r = -errno;

			free(file.text);
			return r;
		}
		if (n == 0)
			break;
		file.len += n > 0 ? (size_t)n : 0;
	}
	file.text[file.len] = '\0';
	*ret = file;
	return 0;
}

int file_read(const char *path, size_t most, struct file_text *ret)
{
	/* a FIFO would block an open without O_NONBLOCK */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, most, ret);
	close(fd);
	return r;
}
