# SPDX-License-Identifier: GPL-2.0-or-later
"""Real packets for every line of the baseline: such as only that line lets in (or drops), and their neighbours that
must meet another one. The policy: ssh-ports = 22 2222, trust = guest0, the friend on the whitelist."""
import ipaddress
from typing import Callable, NamedTuple

CONF = '[firewall]\nssh-ports = 22 2222\ntrust = guest0\n'
ECHO = 5353   # somebody on the host answers there, by UDP
REPLY = '-m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT'
EXPECTED = '-m conntrack --ctstatus EXPECTED -j ACCEPT'
LOOPBACK = '-i lo -j ACCEPT'
TRUSTED = '-i guest0 -j ACCEPT'
INVALID = '-m conntrack --ctstate INVALID -j DROP'
IGMP = '-p igmp -j ACCEPT'
DHCP = '-p udp -m udp --sport 67 --dport 68 -j ACCEPT'
DHCP6 = '-s fe80::/10 -p udp -m udp --dport 546 -j ACCEPT'
DROP = '-j DROP'
UNREACHABLE, EXCEEDED, TOO_BIG = ((3, 1), (1, 3)), ((11, 0), (3, 0)), ((3, 4), (2, 0))  # (IPv4, IPv6)
PORT_UNREACHABLE, FILTERED, PARAMETER = ((3, 3), (1, 4)), ((3, 13), (1, 1)), ((12, 0), (4, 0))
ANYBODY_V6 = '2001:db8:77::77'
RRQ = b'\0\1file\0octet\0'


class Probe(NamedTuple):
    name: str
    line: str       # that must decide
    make: Callable  # prepares, and returns what sends the one packet


def related(family):
    return '-p %s -m conntrack --ctstate RELATED -j ACCEPT' % ('icmp' if family == 4 else 'ipv6-icmp')


def listed(family):
    return '-m set --match-set whitelist%s src -j ACCEPT' % ('' if family == 4 else '6')


def ssh(port):
    return '-p tcp -m tcp --dport %d -j ACCEPT' % port


def icmp(family, type, hop_limit=None):
    """The line for an ICMP type as iptables-save prints it."""
    if family == 4:
        return '-p icmp -m icmp --icmp-type %s -j ACCEPT' % type
    near = ' -m hl --hl-eq %d' % hop_limit if hop_limit else ''
    return '-p ipv6-icmp -m icmp6 --icmpv6-type %s%s -j ACCEPT' % (type, near)


def input_probes(w):
    """For FWD-INPUT. @w: Wire."""
    put, four = w.put, w.family == 4
    big = icmp(w.family, '3/4' if four else 2)
    probes = [
        Probe('port unreachable about a flow of the host', related(w.family), lambda: flow_error(w, PORT_UNREACHABLE)),
        Probe('time exceeded about a flow of the host', related(w.family), lambda: flow_error(w, EXCEEDED)),
        Probe('an error about an answer of the host', related(w.family), lambda: answer_error(w, UNREACHABLE)),
        Probe('an error about no flow', INVALID, lambda: flow_error(w, PORT_UNREACHABLE, other=True)),
        Probe('time exceeded about no flow', INVALID, lambda: flow_error(w, EXCEEDED, other=True)),

        Probe('an answer', REPLY, lambda: answer(w)),
        Probe('an answer to another port', DROP, lambda: answer(w, to_port=9)),
        Probe('an answer from another port', DROP, lambda: answer(w, from_port=54)),
        Probe('an answer from another address', DROP, lambda: answer(w, name='operator')),
        Probe('of a flow that lives, the listed end', listed(w.family), lambda: established(w, keep=True)),
        Probe('of a flow that lives, its source listed no more', DROP, lambda: established(w)),

        Probe('loopback', LOOPBACK, w.to_itself),
        Probe('loopback\'s address from outside' if four else 'the host\'s own address from outside', DROP,
              lambda: put('stranger', 'udp', src='127.0.0.1' if four else w.addr('host'), dport=9)),
        Probe('trusted interface', TRUSTED, lambda: put('guest', 'udp', dport=9)),
        Probe('trusted interface, INVALID', TRUSTED, lambda: put('guest', 'tcp', flags='SF', dport=9)),
        Probe('the trusted network\'s address from outside', DROP,
              lambda: put('stranger', 'udp', src=w.addr('guest'), dport=9)),

        Probe('path MTU about no flow', big, lambda: flow_error(w, TOO_BIG, other=True)),
        Probe('parameter problem about no flow', INVALID, lambda: flow_error(w, PARAMETER, other=True)),
        Probe('filtered, about no flow', INVALID, lambda: flow_error(w, FILTERED, other=True)),

        Probe('listed, INVALID', INVALID, lambda: put('friend', 'tcp', flags='SF', dport=9)),
        Probe('listed, a spoilt datagram', INVALID, lambda: put('friend', 'udp', dport=9, payload=b'x', spoil=True)),
        Probe('listed, an error about no flow', INVALID, lambda: flow_error(w, UNREACHABLE, 'friend', other=True)),
        Probe('INVALID', INVALID, lambda: put('stranger', 'tcp', flags='SF', dport=9)),

        Probe('listed', listed(w.family), lambda: put('friend', 'tcp', dport=9)),
        Probe('listed, UDP', listed(w.family), lambda: put('friend', 'udp', dport=9)),
        Probe('listed, GRE', listed(w.family), lambda: put('friend', 'gre', payload=b'\0' * 8)),
        Probe('stranger', DROP, lambda: put('stranger', 'tcp', dport=9)),
        Probe('stranger, UDP', DROP, lambda: put('stranger', 'udp', dport=9)),
        Probe('stranger, GRE', DROP, lambda: put('stranger', 'gre', payload=b'\0' * 8)),
        Probe('listed a bit beside', DROP, lambda: put('stranger', 'udp', src=beside(w.addr('friend')), dport=9)),
        Probe('SSH by UDP', DROP, lambda: put('stranger', 'udp', dport=22)),
        Probe('from the port of SSH', DROP, lambda: put('stranger', 'tcp', sport=22, dport=23)),
    ]
    for port in 22, 2222:
        probes += [
            Probe('SSH', ssh(port), lambda port=port: put('stranger', 'tcp', dport=port)),
            Probe('SSH, INVALID', INVALID, lambda port=port: put('stranger', 'tcp', dport=port, spoil=True)),
            Probe('a port beside', DROP, lambda port=port: put('stranger', 'tcp', dport=port + 1)),
        ]
    if w.helper:
        probes += [Probe('expected', EXPECTED, lambda: expected(w)),
                   Probe('expected at another port', DROP, lambda: expected(w, at=1))]
    return probes + (only_v4 if four else only_v6)(w)


def only_v4(w):
    put = w.put
    dhcp = dict(sport=67, dport=68, payload=b'an offer')
    return [
        Probe('echo', icmp(4, 8), lambda: put('stranger', 'icmp', type=8)),
        Probe('echo, INVALID', INVALID, lambda: put('stranger', 'icmp', type=8, spoil=True)),
        Probe('echo reply', INVALID, lambda: put('stranger', 'icmp', type=0)),
        Probe('timestamp', DROP, lambda: put('stranger', 'icmp', type=13, payload=b'\0' * 12)),
        Probe('IGMP', IGMP, lambda: put('stranger', 'igmp', dst='224.0.0.1', ttl=1, payload=b'\x11\0\xee\xff\0\0\0\0')),
        Probe('the protocol beside IGMP', DROP, lambda: put('stranger', 3, payload=b'\0' * 8)),
        Probe('DHCP', DHCP, lambda: put('stranger', 'udp', **dhcp)),
        Probe('DHCP to everybody', DHCP, lambda: put('stranger', 'udp', dst='255.255.255.255', **dhcp)),
        Probe('DHCP, INVALID', INVALID, lambda: put('stranger', 'udp', spoil=True, **dhcp)),
        Probe('DHCP from another port', DROP, lambda: put('stranger', 'udp', sport=66, dport=68)),
        Probe('DHCP to another port', DROP, lambda: put('stranger', 'udp', sport=67, dport=69)),
        Probe('DHCP by TCP', DROP, lambda: put('stranger', 'tcp', sport=67, dport=68)),
    ]


def only_v6(w):
    def put(type, spoil=False, **fields):
        return lambda: w.put('stranger', 'icmp', type=type, spoil=spoil, **fields)

    probes = [
        Probe('echo', icmp(6, 128), put(128)),
        Probe('echo, INVALID', INVALID, put(128, spoil=True)),
        Probe('echo reply', INVALID, put(129)),
        Probe('node information', DROP, put(139, payload=b'\0' * 12)),
        Probe('IGMP', DROP, lambda: w.put('stranger', 'igmp', payload=b'\x11\0\xee\xff\0\0\0\0')),
        Probe('DHCP for IPv4', DROP, lambda: w.put('stranger', 'udp', sport=67, dport=68)),
    ]
    for type in range(133, 137):
        line = icmp(6, type, 255)
        probes += [
            Probe('neighbour discovery %d' % type, line, put(type, ttl=255)),
            Probe('neighbour discovery %d, INVALID' % type, INVALID, put(type, ttl=255, spoil=True)),
            Probe('neighbour discovery %d from afar' % type, DROP, put(type, ttl=254, src=ANYBODY_V6)),
            Probe('neighbour discovery %d, hop limit 64' % type, DROP, put(type, ttl=64)),
        ]
    for name, options in ('nothing', b''), ('a hardware address', b'\2\1\2\0\0\0\0\x1e'):
        probes += [
            Probe('redirect with ' + name, icmp(6, 137, 255), redirect(w, options)),
            Probe('redirect with %s, spoilt' % name, icmp(6, 137, 255), redirect(w, options, spoil=True)),
            Probe('redirect with %s from afar' % name, INVALID, redirect(w, options, ttl=254, src=ANYBODY_V6)),
        ]
    for type in 130, 131, 132, 143:
        probes += [
            Probe('multicast listeners %d' % type, icmp(6, type), put(type, ttl=1, dst='ff02::1', src='fe80::30')),
            Probe('multicast listeners %d, INVALID' % type, INVALID, put(type, ttl=1, spoil=True)),
        ]
    dhcp = dict(sport=547, dport=546, payload=b'advertise')
    return probes + [
        Probe('behind the listeners', INVALID, put(144)),
        Probe('DHCPv6', DHCP6, lambda: w.put('stranger', 'udp', src='fe80::30', **dhcp)),
        Probe('DHCPv6, the last of fe80::/10', DHCP6, lambda: w.put('stranger', 'udp', src='febf::30', **dhcp)),
        Probe('DHCPv6, INVALID', INVALID, lambda: w.put('stranger', 'udp', src='fe80::30', spoil=True, **dhcp)),
        Probe('DHCPv6 from a global address', DROP, lambda: w.put('stranger', 'udp', **dhcp)),
        Probe('DHCPv6 from fec0::', DROP, lambda: w.put('stranger', 'udp', src='fec0::30', **dhcp)),
        Probe('DHCPv6 to another port', DROP, lambda: w.put('stranger', 'udp', src='fe80::30', sport=547, dport=547)),
        Probe('DHCPv6 by TCP', DROP, lambda: w.put('stranger', 'tcp', src='fe80::30', sport=547, dport=546)),
    ]


def redirect(w, options, src='fe80::30', ttl=255, **fields):
    """To go to the stranger by way of fe80::30."""
    to = b''.join(ipaddress.IPv6Address(addr).packed for addr in ('fe80::30', w.addr('stranger')))
    fields.update(src=src, ttl=ttl, rest=b'\0\0\0\0', payload=to + options)
    return lambda: w.put('stranger', 'icmp', type=137, **fields)


def forward_probes(w):
    """For FWD-FORWARD, on the way to the guest and from it."""
    def put(name, proto, **fields):
        return w.put(name, proto, dst=w.addr('guest'), **fields)

    probes = [
        Probe('an error about an answer of the guest', related(w.family), lambda: guest_error(w, UNREACHABLE)),
        Probe('path MTU about an answer of the guest', related(w.family), lambda: guest_error(w, TOO_BIG)),
        Probe('an error about no flow', DROP, lambda: guest_error(w, UNREACHABLE, other=True)),
        Probe('path MTU about no flow', DROP, lambda: guest_error(w, TOO_BIG, other=True)),
        Probe('an answer', REPLY, lambda: guest_answer(w)),
        Probe('an answer to another port', DROP, lambda: guest_answer(w, to_port=9)),
        Probe('of a flow that lives, its source listed no more', DROP, lambda: guest_established(w)),
        Probe('trusted interface', TRUSTED, lambda: w.put('guest', 'udp', dst=w.addr('stranger'), dport=9)),
        Probe('trusted interface, INVALID', TRUSTED,
              lambda: w.put('guest', 'tcp', dst=w.addr('stranger'), flags='SF', dport=9)),
        Probe('listed', listed(w.family), lambda: put('friend', 'udp', dport=9)),
        Probe('listed, TCP', listed(w.family), lambda: put('friend', 'tcp', dport=22)),
        Probe('stranger', DROP, lambda: put('stranger', 'udp', dport=9)),
        Probe('SSH', DROP, lambda: put('stranger', 'tcp', dport=22)),
        Probe('echo', DROP, lambda: put('stranger', 'icmp', type=8 if w.family == 4 else 128)),
        Probe('DHCP', DROP, lambda: put('stranger', 'udp', sport=67, dport=68)),
        Probe('INVALID', DROP, lambda: put('stranger', 'tcp', flags='SF', dport=9)),
        Probe('back over the same wire', DROP, lambda: w.put('stranger', 'udp', dst=w.addr('operator'), dport=9)),
    ]
    if w.helper:
        probes += [Probe('expected', EXPECTED, lambda: guest_expected(w)),
                   Probe('expected at another port', DROP, lambda: guest_expected(w, at=1))]
    return probes


# ---- what takes preparation

def beside(addr):
    """The other address of the /31 or /127."""
    head, last = addr[:-2], int(addr[-2:], 10)
    return '%s%d' % (head, last ^ 1)


def flow_error(w, kind, name='stranger', other=False):
    """An error about what the host sends to the stranger, or (@other) about what it does not send."""
    port = w.ask('stranger', 53)
    return w.error(name, kind, w.quote('host', 'stranger', port, 54 if other else 53))


def answer_error(w, kind):
    """An error, by a router that is not listed, about what the host answers to the friend."""
    port = next(w.ports)
    w.talk('friend', ECHO, port)
    return w.error('stranger', kind, w.quote('host', 'friend', ECHO, port))


def answer(w, name='stranger', from_port=53, to_port=None):
    port = w.ask('stranger', 53)
    return w.put(name, 'udp', sport=from_port, dport=to_port or port, payload=b'an answer')


def member(w, verb, name):
    w.ipset(verb, 'whitelist' if w.family == 4 else 'whitelist6', w.addr(name))


def established(w, keep=False):
    """The next datagram of a flow from outside that the host has answered. Its source was listed, and is: @keep."""
    name, port = 'friend' if keep else 'operator', next(w.ports)
    if not keep:
        member(w, 'add', name)
    w.talk(name, ECHO, port)
    if not keep:
        member(w, 'del', name)
    return w.put(name, 'udp', sport=port, dport=ECHO, payload=b'more')


def expected(w, at=0):
    """What a TFTP server sends after a request of the host: from a port that nobody asked."""
    return w.put('stranger', 'udp', dport=w.ask('stranger', 69, RRQ) + at, payload=b'\0\3\0\1data')


def guest_flow(w, name, sport, dport=7):
    w.passed_on(name, w.put(name, 'udp', dst=w.addr('guest'), sport=sport, dport=dport, payload=b'a question'), dport)


def guest_error(w, kind, other=False):
    port = next(w.ports)
    guest_flow(w, 'friend', port)
    return w.error('stranger', kind, w.quote('guest', 'friend', 8 if other else 7, port), dst=w.addr('guest'))


def guest_asks(w, dport, payload=b'a question'):
    port = next(w.ports)
    question = w.put('guest', 'udp', dst=w.addr('stranger'), sport=port, dport=dport, payload=payload)
    w.passed_on('guest', question, dport, 'stranger')
    return port


def guest_answer(w, to_port=None):
    port = guest_asks(w, 53)
    return w.put('stranger', 'udp', dst=w.addr('guest'), sport=53, dport=to_port or port, payload=b'an answer')


def guest_established(w):
    port = next(w.ports)
    member(w, 'add', 'operator')
    guest_flow(w, 'operator', port)
    with w.bed.ear('operator') as ear:
        w.put('guest', 'udp', dst=w.addr('operator'), sport=7, dport=port, payload=b'an answer')()
        assert ear.wait(lambda p: p.dport == port, 5.0), 'no answer of the guest'
    member(w, 'del', 'operator')
    return w.put('operator', 'udp', dst=w.addr('guest'), sport=port, dport=7, payload=b'more')


def guest_expected(w, at=0):
    return w.put('stranger', 'udp', dst=w.addr('guest'), dport=guest_asks(w, 69, RRQ) + at, payload=b'\0\3\0\1data')
