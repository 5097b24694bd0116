/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flood of numbered UDP datagrams between network namespaces, and an exact account of which of them arrived.
 *
 *     flood SENDER HOST GUEST PORT ALLOWED4 DENIED4 HOST4 GUEST4 ALLOWED6 DENIED6 HOST6 GUEST6
 *
 * SENDER, HOST and GUEST are paths of namespaces; the rest are addresses. Four ways (both families, to HOST and through it
 * to GUEST), on each of them one stream from the allowed source and one from the denied, in turns. Nothing is ever lost to
 * a full queue: at most WINDOW allowed datagrams of a way are under way, which the receivers, threads of this process,
 * acknowledge in memory; a denied one goes out only beside an allowed one, through the same queues.
 *
 * Commands on stdin, one a line, each answered by a line of JSON:
 *     judge    from now on denied datagrams are sent as such that must not arrive
 *     pardon   from now on they may; answered when all that were sent before have met their fate
 *     report   the account so far, taken while nothing is under way
 * The end of stdin ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#define WAYS 4
#define BURST 8              /* datagrams in a system call */
#define WINDOW 48            /* of a way: 4 ways of it, and as many denied, are below net.core.netdev_max_backlog (1000) */
#define STALL_NS 100000000u  /* no answer for that long: what is under way is given up, and the flood goes on */
#define SETTLE_NS 1000000000u
#define NUMBERS (1u << 26)   /* datagrams of a stream that are told apart */
#define LOSSES 16            /* that are told with their time */
#define BUFFER (8 << 20)

enum stream { ALLOWED, DENIED, STREAMS };

struct datagram {
	uint32_t number;
	uint8_t stream, judged;
	uint8_t fill[26];
};

struct way {
	const char *name;
	_Atomic uint64_t sent[STREAMS], arrived[STREAMS], repeated; /* arrived: different numbers */
	_Atomic uint64_t judged, through;                           /* denied: sent as such; arrived all the same */
	uint64_t given_up;                                          /* the sender's; may be wrong, and only opens the window */
	uint64_t acked, acked_at;                                   /* the sender's */
	int out[STREAMS], in;
	uint32_t next;                                              /* the receiver's: the allowed number that is due */
	unsigned char seen[STREAMS][NUMBERS / 8];
};

static struct way ways[WAYS] = { { .name = "input4" }, { .name = "forward4" }, { .name = "input6" }, { .name = "forward6" } };
static _Atomic bool judging, paused, resting, ending;
static struct {
	uint64_t at;
	const char *way;
	uint32_t number;
} losses[LOSSES];
static _Atomic unsigned n_losses;

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail(path);
	close(fd);
}

static socklen_t address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		fail(text);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

/* A socket in the namespace that this thread is in. */
static int bound(const char *local, uint16_t port, const char *remote, uint16_t remote_port)
{
	struct sockaddr_storage addr;
	socklen_t len = address(local, port, &addr);
	int fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0)
		fail(local);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		fail("SO_RCVBUFFORCE");
	if (remote) {
		len = address(remote, remote_port, &addr);
		if (connect(fd, (struct sockaddr *)&addr, len) < 0)
			fail(remote);
	}
	return fd;
}

static void note_loss(const struct way *way, uint32_t number)
{
	unsigned i = atomic_fetch_add(&n_losses, 1);

	if (i >= LOSSES)
		return;
	losses[i].way = way->name;
	losses[i].number = number;
	losses[i].at = now();
}

static void take(struct way *way, const struct datagram *datagram)
{
	unsigned char *byte, bit;

	if (datagram->stream >= STREAMS || datagram->number >= NUMBERS)
		return;
	byte = &way->seen[datagram->stream][datagram->number / 8];
	bit = (unsigned char)(1u << datagram->number % 8);
	if (*byte & bit) {
		atomic_fetch_add(&way->repeated, 1);
		return;
	}
	*byte |= bit;
	if (datagram->stream == DENIED && datagram->judged) {
		atomic_fetch_add(&way->through, 1);
		note_loss(way, datagram->number);
	}
	if (datagram->stream == ALLOWED) {
		if (datagram->number > way->next)
			note_loss(way, way->next);
		if (datagram->number >= way->next)
			way->next = datagram->number + 1;
	}
	atomic_fetch_add(&way->arrived[datagram->stream], 1);
}

/* Hears the ways @first and @first + 2: the two families of one namespace. */
static void *receive(void *arg)
{
	struct way *first = arg;
	struct pollfd fds[2] = { { .fd = first[0].in, .events = POLLIN }, { .fd = first[2].in, .events = POLLIN } };
	struct datagram datagrams[BURST * 4];
	struct mmsghdr messages[BURST * 4] = { 0 };
	struct iovec iov[BURST * 4];

	for (int i = 0; i < BURST * 4; i++) {
		iov[i] = (struct iovec){ &datagrams[i], sizeof(datagrams[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	while (!ending) {
		if (poll(fds, 2, 100) < 0 && errno != EINTR)
			fail("poll");
		for (int f = 0; f < 2; f++) {
			int n = recvmmsg(fds[f].fd, messages, BURST * 4, MSG_DONTWAIT, NULL);

			for (int i = 0; i < n; i++)
				if (messages[i].msg_len == sizeof(*datagrams))
					take(&first[f * 2], &datagrams[i]);
		}
	}
	return NULL;
}

static void put(struct way *way, enum stream stream)
{
	struct datagram datagrams[BURST] = { 0 };
	struct mmsghdr messages[BURST] = { 0 };
	struct iovec iov[BURST];
	uint64_t number = way->sent[stream];
	bool judged = judging && stream == DENIED;

	if (number + BURST > NUMBERS)
		return;
	for (unsigned i = 0; i < BURST; i++) {
		datagrams[i].number = (uint32_t)number + i;
		datagrams[i].stream = (uint8_t)stream;
		datagrams[i].judged = judged;
		iov[i] = (struct iovec){ &datagrams[i], sizeof(datagrams[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	for (unsigned done = 0; done < BURST;) {
		int n = sendmmsg(way->out[stream], messages + done, BURST - done, 0);

		if (n > 0)
			done += (unsigned)n;
		else if (errno != ECONNREFUSED && errno != EINTR) /* the answer of a guest that does not listen yet */
			fail("sendmmsg");
	}
	way->sent[stream] = number + BURST;
	if (judged)
		way->judged += BURST;
}

static uint64_t under_way(struct way *way)
{
	uint64_t sent = way->sent[ALLOWED], done = way->arrived[ALLOWED] + way->given_up;

	return done < sent ? sent - done : 0;
}

/* Whether there is room for another burst. */
static bool room(struct way *way)
{
	uint64_t acked = way->arrived[ALLOWED];

	if (acked != way->acked || !under_way(way)) {
		way->acked = acked;
		way->acked_at = now();
	}
	if (under_way(way) + BURST <= WINDOW)
		return true;
	if (now() - way->acked_at < STALL_NS)
		return false;
	way->given_up += under_way(way);
	way->acked_at = now();
	return true;
}

/* On one processor, so that datagrams do not overtake each other. */
static void *send_all(void *arg)
{
	cpu_set_t one;

	(void)arg;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	while (!ending) {
		bool busy = false;

		if (paused != resting) {
			for (int w = 0; w < WAYS && paused; w++)
				put(&ways[w], ALLOWED); /* whose arrival says that what went before is through, or never will be */
			resting = paused;
		}
		for (int w = 0; w < WAYS && !resting; w++) {
			if (!room(&ways[w]))
				continue;
			put(&ways[w], ALLOWED);
			put(&ways[w], DENIED);
			busy = true;
		}
		if (!busy)
			nap();
	}
	return NULL;
}

/* The sender rests and nothing is under way: all allowed ones have arrived, or nothing has for SETTLE_NS. What was missing
 * the last time is not waited for again. */
static void settle(void)
{
	static uint64_t lost;
	uint64_t since = now(), before = 0, missing = 0;

	paused = true;
	while (!resting)
		nap();
	while (now() - since < SETTLE_NS) {
		uint64_t all = 0;

		missing = 0;
		for (int w = 0; w < WAYS; w++) {
			all += ways[w].arrived[ALLOWED];
			missing += ways[w].sent[ALLOWED] - ways[w].arrived[ALLOWED];
		}
		if (missing <= lost)
			break;
		if (all != before)
			since = now();
		before = all;
		nap();
	}
	lost = missing;
}

static void resume(void)
{
	for (int w = 0; w < WAYS; w++)
		ways[w].given_up = ways[w].sent[ALLOWED] - ways[w].arrived[ALLOWED];
	paused = false;
	while (resting)
		nap();
}

static void report(void)
{
	unsigned n = n_losses < LOSSES ? n_losses : LOSSES;

	printf("{\"ways\": {");
	for (int w = 0; w < WAYS; w++) {
		const struct way *way = &ways[w];

		printf("%s\"%s\": {\"sent\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"denied\": %" PRIu64 ", \"let_in\": %" PRIu64
		       ", \"judged\": %" PRIu64 ", \"through\": %" PRIu64 ", \"repeated\": %" PRIu64 "}", w ? ", " : "", way->name,
		       way->sent[ALLOWED], way->sent[ALLOWED] - way->arrived[ALLOWED], way->sent[DENIED], way->arrived[DENIED],
		       way->judged, way->through, way->repeated);
	}
	printf("}, \"first\": [");
	for (unsigned i = 0; i < n; i++)
		printf("%s[%.6f, \"%s\", %u]", i ? ", " : "", (double)losses[i].at / 1e9, losses[i].way, losses[i].number);
	printf("]}\n");
}

static void obey(const char *command)
{
	if (strcmp(command, "judge\n") == 0) {
		judging = true;
		printf("{}\n");
		return;
	}
	if (strcmp(command, "pardon\n") == 0) {
		judging = false;
		settle();
		printf("{}\n");
	} else if (strcmp(command, "report\n") == 0) {
		settle();
		report();
	} else {
		fprintf(stderr, "flood: what is \"%s\"?\n", command);
		exit(1);
	}
	resume();
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	uint16_t port;
	char line[64];

	if (argc != 13) {
		fputs("usage: flood SENDER HOST GUEST PORT ALLOWED4 DENIED4 HOST4 GUEST4 ALLOWED6 DENIED6 HOST6 GUEST6\n", stderr);
		return 2;
	}
	port = (uint16_t)atoi(argv[4]);
	for (int w = 0; w < WAYS; w++) {
		char **texts = argv + 5 + w / 2 * 4;

		enter(argv[2 + w % 2]);
		ways[w].in = bound(texts[2 + w % 2], port, NULL, 0);
		enter(argv[1]);
		for (int s = 0; s < STREAMS; s++)
			ways[w].out[s] = bound(texts[s], (uint16_t)(port + 1 + w % 2), texts[2 + w % 2], port);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pthread_create(&threads[0], NULL, receive, &ways[0]) || pthread_create(&threads[1], NULL, receive, &ways[1]) ||
	    pthread_create(&threads[2], NULL, send_all, NULL))
		fail("threads");
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	ending = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
