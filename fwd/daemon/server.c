/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/group.h"
#include "fwd/daemon/server.h"
#include "fwd/daemon/verbs.h"

#define LINE_MAX_BYTES 65536 /* of a request, newline included */
#define CLIENTS_MAX 64
#define CLIENTS_PER_USER 8   /* other than root */
#define RATE_PER_SECOND 50   /* requests of one such client */
#define STALL_SECONDS 30     /* a request begun, or an answer not taken */
#define GROUP_NAME "fwd"
#define SLACK_MAX (256 << 10) /* bytes of freed memory that are kept between clients */

struct client {
	struct server *server;
	struct client *next;
	struct event *readable, *writable;
	struct caller caller;
	int fd;
	char *in;      /* allocated while a request is under way */
	size_t in_len;
	char *out;     /* the answer on its way */
	size_t out_len, out_done;
	int pass;      /* descriptor that goes with the answer's first byte, or -1 */
	time_t second; /* of the rate */
	unsigned in_second;
};

struct server {
	struct event_base *base;
	struct firewall *firewall;
	struct event *acceptable;
	struct client *clients;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
};

static void client_free(struct client *client)
{
	struct server *server = client->server;
	struct client **where = &server->clients;

	while (*where != client)
		where = &(*where)->next;
	*where = client->next;
	if (client->readable)
		event_free(client->readable);
	if (client->writable)
		event_free(client->writable);
	if (client->pass >= 0)
		close(client->pass);
	close(client->fd);
	free(client->in);
	free(client->out);
	free(client);
	/* what a large request took goes back to the system, and is not held until the next of its size */
	if (!server->clients && mallinfo2().fordblks > SLACK_MAX)
		malloc_trim(0);
}

/* The groups of the peer as the kernel recorded them at connect: no look into files that may have changed since. */
static bool may_read(int fd, const struct ucred *cred)
{
	gid_t groups[1024], wanted;
	socklen_t size = sizeof(groups);

	if (cred->uid == 0)
		return true;
	if (group_find(GROUP_FILE, GROUP_NAME, &wanted) < 0)
		return false;
	if (cred->gid == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool over_rate(struct client *client)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (client->second != now.tv_sec) {
		client->second = now.tv_sec;
		client->in_second = 0;
	}
	return ++client->in_second > RATE_PER_SECOND && client->caller.uid != 0;
}

static json_t *answer_line(struct client *client, const char *line, size_t len)
{
	json_error_t error;
	json_t *request, *reply;
	char text[256];

	if (over_rate(client))
		return verbs_error(EXIT_REFUSED, "too many requests", "wait a second");
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(request)) {
		snprintf(text, sizeof(text), "no request: %.180s (column %d)", request ? "it is no JSON object" : error.text, error.column);
		json_decref(request);
		return verbs_error(EXIT_USAGE, text, NULL);
	}
	reply = verbs_answer(client->server->firewall, request, &client->caller, &client->pass);
	json_decref(request);
	return reply;
}

/* Sends what the socket takes. 0 all is out, 1 more to come, negative: the client is gone. */
static int flush_out(struct client *client)
{
	while (client->out_done < client->out_len) {
		struct iovec iov = { client->out + client->out_done, client->out_len - client->out_done };
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (client->pass >= 0) {
			struct cmsghdr *header = (struct cmsghdr *)control;

			message.msg_control = control;
			message.msg_controllen = sizeof(control);
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_RIGHTS;
			header->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(header), &client->pass, sizeof(int));
		}
		n = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		if (client->pass >= 0)
			close(client->pass);
		client->pass = -1;
		client->out_done += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_len = client->out_done = 0;
	return 0;
}

static int send_reply(struct client *client, json_t *reply)
{
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	size_t len;

	json_decref(reply);
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len] = '\n'; /* in place of the NUL */
	client->out = text;
	client->out_len = len + 1;
	client->out_done = 0;
	return flush_out(client);
}

/* Answers whole lines, one at a time: no further request is read while an answer waits to be taken. */
static int serve(struct client *client)
{
	char *end;
	int r = 0;

	while (r == 0 && client->in_len > 0 && (end = memchr(client->in, '\n', client->in_len))) {
		size_t len = (size_t)(end - client->in) + 1;

		r = send_reply(client, answer_line(client, client->in, len - 1));
		client->in_len -= len;
		memmove(client->in, client->in + len, client->in_len);
	}
	if (client->in_len == 0) {
		free(client->in);
		client->in = NULL;
	}
	return r;
}

static void wait_for(struct client *client, int r)
{
	static const struct timeval stall = { .tv_sec = STALL_SECONDS };

	if (r < 0) {
		client_free(client);
	} else if (r > 0) {
		event_del(client->readable);
		event_add(client->writable, &stall);
	} else {
		event_del(client->writable);
		event_add(client->readable, client->in_len ? &stall : NULL);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct client *client = arg;
	int r = what & EV_TIMEOUT ? -ETIMEDOUT : flush_out(client);

	(void)fd;
	wait_for(client, r == 0 ? serve(client) : r);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *client = arg;
	ssize_t n;

	if (!client->in)
		client->in = malloc(LINE_MAX_BYTES);
	if ((what & EV_TIMEOUT) || !client->in) {
		client_free(client);
		return;
	}
	n = recv(fd, client->in + client->in_len, LINE_MAX_BYTES - client->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(client);
		return;
	}
	client->in_len += (size_t)n;
	if (client->in_len == LINE_MAX_BYTES && !memchr(client->in, '\n', client->in_len)) {
		send_reply(client, verbs_error(EXIT_USAGE, "a request is at most 65536 bytes", NULL));
		client_free(client);
		return;
	}
	wait_for(client, serve(client));
}

static bool has_room(const struct server *server, uid_t uid)
{
	unsigned all = 0, same = 0;

	for (const struct client *client = server->clients; client; client = client->next) {
		all++;
		same += client->caller.uid == uid;
	}
	return all < CLIENTS_MAX && (uid == 0 || same < CLIENTS_PER_USER);
}

static void on_acceptable(evutil_socket_t listener, short what, void *arg)
{
	struct server *server = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t size = sizeof(cred);
	struct client *client;

	(void)what;
	if (fd < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 || !has_room(server, cred.uid)) {
		close(fd);
		free(client);
		return;
	}
	client->server = server;
	client->fd = fd;
	client->pass = -1;
	client->caller = (struct caller){ .uid = cred.uid, .pid = cred.pid, .may_read = may_read(fd, &cred) };
	client->next = server->clients;
	server->clients = client;
	client->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable = event_new(server->base, fd, EV_WRITE | EV_PERSIST, on_writable, client);
	if (!client->readable || !client->writable || event_add(client->readable, NULL) < 0)
		client_free(client);
}

/* Whether somebody answers at @path. A file that nobody listens at is removed. */
static int make_way(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		r = -EADDRINUSE;
	else if (errno == ECONNREFUSED && lstat(addr->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		r = unlink(addr->sun_path) < 0 ? -errno : 0;
	else if (errno != ENOENT)
		r = errno == ECONNREFUSED ? -ENOTSOCK : -errno;
	close(fd);
	return r;
}

static int listen_at(struct server *server)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	gid_t group;
	int r;

	strcpy(addr.sun_path, server->path);
	r = make_way(&addr);
	if (r < 0)
		return r;
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(server->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (r < 0)
		return r;
	/* who of them may do what is decided by credentials at each request */
	if (group_find(GROUP_FILE, GROUP_NAME, &group) == 0 && (chown(server->path, 0, group) < 0 || chmod(server->path, 0660) < 0))
		return -errno;
	return listen(server->fd, CLIENTS_MAX) < 0 ? -errno : 0;
}

int server_new(struct event_base *base, const char *path, struct server **ret)
{
	struct server *server;
	int r;

	if (strlen(path) >= sizeof(server->path))
		return -ENAMETOOLONG;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->base = base;
	server->fd = -1;
	strcpy(server->path, path);
	r = listen_at(server);
	if (r == 0) {
		server->acceptable = event_new(base, server->fd, EV_READ | EV_PERSIST, on_acceptable, server);
		if (!server->acceptable || event_add(server->acceptable, NULL) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		if (server->fd < 0)
			server->path[0] = '\0'; /* it is somebody else's */
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void server_serve(struct server *server, struct firewall *firewall)
{
	server->firewall = firewall;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	while (server->clients)
		client_free(server->clients);
	if (server->acceptable)
		event_free(server->acceptable);
	if (server->fd >= 0)
		close(server->fd);
	if (server->path[0])
		unlink(server->path);
	free(server);
}
