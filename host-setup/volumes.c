/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host volume create` and `host volume list`. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host-setup/account.h"
#include "host-setup/commands.h"
#include "host-setup/fault.h"
#include "host-setup/text.h"
#include "host-setup/volume.h"

static struct idmap uids, gids;

/* A descriptor of the home. */
static int load(const struct call *call, struct account *account, struct fault *fault)
{
	int r = account_load(call_root(call), call_user(call), account, fault);

	if (r == 0)
		r = account_maps(call_root(call), account, &uids, &gids, fault);
	return r < 0 ? r : volume_home(call_root(call), account, fault);
}

/* The id inside, or null where there is none. */
static json_t *inside(const struct idmap *map, uint32_t host)
{
	uint32_t id;

	return idmap_to_inside(map, host, &id) < 0 ? json_null() : json_integer(id);
}

static json_t *volume_json(const struct account *account, const struct volume *volume)
{
	json_t *ret = json_object();
	char *name = text_escape(volume->name), path[8192], mode[8];

	snprintf(path, sizeof(path), "%s/volumes/%s", account->home, name ? name : "");
	snprintf(mode, sizeof(mode), "%04o", (unsigned)volume->mode);
	json_object_set_new(ret, "name", json_string(name ? name : ""));
	json_object_set_new(ret, "path", json_string(path));
	json_object_set_new(ret, "directory", json_boolean(volume->directory));
	json_object_set_new(ret, "mode", json_string(mode));
	json_object_set_new(ret, "uid", inside(&uids, volume->uid));
	json_object_set_new(ret, "gid", inside(&gids, volume->gid));
	json_object_set_new(ret, "host_uid", json_integer(volume->uid));
	json_object_set_new(ret, "host_gid", json_integer(volume->gid));
	free(name);
	return ret;
}

int run_volume_create(const struct call *call)
{
	struct volume_wish wish = { .uids = &uids, .gids = &gids, .name = call->words[0] };
	struct account account;
	struct volume volume;
	struct fault fault = { 0 };
	bool changed = false;
	int home, r;

	if (!call->value[OPT_UID]) {
		fault_set(&fault, 0, "--uid N is missing: who owns it inside the container");
		return call_fail(call, HOST_USAGE, &fault);
	}
	if (!call_number(call, "--uid", call->value[OPT_UID], &wish.uid))
		return HOST_USAGE;
	wish.gid = wish.uid;
	if (call->value[OPT_GID] && !call_number(call, "--gid", call->value[OPT_GID], &wish.gid))
		return HOST_USAGE;
	home = volume_name_check(wish.name, &fault);
	home = home < 0 ? home : load(call, &account, &fault);
	if (home < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	wish.account = &account;
	r = volume_create(home, &wish, &changed, &volume, &fault);
	close(home);
	if (r < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	if (call->value[OPT_JSON])
		return call_answer(call, HOST_DONE, changed, volume_json(&account, &volume));
	printf("%s/volumes/%s %s %u:%u inside, %u:%u on this host\n", account.home, volume.name,
	       changed ? "is now owned by" : "is owned by", wish.uid, wish.gid, volume.uid, volume.gid);
	return HOST_DONE;
}

static void put_id(const struct idmap *map, uint32_t host)
{
	uint32_t id;

	if (idmap_to_inside(map, host, &id) < 0)
		printf(" %10s", "-");
	else
		printf(" %10u", id);
}

static void put_list(const struct volume *list, size_t n)
{
	if (n)
		printf("%10s %10s %10s %10s  %-4s  %s\n", "uid inside", "gid inside", "uid here", "gid here", "mode",
		       "name");
	for (size_t i = 0; i < n; i++) {
		put_id(&uids, list[i].uid);
		put_id(&gids, list[i].gid);
		printf(" %10u %10u  %04o  ", list[i].uid, list[i].gid, (unsigned)list[i].mode);
		text_put(stdout, list[i].name);
		puts(list[i].directory ? "" : "  (no directory: not to be used)");
	}
}

int run_volume_list(const struct call *call)
{
	struct account account;
	struct volume *list = NULL;
	struct fault fault = { 0 };
	size_t n = 0;
	int home = load(call, &account, &fault), r;

	if (home < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	r = volume_list(home, &list, &n, &fault);
	close(home);
	if (r < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	if (call->value[OPT_JSON]) {
		json_t *volumes = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(volumes, volume_json(&account, &list[i]));
		call_answer(call, HOST_DONE, -1, json_pack("{s:o}", "volumes", volumes));
	} else {
		put_list(list, n);
	}
	free(list);
	return HOST_DONE;
}
