# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own fail2ban beside fwd, with its stock action: its chain and its jump stay as they are whatever fwd is told, a ban
counts for listed sources too, and its bans, unbans, stop and start leave fwd's rules in force."""
import os
import re
import subprocess
import time

import saves
from bed import Bed, Fwd

FAMILIES = (4, 6)
TREE = 'bookworm fail2ban'  # a tree of its own: python would be in everybody's
HOME = '/tmp/f2b'  # in the throw-away copy: configuration, socket, pid, database and logs
PORT, OTHER, SSH, SSH2 = 8080, 9090, 22, 2222
PORTS = '%d,%d' % (SSH, PORT)  # `allow` notes a ban from the first ssh port, or from one of every port: not one from 8080 alone
CHAIN = 'f2b-dummy'
MEMBER = {4: '192.0.2.65', 6: '2001:db8::64:65'}  # another of friend's: listed, never banned
REJECT = {4: 'icmp-port-unreachable', 6: 'icmp6-port-unreachable'}
BITS = {4: 32, 6: 128}
CONF = {
    'fail2ban.local': '''[Definition]
loglevel = INFO
logtarget = STDOUT
socket = %(home)s/sock
pidfile = %(home)s/pid
dbfile = %(home)s/db.sqlite3
allowipv6 = yes
''',
    'filter.d/dummy.conf': '[Definition]\nfailregex = ^\\s*no entry for <HOST>$\n',
    'jail.local': '''[dummy]
enabled = true
filter = dummy
backend = polling
logpath = %(home)s/dummy.log
port = %(ports)s
protocol = tcp
banaction = iptables-multiport
action = %%(action_)s
maxretry = 1
bantime = 1h
findtime = 1h
usedns = no
ignoreself = false
''',
}


class Fail2ban:
    def __init__(self, bed):
        self.bed, self.process = bed, None
        self.home = bed.root_dir(TREE) + HOME  # as this machine sees it
        os.mkdir(self.home)
        bed.root('host', ['cp', '-a', '/etc/fail2ban', HOME + '/etc'], TREE)
        os.unlink(self.home + '/etc/jail.d/defaults-debian.conf')  # it enables sshd's
        for name, text in CONF.items():
            with open('%s/etc/%s' % (self.home, name), 'w') as f:
                f.write(text % {'home': HOME, 'ports': PORTS} if name.endswith('.local') else text)
        self.dummy_log = self.home + '/dummy.log'
        open(self.dummy_log, 'w').close()
        self.start()

    def client(self, *args, check=True):
        return self.bed.root('host', ['fail2ban-client', '-c', HOME + '/etc', '-s', HOME + '/sock', *args], TREE, check)

    def start(self):
        with open(self.home + '/said', 'ab') as log:
            self.process = self.bed.root_popen('host', ['fail2ban-server', '-c', HOME + '/etc', '-s', HOME + '/sock',
                                                        '-p', HOME + '/pid', '-f', 'start'], TREE,
                                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.until(lambda: self.process.poll() is not None or self.client('status', 'dummy', check=False).returncode == 0,
                   'fail2ban does not start')
        assert self.process.poll() is None, self.said()

    def stop(self):
        self.client('stop')
        self.process.wait(20)

    def said(self):
        with open(self.home + '/said', errors='replace') as f:
            return 'fail2ban said:\n' + f.read()

    def until(self, true, what, within=20.0):
        deadline = time.monotonic() + within
        while not true():
            assert time.monotonic() < deadline, '%s; %s' % (what, self.said())
            time.sleep(0.05)

    def set(self, verb, *names):
        """@verb banip or unbanip of both addresses of each; fail2ban does it in its own time, we wait for its rules."""
        addrs = {f: [self.bed.addr(n, f) for n in names] for f in FAMILIES}
        self.client('set', 'dummy', verb, *addrs[4], *addrs[6])
        self.has(verb == 'banip', addrs)

    def has(self, banned, addrs):
        self.until(lambda: all((ban(a, f) in mine(self.bed, f)) == banned for f in FAMILIES for a in addrs[f]),
                   '%s are not %s' % (addrs, 'banned' if banned else 'free'))


def ban(addr, family):
    return '-A %s -s %s/%d -j REJECT --reject-with %s' % (CHAIN, addr, BITS[family], REJECT[family])


def mine(bed, family):
    """fail2ban's lines of iptables-save, without counters."""
    return [line for line in saves.rules(bed, family) if 'f2b-' in line]


def inputs(bed, family):
    return [line for line in saves.rules(bed, family) if line.startswith('-A INPUT ')]


JUMP = '-A INPUT -p tcp -m multiport --dports %s -j %s' % (PORTS, CHAIN)


def serve(bed):
    for port in (PORT, OTHER, SSH, SSH2):
        bed.serve('host', port)
    for family, addr in MEMBER.items():
        bed.address('friend', addr + ('/24' if family == 4 else '/64'))


def decide(bed, closed, banned=('friend', 'stranger'), ssh=(SSH,)):
    """@closed: fwd is on, so that of those who are not listed nobody reaches more than the ports @ssh. Friend and its other
    address are listed, stranger and operator are not."""
    cases = []
    for f in FAMILIES:
        host = bed.addr('host', f)
        for name in ('friend', 'stranger', 'operator'):
            free = 'served' if name == 'friend' or not closed else 'silent'
            wants = {port: 'served' if port in ssh else free for port in (PORT, OTHER, SSH, SSH2)}
            if name in banned:
                wants[PORT] = wants[SSH] = 'refused'
            cases += [(want, name, host, port, 'tcp', bed.addr(name, f)) for port, want in wants.items()]
        cases.append(('served', 'friend', host, PORT, 'tcp', MEMBER[f]))
    bed.expect_all(*cases, quiet=0.6)


def allow(fwd, bed):
    """The note of a banned source names the chain."""
    for family in FAMILIES:
        entry = fwd.ctl('allow', bed.addr('friend', family), json=True, check=0)[1]['result']['entries'][0]
        assert CHAIN in (entry.get('note') or ''), entry


def enabled(fwd):
    fwd.ctl('enable', check=4)
    fwd.ctl('confirm', '--force', check=0)


def quiet(fwd):
    """Nothing wants attention, nothing differs."""
    attention = fwd.ctl('status', json=True, check=0)[1]['result']['attention']
    differences = [d for d in fwd.ctl('diff', json=True)[1]['result']['differences'] if d['where'] == 'kernel']
    assert not attention and not differences, (attention, differences)


def ours_last(bed):
    for family in FAMILIES:
        rules = inputs(bed, family)
        assert rules[-1] == '-A INPUT -j FWD-INPUT' and rules.count(rules[-1]) == 1, rules


def test_every_command_leaves_fail2ban_alone():
    with Bed() as bed, Fwd(bed) as fwd:
        serve(bed)
        f2b = Fail2ban(bed)
        f2b.set('banip', 'friend', 'stranger')
        for family in FAMILIES:  # the chain is there before fwd needs it
            bed.root('host', [saves.TOOLS[family], '-P', 'FORWARD', 'ACCEPT'])
        text, before = {}, saves.foreign(bed)
        for family in FAMILIES:
            text[family] = mine(bed, family)
            want = {':%s - [0:0]' % CHAIN, ':%s -' % CHAIN, JUMP, '-A %s -j RETURN' % CHAIN,
                    *(ban(bed.addr(n, family), family) for n in ('friend', 'stranger'))}
            assert len(text[family]) == 5 and set(text[family]) <= want, text[family]  # the stock action, as we know it

        def stands(what, closed, ssh=(SSH,)):
            for family in FAMILIES:
                saves.same(mine(bed, family), text[family], '%s, IPv%d' % (what, family))
            saves.same(saves.foreign(bed), before, what)  # with nft's handles: nothing was made anew
            decide(bed, closed, ssh=ssh)
            if closed:
                ours_last(bed)
        stands('fail2ban alone', False)
        fwd.ctl('allow', *MEMBER.values(), *(bed.addr('friend', f) for f in FAMILIES), '192.0.2.99', check=0)
        stands('allow, off', False)
        fwd.ctl('enable', check=4)
        stands('enable', True)
        fwd.ctl('rollback', check=0)
        stands('rollback of enable', False)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        stands('confirm', True)
        fwd.ctl('remove', *(bed.addr('friend', f) for f in FAMILIES), check=0)
        allow(fwd, bed)
        stands('allow', True)
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        fwd.ctl('reload', check=0)
        stands('reload', True, (SSH, SSH2))
        fwd.write_conf('[firewall]\nssh = whitelist\n')
        fwd.ctl('reload', check=4)
        stands('trial', True, ())
        fwd.ctl('rollback', check=0)
        stands('rollback', True, (SSH, SSH2))
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        fwd.ctl('remove', '192.0.2.99', check=0)
        stands('remove', True, (SSH, SSH2))
        fwd.restart()
        stands('restart', True, (SSH, SSH2))
        quiet(fwd)
        fwd.ctl('disable', check=0)
        stands('disable', False)


def test_fail2ban_works_beside_fwd():
    with Bed() as bed, Fwd(bed) as fwd:
        serve(bed)
        enabled(fwd)
        fwd.ctl('allow', *MEMBER.values(), *(bed.addr('friend', f) for f in FAMILIES), check=0)
        f2b = Fail2ban(bed)
        decide(bed, True, ())
        f2b.set('banip', 'friend', 'stranger')  # the first of all: it makes the chain, and puts its jump in front of ours
        decide(bed, True)
        for family in FAMILIES:
            assert inputs(bed, family) == [JUMP, '-A INPUT -j FWD-INPUT'], inputs(bed, family)
        allow(fwd, bed)
        f2b.set('unbanip', 'friend')
        decide(bed, True, ('stranger',))
        f2b.set('unbanip', 'stranger')
        decide(bed, True, ())
        # a ban that fail2ban finds by itself, in a log
        with open(f2b.dummy_log, 'a') as f:
            for family in FAMILIES:
                f.write('%s no entry for %s\n' % (time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime()), bed.addr('friend', family)))
        f2b.has(True, {f: [bed.addr('friend', f)] for f in FAMILIES})
        decide(bed, True, ('friend',))
        fwd.restart()
        decide(bed, True, ('friend',))
        quiet(fwd)
        f2b.stop()
        for family in FAMILIES:
            assert not mine(bed, family) and inputs(bed, family) == ['-A INPUT -j FWD-INPUT'], saves.rules(bed, family)
        decide(bed, True, ())
        quiet(fwd)
        f2b.start()  # it takes its bans out of its database
        f2b.has(True, {f: [bed.addr('friend', f)] for f in FAMILIES})
        decide(bed, True, ('friend',))
        ours_last(bed)
        quiet(fwd)
        said = [line for line in fwd.syslog.lines if re.search('last again|somebody changed', line)]
        assert not said, said
