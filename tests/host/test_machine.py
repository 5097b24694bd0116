# SPDX-License-Identifier: GPL-2.0-or-later
"""The article, walked through on a machine that boots: from nothing to a container behind the whitelist, and back."""
import json
import os
import time

import image
from bed import SOURCE, Bed, timeout
from ground import need_root, program
from machine import Machine, cached
from mirror import Mirror

SSH = {'SSH_CONNECTION': '192.0.2.10 50000 192.0.2.1 22'}
# what changes by running at all, and what is fwd's own
PASSING = ('/proc', '/sys', '/dev', '/run', '/tmp', '/var/log', '/var/cache', '/var/tmp', '/var/lib/dpkg', '/var/lib/apt', '/var/lib/systemd',
           '/var/lib/fwd', '/etc/iptables', '/root', '/var/lib/dbus', '/var/lib/private', '/etc/ld.so.cache', '/etc/machine-id', '/etc/.pwd.lock',
           '/etc/.updated', '/var/.updated', '/etc/passwd-', '/etc/shadow-', '/etc/group-', '/etc/gshadow-', '/etc/subuid-', '/etc/subgid-')


def traces(machine):
    """Files that are not passing; users; packages."""
    files = {}
    for directory, names, others in os.walk(machine.root):
        short = directory[len(machine.root):]
        names[:] = [n for n in names if not ('%s/%s' % (short, n)).startswith(PASSING) and '__pycache__' not in n]
        for name in names + others:
            path = '%s/%s' % (short, name)
            if not path.startswith(PASSING):
                st = os.lstat(machine.root + path)
                files[path] = (st.st_mode, st.st_uid, st.st_gid)
    texts = {name: sorted(open(machine.path('/etc/' + name)).read().split()) for name in ('passwd', 'group', 'subuid', 'subgid', 'shadow')}
    packages = machine.run('dpkg-query', '-W', '-f', '${db:Status-Abbrev}${Package}\n').stdout.split('\n')
    return files, texts, sorted(packages)


def differences(a, b):
    if isinstance(a, dict):
        return {k: (a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)}
    return [x for x in a if x not in b] + [x for x in b if x not in a]


def releases():
    directory = cached('releases')
    files = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), 'rb') as f:
            files[name] = f.read()
    return files


def served(bed, who, within=30):
    """Containers take a moment to start."""
    deadline = time.monotonic() + within
    while True:
        got = bed.connect(who, bed.addr('host'), 80, timeout=2)
        if got == 'served' or time.monotonic() > deadline:
            assert got == 'served', '%s: %s' % (who, got)
            return
        time.sleep(0.2)


def apply(machine, bed):
    with bed.ns('operator'):
        mirror = Mirror(releases())
    with mirror:
        with open(mirror.ca) as f:
            machine.write('/root/ca.pem', f.read())
        argv = ['fwctl', 'host', 'apply', '--yes', '--mirror', mirror.url.replace('127.0.0.1', bed.addr('operator')), '--ca', '/root/ca.pem']
        first = machine.run(*argv, check=4, env=SSH)
        assert 'fwctl confirm' in first.stdout, first.stdout
        machine.run('fwctl', 'confirm', '--force')  # nobody comes by SSH here
        asked = len(mirror.asked)
        again = json.loads(machine.run(*argv, '--json').stdout)
        assert again['changed'] is False and {s['state'] for s in again['result']['steps']} == {'right'}, again
        assert all(name.endswith(('SUMS', '.sha256')) for name, start in mirror.asked[asked:]), mirror.asked
    machine.run('fwctl', 'host', 'plan')


def containers(machine):
    """The article's trials."""
    image.build(machine.path('/home/image.tar'))
    machine.user('nerdctl', 'load', '-i', '/home/image.tar')
    os.unlink(machine.path('/home/image.tar'))
    run = ['nerdctl', 'run', '--rm', '--pull', 'never']
    assert machine.user(*run, 'guest', 'id').stdout == 'uid=0 gid=0\n'
    shadow = machine.user(*run, '-v', '/:/rootdir', 'guest', 'cat', '/rootdir/etc/shadow', check=1)
    assert 'Permission denied' in shadow.stderr + shadow.stdout, shadow
    made = json.loads(machine.run('fwctl', 'host', 'volume', 'create', 'ubuntu', '--uid', '1000', '--json').stdout)
    mapped = json.loads(machine.run('fwctl', 'host', 'idmap', '1000', '--json').stdout)['result']
    assert made['changed'] and made['result']['host_uid'] == mapped['uid'], (made, mapped)
    machine.user(*run, '--user', '1000:1000', '-v', '/home/containerd/volumes/ubuntu:/data', 'guest', 'touch', '/data/file')
    st = os.stat(machine.path('/home/containerd/volumes/ubuntu/file'))
    assert (st.st_uid, st.st_gid) == (mapped['uid'], mapped['gid']), (st, mapped)
    other = machine.user(*run, '--user', '1000:1000', '-v', '/home/containerd:/data', 'guest', 'touch', '/data/file', check=1)
    assert 'Permission denied' in other.stderr + other.stdout, other


def compose(machine, bed):
    """docs/examples/compose.yaml."""
    with open(os.path.join(SOURCE, 'docs/examples/compose.yaml')) as f:
        machine.write('/home/compose.yaml', f.read())
    machine.run('fwctl', 'host', 'volume', 'create', 'web', '--uid', '101')
    argv = ['env', 'IMAGE=guest', 'nerdctl', 'compose', '-f', '/home/compose.yaml']
    machine.user(*argv, 'up', '-d')
    served(bed, 'friend')
    bed.expect('silent', 'stranger', bed.addr('host'), 80)
    machine.user(*argv, 'down')
    os.unlink(machine.path('/home/compose.yaml'))


@timeout(600)
def test_playbook():
    """docs/examples/playbook.yml by the real ansible-playbook: the second run changes nothing."""
    need_root(), program(), cached('machine'), cached('releases')
    with Bed() as bed, Machine(bed) as machine:
        machine.on()
        with open(os.path.join(SOURCE, 'docs/examples/playbook.yml')) as f:
            machine.write('/root/playbook.yml', f.read())
        with bed.ns('operator'):
            mirror = Mirror(releases())
        with mirror:
            with open(mirror.ca) as f:
                machine.write('/root/ca.pem', f.read())
            options = ['--mirror', mirror.url.replace('127.0.0.1', bed.addr('operator')), '--ca', '/root/ca.pem']
            argv = ['ansible-playbook', '-c', 'local', '-i', 'localhost,', '-e', json.dumps({'host_options': options, 'confirm_options': ['--force']}), '/root/playbook.yml']
            first = machine.run(*argv, env=SSH).stdout
            assert 'changed=4' in first and 'failed=0' in first, first
            second = machine.run(*argv, env=SSH).stdout
            assert 'changed=0' in second and 'failed=0' in second, second
        assert json.loads(machine.run('fwctl', '--json', 'status').stdout)['result']['state'] == 'on'
        assert bed.addr('friend') in machine.run('fwctl', 'list').stdout
        assert os.stat(machine.path('/home/containerd/volumes/data')).st_uid != 0


def doctor(machine):
    done = machine.run('fwctl', 'host', 'doctor', '--image', 'guest', '--json', check=None)
    found = {f['name']: f for f in json.loads(done.stdout)['result']['findings'] if f['state'] != 'well'}
    assert not found and done.returncode == 0, found


def article(release):
    need_root(), program(), cached('machine', release), cached('releases')
    with Bed() as bed, Machine(bed, release) as machine:
        machine.on()
        before = traces(machine)
        apply(machine, bed)
        containers(machine)
        # the article's unless-stopped is unknown to the containerd of bookworm
        machine.user('nerdctl', 'run', '-d', '--pull', 'never', '-p', '80:80', '--restart', 'always', '--name', 'web', 'guest')
        served(bed, 'operator')  # `allow me` of the apply
        bed.expect_all(('silent', 'friend', bed.addr('host'), 80), ('silent', 'stranger', bed.addr('host'), 80))
        machine.run('fwctl', 'allow', bed.addr('friend'))
        served(bed, 'friend')
        bed.expect('silent', 'stranger', bed.addr('host'), 80)
        machine.off()
        machine.on()
        served(bed, 'friend')
        bed.expect('silent', 'stranger', bed.addr('host'), 80)
        machine.run('fwctl', 'host', 'check')
        machine.user('nerdctl', 'rm', '-f', 'web')
        doctor(machine)
        compose(machine, bed)
        machine.run('fwctl', 'host', 'undo', '--yes', '--remove-data')
        after = traces(machine)
        for what, a, b in zip(('files', 'accounts', 'packages'), before, after):
            assert not differences(a, b), '%s: %s' % (what, differences(a, b))


@timeout(600)
def test_article():
    article('bookworm')


@timeout(600)
def test_article_trixie():
    article('trixie')
