# SPDX-License-Identifier: GPL-2.0-or-later
"""The ground itself: that it tells served, refused and silent apart, and that it touches nothing of the machine."""
import os
import signal
import subprocess
import sys
import tempfile

import packet
from bed import NETNS, Bed, Fwd, Skip, rootfs

FAMILIES = (4, 6)
CLIENTS = ('operator', 'friend', 'stranger')


def tables(bed, family, *args, release='bookworm'):
    return bed.root('host', ['iptables' if family == 4 else 'ip6tables', *args], release).stdout


def test_served_without_rules():
    with Bed(guest=True) as bed:
        tcp, udp = bed.serve('host', 8080), bed.serve('host', 5353, 'udp')
        bed.serve('guest', 80)
        for family in FAMILIES:
            for name in CLIENTS:
                bed.expect('served', name, bed.addr('host', family), 8080)
                bed.expect('served', name, bed.addr('host', family), 5353, proto='udp')
                bed.expect('served', name, bed.addr('guest', family), 80)
                assert tcp.peers[-1][0] == udp.peers[-1][0] == bed.addr(name, family)
        bed.serve('stranger', 53, 'udp')
        bed.expect('served', 'host', bed.addr('stranger'), 53, proto='udp')
        bed.expect('served', 'guest', bed.addr('stranger', 6), 53, proto='udp')


def test_refused_where_nobody_listens():
    with Bed(guest=True) as bed:
        for family in FAMILIES:
            for proto in 'tcp', 'udp':
                bed.expect('refused', 'stranger', bed.addr('host', family), 81, proto=proto)
                bed.expect('refused', 'stranger', bed.addr('guest', family), 81, proto=proto)


def test_closed_server_is_gone():
    with Bed() as bed:
        server = bed.serve('host', 8080)
        flow = bed.flow('friend', bed.addr('host'), 8080)
        assert flow.talks()
        server.close()
        assert not flow.talks() and flow.broken
        bed.expect('refused', 'friend', bed.addr('host'), 8080)
        bed.serve('host', 8080)
        bed.expect('served', 'friend', bed.addr('host'), 8080)


def test_unreachable_is_not_silent():
    with Bed() as bed:
        bed.run('friend', ['ip', 'route', 'add', 'unreachable', '203.0.113.0/24'], check=True)
        bed.expect('unreachable', 'friend', '203.0.113.1', 80)


def drop_and_reject(release):
    with Bed(guest=True) as bed:
        bed.serve('host', 8080)
        bed.serve('host', 5353, 'udp')
        bed.serve('guest', 80)
        for family in FAMILIES:
            host, guest, stranger = (bed.addr(n, family) for n in ('host', 'guest', 'stranger'))
            for target, want in (('DROP', 'silent'), ('REJECT', 'refused')):
                for chain, proto in ('INPUT', 'tcp'), ('INPUT', 'udp'), ('FORWARD', 'tcp'):  # not neighbour discovery
                    tables(bed, family, '-A', chain, '-s', stranger, '-p', proto, '-j', target, release=release)
                bed.expect_all((want, 'stranger', host, 8080), (want, 'stranger', host, 5353, 'udp'),
                               (want, 'stranger', guest, 80), ('served', 'friend', host, 8080),
                               ('served', 'friend', host, 5353, 'udp'), ('served', 'friend', guest, 80))
                assert '-j ' + target in tables(bed, family, '-S', 'INPUT', release=release)
                tables(bed, family, '-F', release=release)
            bed.expect('served', 'stranger', host, 8080)
            bed.expect('served', 'stranger', guest, 80)


def test_drop_is_silent_and_reject_refused_bookworm():
    drop_and_reject('bookworm')


def test_drop_is_silent_and_reject_refused_trixie():
    drop_and_reject('trixie')


def test_wrong_expectations_fail():
    with Bed() as bed:
        bed.serve('host', 8080)
        tables(bed, 4, '-A', 'INPUT', '-p', 'tcp', '--dport', '8081', '-j', 'DROP')
        cases = [(want, 'friend', bed.addr('host'), port) for port in (8080, 8081, 8082)
                 for want in ('served', 'silent', 'refused', 'unreachable')]
        right = {8080: 'served', 8081: 'silent', 8082: 'refused'}
        for case in cases:
            try:
                bed.expect_all(case, within=0.3, quiet=0.3)
            except AssertionError:
                assert right[case[3]] != case[0]
            else:
                assert right[case[3]] == case[0], case


def test_ipset_decides():
    with Bed() as bed:
        bed.serve('host', 8080)
        bed.root('host', ['ipset', 'restore'], input='create w hash:net timeout 0\nadd w 192.0.2.20\n')
        tables(bed, 4, '-A', 'INPUT', '-m', 'set', '!', '--match-set', 'w', 'src', '-j', 'DROP')
        bed.expect('served', 'friend', bed.addr('host'), 8080)
        bed.expect('silent', 'stranger', bed.addr('host'), 8080)
        bed.expect('served', 'stranger', bed.addr('host', 6), 8080)


def test_flow_freezes_and_thaws():
    with Bed() as bed:
        bed.serve('host', 22)
        flow = bed.flow('operator', bed.addr('host'), 22)
        assert flow.talks()
        tables(bed, 4, '-I', 'INPUT', '-j', 'DROP')
        assert not flow.talks(0.5) and not flow.broken
        tables(bed, 4, '-F', 'INPUT')
        assert flow.talks(8)


def test_other_addresses():
    with Bed() as bed:
        server = bed.serve('host', 8080)
        for addr in '203.0.113.7', '2001:db8:77::7':
            bed.address('stranger', addr)
            bed.expect('served', 'stranger', bed.addr('host', 6 if ':' in addr else 4), 8080, source=addr, sport=40000)
            assert server.peers[-1] == (addr, 40000)


def test_raw_packets_arrive_as_made():
    with Bed(guest=True) as bed:
        server = bed.serve('host', 5353, 'udp')
        bed.serve('host', 8080)
        for family in FAMILIES:
            me, host, spoofed = (bed.addr(n, family) for n in ('stranger', 'host', 'friend'))
            with bed.ear('host') as ear:
                for ttl in 1, 255:
                    bed.send('stranger', packet.make(spoofed, host, 'udp', 40000 + ttl, 5353, ttl=ttl, payload=b'x'))
                    p = ear.wait(lambda p: p.sport == 40000 + ttl)
                    assert p and (p.src, p.ttl, p.dport, p.payload) == (spoofed, ttl, 5353, b'x'), vars(p)
            syn = packet.make(me, host, 'tcp', 40000, 8080, seq=77)
            p = bed.heard('stranger', syn, lambda p: p.proto == packet.TCP)
            assert p and (p.flags, p.ack, p.sport) == ('SA', 78, 8080), p and vars(p)
            ack = packet.make(me, host, 'tcp', 40001, 8080, 'A', ack=5)
            p = bed.heard('stranger', ack, lambda p: p.dport == 40001)
            assert p and p.flags == 'R', p and vars(p)
            echo = packet.make(me, host, *(('icmp', 0, 0, 'S', 1, 0, 8) if family == 4 else ('icmp6', 0, 0, 'S', 1, 0, 128)))
            p = bed.heard('stranger', echo, lambda p: p.type in (0, 129))
            assert p and p.src == host
            p = bed.heard('stranger', packet.make(me, host, 'udp', 40002, 81), lambda p: p.inner)
            assert p and p.src == host and p.inner.sport == 40002 and (p.type, p.code) == ((3, 3) if family == 4 else (1, 4))
            whole = packet.make(me, host, 'udp', 40003, 5353, payload=b'0123456789' * 20)
            pieces = packet.fragments(whole, 64)
            p = bed.heard('stranger', pieces, lambda p: p.dport == 40003)
            assert len(pieces) == 4 and p and p.payload == b'0123456789' * 20
            assert not bed.heard('stranger', pieces[:-1], lambda p: p.dport == 40003, 0.2)
            far = packet.make(me, bed.addr('guest', family), 'udp', 40004, 81, ttl=1)
            p = bed.heard('stranger', far, lambda p: p.inner and p.inner.sport == 40004)
            assert p and p.type == (11 if family == 4 else 3), 'time exceeded where it is forwarded'
        assert (bed.addr('friend'), 40255) in server.peers


def test_multicast_is_heard():
    with Bed() as bed:
        for group, proto, type_ in ('224.0.0.1', 'igmp', 0x11), ('ff02::1', 'icmp6', 130):
            src = '192.0.2.30' if '.' in group else 'fe80::30'
            with bed.ear('host') as ear:
                bed.send('stranger', packet.make(src, group, proto, type=type_, ttl=1, payload=b'\x11\0\0\0'))
                assert ear.wait(lambda p: p.dst == group)


def test_link_is_there_at_once():
    for unused in range(20):
        with Bed() as bed:
            bed.serve('host', 8080)
            for family in FAMILIES:
                assert bed.connect('stranger', bed.addr('host', family), 8080, timeout=0.9) == 'served'


def machine():
    """What could have been touched: links, addresses, routes and rules of the namespace that the tests are started in."""
    def told(*argv):
        return subprocess.run(argv, capture_output=True, text=True).stdout
    with open('/proc/net/dev') as f:
        links = sorted(line.split(':')[0].strip() for line in f if ':' in line)
    rules = told('chroot', rootfs('bookworm'), 'nft', 'list', 'ruleset')
    sets = told('chroot', rootfs('bookworm'), 'ipset', 'list', '-n')
    sysctls = {}
    for path in 'ipv4/ip_forward', 'ipv4/conf/all/rp_filter', 'ipv4/icmp_ratelimit', 'ipv6/conf/default/accept_dad':
        if os.path.exists('/proc/sys/net/' + path):
            with open('/proc/sys/net/' + path) as f:
                sysctls[path] = f.read()
    return {'links': links, 'addresses': told('ip', '-o', '-4', 'addr') and told('ip', '-br', 'addr'),
            'routes': told('ip', 'route') + told('ip', '-6', 'route'), 'rules': rules, 'sets': sets, 'sysctls': sysctls,
            'ns': os.readlink('/proc/self/ns/net')}


def test_machine_is_untouched():
    if not os.path.isdir('/proc/sys/net') or os.geteuid():
        raise Skip('needs root')
    before = machine()
    with Bed(guest=True) as bed:
        bed.serve('host', 8080)
        tables(bed, 4, '-P', 'INPUT', 'DROP')
        bed.root('host', ['ipset', 'create', 'w', 'hash:net'])
        bed.expect('silent', 'stranger', bed.addr('host'), 8080, quiet=0.3)
        during = machine()
        names = [bed.netns(n) for n in bed.names]
        mounts, directory = bed.root_dir(), bed.dir
        assert all(os.path.exists(n) for n in names) and os.path.isdir(mounts + '/usr')
    assert before == during == machine()
    assert not any(os.path.exists(n) for n in names + [mounts, directory])


def test_exception_leaves_nothing():
    try:
        with Bed() as bed:
            names = [bed.netns(n) for n in bed.names]
            sleeper = bed.popen('host', ['sleep', '1000'])
            raise KeyError('on purpose')
    except KeyError:
        pass
    assert not any(os.path.exists(n) for n in names) and sleeper.returncode is not None


def test_killed_run_is_swept():
    script = ('import sys; sys.path.insert(0, %r)\nfrom bed import Bed\nwith Bed() as bed:\n'
              '    p = bed.popen("host", ["sleep", "1000"])\n    print(bed.prefix, p.pid, flush=True)\n    input()\n')
    with Bed():
        here = os.path.dirname(os.path.abspath(__file__))
        run = subprocess.Popen([sys.executable, '-c', script % here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        prefix, pid = run.stdout.readline().split()
        run.kill()
        run.wait()
        assert os.path.exists(NETNS + '/' + prefix + 'host') and os.path.exists('/proc/' + pid)
    with Bed():
        left = [n for d in (NETNS, tempfile.gettempdir()) for n in os.listdir(d) if n.startswith(prefix)]
    assert not left and not os.path.exists('/proc/%s/exe' % pid), left


FAKE = '''#!/usr/bin/env python3
import os, signal, socket, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if 'fail' in open(args['-c']).read():
    sys.exit('fwd.conf:1: no such word')
def leave(*unused):
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
open(args['-d'] + '/ipsets', 'a').write('COMMIT\\n')
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect('/dev/log')
log.send(b'<86>fwd: starts\\0')
server = socket.socket(socket.AF_UNIX)
server.bind(args['-s'])
server.listen()
if 'mute' not in open(args['-c']).read():
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1\\nSTATUS=x', os.environ['NOTIFY_SOCKET'])
units = '/etc/systemd/system'
print('ready', 'SSH_CONNECTION' in os.environ, sorted(os.listdir('/dev')), flush=True)
print(os.listdir(units) if os.path.isdir(units) else ['x.socket'], flush=True)
try:
    signal.pause()
finally:
    os.unlink(args['-s'])
'''
FAKE_CTL = '''#!/bin/sh
[ "$1" = --socket ] && [ -S "$2" ] || { echo no daemon >&2; exit 3; }
shift 2
[ "$1" = --json ] && { shift; echo '{"changed": false}'; exit 0; }
echo "$* $SSH_CONNECTION"; exit 4
'''


def fake(bed):
    paths = []
    for name, text in (('fake-fwd', FAKE), ('fake-ctl', FAKE_CTL)):
        paths.append(os.path.join(bed.dir, name))
        with open(paths[-1], 'w') as f:
            f.write(text)
        os.chmod(paths[-1], 0o755)
    return {'program': paths[0], 'client': paths[1]}


def test_fwd_is_started_told_and_ended():
    os.environ['SSH_CONNECTION'] = 'not to be seen'
    with Bed() as bed:
        with Fwd(bed, start=False, **fake(bed)) as fwd:
            if os.path.isdir('/etc/systemd/system'):
                fwd.unit('/etc/systemd/system/x.socket', '')
            fwd.start()
            assert fwd.ctl('enable', check=4) == (4, 'enable \n', '')
            assert fwd.ctl('x', env={'SSH_CONNECTION': 'a b'})[1] == 'x a b\n'
            assert fwd.ctl('status', json=True, check=True)[1] == {'changed': False}
            assert fwd.syslog.wait('starts').endswith('fwd: starts')
            assert "ready False ['full', 'log', 'null', 'random', 'urandom', 'zero']" in fwd.log()
            assert "['x.socket']" in fwd.log()
            assert os.readlink('/proc/%d/ns/net' % fwd.process.pid) != os.readlink('/proc/self/ns/net')
            pid = fwd.process.pid
            fwd.restart()
            assert fwd.process.pid != pid and fwd.ipsets() == 'COMMIT\nCOMMIT\n' and fwd.rules(4) is None
            fwd.signal(signal.SIGSTOP)
            fwd.kill()
            assert not fwd.running()
            os.unlink(fwd.socket)
            assert fwd.ctl('status')[0] == 3
        last = fwd.process
    assert last.returncode is not None


def test_fwd_that_does_not_start_is_told():
    with Bed() as bed:
        for conf, within, want in ('fail', 10, 'ended with 1 before it was ready'), ('mute', 0.5, 'is not ready after'):
            try:
                with Fwd(bed, conf, start=False, **fake(bed)) as fwd:
                    fwd.start(within)
                raise RuntimeError('started')
            except AssertionError as error:
                assert want in str(error), error
