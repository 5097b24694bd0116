/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sha2.h>

#include "host-setup/fault.h"
#include "host-setup/release.h"

const struct release release_table[RELEASE_COUNT] = {
	[RELEASE_NERDCTL] = { "nerdctl", "2.1.2", "https://github.com/containerd/nerdctl/releases/download",
			      "SHA256SUMS" },
	[RELEASE_CNI] = { "cni", "1.6.2", "https://github.com/containernetworking/plugins/releases/download", NULL },
};

/* What files are known to hash to. Only what somebody saw at the project's own place belongs here; `fwctl host fetch`
 * shows it. */
static const struct pin {
	const char *file, *sha256;
} pins[] = {
	{ NULL, NULL },
};

static const char *architecture(const char *machine)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },	 { "aarch64", "arm64" },
						{ "ppc64le", "ppc64le" },
						{ "riscv64", "riscv64" }, { "s390x", "s390x" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(machine, names[i][0]) == 0 || strcmp(machine, names[i][1]) == 0)
			return names[i][1];
	return NULL;
}

static bool version_is_plain(const char *version)
{
	size_t len = strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.-");

	return len && !version[len] && len < sizeof(((struct package *)0)->version) && strchr("0123456789", version[0]);
}

int package_of(enum release_id id, const char *version, const char *arch, struct package *ret, struct fault *fault)
{
	const struct release *release = &release_table[id];
	struct package package = { .id = id };
	struct utsname name;

	version = version ? version : release->version;
	if (!version_is_plain(version))
		return fault_set(fault, -EINVAL, "\"%s\" is no version of %s: write it as %s", version, release->name,
				 release->version);
	if (!arch && uname(&name) == 0)
		arch = name.machine;
	arch = arch ? architecture(arch) : NULL;
	if (!arch)
		return fault_set(fault, -EINVAL, "there is no %s for this architecture", release->name);
	strcpy(package.version, version);
	if (id == RELEASE_NERDCTL)
		snprintf(package.file, sizeof(package.file), "nerdctl-%s-linux-%s.tar.gz", version, arch);
	else
		snprintf(package.file, sizeof(package.file), "cni-plugins-linux-%s-v%s.tgz", arch, version);
	if (release->sums)
		snprintf(package.sums, sizeof(package.sums), "%s", release->sums);
	else
		snprintf(package.sums, sizeof(package.sums), "%.100s.sha256", package.file);
	for (const struct pin *pin = pins; pin->file; pin++)
		if (strcmp(pin->file, package.file) == 0)
			package.sha256 = pin->sha256;
	*ret = package;
	return 0;
}

int package_url(const struct package *package, const char *mirror, const char *file, char ret[static RELEASE_URL_MAX],
		struct fault *fault)
{
	size_t len = mirror ? strlen(mirror) : 0;
	int n;

	if (mirror && strncmp(mirror, "https://", 8) != 0)
		return fault_set(fault, -EINVAL, "a mirror begins with https://, not as \"%s\"", mirror);
	while (len && mirror[len - 1] == '/')
		len--;
	if (mirror)
		n = snprintf(ret, RELEASE_URL_MAX, "%.*s/%s", (int)len, mirror, file);
	else
		n = snprintf(ret, RELEASE_URL_MAX, "%s/v%s/%s", release_table[package->id].base, package->version,
			     file);
	return n >= RELEASE_URL_MAX ? fault_set(fault, -ENAMETOOLONG, "the mirror's address is too long") : 0;
}

int sums_find(const char *text, const char *file, char ret[static SHA256_TEXT])
{
	size_t file_len = strlen(file);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		size_t len = strcspn(text, "\r\n");

		if (len != 66 + file_len || strspn(text, "0123456789abcdefABCDEF") != 64 || text[64] != ' ' ||
		    (text[65] != ' ' && text[65] != '*') || strncmp(text + 66, file, file_len) != 0)
			continue;
		for (size_t i = 0; i < 64; i++)
			ret[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);
		ret[64] = '\0';
		return 0;
	}
	return -ENOENT;
}

int sha256_of(int fd, char ret[static SHA256_TEXT])
{
	static uint8_t chunk[65536];
	SHA2_CTX context;
	off_t at = 0;
	ssize_t n;

	SHA256Init(&context);
	while ((n = pread(fd, chunk, sizeof(chunk), at)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			SHA256Update(&context, chunk, (size_t)n);
			at += n;
		}
	}
	SHA256End(&context, ret);
	return 0;
}
