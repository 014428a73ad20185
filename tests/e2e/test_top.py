"""`weir top`: what it shows of a sensor and of a fleet, in a terminal and without one."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import lab
from redis_server import Server, needed
from test_redis import INSIDE, ask, early_in_a_minute, frames, start, status
from traffic import replay

pytestmark = [lab.needed, needed]


@pytest.fixture
def net():
    with lab.pair() as made:
        yield made


def top(*args, code=0):
    done = subprocess.run([lab.weir_binary(), 'top', *map(str, args)], capture_output=True, text=True,
                          timeout=lab.PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def hosts(page):
    """{host: [columns]} in the order of the page."""
    rows = page[page.index('HOST'):page.index('OPEN CONNECTIONS')].splitlines()[1:-1]
    return {row.split()[0]: row.split()[1:] for row in rows}


def wait_hosts(wanted, *args):
    """{host: first columns}; returns the page that shows them."""
    def shown():
        page = top('--once', *args)
        found = hosts(page)
        return page if all(found.get(host, [])[:len(row)] == row for host, row in wanted.items()) else None
    return lab.wait_for(shown, f'{wanted} shown', pause=0.3)


def two_uploaders():
    return frames(30) + frames(10, host='10.1.0.2', peer='203.0.113.77') + frames(40, host='203.0.113.9', peer='10.1.0.2')


def test_a_sensor(net):
    sensor = start(net, Server(net))
    early_in_a_minute()
    replay(net, two_uploaders())
    at = f'--sensor.control={sensor.control}'
    page = wait_hosts({INSIDE: ['3.0k', '0', '1.00', '30'], '10.1.0.2': ['1.0k', '4.0k', '-0.60'],
                       '203.0.113.9': ['4.0k', '3.0k']}, at)
    assert page.startswith('weir top - one - ')
    assert list(hosts(top('--once', at, '--sort', 'in')))[0] in ('10.1.0.2', '203.0.113.9')
    assert list(hosts(top('--once', at, '-s', 'peers')))[0] in ('10.1.0.2', '203.0.113.9', INSIDE)
    assert 'ALERTS, THE NEWEST FIRST' in page
    assert ask(sensor, 'hosts nonsense').startswith('error: expected hosts [1m|1h]')
    assert len(ask(sensor, 'hosts 1m out 1').strip().splitlines()) == 1
    assert sensor.stop() == 0, sensor.stderr


def test_a_fleet(net):
    server = Server(net)
    sensors = [start(net, server, '-F', f'src host {host}', name=name)
               for name, host in (('one', INSIDE), ('two', '10.1.0.2'))]
    early_in_a_minute()
    replay(net, two_uploaders())
    page = wait_hosts({INSIDE: ['3.0k'], '10.1.0.2': ['1.0k', '0'], '203.0.113.77': ['0', '1.0k']}, '--redis',
                      f'--redis.address={server.address}')
    assert page.startswith('weir top - fleet of 2 sensors - ')
    for sensor in sensors:
        assert sensor.stop() == 0, sensor.stderr


def test_nobody_there(net):
    missing = net.folder / 'missing.sock'
    assert top('--once', f'--sensor.control={missing}', code=1) == (
        f'weir top: {missing}: No such file or directory; does weir run have this sensor.control?\n')
    text = top('--once', '--redis', f'--redis.address=unix:{missing}', code=1)
    assert text.startswith(f'weir top: redis: unix:{missing}: it cannot be reached (')
    assert top('--redis', '--once', code=2) == 'weir top: --redis: needs redis.address\n'
    assert top(code=2) == 'weir top: this is not a terminal; --once prints a page\n'


class Terminal:
    """weir top in a terminal of its own; what it drew, escapes taken out."""

    def __init__(self, *args, rows=24, columns=80, term='xterm'):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ['TERM'] = term
            time.sleep(0.1)
            os.execv(lab.weir_binary(), ['weir', 'top', *map(str, args)])
        self.pid, self.text, self.code = pid, '', None
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        while select.select([self.fd], [], [], 0.05)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            self.text += re.sub(r'\x1b(\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[=>])', ' ', data.decode(errors='replace'))
        return self.text

    def wait_text(self, pattern):
        lab.wait_for(lambda: re.search(pattern, self.read()), f'{pattern!r} on the screen')
        self.text = ''

    def end(self):
        def ended():
            self.read()
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(code) if pid else None
            return pid
        lab.wait_for(ended, 'the end of weir top')
        os.close(self.fd)
        return self.code

    def kill(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def terminal():
    made = []

    def make(*args, **kw):
        made.append(Terminal(*args, **kw))
        return made[-1]
    yield make
    for each in made:
        each.kill()


def test_in_a_terminal(net, terminal):
    sensor = start(net, Server(net))
    replay(net, two_uploaders())
    at = f'--sensor.control={sensor.control}'
    wait_hosts({INSIDE: []}, at)
    screen = terminal(at)
    screen.wait_text(r'weir top - one[\s\S]*HOST[\s\S]*10\.1\.0')
    screen.type('r')
    screen.wait_text('ratio')
    screen.resize(12, 40)
    screen.wait_text(r'HOST')
    screen.resize(2, 10)
    screen.resize(30, 100)
    screen.wait_text('NEWEST FIRST')
    assert status(sensor)['name'] == 'one'
    assert sensor.stop() == 0, sensor.stderr
    screen.wait_text('asking again')
    again = net.weir(net.sensor, '-i', 'eth:mon0', '-f', 'json', '--sensor.name=again', at)
    again.wait_line(r'\d+ worker')
    screen.wait_text('weir top - again|again')
    screen.type('q')
    assert screen.end() == 0


def test_terminals_of_any_size_and_a_sensor_that_is_killed(net, terminal):
    sensor = start(net, Server(net))
    replay(net, two_uploaders())
    at = f'--sensor.control={sensor.control}'
    wait_hosts({INSIDE: []}, at)
    screens = {(rows, columns): terminal(at, rows=rows, columns=columns) for rows, columns in ((24, 80), (5, 20), (1, 1))}
    for screen in screens.values():
        screen.type('oircpahx?1mt\t\x1b[A\x1b[B')
    screens[24, 80].wait_text('weir top - one')
    screens[5, 20].wait_text('weir top')
    sensor.kill()
    screens[24, 80].wait_text('asking again')
    for screen in screens.values():
        screen.type('q')
        assert screen.end() == 0


def test_redis_that_refuses(net, terminal):
    server = Server(net, '--requirepass', 'secret')
    password = net.folder / 'password'
    password.write_text('wrong\n')
    args = ('--redis', f'--redis.address={server.address}', f'--redis.password_file={password}')
    assert top('--once', *args, code=1).startswith(f'weir top: redis: {server.address}: it wants other credentials: see redis.user')
    assert top('--once', *args[:2], code=1).startswith(f'weir top: redis: {server.address}: it wants other credentials')
    screen = terminal(*args)
    screen.wait_text(r'see\s+redis\.user')
    password.write_text('secret\n')
    screen.wait_text('fleet of 0 sensors')
    server.kill()
    screen.wait_text('asking again')
    screen.type('q')
    assert screen.end() == 0


@pytest.mark.parametrize('end', ['\x03', signal.SIGTERM])
def test_the_terminal_is_given_back(net, terminal, end):
    screen = terminal(f'--sensor.control={net.folder}/none.sock')
    screen.wait_text('asking again')
    if isinstance(end, str):
        screen.type(end)
    else:
        os.kill(screen.pid, end)
    assert screen.end() == 0


def test_a_terminal_that_is_not_known(net, terminal):
    screen = terminal(f'--sensor.control={net.folder}/none.sock', term='no-such-terminal')
    assert screen.end() == 1
    assert '--once prints a page' in screen.text
