# SPDX-License-Identifier: GPL-2.0-or-later
"""A confirm is taken from who gets in under the rules on trial, and from nobody else: typed in sessions of a real sshd."""
import contextlib
import os
import re
import threading
import time

from access import LISTED, OPEN, Ground, ask, parallel
from sshd import wait_for

LINE = 'ssh -o ControlPath=none %s sudo fwctl confirm'
SSH_RULE = '-A FWD-TRIAL-INPUT -p tcp -m tcp --dport 22 -j ACCEPT'
TRIES, SECONDS = int(os.environ.get('FWD_TRIES', 320)), float(os.environ.get('FWD_SECONDS', 40))


WAITS = '( while [ ! -e %s ]; do sleep 0.02; done; '


def rule(family):
    return '-A FWD-TRIAL-INPUT -m set --match-set whitelist%s src -j ACCEPT' % ('' if family == 4 else '6')


def refused(session, *words):
    """The confirm is refused, the trial goes on, and all of @words are said."""
    code, answer = session.confirms()
    said = answer['error']['text'] + ' / ' + answer['error'].get('hint', '')
    assert code == 1 and not answer['changed'] and 'the trial goes on' in said, answer
    for word in words:
        assert word in said, (word, said)


def taken(session, by):
    """It is confirmed, by that rule. Within a tick of the trial's beginning nobody can have been heard: asked again."""
    code, answer = session.confirms()
    while code == 1 and 'nothing came in from your address since' in answer['error']['text']:
        code, answer = session.confirms()
    assert code == 0 and answer['changed'] and answer['result'].get('by') == by, (by, answer)


def test_who_gets_in_confirms():
    """By SSH for anyone and by the whitelist, from old sessions and new ones, both families; the rule is named."""
    def one(conf, family, old):
        with Ground(conf) as ground:
            host = ground.bed
            ground.fwd.ctl('allow', host.addr('operator', 4), host.addr('operator', 6), check=0)
            session = ground.login(family=family)
            ground.fwd.ctl('enable', check=4)
            if not old:
                session = ground.login(family=family)
            taken(session, SSH_RULE if conf == OPEN else rule(family))
            assert ground.status()['state'] == 'on'
            assert session.talks() and ground.gets_in(family=family)
    cases = [(conf, family, old) for conf in (OPEN, LISTED) for family in (4, 6) for old in (True, False)]
    for half in cases[:4], cases[4:]:
        parallel(*[lambda case=case: one(*case) for case in half])


def test_locked_out_it_freezes_and_thaws():
    """Who locks himself out cannot type; what he types nevertheless arrives when the kernel has ended the trial."""
    def one(family, dead):
        with Ground(LISTED) as ground:
            session = ground.login(family=family)
            began = time.monotonic()
            session.ctl('enable --force --timeout 10s', code=4)
            ground.shut_out(families=[family])
            typed = session.asks('fwctl confirm --json')
            if dead:
                ground.fwd.kill()
            code, text = session.answer(typed, within=25)
            assert time.monotonic() - began >= 10, 'it thawed before its time'
            assert code == (3 if dead else 1), (code, text)
            assert dead or 'rolled back' in text, text
            if dead:
                ground.fwd.start()
            assert ground.status()['state'] == 'off' and session.talks() and ground.gets_in(family=family)
    parallel(*[lambda f=family, d=dead: one(f, d) for family in (4, 6) for dead in (False, True)])


class Talker:
    """A session that was begun before tracking; who talks, and who speaks first when tracking begins."""

    def __init__(self, ground, family, talking, server_first, client='operator'):
        self.ground, self.talking, self.server_first = ground, talking, server_first
        self.session = ground.login(family=family, client=client, tty=talking)
        self.go = self.session.sshd.fresh()
        self.stop = threading.Event()
        self.thread = None

    def begin(self):
        """Confirms, eight times, once its file is there, without a packet from its client. Talking: the host speaks all the
        time, or the client does. Idle: nobody."""
        if self.talking and self.server_first:
            self.session.type('while :; do echo tick; sleep 0.02; done & disown')
        self.session.type(WAITS % self.go + 'for i in 1 2 3 4 5 6 7 8; do fwctl confirm --json; echo $?; done >%s.new; '
                          'mv %s.new %s.out ) & disown' % (self.go, self.go, self.go))
        if self.talking and not self.server_first:
            self.thread = threading.Thread(target=self._talk, daemon=True)
            self.thread.start()
        return self

    def _talk(self):
        with contextlib.suppress(OSError):
            while not self.stop.wait(0.02):
                self.session.type(':')

    def fire(self):
        with open(self.ground.tree + self.go, 'w'):
            pass

    def answers(self):
        """[(exit code, what was said)]"""
        lines = wait_for('confirms', lambda: self.session.sshd.read(self.go + '.out'), 20).splitlines()
        return [(int(code), text) for text, code in zip(lines[::2], lines[1::2])]

    def end(self):
        self.stop.set()
        if self.thread:
            self.thread.join()
        self.session.close()


KINDS = [(family, talking, server) for family in (4, 6) for talking in (True, False) for server in (True, False)]


def test_old_sessions_never_prove_falsely():
    """They began before anybody tracked connections, and would not get in anew: talking and idle, either side first. Their
    confirms are sent by scripts, for nothing can be typed."""
    with Ground(LISTED) as ground:
        tries = 0
        begun = time.monotonic()
        while tries < TRIES and time.monotonic() - begun < SECONDS:
            talkers = [Talker(ground, *kind).begin() for kind in KINDS]
            ground.fwd.ctl('enable', '--force', check=4)
            for talker in talkers:
                talker.fire()
            for talker in talkers:
                answers = talker.answers()
                assert len(answers) == 8 and all(code == 1 and 'would be refused' in text for code, text in answers), answers
                tries += len(answers)
            ground.shut_out()
            assert ground.status()['state'] == 'trial'
            ground.fwd.ctl('rollback', check=0)
            for talker in talkers:
                talker.end()
        print('%d confirms from sessions that would not get in anew, none taken' % tries)
        assert tries >= min(TRIES, 64)


def test_old_sessions_prove_truly():
    """The same sessions, whose address gets in: all are taken whose client has said something since, whoever spoke first."""
    def one(kind):
        with Ground(LISTED) as ground:
            ground.fwd.ctl('allow', *[ground.bed.addr('operator', f) for f in (4, 6)], check=0)
            talker = Talker(ground, *kind).begin()
            ground.fwd.ctl('enable', check=4)
            talker.session.talks()
            taken(talker.session, rule(kind[0]))
            talker.end()
    parallel(*[lambda kind=kind: one(kind) for kind in KINDS[:4]])
    parallel(*[lambda kind=kind: one(kind) for kind in KINDS[4:]])


def test_nothing_heard_since():
    """A script that begins and confirms at once: nobody has been heard by the rules on trial."""
    with Ground(OPEN) as ground:
        session = ground.login()
        go = session.sshd.fresh()
        session.type(WAITS % go + 'fwctl enable >/dev/null; fwctl confirm >%s.out 2>&1; echo $? >%s.code ) & disown' % (go, go))
        assert session.talks()
        silent_since(ground, 100)
        with open(ground.tree + go, 'w'):
            pass
        code = int(wait_for('the script', lambda: session.sshd.read(go + '.code')))
        said = session.sshd.read(go + '.out')
        assert code == 1 and 'nothing came in from your address' in said, (code, said)
        taken(session, SSH_RULE)


def silent_since(ground, milliseconds):
    """Until nothing, no acknowledgement either, has come in from the only session for so long."""
    def quiet():
        said = ground.bed.run('host', ['ss', '-Htin', 'sport', '=', ':22']).stdout
        times = re.findall(r'last(?:rcv|ack):(\d+)', said)
        return len(times) == 2 and min(map(int, times)) > milliseconds
    wait_for('silence', quiet)


ESTABLISHED = ['-I', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT']


def test_established_in_front():
    """Old sessions live by a rule of others in front: refused, with the rule and the line to type; the line works where the
    address gets in, and cannot be typed where it does not."""
    def gets_in(family):
        with Ground(OPEN) as ground:
            session = ground.login(family=family)
            ground.tool('iptables' if family == 4 else 'ip6tables', *ESTABLISHED)
            ground.fwd.ctl('enable', check=4)
            refused(session, '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT', LINE % ground.bed.addr('host', family))
            master = ground.login(family=family, options=['-M', '-S', '/tmp/master'])
            ground.fwd.ctl('rollback', check=0)
            ground.fwd.ctl('enable', check=4)
            refused(ground.login(family=family, options=['-S', '/tmp/master']), 'proves nothing')  # as old as its master
            refused(master, 'proves nothing')
            taken(ground.login(family=family), SSH_RULE)

    def does_not(family):
        with Ground(LISTED) as ground:
            session = ground.login(family=family)
            ground.tool('iptables' if family == 4 else 'ip6tables', *ESTABLISHED)
            ground.fwd.ctl('enable', '--force', check=4)
            assert session.talks()  # and yet:
            for _ in range(5):
                refused(session, 'would be refused', 'fwctl allow me')
            ground.shut_out(families=[family])
            ground.fwd.ctl('allow', ground.bed.addr('operator', family), check=0)
            refused(session, 'proves nothing', LINE % ground.bed.addr('host', family))
            taken(ground.login(family=family), rule(family))
    parallel(*[lambda f=f, g=g: g(f) for f in (4, 6) for g in (gets_in, does_not)])


def test_restart_makes_all_sessions_old():
    """A daemon restarted in mid-trial knows no session to be younger than it: it asks for one more."""
    with Ground(OPEN) as ground:
        ground.tool('iptables', *ESTABLISHED)
        ground.fwd.ctl('enable', check=4)
        session = ground.login()
        ground.fwd.kill()
        ground.fwd.start()
        refused(session, 'proves nothing')
        taken(ground.login(), SSH_RULE)


def tables(*commands):
    return [['iptables', *command.split()] for command in commands]


SYN = '-p tcp --dport 22 --syn'
REFUSING = {  # what refuses new connections only, and old sessions never meet
    'raw': tables('-t raw -A PREROUTING %s -j DROP' % SYN),
    'mangle before': tables('-t mangle -A PREROUTING %s -j DROP' % SYN),
    'mangle': tables('-t mangle -A INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP'),
    'filter': tables('-I INPUT -p tcp --dport 22 -m conntrack --ctstate NEW -j REJECT'),
    'security': tables('-t security -A INPUT %s -j DROP' % SYN),
    'recent': tables('-I INPUT %s -m recent --name x --set' % SYN,
                     '-I INPUT 2 %s -m recent --name x --update --seconds 600 -j DROP' % SYN),
    'nat': tables('-t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2222'),
    'nft': [['nft', 'add table inet x'], ['nft', 'add chain inet x c { type filter hook input priority 10; }'],
            ['nft', 'add rule inet x c tcp dport 22 ct state new drop']],
}


def test_rules_of_others_for_new_connections():
    """Whatever refuses new connections, in whichever table and chain: no old session proves that one gets in."""
    def one(commands):
        with Ground(OPEN, more='Port 2222') as ground:
            ground.tool('iptables', '-t', 'mangle', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW')  # now tracked
            ground.tool('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-p', 'udp', '--dport', '1')
            session = ground.login(options=['-p', '22'])
            for command in commands:
                ground.tool(*command)
            ground.fwd.ctl('enable', '--force', check=4)
            ground.knocks()  # recent counts them
            ground.shut_out(families=[4])
            assert session.talks()
            refused(session, 'a new login from your address would be ', ': -A ')
    cases = list(REFUSING.values())
    for some in cases[:4], cases[4:]:
        parallel(*[lambda case=case: one(case) for case in some])


def test_unreadable_rules_in_front():
    """What cannot be read in front of ours: an old session proves nothing, one that began since does, for it got through."""
    def one(*commands):
        with Ground(OPEN) as ground:
            session = ground.login()
            for command in commands:
                ground.tool(*command)
            ground.fwd.ctl('enable', '--force', check=4)
            refused(session, 'cannot be told', LINE % ground.bed.addr('host'))
            taken(ground.login(), 'this login, which began after the trial')
    parallel(lambda: one(*tables('-I INPUT %s -m connlimit --connlimit-above 9 -j REJECT' % SYN)),
             lambda: one(*tables('-t raw -A PREROUTING -p tcp --dport 22 -j NOTRACK',
                                 '-t raw -A OUTPUT -p tcp --sport 22 -j NOTRACK')))


def test_port_opened_in_front():
    """The same rule of others lets old and new packets in: an old session proves it."""
    with Ground(LISTED) as ground:
        session = ground.login()
        ground.tool('iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT')
        ground.fwd.ctl('enable', check=4)
        taken(session, '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT')


def test_flushed_tracking_proves_nothing():
    """conntrack -F in mid-trial, and the host speaks first: its packets make the session look like one that it began."""
    with Ground(LISTED) as ground:
        ground.fwd.ctl('allow', ground.bed.addr('friend'), check=0)
        talker = Talker(ground, 4, True, True).begin()
        ground.fwd.ctl('enable', '--force', check=4)
        assert not talker.session.talks(0.5)
        flush(ground)
        assert talker.session.talks(), 'it is taken for a session of the host\'s own'
        ground.shut_out()
        refused(talker.session, 'would be refused')
        ground.fwd.ctl('allow', ground.bed.addr('operator'), check=0)
        refused(talker.session, 'proves nothing', 'older than connection tracking')
        taken(ground.login(), rule(4))
        talker.end()


def flush(ground):
    from probe import probe
    for line in probe(ground.bed, 'dump'):
        proto, src, sport, dst, dport = line['original'][0], *line['original'][1:]
        if proto == 6:
            probe(ground.bed, 'delete', 'tcp', src, sport, dst, dport)


def test_who_may_not():
    """Users without rights; commands that come from no session; --force for those who are sure."""
    with Ground(OPEN) as ground:
        alice = ground.login('alice')
        os.chmod(ground.fwd.socket, 0o666)  # the file's mode is not what decides
        ground.fwd.ctl('enable', check=4)
        code, text = alice.answer(alice.asks('fwctl confirm'))
        assert code == 1 and 'root' in text, (code, text)
        code, text = alice.answer(alice.asks('fwctl confirm --force'))
        assert code == 1 and 'root' in text, (code, text)
        code, answer, _ = ground.fwd.ctl('confirm', json=True)
        assert code == 1 and 'comes from no SSH session' in answer['error']['text'], answer
        assert '--force' in answer['error']['hint'], answer
        assert ground.status()['state'] == 'trial'
        answer = ground.fwd.ctl('confirm', '--force', json=True, check=0)[1]
        assert answer['changed'] and ground.status()['state'] == 'on', answer


def test_two_confirms_at_once():
    """One is taken, the other finds nothing on trial; from two sessions, and by raw requests that arrive together."""
    with Ground(OPEN) as ground:
        for round in range(6):
            sessions = [ground.login(family=family) for family in (4, 6)]
            ground.fwd.ctl('enable', check=4)
            for session in sessions:
                session.talks()
            paths = [session.asks('fwctl confirm --json') for session in sessions]
            codes = sorted(session.answer(path)[0] for session, path in zip(sessions, paths))
            assert codes == [0, 1], codes
            assert ground.status()['state'] == 'on'
            ground.fwd.ctl('disable', check=0)
            socks = [ground.open_socket() for _ in range(2)]
            assert ask(socks[0], 'enable')['exit'] == 4
            answers = parallel(*[lambda s=s: ask(s, 'confirm', force=True) for s in socks])
            assert sorted(a['exit'] for a in answers) == [0, 1], answers
            ground.fwd.ctl('disable', check=0)
            for sock in socks:
                sock.close()


def test_sudo_tmux_and_control_master():
    def sudo(way):
        with Ground(OPEN) as ground:
            session = ground.login('alice', 6)
            ground.fwd.ctl('enable', check=4)
            session.talks()
            code = 1
            while code == 1:
                code, text = session.answer(session.asks(way % 'fwctl confirm'))
                assert code == 0 and SSH_RULE in text or code == 1 and 'nothing came in' in text, (code, text)

    def tmux():
        with Ground(OPEN) as ground:
            session = ground.login()
            session.type('tmux new -s x')
            session.shell()
            ground.fwd.ctl('enable', check=4)
            taken(session, SSH_RULE)
            ground.fwd.ctl('disable', check=0)
            other = ground.login(client='friend')  # two clients: nobody can tell who types
            other.type('tmux attach -t x')
            other.shell()
            ground.fwd.ctl('enable', check=4)
            refused(session, 'comes from no SSH session')

    def master():
        with Ground(LISTED) as ground:
            first = ground.login(options=['-M', '-S', '/tmp/master'])
            second = ground.login(options=['-S', '/tmp/master'], tty=False)
            ground.fwd.ctl('allow', ground.bed.addr('operator'), check=0)
            ground.fwd.ctl('enable', check=4)
            taken(second, rule(4))
            assert first.talks()
    parallel(lambda: sudo('sudo %s'), lambda: sudo('sudo su -c "%s"'), tmux, master)


def test_script_that_left_its_session():
    """Nothing leads back to the session that it was started in."""
    with Ground(LISTED) as ground:
        session = ground.login()
        go = session.sshd.fresh()
        session.type('setsid -f sh -c "%sfwctl confirm >%s.out 2>&1; echo \\$? >%s.code)"' % (WAITS % go, go, go))
        assert session.talks()
        ground.fwd.ctl('enable', '--force', check=4)
        with open(ground.tree + go, 'w'):
            pass
        code = int(wait_for('the script', lambda: session.sshd.read(go + '.code')))
        assert code == 1 and 'comes from no SSH session' in session.sshd.read(go + '.out')
