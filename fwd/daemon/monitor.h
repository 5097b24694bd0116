/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells when somebody else changed rules in the kernel. A kick, not a message: who is kicked reads what stands. Several
 * changes in a row make one kick; lost events (ENOBUFS) make one too.
 */
#include <stdint.h>

struct event_base;
struct monitor;

/* @portid: of the socket whose changes are our own. @changed is called from the loop. */
int monitor_new(struct event_base *base, uint32_t portid, void (*changed)(void *user), void *user, struct monitor **ret);
void monitor_free(struct monitor *monitor); /* NULL is allowed */
