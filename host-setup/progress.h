/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How far a download is, on stderr: a bar where that is a terminal, else a line for each quarter.
 */
#include <stdbool.h>

struct progress {
	const char *name;
	bool terminal;
	bool open;      /* a bar stands in an unfinished line */
	int told;       /* the last step that was shown */
	unsigned width; /* of the bar */
};

void progress_begin(struct progress *progress, const char *name);
void progress_show(struct progress *progress, long long now, long long total);
void progress_say(struct progress *progress, const char *what, const char *why);
void progress_end(struct progress *progress, bool done);
