# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said before a trial: who would be cut, by name; which ports change; and that packets then do what was said."""
import json
import os
import platform
import signal
import socket
import struct
import time

from bed import Bed, Fwd, Skip
from sshd import Sshd, wait_for

WHITELIST = '[firewall]\nssh = whitelist\nssh-ports = 22\n'
ANYONE = '[firewall]\nssh = anyone\nssh-ports = 22\n'
DAY = 86400


def preflight(fwd, *command, check=0):
    return fwd.ctl(*(command or ('enable', '--dry-run')), json=True, check=check)[1]['result']['preflight']


def cut(part):
    """What of a list is cut: it comes first."""
    return part['list'][:part['cut']]


def logged_in(fwd, n):
    """Authenticated, that is, seen."""
    wait_for('%d logins' % n, lambda: preflight(fwd)['logins']['total'] == n)


def kernel(bed):
    return [bed.root('host', argv).stdout for argv in (['iptables-save'], ['ip6tables-save'], ['ipset', 'save'])]


def files(fwd):
    found = {}
    for top in fwd.iptables, fwd.state:
        for name in sorted(os.listdir(top)):
            with open(os.path.join(top, name), 'rb') as f:
                found[name] = f.read()
    return found


def say(fwd, verb, **args):
    """A request past fwctl."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(fwd.socket)
        sock.sendall(json.dumps({'verb': verb, 'args': args}).encode() + b'\n')
        with sock.makefile() as lines:
            return json.loads(lines.readline())


def test_a_login_that_would_be_cut():
    """Named and refused; with force, or somebody at a terminal, on trial; let in first, no question."""
    for family, user in (4, 'alice'), (6, 'root'):
        with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
            sshd = Sshd(bed, 'bookworm')
            peer = bed.addr('operator', family)
            session = sshd.ssh(user, family)
            tty = os.readlink('/proc/%d/fd/0' % session.shell()).partition('/dev/')[2]
            logged_in(fwd, 1)
            before = kernel(bed), files(fwd)
            look = preflight(fwd)
            assert look['logins']['cut'] == 1 and cut(look['logins']) == [
                {'user': user, 'tty': tty, 'from': peer, 'port': 22, 'before': 'accept', 'after': 'drop'}], look['logins']
            code, answer, _ = fwd.ctl('enable', json=True)
            assert code == 1 and answer['error']['text'] == 'this would cut a login: %s from %s on %s; nothing was changed' % (
                user, peer, tty), answer
            assert 'fwctl allow ' + peer in answer['error']['hint'] and '--force' in answer['error']['hint'], answer
            assert (kernel(bed), files(fwd)) == before
            assert fwd.ctl('status', json=True, check=0)[1]['result']['state'] == 'off'
            for begin in (lambda: fwd.ctl('enable', '--force', json=True, check=4)[1], lambda: say(fwd, 'enable', interactive=True)):
                answer = begin()
                assert answer['exit'] == 4 and cut(answer['result']['preflight']['logins'])[0]['from'] == peer, answer
                fwd.ctl('rollback', check=0)
            fwd.ctl('allow', peer, check=0)
            look = preflight(fwd, 'enable', check=4)
            assert look['logins']['cut'] == 0 and look['logins']['list'][0]['after'] == 'accept', look['logins']
            session.shell()


def test_reload_that_narrows():
    """By fwctl and by SIGHUP, which has no terminal; one that only opens asks nothing."""
    with Bed() as bed, Fwd(bed, conf=ANYONE) as fwd:
        sshd = Sshd(bed, 'bookworm')
        sessions = [sshd.ssh('root', 4), sshd.ssh('alice', 6), sshd.ssh('alice', 4, 'friend', tty=False)]
        for session in sessions:
            session.shell()
        logged_in(fwd, 3)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        fwd.ctl('allow', bed.addr('operator', 6), check=0)
        fwd.write_conf(WHITELIST)
        look = preflight(fwd, 'reload', '--dry-run')
        assert sorted(item['from'] for item in cut(look['logins'])) == [bed.addr('operator'), bed.addr('friend')], look['logins']
        assert [item['user'] for item in look['logins']['list'][2:]] == ['alice'], look['logins']
        code, answer, _ = fwd.ctl('reload', json=True)
        text = answer['error']['text']
        assert code == 1 and text.startswith('this would cut logins: '), answer
        assert 'root from ' + bed.addr('operator') in text and 'alice from ' + bed.addr('friend') in text and text.count(' from ') == 2, answer
        fwd.signal(signal.SIGHUP)
        fwd.syslog.wait(r'reload: this would cut logins: ')
        assert fwd.ctl('status', json=True)[1]['result']['state'] == 'on'
        fwd.ctl('reload', '--force', check=4)
        fwd.ctl('rollback', check=0)
        for session in sessions:
            session.shell()
        fwd.write_conf(ANYONE + 'trust = dummy7\n')
        assert 'preflight' not in fwd.ctl('reload', json=True, check=0)[1]['result']


def test_many_logins():
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        sshd = Sshd(bed, 'bookworm')
        sessions = [sshd.ssh('alice', tty=False) for _ in range(6)]
        for session in sessions:
            session.shell()
        logged_in(fwd, 6)
        text = fwd.ctl('enable', json=True, check=1)[1]['error']['text']
        assert text.count('alice from') == 4 and ' and 2 more;' in text, text


def test_logins_elsewhere_do_not_count():
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        sshd = Sshd(bed, 'bookworm', where='friend')
        sshd.ssh('root').shell()
        look = preflight(fwd, 'enable', check=4)
        assert look['logins']['total'] == 0 and look['flows']['total'] == 0, look


def test_cannot_tell_counts_as_cut():
    """A rule of others that nobody can read lets the login in, or not."""
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        sshd = Sshd(bed, 'bookworm')
        sshd.ssh('root').shell()
        logged_in(fwd, 1)
        bed.root('host', ['iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', '22', '-m', 'statistic', '--mode', 'random', '--probability',
                          '0.5', '-j', 'ACCEPT'])
        look = preflight(fwd)
        assert cut(look['logins'])[0]['after'] == 'cannot tell', look['logins']
        fwd.ctl('enable', check=1)


def rows(look):
    return {(item['proto'], item['address'], item['port']): item for item in look['ports']['list']}


def test_ports_as_packets_find_them():
    """Every port of the table, asked by a stranger and by somebody listed, before and after."""
    word = {'accept': 'served', 'drop': 'silent'}
    with Bed() as bed, Fwd(bed, conf=ANYONE) as fwd:
        for port, proto, family in (22, 'tcp', None), (80, 'tcp', 4), (81, 'tcp', 6), (53, 'udp', None), (9090, 'tcp', None), (
                7070, 'tcp', None):
            bed.serve('host', port, proto, family)
        bed.serve('host', 82, family=4, addr=bed.addr('host'))
        bed.serve('host', 83, family=6, addr=bed.addr('host', 6))
        bed.serve('host', 84, family=4, addr='127.0.0.1')
        bed.serve('host', 85, family=6, addr='::1')
        with bed.ns('host'):
            dual = socket.create_server(('::', 86), family=socket.AF_INET6, dualstack_ipv6=True)
        bed.root('host', ['iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', '9090', '-j', 'ACCEPT'])
        bed.root('host', ['ip6tables', '-I', 'INPUT', '-p', 'tcp', '--dport', '7070', '-j', 'DROP'])
        second = '192.0.2.2'
        bed.address('host', second)
        bed.serve('host', 87, family=4, addr=second)
        bed.root('host', ['iptables', '-I', 'INPUT', '-d', second, '-p', 'tcp', '--dport', '87', '-j', 'ACCEPT'])
        fwd.ctl('allow', bed.addr('friend'), bed.addr('friend', 6), check=0)
        table = rows(preflight(fwd))
        assert {key[2] for key in table} == {22, 80, 81, 53, 9090, 7070, 82, 83, 86, 87}, table
        assert len(table) == 15, table
        assert ('tcp', '0.0.0.0', 86) in table and ('tcp', '::', 86) in table, 'one socket, both families'

        def check(when):
            cases = []
            for (proto, address, port), item in table.items():
                if port == 86:
                    continue
                to = bed.addr('host', 6 if ':' in address else 4) if address in ('0.0.0.0', '::') else address
                for who, name in ('stranger', 'stranger'), ('listed', 'friend'):
                    cases.append((word[item[who][when]], name, to, port, proto))
            bed.expect_all(*cases)
        check('before')
        assert table['tcp', '0.0.0.0', 9090]['stranger'] == {'before': 'accept', 'after': 'accept'}
        assert table['tcp', '::', 9090]['stranger'] == {'before': 'accept', 'after': 'drop'}
        assert table['tcp', second, 87]['stranger'] == {'before': 'accept', 'after': 'accept'}, 'by the socket\'s own address'
        assert table['tcp', '::', 7070]['listed'] == {'before': 'drop', 'after': 'drop'}
        assert table['tcp', '0.0.0.0', 22]['stranger']['after'] == 'accept'
        said = rows(preflight(fwd, 'enable', check=4))
        assert said == table
        check('after')
        fwd.ctl('confirm', '--force', check=0)
        check('after')
        fwd.write_conf(WHITELIST)
        table = rows(preflight(fwd, 'reload', '--dry-run'))
        assert [key for key, item in table.items() if item['stranger']['before'] != item['stranger']['after']] == [
            ('tcp', '0.0.0.0', 22), ('tcp', '::', 22)], table
        check('before')
        fwd.ctl('reload', check=4)
        check('after')
        dual.close()


def test_connections():
    """Those that are named end, the others stay; more than fifty are counted; the host's own are none of them."""
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        bed.serve('host', 8080)
        bed.serve('stranger', 9000)
        own = bed.flow('host', bed.addr('stranger'), 9000)
        stay = [bed.flow('friend', bed.addr('host', family), 8080) for family in (4, 6)]
        go = [bed.flow('operator', bed.addr('host', family), 8080) for family in (4, 6)]
        fwd.ctl('allow', bed.addr('friend'), bed.addr('friend', 6), check=0)
        look = preflight(fwd)['flows']
        assert look['total'] == 4 and look['cut'] == 2, look
        assert sorted((item['peer'], item['peer_port'], item['port']) for item in look['list']) == sorted(
            flow.sock.getsockname()[:2] + (8080,) for flow in go), look
        fwd.ctl('enable', check=4)
        assert all(flow.talks(8) for flow in stay + [own])
        assert not any(flow.talks() for flow in go)
        fwd.ctl('rollback', check=0)
        more = [bed.flow('operator', bed.addr('host'), 8080) for _ in range(60)]
        look = preflight(fwd)['flows']
        assert len(look['list']) == 50 and look['cut'] >= len(more), look
        out = fwd.ctl('enable', '--dry-run', check=0)[1]
        assert 'and %d more' % (look['cut'] - 50) in out and all(len(line) < 80 for line in out.split('What it would cut')[1].split('\n')), out


def record(user, host='', addr='', when=None, kind=7):
    packed = b''
    if addr:
        packed = socket.inet_pton(socket.AF_INET6 if ':' in addr else socket.AF_INET, addr)
    return struct.pack('<hxxi32s4s32s256shhiII16s20x', kind, 1, b'pts/0', b'', user.encode(), host.encode(), 0, 0, 0,
                       int(time.time()) - 3600 if when is None else when, 0, packed)


def write_wtmp(fwd, *records):
    if platform.machine() != 'x86_64':
        raise Skip('the records of wtmp look different here')
    with open(fwd.var_log + '/wtmp', 'wb') as f:
        f.write(b''.join(records))


def test_where_administrators_came_from():
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        operator, friend, stranger = (bed.addr(name) for name in ('operator', 'friend', 'stranger'))
        now = int(time.time())
        assert preflight(fwd)['admins'] is None
        assert 'no wtmp' in fwd.ctl('enable', '--dry-run', check=0)[1]
        write_wtmp(fwd, record('root', operator, when=now - 3 * DAY), record('root', 'desk.example', bed.addr('friend', 6)),
                   record('root', stranger, when=now - 91 * DAY), record('nobody7', stranger), record('root', operator, when=now - DAY),
                   record('root', friend, kind=8), record('root', ':0'), record('root', stranger, when=now + 2 * DAY))
        fwd.ctl('allow', operator, check=0)
        look = preflight(fwd)['admins']
        assert look == {'total': 2, 'cut': 1, 'unasked': 0, 'list': [
            {'user': 'root', 'from': bed.addr('friend', 6), 'last': look['list'][0]['last'], 'before': 'accept', 'after': 'drop'},
            {'user': 'root', 'from': operator, 'last': now - DAY, 'before': 'accept', 'after': 'accept'}]}, look
        assert bed.addr('friend', 6) in fwd.ctl('enable', '--dry-run', check=0)[1]
        # an earlier login is a hint, and refuses nothing
        fwd.ctl('enable', check=4)


def test_hostile_wtmp():
    """Whatever lies there: an answer in time, and nobody who did not log in."""
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        operator = bed.addr('operator')
        good = record('root', operator)
        path = fwd.var_log + '/wtmp'

        def admins(**want):
            begun = time.monotonic()
            look = preflight(fwd)['admins']
            assert time.monotonic() - begun < 10
            got = look and {'total': look['total'], 'unasked': look['unasked'], 'from': [item['from'] for item in look['list']]}
            assert got == (dict({'unasked': 0}, **want) if want else None), got
        write_wtmp(fwd, b'')
        admins(total=0, **{'from': []})
        write_wtmp(fwd, good, good[:200])
        admins(total=1, **{'from': [operator]})
        write_wtmp(fwd, os.urandom(384 * 50), good)
        look = preflight(fwd)['admins']
        assert operator in [item['from'] for item in look['list']], look
        write_wtmp(fwd, b'\xff' * 384 * 10, record('root', '\033[2J' * 40), record('root' * 8, operator), record('root', 'x' * 256))
        admins(total=0, **{'from': []})
        write_wtmp(fwd, record('root', operator, when=0), record('root', operator, when=2 ** 32 - 1),
                   record('root', operator, when=int(time.time()) + DAY))
        admins(total=0, **{'from': []})
        # more addresses than are told, more records than are read, a file of 64 GiB
        write_wtmp(fwd, *[record('root', '10.1.%d.%d' % (i >> 8, i & 255)) for i in range(300)])
        look = preflight(fwd)['admins']
        assert (look['total'], look['unasked'], len(look['list'])) == (256, 44, 256), look
        write_wtmp(fwd, record('root', bed.addr('friend')), good * 70000)
        admins(total=1, **{'from': [operator]})
        os.truncate(path, 64 << 30)
        admins(total=0, **{'from': []})
        os.unlink(path)
        os.mkfifo(path)
        admins()
        os.unlink(path)
        os.symlink('/dev/zero', path)
        admins()
        assert fwd.running()
