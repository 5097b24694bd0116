# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of fwd-host's commands against its manual and its front."""
import os
import re
import subprocess

from bed import SOURCE
from daemon import built
from ground import program


def run(*argv, check=0):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == check, (argv, done)
    return done.stdout


def commands():
    """{name: options} as --help tells them."""
    found = {}
    for line in run(program(), '--help').splitlines():
        match = re.match(r'  ([a-z]+(?: [a-z]+)?)', line)
        if match and not line.startswith('   '):
            name = match.group(1)
            text = run(program(), 'help', *name.split())
            options = set(re.findall(r'^  --([a-z0-9-]+)', text, re.M)) - {'json', 'help', 'version'}
            assert text.startswith('usage: fwctl host %s' % name), text
            found[name] = options
    return found


def manual():
    with open(os.path.join(SOURCE, 'docs', 'fwd-host.8')) as f:
        text = f.read().partition('.Sh COMMANDS')[2].partition('.Sh ')[0]
    found = {}
    for part in text.replace('\\\n', '').split('\n.It Ic ')[1:]:
        heading = part.splitlines()[0]
        name = re.match(r'[a-z]+(?: (?!Op|Ar|Fl|Oo)[a-z]+)?', heading).group()
        found[name] = set(re.findall(r'Fl -([a-z0-9-]+)', heading)), set(re.findall(r'Fl -([a-z0-9-]+)', part))
    return found


def test_manual():
    table, page = commands(), manual()
    assert len(table) >= 4 and set(table) == set(page), set(table) ^ set(page)
    for name, options in table.items():
        assert options == page[name][0], '%s: table %s, manual %s' % (name, sorted(options), sorted(page[name][0]))


def test_front():
    """`fwctl host` hands over what it does not know itself, options included."""
    fwctl = built('fwd/ctl/fwctl')
    program()
    assert run(fwctl, 'host', '--help') == run(fwctl, 'host') == run(program(), '--help')
    assert run(fwctl, 'host', 'idmap', '--help') == run(program(), 'help', 'idmap')
    assert '"exit":2' in run(fwctl, '--json', 'host', 'nonsense', check=2)
    assert '"exit":1' in run(fwctl, 'host', 'idmap', '1', '--root', '/nonexistent', '--json', check=1)
    assert run(fwctl, 'host', '--version').startswith('fwd-host ')


def test_usage():
    for args in (['nonsense'], ['volume'], ['volume', 'nonsense'], ['idmap'], ['idmap', '1', '2'], ['idmap', '1', '--uid', '3'],
                 ['idmap', '1', '--user'], ['--root', '/', 'idmap', '1'], ['help', 'nonsense'], ['-x']):
        run(program(), *args, check=2)
