/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The one sentence about a host, from what `status` says and nothing else. It never says "closed" unless the daemon's
 * verdict about a stranger is "drop" in both families.
 */
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum posture {
	POSTURE_CLOSED,
	POSTURE_OPEN,     /* in at least one family */
	POSTURE_UNKNOWN,  /* not open, as far as one can tell */
};

enum posture posture_sentence(const json_t *status, char *ret, size_t size);

/* Whether the firewall is off for a while (disable --for). */
bool posture_is_disabled(const json_t *status);

/* "1 network", "3 networks". */
void count_format(json_int_t n, const char *one, const char *many, char *ret, size_t size);
/* "port 22", "ports 22 and 2222" of policy.ssh_ports; "" if there are none. */
void ports_format(const json_t *ports, char *ret, size_t size);
