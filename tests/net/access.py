# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that is administered over SSH: the real daemon, a real sshd, and sessions in which fwctl is typed.

    with Ground(OPEN) as ground:
        session = ground.login()
        assert session.ctl('enable --timeout 10s', code=4)

What a command says is read from a file of the host, not from the terminal: a trial may freeze that. FWD_TRIES and
FWD_TRIALS (environment) make the tests that count longer."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from bed import Bed, Fwd
from sshd import Session, Sshd, wait_for

OPEN = '[firewall]\nssh-ports = 22\n'
LISTED = '[firewall]\nssh = whitelist\nssh-ports = 22\n'
PORT = 8080
FWCTL = '''#!/bin/sh
exec /opt/fwd/%s --library-path /opt/fwd /opt/fwd/fwctl --socket /run/fwd/fwd.sock "$@"
'''


class Typist(Session):
    """A session in whose shell commands are typed, and answered for by files."""

    def asks(self, command):
        """Types it; the path that will hold what it says, then its exit code."""
        path = self.sshd.fresh()
        self.type('{ %s; } >%s.out 2>&1 </dev/null; echo $? >%s.new; mv %s.new %s' % (command, path, path, path, path))
        return path

    def answer(self, path, within=10.0):
        """(exit code, text) of what asks() typed."""
        code = int(wait_for('the end of a command', lambda: self.sshd.read(path), within))
        return code, self.sshd.read(path + '.out')

    def answered(self, path):
        return bool(self.sshd.read(path))

    def does(self, command, code=None, within=10.0):
        got, text = self.answer(self.asks(command), within)
        assert code is None or got == code, '%s: exit %d, expected %s: %s' % (command, got, code, text)
        return text

    def ctl(self, words, code=None, within=10.0):
        return self.does('fwctl ' + words, code, within)

    def confirms(self, words='--json'):
        """(exit code, the parsed answer) of a confirm typed here."""
        code, text = self.answer(self.asks('fwctl confirm ' + words))
        return code, json.loads(text)

    def talks(self, within=8.0):
        """Whether a line typed is carried out."""
        path = self.sshd.fresh()
        try:
            self.type('echo $$ >' + path)
            wait_for('the shell', lambda: self.sshd.read(path), within)
        except (AssertionError, BrokenPipeError):
            return False
        return True


class Ground:
    def __init__(self, conf=OPEN, on=False, release='bookworm', more='', disk=None):
        """@on: enabled and confirmed. @disk: bytes of a file system of its own for fwd's files, at self.disk."""
        self.conf, self.on, self.release, self.more, self.size = conf, on, release, more, disk
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.bed = self.stack.enter_context(Bed())
            self.holder, self.tree = self.bed._root(self.release)
            self.inside = self.tree[len('/proc/%d/root' % self.holder.pid):]  # the tree, as the holder sees it
            self.fwd = Fwd(self.bed, self.conf, start=False)
            self._lay_out()
            self.stack.push(self.fwd)
            self.fwd.start()
            self.sshd = Sshd(self.bed, self.release, more=self.more)
            self.bed.serve('host', PORT)
            if self.on:
                self.fwd.ctl('enable', '--force', check=4)
                self.fwd.ctl('confirm', '--force', check=0)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    def mount(self, *argv):
        """mount(8) in the mount namespace of the host's root file system."""
        subprocess.run(['nsenter', '--mount=/proc/%d/ns/mnt' % self.holder.pid, 'mount', *argv], check=True,
                       capture_output=True)

    def _lay_out(self):
        fwd, opt = self.fwd, self.tree + '/opt/fwd'
        os.chmod(fwd.dir, 0o755)
        if self.size:
            self.disk = self.tree + '/disk'
            os.makedirs(self.disk, exist_ok=True)
            self.mount('-t', 'tmpfs', '-o', 'mode=755,size=%d' % self.size, 'tmpfs', self.inside + '/disk')
            fwd.iptables, fwd.state = self.disk + '/iptables', self.disk + '/state'
            os.mkdir(fwd.iptables, 0o755)
            os.mkdir(fwd.state, 0o700)
        os.makedirs(self.tree + '/run/fwd')
        self.mount('--bind', fwd.dir, self.inside + '/run/fwd')
        os.makedirs(opt)
        shutil.copy(fwd.client, opt + '/fwctl')
        libraries = re.findall(r'(/\S+) \(0x', subprocess.run(['ldd', fwd.client], capture_output=True, text=True).stdout)
        for path in libraries:
            shutil.copy(path, opt)
        loader = next(os.path.basename(path) for path in libraries if 'ld-' in path)
        with open(self.tree + '/usr/local/bin/fwctl', 'w') as f:
            f.write(FWCTL % loader)
        os.chmod(self.tree + '/usr/local/bin/fwctl', 0o755)

    # ---- who types

    def login(self, user='root', family=4, client='operator', tty=True, options=(), argv=None):
        ssh = ['ssh', '-F', '/etc/ssh/test_config', '-tt' if tty else '-T', *options,
               '%s@%s' % (user, self.bed.addr('host', family))]
        session = Typist(self.sshd, client, argv or ssh)
        session.pid = session.shell()
        return session

    def gets_in(self, client='operator', family=4, within=8):
        """Whether a new ssh connection succeeds, to the end of a command."""
        argv = ['ssh', '-F', '/etc/ssh/test_config', '-T', '-o', 'ConnectTimeout=%d' % within,
                'root@' + self.bed.addr('host', family), 'true']
        return self.sshd.start(client, *argv).wait(within + 20) == 0

    def knocks(self, client='operator', family=4, timeout=0.3):
        """Whether sshd answers a new connection at all."""
        sock = self.bed.socket(client, self.bed.addr('host', family))
        sock.settimeout(timeout)
        try:
            sock.connect((self.bed.addr('host', family), 22))
            return True
        except OSError:
            return False
        finally:
            sock.close()

    def shut_out(self, client='operator', families=(4, 6)):
        """Nobody answers, in either family."""
        for family in families:
            assert not self.knocks(client, family), '%s is let in' % client

    def tool(self, *argv, **kw):
        return self.bed.root('host', list(argv), self.release, **kw)

    # ---- fwd, seen from the test

    def status(self):
        return self.fwd.ctl('status', json=True)[1]['result']

    def open_socket(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.fwd.socket)
        return sock

    def reboot(self, before=lambda: None, start=True):
        """What a boot does to the kernel and to /run: nothing of before is left. @before: what others load first."""
        self.fwd.kill()
        self.tool('nft', 'flush', 'ruleset')
        self.tool('ipset', 'flush')
        wait_for('sets to be free', lambda: self.tool('ipset', 'destroy', check=False).returncode == 0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.fwd.dir, 'trial'))
        before()
        if start:
            self.fwd.start()

    def save(self):
        """What netfilter-persistent save does."""
        for tool, name in ('ipset', 'ipsets'), ('iptables-save', 'rules.v4'), ('ip6tables-save', 'rules.v6'):
            text = self.tool(tool, *(['save'] if tool == 'ipset' else [])).stdout
            with open(os.path.join(self.fwd.iptables, name), 'w') as f:
                f.write(text)

    def load(self):
        """What netfilter-persistent start does."""
        self.tool('ipset', 'restore', '-exist', input=self.fwd.ipsets())
        self.tool('iptables-restore', input=self.fwd.rules(4))
        self.tool('ip6tables-restore', input=self.fwd.rules(6))


def ask(sock, verb, **args):
    """One request over a connection to fwd, and its answer."""
    sock.sendall(json.dumps({'verb': verb, 'args': args}).encode() + b'\n')
    data = b''
    while not data.endswith(b'\n'):
        more = sock.recv(65536)
        if not more:
            raise ConnectionError('fwd hung up')
        data += more
    return json.loads(data)


def parallel(*functions):
    """Runs them at the same time; all failures are told."""
    failures, results = [], [None] * len(functions)

    def one(index, function):
        try:
            results[index] = function()
        except BaseException as error:  # told by the thread that asked
            failures.append((index, error))
    threads = [threading.Thread(target=one, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        for index, error in failures[1:]:
            print('also failed, number %d: %s: %s' % (index, type(error).__name__, error), flush=True)
        raise failures[0][1]
    return results
