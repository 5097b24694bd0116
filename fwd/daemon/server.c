/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/group.h"
#include "fwd/daemon/server_internal.h"

#define GROUP_NAME "fwd"

/* The groups of the peer as the kernel recorded them at connect: no look into files, which may have changed since and may be
 * far away. */
static bool may_read(const struct server *server, int fd, const struct ucred *cred)
{
	gid_t groups[1024];
	socklen_t size = sizeof(groups);

	if (cred->uid == 0)
		return true;
	if (!server->has_group)
		return false;
	if (cred->gid == server->group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == server->group)
			return true;
	return false;
}

bool server_over_rate(struct server *server, uid_t uid)
{
	struct rate *rate = NULL;
	struct timespec now;

	if (uid == 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct rate *slot = &server->rates[i];

		if (slot->n && slot->uid == uid) {
			rate = slot;
			break;
		}
		if (!slot->n || slot->second != now.tv_sec)
			rate = slot; /* nobody's, or of a second that is over */
	}
	if (!rate)
		return true;
	if (rate->uid != uid || rate->second != now.tv_sec)
		*rate = (struct rate){ .uid = uid, .second = now.tv_sec };
	return ++rate->n > RATE_PER_SECOND;
}

static bool has_room(const struct server *server, uid_t uid)
{
	unsigned all = 0, same = 0;
	uid_t other;

	for (const struct peer *peer = server->peers; peer; all++) {
		peer = peer_next(peer, &other);
		same += other == uid;
	}
	if (uid == 0)
		return all < PEERS_MAX;
	return all < PEERS_MAX - PEERS_FOR_ROOT && same < PEERS_PER_USER;
}

/* What fits into an empty socket goes at once. */
static void turn_away(int fd)
{
	json_t *json = verbs_error(EXIT_REFUSED, "too many connections to fwd", "end some, or try again later");
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text) {
		text[strlen(text)] = '\n';
		(void)!send(fd, text, strcspn(text, "\n") + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	free(text);
	json_decref(json);
	close(fd);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	event_add(server->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t listener, short what, void *arg)
{
	static const struct timeval pause = { .tv_sec = 1 };
	struct server *server = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t size = sizeof(cred);

	(void)what;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		event_del(server->acceptable); /* it would stay acceptable, and the loop would spin */
		event_add(server->resume, &pause);
	}
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0) {
		close(fd);
	} else if (!has_room(server, cred.uid)) {
		turn_away(fd);
	} else {
		struct caller caller = { .uid = cred.uid, .pid = cred.pid, .may_read = may_read(server, fd, &cred) };

		peer_new(server, fd, &caller);
	}
}

/* Held as long as we live. Without it two that start at the same time could both find a dead socket, and each take it over. */
static int take_lock(struct server *server)
{
	char path[sizeof(server->path) + 8];

	snprintf(path, sizeof(path), "%s.lock", server->path);
	server->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (server->lock < 0)
		return -errno;
	if (flock(server->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	return 0;
}

/* Whether somebody answers at @path. A socket that nobody listens at is removed; what is no socket is somebody's. */
static int make_way(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, r = 0;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		r = unlink(addr->sun_path) < 0 ? -errno : 0;
	else if (errno != ENOENT)
		r = -errno;
	close(fd);
	return r;
}

static int listen_at(struct server *server)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	strcpy(addr.sun_path, server->path);
	r = take_lock(server);
	if (r == 0)
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
	server->bound = true;
	/* who of them may do what is decided by credentials at each request */
	if (server->has_group && (chown(server->path, 0, server->group) < 0 || chmod(server->path, 0660) < 0))
		return -errno;
	return listen(server->fd, PEERS_MAX) < 0 ? -errno : 0;
}

int server_new(struct event_base *base, const char *path, struct server **ret)
{
	struct server *server;
	int r;

	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(server->path))
		return -ENAMETOOLONG;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->base = base;
	server->fd = server->lock = -1;
	server->has_group = group_find(GROUP_FILE, GROUP_NAME, &server->group) == 0;
	strcpy(server->path, path);
	r = listen_at(server);
	if (r == 0) {
		server->acceptable = event_new(base, server->fd, EV_READ | EV_PERSIST, on_acceptable, server);
		server->resume = evtimer_new(base, on_resume, server);
		if (!server->acceptable || !server->resume || event_add(server->acceptable, NULL) < 0)
			r = -ENOMEM;
	}
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

static void on_trial_end(int exit, const char *text, void *user)
{
	struct server *server = user;
	json_t *reply = verbs_end(exit, text);
	struct peer *next;
	uid_t uid;

	for (struct peer *peer = server->peers; peer && reply; peer = next) {
		next = peer_next(peer, &uid);
		peer_end_wait(peer, reply);
	}
	json_decref(reply);
}

void server_serve(struct server *server, struct firewall *firewall)
{
	server->firewall = firewall;
	firewall_on_end(firewall, on_trial_end, server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	while (server->peers)
		peer_free(server->peers);
	if (server->acceptable)
		event_free(server->acceptable);
	if (server->resume)
		event_free(server->resume);
	if (server->bound)
		unlink(server->path);
	if (server->fd >= 0)
		close(server->fd);
	if (server->lock >= 0)
		close(server->lock);
	free(server);
}
