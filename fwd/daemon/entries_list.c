/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/jsontext.h"

struct listing {
	FILE *out;
	uint64_t n;
};

static int put_entry(const struct entry *entry, void *user)
{
	struct listing *listing = user;
	char net[ADDR_TEXT_MAX];
	json_t *json;
	int r;

	if (entry->nomatch) /* made by hand: it lets nobody in */
		return 0;
	cidr_format(&entry->net, net);
	json = json_pack("{s:s, s:I, s:o, s:I, s:I}", "net", net, "until", (json_int_t)entry->until, "comment",
			 json_from_text(entry->comment), "packets", (json_int_t)entry->packets, "bytes", (json_int_t)entry->bytes);
	if (!json)
		return -ENOMEM;
	r = json_dumpf(json, listing->out, JSON_COMPACT) < 0 || fputc('\n', listing->out) == EOF ? -EIO : 0;
	json_decref(json);
	listing->n++;
	return r;
}

int firewall_list(struct firewall *firewall, const char *list, int *ret, uint64_t *entries, struct diag *diag)
{
	const struct policy *policy = &firewall->confirmed.policy;
	struct listing listing = { 0 };
	size_t i = 0;
	char set[32];
	int fd, writer, r = 0;

	while (i < policy->n_lists && strcmp(policy->lists[i].name, list) != 0)
		i++;
	if (i == policy->n_lists || !firewall->sets) {
		diag_set(diag, 0, 0, i == policy->n_lists ? "there is no list \"%s\"" : "the kernel has no sets for us (%s)", list);
		return -ENOENT;
	}
	fd = memfd_create("fwd-list", MFD_CLOEXEC);
	writer = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	listing.out = writer < 0 ? NULL : fdopen(writer, "w");
	if (!listing.out) {
		r = -errno;
		diag_set(diag, 0, 0, "no place for the entries: %s", strerror(-r));
		if (writer >= 0)
			close(writer);
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (int f = 0; f < FAMILIES && r == 0; f++) {
		list_set_name(&policy->lists[i], family_af[f], set);
		r = sets_dump(firewall->sets, set, now_epoch(), put_entry, &listing);
		if (r == -ENOENT)
			r = 0;
	}
	if (fclose(listing.out) != 0 && r == 0)
		r = -EIO;
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0) {
		diag_set(diag, 0, 0, "cannot list %s: %s", list, strerror(-r));
		close(fd);
		return r;
	}
	*ret = fd;
	*entries = listing.n;
	return 0;
}
