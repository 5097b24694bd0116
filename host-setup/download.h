/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One file by HTTPS, with patience: what stalls or breaks off is resumed, a few times, with growing pauses. TLS is
 * always verified, and nothing but HTTPS is followed to. Progress goes to stderr: a bar on a terminal, lines
 * elsewhere.
 */

struct fault;

#define DOWNLOAD_TRIES 5
#define DOWNLOAD_BYTES_MAX (512ll << 20)

struct download {
	const char *url;
	const char *name;    /* what people read */
	const char *ca;      /* file of certificates to trust instead of the system's; NULL: the system's */
	unsigned stall;      /* seconds without data after which a try is given up */
	unsigned pause;      /* milliseconds before the second try; doubled for each further one */
	long long bytes_max; /* what is larger is refused */
	int quiet;
};

/* Appends to what the descriptor @fd already holds. -EAGAIN: what it holds cannot be continued: truncate it and call
 * again. Other failures are final. */
int download_run(const struct download *download, int fd, struct fault *fault);
