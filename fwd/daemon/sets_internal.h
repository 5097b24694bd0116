/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What the files of sets share: one socket, one request at a time.
 * Attributes and codes: linux/netfilter/ipset/ip_set.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>

#include "fwd/daemon/sets.h"

#define SETS_BUFFER 32768        /* the largest skb that the kernel makes for one recvmsg of a dump (af_netlink.c) */
#define SETS_MESSAGE_MAX 16384   /* bytes of a request; from 4 KiB on more brings nothing */
#define SETS_ANSWER_TIMEOUT 5    /* seconds */
#define SETS_RETRY_NS 200000000u /* how long a reference may outlive its holder */
#define SETS_RETRY_STEP_NS 2000000u

struct sets {
	struct mnl_socket *nl;
	uint32_t seq;
	uint64_t cut; /* CLOCK_MONOTONIC ns when a dump was last ended early */
	/* First the request, then its answer: whoever needs both copies. */
	_Alignas(struct nlmsghdr) char buf[SETS_BUFFER];
};

/* What the kernel said. Attributes point into sets->buf. */
struct answer {
	int error;     /* the kernel's own, negative: an errno, or -IPSET_ERR_*; 0: done */
	uint32_t line; /* IPSET_ATTR_LINENO of the entry that failed; 0 if it says none */
	const struct nlattr *attr[IPSET_ATTR_CMD_MAX + 1];
};

/* 0, -EINVAL (empty) or -ENAMETOOLONG. */
int set_name_check(const char *name);

/* Opens a socket with the timeout set. */
int sets_socket(struct mnl_socket **ret);
/* Begins a request in @buf, with PROTOCOL and, unless NULL, SETNAME. */
struct nlmsghdr *sets_request(void *buf, uint32_t seq, uint8_t command, uint16_t flags, const char *set);
/* Receives into @buf (SETS_BUFFER bytes). Returns the length or -errno, -ETIMEDOUT. */
ssize_t sets_receive(struct mnl_socket *nl, void *buf);
/* Sends what sets_request() began in sets->buf, waits for its answer. 0 if one came (its error may still say no). */
int sets_ask(struct sets *sets, struct nlmsghdr *request, struct answer *ret);
/* Command without data on one set: 0 or -errno. */
int sets_command(struct sets *sets, uint8_t command, const char *set, const char *other);

/* @error of the kernel as errno; @exist: what IPSET_ERR_EXIST means here (for del: it is not in);
 * @list: of a list:set. */
int set_errno(int error, int exist, bool list);

/* Collects attributes by type up to @max; unknown types are passed over. */
void sets_attributes(const struct nlattr *first, size_t len, unsigned max, const struct nlattr **ret);
void sets_nested(const struct nlattr *nest, unsigned max, const struct nlattr **ret);
/* Integers of the kernel, network byte order inside; 0 if missing or too short. */
uint64_t sets_number(const struct nlattr *attr);
/* Whether it is there, ends in NUL and fits into @size. */
bool sets_text_ok(const struct nlattr *attr, size_t size);

uint64_t sets_monotonic(void); /* ns */
void sets_pause(void);
