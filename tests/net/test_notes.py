# SPDX-License-Identifier: GPL-2.0-or-later
"""What `allow` says of a source that a foreign rule refuses all the same: never from rules that are over."""
from bed import Bed, Fwd

NETS = {4: '203.0.113.5', 6: '2001:db8:ffff::5'}


def note(fwd, family):
    return fwd.ctl('allow', NETS[family], json=True, check=0)[1]['result']['entries'][0].get('note', '')


def follows(bed, fwd):
    """Foreign rules and policies come and go; each answer is of what stands then."""
    for family, tool in (4, 'iptables'), (6, 'ip6tables'):
        assert not note(fwd, family)
        bed.root('host', [tool, '-I', 'INPUT', '-s', NETS[family], '-j', 'DROP'])
        assert 'refused at tcp/9' in note(fwd, family)
        assert not note(fwd, 10 - family), 'the other family is not concerned'
        bed.root('host', [tool, '-R', 'INPUT', '1', '-s', NETS[family], '-p', 'udp', '-j', 'DROP'])
        assert not note(fwd, family)
        bed.root('host', [tool, '-D', 'INPUT', '1'])
        bed.root('host', [tool, '-D', 'INPUT', '-j', 'FWD-INPUT'])
        assert '-P INPUT DROP' in note(fwd, family)
        bed.root('host', [tool, '-P', 'INPUT', 'ACCEPT'])
        assert not note(fwd, family)
        fwd.restart()


def test_allow_sees_what_stands():
    with Bed() as bed, Fwd(bed) as fwd:
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        follows(bed, fwd)


def test_allow_sees_what_stands_among_many():
    """More rules than are held from one look to the next."""
    with Bed() as bed, Fwd(bed) as fwd:
        lines = ['-A FORWARD -s 198.18.%d.%d -j ACCEPT\n' % (i // 256, i % 256) for i in range(600)]
        bed.root('host', ['iptables-restore', '--noflush'], input='*filter\n' + ''.join(lines) + 'COMMIT\n')
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        follows(bed, fwd)
