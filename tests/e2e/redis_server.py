"""A Redis of the test's own, on a unix socket or a port, and a look into it."""
import collections
import shutil

import pytest
import redis

import lab

needed = pytest.mark.skipif(not shutil.which('redis-server'), reason='no redis-server')


class Server:
    """May be killed and started again; keeps nothing on disk."""

    def __init__(self, net, *options, ip='127.0.0.1', port=0):
        self.net, self.options, self.ip, self.port = net, options, ip, port
        self.path = net.folder / f'redis-{next(lab.NUMBERS)}.sock'
        self.address = f'{ip}:{port}' if port else f'unix:{self.path}'
        self.start()

    def start(self):
        self.process = self.net.sensor.start(
            'redis-server', '--port', self.port, '--unixsocket', self.path, '--save', '', '--appendonly', 'no',
            '--dir', self.net.folder, '--bind', self.ip, *self.options)
        self.client = redis.Redis(unix_socket_path=str(self.path), decode_responses=True)
        lab.wait_for(self.answers, 'redis-server answers')

    def answers(self):
        try:
            return bool(self.client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.ResponseError, FileNotFoundError):
            return False

    def kill(self):
        self.client.close()
        self.process.kill()
        self.path.unlink(missing_ok=True)

    # What the sensors wrote

    def windows(self, window='1m', of='10.'):
        """{(host, window's start): {counter: sum over all sensors and runs}}"""
        found = {}
        keys = list(self.client.scan_iter(f'weir:{{{of}*}}:h:{window}:*', count=10000))
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        for key, fields in zip(keys, pipeline.execute()):
            sums = collections.Counter()
            for field, value in fields.items():
                sums[field.rsplit('.', 1)[1]] += int(value)
            if sums:  # it may have ended meanwhile
                found[key[key.index('{') + 1:key.index('}')], int(key.rsplit(':', 1)[1])] = sums
        return found

    def totals(self, host, window='1m'):
        """Sum over the windows of a host: what was counted since the start, if that is not long ago."""
        totals = collections.Counter()
        for (name, _), sums in self.windows(window, of=host).items():
            if name == host:
                totals.update(sums)
        return totals

    def alerts(self, rule=None):
        rows = [fields for _, fields in self.client.xrange('weir:{alerts}:stream')]
        return [row for row in rows if rule in (None, row['rule'])]
