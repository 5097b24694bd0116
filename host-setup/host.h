/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One run over the steps: the options, and what earlier runs did (state.json), so that undo takes back that and
 * nothing else.
 */
#include <stdbool.h>

#include <jansson.h>

#include "host-setup/account.h"
#include "host-setup/obtain.h"

struct call;
struct fault;

#define HOST_DIR "/var/lib/fwd-host"

struct host {
	const struct call *call;
	const char *root;
	const char *user;
	struct source source;
	json_t *state; /* step name -> what apply did and found */
	int lock;      /* descriptor; nobody else works here meanwhile */
	bool forget;   /* when nothing is recorded any more, remove what is kept of it, downloads included */
	bool trial;    /* the firewall waits for its confirm */
};

/* Reads the state, takes the lock if @change. 0, or -errno with a fault; host_end() either way. */
int host_begin(struct host *host, const struct call *call, bool change, struct fault *fault);
void host_end(struct host *host);

/* What is recorded of a step; NULL: nothing. Borrowed. */
json_t *state_of(const struct host *host, const char *step);
/* Records it, on the disk when this returns. Takes @record over. To be called BEFORE the thing is done. */
int state_put(struct host *host, const char *step, json_t *record, struct fault *fault);
int state_drop(struct host *host, const char *step, struct fault *fault);

/* The container user as he is now; -ENOENT: not there yet. */
int host_account(const struct host *host, struct account *ret, struct fault *fault);
bool host_exists(const struct host *host, const char *path);
/* Appends to the array which of a directory and its parents are missing: to be recorded before they are made. */
void host_missing(const struct host *host, const char *path, json_t *ret);
/* Makes a directory and its parents below the root. */
int host_mkdir(const struct host *host, const char *path, struct fault *fault);
/* Removes the directories of the array, last first, that are empty. */
void host_rmdirs(const struct host *host, const json_t *made);
void host_unlink(const struct host *host, const char *path);
