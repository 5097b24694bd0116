/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "fwd/ctl/client.h"

#define ANSWER_FIRST 4096 /* bytes; most answers are shorter */

struct client {
	int fd;
};

int client_open(const char *path, struct client **ret)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = CLIENT_PATIENCE };
	struct client *client;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* before connect(): that waits, too, where a daemon that hangs has a full queue */
	if (client->fd < 0 || setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(client->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int r = errno == EAGAIN ? -ETIMEDOUT : -errno;

		client_close(client);
		return r;
	}
	*ret = client;
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client);
}

static int send_line(int fd, const json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT);
	size_t len, done = 0;
	int r = 0;

	if (!line)
		return -ENOMEM;
	len = strlen(line);
	line[len++] = '\n'; /* in place of the NUL: from here on it is bytes */
	if (len > REQUEST_MAX)
		r = -EMSGSIZE;
	while (r == 0 && done < len) {
		ssize_t n = send(fd, line + done, len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			r = -ETIMEDOUT;
		else if (errno != EINTR)
			r = -EPIPE;
	}
	free(line);
	return r;
}

/* Keeps one passed descriptor; whatever else came is closed. */
static void take_descriptors(struct msghdr *msg, int *fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*fd < 0)
				*fd = got;
			else
				close(got);
		}
	}
}

/* One piece of an answer at the end of answer->line, which grows as needed. Returns its length, or -errno. */
static ssize_t receive_piece(int sock, struct answer *answer, size_t *room)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct iovec iov;
	ssize_t n;

	if (answer->len == *room) {
		size_t more = *room ? *room * 2 : ANSWER_FIRST;
		char *line = more > ANSWER_MAX ? NULL : realloc(answer->line, more);

		if (!line)
			return more > ANSWER_MAX ? -EPROTO : -ENOMEM;
		answer->line = line;
		*room = more;
	}
	iov = (struct iovec){ .iov_base = answer->line + answer->len, .iov_len = *room - answer->len };
	msg.msg_iov = &iov;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;
	take_descriptors(&msg, &answer->fd);
	return n;
}

/* Reads up to and including the newline. answer->len is without it. */
static int receive_line(int sock, struct answer *answer)
{
	size_t room = 0;

	for (;;) {
		ssize_t n = receive_piece(sock, answer, &room);
		char *end;

		if (n < 0)
			return (int)n;
		end = memchr(answer->line + answer->len, '\n', (size_t)n);
		answer->len += (size_t)n;
		if (!end)
			continue;
		if (end != answer->line + answer->len - 1)
			return -EPROTO; /* more than one answer to one request */
		*end = '\0';
		answer->len--;
		return 0;
	}
}

static int decode(struct answer *answer)
{
	const json_t *code;

	answer->json = json_loadb(answer->line, answer->len, JSON_REJECT_DUPLICATES, NULL);
	code = json_object_get(answer->json, "exit");
	if (!json_is_integer(code) || json_integer_value(code) < 0 || json_integer_value(code) > 125)
		return -EPROTO;
	answer->exit = (int)json_integer_value(code);
	return 0;
}

int client_ask(struct client *client, const json_t *request, struct answer *ret)
{
	struct answer answer = { .fd = -1 };
	int r = send_line(client->fd, request), received;

	if (r < 0 && r != -EPIPE)
		return r;
	received = receive_line(client->fd, &answer); /* who turned us away said why, and then closed */
	if (received < 0 && r == 0)
		r = received;
	else if (received == 0)
		r = decode(&answer);
	if (r < 0) {
		answer_clear(&answer);
		return r;
	}
	*ret = answer;
	return 0;
}

void answer_clear(struct answer *answer)
{
	json_decref(answer->json);
	if (answer->line && answer->fd >= 0)
		close(answer->fd);
	free(answer->line);
	*answer = (struct answer){ .fd = -1 };
}

void client_be_patient(struct client *client)
{
	struct timeval forever = { 0 };

	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
}
