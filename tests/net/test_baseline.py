# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line of the compiled baseline in the kernel: by a packet that only it lets in (or drops), and by its neighbours
that it must leave alone; lines taken out and swapped; the gate. The packets are in probes.py."""
import contextlib
import ipaddress
import socket

import packet
import probes
from bed import Bed, Fwd, Skip
from wire import POLICY, Wire

INPUT, FORWARD = 'FWD-INPUT', 'FWD-FORWARD'
TRIAL_INPUT, TRIAL_FORWARD = 'FWD-TRIAL-INPUT', 'FWD-TRIAL-FORWARD'
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU, IPV6_MTU = 10, 2, 14, 24  # linux/in.h, linux/in6.h
GATE = '-m set --match-set fwd-trial src -g '


@contextlib.contextmanager
def stage(family):
    """Enabled, the friend listed, fwd at work; every packet on the wire is the test's."""
    with Bed(guest=True) as bed, Fwd(bed, conf=probes.CONF) as fwd:
        bed.serve('host', probes.ECHO, 'udp')
        fwd.ctl('allow', bed.addr('friend', family), check=0)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        yield Wire(bed, family), fwd


def judged(wire, chain, probe, send=None):
    try:
        accepted, where, line = wire.judge(send or probe.make())
    except AssertionError as error:
        raise AssertionError('%s: %s' % (probe.name, error)) from None
    assert where in (chain, ''), '%s: decided in %s' % (probe.name, where)
    return accepted, line


def every_line(family, chain, make):
    with stage(family) as (wire, fwd):
        lines, missed = wire.lines(chain), []
        if not wire.helper:
            lines.remove(probes.EXPECTED)
        for probe in make(wire):
            got = judged(wire, chain, probe)
            if got != (probe.line.endswith('ACCEPT'), probe.line):
                missed.append('%s: by %s, expected %s' % (probe.name, got, probe.line))
            if probe.line in lines:
                lines.remove(probe.line)
        assert not missed, '\n'.join(missed)
        assert not lines, 'no packet for: %s' % lines


def test_every_line_of_input_v4():
    every_line(4, INPUT, probes.input_probes)


def test_every_line_of_input_v6():
    every_line(6, INPUT, probes.input_probes)


def test_every_line_of_forward_v4():
    every_line(4, FORWARD, probes.forward_probes)


def test_every_line_of_forward_v6():
    every_line(6, FORWARD, probes.forward_probes)


def by_hand(wire, fwd):
    """From here on the lines are the test's to change; the base policies do not repeat what the last line says."""
    fwd.stop()
    wire.policy('ACCEPT')


def only_that_line(family, chain, make):
    """Each line taken out in turn: what it decided is now decided otherwise."""
    with stage(family) as (wire, fwd):
        by_hand(wire, fwd)
        lines = wire.lines(chain)
        for at, line in enumerate(lines):
            ready = [(p, p.make()) for p in make(wire) if p.line == line]
            wire.edit('-D %s %d' % (chain, at + 1))
            got = [judged(wire, chain, *pair)[0] for pair in ready]
            wire.edit('-I %s %d %s' % (chain, at + 1, line))
            if line != probes.EXPECTED or wire.helper:
                assert (not line.endswith('ACCEPT')) in got, 'nothing changes without: ' + line
        assert wire.lines(chain) == lines


def test_only_that_line_of_input_v4():
    only_that_line(4, INPUT, probes.input_probes)


def test_only_that_line_of_input_v6():
    only_that_line(6, INPUT, probes.input_probes)


def test_only_that_line_of_forward_v4():
    only_that_line(4, FORWARD, probes.forward_probes)


def test_only_that_line_of_forward_v6():
    only_that_line(6, FORWARD, probes.forward_probes)


def swap_noticed(wire, chain, lines, a, b, candidates):
    """Whether one of the probes meets the other verdict when the lines at @a and @b have changed places."""
    ready = [(p, p.make()) for p in candidates]
    wire.replace(chain, {a: lines[b], b: lines[a]})
    noticed = any(judged(wire, chain, p, send)[0] != p.line.endswith('ACCEPT') for p, send in ready)
    wire.replace(chain, {a: lines[a], b: lines[b]})
    return noticed


def swapped(family, chain, make, refusing):
    """@refusing with each line that accepts. One pair cannot be told apart: conntrack finds no IGMP packet INVALID."""
    with stage(family) as (wire, fwd):
        by_hand(wire, fwd)
        lines, candidates = wire.lines(chain), make(wire)
        at = lines.index(refusing)
        for other, accepting in enumerate(lines):
            if not accepting.endswith('ACCEPT') or (refusing, accepting) == (probes.INVALID, probes.IGMP):
                continue
            likely = refusing if refusing == probes.INVALID and other > at else accepting
            groups = ([p for p in candidates if p.line == likely], [p for p in candidates if p.line != likely])
            assert any(swap_noticed(wire, chain, lines, at, other, group) for group in groups), \
                'nobody notices that these are swapped:\n%s\n%s' % (refusing, accepting)
        assert wire.lines(chain) == lines


def test_invalid_swapped_with_each_line_v4():
    swapped(4, INPUT, probes.input_probes, probes.INVALID)


def test_invalid_swapped_with_each_line_v6():
    swapped(6, INPUT, probes.input_probes, probes.INVALID)


def test_last_drop_swapped_with_each_line_v4():
    swapped(4, INPUT, probes.input_probes, probes.DROP)


def test_last_drop_swapped_with_each_line_v6():
    swapped(6, INPUT, probes.input_probes, probes.DROP)


def test_last_drop_swapped_with_each_line_of_forward_v4():
    swapped(4, FORWARD, probes.forward_probes, probes.DROP)


def test_last_drop_swapped_with_each_line_of_forward_v6():
    swapped(6, FORWARD, probes.forward_probes, probes.DROP)


OTHER = '[firewall]\nssh-ports = 2222 2200\n'


def gate_cases(wire, chain):
    """(name, make, line by CONF, line by OTHER)."""
    family = wire.family
    listed, to_guest, to_stranger = probes.listed(family), dict(dst=wire.addr('guest')), dict(dst=wire.addr('stranger'))
    if chain == FORWARD:
        return [('trusted', lambda: wire.put('guest', 'udp', dport=9, **to_stranger), probes.TRUSTED, probes.DROP),
                ('friend', lambda: wire.put('friend', 'udp', dport=9, **to_guest), listed, listed),
                ('stranger', lambda: wire.put('stranger', 'udp', dport=9, **to_guest), probes.DROP, probes.DROP)]
    return [('SSH', lambda: wire.put('stranger', 'tcp', dport=22), probes.ssh(22), probes.DROP),
            ('SSH elsewhere', lambda: wire.put('stranger', 'tcp', dport=2200), probes.DROP, probes.ssh(2200)),
            ('trusted', lambda: wire.put('guest', 'udp', dport=9), probes.TRUSTED, probes.DROP),
            ('INVALID', lambda: wire.put('friend', 'tcp', flags='SF', dport=9), probes.INVALID, probes.INVALID),
            ('friend', lambda: wire.put('friend', 'udp', dport=9), listed, listed),
            ('stranger', lambda: wire.put('stranger', 'udp', dport=9), probes.DROP, probes.DROP)]


def judged_by(wire, trial, other):
    """All cases are judged by the trial's chains, or by the confirmed ones, with the lines of OTHER or of CONF."""
    for chain, trial_chain in (INPUT, TRIAL_INPUT), (FORWARD, TRIAL_FORWARD):
        for name, make, by_conf, by_other in gate_cases(wire, chain):
            line = by_other if other else by_conf
            got, want = wire.judge(make()), (line.endswith('ACCEPT'), trial_chain if trial else chain, line)
            assert got == want, '%s: %s, expected %s' % (name, got, want)


def the_gate(family):
    with stage(family) as (wire, fwd):
        judged_by(wire, trial=False, other=False)
        fwd.write_conf(OTHER)
        fwd.ctl('reload', check=4)
        judged_by(wire, trial=True, other=True)
        fwd.kill()
        wire.ipset('flush', 'fwd-trial')
        judged_by(wire, trial=False, other=False)
        fwd.start()
        judged_by(wire, trial=False, other=False)
        fwd.ctl('reload', check=4)
        fwd.ctl('confirm', '--force', check=0)
        judged_by(wire, trial=False, other=True)
        fwd.write_conf(probes.CONF)
        fwd.ctl('reload', check=4)
        judged_by(wire, trial=True, other=False)
        fwd.ctl('rollback', check=0)
        judged_by(wire, trial=False, other=True)


def test_the_gate_v4():
    the_gate(4)


def test_the_gate_v6():
    the_gate(6)


def the_first_gate(family):
    """Nothing is confirmed: in front of the gate stands nothing, and behind it the policy that was there before."""
    with Bed(guest=True) as bed, Fwd(bed, conf=probes.CONF) as fwd:
        fwd.ctl('allow', bed.addr('friend', family), check=0)
        fwd.ctl('enable', check=4)
        wire = Wire(bed, family)
        judged_by(wire, trial=True, other=False)
        fwd.kill()
        wire.ipset('flush', 'fwd-trial')
        for chain in INPUT, FORWARD:
            for name, make, *unused in gate_cases(wire, chain):
                got = wire.judge(make())
                assert got == (True, '', POLICY), '%s: %s' % (name, got)


def test_the_first_gate_v4():
    the_first_gate(4)


def test_the_first_gate_v6():
    the_first_gate(6)


def gate_swapped(family):
    """With each confirmed line behind the four that every body of rules begins with."""
    with stage(family) as (wire, fwd):
        fwd.write_conf(OTHER)
        fwd.ctl('reload', '--timeout', '120s', check=4)
        fwd.kill()
        wire.policy('ACCEPT')
        for chain, always in (INPUT, 4), (FORWARD, 3):
            lines, cases = wire.lines(chain), gate_cases(wire, chain)
            assert lines[0].startswith(GATE), lines
            for at in range(1 + always, len(lines)):
                wire.replace(chain, {0: lines[at], at: lines[0]})
                noticed = any(wire.judge(make())[0] != line.endswith('ACCEPT') for name, make, unused, line in cases)
                wire.replace(chain, {0: lines[0], at: lines[at]})
                assert noticed, 'nobody notices that the gate has changed places with: ' + lines[at]


def test_gate_swapped_with_lines_v4():
    gate_swapped(4)


def test_gate_swapped_with_lines_v6():
    gate_swapped(6)


# ---- what the host does with what comes in

def answers(bed, family, **fields):
    """The first answer of the host to a packet of the stranger."""
    src, dst = bed.addr('stranger', family), bed.addr('host', family)
    return bed.heard('stranger', packet.make(src, fields.pop('dst', dst), **fields),
                     lambda p: p.dst == src and p.proto not in (packet.UDP,), timeout=5.0)


def test_what_the_host_answers():
    """To anybody: echo, neighbour discovery, SSH; and it can talk to itself."""
    with Bed() as bed, Fwd(bed, conf='[firewall]\nssh-ports = 22\n') as fwd:
        bed.serve('host', 8080)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        assert answers(bed, 4, proto='icmp', type=8).type == 0
        assert answers(bed, 6, proto='icmp6', type=128).type == 129
        host = ipaddress.IPv6Address(bed.addr('host', 6)).packed
        found = answers(bed, 6, proto='icmp6', type=135, ttl=255, rest=b'\0\0\0\0', dst='ff02::1:ff00:1',
                        payload=host + b'\1\1\2\0\0\0\0\x1e')
        assert found.type == 136 and found.ttl == 255, found
        for family in 4, 6:
            assert 'R' in answers(bed, family, proto='tcp', dport=22).flags
        bed.expect('served', 'host', '127.0.0.1', 8080)
        bed.expect('served', 'host', '::1', 8080)
        bed.expect_all(*[('silent', 'stranger', bed.addr('host', f), 8080) for f in (4, 6)])


def test_forged_loopback_is_not_heard():
    """The kernel itself refuses 127.0.0.1 and ::1 from outside: what the line for `lo` lets in was sent here."""
    with Bed() as bed, Fwd(bed) as fwd:
        server = bed.serve('host', 5353, 'udp')
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        for src, dst in [(s, d) for f, s in ((4, '127.0.0.1'), (6, '::1')) for d in (s, bed.addr('host', f))]:
            bed.send('stranger', packet.make(src, dst, 'udp', 777, 5353, payload=b'forged'))
        for addr in '127.0.0.1', '::1':
            bed.expect('served', 'host', addr, 5353, proto='udp')
        assert len(server.peers) == 2 and not [p for p in server.peers if p[1] == 777], server.peers


def path_mtu(family):
    """A report about a flow that conntrack does not see reaches the socket; another error does not."""
    with stage(family) as (wire, fwd):
        wire.restore('*raw\n-A OUTPUT -p udp --dport 5000 -j CT --notrack\nCOMMIT\n')
        sock = wire.connected('stranger', 5000)
        if family == 4:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        sock.send(b'a question')
        quoted = wire.quote('host', 'stranger', sock.getsockname()[1], 5000)
        level, option = (socket.IPPROTO_IP, IP_MTU) if family == 4 else (socket.IPPROTO_IPV6, IPV6_MTU)
        assert sock.getsockopt(level, option) == 1500
        accepted, chain, line = wire.judge(wire.error('stranger', probes.FILTERED, quoted))
        assert not accepted and line == probes.INVALID, line
        accepted, chain, line = wire.judge(wire.error('stranger', probes.TOO_BIG, quoted))
        assert accepted and sock.getsockopt(level, option) == 1280, (line, sock.getsockopt(level, option))


def test_path_mtu_of_an_untracked_flow_v4():
    path_mtu(4)


def test_path_mtu_of_an_untracked_flow_v6():
    path_mtu(6)


def test_expectations_can_be_had_here():
    """Without a connection tracking helper the tests above pass over the line for what is expected."""
    with stage(4) as (wire, fwd):
        if not wire.helper:
            raise Skip('this kernel has no helper for TFTP, or no target CT')
