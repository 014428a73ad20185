"""The corpus: captures made by others, with tables of flows that independent programs computed from
them. It is no part of this project; WEIR_CORPUS names the folder, and these tests skip without it."""
import collections
import concurrent.futures
import csv
import functools
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / 'replay'))

from harness import Ledger, binary  # noqa: E402

THREADS = 2


def find():
    """The folder that holds captures/ and the tools, or None."""
    given = os.environ.get('WEIR_CORPUS')
    path = pathlib.Path(given) if given else REPO.parent / 'shared' / 'corpus'
    if path.name == 'captures':
        path = path.parent
    return path if (path / 'captures').is_dir() else None


ROOT = find()


def rows(path):
    """A table with a header line; lines that begin with # are left out."""
    with open(path, newline='') as f:
        return list(csv.DictReader((line for line in f if not line.startswith('#')), delimiter='\t'))


@functools.cache
def manifest():
    """Name relative to captures/ -> its row of MANIFEST.tsv."""
    out = {}
    for folder in ('', 'fuzz/'):
        for row in rows(ROOT / 'captures' / folder / 'MANIFEST.tsv'):
            out[folder + row['file']] = row
    return out


def stem(name):
    """captures/NAME without its suffix: beside it stand the tables."""
    return (ROOT / 'captures' / name).with_suffix('')


def truths(name, folder):
    """Tables a capture's flows must equal (any of them): innermost IP where that makes a difference.
    The fuzz captures have no such table beside them; the corpus's own parser makes it."""
    base = str(stem(name))
    if name.startswith('fuzz/') and manifest()[name]['inner_flows'] != '=':
        table = folder / (stem(name).name + '.inner.tsv')
        command = [ROOT / 'oracle.py', '--mode', 'inner', '--engine', 'native', ROOT / 'captures' / name]
        table.write_bytes(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        return [table]
    for kinds in (('inner',), ('flows',), ('tshark', 'native')):
        found = [pathlib.Path(f'{base}.{k}.tsv') for k in kinds if os.path.exists(f'{base}.{k}.tsv')]
        if found:
            return found
    return []


def fates():
    """Labels of what may become of a packet; they add up to the packets of a capture."""
    text = (REPO / 'include/weir/counters.h').read_text()
    block = re.search(r'#define WEIR_FATES\(X\)(.*?)\n\n', text, re.S).group(1)
    return re.findall(r'X\(\w+, "\w+", "(\w+)"', block)


class Outcome:
    """What `weir read --no-timeouts -f json` made of a capture, and how that compares."""

    def __init__(self, name, folder):
        self.name = name
        table = folder / (name.replace('/', '_') + '.tsv')
        done = self._read('json')
        self.code, self.json, self.stderr = done.returncode, done.stdout, done.stderr.decode(errors='replace')
        self.ledger = Ledger(self.stderr)
        self.packets = sum(map(self.ledger.count, fates()))
        with open(table, 'wb') as out:
            subprocess.run([ROOT / 'from_json.py'], input=done.stdout, stdout=out, check=True)
        self.comparisons = [self._compare(truth, table) for truth in truths(name, folder)]
        self.zeek = None
        if name in zeek_logs():
            self.zeek = self._read('zeek').stdout.decode()

    def _read(self, face):
        command = [binary(), 'read', '--no-timeouts', '-f', face, ROOT / 'captures' / self.name]
        return subprocess.run(command, capture_output=True, timeout=120)

    @staticmethod
    def _compare(truth, table):
        command = [ROOT / 'compare.py', truth, table, '--merge', '--any-direction']
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, f'{truth.name}: {done.stdout}{done.stderr}'

    @property
    def matches(self):
        return any(code == 0 for code, _ in self.comparisons)

    @property
    def difference(self):
        return '\n'.join(text for _, text in self.comparisons)


@functools.cache
def zeek_logs():
    """Capture -> Zeek's conn.log. Teredo is no tunnel that weir opens."""
    out = {}
    for path in sorted((ROOT / 'captures').glob('*.zeek.conn.log')):
        base = path.name[:-len('.zeek.conn.log')]
        if base != 'zeek__Teredo':
            out[next(n for n in manifest() if n.rsplit('.', 1)[0] == base)] = path
    return out


def run_all(folder):
    """Every capture once; name -> Outcome."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(manifest(), pool.map(lambda name: Outcome(name, folder), manifest())))


def conn_log(text):
    """Rows of a Zeek conn.log by the names of its #fields line. The flow around a tunnel, which Zeek
    logs beside the one inside, is left out."""
    lines = text.splitlines()
    names = next(line for line in lines if line.startswith('#fields')).split('\t')[1:]
    data = [dict(zip(names, line.split('\t'))) for line in lines if line and not line.startswith('#')]
    parents = {uid for row in data for uid in row['tunnel_parents'].split(',')}
    return [row for row in data if row['uid'] not in parents]


def by_tuple(log):
    """Undirected five-tuple -> rows, in order of time where the log tells it."""
    out = collections.defaultdict(list)
    for row in log:
        ends = sorted(((row['id.orig_h'], row['id.orig_p']), (row['id.resp_h'], row['id.resp_p'])))
        out[row['proto'], *ends].append(row)
    return out


def turned(row):
    """A row seen from the other side."""
    out = dict(row)
    for a, b in (('id.orig_h', 'id.resp_h'), ('id.orig_p', 'id.resp_p'), ('orig_pkts', 'resp_pkts'),
                 ('orig_ip_bytes', 'resp_ip_bytes')):
        out[a], out[b] = row[b], row[a]
    return out
