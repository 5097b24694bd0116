# SPDX-License-Identifier: GPL-2.0-or-later
"""From `fwctl allow` to the packet, the disk and back: the real daemon, the real client, real TCP and UDP, both families."""
import json
import os
import signal
import threading
import time

from bed import Bed, Fwd

FAMILIES = (4, 6)
PORT = 8080


def served(bed, *names, port=PORT):
    bed.expect_all(*[('served', n, bed.addr('host', f), port) for n in names for f in FAMILIES])


def silent(bed, *names, port=PORT):
    bed.expect_all(*[('silent', n, bed.addr('host', f), port) for n in names for f in FAMILIES])


def served_within(bed, seconds):
    bed.expect_all(*[('served', 'stranger', bed.addr('host', f), PORT) for f in FAMILIES], within=seconds)


def both(bed, name):
    return [bed.addr(name, f) for f in FAMILIES]


def enabled(fwd):
    fwd.ctl('enable', check=4)
    fwd.ctl('confirm', '--force', check=0)


def test_enable_allow_remove():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 22)
        served(bed, 'friend', 'stranger')
        enabled(fwd)
        silent(bed, 'friend', 'stranger')
        served(bed, 'stranger', port=22)
        code, answer, _ = fwd.ctl('allow', *both(bed, 'friend'), json=True, check=0)
        assert answer['changed'] and [e['was'] for e in answer['result']['entries']] == ['absent', 'absent'], answer
        served(bed, 'friend')
        silent(bed, 'stranger')
        code, answer, _ = fwd.ctl('allow', *both(bed, 'friend'), json=True, check=0)
        assert not answer['changed'], answer
        code, answer, _ = fwd.ctl('remove', *both(bed, 'friend'), json=True, check=0)
        assert answer['changed'], answer
        silent(bed, 'friend')
        code, answer, _ = fwd.ctl('remove', *both(bed, 'friend'), json=True, check=0)
        assert not answer['changed'], answer


def test_networks_ranges_and_udp():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 5353, 'udp')
        enabled(fwd)
        fwd.ctl('allow', '192.0.2.16-192.0.2.21', '2001:db8::20/128', '--comment', 'friends of the house', check=0)
        served(bed, 'friend')
        bed.expect('served', 'friend', bed.addr('host'), 5353, proto='udp')
        bed.expect('silent', 'stranger', bed.addr('host'), 5353, proto='udp')
        silent(bed, 'stranger', 'operator')
        entries = fwd.ctl('list', json=True, check=0)[1]['result']['entries']
        assert sorted(e['net'] for e in entries) == ['192.0.2.16/30', '192.0.2.20/31', '2001:db8::20'], entries
        assert all(e['comment'] == 'friends of the house' and e['until'] == 0 for e in entries), entries
        fwd.ctl('allow', 'any', '--wide', check=0)
        served(bed, 'stranger', 'operator')
        fwd.ctl('remove', 'any', check=0)
        silent(bed, 'stranger')
        served(bed, 'friend')


def test_host_bits_are_cleared_and_said():
    with Bed() as bed, Fwd(bed) as fwd:
        for verb in 'allow', 'remove':
            entry, = fwd.ctl(verb, '192.0.2.7/24', json=True, check=0)[1]['result']['entries']
            assert entry['net'] == '192.0.2.0/24' and 'you said 192.0.2.7/24' in entry['note'], entry


def test_removal_cuts_what_is_open():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', *both(bed, 'friend'), check=0)
        flows = [bed.flow('friend', bed.addr('host', f), PORT) for f in FAMILIES]
        assert all(flow.talks() for flow in flows)
        fwd.ctl('remove', *both(bed, 'friend'), check=0)
        assert not any(flow.talks() for flow in flows)
        fwd.ctl('allow', *both(bed, 'friend'), check=0)
        assert all(flow.talks(timeout=8) for flow in flows), 'what TCP sent again must get through'


def test_answers_to_the_host():
    """The article's case: without the established rule the host's own DNS dies."""
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('stranger', 53, 'udp')
        bed.serve('stranger', 80)
        enabled(fwd)
        for family in FAMILIES:
            bed.expect('served', 'host', bed.addr('stranger', family), 53, proto='udp')
            bed.expect('served', 'host', bed.addr('stranger', family), 80)
        bed.serve('host', 5353, 'udp')
        bed.expect('silent', 'stranger', bed.addr('host'), 5353, proto='udp')


def test_trial_ends_by_itself():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        code, answer, _ = fwd.ctl('enable', '--timeout', '10s', json=True, check=4)
        assert answer['changed'] and answer['result']['trial']['back_to'] == 'off', answer
        silent(bed, 'friend', 'stranger')
        assert fwd.confirmed() is None and fwd.rules(4) is None, 'nothing of a trial is on disk'
        fwd.syslog.wait('rolled back to off: nobody confirmed', timeout=15)
        served(bed, 'friend', 'stranger')
        status = fwd.ctl('status', json=True, check=0)[1]['result']
        assert status['state'] == 'off' and status['trial'] is None, status
        assert any('rolled back' in a['text'] for a in status['attention']), status
        assert fwd.ctl('confirm', '--force')[0] == 1


def test_trial_ends_without_the_daemon():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        fwd.ctl('enable', '--timeout', '10s', check=4)
        silent(bed, 'stranger')
        fwd.kill()
        served_within(bed, 15)
        fwd.start()
        served(bed, 'stranger')
        left = bed.root('host', ['iptables-save']).stdout
        assert 'FWD-' not in left, left


def test_trial_goes_on_after_a_restart():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        fwd.ctl('enable', '--timeout', '30s', check=4)
        fwd.kill()
        fwd.start()
        trial = fwd.ctl('status', json=True, check=0)[1]['result']['trial']
        assert trial and trial['left'] <= 30 and trial['what'] == 'enable', trial
        silent(bed, 'stranger')
        fwd.ctl('confirm', '--force', check=0)
        silent(bed, 'stranger')
        assert fwd.ctl('status', json=True)[1]['result']['state'] == 'on'


def test_rollback_by_hand():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        fwd.ctl('enable', check=4)
        silent(bed, 'stranger')
        code, answer, _ = fwd.ctl('enable', json=True)
        assert code == 1 and 'a trial is running' in answer['error']['text'], answer
        fwd.ctl('rollback', check=0)
        served(bed, 'stranger')
        code, answer, _ = fwd.ctl('rollback', json=True, check=0)
        assert not answer['changed'], answer


def test_gate_emptied_by_hand_is_a_rollback():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        fwd.ctl('enable', check=4)
        bed.root('host', ['ipset', 'flush', 'fwd-trial'])
        served(bed, 'stranger')
        fwd.syslog.wait('somebody emptied the gate', timeout=5)
        assert fwd.ctl('status', json=True)[1]['result']['state'] == 'off'


def test_reload():
    with Bed() as bed, Fwd(bed, conf='[firewall]\nssh-ports = 22\n') as fwd:
        bed.serve('host', 22)
        bed.serve('host', 2222)
        enabled(fwd)
        silent(bed, 'stranger', port=2222)
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        assert fwd.ctl('status', json=True)[1]['result']['wish'] == 'differs'
        differences = fwd.ctl('diff', json=True)[1]['result']['differences']
        assert {d['where'] for d in differences} == {'fwd.conf'} and len(differences) == 2, differences
        code, answer, _ = fwd.ctl('reload', json=True, check=0)
        assert answer['changed'] and answer['result']['trial'] is None, answer
        served(bed, 'stranger', port=2222)
        fwd.write_conf('[firewall]\nssh = whitelist\nssh-ports = 22 2222\n')
        fwd.ctl('allow', *both(bed, 'operator'), check=0)
        fwd.ctl('reload', check=4)
        silent(bed, 'stranger', port=22)
        served(bed, 'operator', port=22)
        fwd.ctl('rollback', check=0)
        served(bed, 'stranger', port=22)
        fwd.ctl('reload', '--timeout', '20s', check=4)
        fwd.ctl('confirm', '--force', check=0)
        silent(bed, 'stranger', port=22)
        fwd.restart()
        silent(bed, 'stranger', port=22)
        served(bed, 'operator', port=22)
        code, answer, _ = fwd.ctl('reload', json=True, check=0)
        assert not answer['changed'], answer


def test_a_bad_wish_changes_nothing_and_survives_a_restart():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 22)
        enabled(fwd)
        before = fwd.confirmed()
        fwd.write_conf('[firewall]\nssh = nobody\n')
        code, answer, _ = fwd.ctl('reload', json=True)
        assert code == 1 and 'fwd.conf:2' in answer['error']['text'], answer
        fwd.restart()
        silent(bed, 'stranger')
        served(bed, 'stranger', port=22)
        assert fwd.confirmed() == before
        assert fwd.ctl('status', json=True)[1]['result']['wish'] == 'unreadable'


def test_sighup_is_a_reload():
    with Bed() as bed, Fwd(bed, conf='[firewall]\nssh-ports = 22\n') as fwd:
        bed.serve('host', 2222)
        enabled(fwd)
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        fwd.signal(signal.SIGHUP)
        fwd.syslog.wait('reload by SIGHUP')
        served(bed, 'stranger', port=2222)


def test_trusted_interface():
    with Bed(guest=True) as bed, Fwd(bed) as fwd:
        device = next(l.split('@')[0].split(': ')[1] for l in bed.run('host', ['ip', '-o', 'link']).stdout.splitlines()
                      if 'eth0' not in l and ': lo' not in l)
        bed.serve('host', PORT)
        bed.serve('stranger', PORT)
        enabled(fwd)
        bed.expect('silent', 'guest', bed.addr('host'), PORT)
        bed.expect('silent', 'guest', bed.addr('stranger'), PORT)
        fwd.write_conf('[firewall]\ntrust = %s\n' % device)
        code, answer, _ = fwd.ctl('reload', json=True, check=0)
        assert answer['changed'], answer
        for family in FAMILIES:
            bed.expect('served', 'guest', bed.addr('host', family), PORT)
            bed.expect('served', 'guest', bed.addr('stranger', family), PORT)
        silent(bed, 'stranger')


def test_forwarding():
    with Bed(guest=True) as bed, Fwd(bed) as fwd:
        bed.serve('guest', 80)
        bed.serve('stranger', 53, 'udp')
        enabled(fwd)
        cases = [(n, f) for n in ('friend', 'stranger') for f in FAMILIES]
        bed.expect_all(*[('silent', n, bed.addr('guest', f), 80) for n, f in cases])
        fwd.ctl('allow', *both(bed, 'friend'), check=0)
        bed.expect_all(*[('served' if n == 'friend' else 'silent', n, bed.addr('guest', f), 80) for n, f in cases])


def test_restart_stop_and_kill_leave_it_standing():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', *both(bed, 'friend'), check=0)
        fwd.stop()
        served(bed, 'friend')
        silent(bed, 'stranger')
        fwd.start()
        served(bed, 'friend')
        fwd.kill()
        served(bed, 'friend')
        silent(bed, 'stranger')
        fwd.start()
        served(bed, 'friend')
        silent(bed, 'stranger')
        assert fwd.ctl('diff', json=True, check=0)[1]['result']['differences'] == []


def reboot(bed, fwd, before=lambda: None):
    """What a boot does to the kernel: nothing of before is left. @before: what others load first."""
    fwd.kill()
    bed.root('host', ['nft', 'flush', 'ruleset'])
    bed.root('host', ['ipset', 'destroy'])
    before()
    fwd.start()


def test_reboot():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 22)
        enabled(fwd)
        fwd.ctl('allow', *both(bed, 'friend'), '--comment', 'stays', check=0)
        fwd.ctl('allow', *both(bed, 'operator'), '--for', '1h', check=0)
        before = fwd.ctl('list', json=True)[1]['result']['entries']
        reboot(bed, fwd)
        served(bed, 'friend', 'operator')
        silent(bed, 'stranger')
        served(bed, 'stranger', port=22)
        after = fwd.ctl('list', json=True)[1]['result']['entries']
        key = lambda e: e['net']
        strip = lambda es: [(e['net'], e['until'], e['comment']) for e in sorted(es, key=key)]
        assert strip(before) == strip(after), (before, after)


def test_reboot_with_netfilter_persistent():
    """ipset restore and iptables-restore load our files first; fwd finds nothing to change."""
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', *both(bed, 'friend'), check=0)

        def load():
            bed.root('host', ['ipset', 'restore', '-exist'], input=fwd.ipsets())
            bed.root('host', ['iptables-restore'], input=fwd.rules(4))
            bed.root('host', ['ip6tables-restore'], input=fwd.rules(6))
            served(bed, 'friend')
            silent(bed, 'stranger')
        reboot(bed, fwd, load)
        fwd.syslog.wait('nothing was to be done')
        served(bed, 'friend')
        silent(bed, 'stranger')


def test_expiry():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', bed.addr('friend'), '--for', '3s', check=0)
        fwd.ctl('allow', bed.addr('operator'), '--for', '1h', check=0)
        bed.expect('served', 'friend', bed.addr('host'), PORT)
        flow = bed.flow('friend', bed.addr('host'), PORT)
        deadline = time.monotonic() + 10
        while flow.talks(timeout=1):
            assert time.monotonic() < deadline, 'an entry that ended 7 s ago still opens'
        bed.expect('silent', 'friend', bed.addr('host'), PORT)
        reboot(bed, fwd)
        bed.expect('silent', 'friend', bed.addr('host'), PORT)
        bed.expect('served', 'operator', bed.addr('host'), PORT)
        assert [e['net'] for e in fwd.ctl('list', json=True)[1]['result']['entries']] == [bed.addr('operator')]


def test_disable():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.root('host', ['iptables', '-P', 'FORWARD', 'DROP'])
        enabled(fwd)
        assert ':INPUT DROP' in bed.root('host', ['iptables-save']).stdout
        silent(bed, 'stranger')
        answer = fwd.ctl('disable', json=True, check=0)[1]
        assert answer['changed'] and answer['result']['policies']['v4'] == {'INPUT': 'ACCEPT', 'FORWARD': 'DROP'}, answer
        served(bed, 'stranger')
        for family, tool in ((4, 'iptables-save'), (6, 'ip6tables-save')):
            assert 'FWD-' not in bed.root('host', [tool]).stdout + fwd.rules(family)
        assert ':FORWARD DROP' in bed.root('host', ['iptables-save']).stdout
        assert ':FORWARD DROP' in fwd.rules(4)
        assert not fwd.ctl('disable', json=True, check=0)[1]['changed']
        reboot(bed, fwd)
        served(bed, 'stranger')
        enabled(fwd)
        silent(bed, 'stranger')
        fwd.ctl('disable', '--accept', check=0)
        served(bed, 'stranger')


def test_dry_run_says_what_happens_and_does_nothing():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        for args in (['enable'], ['allow', '192.0.2.20'], ):
            answer = fwd.ctl(*args, '--dry-run', json=True, check=0)[1]
            assert answer['changed'] and answer['result']['would'], answer
        assert fwd.ipsets() in (None, '') and fwd.rules() is None and fwd.confirmed() is None
        assert bed.root('host', ['iptables-save']).stdout.count('FWD-') == 0
        would = fwd.ctl('enable', '--dry-run', json=True)[1]['result']['would']
        fwd.ctl('allow', *both(bed, 'friend'), check=0)
        enabled(fwd)
        lines = [l for l in bed.root('host', ['iptables-save']).stdout.splitlines() if l.startswith('-A')]
        said = [w[2:-len(' (IPv4)')] for w in would if w.startswith('+ -A') and w.endswith('(IPv4)')]
        assert sorted(lines) == sorted(said), (lines, said)
        for args in (['disable'], ['remove', bed.addr('friend')]):
            answer = fwd.ctl(*args, '--dry-run', json=True, check=0)[1]
            assert answer['changed'] and answer['result']['would'], (args, answer)
        assert fwd.ctl('remove', '203.0.113.9', '--dry-run', json=True, check=0)[1]['changed'] is False
        served(bed, 'friend')
        silent(bed, 'stranger')


def test_rescue():
    with Bed() as bed, Fwd(bed, conf='[firewall]\nssh = whitelist\n') as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 22)
        enabled(fwd)
        silent(bed, 'stranger', 'operator', port=22)
        fwd.kill()
        paths = ['-c', fwd.conf, '-d', fwd.iptables, '-S', fwd.state, '-s', fwd.socket]
        done = bed.run('host', [fwd.client, 'rescue', *paths])
        assert done.returncode == 0, done
        served(bed, 'stranger', port=22)
        silent(bed, 'stranger')
        fwd.start()
        served(bed, 'stranger', port=22)
        silent(bed, 'stranger')


def test_why_agrees_with_packets():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.serve('host', 22)
        enabled(fwd)
        fwd.ctl('allow', '192.0.2.16/28', check=0)
        for name, port, word in (('friend', PORT, 'accept'), ('stranger', 22, 'accept'), ('operator', PORT, 'drop')):
            now = fwd.ctl('why', bed.addr(name), 'tcp/%d' % port, json=True, check=0)[1]['result']['now']
            assert now['verdict'] == word and now['decides'] and now['steps'], now
            bed.expect('served' if word == 'accept' else 'silent', name, bed.addr('host'), port)
        assert fwd.ctl('why', bed.addr('friend'), 'tcp/1', json=True)[1]['result']['now']['entry'] == '192.0.2.16/28'
        answer = fwd.ctl('why', bed.addr('friend'), 'tcp/%d' % PORT, '--files', fwd.iptables, json=True, check=0)[1]
        assert answer['result']['now']['verdict'] == 'accept', answer


def test_entries_made_by_hand_while_fwd_was_away():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', bed.addr('operator'), check=0)
        fwd.stop()
        bed.root('host', ['ipset', 'add', 'whitelist', bed.addr('friend')])
        fwd.start()
        bed.expect('served', 'friend', bed.addr('host'), PORT)
        reboot(bed, fwd)
        bed.expect('served', 'friend', bed.addr('host'), PORT)
        bed.expect('served', 'operator', bed.addr('host'), PORT)
        bed.expect('silent', 'stranger', bed.addr('host'), PORT)


def test_who_may():
    with Bed() as bed, Fwd(bed) as fwd:
        os.chmod(fwd.dir, 0o755)
        os.chmod(bed.dir, 0o755)
        os.chmod(fwd.socket, 0o666)  # the file's mode is not what decides
        ask = ('import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.sendall(sys.argv[2].encode()+b"\\n");'
               'print(s.makefile().readline())')
        for request, who, code in (({'verb': 'status'}, ['--reuid', '65534', '--regid', '65534', '--clear-groups'], 1),
                                   ({'verb': 'allow', 'args': {'networks': ['192.0.2.9']}},
                                    ['--reuid', '65534', '--regid', '65534', '--clear-groups'], 1),
                                   ({'verb': 'status'}, [], 0)):
            argv = ['setpriv', *who] if who else []
            done = bed.run('host', argv + ['/usr/bin/env', 'python3', '-c', ask, fwd.socket, json.dumps(request)])
            answer = json.loads(done.stdout)
            assert answer['exit'] == code, (request, who, answer)
        assert '192.0.2.9' not in (fwd.ipsets() or '')


def test_second_daemon_is_refused():
    with Bed() as bed, Fwd(bed) as fwd:
        enabled(fwd)
        code, out, err = fwd.once()
        assert code == 1 and 'another fwd answers there' in err, (code, out, err)
        fwd.ctl('status', check=0)


def test_a_foreign_save_loses_nothing():
    """What netfilter-persistent save does to the list file, between our changes: what was answered stays."""
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        enabled(fwd)
        fwd.ctl('allow', *both(bed, 'friend'), '--comment', 'before', check=0)
        saved = bed.root('host', ['ipset', 'save']).stdout
        fwd.ctl('allow', *both(bed, 'operator'), check=0)
        with open(os.path.join(fwd.iptables, 'ipsets'), 'w') as f:  # a save that began before the operator was allowed
            f.write('create others hash:ip\nadd others 203.0.113.7\n' + saved)
        fwd.syslog.wait('somebody wrote the list file')
        assert bed.addr('operator') in fwd.ipsets() and 'add others 203.0.113.7' in fwd.ipsets(), fwd.ipsets()
        fwd.ctl('remove', *both(bed, 'friend'), check=0)
        reboot(bed, fwd)
        served(bed, 'operator')
        silent(bed, 'friend', 'stranger')
        assert 'add others 203.0.113.7' in fwd.ipsets()


def test_dead_lines_are_swept():
    with Bed() as bed, Fwd(bed) as fwd:
        enabled(fwd)
        fwd.ctl('allow', bed.addr('friend'), '--comment', 'stays', check=0)
        for _ in range(3):
            for verb in 'allow', 'remove':
                fwd.ctl(verb, *['203.0.113.%d' % i for i in range(256)], check=0)
                fwd.ctl(verb, *['198.51.100.%d' % i for i in range(256)], check=0)
        deadline = time.monotonic() + 10
        while fwd.ipsets().count('\n') > 1100:  # of 3072: below 1000 dead ones it is not worth the while
            assert time.monotonic() < deadline, '%d lines for one entry' % fwd.ipsets().count('\n')
        bed.root('host', ['ipset', 'restore', '-exist'], input=fwd.ipsets())
        entries = fwd.ctl('list', json=True)[1]['result']['entries']
        assert [(e['net'], e['comment']) for e in entries] == [(bed.addr('friend'), 'stays')], entries


def test_disable_for_a_while():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        bed.root('host', ['iptables', '-P', 'FORWARD', 'DROP'])
        enabled(fwd)
        answer = fwd.ctl('disable', '--for', '10s', json=True, check=4)[1]
        assert answer['changed'] and answer['result']['trial']['what'] == 'disable', answer
        served(bed, 'stranger')
        fwd.kill()  # it comes back by itself, fwd dead or not
        flow = bed.flow('stranger', bed.addr('host'), PORT)
        deadline = time.monotonic() + 15
        while flow.talks(timeout=1):
            assert time.monotonic() < deadline, 'it is still off'
        silent(bed, 'stranger')
        fwd.start()
        silent(bed, 'stranger')
        assert fwd.ctl('status', json=True)[1]['result']['state'] == 'on'
        fwd.ctl('disable', '--for', '10s', check=4)
        code, answer, _ = fwd.ctl('wait', json=True)
        assert code == 0 and 'it is back' in answer['result']['text'], answer
        assert fwd.ctl('status', json=True)[1]['result']['attention'] == []
        fwd.ctl('disable', '--for', '60s', check=4)
        served(bed, 'stranger')
        fwd.restart()
        served(bed, 'stranger')
        assert fwd.ctl('status', json=True)[1]['result']['trial']['what'] == 'disable'
        fwd.ctl('rollback', check=0)
        silent(bed, 'stranger')
        fwd.ctl('disable', '--for', '60s', check=4)
        fwd.ctl('confirm', check=0)  # to open takes no proof
        served(bed, 'stranger')
        assert fwd.ctl('status', json=True)[1]['result']['state'] == 'off'
        listing = bed.root('host', ['iptables-save']).stdout
        assert 'FWD-' not in listing and ':FORWARD DROP' in listing and ':INPUT ACCEPT' in listing, listing
        reboot(bed, fwd)
        served(bed, 'stranger')


def test_extend_and_wait():
    with Bed() as bed, Fwd(bed) as fwd:
        bed.serve('host', PORT)
        assert fwd.ctl('wait', json=True, check=0)[1]['result'] == {}
        assert fwd.ctl('extend', '60s')[0] == 1
        fwd.ctl('enable', '--timeout', '10s', check=4)
        left = fwd.ctl('extend', '40s', json=True, check=4)[1]['result']['trial']['left']
        assert 45 <= left <= 50, left
        results = []

        def wait():
            results.append(fwd.ctl('wait', json=True))
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        while sum(b'wait' in command for command in commands(bed)) < 3:
            assert not results, results
        fwd.ctl('rollback', check=0)
        for thread in threads:
            thread.join(10)
        assert [r[0] for r in results] == [5, 5, 5], results
        served(bed, 'stranger')
        fwd.ctl('enable', '--timeout', '10s', check=4)
        thread = threading.Thread(target=wait)
        thread.start()
        fwd.ctl('confirm', '--force', check=0)
        thread.join(10)
        assert results[-1][0] == 0, results[-1]
        fwd.write_conf('[firewall]\nssh = whitelist\n')
        fwd.ctl('reload', '--timeout', '10s', check=4)
        code, answer, _ = fwd.ctl('wait', json=True)
        assert code == 5 and 'nobody confirmed in time' in answer['result']['text'], answer


def commands(bed):
    """Command lines of what runs on this machine: to see that a program is there."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                text = f.read()
        except OSError:
            continue
        if bed.dir.encode() in text:
            yield text.split(b'\0')
