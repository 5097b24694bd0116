# SPDX-License-Identifier: GPL-2.0-or-later
"""Every change goes to syslog, with who and what; what changes nothing does not."""
from bed import Bed, Fwd

WHO = {'SUDO_USER': 'anna', 'SSH_CONNECTION': '192.0.2.10 40000 192.0.2.1 22'}


def test_every_change_with_who_and_what():
    with Bed() as bed, Fwd(bed) as fwd:
        def does(pattern, *args, code=0):
            before = len(fwd.syslog.lines)
            fwd.ctl(*args, check=code, env=WHO)
            line = fwd.syslog.wait(pattern, after=before)
            assert 'sudo of anna' in line and 'from 192.0.2.10' in line, line
        does(r'allow 192\.0\.2\.20 in whitelist by uid 0', 'allow', '192.0.2.20')
        does(r'enable by uid 0.*on trial as generation 1 for 60 s', 'enable', code=4)
        does(r'rolled back to off: asked by uid 0', 'rollback')
        does(r'enable by uid 0', 'enable', code=4)
        does(r'extend by uid 0', 'extend', '30s', code=4)
        does(r'confirm by uid 0.*generation 1 is confirmed', 'confirm', '--force')
        does(r'remove 192\.0\.2\.20 from whitelist by uid 0', 'remove', '192.0.2.20')
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        does(r'reload by uid 0.*generation 2 is in force', 'reload')
        fwd.write_conf('[firewall]\nssh-ports = 2222\n')
        does(r'reload by uid 0.*on trial as generation 3', 'reload', code=4)
        does(r'confirm by uid 0.*generation 3 is confirmed', 'confirm', '--force')
        does(r'disable by uid 0.*on trial', 'disable', '--for', '60s', code=4)
        does(r'rolled back to the confirmed rules: asked by uid 0', 'rollback')
        does(r'disable by uid 0.*the firewall is off', 'disable')
        before = len(fwd.syslog.lines)
        for args in (['disable'], ['rollback'], ['remove', '192.0.2.20'], ['enable', '--dry-run'], ['allow', '192.0.2.1', '--dry-run'],
                     ['status'], ['list'], ['diff'], ['why', '192.0.2.9', 'tcp/22']):
            fwd.ctl(*args, check=0, env=WHO)
        does(r'allow 192\.0\.2\.99 in whitelist', 'allow', '192.0.2.99')  # lines come in order: none came in between
        assert len(fwd.syslog.lines) == before + 1, fwd.syslog.lines[before:]
