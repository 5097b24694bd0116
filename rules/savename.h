/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The names in the text of iptables-save: shared by its printer and its parser, so that they cannot disagree.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAVENAME_PROTO_MAX 16

struct savename_bit {
	const char *name; /* NULL ends a list */
	unsigned bit;
};
/* In the order in which iptables prints them. */
extern const struct savename_bit savename_states[];   /* CT_* */
extern const struct savename_bit savename_statuses[]; /* CT_STATUS_* */
extern const struct savename_bit savename_tcp_flags[];

/* "A,B,C" (case does not matter) or "NONE", and "ALL" where @all is not 0. */
bool savename_bits(const struct savename_bit *bits, const char *text, unsigned all, unsigned *ret);

/*
 * As iptables prints it. 1.8.9 asks /etc/protocols, 1.8.11 knows a dozen names and prints numbers else; both read both.
 * The names that both print are printed here, igmp (2 to 1.8.11) for its readers, and numbers.
 */
void savename_proto(uint8_t proto, char ret[static SAVENAME_PROTO_MAX]);
/* Names of /etc/protocols that matter, or a decimal number; 0 is "all". Returns false if unknown. */
bool savename_parse_proto(const char *text, uint8_t *ret);

/* A number, or one of the few names of /etc/services that people write. */
bool savename_port(const char *text, uint16_t *ret);

/* What REJECT does if nothing else is asked for: iptables prints it always. */
const char *savename_reject(uint8_t family);

/* A string as iptables quotes it: bare if it consists of letters, digits, '-' and '_' only. Cut if it does not fit. */
void savename_quote(const char *text, char *ret, size_t size);
/* A word so that it can be read again: quoted only if need be. */
void savename_word(const char *text, char *ret, size_t size);
