/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * ssh-ports = auto: the ports that must stay reachable for administrators.
 */
#include "rules/policy.h"

/*
 * Adds to @policy: the ports that are confirmed (those of @confirmed, if it is auto too), those on which an sshd listens in
 * this network namespace, and those that systemd's ssh.socket listens on. If all that finds nothing: 22.
 * Listeners of sessions (ssh -R) do not count: any user can make those.
 */
void sshports_find(struct policy *policy, const struct policy *confirmed);
