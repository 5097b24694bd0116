/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to the control socket: lines in, lines out, one at a time.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>
#include <linux/sockios.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/server_internal.h"

#define SLACK_MAX (256 << 10) /* bytes of freed memory that are kept between connections */

struct peer {
	struct server *server;
	struct peer *next;
	struct event *readable, *writable; /* one of them is waited for; neither is EV_PERSIST, whose timeout would outlive its cause */
	struct caller caller;
	int fd;
	char *in;      /* allocated while a request is under way */
	size_t in_len;
	char *out;     /* the answer on its way */
	size_t out_len, out_done;
	int pass;      /* descriptor that goes with the answer's first byte, or -1 */
	bool waits;    /* for the end of a trial: the answer comes then */
};

struct peer *peer_next(const struct peer *peer, uid_t *ret)
{
	*ret = peer->caller.uid;
	return peer->next;
}

void peer_free(struct peer *peer)
{
	struct server *server = peer->server;
	struct peer **where = &server->peers;

	while (*where && *where != peer)
		where = &(*where)->next;
	if (*where)
		*where = peer->next;
	if (peer->readable)
		event_free(peer->readable);
	if (peer->writable)
		event_free(peer->writable);
	if (peer->pass >= 0)
		close(peer->pass);
	close(peer->fd);
	free(peer->in);
	free(peer->out);
	free(peer);
	/* what a large request took goes back to the system, and is not held until the next of its size */
	if (!server->peers && mallinfo2().fordblks > SLACK_MAX)
		malloc_trim(0);
}

/* A descriptor that nobody has received yet is memory that nobody else pays for: one at a time. */
static bool holds_answers(const struct peer *peer)
{
	int unread = 0;

	return peer->caller.uid != 0 && ioctl(peer->fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

static json_t *answer_line(struct peer *peer, const char *line, size_t len)
{
	json_error_t error;
	json_t *request, *reply;
	char text[256];

	if (server_over_rate(peer->server, peer->caller.uid))
		return verbs_error(EXIT_REFUSED, "too many requests", "wait a second");
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(request)) {
		if (request)
			snprintf(text, sizeof(text), "no request: it is no JSON object");
		else
			snprintf(text, sizeof(text), "no request: %.180s (byte %d)", error.text, error.position);
		json_decref(request);
		return verbs_error(EXIT_USAGE, text, NULL);
	}
	reply = verbs_answer(peer->server->firewall, request, &peer->caller, &peer->pass);
	json_decref(request);
	if (peer->pass == VERBS_LATER) {
		peer->pass = -1;
		peer->waits = true;
		return NULL;
	}
	if (peer->pass >= 0 && holds_answers(peer)) {
		close(peer->pass);
		peer->pass = -1;
		json_decref(reply);
		return verbs_error(EXIT_REFUSED, "earlier answers were not taken yet", "read them, then ask for a list");
	}
	return reply;
}

static ssize_t send_piece(const struct peer *peer)
{
	struct iovec iov = { peer->out + peer->out_done, peer->out_len - peer->out_done };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (peer->pass >= 0) {
		struct cmsghdr *header = (struct cmsghdr *)control;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &peer->pass, sizeof(int));
	}
	return sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends what the socket takes. 0 all is out, 1 more to come, negative: the peer is gone. */
static int flush_out(struct peer *peer)
{
	while (peer->out_done < peer->out_len) {
		ssize_t n = send_piece(peer);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		if (peer->pass >= 0)
			close(peer->pass);
		peer->pass = -1;
		peer->out_done += (size_t)n;
	}
	free(peer->out);
	peer->out = NULL;
	peer->out_len = peer->out_done = 0;
	return 0;
}

static int send_reply(struct peer *peer, json_t *reply)
{
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	size_t len;

	json_decref(reply);
	if (text && strlen(text) >= ANSWER_BYTES_MAX) {
		free(text);
		reply = verbs_error(EXIT_REFUSED, "the answer is longer than 1 MiB", NULL);
		text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
		json_decref(reply);
	}
	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len] = '\n'; /* in place of the NUL */
	peer->out = text;
	peer->out_len = len + 1;
	peer->out_done = 0;
	return flush_out(peer);
}

static bool has_line(const struct peer *peer)
{
	return peer->in_len > 0 && memchr(peer->in, '\n', peer->in_len);
}

/* Answers the first whole line. One a turn of the loop: a thousand in one write must keep neither the others nor the clock of
 * a trial waiting. No request is read while an answer waits to be taken. */
static int serve(struct peer *peer)
{
	json_t *reply;
	int r = 0;

	if (has_line(peer)) {
		size_t len = (size_t)((char *)memchr(peer->in, '\n', peer->in_len) - peer->in) + 1;

		reply = answer_line(peer, peer->in, len - 1);
		r = peer->waits ? 0 : send_reply(peer, reply);
		peer->in_len -= len;
		memmove(peer->in, peer->in + len, peer->in_len);
	}
	if (peer->in_len == 0) {
		free(peer->in);
		peer->in = NULL;
	}
	return r == 0 && has_line(peer) && !peer->waits ? 1 : r;
}

/* What is to be waited for next; frees @peer if that is nothing. */
static void wait_for(struct peer *peer, int r)
{
	static const struct timeval stall = { .tv_sec = STALL_SECONDS };

	if (r > 0)
		r = event_add(peer->writable, &stall);
	else if (r == 0) /* who waits is only listened to for his hanging up */
		r = event_add(peer->readable, peer->in_len && !peer->waits ? &stall : NULL);
	if (r < 0)
		peer_free(peer);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	int r = what & EV_TIMEOUT ? -ETIMEDOUT : flush_out(peer);

	(void)fd;
	wait_for(peer, r == 0 ? serve(peer) : r);
}

static void refuse(struct peer *peer, const char *text)
{
	send_reply(peer, verbs_error(EXIT_USAGE, text, NULL));
	peer_free(peer);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	ssize_t n;

	if (!peer->in)
		peer->in = malloc(REQUEST_BYTES_MAX);
	if ((what & EV_TIMEOUT) || !peer->in) {
		peer_free(peer);
		return;
	}
	/* descriptors that somebody passes along are closed by the kernel: there is no room for them */
	n = recv(fd, peer->in + peer->in_len, REQUEST_BYTES_MAX - peer->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		wait_for(peer, 0);
		return;
	}
	if (n == 0 && peer->in_len > 0) {
		refuse(peer, "a request ends with a newline, this one broke off");
		return;
	}
	if (n <= 0) {
		peer_free(peer);
		return;
	}
	peer->in_len += (size_t)n;
	if (peer->in_len == REQUEST_BYTES_MAX && !has_line(peer))
		refuse(peer, "a request is at most 65536 bytes");
	else
		wait_for(peer, peer->waits ? 0 : serve(peer));
}

void peer_end_wait(struct peer *peer, struct json_t *reply)
{
	int r;

	if (!peer->waits)
		return;
	peer->waits = false;
	event_del(peer->readable);
	r = send_reply(peer, json_incref(reply));
	wait_for(peer, r == 0 && has_line(peer) ? 1 : r);
}

int peer_new(struct server *server, int fd, const struct caller *caller)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		close(fd);
		return -ENOMEM;
	}
	peer->server = server;
	peer->fd = fd;
	peer->pass = -1;
	peer->caller = *caller;
	peer->next = server->peers;
	server->peers = peer;
	peer->readable = event_new(server->base, fd, EV_READ, on_readable, peer);
	peer->writable = event_new(server->base, fd, EV_WRITE, on_writable, peer);
	if (!peer->readable || !peer->writable || event_add(peer->readable, NULL) < 0) {
		peer_free(peer);
		return -ENOMEM;
	}
	return 0;
}
