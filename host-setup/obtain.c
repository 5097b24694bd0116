/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-setup/download.h"
#include "host-setup/fault.h"
#include "host-setup/files.h"
#include "host-setup/obtain.h"
#include "host-setup/release.h"

#define PAUSE_MS 1000
#define SUMS_MAX (256 << 10)

struct job {
	const struct package *package;
	const struct source *source;
	int dir;
	char sha256[SHA256_TEXT]; /* "": nobody told */
};

/* A list of hashes comes quietly. */
static int get(const struct job *job, const char *file, int fd, long long bytes_max, struct fault *fault)
{
	char url[RELEASE_URL_MAX];
	struct download download = { .url = url, .name = file, .ca = job->source->ca, .stall = job->source->stall,
				     .pause = PAUSE_MS, .bytes_max = bytes_max, .quiet = bytes_max == SUMS_MAX };
	int r = package_url(job->package, job->source->mirror, file, url, fault);

	return r < 0 ? r : download_run(&download, fd, fault);
}

/* Of --from. */
static int copy(const struct job *job, const char *file, int fd, struct fault *fault)
{
	char path[PATH_MAX];
	ssize_t n = 1;
	int in, r = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", job->source->from, file) >= sizeof(path))
		return fault_set(fault, -ENAMETOOLONG, "the path of --from is too long");
	in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (in < 0)
		return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	while (n > 0)
		n = sendfile(fd, in, NULL, 1 << 20);
	if (n < 0)
		r = fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	close(in);
	return r;
}

/* The text of a list of hashes, in memory: it is of use only for this run. */
static int read_list(const struct job *job, const char *file, char **ret, struct fault *fault)
{
	char path[64];
	int fd = memfd_create("sums", MFD_CLOEXEC), r;

	if (fd < 0)
		return fault_set(fault, -errno, "memfd_create: %s", strerror(errno));
	r = job->source->from ? copy(job, file, fd, fault) : get(job, file, fd, SUMS_MAX, fault);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (r == 0)
		r = files_read("", path, ret, fault);
	close(fd);
	return r;
}

static int expect(struct job *job, struct fault *fault)
{
	const struct package *package = job->package;
	char beside[RELEASE_NAME_MAX + 8], *text = NULL;
	int r = -ENOENT;

	if (package->sha256) {
		snprintf(job->sha256, sizeof(job->sha256), "%s", package->sha256);
		return 0;
	}
	snprintf(beside, sizeof(beside), "%s.sha256", package->file);
	if (job->source->from)
		r = read_list(job, beside, &text, fault);
	if (r == -ENOENT)
		r = read_list(job, package->sums, &text, fault);
	if (r == -ENOENT && job->source->from)
		return 0; /* the administrator put it there */
	if (r < 0)
		return r;
	r = sums_find(text, package->file, job->sha256);
	free(text);
	if (r < 0)
		fault_set(fault, r, "%s does not list %s",
			  job->source->from ? "the list of hashes in --from" : package->sums,
			  package->file);
	return r;
}

static int check(const struct job *job, int fd, struct fault *fault)
{
	char got[SHA256_TEXT];
	int r = sha256_of(fd, got);

	if (r < 0)
		return fault_set(fault, r, "%s: %s", job->package->file, strerror(-r));
	if (!job->sha256[0] || strcmp(got, job->sha256) == 0)
		return 0;
	fault_set(fault, -EBADMSG, "%s is not what it should be: its SHA-256 is %s, not %s", job->package->file, got,
		  job->sha256);
	fault_hint(fault, "Nothing of it was unpacked. Whoever served it, or something on the way, changed it.");
	return -EBADMSG;
}

static int start_over(int fd, struct fault *fault)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fault_set(fault, -errno, "truncate: %s", strerror(errno));
	return 0;
}

/* Fills the descriptor. What an earlier run began is continued; if that ends in something else, once more from the
 * beginning. */
static int fill(const struct job *job, int fd, struct fault *fault)
{
	struct stat st;
	int r, begun = fstat(fd, &st) == 0 && st.st_size > 0;

	if (job->source->from) {
		r = start_over(fd, fault);
		r = r < 0 ? r : copy(job, job->package->file, fd, fault);
		return r < 0 ? r : check(job, fd, fault);
	}
	r = get(job, job->package->file, fd, DOWNLOAD_BYTES_MAX, fault);
	if (r == 0)
		r = check(job, fd, fault);
	if ((r == -EBADMSG && begun) || r == -EAGAIN) {
		r = start_over(fd, fault);
		if (r == 0)
			r = get(job, job->package->file, fd, DOWNLOAD_BYTES_MAX, fault);
		if (r == 0)
			r = check(job, fd, fault);
	}
	if (r == -EBADMSG) /* a liar's bytes are not continued by the next run */
		start_over(fd, NULL);
	return r;
}

static int put_hash(const struct job *job, const char *dir, struct fault *fault)
{
	char name[RELEASE_NAME_MAX + 16], line[RELEASE_NAME_MAX + 80];

	if (!job->sha256[0])
		return 0;
	snprintf(name, sizeof(name), "/%s.sha256", job->package->file);
	snprintf(line, sizeof(line), "%s  %s\n", job->sha256, job->package->file);
	return files_write(dir, name, line, 0644, fault);
}

static int fetch(const struct job *job, int *ret, struct fault *fault)
{
	char part[RELEASE_NAME_MAX + 8];
	const char *file = job->package->file;
	int fd, r;

	snprintf(part, sizeof(part), "%s.part", file);
	fd = openat(job->dir, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return fault_set(fault, -errno, "%s cannot be made: %s", part, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = fault_set(fault, -EBUSY, "%s: another run is downloading it", part);
	else
		r = fill(job, fd, fault);
	if (r == 0 && (fsync(fd) < 0 || renameat(job->dir, part, job->dir, file) < 0 || fsync(job->dir) < 0))
		r = fault_set(fault, -errno, "%s: %s", file, strerror(errno));
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

int package_obtain(const struct package *package, const struct source *source, const char *dir, int *ret, bool *changed,
		   bool *verified, struct fault *fault)
{
	struct job job = { .package = package, .source = source };
	int fd, r;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fault_set(fault, -errno, "%s: %s", dir, strerror(errno));
	job.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job.dir < 0)
		return fault_set(fault, -errno, "%s: %s", dir, strerror(errno));
	r = expect(&job, fault);
	fd = r < 0 ? -1 : openat(job.dir, package->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (!job.sha256[0] || check(&job, fd, NULL) < 0)) {
		close(fd);
		fd = -1;
	}
	*changed = fd < 0;
	if (r == 0 && fd < 0)
		r = fetch(&job, &fd, fault);
	if (r == 0)
		r = put_hash(&job, dir, fault);
	close(job.dir);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	*verified = job.sha256[0];
	*ret = fd;
	return 0;
}
