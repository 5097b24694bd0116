/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <event2/event.h>

#include "fwd/daemon/firewall_internal.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/upkeep.h"

#define SOON_MS 50          /* one look for a burst of events */
#define UNSETTLED_MS 1100   /* journal_unsettled(): "after about a second" */
#define DEAD_MIN 1000       /* lines: below that a compaction is not worth its sync */
#define DEAD_SHARE 10       /* one in so many */

struct upkeep {
	struct firewall *firewall;
	struct event *readable, *look;
	int fd;
};

static void look_in(struct upkeep *upkeep, unsigned ms)
{
	struct timeval in = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!evtimer_pending(upkeep->look, NULL))
		evtimer_add(upkeep->look, &in);
}

struct feed {
	int (*put)(const struct entry *entry, void *user);
	void *user;
};

static int feed_entry(const struct entry *entry, void *user)
{
	struct feed *feed = user;

	return entry->nomatch ? 0 : feed->put(entry, feed->user); /* the journal keeps such lines by itself */
}

static int feed_set(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user, void *user)
{
	struct firewall *firewall = user;
	struct feed feed = { put, put_user };
	int r = sets_dump(firewall->sets, set, now_epoch(), feed_entry, &feed);

	return r > 0 ? -EIO : r;
}

/* The kernel holds everything that was acknowledged (changes are journalled, then made, in one go), so that its dump is
 * what the file should say. */
static void compact(struct firewall *firewall)
{
	const struct policy *policy = &firewall->confirmed.policy;
	struct journal_set sets[POLICY_LISTS_MAX * FAMILIES];
	char names[POLICY_LISTS_MAX * FAMILIES][32];
	struct diag diag = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < policy->n_lists; i++) {
		for (int f = 0; f < FAMILIES; f++) {
			if (!firewall->journaled[i][f])
				continue;
			list_set_name(&policy->lists[i], family_af[f], names[n]);
			sets[n] = (struct journal_set){ names[n], family_af[f] };
			n++;
		}
	}
	if (journal_rewrite(firewall->journal, sets, n, now_epoch(), feed_set, firewall, &diag) < 0)
		log_say(LOG_WARNING, "the list file was not compacted: %s", diag.text);
}

static bool is_heavy(const struct journal *journal)
{
	uint64_t lines, dead;

	journal_weight(journal, &lines, &dead);
	return dead > DEAD_MIN && dead > lines / DEAD_SHARE;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct upkeep *upkeep = arg;
	struct firewall *firewall = upkeep->firewall;
	unsigned before = journal_foreign(firewall->journal);
	struct diag diag = { 0 };

	(void)fd;
	(void)what;
	if (journal_sync(firewall->journal, &diag) < 0)
		log_say(LOG_ERR, "somebody wrote the list file, and it cannot be mended: %s", diag.text);
	else if (journal_foreign(firewall->journal) != before)
		log_say(LOG_NOTICE, "somebody wrote the list file: what was allowed and removed is in it again");
	if (journal_need(firewall->journal) != JOURNAL_FINE || is_heavy(firewall->journal))
		compact(firewall);
	if (journal_unsettled(firewall->journal))
		look_in(upkeep, UNSETTLED_MS);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct upkeep *upkeep = arg;
	bool ours = false;
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)what;
	for (ssize_t at = 0; n > 0 && at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(buf + at);

		ours |= event->len == 0 || strcmp(event->name, "ipsets") == 0; /* len 0: the queue overflowed */
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (ours)
		look_in(upkeep, SOON_MS);
}

int upkeep_new(struct firewall *firewall, struct upkeep **ret)
{
	struct upkeep *upkeep = calloc(1, sizeof(*upkeep));
	int r = -ENOMEM;

	if (!upkeep)
		return -ENOMEM;
	upkeep->firewall = firewall;
	upkeep->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (upkeep->fd < 0 ||
	    inotify_add_watch(upkeep->fd, firewall->paths.iptables_dir,
			      IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE) < 0) {
		r = -errno;
		goto fail;
	}
	upkeep->readable = event_new(firewall->base, upkeep->fd, EV_READ | EV_PERSIST, on_readable, upkeep);
	upkeep->look = evtimer_new(firewall->base, on_look, upkeep);
	if (!upkeep->readable || !upkeep->look || event_add(upkeep->readable, NULL) < 0)
		goto fail;
	*ret = upkeep;
	return 0;
fail:
	upkeep_free(upkeep);
	return r;
}

void upkeep_free(struct upkeep *upkeep)
{
	if (!upkeep)
		return;
	if (upkeep->readable)
		event_free(upkeep->readable);
	if (upkeep->look)
		event_free(upkeep->look);
	if (upkeep->fd >= 0)
		close(upkeep->fd);
	free(upkeep);
}

void upkeep_kick(struct upkeep *upkeep)
{
	if (upkeep && is_heavy(upkeep->firewall->journal))
		look_in(upkeep, SOON_MS);
}
