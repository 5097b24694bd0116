# SPDX-License-Identifier: GPL-2.0-or-later
"""The ground that tests stand on: network namespaces of their own, real sockets, real packets.

             operator .10   friend .20   stranger .30
                    \\          |          /
                     `---- lan (bridge) --'          192.0.2.0/24, 2001:db8::/64
                               |
                             host .1
                               |
                       guest (on request)            198.51.100.0/24, 2001:db8:1::/64

Nothing stands in the machine's own namespace, and nothing leaves these. Everything is on link for everybody (default routes
lead to eth0), so an address that address() gives to a namespace is reached and answered without more. Namespaces are
called fwdtest-PID-N-NAME; those whose PID is dead are swept away by the next Bed.

    with Bed() as bed:
        bed.serve('host', 8080)
        assert bed.connect('stranger', bed.addr('host'), 8080) == 'served'
"""
import contextlib
import ctypes
import fcntl
import functools
import ipaddress
import itertools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import packet
from echo import Echo

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
NETNS = '/run/netns'
CLONE_NEWNET = 0x40000000
LAN4, LAN6 = '192.0.2.%d', '2001:db8::%d'
GUEST4, GUEST6 = '198.51.100.%d', '2001:db8:1::%d'
NUMBERS = {'host': 1, 'operator': 10, 'friend': 20, 'stranger': 30}
ROOT_ENV = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8'}
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()


class Skip(Exception):
    """What a test needs is not to be had here; the reason is its text."""


def timeout(seconds):
    """Decorator of a test that may take longer than tests/run allows by default. Read without importing: use a number."""
    return lambda function: function


def missing():
    """Why there can be no Bed here, or None."""
    if os.geteuid():
        return 'network namespaces need root'
    for program, package in ('ip', 'iproute2'), ('nsenter', 'util-linux'), ('mount', 'mount'):
        if not shutil.which(program):
            return '%s is missing (package %s)' % (program, package)
    done = subprocess.run(['unshare', '--net', '--mount', 'true'], capture_output=True, text=True)
    if done.returncode:
        return 'no network namespaces here: ' + done.stderr.strip()
    if not os.access('/proc/sys/net/ipv4/ip_forward', os.W_OK):
        return 'no network namespaces of use here: /proc/sys is read-only'
    return None


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, 'setns: ' + os.strerror(error))


def _thread_ns():
    return '/proc/self/task/%d/ns/net' % threading.get_native_id()


def _alive(pid):
    return os.path.exists('/proc/%d' % pid)


def _end(pids, grace=2.0):
    """Ends processes by their ids: SIGTERM, and SIGKILL for what is still there after @grace seconds."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        while pids and time.monotonic() < deadline:
            pids = [p for p in pids if _running(p)]
            time.sleep(0.002 if pids else 0)


def _running(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False


def _remove_netns(name):
    pids = subprocess.run(['ip', 'netns', 'pids', name], capture_output=True, text=True).stdout.split()
    _end([int(p) for p in pids if int(p) != os.getpid()])
    subprocess.run(['ip', 'netns', 'del', name], capture_output=True)


def sweep():
    """Removes the namespaces and directories of runs that were killed."""
    for directory, remove in (NETNS, _remove_netns), (tempfile.gettempdir(), _remove_dir):
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            match = re.fullmatch(r'fwdtest-(\d+)-\d+-\w+', name)
            if match and not _alive(int(match[1])):
                remove(name)


def _remove_dir(name):
    path = os.path.join(tempfile.gettempdir(), name)
    if os.lstat(path).st_uid == os.geteuid():
        shutil.rmtree(path, ignore_errors=True)


class Bed:
    def __init__(self, guest=False):
        self.guest = guest
        self.names = ['lan', 'host', 'operator', 'friend', 'stranger'] + (['guest'] if guest else [])
        self.prefix = 'fwdtest-%d-%d-' % (os.getpid(), next(_serial))
        self.dir = None
        self._made = []
        self._processes = []
        self._roots = {}
        self._stack = contextlib.ExitStack()

    # ---- making and unmaking

    def __enter__(self):
        reason = missing()
        if reason:
            raise Skip(reason)
        sweep()
        try:
            self.dir = tempfile.mkdtemp(prefix=self.prefix)
            for name in self.names:
                self._ip('netns', 'add', self.prefix + name)
                self._made.append(name)
            self._prepare()
            self._wire()
            self.echo = Echo()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        self._stack.close()
        _end([p.pid for p in self._processes if p.poll() is None])
        for process in self._processes:
            process.wait()
        if hasattr(self, 'echo'):
            self.echo.close()
        for name in reversed(self._made):
            _remove_netns(self.prefix + name)
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _ip(self, *args, stdin=None):
        done = subprocess.run(('ip',) + args, input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError('ip %s: %s' % (' '.join(args), done.stderr.strip()))

    def _batch(self, name, lines):
        self._ip('-n', self.prefix + name, '-batch', '-', stdin='\n'.join(lines) + '\n')

    def _prepare(self):
        """No duplicate address detection (it would make every test wait), no rate limits on ICMP errors, no reverse path
        filter inherited from the machine: what drops a packet here is the firewall."""
        for name in self.names:
            values = {'ipv4/conf/all/rp_filter': 0, 'ipv4/conf/default/rp_filter': 0, 'ipv4/icmp_ratelimit': 0,
                      'ipv4/icmp_msgs_per_sec': 100000, 'ipv4/icmp_msgs_burst': 100000, 'ipv6/icmp/ratelimit': 0,
                      'ipv6/conf/all/accept_dad': 0, 'ipv6/conf/default/accept_dad': 0,
                      'ipv6/conf/default/router_solicitations': 0, 'ipv4/ping_group_range': '0 2147483647'}
            if name == 'lan':
                values['ipv6/conf/all/disable_ipv6'] = values['ipv6/conf/default/disable_ipv6'] = 1
            if name == 'host' and self.guest:
                values['ipv4/ip_forward'] = values['ipv6/conf/all/forwarding'] = 1
            self.sysctl(name, values)

    def _wire(self):
        lines = ['link add br0 type bridge stp_state 0 mcast_snooping 0', 'link set br0 up']
        for name, number in NUMBERS.items():
            lines += ['link add %s type veth peer name eth0 address 02:00:00:00:00:%02x netns %s%s' %
                      (name, number, self.prefix, name), 'link set %s master br0 up' % name]
        self._batch('lan', lines)
        if self.guest:
            self._batch('host', ['link add guest0 address 02:00:00:00:01:01 type veth peer name eth0 address '
                                 '02:00:00:00:01:02 netns %sguest' % self.prefix])
        for name in self.names[1:]:
            lines = ['link set lo up', 'link set eth0 up']
            self._batch(name, lines + (['link set guest0 up'] if name == 'host' and self.guest else []))
        self._links_up('lan', list(NUMBERS))
        for name in self.names[1:]:
            self._links_up(name, ['eth0', 'guest0'] if name == 'host' and self.guest else ['eth0'])
        for name in self.names[1:]:
            if name == 'guest':
                lines = self._addresses('eth0', GUEST4 % 2, GUEST6 % 2)
                lines += ['route add default via ' + GUEST4 % 1, 'route add default via ' + GUEST6 % 1]
            else:
                lines = self._addresses('eth0', LAN4 % NUMBERS[name], LAN6 % NUMBERS[name])
                lines += ['route add default dev eth0', 'route add ::/0 dev eth0']
                if name == 'host' and self.guest:
                    lines += self._addresses('guest0', GUEST4 % 1, GUEST6 % 1)
                elif self.guest:
                    lines += ['route add %s/24 via %s' % (GUEST4 % 0, LAN4 % 1),
                              'route add %s/64 via %s' % (GUEST6 % 0, LAN6 % 1)]
            self._batch(name, lines)
        for name in self.names[1:]:
            self._joined(name, self.addr(name, 6))
        if self.guest:
            self._joined('host', GUEST6 % 1)

    def _joined(self, name, addr):
        """Until the kernel, in its own time, has joined the group that neighbours ask for @addr."""
        group = 'ff0200000000000000000001ff' + ipaddress.IPv6Address(addr).packed.hex()[-6:]
        deadline = time.monotonic() + 10
        with self.ns(name):
            path = '/proc/self/task/%d/net/igmp6' % threading.get_native_id()
            while True:
                with open(path) as f:
                    if group in f.read():
                        return
                if time.monotonic() > deadline:
                    raise RuntimeError('%s does not listen for %s' % (name, addr))
                time.sleep(0.001)

    def _links_up(self, name, devices):
        """Until the kernel, in its own time, has brought the links up: what is sent before is lost. Addresses come
        afterwards, so they find links that are ready."""
        deadline = time.monotonic() + 10
        with self.ns(name):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            for device in devices:
                request = struct.pack('16s16x', device.encode())
                while not struct.unpack_from('H', fcntl.ioctl(sock, SIOCGIFFLAGS, request), 16)[0] & IFF_RUNNING:
                    if time.monotonic() > deadline:
                        raise RuntimeError('%s of %s does not come up' % (device, name))
                    time.sleep(0.001)

    @staticmethod
    def _addresses(device, v4, v6):
        return ['addr add %s/24 dev %s' % (v4, device), 'addr add %s/64 dev %s nodad' % (v6, device)]

    # ---- who and where

    def addr(self, name, family=4):
        if name == 'guest':
            return (GUEST4 if family == 4 else GUEST6) % 2
        return (LAN4 if family == 4 else LAN6) % NUMBERS[name]

    def netns(self, name):
        """The path of the namespace, for nsenter --net=."""
        return '%s/%s%s' % (NETNS, self.prefix, name)

    def address(self, name, addr):
        """Gives @name another address, ADDRESS or ADDRESS/LENGTH, reached by everybody on the lan."""
        self._batch(name, ['addr add %s dev eth0%s' % (addr, ' nodad' if ':' in addr else '')])
        if ':' in addr:
            self._joined(name, addr.split('/')[0])

    def sysctl(self, name, values):
        """@values: path below /proc/sys/net to value. What this kernel does not have is passed over."""
        with self.ns(name):
            for path, value in values.items():
                with contextlib.suppress(FileNotFoundError):
                    with open('/proc/sys/net/' + path, 'w') as f:
                        f.write(str(value))

    @contextlib.contextmanager
    def ns(self, name):
        """The calling thread is inside for the length of the block; sockets opened and programs started there stay there."""
        home = os.open(_thread_ns(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            fd = os.open(self.netns(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(fd)
            finally:
                os.close(fd)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    # ---- programs

    def run(self, name, argv, check=False, timeout=30, enter=(), **kw):
        """A program of this machine inside; subprocess.run()'s CompletedProcess, text unless told otherwise. @enter: more
        options of nsenter."""
        kw.setdefault('text', True)
        if 'input' not in kw:
            kw.setdefault('stdin', subprocess.DEVNULL)
        if 'stdout' not in kw and 'stderr' not in kw:
            kw['capture_output'] = True
        done = subprocess.run(['nsenter', '--net=' + self.netns(name), *enter, '--', *argv], timeout=timeout, **kw)
        if check and done.returncode:
            raise AssertionError('%s: %s: exit %d\n%s%s' % (name, ' '.join(argv), done.returncode, done.stdout, done.stderr))
        return done

    def popen(self, name, argv, **kw):
        """Started inside and ended with the bed. Its pid is the program's own."""
        with self.ns(name):
            process = subprocess.Popen(argv, **kw)
        self._processes.append(process)
        return process

    def root(self, name, argv, release='bookworm', check=True, **kw):
        """A program of the cached root file system @release inside @name, as root of a throw-away copy: what it writes stays
        there for later calls of this bed, and goes with it. Files go in and out by input= and stdout."""
        return self.run(name, argv, check, enter=self._into(release), env=ROOT_ENV, **kw)

    def root_popen(self, name, argv, release='bookworm', **kw):
        """popen() of a program of that copy."""
        return self.popen(name, ['nsenter', *self._into(release), '--', *argv], env=ROOT_ENV, **kw)

    def _into(self, release):
        holder, tree = self._root(release)
        return ['--mount=/proc/%d/ns/mnt' % holder.pid, '--root=' + tree, '--wd=' + tree]

    def root_dir(self, release='bookworm'):
        """Path by which this machine sees the throw-away copy, to put files in and take them out."""
        return self._root(release)[1]

    def _root(self, release):
        """The mounts live in the mount namespace of a process that ends when its standard input does, that is, with us."""
        if release in self._roots:
            return self._roots[release]
        lower = rootfs(release)
        tree = tempfile.mkdtemp(prefix='root-' + release.replace(' ', '-') + '-', dir=self.dir)
        script = ('set -e; cd "$2"; mount -t tmpfs -o mode=755 tmpfs .; cd "$2"; mkdir up work tree; '
                  'mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" overlay tree; '
                  'mount -t proc proc tree/proc; mount --rbind /dev tree/dev; mount -t tmpfs tmpfs tree/run; '
                  'mount -t tmpfs tmpfs tree/tmp; echo ready; exec cat >/dev/null')
        holder = subprocess.Popen(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', lower, tree],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._processes.append(holder)
        if holder.stdout.readline() != 'ready\n':
            raise Skip('rootfs %s cannot be mounted: %s' % (release, holder.stderr.read().strip()))
        self._roots[release] = holder, '/proc/%d/root%s/tree' % (holder.pid, tree)
        return self._roots[release]

    # ---- TCP and UDP with real sockets

    def serve(self, name, port, proto='tcp', family=None, addr=None):
        """Echo servers in @name, both families unless @family is 4 or 6. Returns what close() ends and whose `peers` are the
        (address, port) that were heard, oldest first. They end with the bed."""
        sockets = []
        with self.ns(name):
            for fam in (family,) if family else (4, 6):
                where = (addr or ('0.0.0.0' if fam == 4 else '::'), port)
                sock = socket.socket(socket.AF_INET if fam == 4 else socket.AF_INET6,
                                     socket.SOCK_STREAM if proto == 'tcp' else socket.SOCK_DGRAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if fam == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(where)
                sockets.append(sock)
        return self.echo.serve(sockets)

    def socket(self, name, addr, proto='tcp', source=None, sport=0):
        """A socket in @name of the family of @addr, bound if a source is given."""
        v6 = ':' in addr
        with self.ns(name):
            sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                 socket.SOCK_STREAM if proto == 'tcp' else socket.SOCK_DGRAM)
            if source or sport:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((source or ('::' if v6 else '0.0.0.0'), sport))
        return sock

    def connect(self, src, addr, port, timeout=1.0, proto='tcp', source=None, sport=0):
        """A connection (UDP: a datagram) from @src to @addr, an echo asked for:
        'served' it came back, 'refused' by reset or port unreachable, 'unreachable' no way there (or told so by another ICMP
        error), 'silent' nothing within @timeout seconds."""
        flow = Flow(self.socket(src, addr, proto, source, sport))
        try:
            return flow.start(addr, port, timeout)
        finally:
            flow.close()

    def expect(self, want, src, addr, port, within=8.0, quiet=1.0, proto='tcp', **kw):
        """connect() that must come to @want. An answer may take up to @within seconds on a busy machine; silence is believed
        after @quiet seconds."""
        got = self.connect(src, addr, port, quiet if want == 'silent' else within, proto, **kw)
        if got != want:
            raise AssertionError('%s -> %s %s/%d: %s, expected %s' % (src, addr, proto, port, got, want))

    def expect_all(self, *cases, **kw):
        """expect() of many (want, src, addr, port[, proto[, source]]) at the same time: silence is waited for once."""
        failures = []

        def one(want, src, addr, port, proto='tcp', source=None):
            try:
                self.expect(want, src, addr, port, proto=proto, source=source, **kw)
            except Exception as error:  # told by the thread that asked
                failures.append(str(error))
        threads = [threading.Thread(target=one, args=case) for case in cases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise AssertionError('\n'.join(failures))

    def flow(self, src, addr, port, within=8.0, proto='tcp', source=None, sport=0):
        """A connection that stays: flow.talks(timeout) says whether it still carries data both ways."""
        flow = Flow(self.socket(src, addr, proto, source, sport))
        self._stack.callback(flow.close)
        got = flow.start(addr, port, within)
        if got != 'served':
            raise AssertionError('%s -> %s %s/%d: %s, expected a connection' % (src, addr, proto, port, got))
        return flow

    # ---- raw packets

    def send(self, name, packets, to='host', device='eth0', mac=None):
        """Puts IP packets (packet.make(), packet.fragments()) on the wire of @name as they are, to the hardware address of
        @to (multicast: the group's), past all that the sender's own kernel would do or forbid."""
        if isinstance(packets, (bytes, bytearray)):
            packets = [packets]
        with self.ns(name):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with sock:
            sock.bind((device, 0))
            source = sock.getsockname()[4]
            for data in packets:
                kind = b'\x08\x00' if data[0] >> 4 == 4 else b'\x86\xdd'
                sock.send(_mac(data, to, device, mac) + source + kind + data)

    def ear(self, name, device='eth0', sent=False):
        """Hears the packets that arrive on a device of @name, whatever a firewall there does with them (also those it sends
        itself, with @sent). Close it, or use it as a context."""
        with self.ns(name):
            return Ear(device, sent)

    def heard(self, name, packets, match=lambda p: True, timeout=1.0, to='host', device='eth0'):
        """Sends from @name and returns the first packet (packet.parse()) coming back for which match() holds, or None."""
        with self.ear(name, device) as ear:
            self.send(name, packets, to, device)
            return ear.wait(match, timeout)


def _mac(data, to, device, mac):
    if mac:
        return bytes.fromhex(mac.replace(':', ''))
    if data[0] >> 4 == 4 and data[16] >> 4 == 14:
        return b'\x01\x00\x5e' + bytes([data[17] & 127]) + data[18:20]
    if data[0] >> 4 == 6 and data[24] == 255:
        return b'\x33\x33' + data[36:40]
    if to == 'guest':
        return b'\x02\0\0\0\1\2'
    if to == 'host' and device == 'guest0':
        return b'\x02\0\0\0\1\1'
    return b'\x02\0\0\0\0' + bytes([NUMBERS[to]])


@functools.lru_cache
def rootfs(release):
    """Path of the tree that tests/rootfs has for @release; 'bookworm fail2ban' is one with more packages in it."""
    done = subprocess.run([os.path.join(SOURCE, 'tests/rootfs'), *release.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True)
    if done.returncode == 77:
        raise Skip(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise RuntimeError('tests/rootfs %s: %s' % (release, done.stderr))
    return done.stdout.strip()


class Flow:
    """One connection to an echo server."""

    def __init__(self, sock):
        self.sock = sock
        self.stream = sock.type & 0xf == socket.SOCK_STREAM
        self.count = itertools.count(1)
        self.buffer = b''

    def start(self, addr, port, timeout):
        deadline = time.monotonic() + timeout
        try:
            self.sock.settimeout(timeout)
            self.sock.connect((addr, port))
            return 'served' if self._ask(deadline) else 'silent'
        except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            return 'refused'
        except TimeoutError:
            return 'silent'
        except OSError:
            return 'unreachable'

    def talks(self, timeout=1.0):
        """False too after a reset; `broken` tells the two apart."""
        self.broken = False
        try:
            return self._ask(time.monotonic() + timeout)
        except OSError as error:
            self.broken = not isinstance(error, TimeoutError)
            return False

    def _ask(self, deadline):
        token = b'<%d.%d>' % (id(self), next(self.count))
        self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        self.sock.send(token)
        while token not in self.buffer:  # answers to earlier questions may come first, late
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError
            self.buffer += data
        self.buffer = self.buffer.partition(token)[2]
        return True

    def close(self):
        if self.stream:  # a reset instead of a goodbye that the firewall may swallow
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.sock.close()


class Ear:
    def __init__(self, device, sent):
        self.sent = sent
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)  # bind() names the protocol
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind((device, 3))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.sock.close()

    def wait(self, match=lambda p: True, timeout=1.0):
        """The next packet for which match() holds, others are passed over; None when there is none in time."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                data, where = self.sock.recvfrom(65536)
            except TimeoutError:
                return None
            if where[2] == socket.PACKET_OUTGOING and not self.sent:
                continue
            parsed = packet.parse(data)
            if parsed and match(parsed):
                return parsed


from daemon import Fwd  # noqa: E402,F401  tests import both from here
