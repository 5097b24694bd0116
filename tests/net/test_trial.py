# SPDX-License-Identifier: GPL-2.0-or-later
"""The fault matrix of trials. A trial that cuts SSH is begun in an ssh session from the operator's address; then the fault;
then, after the deadline, a new ssh connection from there succeeds (else: a false lockout), and strangers get what the
confirmed state gave them (more is a false open). Both are counted, and printed as a table.

Rows run side by side, each on ground of its own. Not here: the clock of the wall, which no namespace has to itself."""
import contextlib
import os
import random
import re
import signal
import time

from access import LISTED, OPEN, PORT, Ground, ask, parallel
from sshd import wait_for

TRIAL = 10.0
LATE = 5.0  # seconds after the deadline in which a connection that was tried anew must have succeeded, on a busy machine


class Row:
    """Ground whose confirmed state lets the operator in, and a trial that does not. @on: the firewall was on before (SSH for
    anyone, the friend listed), else it was off. @removal: it was on, SSH for the listed, and the trial removes the operator."""

    def __init__(self, name, on=True, seconds=TRIAL, removal=False, **kw):
        self.name, self.on, self.seconds, self.removal = name, on, seconds, removal
        self.ground = Ground(OPEN if on and not removal else LISTED, on=on, **kw)
        self.opened = self.locked = None

    def __enter__(self):
        ground = self.ground.__enter__()
        self.fwd, self.bed = ground.fwd, ground.bed
        if self.on:
            self.fwd.ctl('allow', *[self.bed.addr('friend', f) for f in (4, 6)], check=0)
            self.fwd.write_conf(LISTED)
        if self.removal:
            self.fwd.ctl('allow', *self.operator(), check=0)
        self.confirmed = self.fwd.confirmed()
        self.session = ground.login()
        return self

    def __exit__(self, *error):
        return self.ground.__exit__(*error)

    def operator(self):
        return [self.bed.addr('operator', f) for f in (4, 6)]

    def begin(self):
        """In the session, which freezes."""
        self.began = time.monotonic()
        words = 'remove ' + ' '.join(self.operator()) if self.removal else 'reload' if self.on else 'enable'
        self.session.ctl('%s --force --timeout %ds' % (words, self.seconds), code=4)
        self.ground.shut_out()

    def waits(self, early=False, within=None):
        """Until the operator gets in anew. @early: the fault may end the trial before its time."""
        deadline = self.began + self.seconds + LATE if within is None else time.monotonic() + within
        while not self.ground.knocks():
            if time.monotonic() > deadline:
                break
        took = time.monotonic() - self.began
        assert early or took >= self.seconds, '%s: over after %.3f s, before its time' % (self.name, took)
        return took

    def judges(self):
        """What came of it, as packets see it."""
        got_in = parallel(*[lambda f=f: self.ground.gets_in(family=f) for f in (4, 6)])
        self.locked = not all(got_in)
        stranger = parallel(*[lambda f=f: self.bed.connect('stranger', self.bed.addr('host', f), PORT, 0.7) for f in (4, 6)])
        friend = parallel(*[lambda f=f: self.bed.connect('friend', self.bed.addr('host', f), PORT, 5.0) for f in (4, 6)])
        if self.on:
            self.opened = stranger != ['silent'] * 2
            self.locked |= friend != ['served'] * 2
        else:
            self.opened = False  # it was open to all
            self.locked |= stranger + friend != ['served'] * 4

    def clean(self):
        """The daemon lives and says that all is as it was."""
        wait_for('the end of the trial', lambda: self.ground.status()['trial'] is None, 15)
        status = self.ground.status()
        assert status['state'] == ('on' if self.on else 'off'), status
        differences = self.fwd.ctl('diff', json=True, check=0)[1]['result']['differences']
        differences = [d for d in differences if d['where'] != 'fwd.conf']
        assert not differences, (self.name, differences)
        now = self.fwd.confirmed()
        assert now == self.confirmed or not self.confirmed and 'active = off' in now, (self.name, now)
        left = self.ground.tool('iptables-save').stdout + self.ground.tool('ip6tables-save').stdout
        assert 'FWD-TRIAL' not in left and (self.on or 'FWD-' not in left), (self.name, left)
        assert 'add fwd-trial' not in self.ground.tool('ipset', 'save').stdout
        if self.removal:
            entries = {e['net'] for e in self.fwd.ctl('list', json=True, check=0)[1]['result']['entries']}
            assert entries.issuperset(self.operator()), entries



def run(*rows):
    """Rows side by side: functions that take nothing and return a Row after judges(). Their table, and both counts 0."""
    done = parallel(*rows)
    print('\n%-58s %-11s %s' % ('fault', 'false open', 'false lockout'))
    for row in done:
        print('%-58s %-11s %s' % (row.name, {True: 'YES', False: 'no'}[row.opened], {True: 'YES', False: 'no'}[row.locked]))
    opens, lockouts = sum(row.opened for row in done), sum(row.locked for row in done)
    print('false opens: %d, false lockouts: %d, of %d' % (opens, lockouts, len(done)), flush=True)
    assert opens == lockouts == 0


# ---- the client and its connection

def client(number, on):
    def row():
        with Row('client and ssh get %s, %s' % (number.name, 'on' if on else 'off'), on) as row:
            waiting = row.session.asks('%s --force --timeout 10s; fwctl wait' % ('fwctl reload' if on else 'fwctl enable'))
            row.began = time.monotonic()
            wait_for('the trial', lambda: row.ground.status()['trial'])
            row.ground.shut_out()
            pid = wait_for('fwctl wait', lambda: waits_of(row))
            os.kill(pid, number)
            row.session.process.send_signal(number)
            row.waits()
            row.judges()
            row.clean()
            assert row.ground.sshd.read(waiting) != '0\n'
            return row
    return row


def waits_of(row):
    """The fwctl that waits at this row's socket."""
    want = os.stat(row.ground.tree + '/opt/fwd/fwctl')
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            with open('/proc/%s/cmdline' % pid) as f:
                if f.read().split('\0')[-2:] != ['wait', '']:
                    continue
            there = os.stat('/proc/%s/root/opt/fwd/fwctl' % pid)
            if (there.st_dev, there.st_ino) == (want.st_dev, want.st_ino):
                return int(pid)
    return None


def test_clients():
    run(*[client(number, on) for number, on in ((signal.SIGHUP, True), (signal.SIGTERM, False), (signal.SIGKILL, True))],
        connection_cut, session_frozen)


def connection_cut():
    with Row('the wire is pulled, and put in again') as row:
        row.begin()
        for word in 'down', 'up':
            row.bed.run('lan', ['ip', 'link', 'set', 'host', word], check=True)
        row.bed._links_up('host', ['eth0'])
        row.waits()
        row.judges()
        row.clean()
        return row


def session_frozen():
    with Row('none but the trial: the session thaws') as row:
        row.begin()
        typed = row.session.asks('fwctl confirm --json')
        row.waits()
        code, text = row.session.answer(typed, 20)
        assert code == 1 and 'rolled back' in text, (code, text)
        row.judges()
        row.clean()
        assert row.session.talks()
        row.fwd.syslog.wait('rolled back to the confirmed rules: nobody confirmed in time')
        return row


# ---- the daemon

def daemon(number, on, back):
    def row():
        with Row('daemon gets %s, %s%s' % (number.name, 'on' if on else 'off', '; is back' if back else ''), on) as row:
            row.begin()
            row.fwd.signal(number)
            if number != signal.SIGSTOP:
                row.fwd.process.wait()
            if back:
                row.fwd.start()
                trial = row.ground.status()['trial']
                assert trial and trial['left'] <= 10, trial
                row.ground.shut_out()
            row.waits()
            row.judges()
            if number == signal.SIGSTOP:
                row.fwd.signal(signal.SIGCONT)
            elif not back:
                row.fwd.start()
            row.clean()
            row.judges()
            return row
    return row


def removal(name, fault):
    def row():
        with Row('removal of the operator, ' + name, removal=True) as row:
            row.begin()
            fault(row)
            row.waits(early=name.startswith('power'))
            row.judges()
            if not row.fwd.running():
                row.fwd.start()
            row.clean()
            row.judges()
            return row
    return row


def killed_and_back(row):
    row.fwd.kill()
    row.fwd.start()
    assert row.ground.status()['trial']['what'] == 'remove'
    row.ground.shut_out()


def saved_and_rebooted(row):
    row.ground.save()
    row.ground.reboot(row.ground.load)


def test_removals():
    run(removal('no fault', lambda row: None), removal('daemon killed', lambda row: row.fwd.kill()),
        removal('daemon killed; is back', killed_and_back),
        removal('power off', lambda row: row.ground.reboot(row.ground.load)),
        removal('power off, saved in mid-trial', saved_and_rebooted), disabled_for(False), disabled_for(True))


def disabled_for(dead):
    """The other way round: the trial lets everybody in, and the firewall comes back by itself."""
    def row():
        with Row('disable --for 10s' + (', daemon dead' if dead else '')) as row:
            row.fwd.write_conf(OPEN)
            row.began = time.monotonic()
            row.session.ctl('disable --for 10s', code=4)
            row.bed.expect('served', 'stranger', row.bed.addr('host'), PORT)
            if dead:
                row.fwd.kill()
            while row.bed.connect('stranger', row.bed.addr('host'), PORT, 0.2) == 'served':
                assert time.monotonic() < row.began + 15, 'it does not come back'
            assert time.monotonic() >= row.began + 10
            row.judges()
            if dead:
                row.fwd.start()
            row.clean()
            row.judges()
            return row
    return row


def test_daemon():
    run(*[daemon(number, on, False) for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP) for on in (True, False)],
        daemon(signal.SIGKILL, True, True), daemon(signal.SIGTERM, False, True))


def killed_in_rollback(on):
    """At points of chance in the rollback, whose length is measured first. Nobody had a chance to say so if it was killed
    before the gate was emptied: then the kernel does that, in its time, or the daemon's next start goes on."""
    def row():
        with Row('daemon killed in mid-rollback, 10 times, %s' % ('on' if on else 'off'), on, seconds=60) as row:
            chance, length, gone_on = random.Random(4), None, 0
            for number in range(11):
                row.session = row.ground.login()
                row.begin()
                sock = row.ground.open_socket()
                start = time.monotonic()
                if length is None:
                    assert ask(sock, 'rollback')['exit'] == 0
                    length = time.monotonic() - start
                    row.clean()
                    continue
                sock.sendall(b'{"verb":"rollback"}\n')
                until = start + chance.random() * max(length * 1.2, 0.015)
                while time.monotonic() < until:
                    pass
                row.fwd.kill()
                sock.close()
                if re.search(r'^add fwd-trial ', row.ground.tool('ipset', 'save').stdout, re.M):
                    gone_on += 1
                    row.ground.shut_out()
                    row.fwd.start()
                    assert row.ground.status()['trial'], 'killed before anything was done: the trial goes on'
                    row.fwd.ctl('rollback', check=0)
                    row.clean()
                else:
                    row.waits(early=True, within=1)
                    row.judges()
                    assert not row.opened and not row.locked, 'killed after %.1f ms' % ((until - start) * 1000)
                    row.fwd.start()
                    row.clean()
                row.session.close()
            print('a rollback takes %.1f ms; killed before its first step: %d of 10' % (length * 1000, gone_on))
            row.judges()
            return row
    return row


def killed_at_the_deadline():
    """In the daemon's own rollback, after the kernel's."""
    with Row('daemon killed at the deadline') as row:
        row.begin()
        while row.ground.knocks(timeout=0.02) is False:
            assert time.monotonic() < row.began + 15
        row.fwd.kill()
        row.judges()
        row.fwd.start()
        row.clean()
        row.judges()
        return row


def killed_in_confirm():
    """The rename of `confirmed` decides: at the next start the kernel follows it, and the trial is over or goes on."""
    with Row('daemon killed in mid-confirm, 10 times', seconds=60) as row:
        chance, length, confirmed = random.Random(5), None, 0
        for number in range(11):
            row.session = row.ground.login()
            row.begin()
            sock = row.ground.open_socket()
            start = time.monotonic()
            if length is None:
                assert ask(sock, 'confirm', force=True)['exit'] == 0
                length = time.monotonic() - start
            else:
                sock.sendall(b'{"verb":"confirm","args":{"force":true}}\n')
                until = start + chance.random() * max(length * 1.2, 0.015)
                while time.monotonic() < until:
                    pass
                row.fwd.kill()
                row.fwd.start()
            sock.close()
            status = row.ground.status()
            generation = int(re.search(r'generation = (\d+)', row.fwd.confirmed())[1])
            row.ground.shut_out()
            if status['trial']:
                assert generation < status['trial']['generation'] and row.fwd.confirmed() == row.confirmed, status
                row.fwd.ctl('rollback', check=0)
                row.clean()
            else:
                confirmed += 1
                assert row.fwd.ctl('diff', json=True)[1]['result']['differences'] == []
                row.fwd.write_conf(OPEN)
                row.fwd.ctl('reload', check=0)
                row.fwd.write_conf(LISTED)
                row.confirmed = row.fwd.confirmed()
            row.judges()
            assert not row.opened and not row.locked
            row.session.close()
        print('a confirm takes %.1f ms; taken: %d of 10' % (length * 1000, confirmed - 1))
        return row


def test_killed_in_rollback():
    run(killed_in_rollback(True), killed_in_rollback(False), killed_at_the_deadline)


def test_killed_in_confirm():
    run(killed_in_confirm)


# ---- power, disks

def power_off(on, loaded, dead=False):
    def row():
        name = 'power off and boot%s%s, %s' % (', saved in mid-trial' if loaded else '', ', no daemon' if dead else '',
                                               'on' if on else 'off')
        with Row(name, on) as row:
            row.begin()
            if loaded:
                row.ground.save()
                before = row.fwd.rules(4), row.fwd.ipsets()
                assert 'FWD-TRIAL-INPUT' in before[0] and 'add fwd-trial' in before[1]
            row.ground.reboot(row.ground.load if loaded or on else lambda: None, start=not dead)
            if dead:  # a gate that was saved alive runs out its remaining seconds
                row.waits(early=True, within=TRIAL + LATE)
                row.judges()
                row.fwd.start()
            row.waits(early=True, within=2)
            row.judges()
            row.clean()
            row.ground.reboot(row.ground.load if on else lambda: None)
            row.judges()
            assert not row.opened and not row.locked, 'the second boot'
            row.clean()
            return row
    return row


def test_power():
    run(*[power_off(on, loaded) for on in (True, False) for loaded in (False, True)],
        power_off(True, True, dead=True), power_off(False, True, dead=True))


def fill(ground, directory=''):
    with open(ground.disk + directory + '/filler', 'wb', buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(b'x' * 4096)


def empty(ground):
    os.unlink(ground.disk + '/filler')


def full_at_apply(on):
    def row():
        with Row('disk full at apply, %s' % ('on' if on else 'off'), on, disk=256 << 10) as row:
            fill(row.ground)
            row.began = time.monotonic()
            path = row.session.asks('fwctl %s --force --timeout 10s --json' % ('reload' if on else 'enable'))
            code, text = row.session.answer(path)
            assert code in (1, 4), (code, text)
            if code == 1:
                assert 'nothing was changed' in text, text
            else:
                row.waits()
            row.name += ': ' + ('refused' if code == 1 else 'on trial')
            row.judges()
            row.clean()
            return row
    return row


def full_at_confirm(on, mended):
    def row():
        name = 'disk full at confirm, %s%s' % ('on' if on else 'off', '; mended, confirmed again' if mended else '')
        with Row(name, on, disk=256 << 10) as row:
            row.begin()
            fill(row.ground)
            code, answer, _ = row.fwd.ctl('confirm', '--force', json=True)
            assert code == 1 and 'the trial goes on' in answer['error']['hint'], answer
            left = row.ground.status()['trial']['left']
            row.began, row.seconds = time.monotonic() - 1, left  # it may have been made longer, for the confirm
            row.ground.shut_out()
            if mended:
                empty(row.ground)
                row.fwd.ctl('allow', row.bed.addr('operator'), row.bed.addr('operator', 6), row.bed.addr('friend'),
                            row.bed.addr('friend', 6), check=0)
                row.fwd.ctl('confirm', '--force', check=0)
                row.on = True
            else:
                row.waits()
            row.judges()
            if not mended:
                row.clean()
            else:
                assert row.ground.status()['state'] == 'on'
            return row
    return row


def read_only():
    with Row('/etc/iptables and state read-only', disk=256 << 10) as row:
        row.begin()
        disk = row.ground.inside + '/disk'
        row.ground.mount('--bind', disk, disk)
        row.ground.mount('-o', 'remount,bind,ro', disk)
        code, answer, _ = row.fwd.ctl('confirm', '--force', json=True)
        assert code == 1 and 'the trial goes on' in answer['error']['hint'], answer
        row.began, row.seconds = time.monotonic() - 1, row.ground.status()['trial']['left']
        row.waits()
        row.judges()
        row.clean()
        return row


def no_record():
    """Nothing can be written beside the socket: the trial has no record, and a restart ends it."""
    with Row('no room for the trial\'s record; daemon restarted') as row:
        os.mkdir(row.fwd.dir + '/trial')  # the record cannot be renamed to there
        row.began = time.monotonic()
        row.begin()
        row.fwd.syslog.wait('cannot write the trial\'s record')
        row.fwd.kill()
        os.rmdir(row.fwd.dir + '/trial')
        row.fwd.start()
        row.waits(early=True, within=1)
        row.judges()
        row.clean()
        return row


def test_disks():
    run(full_at_apply(True), full_at_apply(False), full_at_confirm(True, False), full_at_confirm(False, False),
        full_at_confirm(True, True), full_at_confirm(False, True), read_only, no_record)


# ---- somebody's hands

def by_hand(name, *commands, dead=False):
    def row():
        with Row(name + (', daemon dead' if dead else '')) as row:
            row.begin()
            if dead:
                row.fwd.kill()
            for command in commands:
                row.ground.tool(*command.split(), check=False)
            row.waits(early=True)
            row.judges()
            if dead:
                row.fwd.start()
            row.clean()
            row.judges()
            return row
    return row


DESTROY = ['%s -D FWD-%s -m set --match-set fwd-trial src -g FWD-TRIAL-%s' % (tool, hook, hook)
           for tool in ('iptables', 'ip6tables') for hook in ('INPUT', 'FORWARD')] + ['ipset destroy fwd-trial']


def test_by_hand():
    run(by_hand('gate flushed', 'ipset flush fwd-trial'),
        by_hand('gate flushed', 'ipset flush fwd-trial', dead=True),
        by_hand('gate\'s members flushed', 'ipset flush fwd-all', 'ipset flush fwd-all6'),
        by_hand('half of the gate flushed', 'ipset del fwd-trial fwd-all6'),
        by_hand('gate deleted, with its rules', *DESTROY),
        by_hand('gate deleted, with its rules', *DESTROY, dead=True),
        by_hand('trial chains flushed', 'iptables -F FWD-TRIAL-INPUT', 'ip6tables -F FWD-TRIAL-INPUT'),
        by_hand('all rules flushed', 'iptables -F', 'ip6tables -F'))


def second_trial():
    with Row('a second trial') as row:
        row.begin()
        for verb in 'reload', 'enable', 'disable':
            code, answer, _ = row.fwd.ctl(verb, *(['--force'] if verb != 'disable' else []), json=True)
            text = answer['error']['text']
            assert code == 1 and 'a trial is running (reload, generation 2' in text, answer
        row.waits()
        row.judges()
        row.clean()
        return row


def without_rights():
    with Row('confirm by a user without rights') as row:
        os.chmod(row.fwd.socket, 0o666)
        alice = row.ground.login('alice', client='friend')
        row.begin()
        for words in 'confirm', 'confirm --force', 'extend 60s':
            code, text = alice.answer(alice.asks('fwctl ' + words))
            assert code == 1 and 'root' in text, (words, code, text)
        row.waits()
        row.judges()
        row.clean()
        return row


def bad_conf():
    with Row('fwd.conf unparsable; rolled back; boot') as row:
        row.begin()
        row.fwd.write_conf('[firewall]\nssh = nobody\n')
        row.waits()
        row.judges()
        row.clean()
        row.ground.reboot(row.ground.load)
        assert row.ground.status()['wish'] == 'unreadable'
        row.judges()
        row.clean()
        return row


def bad_wish():
    with Row('fwd.conf locks out; rolled back; boot twice') as row:
        row.begin()
        row.waits()
        wait_for('the rollback', lambda: row.ground.status()['trial'] is None)
        for _ in range(2):
            row.ground.reboot(row.ground.load)
            assert row.ground.status()['wish'] == 'differs'
            row.judges()
            assert not row.opened and not row.locked
        row.clean()
        return row


def to_the_confirmed():
    """Never to an earlier trial."""
    with Row('a trial after a trial that was rolled back', seconds=10) as row:
        row.fwd.write_conf(LISTED.replace('22', '23'))
        row.begin()
        row.fwd.ctl('rollback', check=0)
        row.fwd.write_conf(LISTED)
        row.session = row.ground.login()
        row.begin()
        row.waits()
        row.judges()
        row.clean()
        return row


def allowed_meanwhile():
    """What was allowed in mid-trial stays, and what is left of timeouts."""
    with Row('allow in mid-trial, entries with a time') as row:
        row.fwd.ctl('allow', '203.0.113.1', '--for', '1h', check=0)
        row.begin()
        row.fwd.ctl('allow', '203.0.113.2', check=0)
        row.fwd.ctl('allow', '203.0.113.3', '--for', '2h', check=0)
        row.waits()
        row.judges()
        row.clean()
        entries = {e['net']: e['until'] for e in row.fwd.ctl('list', json=True, check=0)[1]['result']['entries']}
        now = time.time()
        assert 3500 < entries['203.0.113.1'] - now < 3600 and entries['203.0.113.2'] == 0, entries
        assert 7100 < entries['203.0.113.3'] - now < 7200, entries
        return row


def test_refusals_and_wishes():
    run(second_trial, without_rights, bad_conf, bad_wish, to_the_confirmed, allowed_meanwhile)
