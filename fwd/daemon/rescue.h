/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * `fwctl rescue`: for the console, when nobody gets in any more. Works without the daemon and beside a hanging one.
 */
struct firewall_paths;

/* Ends a trial, makes SSH reachable from everywhere (in the kernel, and in what boots), leaves everything else closed, and
 * says what it did and what stands in the way. Returns what fwctl exits with. */
int rescue(const struct firewall_paths *paths);
