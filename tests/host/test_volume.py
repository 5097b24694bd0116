# SPDX-License-Identifier: GPL-2.0-or-later
"""`fwctl host idmap` and `fwctl host volume`, in a home whose owner may be hostile."""
import ctypes
import os
import signal
import stat
import subprocess

from bed import Skip
from ground import Root, need_root


def look(path):
    st = os.lstat(path)
    return stat.S_IFMT(st.st_mode), st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)


def test_idmap():
    with Root() as root:
        out = root.run('idmap', '1000')[1]
        assert 'uid 1000 is uid 100999 on this host' in out and 'gid 1000 is gid 200999' in out, out
        assert '1000 - 1 + 100000 = 100999' in out, out
        assert root.json('idmap', '0')['result'] == {'user': 'containerd', 'inside': 0, 'uid': 1500, 'gid': 1501}
        assert 'outside the ranges of /etc/subuid' in root.run('idmap', '65537', check=1)[2]
        assert root.json('idmap', 'many', check=2)['error']['text'].startswith('the id: "many"')
        assert root.json('idmap', '1', '--user', 'anna', check=1)['error']['text'] == 'there is no user anna'
        root.write('/etc/subgid', 'containerd:200000:10\n')
        assert '/etc/subgid' in root.run('idmap', '11', check=1)[2]
        os.unlink(root.path('/etc/subuid'))
        assert 'subuid' in root.run('idmap', '1', check=1)[2]


def test_idmap_is_the_kernels():
    """The computation against a user namespace that newuidmap makes of the very ranges."""
    need_root()
    if subprocess.run(['unshare', '-U', 'true'], capture_output=True).returncode:
        raise Skip('no user namespaces here')
    with Root(subuid='containerd:300000:7\n1500:100000:20\ncontainerd:90:5\n') as root:
        child = subprocess.Popen(['unshare', '-U', 'cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            with open('/proc/%d/uid_map' % wait_userns(child.pid), 'w') as f:
                f.write('0 1500 1\n1 300000 7\n8 100000 20\n28 90 5\n')
            with open('/proc/%d/gid_map' % child.pid, 'w') as f:
                f.write('0 1501 1\n')
            for inside in (0, 1, 7, 8, 27, 28, 32):
                host = root.json('idmap', str(inside))['result']['uid'] if inside else 1500
                path = root.path('/probe%d' % inside)
                open(path, 'w').close()
                os.chown(path, host, 0)
                seen = subprocess.run(['nsenter', '-U', '-t', str(child.pid), '--setuid', '0', 'stat', '-c', '%u', path],
                                      capture_output=True, text=True).stdout.strip()
                assert seen == str(inside), '%d is %d here, but the kernel says %s' % (inside, host, seen)
        finally:
            child.stdin.close()
            child.wait()


def wait_userns(pid):
    while os.readlink('/proc/%d/ns/user' % pid) == os.readlink('/proc/self/ns/user'):
        pass
    return pid


def test_create():
    need_root()
    with Root() as root:
        old = os.umask(0o077)
        try:
            answer = root.json('volume', 'create', 'ubuntu', '--uid', '1000')
        finally:
            os.umask(old)
        assert answer['changed'] is True and answer['result']['host_uid'] == 100999, answer
        assert look(root.home + '/volumes') == (stat.S_IFDIR, 1500, 1501, 0o755)
        assert look(root.home + '/volumes/ubuntu') == (stat.S_IFDIR, 100999, 200999, 0o755)
        assert root.json('volume', 'create', 'ubuntu', '--uid', '1000')['changed'] is False
        # what is in it, and a mode that its owner chose, stay
        os.mkdir(root.home + '/volumes/ubuntu/data', 0o700)
        os.chmod(root.home + '/volumes/ubuntu', 0o700)
        assert root.json('volume', 'create', 'ubuntu', '--uid', '1000', '--gid', '0')['changed'] is True
        assert look(root.home + '/volumes/ubuntu') == (stat.S_IFDIR, 100999, 1501, 0o700)
        assert look(root.home + '/volumes/ubuntu/data')[1] == 0
        root.run('volume', 'create', 'mine', '--uid', '0')
        assert look(root.home + '/volumes/mine')[1:3] == (1500, 1501)
        assert sorted(os.listdir(root.home + '/volumes')) == ['mine', 'ubuntu']


def test_list():
    need_root()
    with Root() as root:
        assert root.json('volume', 'list')['result']['volumes'] == [] and root.run('volume', 'list')[1] == ''
        root.run('volume', 'create', 'b', '--uid', '7', '--gid', '8')
        root.run('volume', 'create', 'a', '--uid', '0')
        os.mkdir(root.home + '/volumes/foreign\033')
        os.symlink('/etc', root.home + '/volumes/link')
        volumes = root.json('volume', 'list')['result']['volumes']
        assert [v['name'] for v in volumes] == ['a', 'b', 'foreign\\x1b', 'link'], volumes
        assert volumes[1] == {'name': 'b', 'path': '/home/containerd/volumes/b', 'directory': True, 'mode': '0755', 'uid': 7,
                              'gid': 8, 'host_uid': 100006, 'host_gid': 200007}, volumes[1]
        assert volumes[2]['uid'] is None and volumes[3]['directory'] is False
        text = root.run('volume', 'list')[1]
        assert '\033' not in text and 'link  (no directory' in text, text


def test_refused():
    need_root()
    with Root() as root:
        secret = root.path('/secret')
        os.mkdir(secret, 0o700)
        for name in ('a/b', '..', '.', '.x', '-x', '', 'a\n', 'x' * 129, '/etc'):
            done = subprocess.run([root.program, 'volume', 'create', '--uid', '1', '--root', root.dir, '--', name],
                                  capture_output=True, text=True)
            assert done.returncode == 1 and 'no name of a volume' in done.stderr, (name, done)
        assert os.listdir(root.home) == []
        for args, code in ((['x'], 2), (['x', '--uid', 'a'], 2), (['x', '--uid', '65537'], 1), (['x', '--uid', '1', '--gid', '65537'], 1),
                           (['x', '--uid', '4294967295'], 1), (['x', 'y', '--uid', '1'], 2), (['--uid', '1'], 2),
                           (['x', '--uid', '1', '--user', 'nobody'], 1), (['x', '--uid', '1', '--user', 'a b'], 1)):
            root.run('volume', 'create', *args, check=code)
        assert os.listdir(root.home) == []
        os.symlink(secret, root.home + '/volumes')
        assert 'link' in root.run('volume', 'create', 'x', '--uid', '1', check=1)[2]
        assert 'link' in root.run('volume', 'list', check=1)[2]
        os.unlink(root.home + '/volumes')
        os.mkdir(root.home + '/volumes')
        assert 'not owned by containerd' in root.run('volume', 'create', 'x', '--uid', '1', check=1)[2]
        os.chown(root.home + '/volumes', 1500, 1501)
        os.symlink(secret, root.home + '/volumes/x')
        assert 'link' in root.run('volume', 'create', 'x', '--uid', '1', check=1)[2]
        os.mkdir(root.home + '/volumes/root')  # root's own: not given away
        assert 'none of the ids' in root.run('volume', 'create', 'root', '--uid', '1', check=1)[2]
        open(root.home + '/volumes/file', 'w').close()
        assert 'no directory' in root.run('volume', 'create', 'file', '--uid', '1', check=1)[2]
        assert look(secret)[1:] == (0, 0, 0o700) and os.listdir(secret) == []
        os.chown(root.home, 0, 0)
        assert '/home/containerd is not owned by containerd' in root.run('volume', 'create', 'y', '--uid', '1', check=1)[2]


def test_home_behind_a_link():
    """A link that the administrator made on the way to the home is followed, and stays below the root directory."""
    need_root()
    with Root() as root:
        os.rename(root.path('/home'), root.path('/data'))
        os.symlink('/data', root.path('/home'))
        root.run('volume', 'create', 'x', '--uid', '1')
        assert look(root.path('/data/containerd/volumes/x'))[1] == 100000


def test_half_made():
    """What a run that was killed left behind is thrown away; what is in the way and not empty is told."""
    need_root()
    with Root() as root:
        root.run('volume', 'create', 'a', '--uid', '1')
        os.mkdir(root.home + '/volumes/.x.fwd-new', 0o700)
        assert root.json('volume', 'create', 'x', '--uid', '1')['changed'] is True
        assert sorted(os.listdir(root.home + '/volumes')) == ['a', 'x']
        os.makedirs(root.home + '/volumes/.y.fwd-new/full')
        assert 'in the way' in root.run('volume', 'create', 'y', '--uid', '1', check=1)[2]


def test_hostile_home():
    """The owner of the home exchanges directories for links while root works there. Nothing outside changes hands."""
    need_root()
    with Root() as root:
        secret = root.path('/secret')
        os.mkdir(secret, 0o700)
        os.mkdir(secret + '/x', 0o700)
        root.run('volume', 'create', 'a', '--uid', '1')
        volumes, other = root.home + '/volumes', root.home + '/other'
        os.symlink(secret, other)
        owner = os.stat(root.home)
        child = os.fork()
        if not child:  # as the owner: what is his alone to do, he does
            libc = ctypes.CDLL(None, use_errno=True)
            os.setgroups([]), os.setgid(owner.st_gid), os.setuid(owner.st_uid)
            while True:
                for a, b in ((volumes, other), (volumes + '/x', other), (volumes + '/.x.fwd-new', other)):
                    libc.renameat2(-100, a.encode(), -100, b.encode(), 2)  # RENAME_EXCHANGE
        done = 0
        try:
            for unused in range(150):
                done += root.run('volume', 'create', 'x', '--uid', '1', check=None)[0] == 0
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert look(secret)[1:] == (0, 0, 0o700) and os.listdir(secret) == ['x'], os.listdir(secret)
        assert look(secret + '/x')[1:] == (0, 0, 0o700)
        print(done, 'of 150 came through')
