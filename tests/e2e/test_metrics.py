"""Metrics and the status of the control socket: as text of a made-up status, and of a running sensor."""
import json
import subprocess

import pytest

import exposition
import lab

SAMPLE = lab.build_dir() / 'tests' / 'harness' / 'status_sample'
sample = pytest.mark.skipif(not SAMPLE.exists(), reason='no status_sample in this build')


def printed(*args):
    return subprocess.run([SAMPLE, *args], check=True, capture_output=True, text=True, timeout=lab.PATIENCE).stdout


@sample
def test_the_exposition_is_what_scrapers_read():
    samples = exposition.read(printed())
    names = {name for name, _ in samples}
    assert {'weir_build_info', 'weir_worker_packets_total', 'weir_worker_notes_total', 'weir_ledger_difference',
            'weir_port_missed_packets_total', 'weir_collector_dropped_records_total',
            'weir_worker_upstream_loss_ratio'} <= names
    assert ('weir_collector_queue_octets', (('collector', r'quote\" back\\slash ??'),)) in samples


@pytest.mark.parametrize('change', [
    lambda t: t.rstrip('\n'),
    lambda t: t.replace('# TYPE weir_reloads_total counter\n', ''),
    lambda t: t.replace('weir_reloads_total', 'weir_reloads'),
    lambda t: t + t[:t.index('# HELP', 1)],
    lambda t: t.replace(r'quote\" ', 'quote" '),
    lambda t: t.replace('weir_reloads_total 1', 'weir_reloads_total -1'),
    lambda t: t.replace('primary#2', 'primary'),
])
@sample
def test_the_reader_sees_faults(change):
    text = printed()
    assert change(text) != text
    with pytest.raises((AssertionError, ValueError, AttributeError)):
        exposition.read(change(text))


def without_doubles(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@sample
def test_json_and_metrics_tell_the_same():
    text = printed('json')
    assert text.count('\n') == 1
    status = json.loads(text, object_pairs_hook=without_doubles)
    samples = exposition.read(printed())
    compared = 0
    for subject, items, label in (('port', status['ports'], 'port'), ('worker', status['workers'], 'worker')):
        for (name, labels), value in samples.items():
            key = name.removeprefix(f'weir_{subject}_').removesuffix('_total')
            labels = dict(labels)
            if not name.startswith(f'weir_{subject}_') or key not in items[0]:
                continue
            told = items[int(labels[label])][key]
            if isinstance(told, dict):
                told = told[next(v for k, v in labels.items() if k not in (label, 'source', 'group'))]
            assert float(told) == value, name
            compared += 1
    assert compared > 100
    assert status['collectors'][1]['error'] == 'connect: "refused"\n'
    assert status['collectors'][1]['name'] == 'quote" back\\slash ü'
