/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict() agrees with the kernel: random policies and foreign rules, compiled, put into the kernel and read back as
 * the daemon does it; random packets at the boundaries of what they ask for; what netfilter did with each, and what
 * verdict() says of it. See agree.h.
 *
 *   agree [--seed N] [--policies N] [--packets N]   0: all agree; 1: not; 77: no namespaces here
 *   agree --break WHAT    tells verdict() something wrong: must end with 1
 *   agree --self-check    0 if each of the breakages is found by the packets of a short run
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <linux/netfilter.h>

#include "fwd/daemon/kernel.h"
#include "rules/compile.h"
#include "tests/net/agree_judge.h"

#define POLICIES 200
#define PACKETS 60000
#define BATCH_PACKETS 1000 /* of a policy, at most */
#define ROUNDS_MAX 4       /* of a policy: packets that came nowhere are made up for */
#define PATIENCE 10000     /* ms for a packet that is on its way */
#define MARKER (BATCH_PACKETS + 1)
#define OPAQUE_MAX 3       /* percent "cannot tell" from which on foreign rules can all be read */

struct run {
	uint64_t seed;
	unsigned policies, packets;
	enum breakage breakage;
	bool self_check, verbose;
	struct sets *sets;
	struct kernel *kernel;
	struct tally tallies[BREAKAGES]; /* [0], but with self_check one for each */
	bool foreign;                    /* rules of others stand */
};

static struct spec specs[MARKER + 1];
static struct seen seen[MARKER + 1];

static void commit(const char *what)
{
	int r = batch_commit();

	if (r < 0)
		die("%s: %s", what, strerror(-r));
}

static void put_policy(struct run *run, struct world *world)
{
	struct wish wish = {
		.confirmed = world->has_confirmed ? &world->confirmed : NULL,
		.candidate = world->has_candidate ? &world->candidate : NULL,
		.policy = world->policy,
	};
	struct codec_sets resolver = sets_resolver(run->sets);
	bool foreign = random_bool(&world->random);
	struct diag diag = { 0 };
	struct ruleset *ours;

	if (foreign || run->foreign) {
		batch_begin();
		batch_delete_table(NFPROTO_IPV4, "filter");
		batch_delete_table(NFPROTO_IPV6, "filter");
		batch_delete_table(NFPROTO_INET, "custom");
		if (foreign) {
			foreign_front(world, &resolver);
			if (random_below(&world->random, 3))
				native_table(world);
		}
		commit("foreign rules");
	}
	run->foreign = foreign;
	if (compile(&wish, &ours) < 0)
		die("no memory");
	if (kernel_apply(run->kernel, ours, 0, NULL, NULL, &diag) < 0)
		die("%s", diag.text);
	ruleset_free(ours);
	if (foreign && random_bool(&world->random)) {
		batch_begin();
		foreign_behind(world, &resolver);
		commit("foreign rules behind ours");
	}
}

static void send_marker(void)
{
	struct spec *spec = &specs[MARKER];

	*spec = (struct spec){ .id = MARKER, .iface = UP0, .hop = 64, .recipe = "marker" };
	spec->tuple = (struct tuple){ addr_of("192.0.2.126"), addr_of("192.0.2.1"), IPPROTO_UDP, 9, 9 };
	bed_send(spec);
}

/* More of what there is less of. */
static bool wants_accept(const struct run *run, struct world *world, bool forward, bool six)
{
	if (random_below(&world->random, 4) == 0)
		return random_bool(&world->random);
	return count_wants_accept(&run->tallies[0].classes[forward][six]);
}

static void send_packets(struct run *run, struct world *world, unsigned n)
{
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 1; i <= n; i++) {
		bool forward = i & 1, six = i & 2;

		memset(&specs[i], 0, sizeof(specs[i]));
		specs[i].id = (uint16_t)i;
		draw_packet(world, six ? AF_INET6 : AF_INET, forward, wants_accept(run, world, forward, six),
			    &specs[i]);
		bed_send(&specs[i]);
	}
	send_marker();
	if (!watch_read(seen, MARKER + 1, MARKER, PATIENCE))
		die("the last packet was not seen within %d ms", PATIENCE);
}

static void judge_packets(struct run *run, const struct ruleset *ruleset, unsigned policy, unsigned n)
{
	for (unsigned b = 0; b < (run->self_check ? BREAKAGES : 1); b++) {
		struct judge judge = { ruleset, run->sets, policy, run->self_check ? b : run->breakage,
			run->self_check && b > 0 };

		for (unsigned i = 1; i <= n; i++) {
			judge_packet(&judge, &specs[i], &seen[i], &run->tallies[b]);
			if (run->verbose && b == 0 && !seen[i].probed)
				printf("policy %u: \"%s\" family %u proto %u iface %u never came to a hook\n", policy,
				       specs[i].recipe, specs[i].tuple.src.family, specs[i].tuple.proto,
				       specs[i].iface);
		}
	}
}

static void run_policy(struct run *run, struct world *world, unsigned number)
{
	struct tally *tally = &run->tallies[0];
	unsigned goal = (unsigned)((uint64_t)run->packets * (number + 1) / run->policies);
	struct ruleset *ruleset;

	world->opaque = random_bool(&world->random) && tally_unknown(tally) * 100 <= tally->judged * OPAQUE_MAX;
	world_draw(world);
	world_fill(world, run->sets);
	put_policy(run, world);
	if (kernel_read(run->kernel, &ruleset) < 0)
		die("the rules cannot be read");
	for (unsigned round = 0; round < ROUNDS_MAX && tally->judged < goal; round++) {
		unsigned n = goal - tally->judged < BATCH_PACKETS ? goal - tally->judged : BATCH_PACKETS;

		send_packets(run, world, n);
		judge_packets(run, ruleset, number, n);
	}
	ruleset_free(ruleset);
}

/* Interfaces take a moment to come up: the first packets may go nowhere. */
static void wait_for_bed(void)
{
	for (int i = 0; i < 100; i++) {
		send_marker();
		memset(seen, 0, sizeof(seen));
		if (watch_read(seen, MARKER + 1, MARKER, 100))
			return;
	}
	die("no packet gets from the peer to the host");
}

static void begin(struct run *run)
{
	int r;

	bed_open();
	r = sets_open(&run->sets);
	if (r < 0)
		skip("no ipset: %s", strerror(-r));
	r = kernel_open(run->sets, &run->kernel);
	if (r < 0)
		skip("no nf_tables: %s", strerror(-r));
	world_create_sets(run->sets);
	batch_open();
	flow_open();
	watch_open();
	observer_create();
	wait_for_bed();
}

static void end(struct run *run)
{
	watch_close();
	flow_close();
	batch_close();
	kernel_close(run->kernel);
	sets_close(run->sets);
	bed_close();
}

static bool self_check_report(const struct run *run)
{
	bool fine = true;

	for (unsigned b = 1; b < BREAKAGES; b++) {
		unsigned n = tally_false(&run->tallies[b]);

		printf("with wrong %s: %u false answers\n", breakage_names[b], n);
		if (n == 0)
			printf("NOT OK: nobody would notice\n");
		fine = fine && n > 0;
	}
	return fine;
}

static unsigned number(const char *text)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 10);

	if (*rest || rest == text || value == 0 || value > 10000000) {
		fprintf(stderr, "agree: not a number: %s\n", text);
		exit(2);
	}
	return (unsigned)value;
}

static enum breakage breakage_of(const char *name)
{
	for (unsigned i = 1; i < BREAKAGES; i++)
		if (strcmp(name, breakage_names[i]) == 0)
			return i;
	fprintf(stderr, "agree: --break");
	for (unsigned i = 1; i < BREAKAGES; i++)
		fprintf(stderr, " %s", breakage_names[i]);
	fprintf(stderr, "\n");
	exit(2);
}

static void parse_options(int argc, char **argv, struct run *run)
{
	static const struct option options[] = { { "seed", 1, NULL, 's' }, { "policies", 1, NULL, 'p' },
		{ "packets", 1, NULL, 'n' },
		{ "break", 1, NULL, 'b' }, { "self-check", 0, NULL, 'c' }, { "verbose", 0, NULL, 'v' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			run->seed = strtoull(optarg, NULL, 10);
		else if (option == 'p')
			run->policies = number(optarg);
		else if (option == 'n')
			run->packets = number(optarg);
		else if (option == 'b')
			run->breakage = breakage_of(optarg);
		else if (option == 'c')
			run->self_check = true;
		else if (option == 'v')
			run->verbose = true;
		else
			exit(2);
	}
	if (!run->policies)
		run->policies = run->self_check ? POLICIES / 5 : POLICIES;
	if (!run->packets)
		run->packets = run->self_check ? PACKETS / 6 : PACKETS;
}

int main(int argc, char **argv)
{
	static struct run run = { .seed = 20250607 };
	static struct world world;
	bool fine;

	parse_options(argc, argv, &run);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu, %u policies, %u packets\n", (unsigned long long)run.seed, run.policies, run.packets);
	world.random = run.seed;
	begin(&run);
	for (unsigned i = 0; i < run.policies; i++)
		run_policy(&run, &world, i);
	end(&run);
	fine = tally_report(&run.tallies[0], !run.self_check && run.packets >= PACKETS);
	if (run.self_check)
		fine = self_check_report(&run) && fine;
	return fine ? 0 : 1;
}
