# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of a real sshd, told apart from everything that looks like one."""
import json
import os
import re
import signal
import subprocess

from bed import SOURCE, Bed, timeout
from daemon import built
from probe import probe
from sshd import Sshd, wait_for


def logins(bed, **kw):
    return probe(bed, 'logins', **kw)


def listed(bed, n):
    """The logins, once there are @n."""
    return wait_for('%d logins' % n, lambda: [logins(bed)] if len(logins(bed)) == n else None)[0]


def origin(bed, pid):
    """('ssh', login), or ('console',), ('other',)."""
    line = probe(bed, 'of', pid)[0]
    return (line['kind'], line['login']) if 'login' in line else (line['kind'],)


def check_origin(bed, pid, login):
    got = origin(bed, pid)
    assert got == ('ssh', login), (got, login)


def stat(pid):
    with open('/proc/%d/stat' % pid) as f:
        return f.read().rpartition(')')[2].split()


def parent(pid):
    return int(stat(pid)[1])


def uid(pid):
    return os.stat('/proc/%d' % pid).st_uid


def plain(release):
    """Root and another, both families, with and without a terminal, in one table."""
    with Bed() as bed:
        sshd = Sshd(bed, release)
        assert logins(bed) == []
        shells = {}
        for user in 'root', 'alice':
            for family in 4, 6:
                for tty in True, False:
                    session = sshd.ssh(user, family, tty=tty)
                    shells[session.shell()] = user, family, tty
        table = logins(bed)
        assert len(table) == 8, table
        assert len({login['pid'] for login in table}) == len({str(login['connection']) for login in table}) == 8, table
        for pid, (user, family, tty) in shells.items():
            kind, login = origin(bed, pid)
            assert kind == 'ssh' and login in table, login
            assert login['user'] == user
            assert login['pid'] in (parent(pid), parent(parent(pid))) and parent(login['pid']) == sshd.pid, login
            assert login['tty'] == (os.readlink('/proc/%d/fd/0' % pid).partition('/dev/')[2] if tty else ''), login
            link = login['connection']
            assert link['local'] == bed.addr('host', family) and link['local_port'] == 22 and link['proto'] == 'tcp', link
            assert link['peer'] == bed.addr('operator', family) and link['peer_port'] > 1023 and not link['listening'], link
            check_origin(bed, login['pid'], login)
        assert probe(bed, 'ports') == [22]
        # who logs out is gone
        gone = shells.popitem()[0]
        os.kill(gone, signal.SIGKILL)
        assert len(listed(bed, 7)) == 7
        # without the listening sshd, as while it is replaced, sessions stay what they are
        os.kill(sshd.pid, signal.SIGTERM)
        wait_for('the end of sshd', lambda: not probe(bed, 'listening'))
        for pid in shells:
            assert origin(bed, pid)[0] == 'ssh'
        assert len(logins(bed)) == 7
        assert logins(bed, where='friend') == []  # its connections are elsewhere


def test_plain_bookworm():
    plain('bookworm')


def test_plain_trixie():
    plain('trixie')


def others(release):
    """sudo, su, and both, from alice's session."""
    with Bed() as bed:
        sshd = Sshd(bed, release)
        for command in ('sudo %s', 'sudo -i %s', 'sudo su -c "%s"', 'sudo su - alice -c "sudo %s"', 'setsid -f %s',
                        'env -i nohup sh -c "(trap : HUP; %s)"'):
            for pty in False, True:
                sshd.write('/etc/sudoers.d/pty', 'Defaults %suse_pty\n' % ('' if pty else '!'))
                session = sshd.ssh()
                login = origin(bed, session.shell())[1]
                pid = session.runs(command)
                if 'setsid' in command:  # its parent ended: nothing leads back
                    wait_for('a new parent', lambda: parent(pid) not in (login['pid'], 0) and parent(pid) == 1)
                    assert origin(bed, pid) == ('other',)
                else:
                    check_origin(bed, pid, login)
                os.kill(pid, signal.SIGKILL)
                session.close()
                listed(bed, 0)


def test_sudo_and_su_bookworm():
    others('bookworm')


def test_sudo_and_su_trixie():
    others('trixie')


MULTIPLEXERS = {  # started, attached to the started, detached from within
    'tmux': ('tmux new -s x', 'tmux attach -t x', 'tmux detach'),
    'screen': ('screen -S x', 'screen -x x', 'screen -d x'),
}


def multiplexer(release, name):
    start, attach, detach = MULTIPLEXERS[name]
    with Bed() as bed:
        sshd = Sshd(bed, release)
        first, second = sshd.ssh(), sshd.ssh('alice', 6, 'friend')
        one, two = (origin(bed, session.shell())[1] for session in (first, second))
        first.type(start)
        pane = first.shell()
        check_origin(bed, pane, one)
        inner = first.runs('sudo %s')
        check_origin(bed, inner, one)
        os.kill(inner, signal.SIGKILL)
        # a second client: nobody can tell who types
        second.type(attach)
        second.shell()
        assert origin(bed, pane) == ('other',)
        # the first one is cut off: what was started there belongs to the other
        first.close()
        listed(bed, 1)
        wait_for('the pane to be the second client\'s', lambda: origin(bed, pane) == ('ssh', two))
        # detached: nobody's, though its login lives
        second.type(detach)
        wait_for('the pane to be nobody\'s', lambda: origin(bed, pane) == ('other',))
        check_origin(bed, second.shell(), two)
        # inside of itself, by way of another one
        second.type('env -u TMUX -u STY ' + ('tmux -L y new' if name == 'tmux' else 'screen -S y'))
        second.shell()
        second.type('env -u TMUX -u STY ' + attach)
        assert second.shell() == pane
        check_origin(bed, pane, two)
        # and away with the login
        second.close()
        listed(bed, 0)
        assert origin(bed, pane) == ('other',)
        # attached by sudo, whose terminal is one of its own
        sshd.write('/etc/sudoers.d/pty', 'Defaults use_pty\n')
        third = sshd.ssh(tty=True)
        login = origin(bed, third.shell())[1]
        third.type('sudo ' + start)
        check_origin(bed, third.shell(), login)


def test_tmux_bookworm():
    multiplexer('bookworm', 'tmux')


def test_screen_bookworm():
    multiplexer('bookworm', 'screen')


def test_tmux_trixie():
    multiplexer('trixie', 'tmux')


def test_screen_trixie():
    multiplexer('trixie', 'screen')


def test_control_master():
    with Bed() as bed:
        sshd = Sshd(bed)
        master = sshd.ssh(options=['-M', '-S', '/tmp/master'])
        login = origin(bed, master.shell())[1]
        for tty in True, False:
            second = sshd.ssh(tty=tty, options=['-S', '/tmp/master'])
            check_origin(bed, second.shell(), login)
        assert logins(bed) == [login]


def before_password(release):
    with Bed() as bed:
        sshd = Sshd(bed, release)
        raw = bed.socket('stranger', bed.addr('host'))
        raw.settimeout(10)
        raw.connect((bed.addr('host'), 22))
        spoken = bed.socket('stranger', bed.addr('host', 6))
        spoken.settimeout(10)
        spoken.connect((bed.addr('host', 6), 22))
        spoken.sendall(b'SSH-2.0-scanner\r\n')
        data = b''
        while data.count(b'\n') < 2 and len(data) < 500:  # the banner, and key exchange has begun: there is a child
            data += spoken.recv(4096)
        sshd.write('/tmp/ask', '#!/bin/sh\necho 1 >$ASKED\nexec sleep 1000\n')
        os.chmod(sshd.dir + '/tmp/ask', 0o755)
        for user in 'alice', 'root', 'nobody-of-that-name':
            asked = sshd.fresh()
            sshd.ssh(user, client='stranger', options=['-o', 'PubkeyAuthentication=no'],
                     env={'SSH_ASKPASS': '/tmp/ask', 'SSH_ASKPASS_REQUIRE': 'force', 'ASKED': asked})
            sshd.reported(asked)
        assert logins(bed) == []
        monitors = [int(pid) for pid in os.listdir('/proc') if pid.isdigit() and parent_or(int(pid)) == sshd.pid]
        assert len(monitors) == 5, monitors
        children = [int(pid) for pid in os.listdir('/proc') if pid.isdigit() and parent_or(int(pid)) in monitors]
        assert len(children) >= 4, children
        for pid in monitors + children + [sshd.pid]:
            assert origin(bed, pid) == ('other',)
        # nor do they hide who is in
        shell = sshd.ssh().shell()
        assert len(logins(bed)) == 1 and origin(bed, shell)[0] == 'ssh'


def parent_or(pid):
    try:
        return parent(pid)
    except OSError:
        return None


def test_before_the_password_bookworm():
    before_password('bookworm')


def test_before_the_password_trixie():
    before_password('trixie')


def test_before_the_password_without_the_user_in_passwd():
    """Systems that keep sshd's user elsewhere: the child is known by being shut in."""
    with Bed() as bed:
        sshd = Sshd(bed)
        shell = sshd.ssh().shell()
        bed.root('host', ['sed', '-i', '/^sshd:/d', '/etc/passwd'])
        assert len(logins(bed)) == 1 and origin(bed, shell)[0] == 'ssh'
    with Bed() as bed:
        sshd = Sshd(bed)
        sshd.write('/tmp/ask', '#!/bin/sh\necho 1 >/tmp/asked\nexec sleep 1000\n')
        os.chmod(sshd.dir + '/tmp/ask', 0o755)
        sshd.ssh(options=['-o', 'PubkeyAuthentication=no'], env={'SSH_ASKPASS': '/tmp/ask', 'SSH_ASKPASS_REQUIRE': 'force'})
        sshd.reported('/tmp/asked')
        bed.root('host', ['sed', '-i', '/^sshd:/d', '/etc/passwd'])
        assert logins(bed) == []


def tunnels(release):
    """Sessions without a command; what root forwards is held by the same process as his connection."""
    with Bed() as bed:
        sshd = Sshd(bed, release)
        bed.serve('host', 8080)
        bed.serve('operator', 9090)
        options = ['-N', '-R', '7001:%s:9090' % bed.addr('operator'), '-L', '7002:%s:8080' % bed.addr('host')]
        for user in 'alice', 'root':
            session = sshd.ssh(user, tty=False, options=options)
            table = listed(bed, 1)
            want = table[0]
            assert want['user'] == user and want['tty'] == '' and want['connection']['local_port'] == 22, want
            wait_for('the forwarded port', lambda: any(line['local_port'] == 7001 for line in probe(bed, 'listening')))
            assert probe(bed, 'ports') == [22]
            flows = [bed.flow('host', '127.0.0.1', 7001) for _ in range(20)]
            flows += [bed.flow('operator', '127.0.0.1', 7002) for _ in range(20)]
            assert logins(bed) == [want]
            for flow in flows:
                flow.close()
            session.close()
            listed(bed, 0)


def test_tunnels_bookworm():
    tunnels('bookworm')


def test_tunnels_trixie():
    tunnels('trixie')


def test_port_of_two_and_listener_gone():
    """Root forwards to sshd's own port, and the listener is gone: the connection is still told."""
    with Bed() as bed:
        sshd = Sshd(bed, more='Port 2222')
        assert sorted(probe(bed, 'ports')) == [22, 2222]
        session = sshd.ssh('root', options=['-p', '2222', '-L', '7002:127.0.0.1:22'])
        login = origin(bed, session.shell())[1]
        assert login['connection']['local_port'] == 2222, login
        flow = bed.socket('operator', '127.0.0.1')
        flow.settimeout(10)
        flow.connect(('127.0.0.1', 7002))
        assert flow.recv(64).startswith(b'SSH-2.0')
        assert logins(bed) == [login]
        os.kill(sshd.pid, signal.SIGTERM)
        wait_for('the end of sshd', lambda: not [s for s in probe(bed, 'listening') if s['local_port'] in (22, 2222)])
        assert logins(bed) == [login]


def test_connection_gone():
    """Destroyed under a session that lives on for a moment."""
    with Bed() as bed:
        sshd = Sshd(bed)
        shell = sshd.ssh().shell()
        login = origin(bed, shell)[1]
        os.kill(login['pid'], signal.SIGSTOP)
        os.kill(parent(shell), signal.SIGSTOP)
        link = login['connection']
        probe(bed, 'destroy', link['local'], 22, link['peer'], link['peer_port'])
        assert logins(bed) == [] and origin(bed, shell) == ('other',)
        os.kill(parent(shell), signal.SIGCONT)
        os.kill(login['pid'], signal.SIGCONT)


def forged(sshd, user, report):
    """A process that bears sshd's name, by command line, comm and executable, and a connection from outside."""
    sshd.root('sh', '-c', 'mkdir -p /home/forger; cp /bin/bash /home/forger/sshd; chmod 755 /home/forger /home/forger/sshd')
    return sshd.start('host', 'setpriv', '--reuid=' + user, '--regid=nogroup', '--clear-groups', '/bin/bash', '-c',
                      'exec 5<>/dev/tcp/192.0.2.10/9090; exec -a "sshd: root@pts/0" /home/forger/sshd -c '
                      '"(echo \\$BASHPID >%s; read x); read x; true"' % report)


def test_forged():
    with Bed() as bed:
        sshd = Sshd(bed)
        bed.serve('operator', 9090)
        report = sshd.fresh()
        forged(sshd, 'alice', report)
        child = sshd.reported(report)
        fake = parent(child)
        with open('/proc/%d/comm' % fake) as f:
            assert f.read() == 'sshd\n' and uid(fake) != 0
        assert probe(bed, 'held', fake) and logins(bed) == []
        assert origin(bed, fake) == origin(bed, child) == ('other',)
        # nor below a true session: who knows from where one came in through a server of alice's own
        session = sshd.ssh()
        login = origin(bed, session.shell())[1]
        report = sshd.fresh()
        session.type('/home/forger/sshd -c "(echo \\$BASHPID >%s; read x); true"' % report)
        assert origin(bed, sshd.reported(report)) == ('other',)
        assert logins(bed) == [login]


def test_sshd_of_a_user():
    """A true sshd that alice started: she lets in whom she likes."""
    with Bed() as bed:
        sshd = Sshd(bed)
        session = sshd.ssh()
        login = origin(bed, session.shell())[1]
        session.type('ssh-keygen -q -t ed25519 -N "" -f ~/key; /usr/sbin/sshd -f /dev/null -h ~/key -p 2022 -o PidFile=none '
                     '-o AuthorizedKeysFile=.ssh/authorized_keys')
        session.shell()
        wait_for('her sshd', lambda: any(line['local_port'] == 2022 for line in probe(bed, 'listening')))
        inner = sshd.ssh(client='stranger', tty=False, options=['-p', '2022'])
        assert origin(bed, inner.shell()) == ('other',)
        assert logins(bed) == [login] and probe(bed, 'ports') == [22]


def test_outside_of_any_session():
    with Bed() as bed:
        sshd = Sshd(bed)
        sshd.ssh().shell()
        other = bed.popen('host', ['sleep', '1000'])
        gone = subprocess.Popen(['true'])
        gone.wait()
        for pid in other.pid, os.getpid(), 1, 2, 0, -1, gone.pid, 2 ** 31 - 1:
            assert origin(bed, pid) == ('other',), pid


def test_with_the_rights_of_the_service():
    """What fwd.service leaves to fwd is enough, and it takes all of it: without SYS_PTRACE it is told that it cannot be told."""
    with Bed() as bed:
        sshd = Sshd(bed)
        session = sshd.ssh()
        session.shell()
        session.type('tmux new')
        pane = session.shell()
        want = logins(bed)
        with open(os.path.join(SOURCE, 'fwd/system/fwd.service.in')) as f:
            rights = re.search(r'^CapabilityBoundingSet=(.*)$', f.read(), re.M)[1].lower().replace('cap_', '+').split()

        def ask(rights, *args):
            argv = ['setpriv', '--bounding-set=' + ','.join(['-all', *rights]), '--inh-caps=-all', '--no-new-privs',
                    built('tests/net/net-probe'), *map(str, args)]
            return [json.loads(line) for line in bed.run('host', argv).stdout.splitlines()]
        assert ask(rights, 'logins') == want and len(want) == 1
        assert ask(rights, 'of', pane) == [{'kind': 'ssh', 'login': want[0]}]
        assert ask(rights, 'ports') == [22]
        assert ask([right for right in rights if right != '+sys_ptrace'], 'logins') == [{'error': 'EACCES'}]


@timeout(240)
def test_many_sessions():
    """Sixty of them, and what one look costs."""
    import time
    with Bed() as bed:
        sshd = Sshd(bed)
        sessions = [sshd.ssh(tty=False) for _ in range(60)]
        shells = [session.shell() for session in sessions]
        assert len(listed(bed, 60)) == 60
        start = time.monotonic()
        assert len(probe(bed, 'of', *shells)) == 60
        print('one look: %.1f ms' % ((time.monotonic() - start) / 60 * 1000))
