/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwd: start-up from top to bottom, then the loop. SIGTERM ends the daemon and leaves the firewall standing.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "fwd/daemon/firewall.h"
#include "fwd/daemon/log.h"
#include "fwd/daemon/notify.h"
#include "fwd/daemon/rescue.h"
#include "fwd/daemon/server.h"
#include "rules/conf.h"

struct options {
	struct firewall_paths paths;
	const char *socket;
	bool check, print, rescue;
};

static void usage(FILE *out)
{
	fputs("usage: fwd [-c FILE] [-d IPTABLES_DIR] [-S STATE_DIR] [-s SOCKET] [-n [-v]]\n"
	      "       fwd --rescue [-c FILE] [-d IPTABLES_DIR] [-S STATE_DIR] [-s SOCKET]\n\n"
	      "  -c FILE          configuration (/etc/fwd/fwd.conf)\n"
	      "  -d IPTABLES_DIR  ipsets, rules.v4, rules.v6 (/etc/iptables)\n"
	      "  -S STATE_DIR     what is confirmed (/var/lib/fwd)\n"
	      "  -s SOCKET        control socket (/run/fwd/fwd.sock)\n"
	      "  -n               check the configuration and exit; with -v print it back\n"
	      "  --rescue         without the daemon: make SSH reachable from everywhere, and exit\n"
	      "  --version, --help\n", out);
}

static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{ "rescue", no_argument, NULL, 'R' }, { "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	bool empty = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:d:S:s:nvh", longs, NULL)) != -1) {
		empty |= optarg && !*optarg;
		switch (c) {
		case 'c':
			ret->paths.conf = optarg;
			break;
		case 'd':
			ret->paths.iptables_dir = optarg;
			break;
		case 'S':
			ret->paths.state_dir = optarg;
			break;
		case 's':
			ret->socket = optarg;
			break;
		case 'n':
			ret->check = true;
			break;
		case 'v':
			ret->print = true;
			break;
		case 'R':
			ret->rescue = true;
			break;
		case 'V':
			puts("fwd " FWD_VERSION);
			exit(EXIT_DONE);
		case 'h':
			usage(stdout);
			exit(EXIT_DONE);
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind < argc || empty || (ret->print && !ret->check) || (ret->check && ret->rescue)) {
		usage(stderr);
		return -EINVAL;
	}
	return 0;
}

static int check(const char *path, bool print)
{
	struct policy policy;
	struct diag diag = { 0 };
	char *text;
	size_t len;
	int r = file_read(path, CONF_SIZE_MAX, &text, &len);

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, file_error(r));
		return EXIT_REFUSED;
	}
	r = conf_parse(text, len, &policy, &diag);
	free(text);
	if (r < 0) {
		fprintf(stderr, "%s:%u", path, diag.line);
		if (diag.column)
			fprintf(stderr, ":%u", diag.column);
		fprintf(stderr, ": %s\n", diag.text[0] ? diag.text : strerror(-r));
		return EXIT_REFUSED;
	}
	if (print) {
		if (conf_print(&policy, &text) < 0)
			return EXIT_REFUSED;
		fputs(text, stdout);
		free(text);
	}
	return EXIT_DONE;
}

struct program {
	struct event_base *base;
	struct firewall *firewall;
};

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	event_base_loopexit(program->base, NULL);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct change change = { .who = "SIGHUP" };
	struct program *program = arg;

	(void)fd;
	(void)what;
	if (firewall_reload(program->firewall, &change) < 0)
		log_say(LOG_WARNING, "reload: %s", change.text);
	else if (change.exit == EXIT_TRIAL)
		log_say(LOG_WARNING, "reload: on trial; it rolls back by itself unless you run: fwctl confirm");
	else if (!change.changed)
		log_say(LOG_INFO, "reload: nothing is different");
	json_decref(change.preflight);
}

static int run(const struct options *options)
{
	struct event_config *config = event_config_new();
	struct program program = { 0 };
	struct event *signals[3] = { 0 };
	struct server *server = NULL;
	int r = -ENOMEM;

	program.base = config ? event_base_new_with_config(config) : NULL;
	if (!program.base)
		goto out;
	signals[0] = evsignal_new(program.base, SIGTERM, on_end, &program);
	signals[1] = evsignal_new(program.base, SIGINT, on_end, &program);
	signals[2] = evsignal_new(program.base, SIGHUP, on_reload, &program);
	for (int i = 0; i < 3; i++)
		if (!signals[i] || event_add(signals[i], NULL) < 0)
			goto out;
	/* the socket first: a second daemon must not touch a single rule */
	r = server_new(program.base, options->socket, &server);
	if (r < 0) {
		log_say(LOG_ERR, "%s: %s", options->socket, r == -EADDRINUSE ? "another fwd answers there" :
			r == -ENOTSOCK ? "something is there that is no socket" : strerror(-r));
		goto out;
	}
	r = firewall_new(program.base, &options->paths, &program.firewall);
	if (r < 0)
		goto out;
	server_serve(server, program.firewall);
	notify("READY=1");
	event_base_dispatch(program.base);
	notify("STOPPING=1");
out:
	server_free(server);
	firewall_free(program.firewall);
	for (int i = 0; i < 3; i++)
		if (signals[i])
			event_free(signals[i]);
	if (program.base)
		event_base_free(program.base);
	if (config)
		event_config_free(config);
	return r < 0 ? EXIT_REFUSED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct options options = {
		.paths = { .conf = "/etc/fwd/fwd.conf", .iptables_dir = "/etc/iptables", .state_dir = "/var/lib/fwd" },
		.socket = "/run/fwd/fwd.sock",
	};
	char run_dir[PATH_MAX];
	int r;

	if (parse_options(argc, argv, &options) < 0)
		return EXIT_USAGE;
	if (options.check)
		return check(options.paths.conf, options.print);
	if (strlen(options.socket) >= sizeof(run_dir)) {
		fputs("fwd: the path of the socket is too long\n", stderr);
		return EXIT_USAGE;
	}
	strcpy(run_dir, options.socket);
	options.paths.run_dir = dirname(run_dir);
	log_open("fwd");
	if (geteuid() != 0) {
		fputs("fwd: needs root (the firewall is the kernel's)\n", stderr);
		return EXIT_REFUSED;
	}
	/* a read-only disk must not keep the rules from being loaded */
	r = file_make_dir(options.paths.run_dir, 0755);
	if (r < 0)
		log_say(LOG_ERR, "cannot make %s: %s", options.paths.run_dir, strerror(-r));
	r = file_make_dir(options.paths.state_dir, 0700);
	if (r < 0)
		log_say(LOG_ERR, "cannot make %s: %s", options.paths.state_dir, strerror(-r));
	signal(SIGPIPE, SIG_IGN);
	return options.rescue ? rescue(&options.paths) : run(&options);
}
