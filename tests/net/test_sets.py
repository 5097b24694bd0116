# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets that we make are those that the ipset program makes, and its restore loads over them."""
import re
import subprocess

from bed import Skip, missing, rootfs
from daemon import built

MADE_BY_HAND = '''\
create whitelist hash:net family inet hashsize 1024 maxelem 4294967295 timeout 0 counters comment
create whitelist6 hash:net family inet6 hashsize 8192 maxelem 4294967295 timeout 0 counters comment
create gate list:set size 8 timeout 60 comment
add whitelist 192.0.2.0/24 timeout 5000 comment "until=1700005000 Büro"
add gate whitelist timeout 100 comment "trial 7"
add gate whitelist6 timeout 100 comment "trial 7"
'''


def saved(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)
    assert not done.returncode, done.stderr
    # Random in each set, and what goes by with time.
    return re.sub(r' initval \S+', '', re.sub(r' timeout (49\d\d|5000|9\d|100)\b', ' timeout LEFT', done.stdout))


def same(release):
    if missing():
        raise Skip(missing())
    ipset = ['chroot', rootfs(release), 'ipset']
    by_hand = ['unshare', '--net', *ipset[:2], 'sh', '-c', 'ipset restore && ipset save']
    ours = saved(built('tests/net/net-sets'), '--make', *ipset, 'save')
    theirs = saved(*by_hand, stdin=MADE_BY_HAND)
    assert ours == theirs, ours + '---\n' + theirs
    again = saved(built('tests/net/net-sets'), '--make', *ipset[:2], 'sh', '-c', 'ipset restore -exist && ipset save',
                  stdin=MADE_BY_HAND)
    assert again == theirs, again


def test_same_as_ipset_of_bookworm():
    same('bookworm')


def test_same_as_ipset_of_trixie():
    same('trixie')
