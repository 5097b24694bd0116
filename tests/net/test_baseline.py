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


def judged(wire, chain, probe):
    try:
        accepted, where, line = wire.judge(probe.make())
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
            wire.edit('-D %s %d' % (chain, at + 1))
            got = [judged(wire, chain, p)[0] for p in make(wire) if p.line == line]
            wire.edit('-I %s %d %s' % (chain, at + 1, line))
            if line == probes.EXPECTED and not wire.helper:
                continue
            assert (not line.endswith('ACCEPT')) in got, 'nothing changes without: ' + line
            if line.endswith('ACCEPT'):
                assert not any(got), 'another line lets some of it in: ' + line
        assert wire.lines(chain) == lines


def test_only_that_line_of_input_v4():
    only_that_line(4, INPUT, probes.input_probes)


def test_only_that_line_of_input_v6():
    only_that_line(6, INPUT, probes.input_probes)


def test_only_that_line_of_forward_v4():
    only_that_line(4, FORWARD, probes.forward_probes)


def test_only_that_line_of_forward_v6():
    only_that_line(6, FORWARD, probes.forward_probes)


def noticed(wire, chain, candidates):
    """The first of the probes of which another line decides than should, with the other verdict."""
    for probe in candidates:
        if judged(wire, chain, probe)[0] != probe.line.endswith('ACCEPT'):
            return probe
    return None


def swapped(family, chain, make):
    """All pairs of lines of different effect. One pair cannot be told apart: conntrack finds no IGMP packet INVALID."""
    with stage(family) as (wire, fwd):
        by_hand(wire, fwd)
        lines, all_probes, pairs = wire.lines(chain), make(wire), 0
        for a, first in enumerate(lines):
            for b in range(a + 1, len(lines)):
                second = lines[b]
                if first.endswith('ACCEPT') == second.endswith('ACCEPT') or {first, second} == {probes.INVALID, probes.IGMP}:
                    continue
                wire.swap(chain, a, b)
                near = [p for p in all_probes if p.line in (first, second)]
                probe = noticed(wire, chain, near) or noticed(wire, chain, [p for p in all_probes if p not in near])
                wire.swap(chain, a, b)
                assert probe, 'nobody notices that these are swapped:\n%s\n%s' % (first, second)
                pairs += 1
        assert wire.lines(chain) == lines and pairs >= (len(lines) - 1 if chain == FORWARD else 2 * len(lines) - 6), pairs


def test_swapped_lines_of_input_v4():
    swapped(4, INPUT, probes.input_probes)


def test_swapped_lines_of_input_v6():
    swapped(6, INPUT, probes.input_probes)


def test_swapped_lines_of_forward_v4():
    swapped(4, FORWARD, probes.forward_probes)


def test_swapped_lines_of_forward_v6():
    swapped(6, FORWARD, probes.forward_probes)
