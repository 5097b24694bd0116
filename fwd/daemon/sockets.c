/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "fwd/daemon/netlink.h"
#include "fwd/daemon/process.h"
#include "fwd/daemon/sockets.h"

/* Of the kernel's tcp_states.h, which is not exported; UDP sockets are in ESTABLISHED or CLOSE. */
enum {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_SYN_RECV = 3,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_CLOSE = 7,
	STATE_CLOSE_WAIT = 8,
	STATE_LISTEN = 10,
};
#define CONNECTED (1u << STATE_ESTABLISHED | 1u << STATE_SYN_SENT | 1u << STATE_SYN_RECV | 1u << STATE_FIN_WAIT1 | \
		   1u << STATE_FIN_WAIT2 | 1u << STATE_CLOSE_WAIT)

struct dump {
	uint8_t proto;
	int (*each)(const struct socket_info *info, void *user);
	void *user;
};

static struct addr read_addr(uint8_t family, const uint32_t words[static 4])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct addr ret = { .family = family };

	memcpy(ret.bytes, words, family == AF_INET ? 4 : 16);
	if (family == AF_INET6 && memcmp(ret.bytes, mapped, sizeof(mapped)) == 0) {
		ret = (struct addr){ .family = AF_INET };
		memcpy(ret.bytes, (const uint8_t *)words + sizeof(mapped), 4);
	}
	return ret;
}

static int on_socket(const struct nlmsghdr *message, void *user)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr[INET_DIAG_SKV6ONLY + 1];
	struct socket_info info = { 0 };
	const struct dump *dump = user;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*diag))
		return -EBADMSG;
	if (diag->idiag_family != AF_INET && diag->idiag_family != AF_INET6)
		return 0;
	netlink_attributes(message, sizeof(*diag), INET_DIAG_SKV6ONLY, attr);
	info.proto = dump->proto;
	info.local = read_addr(diag->idiag_family, diag->id.idiag_src);
	info.peer = read_addr(diag->idiag_family, diag->id.idiag_dst);
	info.local_port = ntohs(diag->id.idiag_sport);
	info.peer_port = ntohs(diag->id.idiag_dport);
	info.inode = diag->idiag_inode;
	info.uid = diag->idiag_uid;
	info.ifindex = diag->id.idiag_if;
	memcpy(info.cookie, diag->id.idiag_cookie, sizeof(info.cookie));
	info.listening = diag->idiag_state == STATE_LISTEN || diag->idiag_state == STATE_CLOSE;
	if (attr[INET_DIAG_SKV6ONLY] && mnl_attr_get_payload_len(attr[INET_DIAG_SKV6ONLY]) == 1)
		info.v6only = info.listening && mnl_attr_get_u8(attr[INET_DIAG_SKV6ONLY]);
	return dump->each(&info, dump->user);
}

static struct inet_diag_req_v2 *request_init(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(message, sizeof(struct inet_diag_req_v2));
}

static int dump_all(uint32_t tcp_states, uint32_t udp_states, int (*each)(const struct socket_info *info, void *user), void *user)
{
	const struct {
		uint8_t family, proto;
		uint32_t states;
	} dumps[] = {
		{ AF_INET, IPPROTO_TCP, tcp_states },
		{ AF_INET6, IPPROTO_TCP, tcp_states },
		{ AF_INET, IPPROTO_UDP, udp_states },
		{ AF_INET6, IPPROTO_UDP, udp_states },
	};
	struct mnl_socket *socket;
	int r = netlink_open(NETLINK_SOCK_DIAG, &socket);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(dumps) / sizeof(*dumps) && r == 0; i++) {
		struct dump dump = { dumps[i].proto, each, user };
		_Alignas(struct nlmsghdr) char buf[256];
		struct inet_diag_req_v2 *request = request_init(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);

		request->sdiag_family = dumps[i].family;
		request->sdiag_protocol = dumps[i].proto;
		request->idiag_states = dumps[i].states;
		r = netlink_ask(socket, (struct nlmsghdr *)buf, on_socket, &dump);
	}
	mnl_socket_close(socket);
	return r;
}

int sockets_listening(int (*each)(const struct socket_info *info, void *user), void *user)
{
	return dump_all(1u << STATE_LISTEN, 1u << STATE_CLOSE, each, user);
}

int sockets_connected(int (*each)(const struct socket_info *info, void *user), void *user)
{
	return dump_all(CONNECTED, 1u << STATE_ESTABLISHED, each, user);
}

/* One connected TCP socket. A listener has the addresses too, and the kernel would find it where the connection is gone:
 * hence the cookie. */
static int request_one(struct inet_diag_req_v2 *request, const struct socket_info *info)
{
	if (info->proto != IPPROTO_TCP || info->listening || info->local.family != info->peer.family)
		return -EINVAL;
	request->sdiag_family = info->local.family;
	request->sdiag_protocol = info->proto;
	request->id.idiag_sport = htons(info->local_port);
	request->id.idiag_dport = htons(info->peer_port);
	memcpy(request->id.idiag_src, info->local.bytes, sizeof(info->local.bytes));
	memcpy(request->id.idiag_dst, info->peer.bytes, sizeof(info->peer.bytes));
	request->id.idiag_if = info->ifindex;
	memcpy(request->id.idiag_cookie, info->cookie, sizeof(info->cookie));
	return 0;
}

static int on_info(const struct nlmsghdr *message, void *user)
{
	const struct nlattr *attr[INET_DIAG_SKV6ONLY + 1];
	struct tcp_info info = { 0 };
	uint64_t *heard = user;
	size_t len;

	netlink_attributes(message, sizeof(struct inet_diag_msg), INET_DIAG_SKV6ONLY, attr);
	if (!attr[INET_DIAG_INFO])
		return 0;
	len = mnl_attr_get_payload_len(attr[INET_DIAG_INFO]);
	memcpy(&info, mnl_attr_get_payload(attr[INET_DIAG_INFO]), len < sizeof(info) ? len : sizeof(info));
	*heard = info.tcpi_last_data_recv < info.tcpi_last_ack_recv ? info.tcpi_last_data_recv : info.tcpi_last_ack_recv;
	return 0;
}

int sockets_heard(const struct socket_info *info, uint64_t *ret)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct inet_diag_req_v2 *request = request_init(buf, SOCK_DIAG_BY_FAMILY, NLM_F_ACK);
	uint64_t heard = UINT64_MAX;
	struct mnl_socket *socket;
	int r = request_one(request, info);

	if (r < 0)
		return r;
	request->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	request->idiag_states = CONNECTED;
	r = netlink_open(NETLINK_SOCK_DIAG, &socket);
	if (r < 0)
		return r;
	r = netlink_ask(socket, (struct nlmsghdr *)buf, on_info, &heard);
	mnl_socket_close(socket);
	if (r == 0 && heard == UINT64_MAX)
		r = -ENOENT;
	if (r == 0)
		*ret = heard;
	return r;
}

int sockets_destroy(const struct socket_info *info)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct inet_diag_req_v2 *request = request_init(buf, SOCK_DESTROY, NLM_F_ACK);
	struct mnl_socket *socket;
	int r = request_one(request, info);

	if (r < 0)
		return r;
	r = netlink_open(NETLINK_SOCK_DIAG, &socket);
	if (r < 0)
		return r;
	r = netlink_ask(socket, (struct nlmsghdr *)buf, NULL, NULL);
	mnl_socket_close(socket);
	return r == -ESTALE ? -ENOENT : r;
}

struct holder {
	int (*each)(uint32_t inode, void *user);
	void *user;
};

static int on_descriptor(const struct process_descriptor *descriptor, void *user)
{
	const struct holder *holder = user;
	uint32_t inode;

	return sscanf(descriptor->target, "socket:[%" SCNu32 "]", &inode) == 1 ? holder->each(inode, holder->user) : 0;
}

int sockets_of_process(int pid, int (*each)(uint32_t inode, void *user), void *user)
{
	struct holder holder = { each, user };

	return process_descriptors(pid, SOCKETS_DESCRIPTORS_MAX, on_descriptor, &holder);
}
