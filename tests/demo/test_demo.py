# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration passes with the real programs, and with programs that do less than they should it does not."""
import contextlib
import os
import subprocess
import sys
import tempfile

from bed import Skip, missing, rootfs
from daemon import built

HERE = os.path.dirname(os.path.abspath(__file__))

# A daemon that only says it is ready, and a client that does the work by hand with iptables and ipset.
DAEMON = '''#!/usr/bin/env python3
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *unused: sys.exit(%(exit)s))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
signal.pause()
'''
CLIENT = '''#!/bin/sh
here() { chroot '%(root)s' "$@" || exit 1; }
shift 2
echo "did: $*"
case $1 in
enable)
	%(enable)s
	for f in 4 6; do
		here ipset create w$f hash:net family inet$([ $f = 4 ] || echo 6)
		t=iptables; [ $f = 4 ] || t=ip6tables
		here $t -A INPUT -p tcp -m set ! --match-set w$f src -j DROP
	done
	exit 4 ;;
confirm) %(confirm)s ;;
allow) %(allow)s; here ipset add w4 "$2"; here ipset add w6 "$3" ;;
esac
'''


def demo(*args):
    done = subprocess.run([sys.executable, os.path.join(HERE, 'demo.py'), *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    return done.returncode, done.stdout


@contextlib.contextmanager
def by_hand(**faults):
    parts = dict({'root': rootfs('bookworm'), 'exit': 0, 'enable': ':', 'confirm': ':', 'allow': ':'}, **faults)
    with tempfile.TemporaryDirectory() as directory:
        args = []
        for option, text in (('--daemon', DAEMON), ('--client', CLIENT)):
            path = os.path.join(directory, option[2:])
            with open(path, 'w') as f:
                f.write(text % parts)
            os.chmod(path, 0o755)
            args += [option, path]
        yield args


def namespaces():
    if missing():
        raise Skip(missing())


def test_real():
    namespaces()
    built('fwd/daemon/fwd'), built('fwd/ctl/fwctl')
    with tempfile.TemporaryDirectory() as directory:
        code, out = demo('--save', directory)
        assert code == 0 and 'All as told' in out
        for name in 'rules.v4', 'rules.v6', 'ipsets':  # what quickstart explains where there are no namespaces
            with open(os.path.join(HERE, 'files', name)) as kept, open(os.path.join(directory, name)) as made:
                assert kept.read() == made.read(), name + ' is old: tests/demo/demo.py --save tests/demo/files'


def test_by_hand():
    namespaces()
    with by_hand() as args:
        code, out = demo(*args)
    assert code == 0 and 'did: allow 192.0.2.20 2001:db8::20' in out and out.count('  served\n') == 4 + 2 * 3


def test_can_fail():
    namespaces()
    faults = (({'enable': 'exit 4'}, 'stranger, IPv4: served'),               # closes nothing
              ({'enable': 'exit 0'}, 'fwctl enable: exit 0, expected 4'),
              ({'confirm': 'exit 1'}, 'fwctl confirm: exit 1'),
              ({'confirm': 'here iptables -F'}, 'stranger, IPv4: served'),
              ({'confirm': 'here ip6tables -F'}, 'stranger, IPv6: served'),
              ({'allow': 'exit 0'}, 'friend, IPv4: no answer'),                # opens nothing
              ({'allow': 'here ipset add w4 192.0.2.0/24'}, 'stranger, IPv4: served'),  # opens too much
              ({'exit': 3}, 'fwd ended with 3'))
    for fault, want in faults:
        with by_hand(**fault) as args:
            code, out = demo(*args)
        assert code == 1 and 'Not as told: ' + want in out, (fault, want)
        assert 'All as told' not in out
