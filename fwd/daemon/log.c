/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "fwd/daemon/log.h"

#define LINE_MAX_BYTES 1024

static bool to_stderr = true;

void log_open(const char *name)
{
	/* under a service manager that collects both, once is enough */
	to_stderr = getenv("JOURNAL_STREAM") == NULL;
	openlog(name, LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
}

void log_say(int level, const char *format, ...)
{
	char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES * 2];
	size_t n = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	for (const unsigned char *c = (unsigned char *)raw; *c && n + 5 < sizeof(line); c++) {
		if (*c < 0x20 || *c == 0x7f)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "\\x%02x", *c);
		else
			line[n++] = (char)*c;
	}
	line[n] = '\0';
	syslog(level, "%s", line);
	if (to_stderr)
		fprintf(stderr, "fwd: %s\n", line);
}
