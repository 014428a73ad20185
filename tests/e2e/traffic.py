"""Traffic in labs, and who counts it: blast, tcpreplay, and the parts of weir below `weir run`."""
import json
import signal
import subprocess

import pytest

import lab
from harness import at, write_pcap

MISSES = ('ring_full', 'no_buffer', 'invalid', 'misdirected', 'hardware', 'dispatch')


def tool(name):
    return lab.build_dir() / 'tests' / 'harness' / name


def has_xdp():
    return tool('blast').exists()


def has_dpdk():
    symbols = subprocess.run(['nm', '-D', lab.weir_binary()], capture_output=True, text=True, check=False).stdout
    return 'rte_eal_init' in symbols


needs_dpdk = pytest.mark.skipif(not has_dpdk(), reason='built without DPDK')


def blast(net, *args, interface='gen0', space=None, timeout=lab.PATIENCE):
    """Sends and returns what was sent (see tests/harness/blast.c)."""
    done = json.loads((space or net.sender).run(tool('blast'), *args, interface, timeout=timeout))
    assert done['sent'] > 0, done
    return done


def replay(net, frames, interface='gen0', space=None, rate=20000):
    """Sends frames of scapy as they are; returns how many."""
    path = net.folder / 'replay.pcap'
    write_pcap(path, [at(i * 0.0001, frame) for i, frame in enumerate(frames)])
    (space or net.sender).run('tcpreplay', '-q', f'--pps={rate}', '-i', interface, path)
    return len(frames)


class Steady:
    """Hosts from 10.0.0.0 on speak with 11.0.0.1 all the time. The far end must have an XDP program."""

    def __init__(self, net, rate=20000, hosts=300):
        self.net, self.rate, self.hosts, self.sent, self.replayed = net, rate, hosts, 0, 0
        self.blast = net.sender.start(tool('blast'), '-t', 1000, '-r', rate, '-f', hosts, '-b', 'gen0')

    def replay(self, frames):
        """Others speak too."""
        self.replayed += replay(self.net, frames)

    def stop(self):
        self.blast.stop(signal.SIGINT)
        self.sent = json.loads(self.blast.stdout)['sent']  # all that left the interface


class Receiver:
    """tests/harness/receive on a source, in the sensor's namespace."""

    def __init__(self, net, source='xdp:mon0', *args, wrap=(), wait=True):
        self.process = net.sensor.start(*wrap, tool('receive'), *args, source)
        if wait:
            self.process.wait_line('^ready$')

    @property
    def about(self):
        return self.process.stderr.splitlines()[0]

    def now(self):
        """What it has counted so far."""
        before = len(self.process.stdout.splitlines())
        self.process.send(signal.SIGUSR1)
        lab.wait_for(lambda: self.process.stdout.count('\n') > before, 'receive answers')
        return json.loads(self.process.stdout.splitlines()[-1])

    def wait(self, condition, what):
        return lab.wait_for(lambda: (lambda r: r if condition(r) else None)(self.now()), what, pause=0.1)

    def stop(self):
        """Stops and returns what became of everything."""
        assert self.process.stop() == 0, self.process.stderr
        return json.loads(self.process.stdout.splitlines()[-1])

    def finish(self, sent):
        """Waits until all that was sent is delivered, and stops."""
        self.wait(lambda r: r['delivered'] == sent, f'all {sent} delivered')
        counts = self.stop()
        check_all(counts, sent)
        return counts


def refusal(net, source, *args, wrap=()):
    """The one line with which opening a source fails."""
    receiver = Receiver(net, source, *args, wrap=wrap, wait=False)
    assert receiver.process.wait() == 1, receiver.process.stderr
    lines = receiver.process.stderr.splitlines()
    assert len(lines) == 1 and source in lines[0], lines
    assert receiver.process.stdout == '', receiver.process.stdout
    return lines[0]


def accounted(counts):
    return counts['delivered'] + counts['filtered'] + counts['pending'] + sum(counts[m] for m in MISSES)


def check_all(counts, sent):
    """All that was sent was received, and has a fate."""
    assert counts['received'] == accounted(counts) == sent, (sent, counts)
    assert counts['pending'] == 0


def check_identity(sent, counts):
    """sent = received + ignored + passed, and received = delivered + lost, to the packet."""
    assert counts['received'] - accounted(counts) == 0, counts
    assert sent - (counts['received'] + counts['ignored'] + counts['passed']) == 0, (sent, counts)
    assert counts['misdirected'] == 0, counts
