# SPDX-License-Identifier: GPL-2.0-or-later
"""host-setup/quickstart where it can do little: as root without the right to make namespaces, as in a plain container."""
import os
import subprocess

from bed import Skip
from daemon import SOURCE, built


def test_plain_container():
    if os.geteuid():
        raise Skip('needs root, to give up rights')
    built('fwd/daemon/fwd')
    done = subprocess.run(['setpriv', '--bounding-set', '-sys_admin,-net_admin', SOURCE + '/host-setup/quickstart'],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    assert done.returncode == 77 and '--privileged' in done.stdout
    answers = done.stdout.split('$ fwctl why ')[1:]
    wants = (('192.0.2.20', 'let in'), ('192.0.2.30', 'refused'), ('2001:db8::20', 'let in'), ('2001:db8::30', 'refused'))
    assert len(answers) == len(wants)
    for answer, (source, want) in zip(answers, wants):
        assert answer.startswith(source + ' tcp/8080 --files tests/demo/files\n') and want in answer, (source, want)


def test_usage():
    done = subprocess.run([SOURCE + '/host-setup/quickstart', '--wrong'], capture_output=True, text=True)
    assert done.returncode == 2 and '--install' in done.stderr
