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
