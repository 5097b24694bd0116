# SPDX-License-Identifier: GPL-2.0-or-later
"""Removals: final at once, but on trial where a login would be cut; by a cut beside the list, in both states."""
from bed import Bed, Fwd
from sshd import Sshd

PORT = 8080
WHITELIST = '[firewall]\nssh = whitelist\n'


def enabled(fwd):
    fwd.ctl('enable', '--force', check=4)
    fwd.ctl('confirm', '--force', check=0)


def entries(fwd):
    return sorted(e['net'] for e in fwd.ctl('list', json=True, check=0)[1]['result']['entries'])


def expect(bed, family=4, **want):
    bed.expect_all(*[(word, name, bed.addr('host', family), PORT) for name, word in want.items()])


def test_a_login_puts_it_on_trial():
    for family in 4, 6:
        with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
            bed.serve('host', PORT)
            sshd = Sshd(bed, 'bookworm')
            operator, friend = bed.addr('operator', family), bed.addr('friend', family)
            fwd.ctl('allow', operator, friend, check=0)
            enabled(fwd)
            session = sshd.ssh('root', family)
            session.shell()
            code, answer, _ = fwd.ctl('remove', operator, json=True)
            assert code == 1 and 'would cut a login: root from ' + operator in answer['error']['text'], answer
            expect(bed, family, operator='served', friend='served')
            code, answer, _ = fwd.ctl('remove', operator, '--force', '--timeout', '30s', json=True, check=4)
            assert answer['changed'] and answer['result']['trial']['what'] == 'remove', answer
            expect(bed, family, operator='silent', friend='served', stranger='silent')
            assert operator in entries(fwd), 'it is in the list until somebody confirms'
            fwd.ctl('rollback', check=0)
            expect(bed, family, operator='served', friend='served')
            # nobody who is logged in: final at once
            answer = fwd.ctl('remove', friend, json=True, check=0)[1]
            assert answer['changed'] and 'trial' not in answer['result'], answer
            expect(bed, family, operator='served', friend='silent')
            fwd.ctl('remove', operator, '--force', check=4)
            assert fwd.ctl('allow', friend, json=True, check=0)[1]['changed'], 'an allow acts on both states'
            expect(bed, family, operator='silent', friend='served')
            fwd.ctl('confirm', '--force', check=0)
            expect(bed, family, operator='silent', friend='served')
            assert entries(fwd) == [friend]
            fwd.restart()
            assert entries(fwd) == [friend]
            expect(bed, family, operator='silent', friend='served')
            assert fwd.ctl('diff', json=True)[1]['result']['differences'] == []


def test_what_stays_inside_and_around():
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        bed.serve('host', PORT)
        sshd = Sshd(bed, 'bookworm')
        friend = bed.addr('friend')
        fwd.ctl('allow', '192.0.2.0/24', check=0)
        fwd.ctl('allow', friend, '--for', '1h', check=0)
        enabled(fwd)
        sshd.ssh('root', 4).shell()
        # a wider entry goes on covering the login: no trial
        fwd.ctl('allow', '192.0.0.0/16', check=0)
        assert fwd.ctl('remove', '192.0.2.0/24', json=True, check=0)[1]['changed']
        expect(bed, operator='served', friend='served', stranger='served')
        fwd.ctl('allow', '192.0.2.0/24', check=0)
        # both go: the friend's own entry stays, with its end
        fwd.ctl('remove', '192.0.2.0/24', '192.0.0.0/16', '--force', '--timeout', '60s', check=4)
        expect(bed, operator='silent', friend='served', stranger='silent')
        fwd.ctl('allow', bed.addr('operator'), check=0)
        expect(bed, operator='served', friend='served', stranger='silent')
        code, answer, _ = fwd.ctl('remove', friend, json=True)
        assert code == 1 and 'a trial is running (remove' in answer['error']['text'], answer
        fwd.kill()
        fwd.start()
        trial = fwd.ctl('status', json=True)[1]['result']['trial']
        assert trial and trial['what'] == 'remove', trial
        expect(bed, operator='served', friend='served', stranger='silent')
        fwd.ctl('confirm', '--force', check=0)
        expect(bed, operator='served', friend='served', stranger='silent')
        assert entries(fwd) == [bed.addr('operator'), friend], entries(fwd)
        assert fwd.ctl('diff', json=True)[1]['result']['differences'] == []


def test_nobody_confirms():
    with Bed() as bed, Fwd(bed, conf=WHITELIST) as fwd:
        bed.serve('host', PORT)
        sshd = Sshd(bed, 'bookworm')
        fwd.ctl('allow', bed.addr('operator'), check=0)
        enabled(fwd)
        sshd.ssh('root', 4).shell()
        flow = bed.flow('operator', bed.addr('host'), PORT)
        fwd.ctl('remove', bed.addr('operator'), '--force', '--timeout', '10s', check=4)
        assert not flow.talks()
        fwd.kill()
        assert flow.talks(timeout=20), 'the kernel ends the trial, fwd dead or not'
        fwd.start()
        assert entries(fwd) == [bed.addr('operator')]
        expect(bed, operator='served', stranger='silent')
        assert 'fwd-cut' not in bed.root('host', ['iptables-save']).stdout
