/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fwd/ctl/ask.h"
#include "fwd/ctl/child.h"
#include "fwd/ctl/commands.h"
#include "fwd/ctl/ctl.h"
#include "fwd/ctl/files.h"
#include "fwd/ctl/request.h"
#include "fwd/ctl/text.h"
#include "rules/conf.h"

#define EDITOR_WORDS_MAX 16

struct edit {
	const struct ctl *ctl;
	char path[PATH_MAX];     /* of the configuration, links resolved */
	char copy[PATH_MAX + 16]; /* of the temporary file beside it; empty: there is none */
	struct file_text before;
	struct file_text after;
};

static void edit_clear(struct edit *edit)
{
	if (edit->copy[0])
		unlink(edit->copy);
	free(edit->before.text);
	free(edit->after.text);
}

static bool same_text(const struct file_text *a, const struct file_text *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int begin(struct edit *edit, const char *path)
{
	const struct ctl *ctl = edit->ctl;
	int fd, r;

	if (!realpath(path, edit->path))
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", path, strerror(errno));
	r = file_read(edit->path, CONF_SIZE_MAX, &edit->before);
	if (r < 0)
		return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", path, strerror(-r));
	snprintf(edit->copy, sizeof(edit->copy), "%s.XXXXXX", edit->path);
	fd = mkostemp(edit->copy, O_CLOEXEC); /* 0600 */
	if (fd < 0) {
		edit->copy[0] = '\0';
		return ctl_fail(ctl, EXIT_REFUSED, errno == EACCES ? "Run it as root." : NULL,
				"no file can be made beside %s: %s", path, strerror(errno));
	}
	r = write_all(fd, edit->before.text, edit->before.len);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r < 0 ? ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", edit->copy, strerror(-r)) : 0;
}

/* The variable's words are split at blanks: "code --wait" is an editor, too. */
static int run_editor(const struct edit *edit)
{
	const char *variable = getenv("VISUAL");
	char words[1024], *argv[EDITOR_WORDS_MAX + 2], *save = NULL;
	size_t n = 0;
	int r;

	if (!variable || !*variable)
		variable = getenv("EDITOR");
	if (!variable || !*variable)
		variable = access("/usr/bin/sensible-editor", X_OK) == 0 ? "/usr/bin/sensible-editor" : "vi";
	if ((size_t)snprintf(words, sizeof(words), "%s", variable) >= sizeof(words))
		return ctl_fail(edit->ctl, EXIT_REFUSED, NULL, "the editor's command is too long");
	for (char *word = words; n < EDITOR_WORDS_MAX && (word = strtok_r(word, " \t", &save)); word = NULL)
		argv[n++] = word;
	if (n == 0)
		return ctl_fail(edit->ctl, EXIT_REFUSED, NULL, "VISUAL or EDITOR names no editor");
	argv[n++] = (char *)edit->copy;
	argv[n] = NULL;
	r = child_run(argv, NULL);
	if (r == 127)
		return ctl_fail(edit->ctl, EXIT_REFUSED, "Set VISUAL or EDITOR.",
				"the editor %s could not be started", argv[0]);
	if (r != 0)
		return ctl_fail(edit->ctl, EXIT_REFUSED, NULL, "the editor %s failed (%d); nothing was changed",
				argv[0], r);
	return 0;
}

/* What the checker says names the temporary file; people know the other. The caller frees. */
static char *rename_in(const char *text, const char *from, const char *to)
{
	size_t size;
	char *ret = NULL;
	FILE *out = open_memstream(&ret, &size);

	if (!out)
		return NULL;
	for (const char *hit; (hit = strstr(text, from)); text = hit + strlen(from))
		fprintf(out, "%.*s%s", (int)(hit - text), text, to);
	fputs(text, out);
	if (fclose(out) != 0) {
		free(ret);
		return NULL;
	}
	while (*ret && ret[strlen(ret) - 1] == '\n')
		ret[strlen(ret) - 1] = '\0';
	return ret;
}

/* 0: it is good. 1: it is not, *complaint says why. Negative errno: it could not be checked. */
static int check(const struct edit *edit, char **complaint)
{
	char fwd[PATH_MAX], *output = NULL;
	char *argv[] = { fwd, "-n", "-c", (char *)edit->copy, NULL };
	int r = child_find_fwd(fwd, sizeof(fwd));

	if (r < 0)
		return r;
	r = child_run(argv, &output);
	if (r >= 0 && r != 127) {
		*complaint = rename_in(output, edit->copy, edit->path);
		r = r != 0;
	} else if (r == 127) {
		r = -ENOENT;
	}
	free(output);
	return r;
}

static void print_lines(FILE *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);

		text_print(out, line ? line : "");
		fputc('\n', out);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static bool edit_again(void)
{
	char reply[16];

	fputs("Edit again? [Y/n] ", stderr);
	fflush(stderr);
	return fgets(reply, sizeof(reply), stdin) && *reply != 'n' && *reply != 'N';
}

/* Editor and checker, until the text is good or given up. 0, or an exit code after having spoken. */
static int edit_until_good(struct edit *edit)
{
	const struct ctl *ctl = edit->ctl;

	for (;;) {
		char *complaint = NULL;
		int r = run_editor(edit);

		if (r)
			return r;
		free(edit->after.text);
		edit->after = (struct file_text){ 0 };
		r = file_read(edit->copy, CONF_SIZE_MAX, &edit->after);
		if (r < 0)
			return ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s", edit->copy, strerror(-r));
		if (same_text(&edit->after, &edit->before))
			return 0;
		r = check(edit, &complaint);
		if (r == 0) {
			free(complaint);
			return 0;
		}
		if (r < 0)
			return ctl_fail(ctl, EXIT_REFUSED, NULL,
					"the checker, fwd -n, could not be run: %s; nothing was changed",
					strerror(-r));
		if (ctl->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
			r = ctl_fail(ctl, EXIT_REFUSED, "Nothing was changed.", "%s",
				     complaint ? complaint : "the text is wrong");
			free(complaint);
			return r;
		}
		print_lines(stderr, complaint ? complaint : "");
		free(complaint);
		if (!edit_again()) {
			r = ctl_fail(ctl, EXIT_REFUSED, NULL, "nothing was changed; your text is kept in %s",
				     edit->copy);
			edit->copy[0] = '\0'; /* so that it is */
			return r;
		}
	}
}

/* Puts the copy in the place of the file. Editors may have replaced the copy, so it is opened anew. */
static int install(const struct edit *edit)
{
	char dir[PATH_MAX];
	struct file_text now;
	struct stat st;
	bool same;
	int fd, r = file_read(edit->path, CONF_SIZE_MAX, &now);

	if (r < 0 || stat(edit->path, &st) < 0)
		return r < 0 ? r : -errno;
	same = same_text(&now, &edit->before);
	free(now.text);
	if (!same)
		return -ESTALE;
	fd = open(edit->copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0 || fsync(fd) < 0 ||
	    rename(edit->copy, edit->path) < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	snprintf(dir, sizeof(dir), "%s", edit->path);
	*(strrchr(dir, '/') + 1) = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return 0;
}

static int finish(struct edit *edit, json_t *args)
{
	const struct ctl *ctl = edit->ctl;
	int r;

	if (same_text(&edit->after, &edit->before)) {
		if (ctl->json)
			ctl_print_json(json_pack("{s:i,s:b}", "exit", 0, "changed", 0));
		else
			printf("%s is unchanged.\n", edit->path);
		json_decref(args);
		return EXIT_DONE;
	}
	r = install(edit);
	if (r < 0) {
		json_decref(args);
		ctl_fail(ctl, EXIT_REFUSED, NULL, "%s: %s; your text is kept in %s", edit->path,
			 r == -ESTALE ? "somebody else changed it meanwhile" : strerror(-r), edit->copy);
		edit->copy[0] = '\0';
		return EXIT_REFUSED;
	}
	edit->copy[0] = '\0';
	if (!ctl->json)
		printf("%s is saved.\n", edit->path);
	return request_run(ctl, command_find("reload"), args);
}

int run_edit(const struct ctl *ctl, const struct invocation *call)
{
	struct edit edit = { .ctl = ctl };
	int code;
	json_t *args = ask_args(ctl, call, &code);

	if (!args)
		return code;
	code = begin(&edit, call->value[OPT_FILE] ? call->value[OPT_FILE] : CTL_CONF);
	if (code == 0)
		code = edit_until_good(&edit);
	if (code == 0)
		code = finish(&edit, args);
	else
		json_decref(args);
	edit_clear(&edit);
	return code;
}
