/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tarball: whatever the bytes, what is unpacked stays within its directory and is plain; a refusal says why. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "host-setup/fault.h"
#include "host-setup/tarball.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

static int look(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	char target[1024];

	if (where->level == 0)
		return 0;
	if (kind == FTW_SL) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		must(n > 0 && n < (ssize_t)sizeof(target) - 1, "a link can be read");
		target[n] = '\0';
		must(target[0] != '/' && !strstr(target, ".."), "no link leads out");
		return 0;
	}
	must(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode), "only files and directories");
	must((st->st_mode & 07022) == 0, "no special bits, writable for the owner alone");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tarball_limits small = { 16, 4096, 16384 };
	char top[] = "/tmp/fuzz-tarball-XXXXXX";
	struct fault fault = { 0 };
	int file = memfd_create("archive", MFD_CLOEXEC), at, r;

	must(mkdtemp(top) != NULL && file >= 0 && write(file, data, size) == (ssize_t)size, "the ground stands");
	lseek(file, 0, SEEK_SET);
	at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = tarball_read(file, at, &small, &fault);
	must(r == 0 || fault.text[0], "a refusal has a reason");
	nftw(top, look, 8, FTW_PHYS);
	close(at);
	close(file);
	at = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(tree_remove(at, top + 5) == 0, "it can be removed");
	close(at);
	return 0;
}
