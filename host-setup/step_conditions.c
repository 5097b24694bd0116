/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step "conditions", only on request: the whitelist as condition in the portmap of every CNI conflist, for
 * containers that run as root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-setup/commands.h"
#include "host-setup/conflist.h"
#include "host-setup/files.h"
#include "host-setup/step.h"

#define NAME "conditions"
#define CONFLISTS "/etc/cni/net.d"
#define SUFFIX ".conflist"
#define FILES_MAX 128
#define DEPTH_MAX 4

/* The conflists of the host, and what is to change in them. */
struct edits {
	const struct host *host;
	int top; /* the root directory */
	size_t files, n;
	struct edit {
		char *path, *text; /* below the root; what it is to be */
		json_t *was;
	} edit[FILES_MAX];
};

static void edits_end(struct edits *edits)
{
	for (size_t i = 0; i < edits->n; i++) {
		free(edits->edit[i].path);
		free(edits->edit[i].text);
		json_decref(edits->edit[i].was);
	}
	if (edits->top >= 0)
		close(edits->top);
}

static int edits_begin(const struct host *host, struct edits *ret, struct fault *fault)
{
	*ret = (struct edits){ .host = host };
	ret->top = open(*host->root ? host->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->top < 0 ? fault_set(fault, -errno, "%s: %s", host->root, strerror(errno)) : 0;
}

/* A descriptor of what root alone can change and nothing links to; -ENOENT: it is not there. */
static int open_plain(const struct edits *edits, const char *path, int flags, struct fault *fault)
{
	int fd = files_open_beneath(edits->top, path + 1, O_RDONLY | O_NONBLOCK | O_NOCTTY | flags);
	const char *what = NULL;
	struct stat st;

	if (fd < 0)
		return fault_set(fault, fd, "%s: %s", path, fd == -ELOOP ? "a link is in the way" : strerror(-fd));
	if (fstat(fd, &st) < 0)
		what = "cannot be looked at";
	else if (!S_ISREG(st.st_mode) && !(flags & O_DIRECTORY))
		what = "is no file";
	else if (st.st_uid != 0 || st.st_mode & 022)
		what = "can be written by others than root";
	else if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		what = "has another name, too (a hard link)";
	else if (S_ISREG(st.st_mode) && st.st_size > CONFLIST_MAX)
		what = "is too big for a conflist";
	if (!what)
		return fd;
	close(fd);
	return fault_set(fault, -EINVAL, "%s %s", path, what);
}

static int read_plain(const struct edits *edits, const char *path, char **ret, struct fault *fault)
{
	int fd = open_plain(edits, path, 0, fault), r;

	if (fd < 0)
		return fd;
	r = files_read_fd(fd, ret);
	close(fd);
	return r < 0 ? fault_set(fault, r, "%s: %s", path, r == -EINVAL ? "a NUL byte is in it" : strerror(-r)) : 0;
}

/* Puts the path in front of what is said. */
static int fail_file(const char *path, int r, const struct fault *why, struct fault *fault)
{
	fault_set(fault, r, "%s: %.300s", path, why->text);
	if (why->hint[0])
		fault_hint(fault, "%s", why->hint);
	return r;
}

static int look_file(struct edits *edits, const char *path, struct fault *fault)
{
	bool replace = edits->host->call->value[OPT_REPLACE] != NULL;
	struct edit edit = { .was = json_object() };
	struct fault why = { 0 };
	char *text = NULL;
	int r = read_plain(edits, path, &text, fault);

	if (r < 0)
		goto out;
	if (edits->files++ == FILES_MAX) {
		r = fault_set(fault, -EFBIG, "there are more than %d conflists below %s", FILES_MAX, CONFLISTS);
		goto out;
	}
	r = conflist_edit(text, replace, &edit.text, edit.was, &why);
	if (r == 0 && strlen(edit.text) > CONFLIST_MAX) /* undo has to take it, too */
		r = fault_set(&why, -EFBIG, "with the conditions it is too big for a conflist");
	if (r < 0)
		fail_file(path, r, &why, fault);
	if (r != 0)
		goto out;
	edit.path = strdup(path);
	edits->edit[edits->n++] = edit;
	edit.was = NULL;
	edit.text = NULL;
out:
	free(text);
	free(edit.text);
	json_decref(edit.was);
	return r < 0 ? r : 0;
}

static int look_directory(struct edits *edits, const char *path, int depth, struct fault *fault);

static int look_entry(struct edits *edits, int at, const char *path, const char *name, int depth, struct fault *fault)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);
	bool wanted = len >= suffix && strcmp(name + len - suffix, SUFFIX) == 0, link;
	char full[PATH_MAX];
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (snprintf(full, sizeof(full), "%s/%s", path, name) >= (int)sizeof(full))
		return fault_set(fault, -ENAMETOOLONG, "%s: the path is too long", path);
	link = S_ISLNK(st.st_mode);
	if (link && !wanted && (fstatat(at, name, &st, 0) < 0 || !S_ISDIR(st.st_mode)))
		return 0;
	if (link)
		return fault_set(fault, -ELOOP, "%s is a link", full);
	if (S_ISDIR(st.st_mode))
		return look_directory(edits, full, depth + 1, fault);
	return wanted ? look_file(edits, full, fault) : 0;
}

static int look_directory(struct edits *edits, const char *path, int depth, struct fault *fault)
{
	struct dirent **list = NULL;
	int fd, n, r = 0;

	if (depth > DEPTH_MAX)
		return fault_set(fault, -ELOOP, "%s: the directories are too deep", path);
	fd = open_plain(edits, path, O_DIRECTORY, fault);
	if (fd < 0)
		return fd;
	n = scandirat(fd, ".", &list, NULL, alphasort);
	if (n < 0)
		r = fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = look_entry(edits, fd, path, list[i]->d_name, depth, fault);
		free(list[i]);
	}
	free(list);
	close(fd);
	return r;
}

/* All of them, in the order of their names; edits_end() either way. */
static int look(struct host *host, struct edits *ret, struct fault *fault)
{
	char full[PATH_MAX];
	int r = edits_begin(host, ret, fault);

	if (r < 0 || !host_exists(host, CONFLISTS))
		return r;
	r = files_path(host->root, CONFLISTS, full, sizeof(full));
	return r < 0 ? r : look_directory(ret, CONFLISTS, 0, fault);
}

int conditions_check(struct host *host, struct fault *say)
{
	struct edits edits;
	int r;

	if (!host->call->value[OPT_CONDITIONS] && !state_of(host, NAME))
		return fault_set(say, 1, "not asked for (--conditions)");
	r = look(host, &edits, say);
	if (r == 0 && edits.n)
		fault_set(say, 0, "put the whitelist into the portmap of %zu of %zu conflists (%s%s); containers that run "
			  "are not changed", edits.n, edits.files, edits.edit[0].path, edits.n > 1 ? ", ..." : "");
	else if (r == 0)
		r = edits.files ? 1 : fault_set(say, 1, "no conflist below " CONFLISTS " yet: apply again when there is");
	edits_end(&edits);
	return r;
}

/* What an earlier run changed stays recorded as it was before that. */
static int record(struct host *host, const struct edits *edits, struct fault *fault)
{
	json_t *files = json_deep_copy(json_object_get(state_of(host, NAME), "files"));
	int r = 0;

	if (!files)
		files = json_object();
	for (size_t i = 0; r == 0 && i < edits->n; i++) {
		const struct edit *edit = &edits->edit[i];
		json_t *was = json_object_get(files, edit->path);

		if (was ? json_object_update(was, edit->was) : json_object_set(files, edit->path, edit->was))
			r = fault_set(fault, -EINVAL, "%s: the name cannot be recorded", edit->path);
	}
	if (r == 0)
		return state_put(host, NAME, json_pack("{s:o}", "files", files), fault);
	json_decref(files);
	return r;
}

int conditions_apply(struct host *host, struct fault *fault)
{
	struct edits edits;
	int r = look(host, &edits, fault);

	if (r == 0)
		r = record(host, &edits, fault);
	for (size_t i = 0; r == 0 && i < edits.n; i++)
		r = files_write(host->root, edits.edit[i].path, edits.edit[i].text, 0644, fault);
	edits_end(&edits);
	return r;
}

/* 0, or why it has to stay as it is. */
static int undo_file(const struct edits *edits, const char *path, const json_t *was, struct fault *fault)
{
	char aside[PATH_MAX], *text = NULL, *before = NULL;
	struct fault why = { 0 };
	int r = read_plain(edits, path, &text, fault);

	if (r == -ENOENT)
		return 0; /* the network is gone */
	if (r < 0)
		return r;
	snprintf(aside, sizeof(aside), "%s.fwd-new", path); /* of a run that was killed */
	host_unlink(edits->host, aside);
	r = conflist_restore(text, was, &before, &why);
	if (r < 0)
		fail_file(path, r, &why, fault);
	if (r == 0)
		r = files_write(edits->host->root, path, before, 0644, fault);
	free(text);
	free(before);
	return r < 0 ? r : 0;
}

int conditions_undo(struct host *host, struct fault *fault)
{
	json_t *files = json_object_get(state_of(host, NAME), "files"), *was;
	struct edits edits;
	const char *path;
	int r = edits_begin(host, &edits, fault), left = 0;

	if (r == 0)
		json_object_foreach(files, path, was)
			if (path[0] == '/' && undo_file(&edits, path, was, fault) < 0)
				left = 1;
	edits_end(&edits);
	return r < 0 ? r : left;
}
