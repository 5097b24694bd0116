/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Proof of access: that who confirms a trial gets in under the rules on trial.
 *
 * Every packet of an inbound session is judged by the rules on trial as a new connection would be, so that a command typed in
 * any session, the old one too, proves that its address gets in; provided that the session counts as begun by the peer, that
 * packets of it came in since the trial began, and that no rule in front of ours lets them through which does not let new
 * connections through, too. Where one does, or a rule cannot be read, a login that began after the trial is the proof.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct firewall;

struct proof {
	bool holds;
	char by[512];   /* holds: the rule that lets the caller in, or "a local console" */
	char text[512]; /* else: what is missing */
	char hint[512]; /* and what to type */
};

/* Right after the gate was armed: remembers which connections are older than the trial. */
void proof_begin(struct firewall *firewall);
void proof_end(struct firewall *firewall);

/* @pid: the process at the other end of the control socket. */
void proof_of_access(struct firewall *firewall, pid_t pid, struct proof *ret);
