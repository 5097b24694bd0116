/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The journal's system calls, made to fail on request: the program is linked with --wrap for each of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum fault_call {
	FAULT_WRITE, FAULT_SHORT, FAULT_FDATASYNC, FAULT_FSYNC, FAULT_RENAME, FAULT_CUT, FAULT_OPEN, FAULT_CALLS
};
static const char *const fault_names[] = { "write", "short write", "fdatasync", "fsync", "rename",
					   "short write and ftruncate", "open" };

static struct {
	enum fault_call call;
	unsigned at;      /* the n-th call fails; 0: none */
	unsigned width;   /* and so many after it */
	unsigned seen;
	bool fired, full; /* full: after a short write the next one fails */
	unsigned uncut;   /* ftruncate and rename fail so often: the half record stays for a while */
	int error;
	void (*at_fsync)(void); /* called once, when a new file is whole and not yet in its place */
} fault;

static bool fault_hits(enum fault_call call)
{
	if (!fault.at || fault.call != call)
		return false;
	fault.seen++;
	if (fault.seen < fault.at || fault.seen >= fault.at + fault.width)
		return false;
	fault.fired = true;
	errno = fault.error;
	return true;
}

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	if (fault.full) {
		fault.full = false;
		errno = ENOSPC;
		return -1;
	}
	if (fault_hits(FAULT_SHORT) || fault_hits(FAULT_CUT)) {
		fault.full = true;
		fault.uncut = fault.call == FAULT_CUT ? fault.width : 0;
		return __real_write(fd, data, n / 2);
	}
	return fault_hits(FAULT_WRITE) ? -1 : __real_write(fd, data, n);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	return fault_hits(FAULT_FDATASYNC) ? -1 : __real_fdatasync(fd);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	void (*hook)(void) = fault.at_fsync;

	fault.at_fsync = NULL;
	if (hook)
		hook();
	return fault_hits(FAULT_FSYNC) ? -1 : __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	if (fault.uncut) {
		fault.uncut--;
		errno = EIO;
		return -1;
	}
	return fault_hits(FAULT_RENAME) ? -1 : __real_rename(from, to);
}

/* meson builds with 64-bit offsets: these two go by other names then */
int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size)
{
	if (fault.uncut) {
		fault.uncut--;
		errno = EIO;
		return -1;
	}
	return __real_ftruncate64(fd, size);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return fault_hits(FAULT_OPEN) ? -1 : __real_open64(path, flags, mode);
}
