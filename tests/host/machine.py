# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that boots: systemd as its first process, in the host namespace of a Bed. Its disk is a copy that goes with it."""
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time

from bed import SOURCE, Skip
from daemon import BUILD

PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


@functools.lru_cache
def cached(script, *args):
    """What tests/host/SCRIPT prints, or Skip."""
    done = subprocess.run([os.path.join(SOURCE, 'tests/host', script), *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        raise Skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Machine:
    def __init__(self, bed, kind='bookworm', installed=True):
        """@kind: an argument of tests/host/machine. @installed: fwd is, as built here."""
        for tool in 'systemd-nspawn', 'meson':
            if not shutil.which(tool):
                raise Skip(tool + ' is not installed')
        if not os.path.exists('/sys/fs/cgroup/unified/cgroup.procs') and not os.path.exists('/sys/fs/cgroup/cgroup.procs'):
            raise Skip('no cgroup2 here')
        self.bed = bed
        self.name = 'fwdtest-%d' % os.getpid()
        self.tmp = tempfile.mkdtemp(prefix='fwd-machine-', dir='/var/tmp')
        self.root = os.path.join(self.tmp, 'root')
        self.process = self.leader = None
        self.groups = []
        try:
            subprocess.run(['cp', '-a', cached('machine', kind), self.root], check=True)
            self.prepare()
            if installed:
                self.install()
        except BaseException:
            self.close()
            raise

    def prepare(self):
        tun = os.path.join(self.tmp, 'tun')
        os.mknod(tun, 0o20666, os.makedev(10, 200))
        os.chmod(tun, 0o666)
        for name in 'etc/resolv.conf', 'etc/hostname':
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, name))
        self.write('/etc/hostname', 'machine\n')
        self.write('/etc/resolv.conf', '')
        # there is no network to update from: packages lie in apt's cache
        self.write('/etc/apt/apt.conf.d/90test', 'Acquire::Retries "0";\nAcquire::http::Timeout "2";\nAcquire::http::Proxy "http://127.0.0.1:9/";\n')

    def install(self):
        done = subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild'], env=dict(os.environ, DESTDIR=self.root),
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        if kind and self.process:
            with contextlib.suppress(Exception):
                print(self.run('journalctl', '-b', '--no-pager', '-n', '40', '-p', 'warning', check=None).stdout)
        self.close()

    def path(self, path):
        return self.root + path

    def write(self, path, text, mode=0o644):
        with open(self.path(path), 'w') as f:
            f.write(text)
        os.chmod(self.path(path), mode)

    def close(self):
        self.off()
        shutil.rmtree(self.tmp, ignore_errors=True)

    # ---- power

    def _enter_groups(self):
        """In the child: cgroups of its own, so that systemd can make its tree there."""
        for group in self.groups:
            with open(os.path.join(group, 'cgroup.procs'), 'w') as f:
                f.write('0')

    def on(self, within=60):
        for top in '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup':
            if os.path.exists(top + '/cgroup.procs') and not (top == '/sys/fs/cgroup' and self.groups):
                self.groups.append(os.path.join(top, self.name))
                os.makedirs(self.groups[-1], exist_ok=True)
        env = dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY='1', SYSTEMD_NSPAWN_API_VFS_WRITABLE='network')
        self.console = open(os.path.join(self.tmp, 'console'), 'w')
        self.process = subprocess.Popen(
            ['systemd-nspawn', '--quiet', '-b', '-M', self.name, '-D', self.root, '--register=no', '--keep-unit', '--console=pipe',
             '--link-journal=no', '--network-namespace-path=' + self.bed.netns('host'), '--capability=CAP_NET_ADMIN,CAP_NET_RAW',
             '--bind=%s/tun:/dev/net/tun' % self.tmp, '--system-call-filter=@keyring bpf'],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=subprocess.STDOUT, env=env, preexec_fn=self._enter_groups)
        deadline = time.monotonic() + within
        while True:
            self.leader = self._leader()
            state = ''
            if self.leader:
                state = self.run('systemctl', 'is-system-running', check=None).stdout.strip()
            if state in ('running', 'degraded'):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.tmp, 'console')) as f:
                    raise AssertionError('it does not boot: %s\n%s' % (state, f.read()[-3000:]))
            time.sleep(0.1)

    def _leader(self):
        try:
            with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)) as f:
                children = f.read().split()
            return int(children[0]) if children else None
        except OSError:
            return None

    def off(self):
        """A machine that does not power off in time has its plug pulled. Its kernel forgets the rules: here it is the bed's
        namespace, which stays, that must."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            if self.leader:
                os.kill(self.leader, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        self.console.close()
        self.process = self.leader = None
        for group in self.groups:
            for directory, names, unused in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
        self.groups = []
        # rules let go of their sets a moment later
        self.bed.root('host', ['sh', '-c', 'nft flush ruleset; ipset flush; n=0; until ipset destroy 2>&1; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.05; done'])

    # ---- inside

    def _enter_scope(self):
        """In the child: the cgroup of the machine's first process. Who is in none of the machine's is told by trixie's logind that
        the "Protocol driver is not attached"."""
        with open('/proc/%d/cgroup' % self.leader) as f:
            lines = [line.strip().split(':', 2) for line in f]
        for unused, kind, group in lines:
            tops = {'': ('/sys/fs/cgroup/unified', '/sys/fs/cgroup'), 'name=systemd': ('/sys/fs/cgroup/systemd',)}.get(kind, ())
            for path in [top + group for top in tops if group.endswith('/init.scope') and os.path.exists(top + group)][:1]:
                with open(path + '/cgroup.procs', 'w') as f:
                    f.write('0')

    def run(self, *argv, check=0, env=None, timeout=300):
        began = time.monotonic()
        full = {'PATH': PATH, 'HOME': '/root', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb', **(env or {})}
        done = subprocess.run(['nsenter', '-t', str(self.leader), '-a', '--', 'env', '-i', '-C', '/', *['%s=%s' % e for e in full.items()], *argv],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', timeout=timeout,
                              preexec_fn=self._enter_scope)
        if argv[0] != 'systemctl':
            print('%6.1f s  %s: %d' % (time.monotonic() - began, ' '.join(argv), done.returncode), flush=True)
        if check is not None and done.returncode != check:
            raise AssertionError('%s: exit %d, not %d\n%s%s' % (' '.join(argv), done.returncode, check, done.stdout, done.stderr))
        return done

    def user(self, *argv, **kw):
        """As the container user, by fwctl host shell."""
        return self.run('fwctl', 'host', 'shell', '--', *argv, **kw)
