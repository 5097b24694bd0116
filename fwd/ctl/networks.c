/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fwd/ctl/networks.h"
#include "fwd/ctl/typo.h"

#define DIGITS "0123456789"

static void explain_ipv4(const char *text, struct diag *diag)
{
	unsigned numbers = 0;

	for (const char *at = text;; at++) {
		size_t len = strspn(at, DIGITS);

		if (len == 0) {
			diag_set(diag, 0, 0, "a number is missing in this IPv4 address");
			return;
		}
		if (len > 1 && *at == '0') {
			diag_set(diag, 0, 0, "\"%.*s\" begins with 0, which some read as octal", (int)len, at);
			return;
		}
		if (len > 3 || strtoul(at, NULL, 10) > 255) {
			diag_set(diag, 0, 0, "\"%.*s\" is more than 255", (int)len, at);
			return;
		}
		numbers++;
		at += len;
		if (!*at)
			break;
	}
	if (numbers != 4)
		diag_set(diag, 0, 0, "an IPv4 address has four numbers, this one has %u", numbers);
}

static void explain_address(const char *text, struct diag *diag)
{
	const char *colon = strchr(text, ':');

	if (!*text)
		diag_set(diag, 0, 0, "an address is missing");
	else if (strchr(text, '%'))
		diag_set(diag, 0, 0, "an address with a zone (%%) means something on one link only");
	else if (*text == '[')
		diag_set(diag, 0, 0, "addresses go without brackets here");
	else if (strncasecmp(text, "::ffff:", 7) == 0 && strchr(text, '.'))
		diag_set(diag, 0, 0, "this is IPv4 written as IPv6: write %s", text + 7);
	else if (colon && strspn(text, DIGITS ".") == (size_t)(colon - text) && strchr(text, '.'))
		diag_set(diag, 0, 0, "a network goes without a port: write %.*s", (int)(colon - text), text);
	else if (colon)
		diag_set(diag, 0, 0, "this is no IPv6 address");
	else if (strspn(text, DIGITS ".") == strlen(text))
		explain_ipv4(text, diag);
	else
		diag_set(diag, 0, 0, "this is no address (names are not looked up)");
	diag_set(diag, 0, 0, "this is no address"); /* is dropped where a reason was found */
}

static void explain_length(const char *text, unsigned most, struct diag *diag)
{
	if (strchr(text, '.'))
		diag_set(diag, 0, 0, "a netmask is written as a prefix length here, /24 for 255.255.255.0");
	else if (!*text || strspn(text, DIGITS) != strlen(text))
		diag_set(diag, 0, 0, "a prefix length is a number");
	else if (text[0] == '0' && text[1])
		diag_set(diag, 0, 0, "a prefix length does not begin with 0");
	else
		diag_set(diag, 0, 0, "a prefix length of %s is at most %u", most == 32 ? "IPv4" : "IPv6", most);
}

/* Copies what stands before @end; false if no address can be that long. */
static bool cut(const char *word, const char *end, char ret[static ADDR_TEXT_MAX])
{
	size_t len = (size_t)(end - word);

	if (len >= ADDR_TEXT_MAX)
		return false;
	memcpy(ret, word, len);
	ret[len] = '\0';
	return true;
}

int address_check(const char *word, struct addr *ret, struct diag *diag)
{
	if (addr_parse(word, ret) == 0)
		return 0;
	if (strchr(word, '/'))
		diag_set(diag, 0, 0, "one address is wanted here, not a network");
	explain_address(word, diag);
	return -EINVAL;
}

static int range_check(const char *word, const char *dash, struct diag *diag)
{
	char first[ADDR_TEXT_MAX];
	struct addr from, to;

	if (!cut(word, dash, first)) {
		diag_set(diag, 0, 0, "this is no address");
		return -EINVAL;
	}
	if (addr_parse(first, &from) < 0)
		explain_address(first, diag);
	else if (addr_parse(dash + 1, &to) < 0)
		explain_address(dash + 1, diag);
	else if (from.family != to.family)
		diag_set(diag, 0, 0, "a range has both ends in IPv4 or both in IPv6");
	else if (addr_compare(&from, &to) > 0)
		diag_set(diag, 0, 0, "this range ends before it begins");
	else
		return 0;
	return -EINVAL;
}

int network_check(const char *word, struct diag *diag)
{
	const char *slash = strchr(word, '/'), *dash = strchr(word, '-');
	char address[ADDR_TEXT_MAX];
	struct typo typo = { 0 };
	struct cidr net;
	struct addr addr;

	if (strcmp(word, "any") == 0 || cidr_parse(word, &net, NULL) == 0)
		return 0;
	typo_offer(&typo, word, "any");
	typo_offer(&typo, word, "me");
	if (typo.best && strspn(word, DIGITS ".:/") == 0) {
		diag_set(diag, 0, 0, "this is no address; did you mean \"%s\"?", typo.best);
		return -EINVAL;
	}
	if (dash && strspn(word, DIGITS ".:abcdefABCDEF-") == strlen(word))
		return range_check(word, dash, diag);
	if (!cut(word, slash ? slash : word + strlen(word), address))
		diag_set(diag, 0, 0, "this is no address");
	else if (addr_parse(address, &addr) < 0)
		explain_address(address, diag);
	else
		explain_length(slash ? slash + 1 : "", addr_bits(addr.family), diag);
	return -EINVAL;
}

int service_check(const char *word, const char **proto, unsigned *port, struct diag *diag)
{
	static const char *const protos[] = { "tcp", "udp", "icmp" };
	const char *slash = strchr(word, '/');
	char name[ADDR_TEXT_MAX];
	struct typo typo = { 0 };

	if (!cut(word, slash ? slash : word + strlen(word), name))
		name[0] = '\0';
	for (size_t i = 0; i < 3; i++)
		typo_offer(&typo, name, protos[i]);
	if (!typo.best || typo.distance) {
		diag_set(diag, 0, 0, typo.best ? "did you mean %s?" : "a service is tcp/PORT, udp/PORT or icmp%s",
			 typo.best ? typo.best : "");
		return -EINVAL;
	}
	*proto = typo.best;
	if (strcmp(typo.best, "icmp") == 0 && !slash) {
		*port = 0;
		return 0;
	}
	if (strcmp(typo.best, "icmp") == 0) {
		diag_set(diag, 0, 0, "icmp has no ports");
		return -EINVAL;
	}
	if (!slash || !slash[1] || slash[1] == '0' || strspn(slash + 1, DIGITS) != strlen(slash + 1) ||
	    strlen(slash + 1) > 5 ||
	    strtoul(slash + 1, NULL, 10) > 65535) {
		diag_set(diag, 0, 0, "a port is a number from 1 to 65535, as in %s/22", typo.best);
		return -EINVAL;
	}
	*port = (unsigned)strtoul(slash + 1, NULL, 10);
	return 0;
}
