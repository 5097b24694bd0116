/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only program of the test's image, without any library: `serve` echoes on port 80; `id`, `cat FILE`, `touch
 * FILE`. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static void echo(int fd)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		if (write(fd, data, (size_t)n) != n)
			break;
	_exit(0);
}

static int serve(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0) {
		perror("port 80");
		return 1;
	}
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0 && fork() == 0)
			echo(client);
		close(client);
	}
}

static int cat(const char *path)
{
	char data[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		perror(path);
		return 1;
	}
	while ((n = read(fd, data, sizeof(data))) > 0)
		if (write(1, data, (size_t)n) != n)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc == 2 && strcmp(argv[1], "id") == 0)
		return printf("uid=%u gid=%u\n", getuid(), getgid()) < 0;
	if (argc == 3 && strcmp(argv[1], "cat") == 0)
		return cat(argv[2]);
	if (argc == 3 && strcmp(argv[1], "touch") == 0 && open(argv[2], O_WRONLY | O_CREAT, 0644) >= 0)
		return 0;
	perror(argc > 2 ? argv[2] : "usage");
	return 1;
}
