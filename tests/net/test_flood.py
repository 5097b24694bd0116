# SPDX-License-Identifier: GPL-2.0-or-later
"""500 changes of rules under a flood: nothing allowed is lost, nothing denied gets through, policies switched among them.

tests/net/flood.c sends numbered datagrams from an allowed and a denied source, both families, to the host and through it, and
accounts for each. The allowed stream is judged always, the denied one from the answer to `enable` until `disable` is asked."""
import contextlib
import itertools
import json
import socket
import struct
import subprocess
import time

from bed import Bed, Fwd, timeout
from daemon import built

PORT = 7777
DENIED = {4: '192.0.2.99', 6: '2001:db8::99'}
CHANGES = 500
WAYS = {'input4', 'forward4', 'input6', 'forward6'}
NFT_GETGEN, NFTA_GEN_ID = 10 << 8 | 16, 1
CONF = '[firewall]\nssh-ports = %s\n'


class Flood:
    """The running flood. Both sources are addresses of friend: one sender, one queue for both."""

    def __init__(self, bed):
        sender = 'friend'
        for addr in DENIED.values():
            bed.address(sender, addr)
        still(bed)
        argv = [built('tests/net/flood')] + [bed.netns(n) for n in (sender, 'host', 'guest')] + [str(PORT)]
        for family in (4, 6):
            argv += [bed.addr(sender, family), DENIED[family], bed.addr('host', family), bed.addr('guest', family)]
        self.process = bed.popen(sender, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, 'flood ended with %s' % self.process.wait()
        return json.loads(line)

    def account(self):
        return self.tell('report')

    def until(self, condition, ways=WAYS, within=20.0):
        """The first account for which @condition holds of each of @ways."""
        deadline = time.monotonic() + within
        while True:
            account = self.account()
            if all(condition(account['ways'][name]) for name in ways):
                return account
            assert time.monotonic() < deadline, account


def still(bed):
    """Neighbours that need not be asked for: whether they may is for the tests of the baseline."""
    for name, addr, mac in (('friend', bed.addr('host'), '02:00:00:00:00:01'), ('friend', bed.addr('host', 6), '02:00:00:00:00:01'),
                            ('host', bed.addr('guest'), '02:00:00:00:01:02'), ('host', bed.addr('guest', 6), '02:00:00:00:01:02')):
        device = 'guest0' if name == 'host' else 'eth0'
        bed.run(name, ['ip', 'neigh', 'replace', addr, 'lladdr', mac, 'dev', device, 'nud', 'permanent'], check=True)


def spotless(account):
    for name, way in account['ways'].items():
        assert way['lost'] == way['through'] == way['repeated'] == 0, (name, account)


class Generation:
    """The kernel's count of commits of rules in the host's namespace."""

    def __init__(self, bed):
        with bed.ns('host'):
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.sock.settimeout(10)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    def read(self):
        self.sock.send(struct.pack('=IHHIIBBH', 20, NFT_GETGEN, 1, 0, 0, 0, 0, 0))
        data, at = self.sock.recv(65536), 20
        while at < len(data):
            length, kind = struct.unpack_from('=HH', data, at)
            if kind == NFTA_GEN_ID:
                return struct.unpack_from('>I', data, at + 4)[0]
            at += (length + 3) & ~3
        raise AssertionError(data)


class Changes:
    """Everything that changes rules or lists, through the real daemon and beside it. What was done last is told when a test
    fails: with its time, as the flood tells that of a loss."""

    def __init__(self, bed, fwd, flood):
        self.bed, self.fwd, self.flood, self.done = bed, fwd, flood, []
        self.nets = itertools.count()

    def note(self, what):
        self.done.append((round(time.monotonic(), 4), what))

    def ask(self, verb, code=0, **args):
        """Without the half of the time that it takes to start fwctl."""
        self.note('%s %s' % (verb, args or ''))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(self.fwd.socket)
            sock.sendall(json.dumps({'verb': verb, 'args': args}).encode() + b'\n')
            answer = json.loads(sock.makefile().readline())
        assert answer['exit'] == code, (verb, args, answer, self.fwd.log())
        return answer

    def foreign(self, *argv):
        self.note(' '.join(argv))
        self.bed.root('host', list(argv))

    def ctl(self, *args, check=0):
        self.note('fwctl ' + ' '.join(args))
        self.fwd.ctl(*args, check=check)

    def reload(self, ports, code):
        self.fwd.write_conf(CONF % ports)
        self.ask('reload', code)

    # ---- each returns as it found things, but for what the daemon confirmed

    def enable(self):
        self.ctl('enable', check=4)
        self.flood.tell('judge')
        self.ctl('confirm', '--force')

    def disable(self):
        self.flood.tell('pardon')
        self.ctl('disable')

    def switches(self):
        """Policies, there and back."""
        for _ in range(2):
            self.enable()
            self.disable()

    def begun_and_given_up(self):
        self.ask('enable', 4)
        self.flood.tell('judge')
        self.flood.tell('pardon')
        self.ask('rollback')

    def reloads(self):
        self.reload('22 2222 2200', 0)
        self.reload('22 2200', 4)
        self.ask('rollback')
        self.reload('2200', 4)
        self.ask('confirm', force=True)
        self.reload('22 2200', 0)
        self.reload('22', 4)
        self.ask('confirm', force=True)

    def reloads_given_up(self):
        """Trials cost no disk: most of the 500 are theirs, so that a slow one does not make this slow."""
        for ports in '2200', '2201', '2200', '2202':
            self.reload(ports, 4)
            self.ask('rollback')
        self.fwd.write_conf(CONF % '22')

    def networks(self):
        """Other networks, of other lengths than the flood's, so that the sets change their shape, too. The flood's own are
        the longest: while the kernel takes the last network of a longer prefix out of a set (by hand or by expiry) a look-up
        may pass over a shorter one, about once in a thousand removals at this rate. No order of ours can help that."""
        n = next(self.nets)
        nets = ['198.18.%d.%d/%d' % (n % 256, 16 * i, 28 + i % 4) for i in range(4)]
        nets += ['2001:db8:ff%02x:%x::/%d' % (n % 256, i, 64 - i) for i in range(1)]
        self.ask('allow', networks=nets)
        self.ask('remove', networks=nets)

    def beside(self):
        """Somebody's own rules: behind our jump, which is then put last again, and in front of it."""
        for tool, source in ('iptables', '203.0.113.9'), ('ip6tables', '2001:db8:ffff::9'):
            for chain in 'INPUT', 'FORWARD':
                self.foreign(tool, '-A', chain, '-s', source, '-j', 'ACCEPT')
            self.foreign(tool, '-I', 'INPUT', '-s', source, '-p', 'tcp', '-j', 'REJECT')
            self.foreign(tool, '-D', 'INPUT', '1')
            for chain in 'INPUT', 'FORWARD':
                self.foreign(tool, '-D', chain, '-s', source, '-j', 'ACCEPT')

    def policies(self):
        for policy in 'ACCEPT', 'DROP':
            for tool in 'iptables', 'ip6tables':
                self.foreign(tool, '-P', 'INPUT', policy)
                self.foreign(tool, '-P', 'FORWARD', policy)

    def restart(self):
        self.note('restart')
        self.fwd.restart()


@contextlib.contextmanager
def ground():
    with Bed(guest=True) as bed, Fwd(bed, conf=CONF % '22') as fwd:
        flood = Flood(bed)
        fwd.ctl('allow', bed.addr('friend'), bed.addr('friend', 6), check=0)
        yield bed, fwd, flood, Changes(bed, fwd, flood)


@timeout(180)
def test_changes():
    with ground() as (bed, fwd, flood, changes), Generation(bed) as generation:
        control = flood.until(lambda way: way['sent'] > 3000)
        spotless(control)
        assert set(control['ways']) == WAYS
        assert all(way['let_in'] == way['denied'] > 0 for way in control['ways'].values()), control
        first, rounds = generation.read(), 0
        try:
            while rounds < 3 or generation.read() - first < CHANGES:
                changes.begun_and_given_up()
                changes.switches()
                changes.enable()
                for _ in range(2):
                    changes.reloads()
                    changes.networks()
                    changes.reloads_given_up()
                    changes.beside()
                changes.policies()
                changes.restart()
                changes.disable()
                spotless(flood.account())
                rounds += 1
            changes.enable()
            judged = {name: way['judged'] for name, way in flood.account()['ways'].items()}
            account = flood.until(lambda way: way['judged'] > min(judged.values()) + 1000)
            spotless(account)
        except AssertionError:
            for entry in changes.done[-60:]:
                print(*entry)
            raise
        print('%d commits in %d rounds; %s' % (generation.read() - first, rounds, account))
        assert all(way['judged'] > 1000 for way in account['ways'].values()), account
        assert fwd.ctl('diff', json=True, check=0)[1]['result']['differences'] == []
        fwd.stop()
        assert 'runtime error' not in fwd.log(), fwd.log()  # of UBSan, in a build that has it


def test_it_sees_a_loss_and_a_leak():
    """The same flood, and hands that do it the wrong way."""
    with ground() as (bed, fwd, flood, changes):
        spotless(flood.until(lambda way: way['sent'] > 500))
        changes.enable()
        spotless(flood.until(lambda way: way['judged'] > 500))
        for tool, family in ('iptables', 4), ('ip6tables', 6):
            before = flood.account()['ways']
            changes.foreign(tool, '-F', 'FWD-INPUT')
            flood.until(lambda way: way['lost'] > 0, ['input%d' % family])
            changes.restart()
            after = flood.account()['ways']
            assert [w for w in WAYS if after[w]['lost'] > before[w]['lost']] == ['input%d' % family], (before, after)
            changes.foreign(tool, '-I', 'FORWARD', '-j', 'ACCEPT')
            after = flood.until(lambda way: way['through'] > 0, ['forward%d' % family])['ways']
            changes.foreign(tool, '-D', 'FORWARD', '1')
        assert [w for w in WAYS if after[w]['through']] and not after['input4']['through'] and not after['input6']['through'], after
        lost = {w: after[w]['lost'] for w in WAYS}
        after = flood.until(lambda way: way['sent'] > 3000)['ways']
        assert lost == {w: after[w]['lost'] for w in WAYS}, 'the flood goes on without loss'
