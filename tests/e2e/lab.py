"""Labs of network namespaces: what live tests plug the sensor into.

    with lab.span() as net:
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0')
        sensor.wait_line('xdp:mon0')
        net.client.run('ping', '-c', '3', net.server_ip)
        assert sensor.stop() == 0, sensor.stderr

A lab leaves nothing behind: at its end, also after a failure, the processes it started are killed by pid and its
namespaces deleted. Names carry the pid of the test, so that tests may run side by side. A command runs in a namespace
by nsenter, which keeps the mounts (ip netns exec would hide /sys/fs/bpf).
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from patience import PATIENCE, Failed, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'replay'))  # frames, harness

NUMBERS = itertools.count()
CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF = 12, 21, 39


def command(*argv, **kw):
    """Runs to its end and returns what it printed; raises with its errors if it fails."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=kw.pop('timeout', PATIENCE), **kw)
    if done.returncode != 0:
        raise Failed(f'{" ".join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


# Whether a lab can be built here

def capabilities():
    status = pathlib.Path('/proc/self/status').read_text()
    return int(re.search(r'CapEff:\s*(\w+)', status).group(1), 16)


def missing():
    """Why no lab can be built here, or None."""
    for tool in ('ip', 'tc', 'nsenter', 'ethtool', 'sysctl'):
        if not shutil.which(tool):
            return f'no {tool} here'
    have = capabilities()
    if not all(have >> cap & 1 for cap in (CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF)):
        return 'needs root, with the rights to make network namespaces and load BPF'
    name = f'weir-{os.getpid()}-probe'
    try:
        command('ip', 'netns', 'add', name)
        command('ip', 'netns', 'del', name)
    except (Failed, OSError) as problem:
        return f'no network namespaces here: {str(problem).splitlines()[-1]}'
    return None


MISSING = missing()
needed = pytest.mark.skipif(MISSING is not None, reason=MISSING or '')
long_only = pytest.mark.skipif(not os.environ.get('WEIR_LONG'), reason='long: only with WEIR_LONG=1')


def weir_binary():
    return os.environ.get('WEIR') or str(pathlib.Path(__file__).resolve().parents[2] / 'build' / 'weir')


def build_dir():
    return pathlib.Path(os.environ.get('WEIR_BUILD') or pathlib.Path(weir_binary()).parent)


def end_with_us():
    """In a child: it does not outlive the test, in whatever way that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def sweep():
    """Takes away what tests left that were killed."""
    for name in os.listdir('/run/netns') if os.path.isdir('/run/netns') else ():
        found = re.match(r'weir-(\d+)-', name)
        if found and not os.path.exists(f'/proc/{found.group(1)}'):
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True, timeout=PATIENCE)
    for folder in pathlib.Path(tempfile.gettempdir()).glob('weir-lab-*'):
        if not os.path.exists(f'/proc/{folder.name.split("-")[2]}'):
            shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A program that runs in a namespace, its output in files."""

    def __init__(self, argv, folder, env=None, **kw):
        self.argv = [str(a) for a in argv]
        stem = pathlib.Path(folder) / f'process-{next(NUMBERS)}'
        self.out_path, self.err_path = stem.with_suffix('.out'), stem.with_suffix('.err')
        with open(self.out_path, 'wb') as out, open(self.err_path, 'wb') as err:
            self.child = subprocess.Popen(self.argv, stdin=kw.pop('stdin', subprocess.DEVNULL), stdout=out, stderr=err,
                                          preexec_fn=end_with_us, env={**os.environ, **(env or {})}, **kw)
        self.pid = self.child.pid

    @property
    def stdout(self):
        return self.out_path.read_text(errors='replace')

    @property
    def stderr(self):
        return self.err_path.read_text(errors='replace')

    def running(self):
        return self.child.poll() is None

    def wait_line(self, pattern, timeout=PATIENCE, of='stderr'):
        """The first line of stderr (or stdout) in which the expression is found."""
        def found():
            ended = not self.running()  # asked before the text is read: its last lines count
            for line in getattr(self, of).splitlines():
                if re.search(pattern, line):
                    return line
            if ended:
                raise Failed(f'ended with {self.child.returncode} before it said {pattern!r}:\n{self.stderr}')
            return None
        try:
            return wait_for(found, f'{self.argv[-1]} says {pattern!r}', timeout)
        except Failed as problem:
            raise Failed(f'{problem}\n{self.stderr}') from None

    def wait(self, timeout=PATIENCE):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f'{" ".join(self.argv)}: runs still after {timeout} s\n{self.stderr}') from None

    def send(self, number):
        if self.running():
            self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        """Sends a signal and returns the exit code."""
        self.send(number)
        return self.wait(timeout)

    def kill(self):
        if self.running():
            self.child.kill()
            self.child.wait()


class Namespace:
    """One network namespace; commands run in it by run() and start()."""

    def __init__(self, lab, label, ipv6):
        self.lab, self.label = lab, label
        self.name = f'weir-{os.getpid()}-{next(NUMBERS)}-{label}'
        command('ip', 'netns', 'add', self.name)
        if not ipv6:  # neighbour discovery would spoil exact counts
            for scope in ('all', 'default'):
                self.run('sysctl', '-qw', f'net.ipv6.conf.{scope}.disable_ipv6=1')
        self.run('ip', 'link', 'set', 'lo', 'up')

    def argv(self, *argv):
        return ['nsenter', f'--net=/run/netns/{self.name}', *map(str, argv)]

    def run(self, *argv, **kw):
        return command(*self.argv(*argv), **kw)

    def start(self, *argv, **kw):
        return self.lab.track(Process(self.argv(*argv), self.lab.folder, **kw))

    def counters(self, interface):
        """Counters of an interface as `ip -s link` has them: counters('mon0')['rx']['packets']."""
        stats = json.loads(self.run('ip', '-j', '-s', 'link', 'show', 'dev', interface))[0]
        return stats['stats64']

    def link(self, interface):
        return json.loads(self.run('ip', '-j', '-d', 'link', 'show', 'dev', interface))[0]

    def has_xdp(self, interface):
        """Whether an XDP program is attached."""
        return 'xdp' in self.link(interface)

    def delete(self):
        subprocess.run(['ip', 'netns', 'del', self.name], capture_output=True, timeout=PATIENCE)


class Lab(contextlib.ExitStack):
    """Namespaces and cables; a context manager that takes all away at its end."""

    def __enter__(self):
        super().__enter__()
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
        sweep()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'weir-lab-{os.getpid()}-'))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def namespace(self, label, ipv6=False):
        made = Namespace(self, label, ipv6)
        self.callback(made.delete)
        return made

    def track(self, process):
        self.callback(process.kill)
        return process

    def weir(self, namespace, *args, env=None, wrap=(), **kw):
        """Starts `weir run ARGS` in a namespace; wrap = a program before it, such as taskset or setpriv."""
        return namespace.start(*wrap, weir_binary(), 'run', *args, env=env, **kw)

    def cable(self, a, a_name, b, b_name, queues=1, mtu=1500):
        """A veth pair between two namespaces, both ends up and promiscuous, without offloads."""
        ends = ('mtu', mtu, 'numrxqueues', queues, 'numtxqueues', queues)
        # Made within a: names may be in use outside.
        a.run('ip', 'link', 'add', a_name, *ends, 'type', 'veth', 'peer', 'name', b_name, *ends, 'netns', b.name)
        for space, name in ((a, a_name), (b, b_name)):
            space.run('ethtool', '-K', name, 'tso', 'off', 'gso', 'off', 'gro', 'off', 'tx', 'off',
                      'rxvlan', 'off', 'txvlan', 'off')
            space.run('ip', 'link', 'set', name, 'up', 'promisc', 'on')

    def address(self, namespace, interface, *addresses):
        for address in addresses:
            more = ('nodad',) if ':' in address else ()
            namespace.run('ip', 'addr', 'add', address, 'dev', interface, *more)

    def mirror(self, namespace, source, target, directions=('ingress', 'egress')):
        """Copies what passes an interface to another one, as a SPAN port does."""
        if 'clsact' not in namespace.run('tc', 'qdisc', 'show', 'dev', source):
            namespace.run('tc', 'qdisc', 'add', 'dev', source, 'clsact')
        for direction in directions:
            namespace.run('tc', 'filter', 'add', 'dev', source, direction, 'protocol', 'all', 'u32', 'match', 'u32',
                          '0', '0', 'action', 'mirred', 'egress', 'mirror', 'dev', target)


CLIENT, SERVER = '10.77.0.1', '10.77.0.2'
CLIENT6, SERVER6 = 'fd77::1', 'fd77::2'


@contextlib.contextmanager
def pair(queues=1, mtu=1500):
    """sender:gen0 -- sensor:mon0. Nothing but the test sends."""
    with Lab() as net:
        net.sender, net.sensor = net.namespace('sender'), net.namespace('sensor')
        net.cable(net.sender, 'gen0', net.sensor, 'mon0', queues, mtu)
        yield net


def two_hosts(net, ipv6):
    net.client, net.server = net.namespace('client', ipv6), net.namespace('server', ipv6)
    net.sensor = net.namespace('sensor')
    net.client_ip, net.server_ip = CLIENT, SERVER
    net.client_ip6, net.server_ip6 = (CLIENT6, SERVER6) if ipv6 else (None, None)


def give_addresses(net, ipv6):
    net.address(net.client, 'c0', f'{CLIENT}/24', *([f'{CLIENT6}/64'] if ipv6 else []))
    net.address(net.server, 's0', f'{SERVER}/24', *([f'{SERVER6}/64'] if ipv6 else []))


def monitor_cable(net, near, far, queues, mtu):
    net.cable(net.server, near, net.sensor, far, queues, mtu)
    net.server.run('sysctl', '-qw', f'net.ipv6.conf.{near}.disable_ipv6=1')


@contextlib.contextmanager
def span(queues=1, mtu=1500, ipv6=False):
    """client:c0 -- s0:server; all that passes s0 is mirrored by server:tap0 to sensor:mon0.
    counters of s0, received + sent, equal the frames that mon0 gets."""
    with Lab() as net:
        two_hosts(net, ipv6)
        net.cable(net.client, 'c0', net.server, 's0', 1, mtu)
        monitor_cable(net, 'tap0', 'mon0', queues, mtu)
        net.mirror(net.server, 's0', 'tap0')
        give_addresses(net, ipv6)
        yield net


@contextlib.contextmanager
def tap(queues=1, mtu=1500, ipv6=False):
    """As span(), but each direction on a port of its own: client to server on sensor:mon0, back on sensor:mon1."""
    with Lab() as net:
        two_hosts(net, ipv6)
        net.cable(net.client, 'c0', net.server, 's0', 1, mtu)
        monitor_cable(net, 'tap0', 'mon0', queues, mtu)
        monitor_cable(net, 'tap1', 'mon1', queues, mtu)
        net.mirror(net.server, 's0', 'tap0', ('ingress',))
        net.mirror(net.server, 's0', 'tap1', ('egress',))
        give_addresses(net, ipv6)
        yield net


@contextlib.contextmanager
def inline(queues=1, mtu=1500, ipv6=False):
    """client:c0 -- in0:sensor:in1 -- s0:server. Client and server meet only while the sensor forwards."""
    with Lab() as net:
        two_hosts(net, ipv6)
        net.cable(net.client, 'c0', net.sensor, 'in0', queues, mtu)
        net.cable(net.sensor, 'in1', net.server, 's0', queues, mtu)
        give_addresses(net, ipv6)
        yield net
