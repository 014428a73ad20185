"""Every capture of the corpus as IPFIX, read back by libfixbuf: sums equal weir's own ledger to the unit."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

import pytest

import corpus

if corpus.ROOT is None:
    pytest.skip('no corpus: set WEIR_CORPUS', allow_module_level=True)

READER = pathlib.Path(os.environ.get('WEIR_BUILD', corpus.REPO / 'build')) / 'tests/harness/ipfix_reader'
if not READER.exists():
    pytest.skip('built without libfixbuf', allow_module_level=True)

PROFILES = ('core', 'rich', 'uniflow')


class Export:
    """What weir says of its records, and what a stranger reads in its files: (records, packets, octets)."""

    def __init__(self, name, folder):
        number = list(corpus.manifest()).index(name)
        files = {p: folder / f'{number}.{p}.ipfix' for p in PROFILES}
        words = [word for p, path in files.items() for word in ('-w', f'file:{path}?profile={p}')]
        done = subprocess.run([corpus.binary(), 'read', '-f', 'json', '--export.enterprise', '64999', *words,
                               corpus.ROOT / 'captures' / name], capture_output=True, text=True, timeout=120)
        self.stderr = done.stderr
        self.closed = corpus.Ledger(done.stderr).closed
        self.made = tuple(map(int, re.search(r'^records: made (\d+), .* packets in them (\d+)', done.stderr,
                                             re.M).groups()))
        self.records = [json.loads(line) for line in done.stdout.splitlines()]
        self.read = self._summaries(files)
        for path in files.values():
            path.unlink(missing_ok=True)

    @staticmethod
    def _summaries(files):
        """Without a flow there is no file."""
        there = {p: path for p, path in files.items() if path.exists()}
        done = subprocess.run([READER, '--summary', *there.values()], capture_output=True, text=True, timeout=120)
        lines = [json.loads(line) for line in done.stdout.splitlines() if '"summary"' in line]
        told = [(s['records'], s['packets'], s['octets'], s['problems']) for s in lines]
        return dict.fromkeys(files, (0, 0, 0, 0)) | dict(zip(there, told, strict=True))

    def expected(self, profile):
        sides = [(r[f'{side}_pkts'], r[f'{side}_ip_bytes']) for r in self.records for side in ('orig', 'resp')]
        count = len([s for s in sides if s[0]]) if profile == 'uniflow' else len(self.records)
        return count, sum(s[0] for s in sides), sum(s[1] for s in sides), 0


@pytest.fixture(scope='session')
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp('export')
    with concurrent.futures.ThreadPoolExecutor(corpus.THREADS) as pool:
        return dict(zip(corpus.manifest(), pool.map(lambda name: Export(name, folder), corpus.manifest())))


@pytest.mark.parametrize('name', corpus.manifest())
def test_sums(exports, name):
    got = exports[name]
    assert got.closed, got.stderr
    assert got.made == got.expected('core')[:2]
    assert got.read == {p: got.expected(p) for p in PROFILES}
