# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line of the compiled baseline in the kernel: by a packet that only it lets in (or drops), and by its neighbours that
it must leave alone; lines taken out and swapped; the gate. The packets are in probes.py."""
import contextlib

import packet
import probes
from bed import Bed, Fwd, Skip
from wire import Wire

INPUT, FORWARD = 'FWD-INPUT', 'FWD-FORWARD'
TRIAL_INPUT, TRIAL_FORWARD = 'FWD-TRIAL-INPUT', 'FWD-TRIAL-FORWARD'
GATE = '-m set --match-set fwd-trial src -g '


@contextlib.contextmanager
def stage(family):
    """Enabled, the friend listed, fwd at work; every packet on the wire is the test's."""
    with Bed(guest=True) as bed, Fwd(bed, conf=probes.CONF) as fwd:
        bed.serve('host', probes.ECHO, 'udp')
        fwd.ctl('allow', bed.addr('friend', family), check=0)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', check=0)
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
