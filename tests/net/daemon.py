# SPDX-License-Identifier: GPL-2.0-or-later
"""The real daemon and the real client, in the host namespace of a Bed, with all their files in a directory of their own.

    with Bed() as bed, Fwd(bed) as fwd:
        code, out, err = fwd.ctl('enable', check=4)

The daemon sees a /dev of its own: what it logs comes to us (fwd.syslog), not to the machine's journal, and no terminal of
this machine is written to. It sees no unit of the machine's systemd, only what unit() writes, and a /var/log
of its own (fwd.var_log)."""
import contextlib
import json as json_module
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('FWD_BUILD') or os.path.join(SOURCE, 'build')
UNIT_DIRS = ('/etc/systemd/system', '/usr/lib/systemd/system', '/run/systemd')
OWN_DIRS = UNIT_DIRS + ('/var/log',)  # the daemon sees others in their place, empty at first
OWN_VIEW = '''set -e
dev=$1/dev log=$2 units=$1/units; shift 2
for where in %s; do [ ! -d "$where" ] || mount --bind "$units$where" "$where"; done
mount -t tmpfs -o mode=755 tmpfs "$dev"
for node in null zero full random urandom; do : >"$dev/$node"; mount --bind "/dev/$node" "$dev/$node"; done
ln -s "$log" "$dev/log"
mount --move "$dev" /dev
exec "$@"''' % ' '.join(OWN_DIRS)


def built(path):
    """Path of a built program, or Skip."""
    full = os.path.join(BUILD, path)
    if not os.access(full, os.X_OK):
        from bed import Skip
        raise Skip('%s is not built' % path)
    return full


class Fwd:
    def __init__(self, bed, conf='', start=True, program='fwd/daemon/fwd', client='fwd/ctl/fwctl', env=None):
        self.bed, self.env = bed, dict(env or {})
        self.program, self.client = built(program), built(client)
        self.autostart = start
        self.dir = tempfile.mkdtemp(prefix='fwd-', dir=bed.dir)
        self.conf, self.socket, self.log_path = (os.path.join(self.dir, n) for n in ('fwd.conf', 'fwd.sock', 'fwd.log'))
        self.iptables, self.state = os.path.join(self.dir, 'iptables'), os.path.join(self.dir, 'state')
        os.mkdir(self.iptables, 0o755)
        os.mkdir(self.state, 0o700)
        os.mkdir(os.path.join(self.dir, 'dev'))
        for where in OWN_DIRS:
            os.makedirs(self.dir + '/units' + where)
        self.var_log = self.dir + '/units/var/log'
        self.write_conf(conf)
        self.process = None
        self.syslog = Syslog(os.path.join(self.dir, 'syslog'))

    def __enter__(self):
        try:
            if self.autostart:
                self.start()
        except BaseException:
            self.__exit__(None)
            raise
        return self

    def __exit__(self, kind, *unused):
        self.kill()
        self.syslog.close()
        if kind:
            log = self.log()
            print('---- fwd said:\n' + log if log else '---- fwd said nothing', flush=True)

    # ---- the daemon's life

    def argv(self, *more):
        return [self.program, '-c', self.conf, '-d', self.iptables, '-S', self.state, '-s', self.socket] + list(more)

    def start(self, within=10.0):
        """Starts it and waits for READY=1. AssertionError with what it said when it ends, or is not ready in time."""
        assert not self.running(), 'fwd runs already'
        notify = os.path.join(self.dir, 'notify')
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, open(self.log_path, 'ab') as log:
            sock.bind(notify)
            wrapped = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', OWN_VIEW, 'sh',
                       self.dir, self.syslog.path] + self.argv()
            env = dict(_clean_env(), NOTIFY_SOCKET=notify, **self.env)
            self.process = self.bed.popen('host', wrapped, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
            self._ready(sock, within)

    def _ready(self, sock, within):
        deadline = time.monotonic() + within
        ended = os.pidfd_open(self.process.pid)
        try:
            while True:
                heard = select.select([sock, ended], [], [], max(deadline - time.monotonic(), 0))[0]
                if sock in heard:
                    if 'READY=1' in sock.recv(4096).decode().split('\n'):
                        return
                elif ended in heard:
                    code = self.process.wait()
                    raise AssertionError('fwd ended with %d before it was ready:\n%s' % (code, self.log()))
                elif not heard:
                    raise AssertionError('fwd is not ready after %g s:\n%s' % (within, self.log()))
        finally:
            os.close(ended)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, within=10.0, code=0):
        """SIGTERM; it must end with @code (None: any) in time. Returns its exit code."""
        self.signal(signal.SIGTERM)
        try:
            got = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError('fwd does not end %g s after SIGTERM:\n%s' % (within, self.log())) from None
        assert code is None or got == code, 'fwd ended with %d, expected %s:\n%s' % (got, code, self.log())
        return got

    def kill(self):
        """SIGKILL, if it runs."""
        if self.running():
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def signal(self, number):
        assert self.running(), 'fwd does not run:\n' + self.log()
        self.process.send_signal(number)

    def once(self, *args, timeout=30):
        """The daemon with more options (-n, -nv), to its end: (code, stdout, stderr)."""
        done = self.bed.run('host', self.argv(*args), timeout=timeout, env=dict(_clean_env(), **self.env))
        return done.returncode, done.stdout, done.stderr

    # ---- the client

    def ctl(self, *args, check=None, json=False, ns='host', input=None, env=None, timeout=60):
        """fwctl: (code, stdout, stderr); with @json stdout is the parsed value. @check: the exit code it must have, or
        True for 0. No SSH session of the person who runs the tests shows through: give one in @env."""
        argv = [self.client, '--socket', self.socket] + (['--json'] if json else []) + [str(a) for a in args]
        more = {'input': input} if input is not None else {}
        done = self.bed.run(ns, argv, timeout=timeout, env=dict(_clean_env(), **self.env, **(env or {})), **more)
        want = 0 if check is True else check
        if want is not None and check is not False and done.returncode != want:
            raise AssertionError('fwctl %s: exit %d, expected %d\n%s%s---- fwd said:\n%s' % (
                ' '.join(argv[3:]), done.returncode, want, done.stdout, done.stderr, self.log()))
        out = done.stdout
        if json:
            try:
                out = json_module.loads(out)
            except ValueError as error:
                raise AssertionError('fwctl %s: no JSON (%s): %r %s' % (' '.join(argv[3:]), error, out, done.stderr)) from None
        return done.returncode, out, done.stderr

    # ---- files

    def write_conf(self, text):
        with open(self.conf, 'w') as f:
            f.write(text)

    def unit(self, path, text):
        """Writes a file of systemd that only the daemon sees, such as /etc/systemd/system/ssh.socket."""
        where = next(d for d in UNIT_DIRS if path.startswith(d + '/'))
        if not os.path.isdir(where):
            from bed import Skip
            raise Skip('no %s here to put another in its place' % where)
        os.makedirs(os.path.dirname(self.dir + '/units' + path), exist_ok=True)
        with open(self.dir + '/units' + path, 'w') as f:
            f.write(text)

    def log(self):
        """What the daemon wrote to stdout and stderr, over all its starts."""
        return self._read(self.log_path) or ''

    def rules(self, family=4):
        """Text of rules.v4 or rules.v6; None when there is none."""
        return self._read(os.path.join(self.iptables, 'rules.v%d' % family))

    def ipsets(self):
        return self._read(os.path.join(self.iptables, 'ipsets'))

    def confirmed(self):
        return self._read(os.path.join(self.state, 'confirmed'))

    @staticmethod
    def _read(path):
        try:
            with open(path, errors='surrogateescape') as f:
                return f.read()
        except FileNotFoundError:
            return None


def _clean_env():
    dropped = ('SSH_', 'SUDO_', 'NOTIFY_SOCKET', 'LISTEN_')
    env = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    env.update(LC_ALL='C.UTF-8', TERM='dumb')
    return env


class Syslog:
    """Reads what arrives on a /dev/log of one's own."""

    def __init__(self, path):
        self.path, self.lines, self.changed = path, [], threading.Condition()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self.changed:
                self.lines.append(data.decode(errors='replace').rstrip('\n\0'))
                self.changed.notify_all()

    def wait(self, pattern, timeout=5.0, after=0):
        """The first line, from number @after on, in which the regular expression is found; AssertionError if none comes."""
        def find():
            return next((line for line in self.lines[after:] if re.search(pattern, line)), None)
        with self.changed:
            self.changed.wait_for(find, timeout)
            line = find()
        assert line is not None, 'no syslog line with %r; heard:\n%s' % (pattern, '\n'.join(self.lines))
        return line

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
