/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host-setup/progress.h"
#include "host-setup/text.h"

#define BAR_MAX 40
#define AROUND 24 /* columns beside name and bar */

void progress_begin(struct progress *progress, const char *name)
{
	struct winsize size = { 0 };
	size_t len = strlen(name);

	*progress = (struct progress){ .name = name, .terminal = isatty(STDERR_FILENO), .told = -1, .width = BAR_MAX };
	if (progress->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col &&
	    size.ws_col < len + AROUND + BAR_MAX)
		progress->width = size.ws_col > len + AROUND + 8 ? (unsigned)(size.ws_col - len - AROUND) : 8;
}

static void close_line(struct progress *progress)
{
	if (progress->open)
		fputc('\n', stderr);
	progress->open = false;
}

void progress_show(struct progress *progress, long long now, long long total)
{
	int steps = progress->terminal ? (int)progress->width : 4;
	int step = (int)(now * steps / total);

	if (step == progress->told || (!progress->terminal && step == 0))
		return;
	progress->told = step;
	if (!progress->terminal) {
		fprintf(stderr, "%s: %lld of %lld KiB\n", progress->name, now >> 10, total >> 10);
		return;
	}
	fprintf(stderr, "\r%s [", progress->name);
	for (int i = 0; i < steps; i++)
		fputc(i < step ? '#' : '.', stderr);
	fprintf(stderr, "] %3lld%% %lld KiB", now * 100 / total, now >> 10);
	progress->open = true;
}

void progress_say(struct progress *progress, const char *what, const char *why)
{
	close_line(progress);
	fprintf(stderr, "%s: %s: ", progress->name, what);
	text_put(stderr, why);
	fputc('\n', stderr);
}

void progress_end(struct progress *progress, bool done)
{
	close_line(progress);
	if (done && !progress->terminal)
		fprintf(stderr, "%s: downloaded\n", progress->name);
}
