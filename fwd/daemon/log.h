/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the daemon says: to syslog (facility authpriv, for it names addresses), and on standard error where a person or a
 * journal reads that. Control characters are escaped.
 */
#include <syslog.h>

void log_open(const char *name);
/* @level is LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO of syslog.h. */
void log_say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
