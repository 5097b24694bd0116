# SPDX-License-Identifier: GPL-2.0-or-later
"""One packet at a time, and which line of the kernel's chains decided on it.

Every namespace but the host is made mute: its kernel neither hears nor says anything, so that the host's chains see
what the test puts on the wire and nothing else. The line that decided is the one whose counter grew; that a packet got
past the filter is seen by a rule without a target in a chain that comes later (table security)."""
import itertools
import re
import socket
import time

import packet
from bed import NUMBERS

MUTE = '''table inet mute {
	chain in { type filter hook input priority 0; policy drop; }
	chain out { type filter hook output priority 0; policy drop; }
}'''
COUNTED = re.compile(r'\[(\d+):\d+\] -A (\S+) ?(.*)')
POLICY = 'policy'  # no line of ours decided


class Wire:
    def __init__(self, bed, family):
        self.bed, self.family = bed, family
        self.iptables = 'iptables' if family == 4 else 'ip6tables'
        self.ports = itertools.count(20000)
        self.sockets = []
        for name in bed.names[1:]:
            if name != 'host':
                bed.root(name, ['nft', '-f', '-'], input=MUTE)
        for name in bed.names[2:]:  # the host need not ask for them, and would get no answer
            mac = '02:00:00:00:01:02' if name == 'guest' else '02:00:00:00:00:%02x' % NUMBERS[name]
            device = 'guest0' if name == 'guest' else 'eth0'
            bed.run('host', ['ip', 'neigh', 'replace', bed.addr(name, family), 'lladdr', mac, 'dev', device,
                             'nud', 'permanent'], check=True)
        for fam in 4, 6:  # a datagram to the host's port 9 is heard, and not answered by an ICMP error
            with bed.ns('host'):
                self.sockets.append(socket.socket(socket.AF_INET if fam == 4 else socket.AF_INET6, socket.SOCK_DGRAM))
            if fam == 6:
                self.sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.sockets[-1].bind(('', 9))
        self.restore('*security\n-A INPUT\n-A FORWARD\nCOMMIT\n')
        helper = '*raw\n-A OUTPUT -p udp --dport 69 -j CT --helper tftp\n' \
                 '-A PREROUTING -p udp --dport 69 -j CT --helper tftp\nCOMMIT\n'
        self.helper = self.restore(helper, check=False).returncode == 0
        if family == 4:  # else no forged 127.0.0.1 would come as far as to the firewall
            bed.sysctl('host', {'ipv4/conf/eth0/route_localnet': 1, 'ipv4/conf/all/accept_local': 1,
                                'ipv4/conf/eth0/accept_local': 1})

    def addr(self, name):
        return self.bed.addr(name, self.family)

    # ---- the host's rules

    def restore(self, text, check=True):
        return self.bed.root('host', [self.iptables + '-restore', '--noflush'], check=check, input=text)

    def policy(self, word):
        self.restore('*filter\n:INPUT %s\n:FORWARD %s\nCOMMIT\n' % (word, word))

    def lines(self, chain):
        return [line for name, line in self.counters() if name == chain]

    def edit(self, *commands):
        """Commands of iptables, in one transaction."""
        self.restore('*filter\n%s\nCOMMIT\n' % '\n'.join(commands))

    def replace(self, chain, lines):
        """@lines: number, from 0, to what shall stand there."""
        self.edit(*['-R %s %d %s' % (chain, at + 1, line) for at, line in lines.items()])

    def ipset(self, *argv):
        self.bed.root('host', ['ipset', *argv])

    # ---- judging

    def counters(self):
        """{(chain, line): packets}, in order; the chain "later" is past the filter."""
        out, table = {}, None
        for line in self.bed.root('host', [self.iptables + '-save', '-c']).stdout.splitlines():
            if line.startswith('*'):
                table = line[1:]
            match = COUNTED.fullmatch(line)
            if match and table in ('filter', 'security'):
                key = ('later', match[2]) if table == 'security' else (match[2], match[3])
                assert key not in out, key
                out[key] = int(match[1])
        return out

    def judge(self, send, within=5.0):
        """send() puts one packet on the wire. Returns (accepted, chain of the line that decided, that line)."""
        before, deadline = self.counters(), time.monotonic() + within
        send()
        while True:
            after = self.counters()
            grown = {key: after[key] - before[key] for key in after if after[key] != before[key]}
            assert all(n == 1 for n in grown.values()), 'more than one packet: %s' % grown
            deciding = [key for key in grown if key[0].startswith('FWD-') and key[1].endswith(('ACCEPT', 'DROP'))]
            assert len(deciding) < 2, 'two lines of ours: %s' % deciding
            later = [key for key in grown if key[0] == 'later']
            if later:
                return (True, *(deciding or [('', POLICY)])[0])
            if deciding and deciding[0][1].endswith('DROP'):
                return (False, *deciding[0])
            assert time.monotonic() < deadline, 'the packet did not come to a verdict; counted: %s' % grown

    # ---- packets

    def put(self, name, proto, src=None, dst=None, spoil=False, payload=b'', **fields):
        """What puts one packet on the wire of @name, from a port of its own unless told otherwise. @spoil: with a wrong
        checksum, which conntrack calls INVALID."""
        if proto == 'icmp' and self.family == 6:
            proto = 'icmp6'
        fields.setdefault('sport', next(self.ports))
        data = packet.make(src or self.addr(name), dst or self.addr('host'), proto, payload=payload, **fields)
        if spoil:
            data = data[:-1] + bytes([data[-1] ^ 255])
        return lambda: self.bed.send(name, data, mac='02:00:00:00:01:01' if name == 'guest' else None)

    def quote(self, src, dst, sport, dport):
        """What an ICMP error about a datagram carries."""
        return packet.make(self.addr(src), self.addr(dst), 'udp', sport, dport, payload=b'a question')

    def error(self, name, kind, quoted, **fields):
        """An ICMP error, from @name; @kind is (type, code) for IPv4 and the same for IPv6."""
        type, code = kind[self.family == 6]
        return self.put(name, 'icmp', type=type, code=code, rest=b'\0\0\5\0', payload=quoted, **fields)

    def connected(self, name, port):
        """A UDP socket of the host."""
        sock = self.bed.socket('host', self.addr(name), 'udp')
        self.sockets.append(sock)
        sock.connect((self.addr(name), port))
        return sock

    def ask(self, name, port, payload=b'a question'):
        """A datagram of the host's own to @name. Its source port."""
        sock = self.connected(name, port)
        sock.send(payload)
        return sock.getsockname()[1]

    def to_itself(self):
        """A datagram of the host to itself by its loopback."""
        addr = '127.0.0.1' if self.family == 4 else '::1'
        with self.bed.ns('host'):
            sock = socket.socket(socket.AF_INET if self.family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        self.sockets.append(sock)
        sock.bind((addr, 0))
        return lambda: sock.sendto(b'myself', sock.getsockname())

    def talk(self, name, port, sport):
        """A datagram from @name to an echo server on the host, and the answer to it."""
        send = self.put(name, 'udp', sport=sport, dport=port, payload=b'a question')
        with self.bed.ear(name) as ear:
            send()
            assert ear.wait(lambda p: p.sport == port and p.dport == sport, 5.0), 'no answer from the host to ' + name

    def passed_on(self, name, send, dport, hearer='guest'):
        """Sends, and waits until @hearer has it."""
        with self.bed.ear(hearer) as ear:
            send()
            assert ear.wait(lambda p: p.dport == dport and p.src == self.addr(name), 5.0), 'not forwarded from ' + name
