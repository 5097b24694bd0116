# SPDX-License-Identifier: GPL-2.0-or-later
"""A release mirror on 127.0.0.1 with a certificate of its own CA, which serves files well or badly.

`files` maps names to bytes; `ways` maps a name to functions that spoil one answer each, in order (the last one stays)."""
import http.server
import os
import shutil
import ssl
import subprocess
import tempfile
import threading

from bed import Skip


def make_ca(directory, name):
    """NAME.pem and NAME.key, a CA; NAME-server.pem, for 127.0.0.1 and localhost."""
    if not shutil.which('openssl'):
        raise Skip('openssl is not installed')

    def run(*argv):
        done = subprocess.run(['openssl', *argv], cwd=directory, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
    run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=' + name,
        '-keyout', name + '.key', '-out', name + '.pem', '-addext', 'basicConstraints=critical,CA:TRUE')
    with open(os.path.join(directory, 'ext'), 'w') as f:
        f.write('subjectAltName=IP:127.0.0.1,DNS:localhost,IP:192.0.2.10\nbasicConstraints=CA:FALSE\n')
    run('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost',
        '-keyout', 'server.key', '-out', 'server.csr')
    run('x509', '-req', '-in', 'server.csr', '-CA', name + '.pem', '-CAkey', name + '.key', '-CAcreateserial', '-days', '2',
        '-extfile', 'ext', '-out', 'server.crt')
    path = os.path.join(directory, name + '-server.pem')
    with open(path, 'w') as out:
        for part in ('server.crt', 'server.key'):
            with open(os.path.join(directory, part)) as f:
                out.write(f.read())
    return os.path.join(directory, name + '.pem'), path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *unused):
        pass

    def do_GET(self):
        mirror, name = self.server.mirror, self.path.lstrip('/')
        start = 0
        if self.headers.get('Range'):
            start = int(self.headers['Range'].split('=')[1].split('-')[0])
        mirror.asked.append((name, start))
        self.close_connection = True
        ways = mirror.ways.get(name)
        if ways:
            way = ways.pop(0) if len(ways) > 1 else ways[0]
            if way(self, name, start) is not None:
                return
        self.good(name, start)

    def good(self, name, start, cut=None, length=None, body=None):
        body = self.server.mirror.files.get(name) if body is None else body
        if body is None:
            return self.answer(404)
        if start and start >= len(body):
            return self.answer(416)
        part = body[start:]
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(part) if length is None else length))
        if start:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (start, len(body) - 1, len(body)))
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(part if cut is None else part[:cut])
        self.wfile.flush()
        return True

    def answer(self, code, **headers):
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header('Connection', 'close')
        self.send_header('Content-Length', '0')
        self.end_headers()
        return True


def stall(cut):
    """Sends so much, then nothing more."""
    def way(handler, name, start):
        handler.good(name, start, cut=cut)
        handler.server.mirror.closing.wait(60)
        return True
    return way


def truncate(cut):
    return lambda handler, name, start: handler.good(name, start, cut=cut)


def status(code, **headers):
    return lambda handler, name, start: handler.answer(code, **headers)


def redirect(where):
    return status(302, Location=where)


def length(value):
    return lambda handler, name, start: handler.good(name, start, length=value)


def other(body):
    return lambda handler, name, start: handler.good(name, start, body=body)


def no_ranges(handler, name, start):
    return handler.good(name, 0)


def fine(handler, name, start):
    return None


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *unused):
        pass

    def shutdown_request(self, request):
        """Ends TLS as it should be ended."""
        try:
            request.settimeout(2)
            request.unwrap()
        except (OSError, ValueError, AttributeError):
            pass
        super().shutdown_request(request)


class Mirror:
    def __init__(self, files, address=('', 0), server_pem=None, tls=True):
        self.tmp = tempfile.TemporaryDirectory(prefix='fwd-mirror-')
        self.files, self.ways, self.asked, self.closing = dict(files), {}, [], threading.Event()
        self.ca, self.pem = make_ca(self.tmp.name, 'ca')
        self.http = Quiet(address, Handler)
        self.http.mirror = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(server_pem or self.pem)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = '%s://127.0.0.1:%d' % ('https' if tls else 'http', self.http.server_port)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.tmp.cleanup()
