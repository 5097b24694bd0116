/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The words that `allow`, `remove` and `why` take for networks: checked here, so that an error can point at the word.
 */
#include "rules/addr.h"
#include "rules/diag.h"

/* ADDRESS, ADDRESS/LENGTH, A-B, "any". "me" is the caller's to resolve. 0, or -EINVAL with the reason in @diag. */
int network_check(const char *word, struct diag *diag);
/* One address only, or -EINVAL. */
int address_check(const char *word, struct addr *ret, struct diag *diag);

/* "tcp/22", "udp/53", "icmp". *port is 0 for icmp. 0, or -EINVAL with @diag. */
int service_check(const char *word, const char **proto, unsigned *port, struct diag *diag);
