# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo servers of any number of sockets in any namespaces, in one thread: a socket stays in the namespace it was made in."""
import contextlib
import selectors
import socket
import threading


class Server:
    def __init__(self, echo, sockets):
        self.echo, self.sockets, self.streams, self.peers = echo, sockets, [], []

    def close(self):
        self.echo.call(self._close)

    def _close(self):
        for sock in self.sockets + self.streams:
            self.echo.drop(sock)
        self.sockets, self.streams = [], []


class Echo:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.wake, self.waker = socket.socketpair()
        self.selector.register(self.wake, selectors.EVENT_READ, None)
        self.todo = []
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def call(self, function):
        """Runs @function in the thread, and waits until it has."""
        done = threading.Event()
        self.todo.append((function, done))
        self.waker.send(b'.')
        if not done.wait(10):
            raise RuntimeError('the echo thread hangs')

    def serve(self, sockets):
        server = Server(self, list(sockets))
        for sock in sockets:
            sock.setblocking(False)
            if sock.type & 0xf == socket.SOCK_STREAM:
                sock.listen(128)
        self.call(lambda: [self.selector.register(s, selectors.EVENT_READ, (server, s.type & 0xf)) for s in sockets])
        return server

    def close(self):
        self.call(self._close)
        self.thread.join(10)

    def drop(self, sock):
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(sock)
        sock.close()

    def _close(self):
        for key in list(self.selector.get_map().values()):
            self.drop(key.fileobj)
        self.selector = None

    def _loop(self):
        while self.selector:
            for key, unused in self.selector.select():
                if not key.data:
                    key.fileobj.recv(1)
                    function, done = self.todo.pop(0)
                    function()
                    done.set()
                    break  # what was selected beside it may be closed by now
                self._serve(key.fileobj, *key.data)

    def _serve(self, sock, server, kind):
        try:
            if kind == socket.SOCK_DGRAM:
                data, peer = sock.recvfrom(65536)
                server.peers.append(peer[:2])
                sock.sendto(data, peer)
            elif sock in server.sockets:
                stream, peer = sock.accept()
                stream.setblocking(False)
                server.peers.append(peer[:2])
                server.streams.append(stream)
                self.selector.register(stream, selectors.EVENT_READ, (server, kind))
            else:
                data = sock.recv(65536)
                if not data:
                    raise ConnectionResetError
                sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            if sock in server.streams:
                server.streams.remove(sock)
                self.drop(sock)
