# SPDX-License-Identifier: GPL-2.0-or-later
"""The first enable of a host that runs: what it began, and whom it lets in, goes on; strangers are cut."""
import contextlib
import re
import socket
import threading

from access import LISTED, OPEN, PORT, Ground, parallel
from sshd import wait_for


class Download:
    """The host takes bytes from a server of the stranger's, as fast as @pace allows; count grows while they come."""

    def __init__(self, bed, family, pace=0.0005):
        self.count, self.sent, self.error, self.pace = 0, 0, None, pace
        with bed.ns('stranger'):
            listener = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
        listener.bind((bed.addr('stranger', family), 8888))
        listener.listen()
        self.client = bed.socket('host', bed.addr('stranger', family))
        self.client.settimeout(10)
        self.client.connect((bed.addr('stranger', family), 8888))
        self.server = listener.accept()[0]
        listener.close()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._send, self._take)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        with contextlib.suppress(OSError):
            while not self.stop.wait(self.pace):
                self.server.send(b'x' * 4096)
                self.sent += 4096
            self.server.shutdown(socket.SHUT_WR)

    def _take(self):
        try:
            while True:
                data = self.client.recv(65536)
                if not data:
                    return
                self.count += len(data)
        except OSError as error:
            self.error = error

    def goes_on(self):
        before = self.count
        wait_for('bytes of the download', lambda: self.count > before + 100000 or self.error, 10)
        assert not self.error, self.error

    def end(self):
        """All that was sent has come."""
        self.stop.set()
        for thread in self.threads:
            thread.join(10)
        assert not self.error and self.count == self.sent > 0, (self.error, self.count, self.sent)


def test_a_download_goes_on():
    def row(family, proof):
        with Ground(OPEN) as ground:
            download = Download(ground.bed, family)
            download.goes_on()
            session = ground.login(family=family)
            session.ctl('enable', code=4)
            download.goes_on()
            if proof:
                code, answer = session.confirms()
                while code == 1 and 'nothing came in' in answer['error']['text']:
                    code, answer = session.confirms()
                assert code == 0, answer
            else:
                ground.fwd.ctl('rollback', check=0)
            download.goes_on()
            download.end()
    parallel(*[lambda f=f, p=p: row(f, p) for f in (4, 6) for p in (True, False)])


def test_idle_sessions_go_on():
    """They said nothing from before the enable until after the confirm; under SSH for anyone, and under the whitelist."""
    def row(conf, family):
        with Ground(conf) as ground:
            idle = ground.login(family=family)
            ground.fwd.ctl('allow', ground.bed.addr('operator', family), check=0)
            ground.fwd.ctl('enable', '--force', check=4)
            ground.fwd.ctl('confirm', '--force', check=0)
            assert idle.talks()
            if conf == LISTED:
                ground.fwd.ctl('remove', ground.bed.addr('operator', family), '--force', check=4)
                ground.fwd.ctl('confirm', '--force', check=0)
                assert not idle.talks(1.0)
    parallel(*[lambda c=c, f=f: row(c, f) for c in (OPEN, LISTED) for f in (4, 6)])


def udp_pair(bed, family):
    """A connected socket of the host's that asked a server of the stranger's, and was answered; and that server."""
    with bed.ns('stranger'):
        peer = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    peer.bind((bed.addr('stranger', family), 5555))
    own = bed.socket('host', bed.addr('stranger', family), 'udp')
    own.bind((bed.addr('host', family), 51820))
    own.settimeout(8)
    peer.settimeout(8)
    own.connect(peer.getsockname()[:2])
    own.send(b'1')
    who = peer.recvfrom(10)[1]
    peer.sendto(b'2', who)
    assert own.recv(10) == b'2'
    return own, peer, who


def test_a_connected_udp_flow_goes_on():
    """The peer speaks first once connections are tracked: it must not look like the one who began."""
    def row(family):
        with Ground(OPEN) as ground:
            own, peer, who = udp_pair(ground.bed, family)
            ground.fwd.ctl('enable', '--force', check=4)
            for _ in range(3):
                peer.sendto(b'from the peer', who)
                assert own.recv(100) == b'from the peer'
            ground.fwd.ctl('confirm', '--force', check=0)
            peer.sendto(b'later', who)
            assert own.recv(100) == b'later'
            own.send(b'back')
            assert peer.recv(100) == b'back'
            ground.bed.serve('host', 5353, 'udp')
            ground.bed.expect('silent', 'stranger', ground.bed.addr('host', family), 5353, proto='udp')
    parallel(lambda: row(4), lambda: row(6))


def inbound(ground, port):
    """Sockets of the host that strangers are connected to."""
    said = ground.bed.run('host', ['ss', '-Htn', 'state', 'established', 'sport', '=', ':%d' % port]).stdout
    return [line for line in said.splitlines() if re.search(r'\]?:%d\s' % port, line)]


def test_strangers_are_cut():
    """A long session of a stranger's: nothing gets through from the enable on, and its socket is gone after the confirm; who
    is listed keeps his."""
    def row(family, host_speaks):
        with Ground(OPEN) as ground:
            bed = ground.bed
            ground.fwd.ctl('allow', bed.addr('friend', family), check=0)
            flows = {name: bed.flow(name, bed.addr('host', family), PORT) for name in ('friend', 'stranger')}
            with bed.ns('host'):
                listener = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
            listener.bind((bed.addr('host', family), 7777))
            listener.listen()
            client = bed.socket('stranger', bed.addr('host', family))
            client.connect((bed.addr('host', family), 7777))
            talker = listener.accept()[0]  # the host's end speaks all the time, and first
            stop = threading.Event()

            def speak():
                with contextlib.suppress(OSError):
                    while not stop.wait(0.001):
                        talker.send(b'tick')
            thread = threading.Thread(target=speak, daemon=True)
            if host_speaks:
                thread.start()
            assert len(inbound(ground, PORT)) == 2 and len(inbound(ground, 7777)) == 1
            ground.fwd.ctl('enable', '--force', check=4)
            assert not flows['stranger'].talks(0.5) and flows['friend'].talks(8)
            client.send(b'into the host')
            talker.settimeout(0.5)
            with contextlib.suppress(OSError):
                assert not talker.recv(100)
            ground.fwd.ctl('confirm', '--force', check=0)
            assert len(inbound(ground, PORT)) == 1 and not inbound(ground, 7777)
            assert flows['friend'].talks(8)
            stop.set()
            if host_speaks:
                thread.join()
            assert not flows['stranger'].talks(0.5)
    parallel(*[lambda f=f, h=h: row(f, h) for f in (4, 6) for h in (True, False)])


def test_a_rollback_lets_them_go_on():
    """Cut by the trial only: TCP sends again what was lost."""
    def row(family):
        with Ground(OPEN) as ground:
            flow = ground.bed.flow('stranger', ground.bed.addr('host', family), PORT)
            ground.fwd.ctl('enable', '--force', check=4)
            assert not flow.talks(0.5)
            ground.fwd.ctl('rollback', check=0)
            assert flow.talks(8)
    parallel(lambda: row(4), lambda: row(6))
