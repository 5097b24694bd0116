# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpacking of archives: the hostile and the broken are refused whole, and leave nothing behind."""
import os
import stat
import subprocess
import tempfile

import corpus
from daemon import built

LIMITS = ['100', str(corpus.BIG), str(2 * corpus.BIG)]


def tree(top):
    """{path: (kind, mode, owner, content)} of all below."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            content = None
            if stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, 'rb') as f:
                    content = f.read()
            found[os.path.relpath(path, top)] = (stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, content)
    return found


class Ground:
    """A target directory with something in it, and a neighbour that must not change."""

    def __init__(self):
        self.tool = built('tests/host/unpack')
        self.tmp = tempfile.TemporaryDirectory(prefix='fwd-archive-')
        self.top = self.tmp.name
        self.archive = os.path.join(self.top, 'archive')
        os.makedirs(self.top + '/place/target')
        for path in ('/place/target/old', '/place/evil', '/evil'):
            with open(self.top + path, 'w') as f:
                f.write('untouched')

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.tmp.cleanup()

    def unpack(self, data):
        with open(self.archive, 'wb') as f:
            f.write(data)
        old = os.umask(0o077)
        try:
            done = subprocess.run([self.tool, self.archive, self.top + '/place/target', '.new', *LIMITS], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=60)
        finally:
            os.umask(old)
        os.unlink(self.archive)
        return done.returncode, done.stdout


def test_refused():
    with Ground() as ground:
        before, count = tree(ground.top), 0
        for name, data, reason in corpus.bad():
            code, said = ground.unpack(data)
            assert code == 1 and said.strip() and reason in said, (name, code, said)
            assert tree(ground.top) == before, name
            count += 1
        assert count >= 40, count
        print(count, 'archives refused')


def test_taken():
    with Ground() as ground:
        before = tree(ground.top)
        for name, data, wanted in corpus.good():
            code, said = ground.unpack(data)
            assert code == 0 and not said, (name, code, said)
            found = tree(ground.top + '/place/target/.new')
            if wanted is not None:
                got = {path: (mode, content) for path, (kind, mode, uid, gid, content) in found.items()}
                assert got == wanted, (name, got)
            assert all(v[2:4] == (os.geteuid(), os.getegid()) for v in found.values()), name
            rest = {p: v for p, v in tree(ground.top).items() if not p.startswith('place/target/.new')}
            assert rest == before, name


def test_fresh():
    """What an earlier run left in the fresh directory is gone, links in it are not followed."""
    with Ground() as ground:
        os.makedirs(ground.top + '/place/target/.new/deep/er')
        os.symlink(ground.top + '/place', ground.top + '/place/target/.new/deep/link')
        code, said = ground.unpack(corpus.gz(corpus.member('a')))
        assert code == 0, said
        assert list(tree(ground.top + '/place/target/.new')) == ['a']
        assert os.path.exists(ground.top + '/place/evil')
        # a link in its place is not followed either
        ground.unpack(corpus.gz(corpus.member('..')))
        os.symlink('/tmp', ground.top + '/place/target/.new')
        assert ground.unpack(corpus.gz(corpus.member('a')))[0] == 1


def test_confined():
    """The child that reads: no capability, the fresh directory as its root."""
    from ground import need_root
    need_root()
    import time
    with Ground() as ground:
        fifo = ground.top + '/fifo'
        os.mkfifo(fifo)
        keep = os.open(fifo, os.O_RDWR)  # opening it does not wait, reading does
        process = subprocess.Popen([ground.tool, fifo, ground.top + '/place/target', '.new'], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        process.wait(30)
        assert process.returncode == 1  # a pipe cannot be rewound: it is not even begun
        os.close(keep)
        # a large one, seen while it works
        data = corpus.gz(*[corpus.member('f%d' % i, os.urandom(1 << 20)) for i in range(60)])
        with open(ground.archive, 'wb') as f:
            f.write(data)
        process = subprocess.Popen([ground.tool, ground.archive, ground.top + '/place/target', '.new'], stdin=subprocess.DEVNULL)
        seen = None
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            try:
                children = open('/proc/%d/task/%d/children' % (process.pid, process.pid)).read().split()
                status = open('/proc/%s/status' % children[0]).read() if children else ''
                root = os.readlink('/proc/%s/root' % children[0]) if children else ''
            except (OSError, IndexError):
                continue
            if root.endswith('/.new') and 'CapEff:\t0000000000000000' in status and 'NoNewPrivs:\t1' in status:
                seen = root
        assert process.wait(30) == 0
        assert seen, 'never seen confined'
