/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "host-setup/fault.h"

int fault_set(struct fault *fault, int code, const char *format, ...)
{
	va_list ap;

	if (!fault)
		return code;
	fault->hint[0] = '\0';
	va_start(ap, format);
	vsnprintf(fault->text, sizeof(fault->text), format, ap);
	va_end(ap);
	return code;
}

void fault_hint(struct fault *fault, const char *format, ...)
{
	va_list ap;

	if (!fault)
		return;
	va_start(ap, format);
	vsnprintf(fault->hint, sizeof(fault->hint), format, ap);
	va_end(ap);
}
