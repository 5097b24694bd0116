# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Sourced by host-setup/quickstart and tests/run: which Debian and Ubuntu packages they need, and how they are installed:
# by name, only what is missing, never removing anything.

packages_build=(gcc libc6-dev meson ninja-build pkg-config libmnl-dev libnftnl-dev libipset-dev libnetfilter-log-dev
	libevent-dev libjansson-dev libinih-dev libsmartcols-dev libcmocka-dev)
# for `fwctl host`, which is left out without them. On their own: libcurl4-gnutls-dev stands aside for another flavour of it.
packages_host=(libcurl4-gnutls-dev libarchive-dev libmd-dev)
packages_demo=(python3 iproute2 util-linux mount)
packages_test=("${packages_demo[@]}" mmdebstrap debian-archive-keyring clang mandoc systemd-container openssl)

# packages_missing NAME...: those that are not installed, one a line. pkg-config may be provided by pkgconf.
packages_missing() {
	local name have
	have=$(dpkg-query -W -f '${Status}\t${Package} ${Provides}\n' 2>/dev/null |
		sed -n 's/^[a-z]* ok installed\t//p' | sed 's/([^)]*)//g' | tr ', ' '\n\n')
	for name in "$@"; do
		grep -qxF -- "$name" <<<"$have" || echo "$name"
	done
}

# packages_install NAME...: installs what is missing of them; PACKAGES_AS is put in front of apt-get (empty, or sudo).
# 0 all is there, 1 something is not, and it was said what.
packages_install() {
	local missing
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "no dpkg and apt here: what is needed is, by its Debian name: $*" >&2
		return 1
	fi
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] && [ -z "${PACKAGES_AS-}" ]; then
		echo "not root, so these missing packages are not installed: ${missing[*]}" >&2
		return 1
	fi
	echo "installing: ${missing[*]}" >&2
	packages_apt update || echo "apt-get update failed; trying with the lists that are here" >&2
	packages_apt install --no-remove --no-install-recommends -y "${missing[@]}" || {
		echo "apt-get could not install: ${missing[*]}" >&2
		return 1
	}
}

# Quiet, unless it fails.
packages_apt() {
	local said
	# shellcheck disable=SC2086
	said=$(${PACKAGES_AS-} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		"$@" </dev/null 2>&1) || {
		printf '%s\n' "$said" | tail -n 20 >&2
		return 1
	}
}
