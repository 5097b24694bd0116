# SPDX-License-Identifier: GPL-2.0-or-later
"""fwd-host with a root directory of its own: nothing of the machine is read or written."""
import json
import os
import subprocess
import tempfile

from bed import Skip
from daemon import built

PASSWD = '''root:x:0:0:root:/root:/bin/bash
containerd:x:1500:1501::/home/containerd:/usr/sbin/nologin
'''


def need_root():
    if os.geteuid():
        raise Skip('needs root')


def program():
    return built('host-setup/fwd-host')


class Root:
    """A directory that stands for /, with the article's user in it."""

    def __init__(self, passwd=PASSWD, subuid='containerd:100000:65536\n', subgid='containerd:200000:65536\n'):
        self.program = program()
        self.tmp = tempfile.TemporaryDirectory(prefix='fwd-host-')
        self.dir = self.tmp.name
        os.chmod(self.dir, 0o755)
        self.home = self.path('/home/containerd')
        for name, text in ('passwd', passwd), ('subuid', subuid), ('subgid', subgid):
            self.write('/etc/' + name, text)
        os.makedirs(self.home)
        if os.geteuid() == 0:
            os.chown(self.home, 1500, 1501)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.tmp.cleanup()

    def path(self, path):
        return self.dir + path

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), 'w') as f:
            f.write(text)

    def run(self, *args, check=0, **kw):
        """(exit code, stdout, stderr)"""
        kw.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run([self.program, *args, '--root', self.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, **kw)
        if check is not None and done.returncode != check:
            raise AssertionError('%s: exit %d, not %d\n%s%s' % (args, done.returncode, check, done.stdout, done.stderr))
        return done.returncode, done.stdout, done.stderr

    def json(self, *args, check=0, **kw):
        out = self.run(*args, '--json', check=check, **kw)[1]
        answer = json.loads(out)
        assert out.count('\n') == 1, out
        assert check is None or answer['exit'] == check, out
        return answer
