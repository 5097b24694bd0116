/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "fwd/daemon/journal_internal.h"
#include "tests/unit/journal_faults.h"

#define SEED 20240711u
#define NOW 4000000000ull /* ahead of every clock: a clock behind the file's time counts as that time */
#define POOL 48
#define SET "whitelist"

static char dir[] = "/tmp/test-journal-XXXXXX";
static char path[64];

/* What should stand in the file, for a pool of networks. Versions are told apart by their comments. */
struct model {
	unsigned acked[POOL]; /* 0: absent */
	unsigned maybe[POOL]; /* what a record that was not acknowledged may have left; 0 with may_be_absent */
	bool unsure[POOL];
};

static struct entry pool_entry(unsigned i, unsigned version)
{
	struct entry entry = { 0 };
	struct addr addr = { .family = i % 3 ? AF_INET : AF_INET6 };

	addr.bytes[0] = 0x20;
	addr.bytes[1] = 1;
	addr.bytes[2] = (uint8_t)i;
	addr.bytes[3] = (uint8_t)(i * 7);
	entry.net = cidr_of(&addr, i % 4 == 0 ? 24 : addr_bits(addr.family));
	entry.until = version % 2 ? 0 : NOW + 1000 + version;
	snprintf(entry.comment, sizeof(entry.comment), "version %u", version);
	return entry;
}

static int write_whole(const char *data, size_t n, int flags)
{
	int fd = __real_open64(path, O_WRONLY | O_CREAT | flags, 0640);

	assert_true(fd >= 0);
	assert_int_equal(__real_write(fd, data, n), n);
	return fd;
}

static void write_file(const char *text)
{
	close(write_whole(text, strlen(text), O_TRUNC));
}

static char *read_file(size_t *n)
{
	static char text[8u << 20];
	int fd = __real_open64(path, O_RDONLY, 0);
	ssize_t got = 0, more;

	assert_true(fd >= 0);
	while ((more = read(fd, text + got, sizeof(text) - 1 - (size_t)got)) > 0)
		got += more;
	close(fd);
	text[got] = '\0';
	if (n)
		*n = (size_t)got;
	return text;
}

static struct journal *open_fresh(void)
{
	struct journal *journal;

	unlink(path);
	assert_int_equal(journal_open(path, &journal, NULL), 0);
	return journal;
}

static struct journal *open_again(void)
{
	struct journal *journal;
	struct diag diag = { 0 };
	int r = journal_open(path, &journal, &diag);

	if (r < 0)
		fail_msg("%s", diag.text);
	return journal;
}

static void sync_ok(struct journal *journal)
{
	struct diag diag = { 0 };
	int r = journal_sync(journal, &diag);

	if (r < 0)
		fail_msg("%d: %s", r, diag.text);
}

static void add_text(struct journal *journal, const char *set, const char *net, const char *comment)
{
	struct entry entry = { 0 };

	assert_int_equal(cidr_parse(net, &entry.net, NULL), 0);
	strcpy(entry.comment, comment);
	assert_int_equal(journal_add(journal, set, &entry, NOW), 0);
}

static struct journal_state state_of(struct journal *journal, const char *set)
{
	struct journal_state state;
	struct diag diag = { 0 };

	if (journal_state(journal, set, NOW, &state, &diag) < 0)
		fail_msg("%s", diag.text);
	for (size_t i = 1; i < state.n; i++)
		assert_true(cidr_compare(&state.items[i - 1].net, &state.items[i].net) < 0);
	for (size_t i = 1; i < state.n_removed; i++)
		assert_true(cidr_compare(&state.removed[i - 1], &state.removed[i]) < 0);
	return state;
}

/* "net=comment@until net=…" */
static const char *told(struct journal *journal, const char *set)
{
	static char text[4096];
	struct journal_state state = state_of(journal, set);
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < state.n; i++) {
		char net[ADDR_TEXT_MAX];
		struct entry entry;

		journal_state_entry(&state, i, &entry);
		cidr_format(&entry.net, net);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", net);
		if (*entry.comment)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "=%s", entry.comment);
		if (entry.until)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "@%lld", (long long)(entry.until - NOW));
	}
	for (size_t i = 0; i < state.n_removed; i++) {
		char net[ADDR_TEXT_MAX];

		cidr_format(&state.removed[i], net);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s-%s", n ? " " : "", net);
	}
	journal_state_free(&state);
	return text;
}

/* The file is one that ipset loads, and says what the model says: nothing lost, nothing more. */
static void check_model(struct journal *journal, const struct model *model)
{
	struct journal_state state = state_of(journal, SET);
	bool found[POOL] = { false };

	assert_int_equal(state.skipped, 0);
	for (size_t at = 0; at < state.n; at++) {
		struct entry entry;
		unsigned i = 0, version;

		journal_state_entry(&state, at, &entry);
		for (; i < POOL; i++) {
			struct entry ours = pool_entry(i, 0);

			if (cidr_equal(&ours.net, &entry.net))
				break;
		}
		assert_in_range(i, 0, POOL - 1);
		assert_int_equal(sscanf(entry.comment, "version %u", &version), 1);
		assert_int_equal(entry.until, pool_entry(i, version).until);
		if (version != model->acked[i] && !(model->unsure[i] && version == model->maybe[i]))
			fail_msg("network %u is version %u, not %u", i, version, model->acked[i]);
		found[i] = true;
	}
	for (unsigned i = 0; i < POOL; i++)
		if (model->acked[i] && !found[i] && !(model->unsure[i] && !model->maybe[i]))
			fail_msg("network %u is lost", i);
	journal_state_free(&state);
}

/* Every line parses, no line crosses a block, and a create line stands before the first element of its set. */
static void check_raw(bool blocks)
{
	size_t n;
	const char *text = read_file(&n), *at = text;
	bool created = false;

	assert_true(n == 0 || text[n - 1] == '\n');
	while (at < text + n) {
		const char *newline = memchr(at, '\n', (size_t)(text + n - at));
		size_t len = (size_t)(newline + 1 - at), from = (size_t)(at - text);
		struct set_line line;

		assert_int_equal(setfile_parse_line(at, len - 1, &line, NULL), 0);
		if (blocks && len > 1)
			assert_int_equal(from / SETFILE_BLOCK, (from + len - 1) / SETFILE_BLOCK);
		if (strcmp(line.set, SET) == 0) {
			created |= line.kind == SET_LINE_CREATE;
			assert_true(created);
		}
		at = newline + 1;
	}
}

static void opening(void **state)
{
	struct journal *journal;
	struct diag diag = { 0 };
	struct stat st;
	char other[80];

	(void)state;
	journal = open_fresh();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 0);
	journal_close(journal);
	journal_close(NULL);
	/* refusals, each with a reason that names the file */
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(journal_open(path, &journal, &diag), -EPERM);
	assert_non_null(strstr(diag.text, path));
	unlink(other);
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	assert_int_equal(chmod(path, 0642), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(journal_open(path, &journal, NULL), 0);
	journal_close(journal);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 0), 0);
		assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	assert_int_equal(truncate(path, JOURNAL_SIZE_MAX + 1), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EFBIG);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(truncate(other, 0), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	unlink(path);
	unlink(other);
	snprintf(other, sizeof(other), "%s/missing/x", dir);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(journal_open(path, &journal, NULL), -EPERM);
	unlink(path);
	assert_int_equal(journal_open(other, &journal, &diag), -ENOENT);
}

static void records(void **state)
{
	struct journal *journal = open_fresh();
	struct entry entry = { 0 };
	uint64_t lines, dead;

	(void)state;
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	add_text(journal, SET, "192.0.2.0/24", "office");
	add_text(journal, SET, "198.51.100.7", "");
	add_text(journal, SET, "203.0.113.9", "dropped");
	assert_string_equal(told(journal, SET), ""); /* gathered only */
	assert_int_equal(read_file(NULL)[0], '\0');
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.0/24=office 198.51.100.7 203.0.113.9=dropped");
	add_text(journal, SET, "192.0.2.0/24", "office moved");
	assert_int_equal(cidr_parse("203.0.113.9", &entry.net, NULL), 0);
	assert_int_equal(journal_del(journal, SET, &entry.net), 0);
	assert_int_equal(journal_line(journal, "create fwd-trial list:set size 8 timeout 60 comment"), 0);
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.0/24=office moved 198.51.100.7 -203.0.113.9");
	journal_weight(journal, &lines, &dead);
	assert_int_equal(lines, 7);
	assert_int_equal(dead, 3);
	assert_int_equal(journal_del(journal, SET, &entry.net), 0);
	journal_drop(journal);
	sync_ok(journal);
	assert_int_equal(journal_foreign(journal), 0);
	journal_close(journal);
	assert_string_equal(read_file(NULL),
			    "create whitelist hash:net family inet hashsize 1024 maxelem 4294967295 timeout 0 counters comment\n"
			    "add whitelist 192.0.2.0/24 timeout 0 comment \"office\"\nadd whitelist 198.51.100.7 timeout 0\n"
			    "add whitelist 203.0.113.9 timeout 0 comment \"dropped\"\n"
			    "add whitelist 192.0.2.0/24 timeout 0 comment \"office moved\"\ndel whitelist 203.0.113.9\n"
			    "create fwd-trial list:set size 8 timeout 60 comment\n");
	journal = open_again();
	assert_string_equal(told(journal, SET), "192.0.2.0/24=office moved 198.51.100.7 -203.0.113.9");
	assert_string_equal(told(journal, "other"), "");
	journal_close(journal);
}

static void refusals(void **state)
{
	struct journal *journal = open_fresh();
	struct entry entry = { .until = NOW };
	char text[1100], name[16];
	int r = 0;

	(void)state;
	assert_int_equal(cidr_parse("192.0.2.1", &entry.net, NULL), 0);
	assert_int_equal(journal_add(journal, SET, &entry, NOW), -ETIME);
	entry.until = 0;
	strcpy(entry.comment, "a\"b");
	assert_int_equal(journal_add(journal, SET, &entry, NOW), -EINVAL);
	entry.comment[0] = '\0';
	assert_int_equal(journal_add(journal, "a b", &entry, NOW), -EINVAL);
	entry.net.len = 0;
	assert_int_equal(journal_add(journal, SET, &entry, NOW), -EINVAL);
	assert_int_equal(journal_del(journal, SET, &entry.net), -EINVAL);
	entry.net.len = 32;
	assert_int_equal(journal_create(journal, SET, 0), -EINVAL);
	static const char *const lines[] = { "", "# x", "add w 1.2.3.4", "del w 1.2.3.4-1.2.3.5", "swap a b\n", "swap a b\r",
					     "create w", "create w hash:net\nflush" };
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_int_equal(journal_line(journal, lines[i]), -EINVAL);
	memset(text, 'x', sizeof(text));
	memcpy(text, "create w hash:net", 17);
	text[17] = ' ';
	text[1023] = '\0';
	assert_int_equal(journal_line(journal, text), -EINVAL);
	text[1022] = '\0';
	assert_int_equal(journal_line(journal, text), 0);
	journal_drop(journal);
	/* sets */
	for (int i = 0; i <= JOURNAL_SETS_MAX && r == 0; i++) {
		snprintf(name, sizeof(name), "set%d", i);
		r = journal_add(journal, name, &entry, NOW);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(journal->n_known, JOURNAL_SETS_MAX);
	/* gathered bytes */
	while ((r = journal_add(journal, "set0", &entry, NOW)) == 0)
		;
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(journal->gathered.len, JOURNAL_GATHER_MAX - 1024, JOURNAL_GATHER_MAX);
	sync_ok(journal);
	assert_int_equal(journal_add(journal, "set0", &entry, NOW), 0);
	journal_close(journal);
	check_raw(true);
}

static void reading(void **state)
{
	struct journal *journal;
	struct journal_state loaded;
	struct timespec times[2] = { { (time_t)NOW, 0 }, { (time_t)NOW, 0 } };
	struct stat st;
	int fd;

	(void)state;
	unlink(path);
	write_file("# by hand\r\n\ncreate whitelist hash:net family inet maxelem 65536 timeout 0 comment\r\n"
		   "-A whitelist 192.0.2.1\r\n"
		   "add whitelist 192.0.2.2 timeout 50\n"
		   "add whitelist 192.0.2.3 timeout 50 comment \"until=4000000500 x\"\n"
		   "add whitelist 192.0.2.4 comment until=4000000000\n"
		   "add whitelist 192.0.2.5 comment until=4000000001\n"
		   "add whitelist 198.51.100.4-198.51.100.7 comment r\n"
		   "del whitelist 198.51.100.4/30\n"
		   "add whitelist 198.51.100.8-198.51.100.10\n"
		   "add whitelist 10.0.0.0/8 nomatch\n"
		   "add whitelist 0.0.0.0/0\n"
		   "add whitelist host.example\n"
		   "add whitelist 192.0.2.9 # why\n"
		   "swap other whitelist\n"
		   "add other 203.0.113.1\n"
		   "add whitelist 2001:db8::/32\n"
		   "add whitelist 192.0.2.6\nadd whitelist 192.0.2.6 nomatch\n"
		   "COMMIT\n"
		   "add whitelist 192.0.2.7/3");
	fd = __real_open64(path, O_WRONLY, 0);
	futimens(fd, times);
	close(fd);
	journal = open_again();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtime, NOW); /* though the tail was cut off: relative timeouts still count from it */
	assert_string_equal(told(journal, SET),
			    "192.0.2.1 192.0.2.2@50 192.0.2.3=x@500 192.0.2.5@1 198.51.100.8/31 198.51.100.10 2001:db8::/32 "
			    "-192.0.2.4 -198.51.100.4/30");
	assert_int_equal(journal_need(journal), JOURNAL_COMPACT); /* a relative timeout */
	loaded = state_of(journal, SET);
	assert_true(loaded.created);
	assert_int_equal(loaded.skipped, 6);
	assert_int_equal(loaded.newest, NOW);
	assert_int_equal(loaded.torn, 25);
	journal_state_free(&loaded);
	journal_state_free(NULL);
	/* a clock older than the file counts as the file's time */
	assert_int_equal(journal_state(journal, SET, 5, &loaded, NULL), 0);
	assert_int_equal(loaded.n, 7);
	journal_state_free(&loaded);
	assert_int_equal(journal_state(journal, SET, NOW + 49, &loaded, NULL), 0);
	assert_int_equal(loaded.n, 6);
	journal_state_free(&loaded);
	assert_int_equal(journal_state(journal, SET, NOW + 50, &loaded, NULL), 0);
	assert_int_equal(loaded.n, 5);
	journal_state_free(&loaded);
	journal_close(journal);

	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1\nflush whitelist\nadd whitelist 192.0.2.2\nflush o\n");
	journal = open_again();
	assert_string_equal(told(journal, SET), "192.0.2.2 -192.0.2.1");
	journal_close(journal);
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1\ndestroy\nadd whitelist 192.0.2.2\n");
	journal = open_again();
	loaded = state_of(journal, SET);
	assert_false(loaded.created);
	assert_int_equal(loaded.n, 1);
	journal_state_free(&loaded);
	journal_close(journal);
	/* a second add leaves the counters, as with ipset; a del takes them */
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 packets 5 bytes 6\nadd whitelist 192.0.2.1 comment x\n"
		   "add whitelist 192.0.2.2 packets 5\ndel whitelist 192.0.2.2\nadd whitelist 192.0.2.2\n"
		   "add whitelist 192.0.2.3 packets 5\nadd whitelist 192.0.2.3 bytes 7\n"
		   "create w6 hash:net\nadd w6 192.0.2.1 packets 5\nflush w6\nadd w6 192.0.2.1\n");
	journal = open_again();
	loaded = state_of(journal, SET);
	assert_int_equal(loaded.n, 3);
	assert_true(loaded.items[0].packets == 5 && loaded.items[0].bytes == 6);
	assert_true(loaded.items[1].packets == 0);
	assert_true(loaded.items[2].packets == 0 && loaded.items[2].bytes == 7);
	journal_state_free(&loaded);
	loaded = state_of(journal, "w6");
	assert_true(loaded.n == 1 && loaded.items[0].packets == 0);
	journal_state_free(&loaded);
	journal_close(journal);
}

static void too_many(void **state)
{
	struct journal *journal = open_fresh();
	struct journal_state loaded;
	struct diag diag = { 0 };
	struct entry entry = { .net = { .addr = { .family = AF_INET }, .len = 32 } };

	(void)state;
	for (unsigned i = 0; i <= JOURNAL_NETS_MAX; i++) { /* the test is built with a small limit */
		uint32_t address = htonl(0x0a000000 + i);

		memcpy(entry.net.addr.bytes, &address, 4);
		assert_int_equal(journal_add(journal, SET, &entry, NOW), 0);
		if (i + 1 == JOURNAL_NETS_MAX) {
			sync_ok(journal);
			assert_int_equal(journal_state(journal, SET, NOW, &loaded, NULL), 0);
			assert_int_equal(loaded.n, JOURNAL_NETS_MAX);
			journal_state_free(&loaded);
		}
	}
	sync_ok(journal);
	assert_int_equal(journal_state(journal, SET, NOW, &loaded, &diag), -E2BIG);
	assert_non_null(strstr(diag.text, path));
	journal_close(journal);
}

/* One change of the pool, in the journal and in the model. */
static void change(struct journal *journal, struct model *model, unsigned version)
{
	unsigned i = (unsigned)rand() % POOL;
	struct entry entry = pool_entry(i, version);
	bool add = rand() % 3;

	assert_int_equal(add ? journal_add(journal, SET, &entry, NOW) : journal_del(journal, SET, &entry.net), 0);
	model->acked[i] = add ? version : 0;
}

static void torn(void **state)
{
	static struct model models[41];
	struct journal *journal = open_fresh();
	size_t n, records = 0;
	char *text;

	(void)state;
	srand(SEED);
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	for (unsigned i = 0; i < 40; i++) {
		models[i + 1] = models[i];
		change(journal, &models[i + 1], i + 1);
	}
	sync_ok(journal);
	journal_close(journal);
	text = malloc(read_file(&n) ? n : 1);
	memcpy(text, read_file(NULL), n);
	for (size_t len = 0; len <= n; len++) {
		unlink(path);
		close(write_whole(text, len, O_TRUNC));
		if (len > 0 && text[len - 1] == '\n')
			records++;
		journal = open_again();
		check_model(journal, &models[records ? records - 1 : 0]);
		check_raw(true);
		/* and what is appended then does not run into the torn record */
		if (len % 7 == 0) {
			add_text(journal, "later", "203.0.113.1", "");
			sync_ok(journal);
			check_model(journal, &models[records ? records - 1 : 0]);
			assert_string_equal(told(journal, "later"), "203.0.113.1");
		}
		journal_close(journal);
	}
	assert_int_equal(records, 41);
	free(text);
}

static void blocks(void **state)
{
	struct journal *journal = open_fresh();
	unsigned done = 0;

	(void)state;
	print_message("# seed %u\n", SEED);
	srand(SEED);
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	while (done < 6000) {
		unsigned group = 1 + (unsigned)rand() % (rand() % 4 ? 5 : 300);

		for (unsigned i = 0; i < group; i++, done++) {
			struct entry entry = pool_entry((unsigned)rand() % POOL, done);

			memset(entry.comment, 'x', ENTRY_COMMENT_MAX);
			entry.comment[rand() % ENTRY_COMMENT_MAX] = '\0';
			assert_int_equal(journal_add(journal, SET, &entry, NOW), 0);
			if (rand() % 16 == 0) {
				char line[1023] = "create w hash:net ";

				memset(line + 18, 'x', sizeof(line) - 18);
				line[18 + rand() % 1005] = '\0';
				assert_int_equal(journal_line(journal, line), 0);
			}
		}
		sync_ok(journal);
	}
	assert_int_equal(journal_foreign(journal), 0);
	journal_close(journal);
	check_raw(true);
}

static unsigned occurrences(const char *what)
{
	unsigned n = 0;

	for (const char *at = read_file(NULL); (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* What `ipset save` would print of the model's set, and of a foreign one. */
static char *snapshot(const struct model *model)
{
	static char text[65536];
	size_t n = (size_t)snprintf(text, sizeof(text), "create other hash:net family inet hashsize 1024 maxelem 65536\n"
				    "add other 203.0.113.0/24\n"
				    "create whitelist hash:net family inet hashsize 2048 maxelem 4294967295 timeout 0 counters comment\n");

	for (unsigned i = 0; i < POOL; i++) {
		struct entry entry = pool_entry(i, model->acked[i]);

		if (model->acked[i])
			n += (size_t)setfile_format_add(SET, &entry, NOW + 7, text + n, sizeof(text) - n);
	}
	return text;
}

static void write_foreign(const struct model *model, bool by_rename)
{
	char saved[sizeof(path)], other[80];

	if (!by_rename) {
		write_file(snapshot(model));
		return;
	}
	strcpy(saved, path);
	snprintf(other, sizeof(other), "%s/foreign", dir);
	strcpy(path, other);
	write_file(snapshot(model));
	strcpy(path, saved);
	assert_int_equal(__real_rename(other, path), 0);
}

static void foreign_writes(void **state)
{
	(void)state;
	srand(SEED);
	for (int round = 0; round < 60; round++) {
		struct journal *journal = open_fresh();
		struct model model = { 0 }, old;
		unsigned version = 0, met;

		assert_int_equal(journal_create(journal, SET, AF_INET), 0);
		for (int i = 0; i < 20; i++)
			change(journal, &model, ++version);
		sync_ok(journal);
		old = model; /* the other's picture is older than some of our records */
		for (int i = 0; i < round % 10; i++) {
			change(journal, &model, ++version);
			sync_ok(journal);
		}
		write_foreign(&old, round % 2);
		met = journal_foreign(journal);
		if (round % 3) { /* found by the next record, or by a look */
			change(journal, &model, ++version);
			change(journal, &model, ++version);
		}
		sync_ok(journal);
		assert_int_equal(journal_foreign(journal), met + 1);
		assert_int_equal(journal_need(journal), JOURNAL_FINE);
		check_model(journal, &model);
		assert_string_equal(told(journal, "other"), "203.0.113.0/24");
		assert_int_equal(occurrences("create whitelist "), 1); /* ipset stops at a second one that differs */
		change(journal, &model, ++version);
		sync_ok(journal);
		assert_int_equal(journal_foreign(journal), met + 1);
		check_raw(true);
		journal_close(journal);
		journal = open_again();
		check_model(journal, &model);
		assert_string_equal(told(journal, "other"), "203.0.113.0/24");
		journal_close(journal);
	}
}

/* `ipset save > file` is still writing when a record is to be answered. */
static void foreign_under_way(void **state)
{
	struct timespec past[2] = { { 1000, 0 }, { 1000, 0 } };
	struct journal *journal = open_fresh();
	struct model model = { 0 }, old;
	unsigned version = 0;
	size_t half;
	char *text;
	int fd;

	(void)state;
	srand(SEED);
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	for (int i = 0; i < 30; i++)
		change(journal, &model, ++version);
	sync_ok(journal);
	old = model;
	text = snapshot(&old);
	half = (size_t)(strstr(text, "add other 203.0.113.0/24") - text) + 23; /* "/2" */
	fd = write_whole(text, half, O_TRUNC);
	for (int i = 0; i < 5; i++) {
		change(journal, &model, ++version);
		sync_ok(journal);
		check_raw(true);
	}
	assert_true(journal_unsettled(journal));
	assert_string_equal(told(journal, "other"), ""); /* the torn /2 is not taken */
	assert_int_equal(journal_need(journal), JOURNAL_INCOMPLETE); /* the set's own create line was not there yet */
	assert_int_equal(__real_write(fd, text + half, strlen(text) - half), strlen(text) - half);
	close(fd);
	sync_ok(journal);
	assert_int_equal(journal_foreign(journal), 1); /* not before it has come to rest */
	assert_int_equal(futimens(journal->orphan, past), 0);
	change(journal, &model, ++version);
	sync_ok(journal);
	assert_int_equal(journal_foreign(journal), 2);
	check_model(journal, &model);
	check_raw(true);
	assert_string_equal(told(journal, "other"), "203.0.113.0/24");
	sync_ok(journal);
	assert_false(journal_unsettled(journal)); /* at rest for longer than a minute: let go */
	journal_close(journal);
}

static void replace_meanwhile(void)
{
	char saved[sizeof(path)], other[80];

	strcpy(saved, path);
	snprintf(other, sizeof(other), "%s/foreign", dir);
	strcpy(path, other);
	write_file("create whitelist hash:net\nadd other 203.0.113.2\n");
	strcpy(path, saved);
	assert_int_equal(__real_rename(other, path), 0);
}

static void overwrite_meanwhile(void)
{
	write_file("create whitelist hash:net\nadd other 203.0.113.3\n");
}

/* Somebody writes while we make a new file of what he wrote before. */
static void foreign_meanwhile(void **state)
{
	struct journal *journal = open_fresh();

	(void)state;
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	add_text(journal, SET, "192.0.2.1", "");
	sync_ok(journal);
	write_file("create whitelist hash:net\nadd other 203.0.113.1\n");
	add_text(journal, SET, "192.0.2.2", "");
	fault.at_fsync = replace_meanwhile;
	sync_ok(journal);
	assert_string_equal(told(journal, "other"), "203.0.113.2");
	assert_string_equal(told(journal, SET), "192.0.2.1 192.0.2.2");
	replace_meanwhile();
	add_text(journal, SET, "192.0.2.3", "");
	fault.at_fsync = overwrite_meanwhile;
	sync_ok(journal);
	assert_string_equal(told(journal, "other"), "203.0.113.3");
	assert_string_equal(told(journal, SET), "192.0.2.1 192.0.2.2 192.0.2.3");
	journal_close(journal);
}

static void foreign_kinds(void **state)
{
	struct journal *journal = open_fresh();
	struct diag diag = { 0 };
	struct stat st;
	char other[80];

	(void)state;
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	add_text(journal, SET, "192.0.2.1", "");
	sync_ok(journal);
	/* removed: made again */
	unlink(path);
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	assert_int_equal(journal_need(journal), JOURNAL_FINE);
	/* a relative timeout becomes absolute, counted from the foreign file's time */
	write_file("create whitelist hash:net timeout 0\nadd whitelist 192.0.2.2 timeout 900\nadd w 192.0.2.3 timeout 900\n");
	assert_int_equal(stat(path, &st), 0);
	sync_ok(journal);
	snprintf(other, sizeof(other), "add whitelist 192.0.2.2 timeout 900 comment \"until=%lld\"\n", (long long)st.st_mtime + 900);
	assert_non_null(strstr(read_file(NULL), other));
	assert_non_null(strstr(read_file(NULL), "\nadd w 192.0.2.3 timeout 900\n"));
	/* unreadable and overlong lines stay, NULs too */
	write_file("create whitelist hash:net timeout 0\nadd whitelist 192.0.2.9 # why\n\n \n# note\n");
	sync_ok(journal);
	assert_non_null(strstr(read_file(NULL), "\nadd whitelist 192.0.2.9 # why\n# note\nadd whitelist 192.0.2.1"));
	/* our set is gone from their file: its create line comes back, and the caller is told */
	write_file("create other hash:net\n");
	sync_ok(journal);
	assert_int_equal(journal_need(journal), JOURNAL_INCOMPLETE);
	check_raw(true);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	/* a last word of theirs that is not ours is overruled, wherever our line stands */
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 timeout 0\ndel whitelist 192.0.2.0-192.0.2.1\n");
	sync_ok(journal);
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 timeout 0\ndel whitelist 192.0.2.1\n");
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 timeout 0\nflush\n");
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 nomatch\n");
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1 comment until=4100000000\n");
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	/* what they have is not said again, be it in other words */
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.1-192.0.2.2 timeout 0 packets 7 bytes 8\n");
	sync_ok(journal);
	assert_int_equal(occurrences("192.0.2.1"), 1);
	assert_string_equal(told(journal, SET), "192.0.2.1 192.0.2.2");
	/* what may not be read is an error, and nothing is answered well until it is gone */
	snprintf(other, sizeof(other), "%s/other", dir);
	unlink(path);
	assert_int_equal(symlink(other, path), 0);
	add_text(journal, SET, "192.0.2.5", "");
	assert_true(journal_sync(journal, &diag) < 0);
	assert_non_null(strstr(diag.text, path));
	unlink(path);
	write_file("");
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(journal_sync(journal, NULL), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.1");
	journal_close(journal);
	/* a set whose create line is none of this session's records */
	journal = open_again();
	add_text(journal, SET, "192.0.2.6", "");
	sync_ok(journal);
	write_file("create other hash:net\n");
	sync_ok(journal);
	check_raw(true);
	assert_int_equal(occurrences("create whitelist hash:net family inet hashsize"), 1);
	assert_string_equal(told(journal, SET), "192.0.2.6");
	/* a create line that is gathered while theirs comes */
	write_file("create whitelist hash:net\n");
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	sync_ok(journal);
	assert_int_equal(occurrences("create whitelist hash:net"), 1);
	journal_close(journal);
	assert_int_equal(access(other, F_OK), -1);
}

/* A process that saves all the time, in both ways, beside one that adds. */
static void foreign_race(void **state)
{
	struct model model = { 0 };
	struct journal *journal = open_fresh();
	pid_t child;
	int status, saves = 0;

	(void)state;
	srand(SEED);
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	change(journal, &model, 1);
	sync_ok(journal);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct model nothing = { 0 };

		for (;; saves++) {
			int fd;

			if (saves % 2) {
				write_foreign(&nothing, true);
				continue;
			}
			fd = __real_open64(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
			for (const char *at = snapshot(&nothing); fd >= 0 && *at; at += strlen(at) < 50 ? strlen(at) : 50)
				if (__real_write(fd, at, strlen(at) < 50 ? strlen(at) : 50) < 0)
					_exit(1);
			close(fd);
			usleep(300);
		}
	}
	for (unsigned version = 2; version < 600; version++) {
		struct model before = model;
		int r;

		change(journal, &model, version);
		r = journal_sync(journal, NULL);
		if (r == -EBUSY) /* not acknowledged: say it again */
			for (unsigned i = 0; i < POOL; i++)
				if (model.acked[i] != before.acked[i]) {
					model.unsure[i] = true;
					model.maybe[i] = model.acked[i];
					model.acked[i] = before.acked[i];
				}
		if (r != -EBUSY)
			assert_int_equal(r, 0);
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	print_message("# foreign writes met: %u\n", journal_foreign(journal));
	assert_true(journal_foreign(journal) > 10);
	sync_ok(journal);
	check_model(journal, &model);
	journal_close(journal);
	journal = open_again();
	check_model(journal, &model);
	journal_close(journal);
}

static void memory_limit(void **state)
{
	struct journal *journal = open_fresh();
	struct entry entry = { .net = { .addr = { .family = AF_INET }, .len = 32 } };
	char last[64];

	(void)state;
	memset(entry.comment, 'x', ENTRY_COMMENT_MAX);
	for (unsigned i = 0; i < 6000; i++) {
		uint32_t address = htonl(0x0a000000 + i);

		memcpy(entry.net.addr.bytes, &address, 4);
		assert_int_equal(journal_add(journal, SET, &entry, NOW), 0);
		if (i % 100 == 99)
			sync_ok(journal);
		assert_true(journal->kept.len <= JOURNAL_KEPT_MAX);
		if (i == 3000)
			assert_int_equal(journal_need(journal), JOURNAL_FINE);
	}
	assert_int_equal(journal_need(journal), JOURNAL_COMPACT);
	assert_true(journal->kept.len > JOURNAL_KEPT_MAX / 4);
	assert_memory_equal(journal->kept.data, "add ", 4);
	write_file("create whitelist hash:net\n");
	sync_ok(journal);
	assert_int_equal(journal_need(journal), JOURNAL_INCOMPLETE);
	strcpy(last, "add whitelist 10.0.23.111 "); /* the newest are there */
	assert_non_null(strstr(read_file(NULL), last));
	journal_close(journal);
}

struct dump {
	const struct model *model;
	int error;
	unsigned calls;
};

static int dump_model(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user, void *user)
{
	struct dump *dump = user;

	dump->calls++;
	if (strcmp(set, SET) != 0)
		return 0;
	for (unsigned i = 0; i < POOL; i++) {
		struct entry entry = pool_entry(i, dump->model->acked[i]);
		int r = dump->model->acked[i] ? put(&entry, put_user) : 0;

		if (r)
			return r;
	}
	return dump->error;
}

static const struct journal_set rewrite_sets[] = { { SET, AF_INET }, { "whitelist6", AF_INET6 } };

static int rewrite(struct journal *journal, const struct model *model, struct diag *diag)
{
	struct dump dump = { .model = model };

	return journal_rewrite(journal, rewrite_sets, 2, NOW, dump_model, &dump, diag);
}

static int dump_odd(const char *set, int (*put)(const struct entry *entry, void *put_user), void *put_user, void *user)
{
	struct entry entry = { .net = { .addr = { .family = AF_INET, .bytes = { 192, 0, 2, 9 } }, .len = 32 } };
	int r;

	if (strcmp(set, SET) != 0)
		return 0;
	strcpy(entry.comment, "-q");
	r = put(&entry, put_user);
	strcpy(entry.comment, "a\"b\nc");
	entry.net.addr.bytes[3]++;
	r = r ? r : put(&entry, put_user);
	entry.net.addr.bytes[3]++;
	entry.until = NOW; /* over */
	r = r ? r : put(&entry, put_user);
	entry.until = 0;
	entry.nomatch = true;
	return r ? r : put(&entry, put_user);
}

static void rewriting(void **state)
{
	static const char kept_text[] =
		"create whitelist hash:net family inet hashsize 1024 maxelem 4294967295 timeout 0 counters comment\n"
		"create whitelist6 hash:net family inet6 hashsize 1024 maxelem 4294967295 timeout 0 counters comment\n"
		"create gate list:set size 8\nadd gate whitelist\n# note\nadd other 10.0.0.0/8\n"
		"add whitelist 10.0.0.0/8 nomatch\n# not read by fwd: add whitelist host.example\n"
		"# not read by fwd: add whitelist 1.2.3.4 # x\n# not read by fwd: swap other whitelist\n"
		"# not read by fwd: destroy\nadd whitelist ";
	struct model model = { 0 };
	struct dump dump = { .model = &model, .error = -EIO };
	struct journal *journal = open_fresh();
	uint64_t lines, dead;
	struct diag diag = { 0 };

	(void)state;
	srand(SEED);
	write_file("create gate list:set size 8\nadd gate whitelist\n# note\nCOMMIT\nadd other 10.0.0.0/8\n"
		   "add whitelist 10.0.0.0/8 nomatch\nadd whitelist host.example\nadd whitelist 1.2.3.4 # x\n"
		   "swap other whitelist\ndestroy\nflush whitelist\nadd whitelist 203.0.113.77\n");
	sync_ok(journal);
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	for (unsigned i = 0; i < 200; i++)
		change(journal, &model, i + 1);
	sync_ok(journal);
	assert_int_equal(journal_rewrite(journal, rewrite_sets, 2, NOW, dump_model, &dump, &diag), -EIO);
	assert_true(diag.text[0]);
	assert_non_null(strstr(read_file(NULL), "203.0.113.77"));
	assert_int_equal(rewrite(journal, &model, NULL), 0);
	assert_memory_equal(read_file(NULL), kept_text, sizeof(kept_text) - 1);
	assert_non_null(strstr(read_file(NULL), "\nCOMMIT\n"));
	assert_null(strstr(read_file(NULL), "203.0.113.77"));
	journal_weight(journal, &lines, &dead);
	assert_int_equal(dead, 0);
	assert_int_equal(journal_need(journal), JOURNAL_FINE);
	check_raw(true);
	/* gathered records stay gathered, and what follows is appended to the new file */
	add_text(journal, "other", "192.0.2.1", "");
	assert_int_equal(rewrite(journal, &model, NULL), 0);
	sync_ok(journal);
	assert_string_equal(told(journal, "other"), "10.0.0.0/8 192.0.2.1");
	/* a picture from before the rewrite, saved after it: one generation is remembered, not two */
	assert_int_equal(rewrite(journal, &model, NULL), 0);
	write_foreign(&(struct model){ 0 }, false);
	sync_ok(journal);
	assert_string_equal(told(journal, "other"), "192.0.2.1 203.0.113.0/24");
	assert_int_equal(rewrite(journal, &model, NULL), 0);
	assert_int_equal(journal->kept.len, 0);
	assert_int_equal(journal_rewrite(journal, rewrite_sets, 2, NOW, dump_odd, NULL, NULL), 0);
	assert_string_equal(told(journal, SET), "192.0.2.9=?q 192.0.2.10=a?b?c");
	journal_close(journal);
}

/* Changes, foreign writes and rewrites, with one fault somewhere. */
static void scenario(struct model *model)
{
	struct journal *journal = NULL;
	unsigned version = 0;
	bool created = false;

	srand(SEED);
	for (int step = 0; step < 14; step++) {
		unsigned group = 1 + (unsigned)rand() % 12;
		struct model wish;
		int r;

		if (step == 4 || step == 9)
			write_foreign(model, step == 9);
		if (!journal && journal_open(path, &journal, NULL) < 0)
			continue;
		if (step == 6 || step == 12) {
			if (rewrite(journal, model, NULL) == 0)
				memset(model->unsure, 0, sizeof(model->unsure));
			fault.uncut = 0; /* reading repairs first */
			check_model(journal, model);
		}
		if (step == 11) {
			journal_close(journal);
			journal = NULL;
			continue;
		}
		wish = *model;
		if (!created)
			assert_int_equal(journal_create(journal, SET, AF_INET), 0);
		for (unsigned i = 0; i < group; i++)
			change(journal, &wish, ++version);
		r = journal_sync(journal, NULL);
		created |= r == 0;
		for (unsigned i = 0; i < POOL; i++) {
			bool changed = wish.acked[i] != model->acked[i];

			if (r == 0) {
				model->acked[i] = wish.acked[i];
				model->unsure[i] &= !changed;
			} else if (changed) {
				model->unsure[i] = true;
				model->maybe[i] = wish.acked[i];
			}
		}
	}
	journal_close(journal);
}

static void faults(void **state)
{
	static const int errors[] = { EIO, ENOSPC };

	(void)state;
	for (int call = 0; call < FAULT_CALLS; call++) {
		unsigned total = 0, n = 1, unsure = 0;

		for (unsigned width = 1; width <= 3; width += 2) {
			for (n = 1;; n++) {
				struct model model = { 0 };
				struct journal *journal;

				unlink(path);
				memset(&fault, 0, sizeof(fault));
				fault.call = (enum fault_call)call;
				fault.error = errors[n % 2];
				fault.width = width;
				fault.at = n;
				scenario(&model);
				fault.at = 0;
				fault.full = false;
				fault.uncut = 0;
				total += fault.fired;
				for (unsigned i = 0; i < POOL; i++)
					unsure += model.unsure[i];
				journal = open_again();
				check_model(journal, &model);
				journal_close(journal);
				check_raw(true);
				if (!fault.fired)
					break;
			}
		}
		print_message("# %s: %u faults, %u networks unsure\n", fault_names[call], total, unsure);
		assert_true(total > 1);
	}
}

static void fault_texts(void **state)
{
	struct journal *journal = open_fresh();
	struct diag diag = { 0 };
	char text[256];
	size_t n;

	(void)state;
	assert_int_equal(journal_create(journal, SET, AF_INET), 0);
	sync_ok(journal);
	fault.call = FAULT_SHORT;
	fault.at = fault.width = 1;
	fault.seen = 0;
	add_text(journal, SET, "192.0.2.1", "");
	assert_int_equal(journal_sync(journal, &diag), -ENOSPC);
	fault.at = 0;
	snprintf(text, sizeof(text), "no space left on device writing %s: nothing was changed", path);
	assert_string_equal(diag.text, text);
	assert_string_equal(told(journal, SET), "");
	/* what was not acknowledged is gone from the file at once, and never comes back */
	read_file(&n);
	assert_int_equal(n, journal->seen.size);
	fault.call = FAULT_FDATASYNC;
	fault.at = 1;
	fault.seen = 0;
	fault.error = EIO;
	add_text(journal, SET, "192.0.2.2", "");
	assert_int_equal(journal_sync(journal, NULL), -EIO);
	fault.at = 0;
	assert_string_equal(told(journal, SET), "");
	assert_true(journal->renew);
	add_text(journal, SET, "192.0.2.3", "");
	sync_ok(journal);
	assert_false(journal->renew);
	assert_string_equal(told(journal, SET), "192.0.2.3");
	assert_int_equal(journal_foreign(journal), 0);
	/* nothing can be taken back for now: what was written whole does not count either */
	fault.call = FAULT_CUT;
	fault.at = 1;
	fault.seen = 0;
	fault.width = 2;
	add_text(journal, SET, "192.0.2.5", "");
	add_text(journal, SET, "192.0.2.6", "");
	add_text(journal, SET, "192.0.2.7", "");
	assert_true(journal_sync(journal, NULL) < 0);
	fault.at = 0;
	fault.width = 1;
	fault.uncut = 0;
	fault.full = false;
	assert_non_null(strstr(read_file(NULL), "192.0.2.5"));
	assert_string_equal(told(journal, SET), "192.0.2.3");
	assert_int_equal(journal_foreign(journal), 0);
	assert_null(strstr(read_file(NULL), "192.0.2.5"));
	/* the directory does not take the rename for good */
	write_file("create whitelist hash:net\nadd whitelist 192.0.2.3 timeout 0\n");
	fault.call = FAULT_FSYNC;
	fault.at = 2;
	fault.seen = 0;
	add_text(journal, SET, "192.0.2.4", "");
	assert_int_equal(journal_sync(journal, NULL), -EIO);
	fault.at = 0;
	assert_string_equal(told(journal, SET), "192.0.2.3");
	sync_ok(journal);
	assert_string_equal(told(journal, SET), "192.0.2.3");
	journal_close(journal);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/ipsets", dir);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(name);
}

static int remove_dir(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening),	  cmocka_unit_test(records),	   cmocka_unit_test(refusals),
		cmocka_unit_test(reading),	  cmocka_unit_test(too_many),	   cmocka_unit_test(torn),
		cmocka_unit_test(blocks),	  cmocka_unit_test(foreign_writes), cmocka_unit_test(foreign_under_way),
		cmocka_unit_test(foreign_kinds),  cmocka_unit_test(foreign_meanwhile),
		  cmocka_unit_test(foreign_race),  cmocka_unit_test(memory_limit),
		cmocka_unit_test(rewriting),	  cmocka_unit_test(fault_texts),   cmocka_unit_test(faults),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
