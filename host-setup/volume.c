/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "host-setup/account.h"
#include "host-setup/fault.h"
#include "host-setup/files.h"
#include "host-setup/volume.h"

#define FOLDER "volumes"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int volume_name_check(const char *name, struct fault *fault)
{
	size_t len = strspn(name, LETTERS "._-");

	if (!len || name[len] || len > VOLUME_NAME_MAX || !strchr(LETTERS, name[0]))
		return fault_set(fault, -EINVAL,
				 "\"%s\" is no name of a volume: letters, digits, and behind the first . _ -",
				 name);
	return 0;
}

int volume_home(const char *root, const struct account *account, struct fault *fault)
{
	/* links on the way to the home are the administrator's, and stay below the root directory */
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	int top = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC), home, r;
	struct stat st;

	if (top < 0) {
		r = -errno;
		return fault_set(fault, r, "%s: %s", root, strerror(-r));
	}
	home = (int)syscall(SYS_openat2, top, account->home, &how, sizeof(how));
	r = home < 0 ? -errno : 0;
	close(top);
	if (r < 0)
		return fault_set(fault, r, "%s: %s", account->home, strerror(-r));
	if (fstat(home, &st) < 0 || st.st_uid != account->uid) {
		close(home);
		return fault_set(fault, -EPERM, "%s is not owned by %s", account->home, account->name);
	}
	return home;
}

static bool is_his(const struct volume_wish *wish, const struct stat *st)
{
	uint32_t inside;

	return idmap_to_inside(wish->uids, st->st_uid, &inside) == 0;
}

static int open_directory(int at, const char *name, struct fault *fault)
{
	int fd = files_open_beneath(at, name, O_RDONLY | O_DIRECTORY);

	if (fd == -ELOOP)
		return fault_set(fault, fd, "%s is a link: links are not followed there", name);
	if (fd < 0 && fd != -ENOENT)
		fault_set(fault, fd, "%s: %s", name, fd == -ENOTDIR ? "is no directory" : strerror(-fd));
	return fd;
}

/* A new directory appears with its owner and mode, or not at all. A half-made one of an earlier run is thrown away. */
static int make_directory(int at, const char *name, uint32_t uid, uint32_t gid, struct fault *fault)
{
	char aside[VOLUME_NAME_MAX + 16];
	struct stat st;
	int fd, r = 0;

	snprintf(aside, sizeof(aside), ".%s.fwd-new", name);
	if (unlinkat(at, aside, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		r = -errno;
		return fault_set(fault, r, "%s is in the way: %s", aside, strerror(-r));
	}
	if (mkdirat(at, aside, 0700) < 0) {
		r = -errno;
		return fault_set(fault, r, "%s cannot be made: %s", aside, strerror(-r));
	}
	fd = open_directory(at, aside, fault);
	if (fd < 0)
		return fd;
	/* what was just made is ours; whatever else the owner of the place put there is not given away */
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || st.st_nlink > 2)
		r = fault_set(fault, -EPERM, "%s was exchanged by somebody", aside);
	else if (fchown(fd, uid, gid) < 0 || fchmod(fd, 0755) < 0 || fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat2(at, aside, at, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0) {
		if (r != -EPERM || !fault->text[0])
			fault_set(fault, r, "%s cannot be made: %s", name, strerror(-r));
		unlinkat(at, aside, AT_REMOVEDIR);
		close(fd);
		return r;
	}
	fsync(at);
	return fd;
}

static int open_folder(int home, const struct volume_wish *wish, bool *made, struct fault *fault)
{
	int fd = open_directory(home, FOLDER, fault);
	struct stat st;

	if (fd == -ENOENT) {
		*made = true;
		return make_directory(home, FOLDER, wish->account->uid, wish->account->gid, fault);
	}
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != wish->account->uid)) {
		close(fd);
		return fault_set(fault, -EPERM, "~/%s is not owned by %s", FOLDER, wish->account->name);
	}
	return fd;
}

static void describe(const char *name, const struct stat *st, struct volume *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->directory = S_ISDIR(st->st_mode);
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	ret->mode = st->st_mode & 07777;
}

/* An existing volume: given away only if it is one of the user's own ids' already. */
static int own(int fd, const struct volume_wish *wish, uint32_t uid, uint32_t gid, bool *changed, struct fault *fault)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_set(fault, -errno, "%s: %s", wish->name, strerror(errno));
	if (st.st_uid == uid && st.st_gid == gid)
		return 0;
	if (!is_his(wish, &st))
		return fault_set(fault, -EPERM, "%s is owned by %u, who is none of the ids of %s", wish->name,
				 st.st_uid,
				 wish->account->name);
	if (fchown(fd, uid, gid) < 0)
		return fault_set(fault, -errno, "%s cannot be given to %u:%u: %s", wish->name, uid, gid,
				 strerror(errno));
	*changed = true;
	return 0;
}

static int map_wish(const struct volume_wish *wish, uint32_t *uid, uint32_t *gid, struct fault *fault)
{
	if (idmap_to_host(wish->uids, wish->uid, uid, NULL) < 0)
		return fault_set(fault, -ERANGE, "uid %u is outside the ranges of /etc/subuid: 0 to %u", wish->uid,
				 idmap_last(wish->uids));
	if (idmap_to_host(wish->gids, wish->gid, gid, NULL) < 0)
		return fault_set(fault, -ERANGE, "gid %u is outside the ranges of /etc/subgid: 0 to %u", wish->gid,
				 idmap_last(wish->gids));
	return volume_name_check(wish->name, fault);
}

int volume_create(int home, const struct volume_wish *wish, bool *changed, struct volume *ret, struct fault *fault)
{
	uint32_t uid, gid;
	bool made = false;
	struct stat st;
	int folder, fd, r = map_wish(wish, &uid, &gid, fault);

	if (r < 0)
		return r;
	folder = open_folder(home, wish, &made, fault);
	if (folder < 0)
		return folder;
	fd = open_directory(folder, wish->name, fault);
	if (fd == -ENOENT) {
		made = true;
		fd = make_directory(folder, wish->name, uid, gid, fault);
	}
	close(folder);
	if (fd < 0)
		return fd;
	r = own(fd, wish, uid, gid, &made, fault);
	if (r == 0 && fstat(fd, &st) < 0)
		r = fault_set(fault, -errno, "%s: %s", wish->name, strerror(errno));
	close(fd);
	if (r < 0)
		return r;
	describe(wish->name, &st, ret);
	*changed = made;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct volume *)a)->name, ((const struct volume *)b)->name);
}

static int collect(DIR *dir, struct volume **list, size_t *n)
{
	struct dirent *entry;
	size_t room = 0;

	while (errno = 0, (entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (*n == VOLUMES_MAX)
			return -E2BIG;
		if (*n == room) {
			struct volume *more = reallocarray(*list, room ? 2 * room : 16, sizeof(**list));

			if (!more)
				return -ENOMEM;
			*list = more;
			room = room ? 2 * room : 16;
		}
		describe(entry->d_name, &st, &(*list)[(*n)++]);
	}
	return -errno;
}

int volume_list(int home, struct volume **ret, size_t *n, struct fault *fault)
{
	int fd = open_directory(home, FOLDER, fault), r;
	struct volume *list = NULL;
	size_t count = 0;
	DIR *dir;

	if (fd == -ENOENT) {
		*ret = NULL;
		*n = 0;
		return 0;
	}
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	r = dir ? collect(dir, &list, &count) : -errno;
	if (dir)
		closedir(dir);
	else
		close(fd);
	if (r < 0) {
		free(list);
		return fault_set(fault, r, "~/%s: %s", FOLDER, strerror(-r));
	}
	if (count)
		qsort(list, count, sizeof(*list), by_name);
	*ret = list;
	*n = count;
	return 0;
}
