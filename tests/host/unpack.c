/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack FILE DIR NAME [MEMBERS BYTES TOTAL]: tarball_unpack() as a program. 0, or 1 with the reason on stdout. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "host-setup/fault.h"
#include "host-setup/tarball.h"

int main(int argc, char **argv)
{
	struct tarball_limits limits = tarball_limits;
	struct fault fault = { 0 };
	int file, at;

	if (argc != 4 && argc != 7)
		return 2;
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	at = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0 || at < 0)
		return 2;
	if (argc == 7) {
		limits.members = strtoull(argv[4], NULL, 10);
		limits.member_bytes = strtoull(argv[5], NULL, 10);
		limits.total_bytes = strtoull(argv[6], NULL, 10);
	}
	if (tarball_unpack(file, at, argv[3], &limits, &fault) == 0)
		return 0;
	puts(fault.text);
	return 1;
}
