# SPDX-License-Identifier: GPL-2.0-or-later
"""plan, apply, check and undo over a root directory and tools that only pretend, and say what they were called with."""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile

import corpus
from bed import SOURCE, timeout
from daemon import built
from ground import need_root, program

TOOLS = ('dpkg-query apt-get systemctl getcap setcap useradd userdel usermod loginctl containerd-rootless-setuptool.sh '
         'apparmor_parser fwctl ufw').split()
STEPS = 'packages rootful cni nerdctl ports user subids delegation apparmor linger service firewall ufw conditions'.split()
PLUGINS = 'bridge firewall host-local loopback portmap tuning'.split()
GOLDEN = os.path.join(SOURCE, 'tests', 'golden', 'host')


class Host:
    def __init__(self):
        need_root()
        self.tmp = tempfile.TemporaryDirectory(prefix='fwd-steps-')
        self.top = self.tmp.name
        self.root, self.bin, self.source = (os.path.join(self.top, n) for n in ('root', 'bin', 'source'))
        for path in (self.top, self.root, self.bin, self.source, *(self.root + p for p in (
                '/etc/systemd/system', '/home', '/usr/bin', '/usr/local/bin', '/var/lib/systemd/linger', '/run/user', '/opt', '/fake'))):
            os.makedirs(path, exist_ok=True)
        for path in ('/fake', '/run/user'):
            os.chmod(self.root + path, 0o777)
        for path in self.top, self.root, self.bin:
            os.chmod(path, 0o755)
        shutil.copy(os.path.join(SOURCE, 'tests', 'host', 'fake'), self.bin)
        for tool in TOOLS:
            os.symlink('fake', os.path.join(self.bin, tool))
        for name, text in (('etc/passwd', 'root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n'),
                           ('etc/subuid', 'anna:100000:65536\n'), ('etc/subgid', 'anna:100000:65536\n'), ('fake/packages', 'iproute2\nutil-linux\nlibold\n'),
                           ('fake/conflicts', ''), ('fake/leaning', ''), ('fake/state', 'off\n'), ('usr/local/bin/mine', 'x')):
            self.write(name, text)
        self.release()
        self.write('../log', '')
        os.chmod(self.top + '/log', 0o666)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.tmp.cleanup()

    def write(self, name, text):
        with open(os.path.join(self.root, name), 'w') as f:
            f.write(text)

    def read(self, name):
        with open(os.path.join(self.root, name)) as f:
            return f.read()

    def release(self, nerdctl='2.1.2', content=b''):
        arch = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
        for name, members in (('cni-plugins-linux-%s-v1.6.2.tgz' % arch, [*PLUGINS, 'README.md']),
                              ('nerdctl-%s-linux-%s.tar.gz' % (nerdctl, arch), ['nerdctl', 'containerd-rootless.sh', 'containerd-rootless-setuptool.sh'])):
            data = corpus.gz(corpus.member('.', type=corpus.tarfile.DIRTYPE), *[
                corpus.member(m, m.encode() + content, 0o644 if m.endswith('.md') else 0o755) for m in members])
            with open(os.path.join(self.source, name), 'wb') as f:
                f.write(data)
            with open(os.path.join(self.source, name + '.sha256'), 'w') as f:
                f.write('%s  %s\n' % (hashlib.sha256(data).hexdigest(), name))

    def argv(self, command, *more):
        argv = [program(), command, '--root', self.root, *more]
        if command in ('plan', 'apply', 'check'):
            argv += ['--from', self.source]
        if command in ('apply', 'undo'):
            argv += ['--yes']
        return argv

    def run(self, command, *more, check=0, env=None):
        env = dict(os.environ, PATH=self.bin + ':/usr/bin:/bin', **(env or {}))
        env.pop('SSH_CONNECTION', None)
        done = subprocess.run(self.argv(command, *more), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=60)
        if check is not None:
            assert done.returncode == check, '%s %s: exit %d\n%s%s' % (command, more, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, command, *more, check=0):
        answer = json.loads(self.run(command, '--json', *more, check=check).stdout)
        assert answer['exit'] == check
        return answer

    def states(self, command, *more, check=0):
        return {s['step']: s['state'] for s in self.json(command, *more, check=check)['result']['steps']}

    def calls(self):
        """What the tools were called with since the last time."""
        log = self.read('../log').splitlines()
        self.write('../log', '')
        return [line.replace(self.root, '') for line in log]

    def confirm(self):
        self.write('fake/state', 'on\n')

    def tree(self, ours=True):
        found = {}
        for directory, names, files in os.walk(self.root):
            for name in names + files:
                path = os.path.join(directory, name)
                short = os.path.relpath(path, self.root)
                st = os.lstat(path)
                content = None
                if stat.S_ISREG(st.st_mode):
                    with open(path, 'rb') as f:
                        content = f.read()
                if short == 'fake/packages':
                    content = sorted(content.split())
                if not ours and (short.startswith('var/lib/fwd-host') or short.startswith('fake/state')):
                    continue
                found[short] = (st.st_mode, st.st_uid, st.st_gid, content)
        return found


def golden(name, text):
    path = os.path.join(GOLDEN, name)
    if os.environ.get('UPDATE'):
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
    with open(path) as f:
        assert f.read() == text, 'not as in %s (UPDATE=1 writes it anew):\n%s' % (path, text)


def test_plan():
    with Host() as host:
        before = host.tree()
        golden('plan.ok', host.run('plan').stdout)
        assert host.states('plan') == dict.fromkeys(STEPS, 'todo') | {'rootful': 'right', 'apparmor': 'right', 'ufw': 'right', 'conditions': 'right'}
        assert set(host.states('check', check=6)) == set(STEPS)
        assert host.tree() == before, 'plan changed something'
        with tempfile.TemporaryDirectory() as elsewhere:  # the checkout may lie where only root gets
            os.chmod(elsewhere, 0o755)
            program, *words = host.argv('plan')
            program = shutil.copy(program, elsewhere)
            done = subprocess.run([program, *words], preexec_fn=lambda: os.setuid(1000), capture_output=True, text=True)
        assert done.returncode == 1 and 'needs root' in done.stderr, done


def test_apply_and_undo():
    """From nothing to all, twice is once, and back to nothing."""
    with Host() as host:
        before = host.tree()
        done = host.run('apply', check=4)
        assert 'fwctl confirm' in done.stdout, done.stdout
        golden('apply.calls', '\n'.join(host.calls()) + '\n')
        host.confirm()
        assert host.read('usr/local/bin/nerdctl') == 'nerdctl' and host.read('opt/cni/bin/portmap') == 'portmap'
        assert 'containerd:165536:65536' in host.read('etc/subuid')
        assert not os.path.exists(host.root + '/var/lib/fwd-host/downloads')
        assert host.states('check') == dict.fromkeys(STEPS, 'right')
        host.calls()
        once = host.tree()
        answer = host.json('apply')
        assert answer['changed'] is False and not any(s['changed'] for s in answer['result']['steps']), answer
        assert host.tree() == once
        only_looks = ('dpkg-query ', 'systemctl is-', 'systemctl --user is-', 'getcap ', 'fwctl --json status', 'ufw status')
        assert all(c.startswith(only_looks) for c in host.calls())
        kept = host.states('undo')
        assert kept.pop('user') == 'kept' and set(kept.values()) == {'undone'}, kept
        assert os.path.isdir(host.root + '/home/containerd')
        calls = host.calls()
        golden('undo.calls', '\n'.join(calls) + '\n')
        # nothing that was published stands open
        assert calls.index('fwctl disable') > calls.index(next(c for c in calls if 'uninstall' in c))
        assert host.states('undo', '--remove-data') == {'user': 'undone'}
        after = host.tree()
        assert after == before, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
        assert host.states('undo') == {}


def by_root(calls):
    """Numbers of the calls whose tool may kill us: one that runs as the container user may not, but then the next one does."""
    return [n for n, call in enumerate(calls, 1) if '(as ' not in call]


@timeout(600)
def test_killed_at_every_call():
    """Whichever tool's call it is killed at, before it worked or after: the next run ends in the same, and undo takes all back."""
    with Host() as host:
        host.run('apply', check=4)
        calls = by_root(host.calls())
        wanted = host.tree(ours=False)
    assert len(calls) > 30, calls
    for when in 'before', 'after':
        for at in calls:
            with Host() as host:
                before = host.tree()
                host.write('../kill', '%d %s\n' % (at, when))
                host.run('apply', check=-9)
                os.unlink(host.top + '/kill')
                host.run('apply', check=4)
                got = host.tree(ours=False)
                assert got == wanted, (at, when, {k: (wanted.get(k), got.get(k)) for k in got.keys() | wanted.keys() if got.get(k) != wanted.get(k)})
                host.run('undo', '--remove-data')
                after = host.tree()
                assert after == before, (at, when, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)})


@timeout(600)
def test_undo_killed_at_every_call():
    with Host() as host:
        host.run('apply', check=4)
        host.calls()
        host.run('undo', '--remove-data')
        calls = by_root(host.calls())
    for at in calls:
        with Host() as host:
            before = host.tree()
            host.run('apply', check=4)
            host.calls()
            host.write('../kill', '%d %s\n' % (at, ('before', 'after')[at % 2]))
            host.run('undo', '--remove-data', check=-9)
            os.unlink(host.top + '/kill')
            host.run('undo', '--remove-data')
            after = host.tree()
            assert after == before, (at, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)})


@timeout(600)
def test_killed_at_every_write():
    """The same for each rename, mkdir, unlink, fsync … of our own."""
    killer = os.path.join(os.path.dirname(built('tests/host/unpack')), 'killer.so')
    some = ['--only', 'cni,nerdctl,delegation,user']
    with Host() as host:
        count = os.path.join(host.top, 'count')
        before = host.tree()
        host.run('apply', *some, env={'LD_PRELOAD': killer, 'KILL_COUNT': count})
        wanted = host.tree(ours=False)
        host.run('undo', '--remove-data', env={'LD_PRELOAD': killer, 'KILL_COUNT': count + '2'})
        numbers = [int(open(path).read()) for path in (count, count + '2')]
    assert numbers[0] > 60 and numbers[1] > 20, numbers
    for command, number in zip(('apply', 'undo'), numbers):
        for at in range(1, number + 1):
            with Host() as host:
                if command == 'undo':
                    host.run('apply', *some)
                more = some if command == 'apply' else ['--remove-data']
                host.run(command, *more, env={'LD_PRELOAD': killer, 'KILL_AT': str(at)}, check=-9)
                if command == 'apply':
                    if at % 2:
                        host.run('apply', *some)
                        got = host.tree(ours=False)
                        assert got == wanted, (at, {k: (wanted.get(k), got.get(k)) for k in got.keys() | wanted.keys() if got.get(k) != wanted.get(k)})
                host.run('undo', '--remove-data')
                after = host.tree()
                assert after == before, (command, at, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)})


def test_what_was_there_stays():
    """A host that has half of it already: that half is neither touched nor taken away by undo."""
    with Host() as host:
        host.write('fake/packages', 'iproute2\nutil-linux\nlibold\ncontainerd\nrunc\n')
        host.write('fake/containerd.enabled', ''), host.write('fake/containerd.active', '')
        host.write('etc/passwd', host.read('etc/passwd') + 'containerd:x:1500:1500::/home/containerd:/bin/sh\n')
        host.write('etc/subuid', host.read('etc/subuid') + 'containerd:300000:65536\n')
        host.write('etc/subgid', host.read('etc/subgid') + 'containerd:300000:65536\n')
        os.mkdir(host.root + '/home/containerd')
        os.chown(host.root + '/home/containerd', 1500, 1500)
        os.makedirs(host.root + '/opt/cni/bin')
        for plugin in PLUGINS:
            host.write('opt/cni/bin/' + plugin, 'by hand')
            os.chmod(host.root + '/opt/cni/bin/' + plugin, 0o755)
        before = host.tree()
        states = host.states('apply', check=4)
        assert [states[s] for s in ('cni', 'user', 'subids')] == ['right'] * 3, states
        assert states['rootful'] == 'done'
        host.run('undo', '--remove-data')
        after = host.tree()
        after.pop('run/user/1500'), after.pop('run/user/1500/bus')  # his manager: not ours to stop
        assert after == before, {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys() if before.get(k) != after.get(k)}


def test_apt_would_remove():
    with Host() as host:
        host.write('fake/conflicts', 'containerd.io\ndocker-ce\n')
        before = host.tree(ours=False)
        done = host.run('apply', check=1)
        assert 'apt would remove: containerd.io docker-ce' in done.stderr and '--replace' in done.stderr, done.stderr
        assert host.tree(ours=False) == before
        assert not any('-y' in c for c in host.calls())
        host.run('apply', '--replace', check=4)
        assert any('apt-get' in c and '--no-remove' not in c and ' -y install' in c for c in host.calls())
        host.write('fake/leaning', 'kubernetes\n')  # came later, needs ours
        assert host.states('undo', '--only', 'packages') == {'packages': 'kept'}
        assert 'containerd\n' in host.read('fake/packages')


def test_drift():
    """What is lost later is noticed and mended: the capability after an upgrade, a changed file, a unit that was stopped."""
    with Host() as host:
        host.run('apply', check=4)
        host.confirm()
        host.calls()
        for path in 'fake/cap', 'opt/cni/bin/bridge', 'fake/user-containerd.active':
            os.unlink(os.path.join(host.root, path))
        host.write('usr/local/bin/nerdctl', 'evil')
        states = host.states('check', check=6)
        assert [s for s in STEPS if states[s] != 'right'] == ['cni', 'nerdctl', 'ports', 'service'], states
        assert 'an upgrade of its package took it away' in host.run('plan').stdout
        host.run('apply')
        assert host.states('check') == dict.fromkeys(STEPS, 'right')
        assert host.read('usr/local/bin/nerdctl') == 'nerdctl'
        # with the service running, a mended capability needs a new rootlesskit
        os.unlink(os.path.join(host.root, 'fake/cap'))
        host.calls()
        host.run('apply')
        assert any(c.startswith('systemctl --user try-restart containerd.service  (as 1500,') for c in host.calls())


def test_versions():
    with Host() as host:
        host.run('apply', check=4)
        host.release('2.1.3', b' newer')
        assert host.states('plan', '--nerdctl-version', '2.1.3')['nerdctl'] == 'todo'
        host.run('apply', '--nerdctl-version', '2.1.3', check=4)
        assert host.read('usr/local/bin/nerdctl') == 'nerdctl newer'
        host.run('undo', '--only', 'nerdctl')
        assert os.listdir(host.root + '/usr/local/bin') == ['mine']
        host.write('usr/local/bin/nerdctl', 'theirs')  # not executable: not right, and not ours
        before = host.tree(ours=False)
        assert 'in the way' in host.run('apply', '--only', 'nerdctl', check=1).stderr
        assert host.tree(ours=False) == before


def test_bad_release():
    """A release that is not what it should be changes nothing."""
    with Host() as host:
        name = next(n for n in os.listdir(host.source) if n.startswith('nerdctl') and n.endswith('.gz'))
        path = os.path.join(host.source, name)
        for data, resum, part in ((b'evil', False, 'is not what it should be'),
                                  (corpus.gz(corpus.member('nerdctl', mode=0o4755)), True, 'setuid'),
                                  (corpus.gz(corpus.member('nerdctl', uid=1000)), True, 'not owned by root'),
                                  (corpus.gz(corpus.member('../nerdctl')), True, 'no name'),
                                  (corpus.gz(corpus.member('d/nerdctl')), True, 'which is no file')):
            with open(path, 'wb') as f:
                f.write(data)
            if resum:
                with open(path + '.sha256', 'w') as f:
                    f.write('%s  %s\n' % (hashlib.sha256(data).hexdigest(), name))
            before = host.tree(ours=False)
            said = host.run('apply', '--only', 'nerdctl', check=1).stderr
            assert part in said, said
            assert host.tree(ours=False) == before
        os.unlink(path + '.sha256')
        host.release()
        os.unlink(path + '.sha256')
        assert 'without a list of hashes' in host.run('apply', '--only', 'nerdctl').stderr


def test_subids():
    with Host() as host:
        host.run('apply', '--only', 'user,subids')
        assert host.states('apply', '--only', 'user,subids') == {'user': 'right', 'subids': 'right'}
        said = host.run('apply', '--only', 'subids', '--subid-start', '100001', check=1).stderr
        assert 'somebody else has ids' in said, said
        host.write('etc/subuid', 'containerd:100000:65536\n'), host.write('etc/subgid', 'containerd:100000:65536\n')
        host.write('fake/user-containerd.active', '')
        host.calls()
        host.run('apply', '--only', 'subids', '--subid-start', '100001')
        assert host.read('etc/subuid') == host.read('etc/subgid') == 'containerd:100001:65536\n'
        assert host.calls()[-1].startswith('systemctl --user try-restart containerd.service'), 'the article: restart it'
    with Host() as host:  # a useradd that gives none: the first free ones
        host.write('fake/no-subids', '')
        host.write('etc/subgid', 'anna:100000:65536\nbob:165530:10\n')
        host.run('apply', '--only', 'user,subids')
        assert 'containerd:231072:65536' in host.read('etc/subuid') and 'containerd:231072:65536' in host.read('etc/subgid')
    with Host() as host:  # of a user that is not ours, undo puts back what was there
        host.write('etc/passwd', host.read('etc/passwd') + 'containerd:x:1500:1500::/home/anna:/bin/sh\n')
        os.mkdir(host.root + '/home/anna')
        host.write('etc/subuid', 'containerd:500000:65536\n'), host.write('etc/subgid', 'containerd:500000:65536\n')
        host.run('apply', '--only', 'subids', '--subid-start', '100001')
        assert host.read('etc/subuid') == 'containerd:100001:65536\n'
        host.run('undo')
        assert host.read('etc/subuid') == host.read('etc/subgid') == 'containerd:500000:65536\n'


def test_apparmor():
    with Host() as host:
        os.makedirs(host.root + '/proc/sys/kernel')
        os.mkdir(host.root + '/etc/apparmor.d')
        host.write('proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1\n')
        host.write('usr/bin/rootlesskit', '')
        assert host.states('plan', '--only', 'apparmor') == {'apparmor': 'right'}  # the packaged profile is for this path
        host.write('usr/local/bin/rootlesskit', '')
        host.run('apply', '--only', 'apparmor')
        assert '/usr/local/bin/rootlesskit flags=(unconfined)' in host.read('etc/apparmor.d/usr.local.bin.rootlesskit')
        assert host.calls()[-1] == 'apparmor_parser -r /etc/apparmor.d/usr.local.bin.rootlesskit'
        host.run('undo')
        assert os.listdir(host.root + '/etc/apparmor.d') == []


def test_ufw():
    """It goes only when fwd is confirmed, and comes back before fwd goes."""
    with Host() as host:
        host.write('fake/ufw', 'active\n')
        before = host.tree()
        host.run('apply', check=4)
        assert host.read('fake/ufw') == 'active\n' and 'until fwd is confirmed' in host.run('plan').stdout
        host.run('apply', check=4)  # still on trial
        assert host.read('fake/ufw') == 'active\n'
        host.confirm()
        assert host.states('apply')['ufw'] == 'done' and host.read('fake/ufw') == 'inactive\n'
        host.calls()
        host.run('undo', '--remove-data')
        calls = host.calls()
        assert calls.index('ufw --force enable') < calls.index('fwctl disable'), calls
        assert host.tree() == before


def test_refused():
    with Host() as host:
        for args, code in ((['--only', 'nonsense'], 2), (['--only', 'user', '--skip', 'cni'], 2), (['--user', 'root'], 1), (['--user', 'a b'], 1),
                           (['--only', 'subids,user', '--subid-start', 'x'], 1), (['--stall', '0'], 2), (['--cni-version', '../1'], 1)):
            host.run('apply', *args, check=code)
        lock = subprocess.run(['flock', host.root + '/var/lib/fwd-host/lock', *host.argv('apply')], capture_output=True, text=True)
        assert lock.returncode == 1 and 'another run' in lock.stderr, lock
        argv = [a for a in host.argv('apply') if a != '--yes']
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=dict(os.environ, PATH=host.bin + ':/usr/bin:/bin'))
        assert done.returncode == 1 and 'nobody is here to agree' in done.stderr, done
        host.write('var/lib/fwd-host/state.json', '{')
        assert 'state.json cannot be read: line 1' in host.run('apply', check=1).stderr


def test_doctor():
    with Host() as host:
        for path in 'proc/sys/user', 'proc/sys/kernel', 'sys/fs/cgroup', 'dev/net':
            os.makedirs(os.path.join(host.root, path))
        host.write('sys/fs/cgroup/cgroup.controllers', ''), host.write('dev/net/tun', '')
        host.write('proc/sys/user/max_user_namespaces', '1000\n')

        def troubles(check=6):
            findings = host.json('doctor', check=check)['result']['findings']
            return {f['name']: f for f in findings if f['state'] == 'trouble'}
        assert {'packages', 'service', 'the whitelist stops a stranger'} <= set(troubles())
        host.run('apply', check=4)
        host.confirm()
        assert troubles(check=0) == {}
        assert 'All is well.' in host.run('doctor').stdout
        before = host.tree()
        for spoil, name, part in (
                (lambda: host.write('proc/sys/user/max_user_namespaces', '0\n'), 'user namespaces', 'max_user_namespaces'),
                (lambda: host.write('proc/sys/kernel/unprivileged_userns_clone', '0\n'), 'user namespaces', 'unprivileged_userns_clone'),
                (lambda: os.unlink(host.root + '/sys/fs/cgroup/cgroup.controllers'), 'cgroup v2', 'Boot with'),
                (lambda: os.unlink(host.root + '/dev/net/tun'), 'tun device', 'modprobe'),
                (lambda: host.write('fake/ufw.active', ''), 'other firewalls', 'disable --now ufw'),
                (lambda: host.write('fake/firewalld.active', ''), 'other firewalls', 'disable --now firewalld'),
                (lambda: host.write('fake/docker.active', ''), 'other engines', 'docker'),
                (lambda: os.unlink(host.root + '/fake/cap'), 'ports', 'fwctl host apply'),
                (lambda: host.write('fake/state', 'off\n'), 'the whitelist stops a stranger', 'fwctl enable')):
            spoil()
            found = troubles()
            assert name in found and part in found[name]['hint'], (name, found)
            for path in 'fake/ufw.active', 'fake/firewalld.active', 'fake/docker.active', 'proc/sys/kernel/unprivileged_userns_clone':
                if os.path.exists(os.path.join(host.root, path)):
                    os.unlink(os.path.join(host.root, path))
            host.write('proc/sys/user/max_user_namespaces', '1000\n'), host.confirm()
            host.write('sys/fs/cgroup/cgroup.controllers', ''), host.write('dev/net/tun', ''), host.write('fake/cap', 'cap_net_bind_service=ep\n')
        assert troubles(check=0) == {} and host.tree() == before


def test_shell():
    with Host() as host:
        host.write('etc/passwd', host.read('etc/passwd') + 'containerd:x:1500:1501::/:/usr/sbin/nologin\n')
        done = subprocess.run([program(), 'shell', '--root', host.root, '--', 'sh', '-c', 'id -u; id -g; id -G; pwd; env; exit 7'],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin', 'SECRET': 'x', 'TERM': 'vt52'})
        lines = done.stdout.splitlines()
        assert done.returncode == 7 and lines[:4] == ['1500', '1501', '1501', '/'], done
        env = dict(line.split('=', 1) for line in lines[4:])
        env.pop('PWD'), env.pop('_', None), env.pop('OLDPWD', None)
        assert env == {'PATH': '/usr/bin:/bin', 'HOME': '/', 'USER': 'containerd', 'LOGNAME': 'containerd', 'SHELL': '/bin/bash', 'TERM': 'vt52',
                       'XDG_RUNTIME_DIR': '/run/user/1500', 'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/run/user/1500/bus'}, env
        assert subprocess.run([program(), 'shell', '--root', host.root, '--', 'no-such-program'], capture_output=True, env={'PATH': '/usr/bin:/bin'}).returncode == 127
