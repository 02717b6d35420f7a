#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
#
# An HTTP and HTTPS server that misbehaves as it is told, for the tests of
# common/http.
#
# usage: http-faults.py FOLDER
#
# Makes a CA and certificates in FOLDER with openssl, listens on free ports
# of 127.0.0.1 and then writes FOLDER/ready.json: {"https": PORT, ...}.
# Listeners: "https", "http", "expired", "wrongname", "proxy".
#
# The path says what is asked for, its query how it is answered:
#   /disk?key=K&size=N   N bytes; byte i is PATTERN[i % len (PATTERN)]
#     delay=MS           before each answer
#     fault=NAME:M:N     the data requests M to M+N-1 (counted from 0) of
#                        this key meet the fault; repeat for more
#     fault=NAME         all of them do
#     chaos=PERCENT      of the data requests meet any fault
#     auth=cookie        wants a session that /login gave
#     expire=N           the N-th data request ends all sessions
#   /login?key=K         PUT or POST: a cookie with quotes; refuse=1: 401
#   /echo                the request as JSON
#   /status?code=N       that status; after=S adds Retry-After, until=M only
#                        the first M times, then 200
#   /redirect?to=URL     302
#   /big?size=N          a body of N bytes, chunked; cut=M breaks it off
#   /counters?key=K      JSON of what was counted for the key
# The first byte ("Range: bytes=0-0") is not a data request.

import json
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

PERIOD = 1048583
PATTERN = bytes((i * i * 31 + i * 7 + (i >> 8)) & 255 for i in range(PERIOD))
LONG = PATTERN * 5
CHAOS = ('500', '502', '503', '429', 'ignore-range', 'wrong-start', 'shifted',
         'wrong-total', 'bad-range', 'no-range', 'short', 'short-length',
         'short-close', 'long', 'garbage', 'reset', 'close', 'etag',
         'modified', 'gzip')


def pattern(start, length):
    start %= PERIOD
    if start + length <= len(LONG):
        return memoryview(LONG)[start:start + length]
    return (PATTERN * (length // PERIOD + 2))[start:start + length]


class Counters:
    def __init__(self):
        self.requests = self.data = self.logins = self.in_flight = 0
        self.max_in_flight = self.refused = self.other = 0
        self.connections = set()
        self.sessions = set()
        self.ranges = []
        self.expired = False


lock = threading.Lock()
keys = {}
proxied = 0


def counters(key):
    return keys.setdefault(key, Counters())


class Drop(Exception):
    """Close the connection; reset it if told so."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class Connection:
    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.file = sock.makefile('rb', 65536)

    def serve(self):
        try:
            while self.read_request():
                self.answer()
        except Drop as drop:
            if drop.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack('ii', 1, 0))
        except (OSError, ValueError):
            pass
        finally:
            self.file.close()
            self.sock.close()

    def read_request(self):
        line = self.file.readline(65536).decode('latin-1').split()
        if len(line) != 3:
            return False
        self.method, target, _ = line
        self.headers = []
        while True:
            line = self.file.readline(65536).decode('latin-1').rstrip('\r\n')
            if not line:
                break
            name, value = line.split(':', 1)
            self.headers.append((name.lower(), value.strip()))
        self.body = self.file.read(int(self.header('content-length') or 0))
        if target.startswith('http://'):        # asked as a proxy
            global proxied
            proxied += 1
            target = '/' + target.split('/', 3)[3]
        self.target = target
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = urllib.parse.parse_qs(url.query)
        return True

    def header(self, name):
        return next((v for n, v in self.headers if n == name), None)

    def arg(self, name, default=None):
        return self.query.get(name, [default])[0]

    def number_arg(self, name, default=0):
        return int(self.arg(name, default))

    def send(self, status, headers=(), body=b'', length=None):
        text = f'HTTP/1.1 {status} Text\r\n'
        if length is None:
            length = len(body)
        if length >= 0:
            text += f'Content-Length: {length}\r\n'
        for name, value in headers:
            text += f'{name}: {value}\r\n'
        self.sock.sendall((text + '\r\n').encode())
        if self.method != 'HEAD':
            self.sock.sendall(body)

    def answer(self):
        if self.path == '/counters':
            self.do_counters(counters(self.arg('key', '')))
            return
        with lock:
            c = counters(self.arg('key', ''))
            c.requests += 1
            c.connections.add(self.number)
            c.in_flight += 1
            c.max_in_flight = max(c.max_in_flight, c.in_flight)
        try:
            time.sleep(self.number_arg('delay') / 1000)
            getattr(self, 'do_' + self.path.strip('/').split('/')[0],
                    self.do_unknown)(c)
        finally:
            with lock:
                c.in_flight -= 1

    def do_unknown(self, c):
        self.send(404, body=b'not found')

    def do_counters(self, c):
        with lock:
            out = {
                'requests': c.requests, 'data': c.data, 'logins': c.logins,
                'max_in_flight': c.max_in_flight, 'refused': c.refused,
                'connections': len(c.connections), 'ranges': c.ranges,
                'proxied': proxied, 'in_flight': c.in_flight,
            }
        self.send(200, body=json.dumps(out).encode())

    def do_echo(self, c):
        out = {'method': self.method, 'target': self.target,
               'headers': dict(self.headers),
               'body': self.body.decode('latin-1')}
        self.send(200, [('X-Test', '  some value '), ('Set-Cookie',
                  'echo="a b=c"; Path=/; HttpOnly')],
                  json.dumps(out).encode())

    def do_login(self, c):
        if self.arg('refuse'):
            with lock:
                c.refused += 1
            self.send(401)
            return
        with lock:
            c.logins += 1
            session = f'"session-{c.logins}"'
            c.sessions = {session}
        self.send(200, [('Set-Cookie', f'test_session={session}; Path=/; '
                         'Secure; HttpOnly')])

    def do_status(self, c):
        if self.arg('until') and c.requests > self.number_arg('until'):
            self.send(200, body=b'at last')
            return
        headers = []
        if self.arg('after'):
            headers.append(('Retry-After', self.arg('after')))
        self.send(self.number_arg('code'), headers, b'text of the error')

    def do_redirect(self, c):
        self.send(302, [('Location', self.arg('to'))], b'moved')

    def do_hang(self, c):
        time.sleep(self.number_arg('seconds', 60))
        raise Drop()

    def do_big(self, c):
        size, cut = self.number_arg('size'), self.number_arg('cut', -1)
        self.send(200, [('Transfer-Encoding', 'chunked')], length=-1)
        done = 0
        while done < size:
            n = min(65536, size - done)
            if 0 <= cut <= done + n:
                raise Drop()
            self.sock.sendall(b'%x\r\n' % n + bytes(pattern(done, n)) +
                              b'\r\n')
            done += n
            time.sleep(self.number_arg('pause') / 1000)
        self.sock.sendall(b'0\r\n\r\n')

    def fault(self, number):
        for fault in self.query.get('fault', []):
            name, *span = fault.split(':')
            if not span or \
                    int(span[0]) <= number < int(span[0]) + int(span[1]):
                return name
        return None

    def allowed(self, c, number):
        """The session is there, and does not end with this request."""
        if self.arg('auth') != 'cookie':
            return True
        with lock:
            if self.arg('expire') and not c.expired and \
                    number >= self.number_arg('expire'):
                c.expired = True
                c.sessions = set()
            cookies = (self.header('cookie') or '').split('; ')
            ok = any(x.partition('=')[0] == 'test_session' and
                     x.partition('=')[2] in c.sessions for x in cookies)
            if not ok:
                c.refused += 1
        return ok

    def do_disk(self, c):
        size = self.number_arg('size')
        value = self.header('range')
        match = re.fullmatch(r'bytes=(\d+)-(\d+)', value or '')
        start, end = (int(x) for x in match.groups()) if match else \
            (0, size - 1)
        number = -1
        if value != 'bytes=0-0':
            with lock:
                number = c.data
                c.data += 1
                if len(c.ranges) < 1000:
                    c.ranges.append([start, end - start + 1])
        if not self.allowed(c, number):
            self.send(401, body=b'log in')
            return
        fault = self.fault(number) if number >= 0 or \
            self.arg('probe') else None
        if number >= 0 and random.randrange(100) < self.number_arg('chaos'):
            fault = random.choice(CHAOS)
        identity = [('ETag', '"one"'),
                    ('Last-Modified', 'Mon, 23 Nov 2026 04:00:00 GMT')]
        if size == 0 or start >= size:
            self.send(416, [('Content-Range', f'bytes */{size}')])
        elif match is None:
            self.send(200, identity, pattern(0, size))
        elif fault is None:
            end = min(end, size - 1)
            self.send(206, identity + [('Content-Range',
                      f'bytes {start}-{end}/{size}')],
                      pattern(start, end - start + 1))
        else:
            self.misbehave(fault, start, end, size, identity)

    def misbehave(self, fault, start, end, size, identity):
        length = end - start + 1
        body = pattern(start, length)
        right = ('Content-Range', f'bytes {start}-{end}/{size}')
        wrong_range = {
            'wrong-start': f'bytes {start + 1}-{end + 1}/{size + 9}',
            'wrong-total': f'bytes {start}-{end}/{size + 512}',
            'shifted': f'bytes {start + 512}-{end}/{size}',
            'bad-range': f'bytes {start}-/{size}',
            'huge': f'bytes {start}-{end}/18446744073709551615',
        }
        if fault.isdigit():
            self.send(int(fault), body=b'error')
        elif fault in ('503-after', '429-after'):
            self.send(int(fault[:3]), [('Retry-After', '1')])
        elif fault == 'ignore-range':
            self.send(200, identity, pattern(0, size))
        elif fault in wrong_range:
            self.send(206, identity + [('Content-Range',
                      wrong_range[fault])], body)
        elif fault == 'no-range':
            self.send(206, identity, body)
        elif fault == 'short':          # a whole header, half a body
            self.send(206, identity + [right], body[:length // 2], length)
            raise Drop()
        elif fault == 'short-length':   # says that it is short
            self.send(206, identity + [right], body[:length // 2])
        elif fault == 'short-close':    # says nothing
            self.send(206, identity + [right, ('Connection', 'close')],
                      body[:length // 2], -1)
            raise Drop()
        elif fault == 'long':           # without Content-Length
            self.send(206, identity + [right, ('Connection', 'close')],
                      bytes(body) + b'x' * 100, -1)
            raise Drop()
        elif fault == 'garbage':
            self.sock.sendall(bytes(pattern(7, 5000)))
            raise Drop()
        elif fault == 'drip':
            self.send(206, identity + [right], b'', length)
            for i in range(60):
                self.sock.sendall(body[i:i + 1])
                time.sleep(0.2)
            raise Drop()
        elif fault == 'stall':
            time.sleep(30)
            raise Drop()
        elif fault == 'reset':
            self.send(206, identity + [right], body[:length // 3], length)
            raise Drop(reset=True)
        elif fault == 'close':
            raise Drop()
        elif fault == 'etag':
            self.send(206, [('ETag', '"two"'), identity[1], right], body)
        elif fault == 'modified':
            self.send(206, [identity[0], ('Last-Modified',
                      'Tue, 24 Nov 2026 04:00:00 GMT'), right], body)
        elif fault == 'gzip':
            self.send(206, identity + [right, ('Content-Encoding', 'gzip')],
                      body)
        elif fault == 'redirect':
            self.send(302, [('Location', 'https://other.invalid/secret?x=y')])
        else:
            raise ValueError(fault)


def tunnel(sock):
    """A proxy for https: CONNECT, then bytes both ways."""
    global proxied
    head = b''
    while b'\r\n\r\n' not in head:
        data = sock.recv(1)
        if not data:
            return
        head += data
    if not head.startswith(b'CONNECT 127.0.0.1:'):
        sock.sendall(b'HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n')
        return
    proxied += 1
    host, port = head.split()[1].decode().rsplit(':', 1)
    with socket.create_connection((host, int(port))) as other:
        sock.sendall(b'HTTP/1.1 200 Yes\r\n\r\n')
        back = threading.Thread(target=pump, args=(other, sock), daemon=True)
        back.start()
        pump(sock, other)
        back.join()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve_one(sock, number, context):
    try:
        sock.settimeout(120)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context == 'proxy':
            tunnel(sock)
            sock.close()
            return
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        Connection(sock, number).serve()
    except (OSError, ValueError):
        sock.close()


def listen(context, first):
    server = socket.create_server(('127.0.0.1', 0), backlog=128)

    def accept():
        number = first
        while True:
            sock, _ = server.accept()
            number += 1
            threading.Thread(target=serve_one, daemon=True,
                             args=(sock, number, context)).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def openssl(folder, *args):
    subprocess.run(('openssl', *args), cwd=folder, check=True,
                   stdin=subprocess.DEVNULL, capture_output=True)


def make_ca(folder, name):
    openssl(folder, 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
            '-subj', f'/CN=nbdlift test CA {name}', '-keyout',
            f'{name}.key', '-out', f'{name}.pem')


def make_leaf(folder, name, san, days):
    with open(f'{folder}/{name}.ext', 'w', encoding='ascii') as f:
        f.write(f'subjectAltName={san}\n')
    openssl(folder, 'req', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-subj',
            f'/CN=nbdlift test {name}', '-keyout', f'{name}.key', '-out',
            f'{name}.csr')
    openssl(folder, 'x509', '-req', '-in', f'{name}.csr', '-CA', 'ca.pem',
            '-CAkey', 'ca.key', '-CAcreateserial', '-days', days, '-extfile',
            f'{name}.ext', '-out', f'{name}.pem')


def tls_context(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f'{folder}/{name}.pem', f'{folder}/{name}.key')
    return context


def main():
    folder = sys.argv[1]
    make_ca(folder, 'ca')
    make_ca(folder, 'other-ca')
    make_leaf(folder, 'https', 'IP:127.0.0.1,DNS:localhost', '2')
    make_leaf(folder, 'expired', 'IP:127.0.0.1', '-1')
    make_leaf(folder, 'wrongname', 'DNS:other.invalid', '2')
    ports = {}
    for i, name in enumerate(('https', 'expired', 'wrongname')):
        ports[name] = listen(tls_context(folder, name), i * 10 ** 6)
    ports['http'] = listen(None, 4 * 10 ** 6)
    ports['proxy'] = listen('proxy', 0)
    with open(f'{folder}/ready.tmp', 'w', encoding='ascii') as f:
        json.dump(ports, f)
    os.rename(f'{folder}/ready.tmp', f'{folder}/ready.json')
    threading.Event().wait()


main()
