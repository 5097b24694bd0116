/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host idmap N`: the mapping of one id, with its computation. */
#include <stdio.h>
#include <string.h>

#include "host-setup/account.h"
#include "host-setup/commands.h"
#include "host-setup/fault.h"

static int map_one(const struct idmap *map, const char *what, uint32_t inside, uint32_t *ret,
		   const struct idmap_range **range, struct fault *fault)
{
	int r = idmap_to_host(map, inside, ret, range);

	if (r == 0)
		return 0;
	fault_set(fault, r, "%s %u is outside the ranges of %s: inside containers there are 0 to %u", what, inside,
		  map->file,
		  idmap_last(map));
	fault_hint(fault, map->n ? "A further line in that file makes more." :
				   "Without a line there the user has only 0: give him ranges with usermod --add-subuids "
				   "and --add-subgids.");
	return r;
}

static void explain(const struct idmap *map, const char *what, uint32_t inside, const struct idmap_range *range)
{
	uint32_t at = 1;

	if (!range) {
		printf("    0 inside is always the user himself, %s %u\n", what, map->self);
		return;
	}
	for (const struct idmap_range *r = map->ranges; r <= range; at += r++->count)
		printf("    %s:%u: %u to %u inside are %u to %u here\n", map->file, r->line, at, at + r->count - 1,
		       r->start,
		       r->start + r->count - 1);
	at -= range->count;
	printf("    %u - %u + %u = %u\n", inside, at, range->start, inside - at + range->start);
}

int run_idmap(const struct call *call)
{
	const struct idmap_range *uid_range, *gid_range;
	struct account account;
	struct fault fault = { 0 };
	static struct idmap uids, gids;
	uint32_t inside, uid, gid;

	if (!call_number(call, "the id", call->words[0], &inside))
		return HOST_USAGE;
	if (account_load(call_root(call), call_user(call), &account, &fault) < 0 ||
	    account_maps(call_root(call), &account, &uids, &gids, &fault) < 0 ||
	    map_one(&uids, "uid", inside, &uid, &uid_range, &fault) < 0 ||
	    map_one(&gids, "gid", inside, &gid, &gid_range, &fault) < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	if (call->value[OPT_JSON])
		return call_answer(call, HOST_DONE, -1,
				   json_pack("{s:s,s:I,s:I,s:I}", "user", account.name, "inside", (json_int_t)inside,
					     "uid",
					     (json_int_t)uid, "gid", (json_int_t)gid));
	printf("In containers of %s, uid %u is uid %u on this host:\n", account.name, inside, uid);
	explain(&uids, "uid", inside, uid_range);
	printf("and gid %u is gid %u:\n", inside, gid);
	explain(&gids, "gid", inside, gid_range);
	return HOST_DONE;
}
