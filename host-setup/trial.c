/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The article's trials, with an image that has id, cat and touch. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "host-setup/commands.h"
#include "host-setup/doctor.h"
#include "host-setup/files.h"
#include "host-setup/run.h"
#include "host-setup/tarball.h"
#include "host-setup/volume.h"

#define ID_INSIDE 1000
#define VOLUME "fwd-doctor"

/* nerdctl run --rm @more... IMAGE @what @arg. *output: the caller frees. */
static int in_container(struct host *host, const struct account *account, const char *const *more, const char *what,
			const char *arg, char **output)
{
	const char *argv[16] = { "nerdctl", "run", "--rm" };
	size_t n = 3;

	while (more && *more)
		argv[n++] = *more++;
	argv[n++] = host->call->value[OPT_IMAGE];
	argv[n++] = what;
	argv[n] = arg;
	return run_tool(argv, account, output);
}

static const char *last_line(char *text)
{
	size_t len = strlen(text);
	char *line;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

int trial_root(struct host *host, struct fault *say)
{
	struct account account;
	char *output = NULL;
	int r = host_account(host, &account, say);

	if (r < 0)
		return 0;
	r = in_container(host, &account, NULL, "id", NULL, &output);
	if (r == 0 && strstr(output, "uid=0"))
		r = fault_set(say, 1, "%.100s", last_line(output));
	else
		r = fault_set(say, 0, "a container does not run: %.300s", output ? last_line(output) : strerror(-r));
	free(output);
	return r;
}

int trial_shadow(struct host *host, struct fault *say)
{
	static const char *const more[] = { "-v", "/:/rootdir:ro", NULL };
	struct account account;
	char *output = NULL;
	int r = host_account(host, &account, say);

	if (r < 0)
		return 0;
	r = in_container(host, &account, more, "cat", "/rootdir/etc/shadow", &output);
	if (r > 0 && output && strstr(output, "ermission denied"))
		r = fault_set(say, 1, "Permission denied, as it should be");
	else if (r == 0)
		r = fault_set(say, 0, "root inside can read the passwords of this host");
	else
		r = fault_set(say, 0, "it could not be tried: %.300s", output ? last_line(output) : "");
	free(output);
	return r;
}

/* A file made by an id inside, in a volume of his: who owns it here? 1, or 0 with @say. */
static int try_owner(struct host *host, const struct account *account, int folder, uint32_t uid, struct fault *say)
{
	char mount[PATH_MAX + 64];
	const char *const more[] = { "--user", "1000:1000", "-v", mount, NULL };
	char *output = NULL;
	struct stat st;
	int r, fd;

	snprintf(mount, sizeof(mount), "%s/volumes/" VOLUME ":/data", account->home);
	r = in_container(host, account, more, "touch", "/data/file", &output);
	if (r != 0) {
		r = fault_set(say, 0, "it could not be tried: %.300s", output ? last_line(output) : "");
		free(output);
		return r;
	}
	free(output);
	fd = files_open_beneath(folder, VOLUME "/file", O_PATH | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != uid)
		r = fault_set(say, 0, "a file of uid %d inside is not owned by %u here, as it should be", ID_INSIDE,
			      uid);
	else
		r = fault_set(say, 1, "uid %d inside is %u here", ID_INSIDE, uid);
	if (fd >= 0)
		close(fd);
	return r;
}

int trial_owner(struct host *host, struct fault *say)
{
	static struct idmap uids, gids;
	struct account account;
	struct volume_wish wish = { &account, &uids, &gids, VOLUME, ID_INSIDE, ID_INSIDE };
	struct volume volume;
	bool made = false;
	int home, folder, r = 0;

	if (host_account(host, &account, say) < 0 || account_maps(host->root, &account, &uids, &gids, say) < 0)
		return 0;
	home = volume_home(host->root, &account, say);
	if (home < 0 || volume_create(home, &wish, &made, &volume, say) < 0) {
		if (home >= 0)
			close(home);
		return 0;
	}
	folder = files_open_beneath(home, "volumes", O_RDONLY | O_DIRECTORY);
	if (!made || folder < 0)
		fault_set(say, 0, "a volume " VOLUME " is in the way");
	else
		r = try_owner(host, &account, folder, volume.uid, say);
	if (made && folder >= 0) {
		tree_remove(folder, VOLUME);
		unlinkat(home, "volumes", AT_REMOVEDIR); /* if there is no other */
	}
	if (folder >= 0)
		close(folder);
	close(home);
	return r;
}

static bool answers(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval patience = { 5, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	yes = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

int trial_port(struct host *host, struct fault *say)
{
	const char *run[] = { "nerdctl", "run", "-d", "-p", "80:80", "--name", "fwd-doctor",
			      host->call->value[OPT_IMAGE], NULL };
	static const char *const end[] = { "nerdctl", "rm", "-f", "fwd-doctor", NULL };
	struct account account;
	char *output = NULL;
	int r;

	if (host_account(host, &account, say) < 0)
		return 0;
	if (answers())
		return fault_set(say, 1, "port 80 is in use already");
	r = run_tool(run, &account, &output);
	if (r == 0 && answers())
		r = fault_set(say, 1, "it was, and answered");
	else
		r = fault_set(say, 0, "port 80 cannot be published: %.300s", output ? last_line(output) : "");
	free(output);
	run_tool(end, &account, NULL);
	return r;
}
