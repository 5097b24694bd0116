/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The inside of the control socket, for server.c (who is let in) and peer.c (one connection) and nobody else. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

#include "fwd/daemon/server.h"
#include "fwd/daemon/verbs.h"

#define REQUEST_BYTES_MAX 65536      /* newline included */
#define ANSWER_BYTES_MAX (1u << 20)  /* newline included */
#define PEERS_MAX 64
#define PEERS_FOR_ROOT 8             /* of them: kept free of anybody else */
#define PEERS_PER_USER 8             /* other than root */
#define RATE_PER_SECOND 50           /* requests of such a user, over all of his connections */
#ifndef STALL_SECONDS                /* less in tests */
#define STALL_SECONDS 30             /* a request begun, or an answer not taken */
#endif

struct event;
struct peer;

struct rate {
	uid_t uid;
	time_t second; /* CLOCK_MONOTONIC */
	unsigned n;
};

struct server {
	struct event_base *base;
	struct firewall *firewall;
	struct event *acceptable, *resume;
	struct peer *peers;
	struct rate rates[PEERS_MAX];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, lock;
	bool bound;       /* the file at @path is ours */
	bool has_group;
	gid_t group;      /* who may ask */
};

/* Takes @fd over, whatever becomes of it. */
int peer_new(struct server *server, int fd, const struct caller *caller);
void peer_free(struct peer *peer);
/* Answers a peer that waits for the end of a trial, others not; @reply stays the caller's. May free @peer. */
struct json_t;
void peer_end_wait(struct peer *peer, struct json_t *reply);
struct peer *peer_next(const struct peer *peer, uid_t *ret); /* the user of @peer, and the one behind it */

/* Counts a request of @uid; whether it is one too many. */
bool server_over_rate(struct server *server, uid_t uid);
