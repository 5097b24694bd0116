/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps "cni" and "nerdctl": a release's files, each renamed into place from a directory beside it. */
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
#include "host-setup/fetch.h"
#include "host-setup/files.h"
#include "host-setup/release.h"
#include "host-setup/step.h"
#include "host-setup/tarball.h"

#define FRESH ".fwd-host-new"
#define UNFINISHED "unfinished"

struct set {
	const char *step;
	enum release_id id;
	enum opt version_option;
	const char *directory;
	const char *needed[8]; /* without state: these make it right */
};

static const struct set cni = { "cni", RELEASE_CNI, OPT_CNI_VERSION, "/opt/cni/bin",
				{ "bridge", "firewall", "host-local", "loopback", "portmap", "tuning", NULL } };
static const struct set nerdctl = { "nerdctl", RELEASE_NERDCTL, OPT_NERDCTL_VERSION, "/usr/local/bin",
				    { "nerdctl", "containerd-rootless.sh", "containerd-rootless-setuptool.sh", NULL } };

static int open_at(const struct host *host, const struct set *set, const char *name)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", host->root, set->directory, name) >= sizeof(path))
		return -1;
	return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Whether it is there, executable, and (with @sha256) has that content. */
static bool is_right(const struct host *host, const struct set *set, const char *name, const char *sha256)
{
	int fd = open_at(host, set, name);
	char got[SHA256_TEXT];
	struct stat st;
	bool right = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (sha256 || (st.st_mode & 0111));

	if (right && sha256)
		right = sha256_of(fd, got) == 0 && strcmp(got, sha256) == 0;
	if (fd >= 0)
		close(fd);
	return right;
}

static int check(struct host *host, const struct set *set, struct fault *say)
{
	const json_t *state = state_of(host, set->step);
	const char *have = json_string_value(json_object_get(state, "version"));
	struct package package;
	int r = fetch_package(host->call, set->id, &package, say);
	const char *name;
	json_t *hash;

	if (r < 0)
		return r;
	for (const char *const *needed = set->needed; *needed; needed++)
		if (!is_right(host, set, *needed, NULL))
			return fault_set(say, 0, "install version %s in %s", package.version, set->directory);
	if (!state) {
		if (!host->call->value[set->version_option])
			return fault_set(say, 1, "there already, not by us: left alone");
		return fault_set(say, 0, "install version %s in %s", package.version, set->directory);
	}
	if (strcmp(have ? have : "", package.version) != 0)
		return fault_set(say, 0, "replace version %s by %s in %s", have ? have : "?", package.version,
				 set->directory);
	json_object_foreach(json_object_get(state, "files"), name, hash)
		if (!is_right(host, set, name, json_string_value(hash)))
			return fault_set(say, 0, "%s/%s is not as it was installed: install it again", set->directory,
					 name);
	return 1;
}

/* Whether a file of that name may be put there: none is there, ours, or the very same (which then stays somebody
 * else's). */
static int may_put(const struct host *host, const struct set *set, const char *name, const char *hash, bool *same,
		   struct fault *fault)
{
	int there = open_at(host, set, name);

	*same = false;
	if (there < 0 && errno == ENOENT)
		return 0;
	if (there >= 0)
		close(there);
	*same = is_right(host, set, name, hash);
	if (*same)
		return 0;
	fault_set(fault, -EEXIST, "%s/%s is in the way, and not ours", set->directory, name);
	fault_hint(fault, "Move it aside, or remove it.");
	return -EEXIST;
}

static int survey_file(const struct host *host, const struct set *set, int fresh, const char *name, json_t *ret,
		       struct fault *fault)
{
	const json_t *ours = json_object_get(state_of(host, set->step), "files");
	int fd = files_open_beneath(fresh, name, O_RDONLY), r = 0;
	char hash[SHA256_TEXT];
	bool same = false;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || sha256_of(fd, hash) < 0)
		r = fault_set(fault, -EINVAL, "the release holds %s, which is no file", name);
	else if (!json_object_get(ours, name))
		r = may_put(host, set, name, hash, &same, fault);
	if (r == 0 && !same)
		json_object_set_new(ret, name, json_string(hash));
	if (fd >= 0)
		close(fd);
	return r;
}

/* The files that were unpacked and are to be put in place, with their hashes. */
static int survey(const struct host *host, const struct set *set, int fresh, json_t *ret, struct fault *fault)
{
	DIR *dir = fdopendir(fcntl(fresh, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;
	int r = dir ? 0 : fault_set(fault, -ENOMEM, "out of memory");

	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = survey_file(host, set, fresh, entry->d_name, ret, fault);
	if (dir)
		closedir(dir);
	return r;
}

/* Each file of @files from the fresh directory into place. */
static int place(int at, int fresh, const json_t *files, struct fault *fault)
{
	const char *name;
	json_t *hash;

	json_object_foreach((json_t *)files, name, hash)
		if (renameat(fresh, name, at, name) < 0)
			return fault_set(fault, -errno, "%s: %s", name, strerror(errno));
	return fsync(at) < 0 ? fault_set(fault, -errno, "fsync: %s", strerror(errno)) : 0;
}

/* What an older version had and this one has not. */
static void sweep(int at, const json_t *ours, const json_t *files)
{
	const char *name;
	json_t *hash;

	json_object_foreach((json_t *)ours, name, hash)
		if (!json_object_get(files, name))
			unlinkat(at, name, 0);
}

static int put(struct host *host, const struct set *set, const struct package *package, int file, json_t *dirs,
	       struct fault *fault)
{
	const json_t *ours = json_object_get(state_of(host, set->step), "files");
	json_t *files = json_object(), *all = json_object();
	char path[PATH_MAX];
	int at, fresh = -1, r;

	snprintf(path, sizeof(path), "%s%s", host->root, set->directory);
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = at < 0 ? fault_set(fault, -errno, "%s: %s", path, strerror(errno)) :
		     tarball_unpack(file, at, FRESH, &tarball_limits, fault);
	if (r == 0) {
		fresh = files_open_beneath(at, FRESH, O_RDONLY | O_DIRECTORY);
		r = survey(host, set, fresh, files, fault);
	}
	if (r == 0) { /* until all are in place both versions' files are ours */
		if (ours)
			json_object_update(all, (json_t *)ours);
		json_object_update(all, files);
		r = state_put(host, set->step, json_pack("{s:s,s:O,s:O}", "version", UNFINISHED, "files", all, "dirs",
							 dirs), fault);
	}
	ours = all;
	if (r == 0)
		r = place(at, fresh, files, fault);
	if (r == 0)
		sweep(at, ours, files);
	if (at >= 0) {
		tree_remove(at, FRESH);
		close(at);
	}
	if (r == 0) /* the last of all: whatever was broken off before is done again */
		r = state_put(host, set->step, json_pack("{s:s,s:O,s:O}", "version", package->version, "files", files,
							 "dirs", dirs),
			      fault);
	if (fresh >= 0)
		close(fresh);
	json_decref(files);
	json_decref(all);
	return r;
}

/* Before the first directory is made. */
static int begin(struct host *host, const struct set *set, json_t *dirs, struct fault *fault)
{
	json_t *files = json_object(), *ours = json_object_get(state_of(host, set->step), "files");

	if (ours)
		json_object_update(files, ours);
	return state_put(host, set->step, json_pack("{s:s,s:o,s:O}", "version", UNFINISHED, "files", files, "dirs",
						    dirs), fault);
}

static int apply(struct host *host, const struct set *set, struct fault *fault)
{
	json_t *old = json_object_get(state_of(host, set->step), "dirs"), *dirs = json_array();
	char downloads[PATH_MAX];
	struct package package;
	bool changed, verified;
	int file = -1, at, r = fetch_package(host->call, set->id, &package, fault);

	json_array_extend(dirs, old);
	if (r == 0 && (size_t)snprintf(downloads, sizeof(downloads), "%s" HOST_DIR "/downloads",
				       host->root) >= sizeof(downloads))
		r = fault_set(fault, -ENAMETOOLONG, "--root is too long");
	if (r == 0)
		r = package_obtain(&package, &host->source, downloads, &file, &changed, &verified, fault);
	if (r == 0 && !verified)
		fprintf(stderr, "%s: %s comes from --from without a list of hashes: taken as it is\n", set->step,
			package.file);
	if (r == 0) {
		host_missing(host, set->directory, dirs);
		r = begin(host, set, dirs, fault);
	}
	if (r == 0)
		r = host_mkdir(host, set->directory, fault);
	if (r == 0) {
		/* what is open can still be read, and need not be kept */
		at = open(host->root[0] ? host->root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		tree_remove(at, &HOST_DIR "/downloads"[1]);
		close(at);
		r = put(host, set, &package, file, dirs, fault);
	}
	if (file >= 0)
		close(file);
	json_decref(dirs);
	return r;
}

static int undo(struct host *host, const struct set *set)
{
	const json_t *state = state_of(host, set->step);
	char path[PATH_MAX];
	const char *name;
	json_t *hash;

	int at;
	bool whole = strcmp(json_string_value(json_object_get(state, "version")), UNFINISHED) != 0;

	json_object_foreach(json_object_get(state, "files"), name, hash) {
		/* one that somebody changed since is his */
		if (whole && !is_right(host, set, name, json_string_value(hash)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", set->directory, name);
		host_unlink(host, path);
	}
	snprintf(path, sizeof(path), "%s%s", host->root, set->directory);
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at >= 0) { /* of a run that was killed */
		tree_remove(at, FRESH);
		close(at);
	}
	host_rmdirs(host, json_object_get(state, "dirs"));
	return 0;
}

int cni_check(struct host *host, struct fault *say)
{
	return check(host, &cni, say);
}

int cni_apply(struct host *host, struct fault *fault)
{
	return apply(host, &cni, fault);
}

int cni_undo(struct host *host, struct fault *fault)
{
	(void)fault;
	return undo(host, &cni);
}

int nerdctl_check(struct host *host, struct fault *say)
{
	return check(host, &nerdctl, say);
}

int nerdctl_apply(struct host *host, struct fault *fault)
{
	return apply(host, &nerdctl, fault);
}

int nerdctl_undo(struct host *host, struct fault *fault)
{
	(void)fault;
	return undo(host, &nerdctl);
}
