/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shared by kernel.c (reading, orchestration) and kernel_batch.c (sending); nobody else includes it. */
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "fwd/daemon/kernel.h"
#include "rules/diff.h"
#include "rules/nftcodec.h"

struct kernel {
	struct mnl_socket *socket;
	uint32_t seq;
	struct codec_sets resolver;
	struct ruleset *seen; /* of the last kernel_look(), or NULL */
};

/* Sends the steps that @pick accepts as one batch made for @generation. -ERESTART: the generation is over; read anew. */
int kernel_send(struct kernel *kernel, const struct diff *diff, bool (*pick)(const struct step *step), uint32_t generation,
		struct diag *diag);
