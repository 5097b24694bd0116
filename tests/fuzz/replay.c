/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one fuzz target over files, and over the files of directories, without a fuzzer. An input that is not right
 * ends in an abort, by the target itself or by a sanitizer; its name is the last that was told. No input at all is a
 * failure.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static int replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "r");
	uint8_t *data = malloc(size ? size : 1); /* just as much: the sanitizer sees the step beyond */
	size_t n;

	if (!file || !data || (n = fread(data, 1, size, file)) != size) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		if (file)
			fclose(file);
		free(data);
		return -1;
	}
	fclose(file);
	fprintf(stderr, "%s\n", path); /* stands last if it aborts */
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	inputs++;
	return 0;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay(const char *path)
{
	struct dirent **entries;
	struct stat status;
	int n, r = 0;

	if (stat(path, &status) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISDIR(status.st_mode))
		return replay_file(path, (size_t)status.st_size);
	n = scandir(path, &entries, visible, alphasort);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		char *inside;

		if (asprintf(&inside, "%s/%s", path, entries[i]->d_name) < 0)
			abort();
		if (replay(inside) < 0)
			r = -1;
		free(inside);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			r = 1;
	printf("%u inputs\n", inputs);
	return inputs == 0 ? 1 : r;
}
