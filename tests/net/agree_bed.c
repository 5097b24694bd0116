/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "tests/net/agree.h"

const char *const iface_names[N_IFACES] = { "up0", "up1", "lan0" };

static int packet_socket = -1, peer_ns = -1, keeper = -1;
static pid_t child;
static unsigned peer_index[N_IFACES], host_index[N_IFACES];

/* %d: the process that holds the peer's namespace. Neighbours are static, so that nothing waits for an answer. */
static const char host_lines[] =
	"link add up0 address 02:00:00:00:01:00 type veth peer name p0 address 02:00:00:00:02:00 netns %1$d\n"
	"link add up1 address 02:00:00:00:01:01 type veth peer name p1 address 02:00:00:00:02:01 netns %1$d\n"
	"link add lan0 address 02:00:00:00:01:02 type veth peer name p2 address 02:00:00:00:02:02 netns %1$d\n"
	"link set lo up\nlink set up0 up\nlink set up1 up\nlink set lan0 up\n"
	"addr add 192.0.2.1/25 dev up0\naddr add 192.0.2.129/25 dev up1\naddr add 10.0.3.1/24 dev lan0\n"
	"addr add 2001:db8:1::1/64 dev up0 nodad\naddr add 2001:db8:2::1/64 dev up1 nodad\n"
	"addr add 2001:db8:3::1/64 dev lan0 nodad\n"
	"neigh add 192.0.2.126 lladdr 02:00:00:00:02:00 dev up0 nud permanent\n"
	"neigh add 2001:db8:1::2 lladdr 02:00:00:00:02:00 dev up0 nud permanent\n"
	"neigh add 10.0.3.2 lladdr 02:00:00:00:02:02 dev lan0 nud permanent\n"
	"neigh add 2001:db8:3::2 lladdr 02:00:00:00:02:02 dev lan0 nud permanent\n"
	"route add default via 192.0.2.126 dev up0\nroute add default via 2001:db8:1::2 dev up0\n"
	"route add " GUESTS4 "/24 via 10.0.3.2 dev lan0\nroute add " GUESTS6 "/64 via 2001:db8:3::2 dev lan0\n"
	"route add local " LOCAL4 "/24 dev lo\nroute add local " LOCAL6 "/64 dev lo\n";
static const char peer_lines[] = "link set p0 up\nlink set p1 up\nlink set p2 up\n";

/* For this namespace alone; "default" goes to the interfaces that come. */
static const struct {
	const char *name, *value;
} host_sysctls[] = {
	{ "ipv4/ip_forward", "1" },
	{ "ipv4/conf/all/rp_filter", "0" },
	{ "ipv4/conf/default/rp_filter", "0" },
	{ "ipv4/conf/all/accept_redirects", "0" },
	{ "ipv4/conf/default/accept_redirects", "0" },
	{ "ipv4/conf/all/send_redirects", "0" },
	{ "ipv4/conf/default/send_redirects", "0" },
	{ "ipv6/conf/all/disable_ipv6", "0" },
	{ "ipv6/conf/default/disable_ipv6", "0" },
	{ "ipv6/conf/all/forwarding", "1" },
	{ "ipv6/conf/default/addr_gen_mode", "1" }, /* no link-local addresses by itself */
	{ "ipv6/conf/default/accept_dad", "0" },
	{ "ipv6/conf/default/accept_ra", "0" },
	{ "ipv6/conf/default/accept_redirects", "0" },
};

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "agree: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	bed_close();
	exit(1);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "agree: skipped: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	bed_close();
	exit(77);
}

static void set_sysctl(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		skip("%s: %s", path, strerror(errno));
	close(fd);
}

static void run_ip(const char *lines)
{
	FILE *ip = popen("ip -batch -", "w");
	int status;

	if (!ip)
		die("ip: %s", strerror(errno));
	fputs(lines, ip);
	status = pclose(ip);
	if (status != 0)
		skip("ip (of iproute2) cannot set the network up: status %d", status);
}

/* A namespace lives as long as somebody is in it. */
static void start_peer(void)
{
	int ready[2], stay[2];
	char path[64], byte;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(stay, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (child == 0) {
		close(stay[1]);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
			while (read(stay[0], &byte, 1) < 0)
				;
		_exit(0);
	}
	close(ready[1]);
	close(stay[0]);
	keeper = stay[1];
	if (read(ready[0], &byte, 1) != 1)
		skip("no second network namespace");
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)child);
	peer_ns = open(path, O_RDONLY | O_CLOEXEC);
	if (peer_ns < 0)
		die("%s: %s", path, strerror(errno));
}

static void open_peer(int own)
{
	if (setns(peer_ns, CLONE_NEWNET) < 0)
		skip("setns: %s", strerror(errno));
	set_sysctl("ipv6/conf/all/disable_ipv6", "1");
	set_sysctl("ipv6/conf/default/disable_ipv6", "1");
	run_ip(peer_lines);
	packet_socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (packet_socket < 0)
		skip("AF_PACKET: %s", strerror(errno));
	for (unsigned i = 0; i < N_IFACES; i++)
		peer_index[i] = if_nametoindex((const char *[]){ "p0", "p1", "p2" }[i]);
	if (setns(own, CLONE_NEWNET) < 0)
		die("setns: %s", strerror(errno));
}

void bed_open(void)
{
	char lines[4096];
	cpu_set_t cpu;
	int own;

	if (unshare(CLONE_NEWNET) < 0)
		skip("no network namespace of my own: %s", strerror(errno));
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		die("/proc/self/ns/net: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(host_sysctls) / sizeof(*host_sysctls); i++)
		set_sysctl(host_sysctls[i].name, host_sysctls[i].value);
	start_peer();
	snprintf(lines, sizeof(lines), host_lines, (int)child);
	run_ip(lines);
	for (unsigned i = 0; i < N_IFACES; i++)
		host_index[i] = if_nametoindex(iface_names[i]);
	/* packets pass in the order in which they are sent only through the queue of one processor */
	CPU_ZERO(&cpu);
	CPU_SET((unsigned)sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	open_peer(own);
	close(own);
}

void bed_close(void)
{
	if (packet_socket >= 0)
		close(packet_socket);
	if (peer_ns >= 0)
		close(peer_ns);
	if (keeper >= 0)
		close(keeper);
	if (child > 0)
		waitpid(child, NULL, 0);
	packet_socket = peer_ns = keeper = -1;
	child = 0;
}

static void send_frame(const struct spec *spec, const uint8_t *packet, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)peer_index[spec->iface],
		.sll_halen = ETH_ALEN,
	};
	struct ethhdr head = { .h_dest = { 2, 0, 0, 0, 1, spec->iface }, .h_source = { 2, 0, 0, 0, 2, spec->iface } };
	uint8_t frame[sizeof(head) + FRAME_MAX];

	head.h_proto = htons(spec->tuple.src.family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	to.sll_protocol = head.h_proto;
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), packet, len);
	if (sendto(packet_socket, frame, sizeof(head) + len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != ENOBUFS)
		die("send: %s", strerror(errno));
}

void bed_send(const struct spec *spec)
{
	uint8_t whole[FRAME_MAX], part[FRAME_MAX];
	size_t len = frame_build(spec, whole);

	if (!spec->fragment) {
		send_frame(spec, whole, len);
		return;
	}
	send_frame(spec, part, frame_fragment(whole, len, false, part));
	send_frame(spec, part, frame_fragment(whole, len, true, part));
}

void bed_iface(uint32_t index, char ret[static IFNAMSIZ])
{
	memset(ret, 0, IFNAMSIZ);
	for (unsigned i = 0; i < N_IFACES; i++)
		if (host_index[i] == index)
			snprintf(ret, IFNAMSIZ, "%s", iface_names[i]);
	if (index && !ret[0] && !if_indextoname(index, ret))
		die("interface %u: %s", index, strerror(errno));
}
