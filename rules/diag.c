/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "rules/diag.h"

void diag_set(struct diag *diag, unsigned line, unsigned column, const char *format, ...)
{
	va_list args;

	if (!diag || diag->text[0])
		return;
	diag->line = line;
	diag->column = column;
	va_start(args, format);
	vsnprintf(diag->text, sizeof(diag->text), format, args);
	va_end(args);
}

void diag_clear(struct diag *diag)
{
	if (diag)
		memset(diag, 0, sizeof(*diag));
}
