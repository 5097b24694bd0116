/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Text of others, made fit to be shown; numbers and names as they are typed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Control characters and bytes that are no ASCII become \xNN, so that nothing that is shown can move a cursor. The
 * caller frees; NULL: out of memory. */
char *text_escape(const char *text);
void text_put(FILE *out, const char *text);

/* Digits only, 0 to 2^32 - 1. false: *ret untouched. */
bool text_number(const char *text, uint32_t *ret);
