/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-setup/commands.h"
#include "host-setup/fault.h"
#include "host-setup/fetch.h"
#include "host-setup/files.h"
#include "host-setup/host.h"
#include "host-setup/tarball.h"

#define STATE HOST_DIR "/state.json"
#define LOCK HOST_DIR "/lock"

static int take_lock(struct host *host, struct fault *fault)
{
	char path[PATH_MAX];
	int r = host_mkdir(host, HOST_DIR, fault);

	if (r < 0)
		return r;
	files_path(host->root, LOCK, path, sizeof(path));
	host->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (host->lock < 0)
		return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
	if (flock(host->lock, LOCK_EX | LOCK_NB) < 0)
		return fault_set(fault, -EBUSY, "another run of fwctl host is at work here");
	return 0;
}

static int load_state(struct host *host, struct fault *fault)
{
	json_error_t error;
	char *text = NULL;
	int r = files_read(host->root, STATE, &text, fault);

	if (r == -ENOENT) {
		host->state = json_object();
		return 0;
	}
	if (r < 0)
		return r;
	host->state = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	free(text);
	if (json_is_object(host->state))
		return 0;
	return fault_set(fault, -EINVAL, "%s cannot be read: line %d: %s", STATE, error.line, error.text);
}

int host_begin(struct host *host, const struct call *call, bool change, struct fault *fault)
{
	int r;

	*host = (struct host){ .call = call, .root = call_root(call), .user = call_user(call), .lock = -1 };
	if (geteuid() != 0) {
		fault_set(fault, -EPERM, "this needs root");
		fault_hint(fault, "sudo fwctl host %s", call->command->name);
		return -EPERM;
	}
	r = account_name_check(host->user, fault);
	if (r == 0 && change)
		r = take_lock(host, fault);
	return r < 0 ? r : load_state(host, fault);
}

void host_end(struct host *host)
{
	int top = -1;

	if (host->forget && host->lock >= 0 && json_object_size(host->state) == 0)
		top = open(*host->root ? host->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top >= 0) {
		tree_remove(top, &HOST_DIR[1]);
		close(top);
	}
	json_decref(host->state);
	if (host->lock >= 0)
		close(host->lock);
}

static int save_state(struct host *host, struct fault *fault)
{
	char *text = json_dumps(host->state, JSON_INDENT(1) | JSON_SORT_KEYS);
	int r = text ? files_write(host->root, STATE, text, 0600, fault) : fault_set(fault, -ENOMEM, "out of memory");

	free(text);
	return r;
}

json_t *state_of(const struct host *host, const char *step)
{
	return json_object_get(host->state, step);
}

int state_put(struct host *host, const char *step, json_t *record, struct fault *fault)
{
	if (json_object_set_new(host->state, step, record) < 0)
		return fault_set(fault, -ENOMEM, "out of memory");
	return save_state(host, fault);
}

int state_drop(struct host *host, const char *step, struct fault *fault)
{
	json_object_del(host->state, step);
	return save_state(host, fault);
}

int host_account(const struct host *host, struct account *ret, struct fault *fault)
{
	return account_load(host->root, host->user, ret, fault);
}

bool host_exists(const struct host *host, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	return files_path(host->root, path, full, sizeof(full)) == 0 && lstat(full, &st) == 0;
}

/* The parent directories of @path, and itself, one after the other; false behind the last. */
static bool next_part(const char *path, size_t *len, char *ret, size_t size)
{
	size_t end = *len + 1;

	if (*len >= strlen(path))
		return false;
	end += strcspn(path + end, "/");
	*len = end;
	return (size_t)snprintf(ret, size, "%.*s", (int)end, path) < size;
}

void host_missing(const struct host *host, const char *path, json_t *ret)
{
	char part[PATH_MAX];

	for (size_t len = 0; next_part(path, &len, part, sizeof(part));)
		if (!host_exists(host, part))
			json_array_append_new(ret, json_string(part));
}

int host_mkdir(const struct host *host, const char *path, struct fault *fault)
{
	char part[PATH_MAX], full[PATH_MAX];

	for (size_t len = 0; next_part(path, &len, part, sizeof(part));) {
		if (files_path(host->root, part, full, sizeof(full)) < 0)
			return fault_set(fault, -ENAMETOOLONG, "%s: the path is too long", path);
		if (mkdir(full, 0755) == 0)
			chmod(full, 0755); /* whatever the umask */
		else if (errno != EEXIST)
			return fault_set(fault, -errno, "%s: %s", full, strerror(errno));
	}
	return 0;
}

void host_rmdirs(const struct host *host, const json_t *made)
{
	char full[PATH_MAX];

	for (size_t i = json_array_size(made); i-- > 0;) {
		const char *path = json_string_value(json_array_get(made, i));

		if (path && files_path(host->root, path, full, sizeof(full)) == 0)
			rmdir(full);
	}
}

void host_unlink(const struct host *host, const char *path)
{
	char full[PATH_MAX];

	if (files_path(host->root, path, full, sizeof(full)) == 0)
		unlink(full);
}
