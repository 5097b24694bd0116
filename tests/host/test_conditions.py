# SPDX-License-Identifier: GPL-2.0-or-later
"""The step "conditions": which files are found, taken and refused, and that undo gives back every byte. What becomes of one text is
unit/conflist's."""
import contextlib
import glob
import json
import os
import shutil

from bed import SOURCE, Bed, timeout
from daemon import built
from machine import cached
from test_steps import Host

NET = 'etc/cni/net.d'
ONLY = ['--only', 'conditions']
ASKED = [*ONLY, '--conditions']


def golden(name):
    with open(os.path.join(SOURCE, 'tests/golden/conflist', name), newline='') as f:
        return f.read()


@contextlib.contextmanager
def rootful(**files):
    """A host with conflists: two networks of nerdctl, one of them in a namespace, and what is none."""
    with Host() as host:
        for directory in 'etc/cni', NET, NET + '/default', NET + '/default/deep':
            os.mkdir(os.path.join(host.root, directory), 0o755)
        for name, text in {'10-nerdctl.conflist': golden('nerdctl.in'), 'default/nerdctl-x.conflist': golden('crlf.in'), 'notes.txt': '{',
                           'x.conflist.bak': '{', **files}.items():
            put(host, name, text)
        yield host


def put(host, name, text):
    path = os.path.join(host.root, NET, name)
    with open(path, 'w', newline='') as f:
        f.write(text)
    os.chmod(path, 0o640)
    os.chown(path, 0, 7)


def get(host, name):
    with open(os.path.join(host.root, NET, name), newline='') as f:
        return f.read()


def differ(a, b):
    """Our own record aside: where it is not to be, the whole tree is compared."""
    a, b = ({k: v for k, v in tree.items() if not k.startswith('var/lib/fwd-host')} for tree in (a, b))
    return {k: (a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)}


def test_asked_for():
    """Not without being asked; then all of them, once, also what comes later; and back."""
    with rootful() as host:
        before = host.tree()
        assert host.states('apply', *ONLY) == {'conditions': 'right'} and 'not asked for' in host.run('plan', *ONLY).stdout
        assert not differ(before, host.tree())
        assert host.states('check', *ASKED, check=6) == {'conditions': 'todo'}
        assert '2 of 2 conflists (/etc/cni/net.d/10-nerdctl.conflist, ...)' in host.run('plan', *ASKED).stdout
        assert not differ(before, host.tree())
        assert host.json('apply', *ASKED)['changed'] is True
        assert get(host, '10-nerdctl.conflist') == golden('nerdctl.out') and get(host, 'default/nerdctl-x.conflist') == golden('crlf.out')
        changed = differ(before, host.tree())
        assert sorted(changed) == [NET + '/10-nerdctl.conflist', NET + '/default/nerdctl-x.conflist'], changed
        assert all(a[:3] == b[:3] for a, b in changed.values()), 'owner or mode'
        once = host.tree()
        assert host.json('apply', *ASKED)['changed'] is False and host.tree() == once
        # asked once, it is looked after
        put(host, 'default/deep/late.conflist', golden('tabs.in'))
        assert host.states('check', *ONLY, check=6) == {'conditions': 'todo'}
        assert host.states('apply', *ONLY) == {'conditions': 'done'} and get(host, 'default/deep/late.conflist') == golden('tabs.out')
        assert host.states('undo') == {'conditions': 'undone'}
        assert get(host, 'default/deep/late.conflist') == golden('tabs.in')
        os.unlink(os.path.join(host.root, NET, 'default/deep/late.conflist'))
        assert host.tree() == before
        assert not host.calls(), 'no tool is needed'


def test_none_yet():
    with Host() as host:
        before = host.tree()
        assert host.states('apply', *ASKED) == {'conditions': 'right'}
        assert 'apply again when there is' in host.run('plan', *ASKED).stdout
        host.states('undo')
        assert host.tree() == before


def test_replace_and_undo():
    theirs = golden('replace-both.in')
    with rootful(theirs=theirs, **{'zz.conflist': theirs}) as host:
        before = host.tree()
        done = host.run('apply', *ASKED, check=1)
        assert 'zz.conflist: its portmap has conditionsV4 of others' in done.stderr, done.stderr
        assert not differ(before, host.tree())
        assert host.states('apply', *ASKED, '--replace') == {'conditions': 'done'}
        assert get(host, 'zz.conflist') == golden('replace-both.out')
        assert host.states('undo') == {'conditions': 'undone'}
        assert not differ(before, host.tree())
        # between apply and undo: one is gone, one has other conditions, one was undone by hand, one is broken
        for name in 'a', 'b', 'c', 'd':
            put(host, name + '.conflist', golden('nerdctl.in'))
        host.run('apply', *ASKED, '--replace')
        os.unlink(os.path.join(host.root, NET, 'a.conflist'))
        put(host, 'b.conflist', theirs), put(host, 'c.conflist', golden('nerdctl.in')), put(host, 'd.conflist', '{')
        assert host.states('undo') == {'conditions': 'kept'}
        assert get(host, 'b.conflist') == theirs and get(host, 'c.conflist') == golden('nerdctl.in') and get(host, 'd.conflist') == '{'
        assert get(host, '10-nerdctl.conflist') == golden('nerdctl.in')
        done = host.run('undo')
        assert 'd.conflist: it is no valid JSON' in done.stdout, done.stdout
        put(host, 'd.conflist', golden('nerdctl.out'))
        assert host.states('undo') == {'conditions': 'undone'} and get(host, 'd.conflist') == golden('nerdctl.in')
        for name in 'b', 'c', 'd':
            os.unlink(os.path.join(host.root, NET, name + '.conflist'))
        assert not differ(before, host.tree())


def test_what_was_right_stays():
    """What had the whitelist before us keeps it; and a record is not overwritten by what we made ourselves."""
    with rootful(**{'hand.conflist': golden('same-both.in'), 'half.conflist': golden('four-only.in')}) as host:
        before = host.tree()
        host.run('apply', *ASKED)
        put(host, 'half.conflist', golden('replace-one.in'))  # one of ours is replaced by others
        host.run('apply', *ASKED, check=1)
        host.run('apply', *ASKED, '--replace')
        host.run('undo')
        assert get(host, 'half.conflist') == golden('replace-one.in'), 'what stood there last'
        put(host, 'half.conflist', golden('four-only.in'))
        assert not differ(before, host.tree())


def test_refused():
    """Each by name, and nothing at all is changed, neither in the others."""
    good = golden('nerdctl.in')

    def link(host, name, to):
        os.symlink(to, os.path.join(host.root, NET, name))

    def mode(host, name, bits):
        os.chmod(os.path.join(host.root, NET, name), bits)

    def replaced(host, path):
        os.rename(host.root + path, host.root + '/moved')
        os.symlink(host.root + '/moved', host.root + path)
    for spoil, part in (
            (lambda h: put(h, 'y.conflist', '{'), 'y.conflist: it is no valid JSON: line 1'),
            (lambda h: put(h, 'y.conflist', '{"a": 1}'), 'y.conflist: it has no portmap plugin'),
            (lambda h: put(h, 'y.conflist', good + '\0'), 'y.conflist: a NUL byte'),
            (lambda h: put(h, 'y.conflist', good + ' ' * (65537 - len(good))), 'y.conflist is too big'),
            (lambda h: put(h, 'y.conflist', good + ' ' * (65536 - len(golden('nerdctl.out')) + 1)), 'y.conflist: with the conditions it is too big'),
            (lambda h: put(h, 'default/deep/.conflist', ''), 'deep/.conflist: it is no valid JSON'),
            (lambda h: link(h, 'y.conflist', '10-nerdctl.conflist'), 'y.conflist is a link'),
            (lambda h: link(h, 'y.conflist', '/nowhere'), 'y.conflist is a link'),
            (lambda h: link(h, 'y', 'default'), 'net.d/y is a link'),
            (lambda h: os.link(os.path.join(h.root, NET, '10-nerdctl.conflist'), os.path.join(h.root, 'other')), '10-nerdctl.conflist has another name'),
            (lambda h: mode(h, '10-nerdctl.conflist', 0o664), '10-nerdctl.conflist can be written by others'),
            (lambda h: mode(h, 'default', 0o777), 'default can be written by others'),
            (lambda h: os.chown(os.path.join(h.root, NET, '10-nerdctl.conflist'), 1000, 0), '10-nerdctl.conflist can be written by others'),
            (lambda h: os.mkfifo(os.path.join(h.root, NET, 'y.conflist')), 'y.conflist is no file'),
            (lambda h: replaced(h, '/etc/cni/net.d'), 'a link is in the way'),
            (lambda h: replaced(h, '/etc/cni'), 'a link is in the way'),
            (lambda h: os.makedirs(os.path.join(h.root, NET, '1/2/3/4/5')), 'too deep'),
            (lambda h: [put(h, '%d.conflist' % n, good) for n in range(127)], 'more than 128 conflists'),
            (lambda h: put(h, b'\xff.conflist'.decode(errors='surrogateescape'), good), 'cannot be recorded')):
        with rootful() as host:
            spoil(host)
            before = host.tree()
            for env in {}, {'LC_ALL': 'C'}:
                done = host.run('apply', *ASKED, check=1, env=env)
                assert part in done.stderr, (part, done.stderr)
            assert not differ(before, host.tree()), part
            assert 'failed' in host.states('apply', *ASKED, check=1).values()
    with rootful() as host:  # as big and as many as may be
        put(host, 'y.conflist', good + ' ' * (65536 - len(golden('nerdctl.out'))))
        for n in range(125):
            put(host, '%d.conflist' % n, golden('replace-both.in'))
        before = host.tree()
        host.run('apply', *ASKED, '--replace')
        assert host.states('check', *ASKED) == {'conditions': 'right'}
        host.run('undo')
        assert not differ(before, host.tree())


@timeout(300)
def test_killed_at_every_write():
    killer = os.path.join(os.path.dirname(built('tests/host/unpack')), 'killer.so')
    more = {'zz.conflist': golden('replace-both.in')}
    with rootful(**more) as host:
        before, count = host.tree(), os.path.join(host.top, 'count')
        host.run('apply', *ASKED, '--replace', env={'LD_PRELOAD': killer, 'KILL_COUNT': count})
        wanted = host.tree()
        host.run('undo', env={'LD_PRELOAD': killer, 'KILL_COUNT': count + '2'})
        numbers = [int(open(path).read()) for path in (count, count + '2')]
    assert min(numbers) >= 9, numbers
    for command, number in zip(('apply', 'undo'), numbers):
        for at in range(1, number + 1):
            with rootful(**more) as host:
                if command == 'undo':
                    host.run('apply', *ASKED, '--replace')
                options = [*ASKED, '--replace'] if command == 'apply' else []
                host.run(command, *options, env={'LD_PRELOAD': killer, 'KILL_AT': str(at)}, check=-9)
                for path in glob.glob(os.path.join(host.root, NET, '**', '*.conflist'), recursive=True):
                    with open(path) as f:
                        json.load(f)  # never half of one
                if command == 'apply' and at % 2:
                    host.run('apply', *ASKED, '--replace')
                    assert not differ(wanted, host.tree()), at
                host.run('undo')
                assert host.tree() == before, (command, at, differ(before, host.tree()))


def test_real_portmap():
    """Debian's portmap takes what was written: who is in the sets is served, others are refused; without the sets nothing starts."""
    plugins = cached('plugins')
    with rootful() as host:
        def entry(name):
            return next(p for p in json.loads(get(host, name))['plugins'] if p['type'] == 'portmap')
        plain = entry('10-nerdctl.conflist')
        host.run('apply', *ASKED)
        guarded = entry('10-nerdctl.conflist')
    with Bed(guest=True) as bed:
        os.makedirs(bed.root_dir() + '/usr/lib/cni', exist_ok=True)
        shutil.copy(os.path.join(plugins, 'portmap'), bed.root_dir() + '/usr/lib/cni')
        bed.serve('guest', 8080)

        def add(plugin, port):
            request = {**plugin, 'cniVersion': '1.0.0', 'name': 'bridge', 'runtimeConfig': {
                'portMappings': [{'hostPort': port, 'containerPort': 8080, 'protocol': 'tcp'}]}, 'prevResult': {
                    'cniVersion': '1.0.0', 'interfaces': [{'name': 'eth0', 'sandbox': '/run/netns/x'}], 'ips': [
                        {'address': '%s/%d' % (bed.addr('guest', family), bits), 'interface': 0} for family, bits in ((4, 24), (6, 64))]}}
            return bed.root('host', ['env', 'CNI_COMMAND=ADD', 'CNI_CONTAINERID=c%d' % port, 'CNI_NETNS=/run/netns/x', 'CNI_IFNAME=eth0',
                                     'CNI_PATH=/usr/lib/cni', '/usr/lib/cni/portmap'], input=json.dumps(request), check=False)

        def reached(port, want):
            bed.expect_all(*((want[who], who, bed.addr('host', family), port) for who in want for family in (4, 6)))
        done = add(guarded, 8081)
        assert done.returncode != 0 and "whitelist" in done.stdout, done
        for name, family, number in ('whitelist', 'inet', 4), ('whitelist6', 'inet6', 6):
            bed.root('host', ['ipset', 'create', name, 'hash:net', 'family', family])
            bed.root('host', ['ipset', 'add', name, bed.addr('friend', number)])
        for plugin, port in (plain, 8082), (guarded, 8083):
            done = add(plugin, port)
            assert done.returncode == 0, done
        reached(8082, {'friend': 'served', 'stranger': 'served'})
        reached(8083, {'friend': 'served', 'stranger': 'refused'})
        bed.root('host', ['ipset', 'add', 'whitelist', bed.addr('stranger')])
        bed.root('host', ['ipset', 'add', 'whitelist6', bed.addr('stranger', 6)])
        reached(8083, {'friend': 'served', 'stranger': 'served'})
