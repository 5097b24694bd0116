/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/addr.h"

unsigned addr_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

int addr_parse(const char *text, struct addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct addr addr = { .family = AF_INET };

	if (inet_pton(AF_INET, text, addr.bytes) == 1) {
		*ret = addr;
		return 0;
	}
	addr = (struct addr){ .family = AF_INET6 };
	if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		return -EINVAL;
	if (memcmp(addr.bytes, mapped, sizeof(mapped)) == 0)
		return -EINVAL;
	*ret = addr;
	return 0;
}

void addr_format(const struct addr *addr, char ret[static ADDR_TEXT_MAX])
{
	if (!inet_ntop(addr->family, addr->bytes, ret, ADDR_TEXT_MAX))
		ret[0] = '\0';
}

int cidr_parse(const char *text, struct cidr *ret, bool *cleared)
{
	char copy[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct addr addr;
	unsigned len = 0;

	if (n >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (addr_parse(copy, &addr) < 0)
		return -EINVAL;
	if (slash) {
		const char *digit = slash + 1;

		/* no sign, no blank, no leading zero: strtoul would take them all */
		if (!*digit || (digit[0] == '0' && digit[1]) || strlen(digit) > 3)
			return -EINVAL;
		for (; *digit; digit++) {
			if (*digit < '0' || *digit > '9')
				return -EINVAL;
			len = len * 10 + (unsigned)(*digit - '0');
		}
		if (len > addr_bits(addr.family))
			return -EINVAL;
	} else {
		len = addr_bits(addr.family);
	}
	*ret = cidr_of(&addr, len);
	if (cleared)
		*cleared = !addr_equal(&ret->addr, &addr);
	return 0;
}

void cidr_format(const struct cidr *cidr, char ret[static ADDR_TEXT_MAX])
{
	addr_format(&cidr->addr, ret);
	if (cidr->len != addr_bits(cidr->addr.family)) {
		size_t n = strlen(ret);

		snprintf(ret + n, ADDR_TEXT_MAX - n, "/%u", cidr->len);
	}
}

void cidr_mask(unsigned len, uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	for (unsigned i = 0; i < len; i++)
		ret[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

struct cidr cidr_of(const struct addr *addr, unsigned len)
{
	struct cidr cidr = { .addr = *addr, .len = (uint8_t)len };
	uint8_t mask[16];

	cidr_mask(len, mask);
	for (unsigned i = 0; i < 16; i++)
		cidr.addr.bytes[i] &= mask[i];
	return cidr;
}

struct addr cidr_first(const struct cidr *cidr)
{
	return cidr->addr;
}

struct addr cidr_last(const struct cidr *cidr)
{
	struct addr last = cidr->addr;

	for (unsigned i = cidr->len; i < addr_bits(last.family); i++)
		last.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return last;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, addr_bits(a->family) / 8);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

int cidr_compare(const struct cidr *a, const struct cidr *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (int)a->len - (int)b->len;
}

bool cidr_equal(const struct cidr *a, const struct cidr *b)
{
	return cidr_compare(a, b) == 0;
}

bool cidr_contains(const struct cidr *cidr, const struct addr *addr)
{
	struct cidr masked;

	if (cidr->addr.family != addr->family)
		return false;
	masked = cidr_of(addr, cidr->len);
	return addr_equal(&masked.addr, &cidr->addr);
}

bool cidr_covers(const struct cidr *wide, const struct cidr *narrow)
{
	return wide->len <= narrow->len && cidr_contains(wide, &narrow->addr);
}

/* Adds one; returns false when it wraps around. */
static bool addr_next(struct addr *addr)
{
	for (unsigned i = addr_bits(addr->family) / 8; i-- > 0;)
		if (++addr->bytes[i])
			return true;
	return false;
}

int addr_range(const struct addr *from, const struct addr *to, struct cidr ret[static ADDR_RANGE_MAX], size_t *n)
{
	struct addr next = *from;
	size_t count = 0;

	if (from->family != to->family || addr_compare(from, to) > 0)
		return -EINVAL;
	for (;;) {
		/* the widest network that begins here and does not reach beyond the end */
		unsigned len = addr_bits(next.family);
		struct addr last = next;

		while (len > 0) {
			struct cidr wider = cidr_of(&next, len - 1);
			struct addr wider_last = cidr_last(&wider);

			if (!addr_equal(&wider.addr, &next) || addr_compare(&wider_last, to) > 0)
				break;
			last = wider_last;
			len--;
		}
		ret[count++] = cidr_of(&next, len);
		if (addr_equal(&last, to))
			break;
		next = last;
		addr_next(&next);
	}
	*n = count;
	return 0;
}
