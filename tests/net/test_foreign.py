# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules and sets of others: they stay as they are whatever fwd is told, and go on deciding; what would make fwd's word worth
nothing is refused or told. Real packets, tools of bookworm."""
import os
import re
import time

import saves
from bed import Bed, Fwd

FAMILIES = (4, 6)
PORT = 8080
WIREGUARD = 51820
LISTED = {4: '192.0.2.64/27', 6: '2001:db8::64:0/112'}
MEMBERS = ('by-set', 'by-rule', 'by-nft', 'nobody')  # of LISTED: who bans each


def member(name, family):
    number = MEMBERS.index(name) + 65
    return '192.0.2.%d' % number if family == 4 else '2001:db8::64:%d' % number


def iptables(bed, family, line):
    return bed.root('host', [saves.TOOLS[family], *line.split()])


def everywhere(bed, line):
    for family in FAMILIES:
        iptables(bed, family, line.replace('{6}', '' if family == 4 else '6'))


def enabled(fwd, *more):
    fwd.ctl('enable', *more, check=4)
    fwd.ctl('confirm', check=0)


def tcp(bed, want, name, port=PORT):
    return [(want, name, bed.addr('host', f), port) for f in FAMILIES]


def udp(bed, want, name, port=WIREGUARD):
    return [(want, name, bed.addr('host', f), port, 'udp') for f in FAMILIES]


def status(fwd):
    return fwd.ctl('status', json=True, check=0)[1]['result']


def told(fwd):
    """All that wants attention, as one text."""
    return '\n'.join('%(text)s (%(hint)s)' % a for a in status(fwd)['attention'])


def differences(fwd):
    return [d['text'] for d in fwd.ctl('diff', json=True)[1]['result']['differences'] if d['where'] == 'kernel']


# ---- they stay, and decide

NFT_TABLE = '''table inet mine {
	set taken { type ipv4_addr; flags interval; elements = { 198.51.100.0-198.51.100.9 } }
	chain early {
		type filter hook input priority -7; policy accept;
		ip saddr %s counter drop comment "mine"
		ip6 saddr %s drop
		ip saddr @taken log prefix "taken " reject
	}
}
'''


def make_foreign(bed):
    """Shapes of fail2ban, one with a set and one with plain rules, a WireGuard accept, an nft table of its own."""
    bed.root('host', ['nft', '-f', '-'], input=NFT_TABLE % tuple(member('by-nft', f) for f in FAMILIES))
    for family in FAMILIES:
        name = 'f2b-set' + ('' if family == 4 else '6')
        kind = 'inet' if family == 4 else 'inet6'
        bed.root('host', ['ipset', 'restore'], input='create %s hash:ip family %s timeout 0\nadd %s %s\n'
                 % (name, kind, name, member('by-set', family)))
        for line in ('-N f2b-sshd', '-A f2b-sshd -s %s -j DROP' % member('by-rule', family), '-A f2b-sshd -j RETURN',
                     '-I INPUT -p tcp -m multiport --dports 22,%d -j f2b-sshd' % PORT,
                     '-I INPUT -p tcp -m set --match-set %s src -j DROP' % name,
                     '-A INPUT -p udp --dport %d -j ACCEPT -m comment --comment wireguard' % WIREGUARD,
                     '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
                     '-A OUTPUT -p tcp --dport 25 -j REJECT', '-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS '
                     '--clamp-mss-to-pmtu'):
            iptables(bed, family, line)


def serve(bed):
    bed.serve('host', PORT)
    bed.serve('host', WIREGUARD, 'udp')
    bed.serve('host', WIREGUARD + 1, 'udp')
    for name in MEMBERS:
        for family in FAMILIES:
            bed.address('friend', member(name, family) + ('/24' if family == 4 else '/64'))


def decide(bed, closed):
    """A packet for each of them: who is banned hears nothing though listed, a stranger reaches WireGuard. @closed: fwd is on,
    a stranger reaches nothing else; otherwise everybody but the banned is served."""
    other = 'silent' if closed else 'served'
    cases = udp(bed, 'served', 'stranger') + udp(bed, other, 'stranger', WIREGUARD + 1) + tcp(bed, other, 'stranger')
    for name in MEMBERS:
        want = 'served' if name == 'nobody' else 'silent'
        cases += [(want, 'friend', bed.addr('host', f), PORT, 'tcp', member(name, f)) for f in FAMILIES]
    bed.expect_all(*cases, quiet=0.6)


def test_every_command_leaves_them_alone():
    with Bed() as bed, Fwd(bed) as fwd:
        make_foreign(bed)
        serve(bed)
        before = saves.foreign(bed, ['inet mine'])
        assert any('f2b-set6' in line for line in before) and any('comment "mine"' in line for line in before), before

        def stands(what, closed):
            saves.same(saves.foreign(bed, ['inet mine']), before, what)
            decide(bed, closed)
        stands('start', False)
        steps = (
            ('allow', [LISTED[4], LISTED[6], '--comment', 'members'], 0, False),
            ('enable', [], 4, True),
            ('rollback', [], 0, False),
            ('enable', [], 4, True),
            ('confirm', [], 0, True),
            ('remove', ['192.0.2.99'], 0, True),
            ('reload', '[firewall]\nssh-ports = 22 2222\n', 0, True),
            ('reload', '[firewall]\nssh = whitelist\n', 4, True),
            ('confirm', [], 0, True),
        )
        for verb, args, code, closed in steps:
            if verb == 'reload':
                fwd.write_conf(args)
                args = []
            fwd.ctl(verb, *args, check=code)
            stands(verb, closed)
        fwd.restart()
        stands('restart', True)
        fwd.kill()
        rescue(bed, fwd)
        stands('rescue', True)
        fwd.start()
        fwd.ctl('disable', check=0)
        stands('disable', False)


def rescue(bed, fwd):
    paths = ['-c', fwd.conf, '-d', fwd.iptables, '-S', fwd.state, '-s', fwd.socket]
    return bed.run('host', [fwd.client, 'rescue', *paths], check=True).stdout


def test_rescue_with_bans_that_nft_keeps():
    """Nobody can tell whom a set of nft's holds. It must not make rescue believe that nobody gets in."""
    with Bed() as bed, Fwd(bed, start=False) as fwd:
        bed.serve('host', 22)
        bed.serve('host', PORT)
        bed.root('host', ['nft', '-f', '-'], input=NFT_TABLE % tuple(member('by-nft', f) for f in FAMILIES))
        out = rescue(bed, fwd)
        assert 'lookup @taken' in out and 'NOT open' not in out and 'in force' not in out, out
        bed.expect_all(*tcp(bed, 'served', 'stranger', 22), *tcp(bed, 'served', 'stranger'))
        assert fwd.confirmed() is None and 'FWD-INPUT' not in '\n'.join(saves.rules(bed))
        everywhere(bed, '-P INPUT DROP')
        out = rescue(bed, fwd)
        assert 'NOT open' in out and 'in force' in out, out
        bed.expect_all(*tcp(bed, 'served', 'stranger', 22), *tcp(bed, 'silent', 'stranger'))
