# SPDX-License-Identifier: GPL-2.0-or-later
"""`fwctl diff`: every kind of difference is told, under its name, and asking changes nothing."""
import os
import signal

from bed import Bed, Fwd
from sshd import Sshd, wait_for

CONF = '[firewall]\nssh-ports = 22\n'


def enabled(fwd):
    fwd.ctl('enable', check=4)
    fwd.ctl('confirm', '--force', check=0)


def told(fwd):
    """{where: [text]}; diff succeeds whatever it finds."""
    code, answer, _ = fwd.ctl('diff', json=True, check=0)
    assert answer['changed'] is False and answer['exit'] == 0, answer
    out = {}
    for difference in answer['result']['differences']:
        assert set(difference) == {'where', 'text'}, difference
        out.setdefault(difference['where'], []).append(difference['text'])
    return out


def ipset(bed, *argv):
    bed.root('host', ['ipset', *argv])


def rewrite(fwd, name, change):
    path = os.path.join(fwd.iptables, name)
    with open(path) as f:
        text = f.read()
    with open(path, 'w') as f:
        f.write(change(text))


def test_no_difference():
    """Off and never used, on trial, on, off again; entries that end included."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        assert told(fwd) == {}, told(fwd)
        fwd.ctl('enable', check=4)
        assert told(fwd) == {}, told(fwd)
        fwd.ctl('confirm', '--force', check=0)
        fwd.ctl('allow', '192.0.2.1', '2001:db8::/32', '--for', '1h', '--comment', 'büro', check=0)
        fwd.ctl('allow', '192.0.2.16-192.0.2.99', check=0)
        fwd.ctl('allow', '192.0.2.2', check=0)
        fwd.ctl('remove', '192.0.2.2', check=0)
        fwd.ctl('allow', '192.0.2.1', '--for', '2h', check=0)
        assert told(fwd) == {}, told(fwd)
        fwd.restart()
        assert told(fwd) == {}, told(fwd)
        assert 'No difference' in fwd.ctl('diff', check=0)[1]
        fwd.ctl('disable', check=0)
        assert told(fwd) == {}, told(fwd)


def test_kernel():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        bed.root('host', ['iptables', '-D', 'FWD-INPUT', '-p', 'igmp', '-j', 'ACCEPT'])
        assert told(fwd) == {'kernel': ['+ -A FWD-INPUT -p igmp -j ACCEPT (IPv4)']}, told(fwd)
        bed.root('host', ['ip6tables', '-I', 'FWD-FORWARD', '-s', '2001:db8::7', '-j', 'ACCEPT'])
        kernel = told(fwd)['kernel']
        assert len(kernel) == 2 and '- -A FWD-FORWARD -s 2001:db8::7/128 -j ACCEPT (IPv6)' in kernel, kernel
        bed.root('host', ['iptables', '-P', 'INPUT', 'ACCEPT'])
        assert 'policy INPUT ACCEPT -> DROP (IPv4)' in told(fwd)['kernel'], told(fwd)
        fwd.restart()
        assert told(fwd) == {}, told(fwd)


def test_rules_files():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        for name in 'rules.v4', 'rules.v6':
            rewrite(fwd, name, lambda text: text.replace('-A FWD-INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n', ''))
            assert list(told(fwd)) == [name], told(fwd)
            fwd.restart()
            assert told(fwd) == {}, told(fwd)
        os.unlink(os.path.join(fwd.iptables, 'rules.v6'))
        assert list(told(fwd)) == ['rules.v6'], told(fwd)
        fwd.restart()
        rewrite(fwd, 'rules.v4', lambda text: text + 'what is this\n')
        differences = told(fwd)
        assert list(differences) == ['rules.v4'], differences


def test_wish():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        assert told(fwd) == {'fwd.conf': ['- ssh-ports = 22', '+ ssh-ports = 22 2222']}, told(fwd)
        fwd.write_conf('[firewall]\nssh = nobody\n')
        differences = told(fwd)
        assert list(differences) == ['fwd.conf'] and 'fwd.conf:2' in differences['fwd.conf'][0], differences


def test_found_ssh_ports():
    """The words of fwd.conf are the same; what `auto` finds is not."""
    with Bed() as bed, Fwd(bed, start=False) as fwd:
        first = Sshd(bed)
        fwd.start()
        enabled(fwd)
        assert told(fwd) == {}, told(fwd)
        os.kill(first.pid, signal.SIGTERM)
        wait_for('the end of sshd', lambda: not first.read('/run/sshd.pid'))
        Sshd(bed, more='Port 2222')
        want = ['- ssh-ports = auto, found: 22', '+ ssh-ports = auto, found: 22 2222']
        assert told(fwd) == {'fwd.conf': want}, told(fwd)
        fwd.ctl('reload', check=0)
        assert told(fwd) == {}, told(fwd)


def test_wish_while_a_trial_runs():
    """Then it is what is on trial that fwd.conf differs from."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        fwd.write_conf('[firewall]\nssh-ports = 2222\n')
        fwd.ctl('reload', check=4)
        assert told(fwd) == {}, told(fwd)
        fwd.write_conf(CONF)
        assert told(fwd) == {'fwd.conf': ['- ssh-ports = 2222', '+ ssh-ports = 22']}, told(fwd)
        fwd.ctl('rollback', check=0)
        assert told(fwd) == {}, told(fwd)


def test_entries():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        fwd.ctl('allow', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '2001:db8::5', check=0)
        fwd.ctl('remove', '192.0.2.4', check=0)
        before = fwd.ipsets()
        ipset(bed, 'add', 'whitelist', '198.51.100.0/24', 'comment', 'by hand')
        ipset(bed, 'del', 'whitelist', '192.0.2.1')
        ipset(bed, 'add', '-exist', 'whitelist', '192.0.2.2', 'timeout', '500')
        ipset(bed, 'add', '-exist', 'whitelist', '192.0.2.3', 'comment', 'another')
        ipset(bed, 'add', 'whitelist', '192.0.2.4')
        ipset(bed, 'add', 'whitelist6', '2001:db8::/48', 'nomatch')
        ipset(bed, 'del', 'whitelist6', '2001:db8::5')
        other = 'its end or comment is another in the kernel than in the file'
        want = ['whitelist 198.51.100.0/24: only in the kernel', 'whitelist 192.0.2.1: only in the file',
                'whitelist 192.0.2.2: ' + other, 'whitelist 192.0.2.3: ' + other,
                'whitelist 192.0.2.4: in the kernel, but removed in the file',
                'whitelist6 2001:db8::/48: an exception (nomatch) in the kernel, which fwd does not keep',
                'whitelist6 2001:db8::5: only in the file']
        differences = told(fwd)
        assert list(differences) == ['ipsets'] and sorted(differences['ipsets']) == sorted(want), differences
        code, out, _ = fwd.ctl('diff', check=0)
        assert out.startswith('ipsets\n') and 'whitelist 192.0.2.1: only in the file' in out, out
        assert fwd.ipsets() == before and 'only in the kernel' in str(told(fwd)), 'asking changed something'
        fwd.restart()
        assert told(fwd) == {'ipsets': [line for line in want if 'nomatch' in line]}, told(fwd)
        nets = sorted(e['net'] for e in fwd.ctl('list', json=True)[1]['result']['entries'])
        assert '198.51.100.0/24' in nets and '192.0.2.1' in nets and '192.0.2.4' not in nets, nets


def test_sets():
    """A set that is gone; one that another made, before fwd knew the name; a file that cannot be read."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        fwd.ctl('allow', '192.0.2.1', '192.0.2.2', check=0)
        assert told(fwd) == {}, told(fwd)
        ipset(bed, 'destroy', 'whitelist')
        want = 'whitelist: the set is missing in the kernel, with 2 entries of the file'
        assert told(fwd) == {'ipsets': [want]}, told(fwd)
        ipset(bed, 'create', 'whitelist', 'hash:ip,port')
        ipset(bed, 'add', 'whitelist', '192.0.2.1,80')
        assert told(fwd) == {'ipsets': ['whitelist: a set of another make has the name']}, told(fwd)
        ipset(bed, 'destroy', 'whitelist')
        fwd.restart()
        assert told(fwd) == {}, told(fwd)
        rewrite(fwd, 'ipsets', lambda text: text + 'add whitelist 192.0.2.300\n')
        assert told(fwd) == {'ipsets': ['whitelist: 1 lines of the file cannot be read']}, told(fwd)
        os.chmod(os.path.join(fwd.iptables, 'ipsets'), 0o666)
        assert list(told(fwd)) == ['ipsets'], told(fwd)


def test_at_most_a_hundred_lines():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        lines = ''.join('add whitelist 10.0.%d.%d\n' % (i // 250, i % 250) for i in range(1000))
        bed.root('host', ['ipset', 'restore'], input=lines + 'add whitelist6 2001:db8::9\n')
        lines = told(fwd)['ipsets']
        assert len(lines) == 101 and lines[-1] == '… and 901 more', lines[-3:]


def test_exceptions_are_not_written_as_openings():
    """What excepts (nomatch) stays out of the file: as a plain entry it would let in whom it keeps out."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        bed.serve('host', 8080)
        enabled(fwd)
        fwd.stop()
        ipset(bed, 'add', 'whitelist', '192.0.2.16/28')
        ipset(bed, 'add', 'whitelist', bed.addr('friend') + '/31', 'nomatch')
        ipset(bed, 'add', 'whitelist', bed.addr('stranger'))
        fwd.start()
        assert '192.0.2.16/28' in fwd.ipsets() and bed.addr('friend') not in fwd.ipsets(), fwd.ipsets()
        fwd.syslog.wait('1 entries that the file cannot hold')
        bed.expect('silent', 'friend', bed.addr('host'), 8080)
        bed.expect('served', 'stranger', bed.addr('host'), 8080)


def test_what_the_file_cannot_hold_stops_nothing():
    """A comment of two lines would be two lines of the file."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        fwd.ctl('allow', '192.0.2.1', check=0)
        fwd.stop()
        ipset(bed, 'add', 'whitelist', '192.0.2.2', 'comment', 'x\nadd whitelist 192.0.2.3')
        ipset(bed, 'del', 'whitelist', '192.0.2.1')
        fwd.start()
        fwd.syslog.wait('1 entries that the file cannot hold')
        assert told(fwd) == {'ipsets': ['whitelist 192.0.2.2: only in the kernel']}, told(fwd)
        assert fwd.ctl('status', json=True, check=0)[1]['result']['state'] == 'on'
        assert '192.0.2.3' not in fwd.ipsets(), fwd.ipsets()


def test_all_kinds_together():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        enabled(fwd)
        bed.root('host', ['ip6tables', '-F', 'FWD-FORWARD'])
        rewrite(fwd, 'rules.v4', lambda text: text.replace(' --dport 22 ', ' --dport 23 '))
        ipset(bed, 'add', 'whitelist', '192.0.2.77')
        fwd.write_conf('[firewall]\nssh = whitelist\n')
        assert list(told(fwd)) == ['kernel', 'rules.v4', 'ipsets', 'fwd.conf'], told(fwd)
        code, out, _ = fwd.ctl('diff', check=0)
        heads = [line for line in out.splitlines() if not line.startswith(' ')]
        assert heads == ['kernel', 'rules.v4', 'ipsets', 'fwd.conf'], out
