# SPDX-License-Identifier: GPL-2.0-or-later
"""When a trial ends, as packets see it: numbered datagrams of a denied source every 2 ms; those answered got through.

Never earlier than asked: between the last one answered before the trial and the first one answered after it lies at least
the time asked for. Late by: the last one denied, counted from the first one denied. FWD_TRIALS: how many of each."""
import json
import os
import statistics
import subprocess
import sys
import time

from access import LISTED, OPEN, PORT, Ground, ask, parallel
from bed import timeout

ASKED = 10.0
TRIALS = int(os.environ.get('FWD_TRIALS', 5))
GOAL, SLACK = 0.050, 0.150  # the goal of late ends; what a busy machine, whose sender may sleep, is forgiven beside it
PROBE = '''
import json, select, socket, sys, time
addr, port = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((addr, port))
sock.setblocking(False)
sent, answered = [], set()
def hear():
    try:
        while True:
            answered.add(int(sock.recv(64)))
            if len(answered) == 1:
                print(flush=True)
    except (BlockingIOError, ConnectionRefusedError):
        pass
following = time.monotonic()
while not select.select([sys.stdin], [], [], max(following - time.monotonic(), 0))[0]:
    following = max(following + 0.002, time.monotonic())
    sent.append(time.monotonic())
    try:
        sock.send(b'%d' % (len(sent) - 1))
    except OSError:
        pass
    hear()
deadline = time.monotonic() + 0.3
while time.monotonic() < deadline:
    select.select([sock], [], [], deadline - time.monotonic())
    hear()
print(json.dumps([[t, i in answered] for i, t in enumerate(sent)]))
'''


def track(ground):
    """Connections are tracked from before the first datagram on, so that who began is known: what becomes of flows that
    are older than tracking is another test's."""
    for tool in 'iptables', 'ip6tables':
        ground.tool(tool, '-t', 'mangle', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW')


class Probe:
    """The datagrams of one source; result() is [(when it was sent, whether it was answered)]."""

    def __init__(self, ground, name, family, port=PORT):
        self.process = ground.bed.popen(name, [sys.executable, '-c', PROBE, ground.bed.addr('host', family), str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == '\n', 'nothing is answered'

    def result(self):
        return [(when, answered) for when, answered in json.loads(self.process.communicate('.\n', timeout=30)[0])]


def denied_span(result):
    """Times of the last answered before, the first denied, the last denied, the first answered after; one gap only."""
    first = next(i for i, (_, answered) in enumerate(result) if not answered)
    last = max(i for i, (_, answered) in enumerate(result) if not answered)
    assert 0 < first and last < len(result) - 1, 'no packet before or after: %d, %d of %d' % (first, last, len(result))
    through = [when - result[first][0] for when, answered in result[first:last + 1] if answered]
    assert not through, 'let through in between: %s' % through[:5]
    return result[first - 1][0], result[first][0], result[last][0], result[last + 1][0]


def one_trial(ground, dead, family):
    """(at least, at most) how long after the time asked for it ended."""
    probe = Probe(ground, 'stranger', family)
    wait_answered(ground, family)
    ground.fwd.ctl('enable', '--force', '--timeout', '%ds' % ASKED, check=4)
    if dead:
        ground.fwd.kill()
    begun = time.monotonic()
    while ground.bed.connect('friend', ground.bed.addr('host', family), PORT, 0.2) != 'served':
        assert time.monotonic() < begun + ASKED + 5, 'it does not end'
    wait_answered(ground, family)
    before, first, last, after = denied_span(probe.result())
    if dead:
        ground.fwd.start()
    return last - first - ASKED, after - before - ASKED


def wait_answered(ground, family, name='stranger'):
    assert ground.bed.connect(name, ground.bed.addr('host', family), PORT, 8, 'udp') == 'served'


def measure(dead):
    def row(index):
        with Ground(OPEN) as ground:
            ground.bed.serve('host', PORT, 'udp')
            track(ground)
            return one_trial(ground, dead, 4 if index % 2 else 6)
    found = []
    for at in range(0, TRIALS, 5):
        found += parallel(*[lambda i=i: row(i) for i in range(at, min(at + 5, TRIALS))])
    late, at_most = [low for low, _ in found], [high for _, high in found]
    print('daemon %s, %d trials: ended later than asked by at least min %.1f, median %.1f, max %.1f ms; at most %.1f ms' % (
        'dead' if dead else 'alive', len(found), *[f(late) * 1000 for f in (min, statistics.median, max)], max(at_most) * 1000))
    assert min(at_most) >= 0, 'a trial ended %.1f ms early' % (min(at_most) * -1000)
    assert max(late) <= GOAL + SLACK, 'a trial ended %.1f ms late' % (max(late) * 1000)


@timeout(240)
def test_daemon_alive():
    measure(False)


@timeout(240)
def test_daemon_dead():
    measure(True)


# ---- confirms around the deadline

def confirm_at(offset):
    """A confirm that arrives @offset seconds after the trial's end (as near as the answer to its beginning tells). Either it
    is taken, and nobody denied got through nor anybody allowed was lost; or it is refused, and all is as before."""
    with Ground(LISTED) as ground:
        bed, fwd = ground.bed, ground.fwd
        bed.serve('host', PORT, 'udp')
        track(ground)
        fwd.ctl('allow', bed.addr('friend'), bed.addr('friend', 6), check=0)
        sock = ground.open_socket()
        probes = [Probe(ground, name, family) for name, family in (('friend', 4), ('stranger', 4), ('stranger', 6))]
        wait_answered(ground, 4)
        wait_answered(ground, 6)
        assert ask(sock, 'enable', force=True, timeout=int(ASKED))['exit'] == 4
        until = time.monotonic() + ASKED + offset
        time.sleep(ASKED + offset - 0.02)  # the time is what is tested
        while time.monotonic() < until:
            pass
        answer = ask(sock, 'confirm', force=True)
        bed.expect('served' if answer['exit'] else 'silent', 'stranger', bed.addr('host'), PORT, quiet=0.5)
        if not answer['exit']:
            wait_answered(ground, 4, 'friend')
        friend, *strangers = [probe.result() for probe in probes]
        lost = [when for when, answered in friend if not answered]
        assert not lost, ('an allowed datagram was lost', offset, len(lost))
        assert answer['exit'] in (0, 1, 5), answer
        for result in strangers:
            if answer['exit'] == 0:
                first = next(i for i, (_, answered) in enumerate(result) if not answered)
                through = [when - result[first][0] for when, answered in result[first:] if answered]
                assert not through, ('confirmed, and a stranger got through', offset, through[:3], len(through))
            else:
                denied_span(result)
        status = ground.status()
        left = ground.tool('iptables-save').stdout + ground.tool('ip6tables-save').stdout
        if answer['exit'] == 0:
            assert status['state'] == 'on' and status['trial'] is None and fwd.confirmed(), status
            assert 'FWD-TRIAL' not in left
        else:
            assert 'rolled back' in answer['error']['text'] or answer['exit'] == 5, answer
            assert status['state'] == 'off' and status['trial'] is None and not fwd.confirmed(), status
            assert 'FWD-' not in left and fwd.rules(4) is None
        return answer['exit']


def around(offsets):
    codes = parallel(*[lambda ms=ms: confirm_at(ms / 1000) for ms in offsets])
    for ms, code in zip(offsets, codes):
        print('confirm at %+3d ms: %s' % (ms, {0: 'taken', 1: 'refused, over', 5: 'refused, rolled back by it'}[code]))
    return codes


def test_confirms_before_the_deadline():
    around([-40, -30, -20, -15])


def test_confirms_at_the_deadline():
    around([-10, -7, -4, -2])


def test_confirms_after_the_deadline():
    assert 0 not in around([5, 10, 20])


def test_two_confirms_race_the_deadline():
    """Both from the same moment on, again and again: at most one is taken."""
    def row(offset):
        with Ground(LISTED) as ground:
            socks = [ground.open_socket() for _ in range(2)]
            assert ask(socks[0], 'enable', force=True, timeout=int(ASKED))['exit'] == 4
            time.sleep(ASKED + offset)
            codes = [a['exit'] for a in parallel(*[lambda s=s: ask(s, 'confirm', force=True) for s in socks])]
            status = ground.status()
            assert codes.count(0) <= 1 and (status['state'] == 'on') == (0 in codes), (codes, status)
            assert ground.knocks() == (0 not in codes)
            return codes
    print(parallel(*[lambda ms=ms: row(ms / 1000) for ms in (-12, -8, -4, -2, 0)]))
