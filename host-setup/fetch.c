/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `host fetch DIR`: what `--from DIR` takes on a host without internet. */
#include <stdio.h>
#include <unistd.h>

#include "host-setup/commands.h"
#include "host-setup/fault.h"
#include "host-setup/fetch.h"
#include "host-setup/obtain.h"
#include "host-setup/release.h"

#define STALL_SECONDS 30

bool fetch_source(const struct call *call, struct source *ret)
{
	uint32_t stall = STALL_SECONDS;
	struct fault fault = { 0 };

	if (call->value[OPT_STALL] && !call_number(call, "--stall", call->value[OPT_STALL], &stall))
		return false;
	if (stall == 0 || stall > 3600) {
		fault_set(&fault, 0, "--stall: seconds from 1 to 3600, not %u", stall);
		call_fail(call, HOST_USAGE, &fault);
		return false;
	}
	*ret = (struct source){ .from = call->value[OPT_FROM],
				.mirror = call->value[OPT_MIRROR],
				.ca = call->value[OPT_CA],
				.stall = stall };
	return true;
}

int fetch_package(const struct call *call, enum release_id id, struct package *ret, struct fault *fault)
{
	const char *version = call->value[id == RELEASE_NERDCTL ? OPT_NERDCTL_VERSION : OPT_CNI_VERSION];

	return package_of(id, version, call->value[OPT_ARCH], ret, fault);
}

static int fetch_one(const struct call *call, enum release_id id, const struct source *source, json_t *files,
		     bool *changed)
{
	struct fault fault = { 0 };
	struct package package;
	bool one_changed, verified;
	int fd, r = fetch_package(call, id, &package, &fault);

	if (r < 0)
		return call_fail(call, HOST_USAGE, &fault);
	if (package_obtain(&package, source, call->words[0], &fd, &one_changed, &verified, &fault) < 0)
		return call_fail(call, HOST_REFUSED, &fault);
	close(fd);
	*changed |= one_changed;
	json_array_append_new(files, json_pack("{s:s,s:b,s:b}", "file", package.file, "changed", one_changed,
					       "verified", verified));
	if (!call->value[OPT_JSON])
		printf("%s %s\n", package.file, one_changed ? "is here, and right" : "was here already, and right");
	return HOST_DONE;
}

int run_fetch(const struct call *call)
{
	json_t *files = json_array();
	struct source source;
	bool changed = false;
	int code = HOST_USAGE;

	if (fetch_source(call, &source))
		code = HOST_DONE;
	for (int id = 0; id < RELEASE_COUNT && code == HOST_DONE; id++)
		code = fetch_one(call, (enum release_id)id, &source, files, &changed);
	if (code == HOST_DONE && call->value[OPT_JSON])
		return call_answer(call, code, changed, json_pack("{s:o}", "files", files));
	json_decref(files);
	return code;
}
