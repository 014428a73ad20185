"""Workers share no cache line that one of them writes: a sensor that notes each load and store."""
import re

import pytest

import lab
import traffic
from frames import eth, udp  # noqa: E402

WEIR_LINES = traffic.tool('weir_lines')

pytestmark = [lab.needed, pytest.mark.skipif(not WEIR_LINES.exists(), reason='needs a build for threads'),
              pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')]

FLOWS = [((f'10.2.{i}.1', 1000 + i), ('10.3.0.1', 80)) for i in range(200)]


@pytest.mark.parametrize('source, queues', [('xdp:mon0', 2), ('eth:mon0', 1)])
def test_workers_share_no_line_they_write(source, queues, tmp_path):
    """Sockets of one queue share its memory and hand frames back to one ring; hence two queues."""
    report = tmp_path / 'lines'
    with lab.pair(queues=queues) as net:
        sensor = net.sensor.start(
            WEIR_LINES, 'run', '-i', source, '-w', f'file:{tmp_path}/out.ipfix', '--capture.workers=2', '--seccomp=off',
            '--hosts.networks=10.0.0.0/8', '--sensor.drain_timeout=60s', env={'WEIR_LINES': str(report)})
        sensor.wait_line('2 workers')
        traffic.replay(net, [eth(udp(*flow)) for a, b in FLOWS for flow in ((a, b), (b, a))] * 50)
        assert sensor.stop() == 0, sensor.stderr
    *shared, last = report.read_text().splitlines()
    seen, handed, lost = map(int, re.fullmatch(r'lines (\d+) handed (\d+) lost (\d+)', last).groups())
    assert not shared, '\n'.join(shared)
    assert seen > 1000 and handed > 0 and lost == 0
