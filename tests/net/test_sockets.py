# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets as sock_diag tells them, against sockets that the test made itself."""
import os
import socket

from bed import Bed
from probe import probe, said

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
V4, V6 = socket.AF_INET, socket.AF_INET6


def made(bed, family, kind, addr, port, listen=False, v6only=None):
    with bed.ns('host'):
        sock = socket.socket(family, kind)
    if v6only is not None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    sock.bind((addr, port))
    if listen:
        sock.listen()
    return sock


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def only(lines, sock):
    found = [line for line in lines if line['inode'] == inode(sock)]
    assert len(found) == 1, (found, lines)
    return found[0]


def check(line, **want):
    assert {k: line[k] for k in want} == want, (line, want)


def test_listening():
    with Bed() as bed:
        four = made(bed, V4, TCP, '0.0.0.0', 1001, True)
        both = made(bed, V6, TCP, '::', 1002, True, 0)
        six = made(bed, V6, TCP, '::', 1001, True, 1)
        mapped = made(bed, V6, TCP, '::ffff:192.0.2.1', 1003, True, 0)
        udp = made(bed, V4, UDP, '192.0.2.1', 1001)
        udp6 = made(bed, V6, UDP, '::', 1004, v6only=1)
        bound = made(bed, V4, TCP, '0.0.0.0', 1005)  # and not listening
        idle = bed.socket('host', '192.0.2.1', 'udp')  # not bound
        busy = bed.socket('host', '192.0.2.1', 'udp', source='192.0.2.1', sport=1006)
        busy.connect(('192.0.2.10', 53))
        lines = probe(bed, 'listening')
        check(only(lines, four), proto='tcp', local='0.0.0.0', local_port=1001, peer='0.0.0.0', peer_port=0, listening=True,
              v6only=False, uid=0)
        check(only(lines, both), proto='tcp', local='::', local_port=1002, v6only=False, listening=True)
        check(only(lines, six), proto='tcp', local='::', local_port=1001, v6only=True)
        check(only(lines, mapped), proto='tcp', local='192.0.2.1', local_port=1003)
        check(only(lines, udp), proto='udp', local='192.0.2.1', local_port=1001, peer_port=0, listening=True)
        check(only(lines, udp6), proto='udp', local='::', local_port=1004, v6only=True)
        assert len(lines) == 6 and not {inode(bound), inode(idle), inode(busy)} & {line['inode'] for line in lines}, lines
        assert probe(bed, 'listening', where='friend') == []
        assert len(probe(bed, 'listening-one')) == 1  # the reader ends it
        lines = probe(bed, 'connected')
        check(only(lines, busy), proto='udp', local='192.0.2.1', local_port=1006, peer='192.0.2.10', peer_port=53,
              listening=False)
        assert len(lines) == 1, lines


def test_connected():
    with Bed() as bed:
        server = made(bed, V6, TCP, '::', 1001, True, 0)  # IPv4 comes in mapped
        clients = {addr: bed.socket('operator', addr) for addr in ('192.0.2.1', '2001:db8::1')}
        waiting = bed.socket('operator', '192.0.2.1')
        for addr, client in clients.items():
            client.connect((addr, 1001))
        accepted = [server.accept()[0] for client in clients]
        waiting.connect(('192.0.2.1', 1001))  # in the queue of the listener: nobody's yet
        away = bed.socket('host', '192.0.2.99')
        away.setblocking(False)
        away.connect_ex(('192.0.2.99', 1))  # nobody there: SYN_SENT
        lines = probe(bed, 'connected')
        for (addr, client), sock in zip(clients.items(), accepted):
            check(only(lines, sock), proto='tcp', local=addr, local_port=1001, peer=client.getsockname()[0],
                  peer_port=client.getsockname()[1], listening=False, v6only=False)
        check(only(lines, away), peer='192.0.2.99', peer_port=1)
        queued = [line for line in lines if line['peer_port'] == waiting.getsockname()[1]]
        assert len(queued) == 1 and queued[0]['inode'] == 0 and len(lines) == 4, lines
        # half closed by the peer, and by us
        clients['192.0.2.1'].shutdown(socket.SHUT_WR)
        assert accepted[0].recv(1) == b''
        accepted[1].shutdown(socket.SHUT_WR)
        assert clients['2001:db8::1'].recv(1) == b''
        lines = probe(bed, 'connected')
        assert only(lines, accepted[0]) and only(lines, accepted[1])
        # both ways: over
        accepted[0].close()
        assert clients['192.0.2.1'].recv(1) == b''
        lines = probe(bed, 'connected')
        assert not [line for line in lines if line['peer_port'] == clients['192.0.2.1'].getsockname()[1]], lines


def test_destroy():
    with Bed() as bed:
        server = made(bed, V6, TCP, '::', 1001, True, 0)
        for addr in '192.0.2.1', '2001:db8::1':
            client = bed.socket('operator', addr)
            client.connect((addr, 1001))
            sock = server.accept()[0]
            flow = addr, 1001, *client.getsockname()[:2]
            assert said(bed, 'destroy', *flow, 2) == 'ENOENT'  # the second time, and it takes nobody else's
            for end in client, sock:
                end.settimeout(8)
                try:
                    assert end.recv(1) == b'', 'still there'
                    assert end is client, 'no error at the end that was destroyed'
                except (ConnectionResetError, ConnectionAbortedError):
                    pass
            assert said(bed, 'destroy', *flow) == 'ENOTCONN'
            again = bed.socket('operator', addr)
            again.connect((addr, 1001))  # the listener, which has the addresses too, lives
            assert server.accept()


def test_destroy_link_local():
    """Its addresses are not enough to find it."""
    with Bed() as bed:
        server = made(bed, V6, TCP, '::', 1001, True, 0)
        client = bed.socket('operator', '::')
        out = bed.run('host', ['ip', '-o', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'link'], check=True).stdout
        local = out.split()[out.split().index('inet6') + 1].split('/')[0]
        with bed.ns('operator'):
            index = socket.if_nametoindex('eth0')
        client.connect((local, 1001, 0, index))
        assert server.accept()
        assert said(bed, 'destroy', local, 1001, *client.getsockname()[:2]) == 'ok'


def test_held():
    with Bed() as bed:
        sockets = [made(bed, V4, TCP, '0.0.0.0', 1001 + i, True) for i in range(3)]
        held = probe(bed, 'held', os.getpid())
        wanted = [inode(sock) for sock in sockets]
        assert [i for i in held if i in wanted] == wanted, (held, wanted)
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        assert said(bed, 'held', pid) == 'ENOENT'


def test_many():
    """More than any buffer holds."""
    with Bed() as bed:
        server = made(bed, V4, TCP, '0.0.0.0', 1001, True)
        server.listen(1024)
        clients = []
        for _ in range(400):
            clients.append(bed.socket('host', '192.0.2.1'))
            clients[-1].connect(('192.0.2.1', 1001))
        lines = probe(bed, 'connected')
        ports = {client.getsockname()[1] for client in clients}
        assert {line['local_port'] for line in lines} == ports | {1001}
        assert {line['inode'] for line in lines} >= {inode(client) for client in clients}


def test_route():
    with Bed(guest=True) as bed:
        assert probe(bed, 'route', '192.0.2.77') == [['eth0', '192.0.2.1']]
        assert probe(bed, 'route', '2001:db8:1::2') == [['guest0', '2001:db8:1::1']]
        for kind, error in ('unreachable', 'EHOSTUNREACH'), ('prohibit', 'EACCES'):
            bed.run('host', ['ip', 'route', 'replace', kind, '203.0.113.0/24'], check=True)
            assert said(bed, 'route', '203.0.113.1') == error
        bed.run('host', ['ip', 'route', 'del', 'default'], check=True)
        assert said(bed, 'route', '198.18.0.1') == 'ENETUNREACH'


def test_descriptors_have_a_limit():
    """A process may hold a million; the first count."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 20000:
        from bed import Skip
        raise Skip('no more than %d descriptors here' % hard)
    with Bed() as bed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20000, hard))
        first = made(bed, V4, TCP, '0.0.0.0', 1001, True)
        fds = [os.dup(0) for _ in range(16500)]
        last = made(bed, V4, TCP, '0.0.0.0', 1002, True)
        lines = probe(bed, 'held', os.getpid())
        assert lines[-1] == {'error': 'E2BIG'} and inode(first) in lines and inode(last) not in lines, lines
        for fd in fds:
            os.close(fd)
