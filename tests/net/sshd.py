# SPDX-License-Identifier: GPL-2.0-or-later
"""A real sshd in the host of a Bed, from a release's root file system, and sessions from the other namespaces over the wire.

Its users are root and alice (who may sudo), by key. Everything lies in the bed's throw-away copy of that root file system;
process ids are the machine's."""
import os
import subprocess
import time

CONFIG = '''\
Port 22
%(more)s
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
PermitRootLogin yes
PasswordAuthentication yes
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 100
'''
CLIENT = '''\
Host *
 StrictHostKeyChecking no
 UserKnownHostsFile /dev/null
 LogLevel ERROR
 IdentityFile /etc/ssh/test_key
 ControlPath none
'''
PREPARE = '''\
set -e
useradd -m -s /bin/bash -p '*' alice
echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice
printf 'PS1=\\nunset PROMPT_COMMAND HISTFILE\\n' | tee /root/.bashrc /root/.profile /home/alice/.profile >/home/alice/.bashrc
echo "127.0.0.1 localhost $(uname -n)" >/etc/hosts
: >/etc/resolv.conf
mkdir -p /run/sshd
printf '#!/bin/sh\necho $$ >"$1"; exec sleep 1000\n' >/usr/local/bin/stay
chmod 755 /usr/local/bin/stay
rm -f /etc/ssh/ssh_host_* /etc/ssh/test_key*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/test_key
install -d -m 700 /root/.ssh
install -d -m 700 -o alice /home/alice/.ssh
cp /etc/ssh/test_key.pub /root/.ssh/authorized_keys
install -o alice -m 600 /etc/ssh/test_key.pub /home/alice/.ssh/authorized_keys
'''


def wait_for(what, condition, within=10.0):
    """The condition's first true answer."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError('waited in vain for ' + what)
        time.sleep(0.005)


class Sshd:
    def __init__(self, bed, release='bookworm', where='host', more=''):
        self.bed, self.release, self.where = bed, release, where
        self.dir = bed.root_dir(release)
        self._count = 0
        self._enter = None
        if not os.path.exists(self.dir + '/etc/ssh/test_config'):
            self.root('sh', '-c', PREPARE)
            self.write('/etc/ssh/test_config', CLIENT)
        self.write('/etc/ssh/sshd_config', CONFIG % {'more': more})
        self.root('/usr/sbin/sshd', '-E', '/run/sshd.log')
        self.pid = int(wait_for('sshd', lambda: self.read('/run/sshd.pid')))

    def root(self, *argv, **kw):
        return self.bed.root(self.where, list(argv), self.release, **kw)

    def write(self, path, text):
        with open(self.dir + path, 'w') as f:
            f.write(text)

    def read(self, path):
        """Whole lines of a file inside, or ''."""
        try:
            with open(self.dir + path) as f:
                text = f.read()
        except FileNotFoundError:
            return ''
        return text if text.endswith('\n') else ''

    def fresh(self):
        """A path inside that anybody may write to, for a process to report in."""
        self._count += 1
        return '/tmp/report-%d' % self._count

    def reported(self, path):
        """The process id that somebody wrote there."""
        return int(wait_for('a process that reports in ' + path, lambda: self.read(path)))

    def start(self, client, *argv, env=None):
        """A program of the root file system, in the namespace @client. stdin is a pipe."""
        holder, tree = self.bed._root(self.release)
        path = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm', 'HOME': '/root', **(env or {})}
        return self.bed.popen(client, ['nsenter', '--mount=/proc/%d/ns/mnt' % holder.pid, '--root=' + tree, '--wd=' + tree, '--',
                                       *argv], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=path, start_new_session=True)

    def ssh(self, user='alice', family=4, client='operator', tty=True, command=(), options=(), **kw):
        return Session(self, client, ['ssh', '-F', '/etc/ssh/test_config', '-tt' if tty else '-T', *options, '%s@%s' % (
            user, self.bed.addr(self.where, family)), *command], **kw)


class Session:
    def __init__(self, sshd, client, argv, **kw):
        self.sshd = sshd
        self.process = sshd.start(client, *argv, **kw)

    def type(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def shell(self):
        """The process id of the shell that hears what is typed."""
        path = self.sshd.fresh()
        self.type('echo $$ >' + path)
        return self.sshd.reported(path)

    def runs(self, command='%s'):
        """The process id of what is typed: @command with a program that stays in place of %s."""
        path = self.sshd.fresh()
        self.type(command % ('/usr/local/bin/stay ' + path))
        return self.sshd.reported(path)

    def close(self):
        self.process.terminate()
        self.process.wait()
