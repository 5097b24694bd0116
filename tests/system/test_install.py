# SPDX-License-Identifier: GPL-2.0-or-later
"""fwd as a service of a machine that boots: installed by `host-setup/quickstart --install`, administered over SSH."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from bed import SOURCE, Bed, Skip, timeout

sys.path.insert(1, os.path.join(SOURCE, 'tests/host'))
from machine import Machine, cached  # noqa: E402

PORT = 8080
SSH = ['ssh', '-F', 'none', '-T', '-i', '/root/key', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
       '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=8', '-o', 'ServerAliveInterval=1']
SSH_RULE = '-A FWD-TRIAL-INPUT -p tcp -m tcp --dport %d -j ACCEPT'
EXPOSURE = 2.8  # of 10: what `systemd-analyze security` of bookworm says of the unit as it is
PERSISTENT = 'iptables-persistent', 'ipset-persistent'


def need():
    if os.geteuid():
        raise Skip('needs root')
    cached('machine', 'install')


def wait_for(what, condition, within=10.0):
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, 'waited in vain for ' + what
        time.sleep(0.05)


class Shell:
    """A session over the wire in which lines are typed."""

    def __init__(self, bed, who='operator', family=4, port=22):
        holder, tree = bed._root('bookworm')
        self.errors = tempfile.TemporaryFile('w+')
        argv = [*SSH, '-p', str(port), 'root@' + bed.addr('host', family), 'bash']
        self.process = bed.popen(who, ['nsenter', '--mount=/proc/%d/ns/mnt' % holder.pid, '--root=' + tree, '--wd=' + tree, '--', *argv],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                 env={'PATH': '/usr/bin:/bin', 'HOME': '/root', 'LC_ALL': 'C.UTF-8'})

    def does(self, line, check=0):
        """What it says, errors too. One that hangs is ended by the test's timeout."""
        began = time.monotonic()
        self.process.stdin.write('{ %s; } 2>&1 </dev/null; echo "=END= $?"\n' % line)
        self.process.stdin.flush()
        said = []
        for text in self.process.stdout:
            if text.startswith('=END= '):
                code = int(text.split()[1])
                break
            said.append(text)
        else:
            self.errors.seek(0)
            raise AssertionError('%s: the session ended\n%s%s' % (line, ''.join(said), self.errors.read()))
        print('%6.1f s  ssh: %s: %d' % (time.monotonic() - began, line, code), flush=True)
        assert code == check, '%s: exit %d, not %d\n%s' % (line, code, check, ''.join(said))
        return ''.join(said)

    def confirms(self):
        """The answer of a confirm typed here, without --force. Within a tick of the trial's beginning nobody can have been
        heard."""
        answer = wait_for('the confirm', lambda: self._confirm())
        assert answer['exit'] == 0 and answer['changed'], answer
        return answer['result'].get('by')

    def _confirm(self):
        answer = json.loads(self.does('fwctl confirm --json || true'))
        return None if 'nothing came in' in answer.get('error', {}).get('text', '') else answer


# Stands for what configures networks, which here are there: ordered as ifupdown's and networkd's units are. Without any,
# network.target is no part of the boot, and sshd does not wait for it.
NETWORK = '''\
[Unit]
DefaultDependencies=no
Wants=network.target
After=network-pre.target local-fs.target
Before=network.target shutdown.target
Conflicts=shutdown.target
[Service]
Type=oneshot
ExecStart=/bin/true
RemainAfterExit=yes
[Install]
WantedBy=multi-user.target
'''


def sshd(machine, bed):
    """root of @machine may log in by a key that everybody on the wire has."""
    bed.root('operator', ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/root/key'])
    os.makedirs(machine.path('/root/.ssh'), mode=0o700, exist_ok=True)
    with open(bed.root_dir() + '/root/key.pub') as f:
        machine.write('/root/.ssh/authorized_keys', f.read(), 0o600)


def sources(machine):
    """The sources as they are here, without what was built."""
    names = subprocess.run(['git', '-C', SOURCE, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], capture_output=True, check=False)
    if names.returncode:
        raise Skip('not a git checkout: ' + names.stderr.decode().strip())
    os.makedirs(machine.path('/root/fwd'))
    tar = subprocess.Popen(['tar', '-C', SOURCE, '--null', '--ignore-failed-read', '-T', '-', '-c'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    unpack = subprocess.Popen(['tar', '-C', machine.path('/root/fwd'), '--no-same-owner', '-x'], stdin=tar.stdout)
    tar.stdin.write(names.stdout)
    tar.stdin.close()
    tar.stdout.close()
    assert unpack.wait() == 0 and tar.wait() == 0


def knocks(bed, who, port, family=4, within=1.0):
    """Whether a new connection is taken."""
    with bed.socket(who, bed.addr('host', family)) as sock:
        sock.settimeout(within)
        try:
            sock.connect((bed.addr('host', family), port))
            return True
        except OSError:
            return False


def doors(bed):
    """The operator is in by the address that he came from, nobody else; SSH is open to all."""
    host4, host6 = bed.addr('host', 4), bed.addr('host', 6)
    bed.expect_all(('served', 'operator', host4, PORT), ('silent', 'operator', host6, PORT), ('silent', 'stranger', host4, PORT),
                   ('silent', 'stranger', host6, PORT))
    assert all(knocks(bed, 'stranger', 22, family, 8) for family in (4, 6))


def status(machine):
    return json.loads(machine.run('fwctl', 'status', '--json').stdout)['result']


def addresses(machine):
    """The networks of the whitelist, without what is counted about them."""
    return set(re.findall(r'^\s*([0-9a-f.:/]*[.:][0-9a-f.:/]+)', machine.run('fwctl', 'list').stdout, re.M))


def on(machine):
    said = status(machine)
    assert said['state'] == 'on' and not said['attention'], said
    return said


def moment(machine, unit, what):
    """Microseconds since the boot."""
    return int(machine.run('systemctl', 'show', '-P', what + 'TimestampMonotonic', unit).stdout)


def booted(machine, bed):
    """Off and on again. Nobody has logged in or asked for anything when the doors are tried."""
    machine.off()
    bed.expect('served', 'stranger', bed.addr('host'), PORT)  # the rules went with the kernel
    machine.on()
    doors(bed)
    assert machine.run('systemctl', 'is-active', 'fwd').stdout == 'active\n'
    order = [moment(machine, 'fwd', 'ActiveEnter'), moment(machine, 'network-pre.target', 'ActiveEnter'),
             moment(machine, 'network', 'InactiveExit'), moment(machine, 'ssh', 'InactiveExit')]
    assert 0 < order[0] and order == sorted(order), order
    on(machine)


def service(machine, bed):
    """What systemctl does to a firewall that is on."""
    machine.run('systemctl', 'stop', 'fwd')
    doors(bed)
    machine.run('systemctl', 'start', 'fwd')
    doors(bed)
    machine.run('systemctl', 'restart', 'fwd')
    doors(bed)
    before = machine.run('systemctl', 'show', '-P', 'MainPID', 'fwd').stdout
    machine.run('systemctl', 'kill', '-s', 'KILL', 'fwd')
    # in this order: one that is dead counts as active until systemd hears of it, and then has the pid 0
    wait_for('another fwd', lambda: machine.run('systemctl', 'show', '-P', 'MainPID', 'fwd').stdout not in (before, '0\n') and
             machine.run('systemctl', 'is-active', 'fwd', check=None).stdout == 'active\n')
    doors(bed)
    on(machine)
    conf = machine.path('/etc/fwd/fwd.conf')
    with open(conf) as f:
        text = f.read()
    bed.serve('host', 9999)
    bed.expect('silent', 'stranger', bed.addr('host'), 9999)
    machine.write('/etc/fwd/fwd.conf', text.replace('ssh-ports = auto', 'ssh-ports = 22 9999'))
    machine.run('systemctl', 'reload', 'fwd')
    wait_for('the reload', lambda: knocks(bed, 'stranger', 9999))
    doors(bed)
    assert status(machine)['policy']['ssh_ports'] == [22, 9999], status(machine)


def exposure(machine):
    said = machine.run('systemd-analyze', 'security', 'fwd.service', '--no-pager').stdout
    line = next(line for line in said.splitlines() if 'Overall exposure level' in line)
    print(line)
    assert float(re.search(r': ([0-9.]+)', line)[1]) <= EXPOSURE, said


def persistent(machine, bed):
    """With the packages that load /etc/iptables at boot, and a rule of somebody else that they are to keep."""
    machine.run('apt-get', '-qq', 'install', '-y', '--no-install-recommends', *PERSISTENT, env={'DEBIAN_FRONTEND': 'noninteractive'})
    doors(bed)  # it has loaded the files once: rules of others that are in none are gone, ours are in them
    machine.run('iptables', '-I', 'INPUT', '-s', bed.addr('friend'), '-j', 'REJECT')
    assert 'netfilter-persistent.service' in machine.run('systemctl', 'show', '-P', 'After', 'fwd').stdout.split()
    machine.run('fwctl', 'allow', bed.addr('operator'), bed.addr('friend'))
    machine.run('netfilter-persistent', 'save')
    doors(bed)
    listed = addresses(machine)
    assert listed == {bed.addr('operator'), bed.addr('friend')}, listed
    for unused in range(2):
        booted(machine, bed)
        loaded = moment(machine, 'netfilter-persistent', 'ActiveEnter')
        assert 0 < loaded <= moment(machine, 'fwd', 'InactiveExit')
        assert addresses(machine) == listed
        bed.expect('refused', 'friend', bed.addr('host'), PORT)  # by the rule of somebody else: it boots, and goes first
        machine.run('netfilter-persistent', 'save')


@timeout(240)
def test_quickstart():
    """host-setup/quickstart --install in a session of the operator's, word for word, and what it leaves."""
    need()
    with Bed() as bed, Machine(bed, 'install', installed=False) as machine:
        sshd(machine, bed), sources(machine)
        machine.write('/etc/systemd/system/network.service', NETWORK)
        bed.serve('host', PORT)
        machine.on()
        machine.run('systemctl', 'enable', '--now', 'network')
        bed.expect('served', 'stranger', bed.addr('host'), PORT)
        shell = Shell(bed)
        shell.does('cd /root/fwd')
        said = shell.does('host-setup/quickstart --install', check=4)
        print(said)
        assert said.splitlines()[-1] == 'On trial. If you still get in, say so:  sudo fwctl confirm', said
        assert machine.run('systemctl', 'is-active', 'fwd').stdout == 'active\n'
        assert machine.run('systemctl', 'is-enabled', 'fwd').stdout == 'enabled\n'
        trial = status(machine)
        assert trial['state'] == 'trial', trial
        doors(bed)
        by = shell.confirms()
        assert by == SSH_RULE % 22, by
        on(machine)
        doors(bed)
        assert addresses(machine) == {bed.addr('operator')}
        booted(machine, bed)
        exposure(machine)
        service(machine, bed)
        persistent(machine, bed)


SOCKET = '[Socket]\nListenStream=\nListenStream=%s\n'
GENERATOR = '''#!/bin/sh
mkdir -p "$1/ssh.socket.d"
printf '[Socket]\\nListenStream=\\nListenStream=0.0.0.0:2200\\nListenStream=[::]:2200\\nBindIPv6Only=ipv6-only\\n' >"$1/ssh.socket.d/addresses.conf"
'''


@timeout(120)
def test_ssh_socket():
    """systemd listens for sshd, on another port: by a drop-in, and by a generator's as Ubuntu 24.04 does."""
    need()
    with Bed() as bed, Machine(bed, 'install') as machine:
        sshd(machine, bed)
        machine.on()
        machine.run('systemctl', 'disable', '--now', 'ssh.service')
        os.makedirs(machine.path('/etc/systemd/system/ssh.socket.d'))
        machine.write('/etc/systemd/system/ssh.socket.d/port.conf', SOCKET % 2222)
        machine.run('systemctl', 'daemon-reload')
        machine.run('systemctl', 'enable', '--now', 'ssh.socket')
        machine.run('systemctl', 'enable', '--now', 'fwd')
        closed(machine, bed, 2222, [2222])
        # by a generator, on the next boot; its drop-in has the later name, so that it takes back what is in /etc
        machine.run('fwctl', 'disable')
        os.rename(machine.path('/etc/systemd/system/ssh.socket.d/port.conf'), machine.path('/etc/systemd/system/ssh.socket.d/a.conf'))
        os.makedirs(machine.path('/etc/systemd/system-generators'))
        machine.write('/etc/systemd/system-generators/sshd-socket-generator', GENERATOR, 0o755)
        machine.off()
        machine.on()
        closed(machine, bed, 2200, [2200, 2222])  # what was confirmed stays


def closed(machine, bed, port, ports):
    """Enabled while no sshd runs: whoever comes by the socket gets in, and confirms."""
    assert machine.run('systemctl', 'is-active', 'ssh.service', check=None).stdout == 'inactive\n'
    served = [bed.serve('host', p) for p in (22, PORT)]
    machine.run('fwctl', 'enable', check=4)
    assert status(machine)['policy']['ssh_ports'] == ports, status(machine)
    bed.expect_all(*[('silent', 'stranger', bed.addr('host', family), p) for family in (4, 6) for p in (22, PORT)])
    assert all(knocks(bed, 'stranger', port, family, 8) for family in (4, 6))
    shell = Shell(bed, port=port)
    assert shell.does('echo in') == 'in\n'
    by = shell.confirms()
    assert by == SSH_RULE % port, by
    for server in served:
        server.close()
