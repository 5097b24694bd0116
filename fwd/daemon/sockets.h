/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The sockets of this network namespace, as sock_diag tells them: who listens, who is connected with whom.
 *
 * Calls block for as long as the kernel takes, at most 5 s (-ETIMEDOUT). 0 or -errno.
 */
#include <stdbool.h>
#include <stdint.h>

#include "rules/addr.h"

struct socket_info {
	uint8_t proto;             /* IPPROTO_TCP, IPPROTO_UDP */
	struct addr local, peer;   /* IPv4-mapped IPv6 is told as IPv4; the unspecified address stays what it is */
	uint16_t local_port, peer_port; /* host byte order; peer_port 0: not connected */
	uint32_t inode;            /* 0: no process holds it any more */
	uint32_t uid;              /* of its creator */
	bool listening;            /* TCP: LISTEN. UDP: bound and not connected */
	bool v6only;               /* of a listening IPv6 socket */
};

/* TCP sockets in LISTEN, UDP sockets that are bound and not connected. A non-zero answer of @each ends it and is returned. */
int sockets_listening(int (*each)(const struct socket_info *info, void *user), void *user);
/* TCP sockets with a peer, from SYN_SENT to CLOSE_WAIT; UDP sockets that are connected. */
int sockets_connected(int (*each)(const struct socket_info *info, void *user), void *user);
/* Destroys one connected TCP socket (SOCK_DESTROY). -EOPNOTSUPP where the kernel lacks it, -ENOENT if it is gone. */
int sockets_destroy(const struct socket_info *info);
/* Inodes of the sockets that a process holds. -EACCES, -ENOENT if it is gone. */
int sockets_of_process(int pid, int (*each)(uint32_t inode, void *user), void *user);
