/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What is wrong with a text, where. Parsers fill it in and never print; who speaks with a person prints it, once.
 */
#include <stdarg.h>

#define DIAG_TEXT_MAX 256

struct diag {
	unsigned line;   /* from 1; 0 where the text has no lines */
	unsigned column; /* from 1, in bytes; 0 where it says nothing */
	char text[DIAG_TEXT_MAX];
};

/* @diag may be NULL. Only the first finding is kept: call diag_clear() before a fresh parse. */
void diag_set(struct diag *diag, unsigned line, unsigned column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void diag_clear(struct diag *diag);
