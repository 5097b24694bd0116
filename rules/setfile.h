/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The text that `ipset save` prints and `ipset restore` reads, a line at a time: one value for /etc/iptables/ipsets as a
 * journal, for `import` and for `why --files`. Elements other than networks (foreign types) keep their text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/diag.h"
#include "rules/entry.h"

#define SETFILE_LINE_MAX 1023  /* longer lines are split by ipset and the rest runs as a command */
#define SETFILE_BLOCK 4096     /* no record of ours crosses a multiple of it: full disks tear there */

enum set_line_kind {
	SET_LINE_EMPTY,  /* blank, or a comment (#) */
	SET_LINE_CREATE,
	SET_LINE_ADD,
	SET_LINE_DEL,
	SET_LINE_FLUSH,  /* set empty: every set */
	SET_LINE_DESTROY, /* the same */
	SET_LINE_COMMIT,
	SET_LINE_OTHER,  /* swap, rename, …: a command that we do not read */
};

struct set_line {
	enum set_line_kind kind;
	char set[SET_NAME_MAX + 1];  /* CREATE, ADD, DEL, FLUSH, DESTROY */
	char type[32];               /* CREATE: "hash:net"; old names ("nethash") are translated */
	uint8_t family;              /* CREATE: AF_INET or AF_INET6, 0 where the type has none */
	bool has_timeout;            /* CREATE: the set knows timeouts; ADD: one was given */
	bool comment_ext, counters_ext; /* CREATE */
	uint32_t timeout;            /* seconds */
	uint64_t maxelem;            /* CREATE; 0 if not given */
	bool is_net;                 /* ADD, DEL: entry.net holds the element (which may be a /0, that hash:net refuses) */
	bool is_range;               /* ADD, DEL: an IPv4 range A-B: from and to hold it, see addr_range() */
	struct addr from, to;
	bool nomatch;                /* ADD */
	struct entry entry;          /* ADD, DEL; until comes from the comment alone (the caller knows the clock) */
};

/*
 * One line without its newline (a trailing CR is allowed, as ipset allows it). Returns 0 or -EINVAL with @diag
 * (line left 0: the caller counts). Never reads past @len.
 *
 * What ipset takes is taken, abbreviated commands and its options (-exist) included, and numbers are read as it reads them
 * (010 is 8). An element that is neither a network nor a range (another type, a host name, leading zeros) is no error:
 * is_net and is_range are then false. What makes ipset stop is one: words behind the arguments, an empty comment, a
 * timeout beyond ENTRY_TIMEOUT_MAX.
 */
int setfile_parse_line(const char *line, size_t len, struct set_line *ret, struct diag *diag);

/* The `create` line of a whitelist (hash:net with timeout, comment, counters, maxelem 4294967295), newline included.
 * It never changes for a set: `ipset restore -exist` aborts where a header differs from the kernel's. Returns the length,
 * -EINVAL for a bad name or -ENOSPC. */
int setfile_format_create(const char *set, uint8_t family, char *ret, size_t size);
/*
 * `add SET NET timeout N packets P bytes B comment "…"` with its newline; N relative to @now. The counters stand there only
 * if they are not 0, the comment only if there is one. Returns the length, or -ETIME (over), -ENOSPC, or -EINVAL for what
 * ipset would not read back (a /0, a bad set name, a comment with a quote or newline or that is one of its options) and
 * for exceptions (nomatch), which we do not write.
 */
int setfile_format_add(const char *set, const struct entry *entry, uint64_t now, char *ret, size_t size);
int setfile_format_del(const char *set, const struct cidr *net, char *ret, size_t size);

/* Whether ipset takes this word for one of its own options wherever it stands: "-q", "--exist", … */
bool setfile_is_option(const char *word);
