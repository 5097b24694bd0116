/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "host-setup/fault.h"
#include "host-setup/files.h"
#include "host-setup/tarball.h"

#define NAME_PART_MAX 128
#define NAME_DEPTH_MAX 8
#define NAME_MAX_ALL 512
#define CHUNK 65536

const struct tarball_limits tarball_limits = { 1024, 256u << 20, 512u << 20 };

struct reading {
	struct archive *archive;
	const struct tarball_limits *limits;
	struct fault *fault;
	int into;
	uint64_t members, bytes;
};

static bool is_part(const char *part, size_t len)
{
	if (len == 0 || len > NAME_PART_MAX || (len == 1 && *part == '.') || (len == 2 && strncmp(part, "..", 2) == 0))
		return false;
	for (size_t i = 0; i < len; i++)
		if (part[i] <= ' ' || part[i] > '~' || part[i] == '\\')
			return false;
	return true;
}

/* Parts between single slashes, each a name; one slash may end it. */
static bool is_plain(const char *name)
{
	unsigned depth = 0;

	if (!*name || strlen(name) > NAME_MAX_ALL)
		return false;
	while (*name) {
		size_t len = strcspn(name, "/");

		if (!is_part(name, len) || ++depth > NAME_DEPTH_MAX)
			return false;
		name += len + (name[len] == '/');
	}
	return true;
}

int tarball_check_name(const char *name, struct fault *fault)
{
	if (!is_plain(name))
		return fault_set(fault, -EINVAL, "\"%.80s\" is no name to be unpacked", name);
	return 0;
}

int tarball_check_link(const char *name, const char *target, struct fault *fault)
{
	if (!is_plain(target))
		return fault_set(fault, -EINVAL, "%.80s is a link to \"%.80s\", which may lead out", name, target);
	return 0;
}

static int check_entry(struct reading *reading, struct archive_entry *entry, const char *name)
{
	mode_t type = archive_entry_filetype(entry), mode = archive_entry_perm(entry);
	const char *why = NULL;

	if (archive_entry_hardlink(entry))
		why = "is a hard link";
	else if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
		why = "is neither file, directory nor link";
	else if (mode & 07000)
		why = "has a setuid, setgid or sticky bit";
	else if (archive_entry_uid(entry) != 0 || archive_entry_gid(entry) != 0)
		why = "is not owned by root";
	else if (archive_entry_xattr_count(entry) || archive_entry_acl_types(entry))
		why = "has attributes or an ACL";
	else if (type != AE_IFREG && archive_entry_size(entry) > 0)
		why = "is no file, but has a size";
	else if (archive_entry_size(entry) < 0 || (uint64_t)archive_entry_size(entry) > reading->limits->member_bytes)
		why = "is too large";
	if (why)
		return fault_set(reading->fault, -EINVAL, "%.80s %s", name, why);
	return 0;
}

/* A descriptor of the directory that @name stands in, making what is missing; *ret_last is the name in it. */
static int open_parent(int into, char *name, char **ret_last)
{
	int at = fcntl(into, F_DUPFD_CLOEXEC, 0);
	char *slash;

	for (; at >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
		int next;

		*slash = '\0';
		next = mkdirat(at, name, 0755) < 0 && errno != EEXIST ? -errno :
								       files_open_beneath(at, name,
											  O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	*ret_last = name;
	return at;
}

static int write_chunk(int fd, const char *data, size_t left)
{
	while (left) {
		ssize_t n = write(fd, data, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

static int copy_data(struct reading *reading, int fd, uint64_t size)
{
	static char chunk[CHUNK];
	uint64_t have = 0;

	for (;;) {
		la_ssize_t n = archive_read_data(reading->archive, chunk, sizeof(chunk));
		int r;

		if (n < 0)
			return fault_set(reading->fault, -EBADMSG, "the archive cannot be read: %s",
					 archive_error_string(reading->archive));
		if (n == 0)
			return have == size ? 0 : fault_set(reading->fault, -EBADMSG,
							    "the archive ends inside a member");
		have += (uint64_t)n;
		reading->bytes += (uint64_t)n;
		if (have > size || reading->bytes > reading->limits->total_bytes)
			return fault_set(reading->fault, -EFBIG, "the archive holds too much");
		r = write_chunk(fd, chunk, (size_t)n);
		if (r < 0)
			return fault_set(reading->fault, r, "cannot be written: %s", strerror(-r));
	}
}

static int put_file(struct reading *reading, struct archive_entry *entry, int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return -errno;
	r = copy_data(reading, fd, (uint64_t)archive_entry_size(entry));
	if (r == 0 && (fchmod(fd, archive_entry_perm(entry) & 0111 ? 0755 : 0644) < 0 || fsync(fd) < 0))
		r = -errno;
	close(fd);
	return r;
}

static int put_directory(int at, const char *name)
{
	struct stat st;

	if (mkdirat(at, name, 0755) == 0)
		return 0;
	if (errno == EEXIST && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return 0; /* made for a member in it, or told twice: the same either way */
	return -errno;
}

static int put_entry(struct reading *reading, struct archive_entry *entry, char *name)
{
	mode_t type = archive_entry_filetype(entry);
	const char *target = type == AE_IFLNK ? archive_entry_symlink(entry) : NULL;
	char *last;
	int at, r;

	if (type == AE_IFLNK) {
		r = tarball_check_link(name, target ? target : "", reading->fault);
		if (r < 0)
			return r;
	}
	at = open_parent(reading->into, name, &last);
	if (at < 0)
		return at;
	if (type == AE_IFDIR)
		r = put_directory(at, last);
	else if (type == AE_IFLNK)
		r = symlinkat(target, at, last) < 0 ? -errno : 0;
	else
		r = put_file(reading, entry, at, last);
	close(at);
	return r;
}

static int take_entry(struct reading *reading, struct archive_entry *entry)
{
	const char *raw = archive_entry_pathname(entry);
	char name[NAME_MAX_ALL + 1];
	size_t len;
	int r;

	if (++reading->members > reading->limits->members)
		return fault_set(reading->fault, -EFBIG, "the archive has more than %llu members",
				 (unsigned long long)reading->limits->members);
	raw = raw ? raw : "";
	r = check_entry(reading, entry, raw);
	if (r < 0)
		return r;
	if (archive_entry_filetype(entry) == AE_IFDIR && (strcmp(raw, ".") == 0 || strcmp(raw, "./") == 0))
		return 0; /* the whole: ours, with our owner and mode */
	if (strncmp(raw, "./", 2) == 0)
		raw += 2;
	r = tarball_check_name(raw, reading->fault);
	if (r < 0)
		return r;
	strcpy(name, raw);
	len = strlen(name);
	if (name[len - 1] == '/')
		name[len - 1] = '\0';
	r = put_entry(reading, entry, name);
	if (r < 0 && !reading->fault->text[0])
		fault_set(reading->fault, r, "%.80s: %s", raw, r == -EEXIST ? "occurs twice" : strerror(-r));
	return r;
}

int tarball_read(int file, int into, const struct tarball_limits *limits, struct fault *fault)
{
	struct reading reading = { .archive = archive_read_new(), .limits = limits, .fault = fault, .into = into };
	struct archive_entry *entry;
	int r = 0, got;

	if (!reading.archive)
		return fault_set(fault, -ENOMEM, "out of memory");
	fault->text[0] = '\0';
	archive_read_support_filter_gzip(reading.archive);
	archive_read_support_format_tar(reading.archive);
	got = archive_read_open_fd(reading.archive, file, CHUNK);
	while (got == ARCHIVE_OK && r == 0) {
		got = archive_read_next_header(reading.archive, &entry);
		if (got == ARCHIVE_OK)
			r = take_entry(&reading, entry);
	}
	if (r == 0 && got != ARCHIVE_EOF)
		r = fault_set(fault, -EBADMSG, "the archive cannot be read: %s", archive_error_string(reading.archive));
	if (r == 0 && reading.members == 0)
		r = fault_set(fault, -EBADMSG, "the archive is empty");
	archive_read_free(reading.archive);
	return r;
}
