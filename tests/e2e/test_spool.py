"""The spool on disk: damage, a full disk, kill -9, a second sensor."""
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from collector import Collector, Load, config, wait_for

LONG = os.environ.get('WEIR_LONG') == '1'


@pytest.fixture
def reader(tmp_path):
    made = Collector(tmp_path).start()
    yield made
    made.kill()


def settings(reader, spool, bound='64MiB', **more):
    collector = {'name': 'c', 'host': '127.0.0.1', 'port': reader.port, 'spool': bound, 'options': '1s'}
    return config(collector, spool=str(spool), **more)


def fill(tmp_path, reader, records, rate=0, **more):
    """A sensor that ran while its collector was away."""
    reader.kill()
    load = Load(tmp_path, settings(reader, tmp_path / 'spool', **more), records, rate)
    load.wait_until(lambda one: one.of()['spooled'] == records, 'all to be spooled')
    load.terminate()
    return tmp_path / 'spool' / 'c'


def missing(reader, records):
    return records - len(set(reader.ids()))


def test_next_run_sends_what_is_there(tmp_path, reader):
    fill(tmp_path, reader, 20_000)
    reader.start()
    done = Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name='again').finish()
    assert done['collectors'][0]['restored'] == done['collectors'][0]['delivered'] == 20_000
    wait_for(lambda: missing(reader, 20_000) == 0, 'the reader to read all')
    assert len(reader.ids()) == 20_000 and not reader.problems()
    assert [p.name for p in (tmp_path / 'spool' / 'c').iterdir()] == ['lock']


def mutate(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        kind = rng.randrange(5)
        at = rng.randrange(len(data)) if data else 0
        if kind == 0:
            data[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del data[at:at + rng.randrange(1, 5000)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 300))
        elif kind == 3:
            data[at:at + 64] = bytes(64)
        else:
            del data[at:]
    return bytes(data)


def test_damaged_segments_are_skipped_and_counted(tmp_path, reader):
    """Many mutants of one segment at a time; what is read of them was in it, and a sound one behind them is whole."""
    rng = random.Random(5655)
    mutants, batch = (10_000, 500) if LONG else (200, 50)
    directory = fill(tmp_path, reader, 400)
    segments = [p for p in directory.iterdir() if p.suffix == '.seg']
    assert len(segments) == 1
    whole = segments[0].read_bytes()
    reader.start()
    for begin in range(0, mutants, batch):
        for number in range(batch):
            (directory / f'{number:016x}.seg').write_bytes(mutate(whole, rng))
        (directory / f'{batch:016x}.seg').write_bytes(whole)
        load = Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name=f'mutants{begin}')
        c = load.finish()['collectors'][0]
        assert 400 <= c['delivered'] <= c['restored']
        assert c['delivered'] + c['drops']['spool_corrupt'] == c['restored']
        assert c['spool_skipped'] > 0 and 'damaged octets skipped' in load.said()
        assert set(reader.ids()) == set(range(1, 401))
        for left in directory.glob('*.seg'):
            left.unlink()  # without a sound frame it is nobody's: left alone
    assert not reader.problems()


def test_kill_9_costs_no_more_than_what_was_just_handed_over(tmp_path, reader):
    reader.kill()
    load = Load(tmp_path, settings(reader, tmp_path / 'spool'), 10_000_000, 20_000)
    load.wait_until(lambda one: one.of()['spooled'] > 40_000, 'records to be spooled')
    load.kill()
    old = load.lines[-11]['handed']  # a second before the last line
    assert old > 0
    reader.start()
    done = Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name='again').finish()
    assert done['collectors'][0]['restored'] >= old
    wait_for(lambda: set(range(1, old + 1)) <= set(reader.ids()), 'all but the last moment')
    assert not reader.problems()


def test_kill_9_after_the_collector_was_killed(tmp_path, reader):
    """What the dead collector may not have read is on disk, too."""
    load = Load(tmp_path, settings(reader, tmp_path / 'spool'), 10_000_000, 20_000)
    wait_for(lambda: len(reader.ids()) > 20_000, 'the reader to read')
    reader.kill()
    load.wait_until(lambda one: one.of()['spooled'] > 30_000, 'records to be spooled')
    load.kill()
    old = load.lines[-11]['handed']
    reader.start()
    Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name='again').finish()
    wait_for(lambda: set(range(1, old + 1)) <= set(reader.ids()), 'all but the last moment')
    assert not reader.problems()


def can_mount():
    return subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason='needs the right to mount a tmpfs')
def test_full_disk(tmp_path, reader):
    """The disk is smaller than the bound: what it cannot take is counted, and when the collector is back and the
    spool empty, it is used again."""
    spool = tmp_path / 'spool'
    spool.mkdir()
    reader.kill()
    inside = f'mount -t tmpfs -o size=1m none {spool} && exec "$@"'
    load = Load(tmp_path, settings(reader, spool, '4MiB', queue='256KiB'), 60_000, 15_000,
                prefix=['unshare', '-m', 'sh', '-c', inside, '-'])
    load.wait_until(lambda one: one.of()['drops']['disk_error'] > 0, 'the disk to be full')
    assert 'No space left on device' in load.said()
    reader.start()
    load.wait_until(lambda one: one.of()['connects'] and one.of()['spooled'] == 0, 'the spool to be empty')
    reader.kill()
    load.wait_until(lambda one: one.of()['spooled'] > 0, 'the spool to be used again')
    reader.start()
    done = load.finish()['collectors'][0]
    wait_for(lambda: missing(reader, 60_000) == done['dropped'], 'exactly what was counted to be missing')
    wait_for(lambda: reader.not_sent()[0] == done['dropped'], 'the collector to be told')
    assert done['spool_errors'] > 0 and not reader.problems()


def test_spool_that_cannot_be_made(tmp_path, reader):
    (tmp_path / 'file').write_text('')
    load = Load(tmp_path, settings(reader, tmp_path / 'file'), 1, 0)
    load.process.wait(30)
    load.thread.join()
    assert load.process.returncode == 2
    assert load.said().startswith('export.spool: ')


def test_second_sensor_is_refused(tmp_path, reader):
    first = Load(tmp_path, settings(reader, tmp_path / 'spool'), 10_000_000, 100)
    first.wait_until(lambda one: one.of()['delivered'] + one.of()['kept'] > 0, 'the first to run')
    second = Load(tmp_path, settings(reader, tmp_path / 'spool'), 10, 0, name='second')
    second.process.wait(30)
    second.thread.join()
    assert second.process.returncode == 2 and 'another sensor' in second.said()
    first.terminate()


def test_strange_files_stay(tmp_path, reader):
    directory = fill(tmp_path, reader, 1000)
    names = ['notes.txt', 'ffffffffff.seg', '00000000000000ff.seg']
    for name in names:
        (directory / name).write_text('somebody else wrote this, and wants to keep it')
    reader.start()
    Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name='again').finish()
    assert sorted(p.name for p in directory.iterdir()) == sorted([*names, 'lock'])


def test_other_profile_is_left_alone_and_said(tmp_path, reader):
    fill(tmp_path, reader, 1000)
    reader.start()
    other = settings(reader, tmp_path / 'spool')
    other['export']['collectors'][0]['profile'] = 'uniflow'
    load = Load(tmp_path, other, 100, 0, name='other')
    load.finish()
    assert 'another profile' in load.said()
    Load(tmp_path, settings(reader, tmp_path / 'spool'), 0, 0, name='again').finish()
    wait_for(lambda: missing(reader, 1000) == 0, 'the first profile to be sent after all')
    assert not reader.problems()
    shutil.rmtree(pathlib.Path(tmp_path / 'spool'))
