/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A netfilter socket and transactions on it, for test programs: whatever fails ends the program.
 */
#include <stdint.h>

#include <libmnl/libmnl.h>

#define SKIP 77 /* exit code: not possible here */

extern struct mnl_socket *netlink;
extern uint32_t sequence; /* of the last message */

struct batch;

void die(const char *what) __attribute__((noreturn));  /* with errno's text */
void skip(const char *what) __attribute__((noreturn)); /* the same, exit code SKIP */
void socket_open(void);

/* Reads answers until the acknowledgement of @seq; every error counts. Returns 0 or -1 with errno. */
int answers(uint32_t seq, mnl_cb_t callback, void *user);

/* One transaction at a time: begin; message, its payload, next, for each; commit. */
struct batch *batch_begin(void);
struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags);
void batch_next(struct batch *batch);
int batch_commit(struct batch *batch); /* the first error of any message, negative; or 0 */

/* A hash:net of @family. Returns its index in the kernel. */
uint16_t set_create(const char *name, uint8_t family);
