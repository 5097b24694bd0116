#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What fwd does, shown on a host, a friend and a stranger in network namespaces of their own: real daemon, real client, real
TCP in both families. Each step is checked; the first that is not as told ends it with exit 1. Exit 77: no namespaces here."""
import argparse
import os
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'net'))
sys.dont_write_bytecode = True

from bed import Bed, Fwd, Skip  # noqa: E402
from daemon import built  # noqa: E402

PORT = 8080
SAID = {'served': 'served', 'refused': 'refused', 'silent': 'no answer', 'unreachable': 'no way there'}


class Wrong(Exception):
    pass


class Demo:
    def __init__(self, bed, fwd):
        self.bed, self.fwd, self.step = bed, fwd, 0

    def title(self, text):
        self.step += 1
        bold, plain = ('\033[1m', '\033[0m') if sys.stdout.isatty() and not os.environ.get('NO_COLOR') else ('', '')
        print('\n%s%d. %s%s' % (bold, self.step, text, plain), flush=True)

    def fwctl(self, *args, code=0):
        """Shows the command and what it printed; it must exit with @code."""
        print('\n    # ' + shlex.join(('fwctl',) + args), flush=True)
        got, out, err = self.fwd.ctl(*args)
        for line in (out + err).rstrip('\n').split('\n'):
            print(('    ' + line).rstrip(), flush=True)
        if got != code:
            raise Wrong('fwctl %s: exit %d, expected %d' % (args[0], got, code))

    def tries(self, name, *wants):
        """@name connects to the host over IPv4 and IPv6; the outcome must be one of @wants in both."""
        with ThreadPoolExecutor() as pool:  # silence is waited for once
            asked = [(family, pool.submit(self.bed.connect, name, self.bed.addr('host', family), PORT,
                                          8.0 if 'served' in wants else 1.0)) for family in (4, 6)]
        for family, answer in asked:
            me, host, got = self.bed.addr(name, family), self.bed.addr('host', family), answer.result()
            where = '%s:%d' % (host if family == 4 else '[' + host + ']', PORT)
            print('    %-8s  %-12s -> %-18s  %s' % (name, me, where, SAID[got]), flush=True)
        for family, answer in asked:
            if answer.result() not in wants:
                raise Wrong('%s, IPv%d: %s, expected: %s' % (name, family, SAID[answer.result()],
                                                             ' or '.join(SAID[w] for w in wants)))

    def play(self):
        closed = ('silent', 'refused')
        self.title('A host with fwd. Nothing is closed yet: whoever asks is served.')
        self.tries('friend', 'served')
        self.tries('stranger', 'served')

        self.title('Close it. The new rules are on trial: unless somebody confirms in time,\n'
                   '   the kernel itself goes back to what was before.')
        self.fwctl('enable', code=4)
        self.fwctl('confirm', '--force')

        self.title('Closed: neither gets in.')
        self.tries('stranger', *closed)
        self.tries('friend', *closed)

        self.title('Let the friend in.')
        self.fwctl('allow', self.bed.addr('friend', 4), self.bed.addr('friend', 6), '--comment', 'a friend')
        self.tries('friend', 'served')
        self.tries('stranger', *closed)

        self.title('The daemon ends: the firewall stays.')
        self.fwd.stop()
        self.tries('friend', 'served')
        self.tries('stranger', *closed)

        self.title('The daemon is started again: still so.')
        self.fwd.start()
        self.tries('friend', 'served')
        self.tries('stranger', *closed)
        self.fwctl('list')
        self.fwctl()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--daemon', default='fwd/daemon/fwd', help='another daemon, relative to the build directory')
    parser.add_argument('--client', default='fwd/ctl/fwctl', help='another client')
    parser.add_argument('--save', metavar='DIR', help='copy rules.v4, rules.v6 and ipsets there at the end')
    return parser.parse_args()


def main():
    options = arguments()
    try:
        built(options.daemon), built(options.client)
    except Skip as reason:
        print(reason)
        return 1
    try:
        with Bed() as bed:
            bed.serve('host', PORT)
            with Fwd(bed, program=options.daemon, client=options.client) as fwd:
                Demo(bed, fwd).play()
                for name in ('rules.v4', 'rules.v6', 'ipsets') if options.save else ():
                    shutil.copyfile(os.path.join(fwd.iptables, name), os.path.join(options.save, name))
    except Skip as reason:
        print(reason)
        return 77
    except (Wrong, AssertionError) as error:
        print('\nNot as told: %s' % error)
        return 1
    print('\nAll as told. Nothing of it was done to this machine: the host, the friend and the\n'
          'stranger were network namespaces, and they are gone.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
