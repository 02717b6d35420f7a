#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Look at pages in a headless Chromium, from file://.

usage: look-at-page.py [--shots PREFIX] [--links] BROWSER FOLDER PAGE...

FOLDER is for the browser's own files.  Each page must load nothing and log
nothing, be light and dark as is asked for, have text in enough contrast
(WCAG 2.1, AA: 4.5 to 1, and 3 to 1 for bars and curves), fit a narrow
window, keep its tables and headings for screen readers, name its drawings,
and show in print what is folded away.  With --shots, pictures of the first
page are left in PREFIX-*.png and PREFIX.pdf.

The browser is driven over its DevTools pipe: JSON, each message with a zero
byte at its end, on file descriptors 3 and 4.
"""

import argparse
import base64
import json
import os
import pathlib
import struct
import subprocess
import sys
import time
import zlib

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --disable-extensions --disable-crash-reporter
--disable-breakpad --no-default-browser-check --hide-scrollbars
--remote-debugging-pipe""".split()

# Text whose contrast with what is behind it is too low, and shapes likewise.
CONTRAST = """(() => {
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v =>
    v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  let seen = 0;
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n =>
      n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility()) continue;
    seen++;
    const r = ratio(rgb(getComputedStyle(e).color), behind(e));
    if (r < 4.5) bad.push(e.outerHTML.slice(0, 80) + ': ' + r.toFixed(2));
  }
  for (const e of document.querySelectorAll('.bar rect, .key rect, .curve')) {
    if (!e.checkVisibility()) continue;
    const s = getComputedStyle(e);
    const paint = s.stroke === 'none' ? s.fill : s.stroke;
    const r = ratio(rgb(paint), behind(e));
    if (r < 3) bad.push(e.outerHTML.slice(0, 80) + ': ' + r.toFixed(2));
  }
  return JSON.stringify({seen, bad: [...new Set(bad)].slice(0, 5)});
})()"""

# What sticks out on the right, unless it is in something that scrolls.
OVERFLOW = """(() => {
  const width = document.documentElement.clientWidth;
  const hides = e => e && (/auto|scroll|hidden/.test(
    getComputedStyle(e).overflowX) || hides(e.parentElement));
  const out = [...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > width + 1 && !hides(e))
    .map(e => e.outerHTML.slice(0, 80));
  return JSON.stringify({scroll: document.documentElement.scrollWidth,
                         width, out: out.slice(0, 3)});
})()"""

# Following each link must unfold what it leads to.
LINKS = """(() => {
  const bad = [];
  for (const a of document.querySelectorAll('td a, th a')) {
    a.click();
    const e = document.getElementById(a.hash.slice(1));
    if (!e || !e.checkVisibility({contentVisibilityAuto: true}))
      bad.push(a.outerHTML);
  }
  return JSON.stringify(bad.slice(0, 3));
})()"""

HIDDEN = """JSON.stringify([...document.querySelectorAll('details > div')]
  .filter(e => e.getBoundingClientRect().height < 1).length)"""


class Browser:
    """A Chromium with one page; events are kept in self.events."""

    def __init__(self, program, folder):
        self.buffer = b''
        self.number = 0
        self.events = []
        self.end = time.monotonic() + 100
        commands, self.write_fd = os.pipe()
        self.read_fd, answers = os.pipe()

        def place():            # at 3 and 4, whatever they were
            a = os.dup(commands)
            b = os.dup(answers)
            for fd in (a, b):
                assert fd > 4
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.closerange(5, 256)

        for fd in (self.write_fd, self.read_fd):
            os.set_inheritable(fd, False)
        environment = dict(os.environ, HOME=folder, TMPDIR=folder,
                           XDG_CONFIG_HOME=folder, XDG_CACHE_HOME=folder)
        self.log = open(os.path.join(folder, 'browser.log'), 'wb')
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            [program, *FLAGS,
             '--host-resolver-rules=MAP * ~NOTFOUND',
             '--user-data-dir=' + os.path.join(folder, 'profile'),
             'about:blank'],
            preexec_fn=place, close_fds=False, env=environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(commands)
        os.close(answers)
        target = self.call('Target.createTarget', url='about:blank')
        self.session = self.call('Target.attachToTarget', flatten=True,
                                 targetId=target['targetId'])['sessionId']
        for domain in ('Page', 'Log', 'Runtime', 'Network'):
            self.page(domain + '.enable')

    def receive(self):
        while b'\0' not in self.buffer:
            if time.monotonic() > self.end:
                raise SystemExit('the browser does not answer')
            data = os.read(self.read_fd, 1 << 20)
            if not data:
                raise SystemExit('the browser has gone away')
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b'\0')
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        if session:
            message['sessionId'] = session
        os.write(self.write_fd, json.dumps(message).encode() + b'\0')
        while True:
            answer = self.receive()
            if answer.get('id') != self.number:
                self.events.append(answer)
            elif 'error' in answer:
                raise SystemExit(f'{method}: {answer["error"]}')
            else:
                return answer['result']

    def page(self, method, **params):
        return self.call(method, self.session, **params)

    def evaluate(self, expression):
        answer = self.page('Runtime.evaluate', expression=expression)
        if 'exceptionDetails' in answer:
            raise SystemExit(answer['exceptionDetails'])
        return json.loads(answer['result']['value'])

    def go(self, url):
        self.events.clear()
        self.page('Page.navigate', url=url)
        while not any(e.get('method') == 'Page.loadEventFired'
                      for e in self.events):
            self.events.append(self.receive())

    def media(self, scheme, media=''):
        self.page('Emulation.setEmulatedMedia', media=media, features=[
            {'name': 'prefers-color-scheme', 'value': scheme}])

    def size(self, width, mobile=False):
        self.page('Emulation.setDeviceMetricsOverride', width=width,
                  height=900, deviceScaleFactor=1, mobile=mobile)

    def shoot(self, width, height, scale=1):
        """A picture of the top of the page, PNG."""
        return base64.b64decode(self.page(
            'Page.captureScreenshot', captureBeyondViewport=True,
            clip={'x': 0, 'y': 0, 'width': width, 'height': height,
                  'scale': scale})['data'])

    def height(self):
        return int(self.page('Page.getLayoutMetrics')
                   ['cssContentSize']['height'])

    def close(self):
        """End it; True if it went by itself."""
        try:
            self.call('Browser.close')
            self.process.wait(20)
            return True
        except (OSError, SystemExit, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
            return False
        finally:
            self.log.close()


def pixels(png):
    """The rows of a PNG of 8 bits per channel, as bytes, and the channels."""
    position, packed, header = 8, b'', None
    while position < len(png):
        length, kind = struct.unpack('>I4s', png[position:position + 8])
        body = png[position + 8:position + 8 + length]
        if kind == b'IHDR':
            header = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            packed += body
        position += 12 + length
    width, height, depth, colour = header[:4]
    assert depth == 8 and colour in (2, 6)
    channels = 3 if colour == 2 else 4
    raw, stride = zlib.decompress(packed), width * channels
    rows, old = [], bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + stride])
        for x in range(stride):
            a = row[x - channels] if x >= channels else 0
            b = old[x]
            c = old[x - channels] if x >= channels else 0
            if kind == 1:
                row[x] = row[x] + a & 255
            elif kind == 2:
                row[x] = row[x] + b & 255
            elif kind == 3:
                row[x] = row[x] + (a + b) // 2 & 255
            elif kind == 4:
                p = a + b - c
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b),
                           (abs(p - c), 2, c))
                row[x] = row[x] + near[2] & 255
        old = bytes(row)
        rows.append(old)
    return rows, channels


def brightness(png):
    """The mean of all channels, and the number of colours."""
    rows, channels = pixels(png)
    colours = {row[i:i + 3] for row in rows
               for i in range(0, len(row), channels)}
    total = sum(sum(row[0::channels]) + sum(row[1::channels]) +
                sum(row[2::channels]) for row in rows)
    return total / (len(rows) * len(rows[0]) // channels * 3), len(colours)


class Look:
    """The checks of one page."""

    def __init__(self, browser, path):
        self.browser = browser
        self.path = path
        self.url = pathlib.Path(path).resolve().as_uri()
        self.wrong = []

    def check(self, right, text):
        if not right:
            self.wrong.append(f'{self.path}: {text}')

    def quiet(self):
        for event in self.browser.events:
            method, params = event.get('method'), event.get('params', {})
            if method == 'Network.requestWillBeSent':
                url = params['request']['url']
                self.check(url.split('#')[0] == self.url, f'loads {url}')
            self.check(method not in ('Log.entryAdded',
                                      'Runtime.consoleAPICalled',
                                      'Runtime.exceptionThrown'),
                       f'logs {params}')

    def colours(self, scheme, shots):
        b = self.browser
        b.media(scheme)
        mean, colours = brightness(b.shoot(1280, 900, 0.2))
        self.check(mean > 200 if scheme == 'light' else mean < 70,
                   f'{scheme}: its mean brightness is {mean:.0f}')
        self.check(colours > 50, f'{scheme}: only {colours} colours')
        found = b.evaluate(CONTRAST)
        self.check(found['seen'] > 20, f'{scheme}: no text: {found}')
        self.check(not found['bad'], f'{scheme}: contrast: {found["bad"]}')
        if shots:
            pathlib.Path(f'{shots}-{scheme}.png').write_bytes(
                b.shoot(1280, min(b.height(), 8000)))

    def roles(self):
        """What a screen reader is told: role -> names."""
        found = {}
        for node in self.browser.page('Accessibility.getFullAXTree')['nodes']:
            if not node.get('ignored'):
                found.setdefault(node['role'].get('value'), []).append(
                    node.get('name', {}).get('value', ''))
        return found

    def structure(self, wide):
        roles = self.roles()
        self.check(roles.get('heading'), 'no headings')
        self.check(roles.get('main'), 'no main')
        images = roles.get('image', []) + roles.get('img', [])
        self.check(images and all(images), 'drawings without a name')
        tables = len(roles.get('table', []))
        rows = len(roles.get('row', []))
        self.check(tables > 0 and rows > tables, 'no tables')
        if wide:
            self.check((tables, rows) == wide,
                       f'{tables} tables and {rows} rows of {wide} are left '
                       'in a narrow window')
        return tables, rows

    def narrow(self, shots):
        b = self.browser
        for width in (390, 320):
            b.size(width, mobile=True)
            found = b.evaluate(OVERFLOW)
            self.check(found['scroll'] <= width and not found['out'],
                       f'too wide at {width}: {found}')
        b.size(390, mobile=True)
        if shots:
            pathlib.Path(f'{shots}-narrow.png').write_bytes(
                b.shoot(390, min(b.height(), 8000)))

    def printed(self, shots):
        b = self.browser
        b.media('dark', 'print')
        self.check(b.evaluate(HIDDEN) == 0, 'folded away in print')
        b.media('light')
        if shots:
            pathlib.Path(f'{shots}.pdf').write_bytes(base64.b64decode(
                b.page('Page.printToPDF', printBackground=True)['data']))

    def look(self, shots, links):
        b = self.browser
        b.size(1280)
        b.media('light')
        b.go(self.url)
        for scheme in ('light', 'dark'):
            self.colours(scheme, shots)
        wide = self.structure(None)
        self.narrow(shots)
        self.structure(wide)
        b.size(1280)
        self.printed(shots)
        if links:
            bad = b.evaluate(LINKS)
            self.check(not bad, f'links that show nothing: {bad}')
        self.quiet()
        return self.wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--shots')
    parser.add_argument('--links', action='store_true')
    parser.add_argument('browser')
    parser.add_argument('folder')
    parser.add_argument('pages', nargs='+')
    args = parser.parse_args()

    browser = Browser(args.browser, args.folder)
    wrong = []
    shots = args.shots
    try:
        for page in args.pages:
            wrong += Look(browser, page).look(shots, args.links)
            shots = None
    finally:
        by_itself = browser.close()
    if not by_itself:
        wrong.append('the browser did not end by itself')
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
