# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries made for flows that are older than tracking, judged by the kernel's own rules."""
import re
import socket
import threading
import time

from bed import Bed
from probe import probe, said

SEEN_REPLY, ASSURED, CONFIRMED = 2, 4, 8
ALIVE = SEEN_REPLY | ASSURED | CONFIRMED


def program(family):
    return 'iptables' if family == 4 else 'ip6tables'


def track(bed, family):
    """Attaches tracking, without effect: chain COUNT tells directions apart."""
    lines = ['*filter', ':COUNT - [0:0]', '-A INPUT -p tcp -m tcp --dport 1001 -j COUNT',
             '-A INPUT -p udp -m udp --dport 1001 -j COUNT',
             '-A OUTPUT -p tcp -m tcp --sport 1001 -m conntrack --ctstate INVALID -j COUNT']
    for direction in 'ORIGINAL', 'REPLY':
        for state in 'NEW', 'ESTABLISHED', 'INVALID':
            lines.append('-A COUNT -m conntrack --ctstate %s%s' %
                         (state, '' if state == 'INVALID' else ' --ctdir ' + direction))
    bed.root('host', [program(family) + '-restore'], input='\n'.join(lines + ['COMMIT', '']))


def counted(bed, family):
    """{(state, direction)} of the packets that the host got since the last call."""
    out = bed.root('host', [program(family), '-S', 'COUNT', '-v', '-Z']).stdout
    hits = set()
    for line in out.splitlines():
        match = re.search(r'--ctstate (\S+)(?: --ctdir (\S+))? -c ([1-9]\d*) ', line)
        if match:
            hits.add((match[1], match[2]) if match[2] else (match[1],))
    return hits


class Old:
    """A flow that began before anybody tracked."""

    def __init__(self, bed, family, proto='tcp'):
        host = bed.addr('host', family)
        kind = socket.SOCK_STREAM if proto == 'tcp' else socket.SOCK_DGRAM
        with bed.ns('host'):
            self.server = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, kind)
        self.server.bind((host, 1001))
        self.client = bed.socket('operator', host, proto)
        if proto == 'tcp':
            self.server.listen()
            self.client.connect((host, 1001))
            self.server = self.server.accept()[0]
        else:
            self.client.connect((host, 1001))
            self.server.connect(self.client.getsockname()[:2])
        self.client.settimeout(8)
        self.server.settimeout(8)
        peer = self.client.getsockname()
        self.inward = proto, peer[0], peer[1], host, 1001
        self.outward = proto, host, 1001, peer[0], peer[1]
        self.talk(self.client, self.server)
        self.talk(self.server, self.client)

    @staticmethod
    def talk(sender, receiver):
        sender.send(b'x' * 1000)
        got = 0
        while got < 1000:
            got += len(receiver.recv(1000))


def entry(bed, flow):
    lines = probe(bed, 'find', *flow)
    assert len(lines) == 1, lines
    return lines[0]


def tuple_of(flow):
    return [socket.IPPROTO_TCP if flow[0] == 'tcp' else socket.IPPROTO_UDP, *flow[1:]]


def turn(bed, old):
    """Between the two a late acknowledgement may make an entry of its own."""
    assert said(bed, 'delete', *old.inward) == 'ok'
    deadline = time.monotonic() + 8
    while said(bed, 'create', *old.outward) != 'ok':
        assert time.monotonic() < deadline
        said(bed, 'delete', *old.inward)
        said(bed, 'delete', *old.outward)


def test_entry_decides_who_began():
    """The server sends first once tracking is on: without the entry it would count as the beginner (the second half shows
    that, so the first half shows something)."""
    with Bed() as bed:
        for family in 4, 6:
            for proto in 'tcp', 'udp':
                old = Old(bed, family, proto)
                assert said(bed, 'find', *old.inward) == 'ENOENT'
                assert said(bed, 'create', *old.inward) == 'ok'
                track(bed, family)
                old.talk(old.server, old.client)
                old.talk(old.client, old.server)
                assert counted(bed, family) == {('ESTABLISHED', 'ORIGINAL')}, (family, proto)
                for flow in old.inward, old.outward:  # found both ways, told one way
                    found = entry(bed, flow)
                    assert found['original'] == tuple_of(old.inward) and found['reply'] == tuple_of(old.outward), found
                    assert found['status'] & ALIVE == ALIVE, found
                # an entry that is the other way round: made, and found by the same packets
                turn(bed, old)
                counted(bed, family)
                old.talk(old.client, old.server)
                assert counted(bed, family) == {('ESTABLISHED', 'REPLY')}, (family, proto)
                assert entry(bed, old.inward)['original'] == tuple_of(old.outward)
                old.client.close()
                old.server.close()
                bed.root('host', [program(family), '-F'])
                bed.root('host', [program(family), '-X'])


def test_without_entry_the_server_begins():
    """What entries are for: the same, and none is made."""
    with Bed() as bed:
        old = Old(bed, 4)
        track(bed, 4)
        old.talk(old.server, old.client)
        old.talk(old.client, old.server)
        assert counted(bed, 4) == {('ESTABLISHED', 'REPLY')}
        assert entry(bed, old.inward)['original'] == tuple_of(old.outward)


def test_windows_are_not_checked():
    """Megabytes in flight, in windows whose scale the entry has never seen: none is INVALID."""
    for inward in True, False:
        with Bed() as bed:
            old = Old(bed, 4)
            assert said(bed, 'create', *old.inward) == 'ok'
            track(bed, 4)
            sender, receiver = (old.client, old.server) if inward else (old.server, old.client)
            thread = threading.Thread(target=sender.sendall, args=(bytes(64 << 20),))
            thread.start()
            got = 0
            while got < 64 << 20:
                got += len(receiver.recv(1 << 20))
            thread.join()
            assert counted(bed, 4) == {('ESTABLISHED', 'ORIGINAL')}, inward


def test_exclusive():
    with Bed() as bed:
        for family in 4, 6:
            peer, host = bed.addr('operator', family), bed.addr('host', family)
            for proto in 'tcp', 'udp':
                flow, back = (proto, peer, 4000, host, 22), (proto, host, 22, peer, 4000)
                assert said(bed, 'create', *flow) == 'ok'
                assert said(bed, 'create', *flow) == 'EEXIST'
                assert said(bed, 'create', *back) == 'EEXIST'
                assert said(bed, 'find', proto, peer, 4001, host, 22) == 'ENOENT'
                assert said(bed, 'delete', *back) == 'ENOENT'  # it did not begin so
                assert said(bed, 'find', *back) == 'ok'
                assert said(bed, 'delete', *flow) == 'ok'
                assert said(bed, 'delete', *flow) == 'ENOENT'
                assert said(bed, 'find', *flow) == 'ENOENT'
        assert said(bed, 'create', 'tcp', bed.addr('operator'), 1, bed.addr('host', 6), 1) == 'EINVAL'
        assert said(bed, 'create', 'tcp', '127.0.0.1', 4000, '127.0.0.1', 22) == 'ok'
        assert said(bed, 'delete', 'tcp', '127.0.0.1', 22, '127.0.0.1', 4000) == 'ENOENT'
        assert said(bed, 'delete', 'tcp', '127.0.0.1', 4000, '127.0.0.1', 22) == 'ok'
        assert probe(bed, 'dump') == []


def test_timeouts_are_the_usual_ones():
    with Bed() as bed:
        bed.sysctl('host', {'netfilter/nf_conntrack_tcp_timeout_established': 4321,
                            'netfilter/nf_conntrack_udp_timeout_stream': 77})
        for proto in 'tcp', 'udp':
            assert said(bed, 'create', proto, '192.0.2.10', 4000, '192.0.2.1', 22) == 'ok'
        lines = bed.run('host', ['cat', '/proc/net/nf_conntrack'])
        if lines.returncode:  # a kernel without that file
            return
        left = {line.split()[2]: int(line.split()[4]) for line in lines.stdout.splitlines()}
        assert 4300 <= left['tcp'] <= 4321 and 70 <= left['udp'] <= 77, left
        assert 'ESTABLISHED' in lines.stdout and '[ASSURED]' in lines.stdout


def test_dump():
    with Bed() as bed:
        flows = [('tcp', '192.0.2.10', 10000 + i, '192.0.2.1', 22) for i in range(2000)]
        flows += [('udp', '2001:db8::10', 10000 + i, '2001:db8::1', 53) for i in range(2000)]
        for start in range(0, len(flows), 500):
            assert said(bed, 'create', *[word for flow in flows[start:start + 500] for word in flow]) == 'ok'
        lines = probe(bed, 'dump')
        assert sorted(line['original'] for line in lines) == sorted(tuple_of(flow) for flow in flows)
        assert all(line['status'] & ALIVE == ALIVE for line in lines)
        assert len(probe(bed, 'dump-one')) == 2  # ended by the reader, and begun again
        assert probe(bed, 'dump', where='friend') == []


def test_dump_has_other_protocols():
    with Bed() as bed:
        track(bed, 4)
        bed.root('host', ['iptables', '-I', 'INPUT', '-p', 'icmp', '-m', 'conntrack', '--ctstate', 'NEW'])
        with bed.ns('operator'):
            ping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        ping.settimeout(8)
        ping.sendto(b'\x08\0\0\0\0\0\0\1', (bed.addr('host'), 0))
        assert ping.recv(64)
        lines = probe(bed, 'dump')
        assert [line['original'] for line in lines] == [[1, bed.addr('operator'), 0, bed.addr('host'), 0]], lines
