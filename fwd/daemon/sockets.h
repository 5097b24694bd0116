/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The sockets of this network namespace, as sock_diag tells them: who listens, who is connected with whom.
 *
 * Calls block for as long as the kernel takes, at most 5 s a protocol and family (-ETIMEDOUT). 0 or -errno. While connections
 * come and go a dump may tell one twice or miss one that is newer than its beginning.
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/addr.h"

#define SOCKETS_DESCRIPTORS_MAX 16384 /* of one process are looked at */

struct socket_info {
	uint8_t proto;             /* IPPROTO_TCP, IPPROTO_UDP */
	struct addr local, peer;   /* IPv4-mapped IPv6 is told as IPv4; the unspecified address stays what it is */
	uint16_t local_port, peer_port; /* host byte order; peer_port 0: not connected */
	uint32_t inode;            /* 0: no process holds it (any more, or yet: a connection that is not accepted) */
	uint32_t uid;              /* of its creator */
	uint32_t ifindex;          /* the interface that it is bound to (link-local addresses always are); 0: any */
	uint32_t cookie[2];        /* the kernel's name for it, never given twice */
	bool listening;            /* TCP: LISTEN. UDP: bound and not connected */
	bool v6only;               /* of a listening IPv6 socket */
};

/* TCP sockets in LISTEN, UDP sockets that are bound and not connected. A non-zero answer of @each ends it and is returned. */
int sockets_listening(int (*each)(const struct socket_info *info, void *user), void *user);
/* TCP sockets that may still receive or send: SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT; UDP sockets
 * that are connected. */
int sockets_connected(int (*each)(const struct socket_info *info, void *user), void *user);
/* How long ago anything (data, or an acknowledgement) came in from the peer of a connected TCP socket, in ms. */
int sockets_heard(const struct socket_info *info, uint64_t *ret);
/* Destroys one connected TCP socket (SOCK_DESTROY): both ends see a reset. -EOPNOTSUPP where the kernel lacks it, -ENOENT if it
 * is gone, though another may have its addresses meanwhile. */
int sockets_destroy(const struct socket_info *info);
/* Inodes of the sockets that a process holds, by ascending descriptor. A non-zero answer of @each ends it and is returned.
 * -EACCES, -ENOENT if it is gone, -E2BIG behind the first SOCKETS_DESCRIPTORS_MAX descriptors. */
int sockets_of_process(int pid, int (*each)(uint32_t inode, void *user), void *user);
