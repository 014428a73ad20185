"""Times, and the two lifetimes: a record ends, its connection goes on."""
from decimal import Decimal

import pytest
from scapy.packet import Raw

from frames import A, B, Tcp, bulk_udp, eth, icmp, ip, udp
from harness import T0, at, every, flow, run_weir


def one_id(run):
    return len({r['flow_id'] for r in run.records}) == 1


# Records

def test_silence_under_the_idle_timeout(weir):
    weir.read([at(0, eth(udp())), at('29.9', eth(udp()))]).one(**flow(A, B, at=0, duration='29.9', pkts=(2, 0)))


def test_idle(weir):
    run = weir.read([at(0, eth(udp())), at(1, eth(udp(B, A))), at('31.1', eth(udp()))])
    run.are(flow(A, B, at=0, duration=1, pkts=(1, 1), end_reason='idle', open=True, record_no=1, conn_start=0),
            flow(A, B, at='31.1', duration=0, pkts=(1, 0), end_reason='forced', open=False, record_no=2, conn_start=0))
    assert one_id(run), run.dump()


def test_active(weir):
    """A packet after the active deadline belongs to the next record, of the same connection."""
    run = weir.read(every(0, '0.7', [eth(udp()) for _ in range(180)]))
    run.are(flow(A, B, at=0, duration='59.5', pkts=(86, 0), ip_bytes=(86 * 60, 0), end_reason='active',
                 open=True, record_no=1),
            flow(A, B, at='60.2', duration='59.5', pkts=(86, 0), end_reason='active', open=True, record_no=2),
            flow(A, B, at='120.4', duration='4.9', pkts=(8, 0), end_reason='forced', open=False, record_no=3,
                 conn_start=0))
    assert one_id(run), run.dump()


def test_idle_and_active_can_be_set(weir):
    frames = every(0, 2, [eth(udp()) for _ in range(6)])
    run = weir.read(frames, '--flow.idle', '1s')
    run.are(*[flow(A, B, at=2 * i, duration=0, record_no=i + 1, end_reason='idle' if i < 5 else 'forced')
              for i in range(6)])
    run = weir.read(frames, '--flow.active', '5s')
    run.are(flow(A, B, at=0, duration=4, pkts=(3, 0), end_reason='active'),
            flow(A, B, at=6, duration=4, pkts=(3, 0), record_no=2, end_reason='forced'))


def test_idle_flow_ends_while_others_talk(weir):
    """The deadline of a silent flow is kept by the sweep: its record says so, though no packet of its own came."""
    quiet = ('10.1.1.9', 7)
    frames = [at(0, eth(udp(quiet, B)))] + every(1, 1, [eth(udp()) for _ in range(50)])
    weir.read(frames).are(flow(quiet, B, pkts=(1, 0), end_reason='idle', open=True),
                          flow(A, B, pkts=(50, 0), end_reason='forced'))


# Connections

KEEP = {
    # class: packets of a connection in being, next packet, seconds kept
    'udp': (lambda: [eth(udp()), eth(udp(B, A))], lambda: eth(udp()), 120),
    'icmp': (lambda: [eth(icmp(A[0], B[0], 8)), eth(icmp(B[0], A[0], 0))], lambda: eth(icmp(A[0], B[0], 8)), 60),
    'other': (lambda: [eth(ip(A[0], B[0], proto=89) / Raw(bytes(44)))] * 2,
              lambda: eth(ip(A[0], B[0], proto=89) / Raw(bytes(44))), 60),
}


@pytest.mark.parametrize('name', KEEP)
def test_connection_is_kept(weir, name):
    opening, following, keep = KEEP[name]
    start = every(0, 1, opening())
    run = weir.read(start + [at(1 + keep - 2, following())])
    assert one_id(run) and [r['record_no'] for r in run.records] == [1, 2], run.dump()
    run = weir.read(start + [at(1 + keep + 2, following())])
    assert not one_id(run) and [r['record_no'] for r in run.records] == [1, 1], run.dump()


def connection():
    t = Tcp()
    return t, every(0, 1, t.open())


@pytest.mark.parametrize('pause, same', ((3598, True), (3602, False)))
def test_established_tcp_is_kept_1_h(weir, pause, same):
    t, frames = connection()
    run = weir.read(frames + [at(2 + pause, t.c('PA', 10))])
    assert one_id(run) == same, run.dump()
    assert [r['conn_state'] for r in run.records] == ['S1', 'S1' if same else 'OTH'], run.dump()


def test_half_open_tcp_is_kept_15_s(weir):
    t = Tcp()
    weir.read([at(0, t.c('S')), at(14, t.s('SA'))]).one(**flow(A, B, 'tcp', pkts=(1, 1)))
    weir.read([at(0, t.c('S')), at(17, t.s('A'))]).are(
        flow(A, B, 'tcp', at=0, pkts=(1, 0), open=False, conn_state='S0', end_reason='idle'),
        flow(B, A, 'tcp', at=17, pkts=(1, 0)))


def test_keep_can_be_set(weir):
    run = weir.read([at(0, eth(udp())), at(50, eth(udp()))], '--flow.keep.udp', '40s')
    run.are(flow(A, B, at=0, record_no=1, end_reason='idle'), flow(A, B, at=50, record_no=1, conn_start=50))
    assert not one_id(run), run.dump()


def test_totals_and_state_go_on_through_records(weir):
    """-f zeek has one row per connection, with the sums of all records; state and history are cumulative."""
    t, frames = connection()
    frames += [at(40, t.c('PA', 100)), at(41, t.s('A')), at(100, t.s('PA', 50)), at(101, t.c('A'))]
    frames += every(140, '0.1', t.close())
    run = weir.read(frames)
    going_on = {'conn_state': 'S1', 'end_reason': 'idle', 'open': True, 'conn_start': 0}
    over = {'conn_state': 'SF', 'end_reason': 'end', 'open': False, 'conn_start': 0}
    run.are(flow(A, B, 'tcp', record_no=1, pkts=(2, 1), bytes=(0, 0), history='ShA', **going_on),
            flow(A, B, 'tcp', record_no=2, pkts=(1, 1), bytes=(100, 0), history='ShADa', **going_on),
            flow(A, B, 'tcp', record_no=3, pkts=(1, 1), bytes=(0, 50), history='ShADad', **going_on),
            flow(A, B, 'tcp', record_no=4, pkts=(2, 1), bytes=(0, 0), history='ShADadFf', **over))
    assert one_id(run), run.dump()
    rows = zeek_rows(weir.capture(frames))
    assert len(rows) == 1, rows
    want = dict(orig_pkts='6', resp_pkts='4', orig_bytes='100', resp_bytes='50', conn_state='SF', history='ShADadFf',
                ts=f'{T0}.000000', duration='140.200000')
    assert {k: rows[0][k] for k in want} == want


def zeek_rows(path, *options):
    """Rows of a conn.log, by the names of its #fields line."""
    done = run_weir('read', '-f', 'zeek', *options, path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    names = next(line.split('\t')[1:] for line in lines if line.startswith('#fields'))
    return [dict(zip(names, line.split('\t'))) for line in lines if not line.startswith('#')]


def test_zeek_row_of_a_connection_whose_last_record_is_long_out(weir):
    """The record went at 30 s of silence; the row comes when the connection is given up."""
    frames = [at(0, eth(udp())), at(1, eth(udp(B, A))), at(200, eth(udp(B, A)))]
    rows = zeek_rows(weir.capture(frames))
    assert [(r['ts'], r['orig_pkts'], r['resp_pkts'], r['conn_state']) for r in rows] == [
        (f'{T0}.000000', '1', '1', 'SF'), (f'{T0 + 200}.000000', '1', '0', 'S0')]


def test_flow_ids_are_unique(weir):
    frames = [at(i // 100, bulk_udp((f'10.0.{i // 250}.{i % 250}', 5), B)) for i in range(2000)]
    run = weir.read(frames)
    assert len({r['flow_id'] for r in run.records}) == len(run.records) == 2000
    assert len({r['uid'] for r in run.records}) == 2000


# No timeouts

def test_no_timeouts(weir):
    run = weir.read([at(0, eth(udp())), at(1000, eth(udp(B, A))), at(100000, eth(udp()))], '--no-timeouts')
    run.one(**flow(A, B, at=0, duration=100000, pkts=(2, 1), record_no=1, end_reason='forced', open=False))


def test_no_timeouts_knows_the_end_of_tcp(weir):
    one, two = Tcp(), Tcp(isn=(90000, 800000))
    frames = every(0, 100, one.open()) + every(300, 1, one.close()) + every(600, 100, two.open())
    weir.read(frames, '--no-timeouts').are(
        flow(A, B, 'tcp', at=0, duration=302, pkts=(4, 2), end_reason='end', conn_state='SF'),
        flow(A, B, 'tcp', at=600, duration=200, pkts=(2, 1), end_reason='forced', conn_state='S1'))


# Times

def test_nanoseconds_are_cut(weir):
    """Times are floored; the duration is floored last less floored first."""
    weir.read([at('0.000001999', eth(udp())), at('1.000003001', eth(udp()))]).one(
        **flow(A, B, at='0.000001', duration='1.000002'))


def test_time_runs_back_inside_a_flow(weir):
    weir.read(every(10, 1, [eth(udp())]) + [at('9.5', eth(udp(B, A))), at(12, eth(udp()))]).one(
        **flow(A, B, at='9.5', duration='2.5', pkts=(2, 1)))


def test_time_runs_far_back(weir):
    """A second part of the capture is 500 s older: no negative duration, no packet lost."""
    frames = every(1000, 1, [eth(udp()) for _ in range(5)]) + every(500, 1, [eth(udp(B, A)) for _ in range(5)])
    run = weir.read(frames)
    assert sum(r['orig_pkts'] + r['resp_pkts'] for r in run.records) == 10
    assert run.ledger.count('late_packets') + run.ledger.count('clock_rebased') > 0, run.stderr


def test_clock_follows_a_capture_of_an_earlier_time(weir):
    """Ten minutes of one host, then ten earlier ones of another: both are cut into records in the same way."""
    other = ('10.1.1.9', 7)
    late = every(10_000, 1, [eth(udp()) for _ in range(600)])
    early = every(1000, 1, [eth(udp(other, B)) for _ in range(600)])
    run = weir.read(late + early)
    run.noted('clock_rebased', 1)
    for host in (A[0], other[0]):
        mine = [r for r in run.records if r['id.orig_h'] == host]
        assert len(mine) >= 9 and all(r['duration'] <= 60 for r in mine), run.dump(mine)
        assert len({r['flow_id'] for r in mine}) == 1, run.dump(mine)


def test_time_leaps_forward_and_back(weir):
    """One packet of the far future does not spoil what comes after it."""
    frames = [at(0, eth(udp())), at(10_000_000, eth(udp()))] + every(1, 1, [eth(udp(B, A)) for _ in range(5)])
    run = weir.read(frames)
    for r in run.records:
        assert 0 <= r['duration'] <= 60, run.dump()


def test_times_out_of_order_between_flows(weir):
    """Two taps merged badly: flows are told apart, and the output is in order of end time all the same."""
    frames = [at(Decimal(i) - Decimal(i % 3) / 2, bulk_udp((f'10.0.0.{i % 7}', 5), B)) for i in range(1, 100)]
    run = weir.read(frames)
    assert {r['id.orig_h'] for r in run.records} == {f'10.0.0.{i}' for i in range(7)}


def test_capture_that_begins_in_1970(weir):
    frames = every(-T0, 1, [eth(udp()), eth(udp(B, A))])
    weir.read(frames).one(**flow(A, B, at=-T0, duration=1, pkts=(1, 1)))
