/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The firewall of this host: what is confirmed, what is on trial, and every change of either. Kernel, sets and files are
 * only ever brought to what stands here.
 *
 * All calls are synchronous and short; the daemon has one thread and one event loop.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fwd/daemon/store.h"
#include "rules/entry.h"

struct event_base;
struct firewall;

struct firewall_paths {
	const char *conf;         /* fwd.conf */
	const char *iptables_dir; /* ipsets, rules.v4, rules.v6 */
	const char *state_dir;    /* confirmed */
	const char *run_dir;      /* the trial's record: gone after a reboot */
};

/* What fwctl exits with (docs/protocol.md). */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_TRIAL = 4, EXIT_ROLLED_BACK = 5, EXIT_DEGRADED = 6 };

/* One change that somebody asks for, and what became of it. */
struct change {
	/* asked */
	bool dry_run;      /* say what would change, and change nothing */
	bool force;        /* although it looks unwise */
	bool interactive;  /* a person at a terminal asks */
	pid_t pid;         /* the process that asks; 0: none (a signal) */
	unsigned timeout;  /* seconds of a trial; 0: as the policy says */
	const char *who;   /* for the log: "uid 0 (anna from 192.0.2.10)" */
	void (*would)(const char *line, void *user); /* may be NULL: each line of difference */
	void *user;
	/* answered */
	int exit;
	bool changed;
	char text[512], hint[512]; /* exit 1: what is wrong and what to do */
	struct json_t *preflight;  /* what a trial would cut, or NULL; to be let go by who asked */
};
/* Fills in the answer of a refused change; returns -EPERM for convenience. */
int change_refuse(struct change *change, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Takes up what is confirmed (and a trial that is running): sets, then rules. With no confirmed state the firewall is off
 * and the kernel is left alone. What cannot be had leaves a degraded firewall that says so, never an open host; only a
 * programming or memory error fails. @base serves the trial's clock and the watch on foreign changes.
 */
int firewall_new(struct event_base *base, const struct firewall_paths *paths, struct firewall **ret);
void firewall_free(struct firewall *firewall); /* NULL is allowed; the kernel is left as it is */

/* wish.c, trial.c, commit.c. Each returns 0 or a negative errno, with @change answered in both cases. */
int firewall_enable(struct firewall *firewall, struct change *change);
int firewall_reload(struct firewall *firewall, struct change *change);
int firewall_confirm(struct firewall *firewall, struct change *change);
int firewall_rollback(struct firewall *firewall, struct change *change);
/* The trial's end moves @seconds further away, but no further than an hour from now. */
int firewall_extend(struct firewall *firewall, unsigned seconds, struct change *change);
/* With change->timeout it is a trial by itself: the firewall comes back when that is over, unless somebody confirms. */
int firewall_disable(struct firewall *firewall, bool accept, struct change *change);

/* How the last trial ended, for those who wait for it: EXIT_DONE confirmed, EXIT_ROLLED_BACK; @text says it in words. Called
 * from the loop or from within a call above. */
typedef void firewall_ended(int exit, const char *text, void *user);
void firewall_on_end(struct firewall *firewall, firewall_ended *ended, void *user);
bool firewall_on_trial(const struct firewall *firewall);

/* entries.c */
struct allow {
	const char *list;
	const struct cidr *nets;
	size_t n;
	uint64_t until;      /* epoch seconds; 0: for ever */
	const char *comment; /* NULL: keep what is there */
	bool wide;
};
enum entry_was { ENTRY_ABSENT, ENTRY_PRESENT, ENTRY_CHANGED };
typedef void entry_told(const struct entry *entry, enum entry_was was, const char *note, void *user);
int firewall_allow(struct firewall *firewall, const struct allow *allow, struct change *change, entry_told *told, void *user);
int firewall_remove(struct firewall *firewall, const char *list, const struct cidr *nets, size_t n, struct change *change,
		    entry_told *told, void *user);
/* Writes the entries as JSON lines (docs/protocol.md) to a file of its own and passes its descriptor (at offset 0). */
int firewall_list(struct firewall *firewall, const char *list, int *ret, uint64_t *entries, struct diag *diag);

/* inspect.c */
struct json_t;
int firewall_status(struct firewall *firewall, struct json_t **ret);
int firewall_why(struct firewall *firewall, const struct addr *source, uint8_t proto, uint16_t port, struct json_t **ret);
int firewall_diff(struct firewall *firewall, struct json_t **ret);
