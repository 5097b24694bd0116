# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads from servers that stall, break off, redirect and lie."""
import hashlib
import json
import os
import pty
import subprocess
import tempfile

import mirror as m
from ground import program

NERDCTL, CNI = 'nerdctl-2.1.2-linux-amd64.tar.gz', 'cni-plugins-linux-amd64-v1.6.2.tgz'
BODY = os.urandom(300000)
SMALL = b'cni'


def sums(name, body):
    return ('%s  %s\n' % (hashlib.sha256(body).hexdigest(), name)).encode()


def files(body=BODY):
    return {NERDCTL: body, CNI: SMALL, 'SHA256SUMS': b'0' * 64 + b'  other\n' + sums(NERDCTL, body), CNI + '.sha256': sums(CNI, SMALL)}


class Fetch:
    """fetch into a directory of its own from a mirror of its own."""

    def __init__(self, **kw):
        self.mirror = m.Mirror(files(), **kw)
        self.tmp = tempfile.TemporaryDirectory(prefix='fwd-fetch-')
        self.dir = self.tmp.name

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.mirror.__exit__()
        self.tmp.cleanup()

    def argv(self, *more):
        return [program(), 'fetch', self.dir, '--mirror', self.mirror.url, '--ca', self.mirror.ca, '--stall', '1', '--arch', 'amd64', *more]

    def run(self, *more, check=0):
        done = subprocess.run(self.argv(*more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
        assert done.returncode == check, done
        return done

    def has(self, name, body):
        with open(os.path.join(self.dir, name), 'rb') as f:
            assert f.read() == body, name

    def starts(self, name=NERDCTL):
        return [start for asked, start in self.mirror.asked if asked == name]

    def refused(self, part, *more):
        said = self.run(*more, check=1).stderr
        assert part in said, said
        assert NERDCTL not in os.listdir(self.dir), os.listdir(self.dir)
        return said


def test_good():
    with Fetch() as fetch:
        done = fetch.run()
        fetch.has(NERDCTL, BODY), fetch.has(CNI, SMALL), fetch.has(NERDCTL + '.sha256', sums(NERDCTL, BODY))
        assert sorted(os.listdir(fetch.dir)) == sorted([NERDCTL, CNI, NERDCTL + '.sha256', CNI + '.sha256'])
        assert NERDCTL + ': downloaded\n' in done.stderr and '\r' not in done.stderr, done.stderr
        answer = json.loads(fetch.run('--json').stdout)
        assert answer['changed'] is False and [f['changed'] for f in answer['result']['files']] == [False, False], answer
        assert fetch.starts() == [0]
        # one that changed on the disk is noticed and replaced
        with open(os.path.join(fetch.dir, NERDCTL), 'ab') as f:
            f.write(b'x')
        assert json.loads(fetch.run('--json').stdout)['changed'] is True
        fetch.has(NERDCTL, BODY)


def test_versions():
    with Fetch() as fetch:
        fetch.mirror.files.update({'nerdctl-9.9.9-rc.1-linux-amd64.tar.gz': b'n', 'SHA256SUMS': sums('nerdctl-9.9.9-rc.1-linux-amd64.tar.gz', b'n')})
        fetch.run('--nerdctl-version', '9.9.9-rc.1')
        fetch.has('nerdctl-9.9.9-rc.1-linux-amd64.tar.gz', b'n')
        assert 'SHA256SUMS does not list' in fetch.run(check=1).stderr
        for bad in ('../x', '', 'v1.2', '1/2', '1 2'):
            assert 'is no version' in fetch.run('--nerdctl-version', bad, check=2).stderr
        assert 'architecture' in fetch.run('--arch', 'vax', check=2).stderr
        assert 'https://' in fetch.run('--mirror', 'http://127.0.0.1/', check=1).stderr
        assert '404' in fetch.run('--cni-version', '7', '--nerdctl-version', '9.9.9-rc.1', check=1).stderr


def test_stall():
    """It is resumed where it stopped."""
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.stall(100000), m.fine]
        done = fetch.run()
        fetch.has(NERDCTL, BODY)
        assert fetch.starts() == [0, 100000] and 'tried again' in done.stderr, (fetch.starts(), done.stderr)


def test_truncate():
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.truncate(1000), m.truncate(2000), m.status(503), m.fine]
        fetch.run()
        fetch.has(NERDCTL, BODY)
        assert fetch.starts() == [0, 1000, 3000, 3000], fetch.starts()


def test_killed():
    """A run that was killed is taken up again by the next."""
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.stall(150000), m.fine]
        process = subprocess.Popen(fetch.argv('--stall', '60'), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        part = os.path.join(fetch.dir, NERDCTL + '.part')
        while not os.path.exists(part) or os.path.getsize(part) < 150000:
            assert process.poll() is None
        process.kill()
        process.wait()
        process.stderr.close()
        fetch.run()
        fetch.has(NERDCTL, BODY)
        assert fetch.starts() == [0, 150000]


def test_gives_up():
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.status(503)]
        fetch.refused('the server answers 503')
        assert len(fetch.starts()) == 5  # DOWNLOAD_TRIES
        fetch.mirror.ways[NERDCTL] = [m.status(404)]
        fetch.mirror.asked.clear()
        fetch.refused('the server answers 404')
        assert len(fetch.starts()) == 1
        fetch.mirror.ways[NERDCTL] = [m.status(403)]
        fetch.refused('403')


def test_redirect():
    with Fetch() as fetch:
        fetch.mirror.files['there'] = BODY
        fetch.mirror.ways[NERDCTL] = [m.redirect('/there')]
        fetch.run()
        fetch.has(NERDCTL, BODY)
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.redirect('/' + NERDCTL)]  # round and round
        fetch.refused('redirect')
        assert len(fetch.starts()) == 6
        with m.Mirror(files(), tls=False) as plain:
            for where in (plain.url + '/' + NERDCTL, 'file:///etc/passwd', 'ftp://127.0.0.1/x'):
                fetch.mirror.ways[NERDCTL] = [m.redirect(where)]
                fetch.refused('rotocol')
            assert plain.asked == []


def test_lies_about_length():
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.length(len(BODY) + 10), m.fine]  # all is here, but the server said more
        fetch.run()
        fetch.has(NERDCTL, BODY)
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.length(1000)]
        fetch.refused('is not what it should be')
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.length(600 << 20)]  # refused before it is read
        assert 'larger' in fetch.refused('')


def test_lies_about_content():
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.other(b'evil' * 1000)]
        said = fetch.refused('is not what it should be')
        assert hashlib.sha256(b'evil' * 1000).hexdigest() in said and 'Nothing of it was unpacked' in said, said
        assert os.path.getsize(os.path.join(fetch.dir, NERDCTL + '.part')) == 0
        assert len(fetch.starts()) == 1
        fetch.mirror.ways.clear()
        fetch.run()  # the liar's bytes are not continued
        fetch.has(NERDCTL, BODY)


def test_beginning_of_another_file():
    """What an earlier run began does not fit any more, or the server cannot continue: once more from the beginning."""
    for way, starts in (m.fine, [1000, 0]), (m.no_ranges, [1000, 0]):
        with Fetch() as fetch:
            with open(os.path.join(fetch.dir, NERDCTL + '.part'), 'wb') as f:
                f.write(b'x' * 1000)
            fetch.mirror.ways[NERDCTL] = [way]
            fetch.run()
            fetch.has(NERDCTL, BODY)
            assert fetch.starts() == starts, fetch.starts()
    with Fetch() as fetch:
        with open(os.path.join(fetch.dir, NERDCTL + '.part'), 'wb') as f:
            f.write(b'x' * (len(BODY) + 5))
        fetch.run()
        fetch.has(NERDCTL, BODY)


def test_tls():
    """Neither an unknown CA nor a certificate for somebody else is taken."""
    with Fetch() as fetch:
        with m.Mirror({}) as stranger:
            fetch.refused('certificate', '--ca', stranger.ca)
        fetch.refused('certificate', '--mirror', fetch.mirror.url.replace('127.0.0.1', '127.0.0.2'))  # the server's names 127.0.0.1
        fetch.refused('', '--ca', '/nonexistent')
        assert fetch.mirror.asked == []


def test_two_runs():
    with Fetch() as fetch:
        fetch.mirror.ways[NERDCTL] = [m.stall(1000), m.fine]
        first = subprocess.Popen(fetch.argv('--stall', '60'), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        part = os.path.join(fetch.dir, NERDCTL + '.part')
        while not os.path.exists(part) or os.path.getsize(part) < 1000:
            assert first.poll() is None
        fetch.refused('another run is downloading it')
        first.kill()
        first.wait()
        first.stderr.close()


def test_bar():
    """On a terminal a bar that stays within the line."""
    with Fetch() as fetch:
        master, slave = pty.openpty()
        import fcntl
        import struct
        import termios
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 70, 0, 0))
        process = subprocess.Popen(fetch.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        text = b''
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            text += data
        assert process.wait() == 0
        lines = text.decode().replace('\n', '\r').split('\r')
        assert any('#' in line and '100%' in line for line in lines), text
        assert max(len(line) for line in lines) <= 70, lines
