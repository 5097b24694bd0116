/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The rules in the kernel: read as one ruleset, and brought to a wish by differences, in batches that name the generation
 * they were made for. Base chains are never deleted (one that is born anew has policy ACCEPT for a moment).
 *
 * Calls block for as long as the kernel takes: about 0.1 ms, up to 50 ms right after a deletion.
 */
#include <stdint.h>

#include "rules/diag.h"
#include "rules/ruleset.h"

struct kernel;
struct sets;

/* @sets resolves the names of sets and must outlive it. -EOPNOTSUPP: no nf_tables. */
int kernel_open(struct sets *sets, struct kernel **ret);
void kernel_close(struct kernel *kernel); /* NULL is allowed */

/* Everything of families ip, ip6 and inet, of one generation. The caller frees *ret. -EAGAIN: it never stood still. */
int kernel_read(struct kernel *kernel, struct ruleset **ret);
/* The same where counters do not matter: what was read before, if the kernel still has that generation (every change of rules,
 * chains and policies makes a new one; a set that a rule names can be neither renamed nor destroyed). *ret belongs to @kernel
 * and stands until kernel_look_end(), which every success asks for. */
int kernel_look(struct kernel *kernel, const struct ruleset **ret);
void kernel_look_end(struct kernel *kernel);
int kernel_generation(struct kernel *kernel, uint32_t *ret);

enum {
	KERNEL_DRY_RUN = 1,   /* nothing is sent */
	KERNEL_JUMP_LAST = 2, /* our jumps are moved behind foreign rules that stand behind them */
};

/* Called with one line for each step that people care about (see step_text()). May be NULL. */
typedef void kernel_told(const char *line, void *user);

/*
 * Makes our part of the kernel equal to @wish. Returns the number of steps taken (0: nothing was to be done), or -errno with
 * @diag; the kernel is then as before, except that a loosened policy may already stand (it decides nothing as long as our
 * chains do).
 */
int kernel_apply(struct kernel *kernel, const struct ruleset *wish, unsigned flags, kernel_told *told, void *user,
		 struct diag *diag);

/* Port id of the socket that sends batches: tells our own events from others'. */
uint32_t kernel_portid(const struct kernel *kernel);
