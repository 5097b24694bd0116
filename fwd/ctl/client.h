/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The client's end of the control socket (docs/protocol.md): a request, its answer, a passed descriptor. Blocks.
 */
#include <stddef.h>

#include <jansson.h>

#define REQUEST_MAX 65536    /* bytes with the newline */
#define ANSWER_MAX (1u << 20)
#define CLIENT_PATIENCE 120  /* seconds without an answer until the daemon counts as hung */

struct client;

struct answer {
	json_t *json; /* owned; an object */
	char *line;   /* as it came, without newline; owned */
	size_t len;
	int fd;       /* passed with the answer, or -1; owned */
	int exit;     /* its "exit" */
};

/* 0 or -errno of connect(); -ENAMETOOLONG. */
int client_open(const char *path, struct client **ret);
/* Answers may take as long as they like from now on (a wait). */
void client_be_patient(struct client *client);
void client_close(struct client *client); /* NULL is allowed */

/*
 * Sends @request and waits for the answer. -EMSGSIZE: the request is too long, nothing was sent. -EPIPE: the daemon was
 * gone before all was sent. Afterwards nobody knows whether the request was served: -ECONNRESET no answer came,
 * -ETIMEDOUT, -EPROTO it is no answer of this protocol.
 */
int client_ask(struct client *client, const json_t *request, struct answer *ret);
void answer_clear(struct answer *answer); /* a zeroed one is allowed */
