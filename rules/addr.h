/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Addresses and networks (CIDR) of both families, as values.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_MAX 64    /* room for every text made here, NUL included */
#define ADDR_RANGE_MAX 254  /* networks that a range A-B can fall into (IPv6: 2 * 127) */

struct addr {
	uint8_t family;    /* AF_INET or AF_INET6 */
	uint8_t bytes[16]; /* network byte order; IPv4 uses the first four, the others are 0 */
};

struct cidr {
	struct addr addr; /* host bits are always 0 */
	uint8_t len;      /* prefix length in bits */
};

/* Bits of an address of this family: 32 or 128. */
unsigned addr_bits(uint8_t family);

/* Dotted quads of four decimal numbers and RFC 4291 text only: no names, no octal, no zone, no IPv4-mapped IPv6
 * (::ffff:1.2.3.4 is refused: it never appears on the wire). Returns 0 or -EINVAL with *ret untouched. */
int addr_parse(const char *text, struct addr *ret);
void addr_format(const struct addr *addr, char ret[static ADDR_TEXT_MAX]);

/* ADDRESS or ADDRESS/LENGTH. Host bits are cleared; *cleared (may be NULL) says whether there were any.
 * /0 is a valid network here. Returns 0 or -EINVAL with nothing touched. */
int cidr_parse(const char *text, struct cidr *ret, bool *cleared);
/* As ipset prints it: a whole address goes without its length. */
void cidr_format(const struct cidr *cidr, char ret[static ADDR_TEXT_MAX]);

/* The network of @len bits that @addr lies in. @len must not exceed addr_bits(). */
struct cidr cidr_of(const struct addr *addr, unsigned len);
void cidr_mask(unsigned len, uint8_t ret[static 16]);
/* First and last address. */
struct addr cidr_first(const struct cidr *cidr);
struct addr cidr_last(const struct cidr *cidr);

bool addr_equal(const struct addr *a, const struct addr *b);
int addr_compare(const struct addr *a, const struct addr *b); /* by family, then numerically; <0, 0, >0 */
bool cidr_equal(const struct cidr *a, const struct cidr *b);
int cidr_compare(const struct cidr *a, const struct cidr *b); /* by address, then the shorter prefix first */
bool cidr_contains(const struct cidr *cidr, const struct addr *addr); /* false across families */
bool cidr_covers(const struct cidr *wide, const struct cidr *narrow); /* true if equal */

/* The fewest networks that make up exactly @from..@to, in order. -EINVAL if families differ or @from > @to. */
int addr_range(const struct addr *from, const struct addr *to, struct cidr ret[static ADDR_RANGE_MAX], size_t *n);
