/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#include <netinet/in.h>

#include "fwd/daemon/admins.h"
#include "fwd/daemon/group.h"

#define RECORDS_AT_ONCE 64

const struct admins_paths admins_of_host = { GROUP_FILE, "/etc/passwd", "/var/log/wtmp" };

static const char *const group_names[] = { "sudo", "adm", "wheel" };
#define GROUPS (sizeof(group_names) / sizeof(*group_names))

struct names {
	char (*list)[33]; /* as long as wtmp can hold them */
	size_t n;
};

static int names_add(struct names *names, const char *name)
{
	if (names->n == ADMINS_NAMES_MAX || strlen(name) >= sizeof(*names->list))
		return 0;
	if (!names->list)
		names->list = calloc(ADMINS_NAMES_MAX, sizeof(*names->list));
	if (!names->list)
		return -ENOMEM;
	strcpy(names->list[names->n++], name);
	return 0;
}

static bool is_admin(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

static int add_members(struct names *names, const char *path, gid_t gids[static GROUPS], size_t *n_gids)
{
	FILE *file = fopen(path, "re");
	const struct group *group;
	int r = 0;

	while (file && r == 0 && (group = fgetgrent(file))) {
		for (size_t i = 0; i < GROUPS && r == 0; i++) {
			if (strcmp(group->gr_name, group_names[i]) != 0)
				continue;
			if (*n_gids < GROUPS)
				gids[(*n_gids)++] = group->gr_gid;
			for (char **member = group->gr_mem; *member && r == 0; member++)
				r = names_add(names, *member);
		}
	}
	if (file)
		fclose(file);
	return r;
}

static int names_read(const struct admins_paths *paths, struct names *ret)
{
	gid_t gids[GROUPS];
	size_t n_gids = 0;
	const struct passwd *passwd;
	FILE *file;
	int r = names_add(ret, "root");

	if (r == 0)
		r = add_members(ret, paths->group, gids, &n_gids);
	file = fopen(paths->passwd, "re");
	while (file && r == 0 && (passwd = fgetpwent(file))) {
		bool admin = passwd->pw_uid == 0;

		for (size_t i = 0; i < n_gids; i++)
			admin |= passwd->pw_gid == gids[i];
		if (admin && !is_admin(ret, passwd->pw_name))
			r = names_add(ret, passwd->pw_name);
	}
	if (file)
		fclose(file);
	return r;
}

/* The time is cut to 32 bits where the record has no more room, so that it must not turn negative in 2038. */
static uint64_t time_of(const struct utmpx *record)
{
	return sizeof(record->ut_tv.tv_sec) == sizeof(uint32_t) ? (uint32_t)record->ut_tv.tv_sec : (uint64_t)record->ut_tv.tv_sec;
}

/* The name of the host is its address where sshd does not look up names; else there is the address in binary. */
static bool address_of(const struct utmpx *record, struct addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[16];
	char host[sizeof(record->ut_host) + 1] = "";
	uint8_t bytes[16];

	memcpy(host, record->ut_host, sizeof(record->ut_host));
	if (addr_parse(host, ret) == 0)
		return true;
	memcpy(bytes, record->ut_addr_v6, sizeof(bytes));
	if (memcmp(bytes, zero, sizeof(zero)) == 0)
		return false;
	*ret = (struct addr){ .family = AF_INET6 };
	if (memcmp(bytes + 4, zero, 12) == 0 || memcmp(bytes, mapped, 12) == 0) {
		ret->family = AF_INET;
		memcpy(ret->bytes, bytes + (memcmp(bytes + 4, zero, 12) == 0 ? 0 : 12), 4);
	} else {
		memcpy(ret->bytes, bytes, sizeof(bytes));
	}
	return true;
}

static bool login_of(const struct utmpx *record, const struct names *names, uint64_t since, uint64_t now, struct admin_login *ret)
{
	*ret = (struct admin_login){ .when = time_of(record) };
	if (record->ut_type != USER_PROCESS || ret->when < since || ret->when > now)
		return false;
	memcpy(ret->user, record->ut_user, sizeof(ret->user) - 1);
	return is_admin(names, ret->user) && address_of(record, &ret->from);
}

/* Records are whole from the beginning of the file on: a piece at the end is one that is being written. */
static int read_backwards(int fd, const struct names *names, uint64_t since, uint64_t now,
			  int (*each)(const struct admin_login *login, void *user), void *user)
{
	struct utmpx records[RECORDS_AT_ONCE];
	struct stat st;
	off_t left, end;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	left = st.st_size / (off_t)sizeof(*records);
	end = left > ADMINS_RECORDS_MAX ? left - ADMINS_RECORDS_MAX : 0;
	while (left > end && r == 0) {
		off_t n = left - end < RECORDS_AT_ONCE ? left - end : RECORDS_AT_ONCE;
		ssize_t got = pread(fd, records, (size_t)n * sizeof(*records), (left - n) * (off_t)sizeof(*records));
		struct admin_login login;

		if (got < 0)
			return -errno;
		left -= n;
		for (size_t i = (size_t)got / sizeof(*records); i-- > 0 && r == 0;)
			if (login_of(&records[i], names, since, now, &login))
				r = each(&login, user);
	}
	return r;
}

int admins_logins(const struct admins_paths *paths, uint64_t since, uint64_t now,
		  int (*each)(const struct admin_login *login, void *user), void *user)
{
	struct names names = { 0 };
	int fd = open(paths->wtmp, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;

	if (fd < 0)
		return -errno;
	r = names_read(paths, &names);
	if (r == 0)
		r = read_backwards(fd, &names, since, now, each, user);
	free(names.list);
	close(fd);
	return r;
}
