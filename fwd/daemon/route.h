/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where this host would send to an address: by that way its packets come in, unless somebody routes oddly. */
#include <net/if.h>

#include "rules/addr.h"

/* Interface and own address towards @to. -ENETUNREACH and the like where there is no way. */
int route_lookup(const struct addr *to, char ifname[static IFNAMSIZ], struct addr *own);
