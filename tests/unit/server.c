/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket with verbs that only echo, and with a stall of one second. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <jansson.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/jsontext.h"
#include "fwd/daemon/server_internal.h"

static struct {
	char dir[64], path[96];
	struct event_base *base;
	struct event *limit;
	struct server *server;
	unsigned asked, asked_in_turn, most_in_turn;
	char *big; /* the answer, if not NULL */
	bool pass;
} bed;

/* ---- what server.c and peer.c call */

json_t *verbs_error(int code, const char *text, const char *hint)
{
	(void)hint;
	return json_pack("{s:i, s:o}", "exit", code, "text", json_from_text(text));
}

void firewall_on_end(struct firewall *firewall, firewall_ended *ended, void *user)
{
	(void)firewall;
	(void)ended;
	(void)user;
}

json_t *verbs_end(int exit, const char *text)
{
	return json_pack("{s:i, s:s}", "exit", exit, "text", text);
}

json_t *verbs_answer(struct firewall *firewall, json_t *request, const struct caller *caller, int *fd)
{
	(void)firewall;
	(void)caller;
	*fd = bed.pass ? memfd_create("test", MFD_CLOEXEC) : -1;
	bed.asked++;
	bed.asked_in_turn++;
	if (bed.asked_in_turn > bed.most_in_turn)
		bed.most_in_turn = bed.asked_in_turn;
	return bed.big ? json_pack("{s:s}", "big", bed.big) : json_pack("{s:O}", "echo", request);
}

/* ---- the bed */

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static int make(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	strcpy(bed.dir, "/tmp/fwd-test-server-XXXXXX");
	if (!mkdtemp(bed.dir))
		return -1;
	snprintf(bed.path, sizeof(bed.path), "%s/sock", bed.dir);
	bed.base = event_base_new();
	bed.limit = bed.base ? evtimer_new(bed.base, on_limit, NULL) : NULL;
	return bed.limit ? server_new(bed.base, bed.path, &bed.server) : -1;
}

static int unmake(void **state)
{
	char lock[128];

	(void)state;
	server_free(bed.server);
	event_free(bed.limit);
	event_base_free(bed.base);
	free(bed.big);
	assert_int_equal(access(bed.path, F_OK), -1);
	snprintf(lock, sizeof(lock), "%s.lock", bed.path);
	unlink(lock);
	return rmdir(bed.dir);
}

/* One turn of the loop, after at most @ms. */
static void turn(int ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	bed.asked_in_turn = 0;
	evtimer_add(bed.limit, &limit);
	event_base_loop(bed.base, EVLOOP_ONCE);
}

static int client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, bed.path);
	assert_return_code(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	return fd;
}

/* A client who is nobody special; whoever is no root is that anyway. */
static int client_of_a_user(void)
{
	int fd;

	if (geteuid() == 0) {
		assert_return_code(chmod(bed.dir, 0711) | chmod(bed.path, 0666), errno); /* who may is not decided by these */
		assert_return_code(seteuid(65534), errno);
	}
	fd = client();
	if (getuid() == 0)
		assert_return_code(seteuid(0), errno);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until its @lines-th newline, the end of the connection, or a second without anything; NUL-terminated. */
static size_t hear(int fd, char *ret, size_t size, unsigned lines)
{
	size_t n = 0;

	for (int idle = 0; lines > 0 && n + 1 < size && idle < 20;) {
		ssize_t got;

		turn(50);
		got = recv(fd, ret + n, size - 1 - n, 0);
		if (got == 0)
			break;
		idle = got < 0 ? idle + 1 : 0;
		for (ssize_t i = 0; i < got; i++)
			lines -= ret[n + (size_t)i] == '\n';
		n += got > 0 ? (size_t)got : 0;
	}
	ret[n] = '\0';
	return n;
}

static bool is_closed(int fd, int within_ms)
{
	char byte;

	for (int ms = 0; ms <= within_ms; ms += 50) {
		ssize_t n = recv(fd, &byte, 1, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		turn(50);
	}
	return false;
}

static void answers(int fd, const char *request, const char *want)
{
	char got[2048];

	say(fd, request);
	hear(fd, got, sizeof(got), 1);
	assert_non_null(strstr(got, want));
}

/* ---- tests */

static void an_idle_client_stays_after_a_request_in_two_pieces(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"verb\":");
	turn(100);
	answers(fd, " \"ping\"}\n", "echo");
	assert_false(is_closed(fd, 2500)); /* no request is under way: nothing to be in a hurry about */
	answers(fd, "{}\n", "echo");
	close(fd);
}

static void half_a_request_is_cut_off(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"verb\":");
	assert_false(is_closed(fd, 300));
	assert_true(is_closed(fd, 3000));
	close(fd);
	assert_int_equal(bed.asked, 0);
}

static void a_slow_writer_who_goes_on_is_served(void **state)
{
	int fd = client();

	(void)state;
	for (const char *at = "{\"a\":1}"; *at; at++) { /* seven pieces, half a stall apart */
		char piece[2] = { *at };

		say(fd, piece);
		assert_false(is_closed(fd, 400));
	}
	answers(fd, "\n", "echo");
	close(fd);
}

static void broken_off_requests_are_told(void **state)
{
	int fd = client();
	char got[512];

	(void)state;
	say(fd, "{}\n{\"verb\"");
	shutdown(fd, SHUT_WR);
	hear(fd, got, sizeof(got), 3);
	assert_non_null(strstr(got, "{\"echo\":{}}\n{\"exit\":2"));
	assert_non_null(strstr(got, "broke off"));
	assert_true(is_closed(fd, 500));
	close(fd);
}

static void one_request_a_turn(void **state)
{
	char *requests = malloc(3 * 1000 + 1), *got = malloc(100000);
	int fd = client();

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcpy(requests + 3 * i, "{}\n");
	if (geteuid() != 0) /* others have a rate */
		requests[3 * RATE_PER_SECOND] = '\0';
	say(fd, requests);
	hear(fd, got, 100000, (unsigned)strlen(requests) / 3);
	assert_int_equal(bed.asked, strlen(requests) / 3);
	assert_in_range(bed.most_in_turn, 1, 2);
	close(fd);
	free(got);
	free(requests);
}

static void bad_lines_are_answered(void **state)
{
	static const struct { const char *line, *want; } cases[] = {
		{ "\n", "no request" }, { "[]\n", "no request: it is no JSON object\"" }, { "7\n", "no request" },
		{ "{\"a\":1,\"a\":2}\n", "duplicate" }, { "{\"a\":\"\xff\"}\n", "no request" },
		{ "{\"a\":\"\\u0000\"}\n", "no request" }, { "{} {}\n", "end of file" },
		{ "{\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\": \xc3\n", "no request" },
	};
	int fd = client();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		answers(fd, cases[i].line, cases[i].want);
	assert_int_equal(bed.asked, 0);
	answers(fd, "{}\n", "echo");
	close(fd);
}

static void too_long_is_told_and_cut_off(void **state)
{
	char *line = malloc(REQUEST_BYTES_MAX + 1);
	int fd = client();

	(void)state;
	memset(line, ' ', REQUEST_BYTES_MAX);
	memcpy(line, "{}", 2);
	line[REQUEST_BYTES_MAX] = '\0';
	line[REQUEST_BYTES_MAX - 1] = '\n';
	answers(fd, line, "echo"); /* exactly as long as one may be */
	line[REQUEST_BYTES_MAX - 1] = ' ';
	answers(fd, line, "at most 65536 bytes");
	assert_true(is_closed(fd, 500));
	close(fd);
	free(line);
}

static void an_answer_not_taken_is_cut_off(void **state)
{
	int fd = client(), size = 4096;

	(void)state;
	bed.big = malloc(1000001);
	memset(bed.big, 'x', 1000000);
	bed.big[1000000] = '\0';
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	say(fd, "{}\n{}\n{}\n");
	for (int i = 0; i < 20 && !bed.asked; i++)
		turn(50);
	for (int i = 0; i < 60 && bed.server->peers; i++)
		turn(50);
	assert_null(bed.server->peers);
	assert_int_equal(bed.asked, 1); /* no further one was looked at meanwhile */
	close(fd);
}

static void an_answer_too_long_becomes_an_error(void **state)
{
	int fd = client();

	(void)state;
	bed.big = malloc(ANSWER_BYTES_MAX + 1);
	memset(bed.big, 'x', ANSWER_BYTES_MAX);
	bed.big[ANSWER_BYTES_MAX] = '\0';
	answers(fd, "{}\n", "longer than 1 MiB");
	close(fd);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_of_clients_are_not_kept(void **state)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct cmsghdr *header = (struct cmsghdr *)control;
	struct iovec iov = { "{}\n", 3 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int fd = client(), fds[4] = { fd, fd, 0, 0 };
	unsigned before;
	char got[256];

	(void)state;
	turn(50);
	before = open_descriptors();
	*header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fds)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	assert_int_equal(sendmsg(fd, &message, 0), 3);
	hear(fd, got, sizeof(got), 1);
	assert_non_null(strstr(got, "echo"));
	assert_int_equal(open_descriptors(), before);
	close(fd);
}

static void passed_descriptors_do_not_pile_up(void **state)
{
	unsigned before, refused = 0;
	int fd = client_of_a_user();
	char got[4096];

	(void)state;
	turn(50);
	before = open_descriptors();
	bed.pass = true;
	for (int i = 0; i < 20; i++)
		say(fd, "{}\n");
	for (int i = 0; i < 100 && bed.asked < 20; i++)
		turn(50);
	assert_int_equal(bed.asked, 20);
	assert_int_equal(open_descriptors(), before); /* sent, or closed */
	hear(fd, got, sizeof(got), 20);
	for (const char *at = got; (at = strstr(at, "were not taken")); at++)
		refused++;
	assert_int_equal(refused, 19);
	close(fd);
}

static void places_are_kept_for_root(void **state)
{
	unsigned others = PEERS_MAX - PEERS_FOR_ROOT;
	int fds[PEERS_MAX + 2], sockets[2];
	char got[256];

	(void)state;
	for (unsigned i = 0; i < others; i++) {
		struct caller caller = { .uid = 1000 + i / PEERS_PER_USER };

		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), errno);
		assert_return_code(peer_new(bed.server, sockets[0], &caller), 0);
		fds[i] = sockets[1];
	}
	fds[PEERS_MAX] = client_of_a_user();
	hear(fds[PEERS_MAX], got, sizeof(got), 1);
	assert_non_null(strstr(got, "too many connections"));
	for (unsigned i = others; i < PEERS_MAX; i++) {
		fds[i] = client();
		if (geteuid() == 0)
			answers(fds[i], "{}\n", "echo");
	}
	fds[PEERS_MAX + 1] = client();
	hear(fds[PEERS_MAX + 1], got, sizeof(got), 1);
	assert_non_null(strstr(got, "too many connections"));
	for (unsigned i = 0; i < PEERS_MAX + 2; i++)
		close(fds[i]);
}

static void one_user_has_eight_connections(void **state)
{
	int fds[PEERS_PER_USER + 1];
	char got[256];

	(void)state;
	for (int i = 0; i <= PEERS_PER_USER; i++)
		fds[i] = client_of_a_user();
	hear(fds[PEERS_PER_USER], got, sizeof(got), 1);
	assert_non_null(strstr(got, "too many connections"));
	answers(fds[0], "{}\n", "echo");
	close(fds[0]);
	turn(50);
	fds[0] = client_of_a_user(); /* whose place is free again */
	answers(fds[0], "{}\n", "echo");
	for (int i = 0; i <= PEERS_PER_USER; i++)
		close(fds[i]);
}

static void the_rate_is_of_a_user_not_of_a_connection(void **state)
{
	unsigned over = 0;

	(void)state;
	for (int i = 0; i < 2 * RATE_PER_SECOND; i++)
		over += server_over_rate(bed.server, 1000);
	assert_in_range(over, 1, RATE_PER_SECOND); /* fewer if a second ended meanwhile */
	assert_false(server_over_rate(bed.server, 1001));
	for (int i = 0; i < 1000; i++)
		assert_false(server_over_rate(bed.server, 0));
	for (uid_t uid = 2000; uid < 2000 + 2 * PEERS_MAX; uid++) /* more users than there are places: no way past the limit */
		server_over_rate(bed.server, uid);
	assert_true(server_over_rate(bed.server, 5000) || server_over_rate(bed.server, 5001));
}

static void what_is_at_the_path_is_respected(void **state)
{
	struct server *second = NULL;
	char path[128], target[128];
	struct stat before, after;

	(void)state;
	assert_int_equal(server_new(bed.base, bed.path, &second), -EADDRINUSE);
	assert_int_equal(server_new(bed.base, "", &second), -EINVAL);
	snprintf(path, sizeof(path), "%s/other", bed.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(server_new(bed.base, path, &second), -ENOTSOCK);
	assert_return_code(stat(path, &after), errno);
	unlink(path);
	for (int dangling = 0; dangling < 2; dangling++) { /* a link, also one that leads nowhere or to a living socket, stays */
		snprintf(target, sizeof(target), dangling ? "%s/nowhere" : "%s/sock", bed.dir);
		assert_return_code(symlink(target, path), errno);
		assert_return_code(lstat(path, &before), errno);
		assert_int_equal(server_new(bed.base, path, &second), -ENOTSOCK);
		assert_return_code(lstat(path, &after), errno);
		assert_int_equal(before.st_ino, after.st_ino);
		unlink(path);
	}
	strcat(path, ".lock");
	unlink(path);
}

static void what_is_dead_is_taken_over(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct server *second;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char lock[160];

	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dead", bed.dir);
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	close(fd);
	assert_return_code(server_new(bed.base, addr.sun_path, &second), 0);
	server_free(second);
	assert_int_equal(access(addr.sun_path, F_OK), -1);
	snprintf(lock, sizeof(lock), "%s.lock", addr.sun_path);
	unlink(lock);
}

static void json_of_any_bytes(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "plain", "plain" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" }, { "cut \xc3", "cut ?" },
		{ "\xff\xfe", "??" }, { "\xe2\x82\xac\x80", "\xe2\x82\xac?" }, { "\xc0\x80", "??" }, { "\xed\xa0\x80", "???" },
		{ "", "" }, { "\xf0\x9f\x98\x80\xf0\x9f", "\xf0\x9f\x98\x80??" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *json = json_from_text(cases[i].text);

		assert_string_equal(json_string_value(json), cases[i].want);
		json_decref(json);
	}
	assert_null(json_from_text(NULL));
}

int main(void)
{
#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, make, unmake)
	const struct CMUnitTest tests[] = {
		WITH_BED(an_idle_client_stays_after_a_request_in_two_pieces),
		WITH_BED(half_a_request_is_cut_off),
		WITH_BED(a_slow_writer_who_goes_on_is_served),
		WITH_BED(broken_off_requests_are_told),
		WITH_BED(one_request_a_turn),
		WITH_BED(bad_lines_are_answered),
		WITH_BED(too_long_is_told_and_cut_off),
		WITH_BED(an_answer_not_taken_is_cut_off),
		WITH_BED(an_answer_too_long_becomes_an_error),
		WITH_BED(descriptors_of_clients_are_not_kept),
		WITH_BED(passed_descriptors_do_not_pile_up),
		WITH_BED(places_are_kept_for_root),
		WITH_BED(one_user_has_eight_connections),
		WITH_BED(the_rate_is_of_a_user_not_of_a_connection),
		WITH_BED(what_is_at_the_path_is_respected),
		WITH_BED(what_is_dead_is_taken_over),
		cmocka_unit_test(json_of_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
