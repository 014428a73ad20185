"""TCP: the thirteen connection states and the letters of the history, as Zeek defines them; when a
connection ends, and what looks like an end but is none."""
import pytest

from frames import A, A6, B, B6, Tcp
from harness import Has, Lacks, at, every, flow

STEP = '0.1'


def packets(script, client=A, server=B):
    """'cS sSA cA cPA:100' -> packets of client (c) and server (s); ':n' is the payload."""
    t = Tcp(client, server)
    out = []
    for word in script.split():
        flags, _, size = word[1:].partition(':')
        out.append(getattr(t, word[0])(flags, int(size or 0)))
    return out


STATES = {
    # state, history: what came
    ('S0', 'S'): 'cS',
    ('S1', 'ShA'): 'cS sSA cA',
    ('S1', 'ShADad'): 'cS sSA cA cPA:100 sA sPA:300 cA',
    ('SF', 'ShADadFf'): 'cS sSA cA cPA:100 sA sPA:300 cFA sFA cA',
    ('SF', 'ShADadfF'): 'cS sSA cA cPA:100 sA sPA:300 sFA cFA sA',
    ('SF', 'ShAdDaFf'): 'cS sSA cA sPA:20 cPA:100 sA cFA sFA cA',
    ('SF', 'ShADFaf'): 'cS sSA cA cPA:100 cFA sA sFA cA',
    ('REJ', 'Sr'): 'cS sRA',
    ('S2', 'ShAFa'): 'cS sSA cA cFA sA',
    ('S3', 'ShAf'): 'cS sSA cA sFA cA',
    ('RSTO', 'ShADR'): 'cS sSA cA cPA:10 cR',
    ('RSTO', 'ShR'): 'cS sSA cR',
    ('RSTR', 'ShADr'): 'cS sSA cA cPA:10 sRA',
    ('RSTR', 'ShADFr'): 'cS sSA cA cPA:10 cFA sR',
    ('RSTOS0', 'SR'): 'cS cR',
    ('RSTRH', '^hr'): 'sSA sR',
    ('SH', 'SF'): 'cS cF',
    ('SHR', '^hf'): 'sSA sFA',
    ('OTH', 'D'): 'cPA:10',
    ('OTH', 'Aa'): 'cA sA',
    ('OTH', 'Dd'): 'cPA:10 sPA:10',
    ('OTH', '^h'): 'sSA',
}


@pytest.mark.parametrize('state, history', STATES)
def test_state(weir, state, history):
    weir.read(every(0, STEP, packets(STATES[state, history]))).one(
        **flow(A, B, 'tcp', conn_state=state, history=history))


def test_states_over_ipv6(weir):
    """All of them at once, each on a port of its own."""
    frames, want = [], []
    for port, ((state, history), script) in enumerate(STATES.items(), 1000):
        client = (A6[0], port)
        frames += every(len(want), STEP, packets(script, client, B6))
        want.append(flow(client, B6, 'tcp', conn_state=state, history=history,
                         end_reason='end' if state in ENDED else 'forced', open=False))
    weir.read(frames, '--no-timeouts').are(*want, any_order=True)


ENDED = {'SF', 'REJ', 'RSTO', 'RSTR', 'RSTOS0', 'RSTRH'}


@pytest.mark.parametrize('state, history', STATES)
def test_end_reason(weir, state, history):
    """FIN both ways and RST end a connection (reason 3); else the end of the capture does (reason 4)."""
    weir.read(every(0, STEP, packets(STATES[state, history]))).one(
        end_reason='end' if state in ENDED else 'forced', open=False)


HISTORIES = {
    'SYN retransmitted': ('S0', 'S', lambda t: [t.c('S'), t.c('S', seq=1000)]),
    'SYN with another number': ('S0', 'SS', lambda t: [t.c('S'), t.c('S', seq=1200)]),
    'data retransmitted': ('S1', 'ShADT', lambda t: t.open() + [t.c('PA', 10), t.c('PA', 10, seq=1001)]),
    'data retransmitted ten times': (
        'S1', 'ShADTT', lambda t: t.open() + [t.c('PA', 10)] + [t.c('PA', 10, seq=1001) for _ in range(10)]),
    'responder retransmits': (
        'S1', 'ShAdt', lambda t: t.open() + [t.s('PA', 10), t.s('PA', 10, seq=500001)]),
    'zero window': ('S1', 'ShADaw', lambda t: t.open() + [t.c('PA', 10), t.s('A', window=0)]),
    'zero window of the initiator': ('S1', 'ShAdW', lambda t: t.open() + [t.s('PA', 10), t.c('A', window=0)]),
    'gap': ('S1', 'ShAdg', lambda t: t.open() + [t.s('PA', 10), t.c('A', ack=500001 + 500)]),
    'gap of the initiator': ('S1', 'ShADaG', lambda t: t.open() + [t.c('PA', 10), t.s('A', ack=1001 + 500)]),
    'SYN with FIN': ('SH', 'Q', lambda t: [t.c('SF')]),
    'SYN with RST': ('RSTOS0', 'Q', lambda t: [t.c('SR')]),
    'FIN with RST': ('RSTO', 'ShAI', lambda t: t.open() + [t.c('FRA')]),
    'FIN with data': ('S2', 'ShAF', lambda t: t.open() + [t.c('FPA', 10)]),
    'FIN sent again': ('SF', 'ShAFf', lambda t: t.open() + [t.c('FA'), t.c('FA', seq=1001), t.s('FA')]),
    'responder seen first': ('S1', '^hA', lambda t: [t.s('SA', ack=1001), t.c('A', seq=1001)]),
}


@pytest.mark.parametrize('name', HISTORIES)
def test_history(weir, name):
    state, history, make = HISTORIES[name]
    weir.read(every(0, STEP, make(Tcp()))).one(history=history, conn_state=state)


def test_ack_of_unseen_data_is_counted(weir):
    """The link lost a segment before it reached the sensor."""
    t = Tcp()
    frames = t.open() + [t.s('PA', 10), t.c('A', ack=500001 + 500)]
    weir.read(every(0, STEP, frames)).noted('acked_unseen', 1)


def test_sequence_numbers_wrap(weir):
    """2^32 is a number like any other: no gap, no retransmission, and the RST is inside the window."""
    t = Tcp(isn=(2**32 - 20, 2**32 - 1))
    frames = t.open() + [t.c('PA', 100), t.s('A'), t.s('PA', 100), t.c('A'), t.c('PA', 100), t.s('R')]
    weir.read(every(0, STEP, frames)).one(conn_state='RSTR', history='ShADadr', quality=[], end_reason='end')


# The end of a connection

def test_late_ack_joins(weir):
    t = Tcp()
    frames = every(0, STEP, t.open() + t.close()) + [at(2, t.c('A')), at('3.5', t.s('A'))]
    weir.read(frames).one(**flow(A, B, 'tcp', pkts=(5, 3), conn_state='SF', end_reason='end', open=False))


def test_closed_connection_is_forgotten_after_2_s(weir):
    t = Tcp()
    frames = every(0, STEP, t.open() + t.close()) + [at(4, t.c('A'))]
    run = weir.read(frames)
    run.are(flow(A, B, 'tcp', pkts=(4, 2), conn_state='SF', end_reason='end', open=False),
            flow(A, B, 'tcp', at=4, pkts=(1, 0), record_no=1, conn_start=4, conn_state='OTH', quality=Has('midstream')))
    assert run.records[0]['flow_id'] != run.records[1]['flow_id']


def test_syn_on_a_closed_flow_starts_a_new_one(weir):
    """The same five-tuple again, within a second of the FIN."""
    one, two = Tcp(), Tcp(isn=(90000, 800000))
    frames = every(0, STEP, one.open() + one.close()) + every('0.9', STEP, two.open() + two.close())
    run = weir.read(frames)
    run.are(flow(A, B, 'tcp', at=0, duration='0.5', pkts=(4, 2), conn_state='SF', history='ShAFf', end_reason='end',
                 open=False, record_no=1, conn_start=0),
            flow(A, B, 'tcp', at='0.9', duration='0.5', pkts=(4, 2), conn_state='SF', history='ShAFf',
                 end_reason='end', open=False, record_no=1, conn_start='0.9'))
    assert run.records[0]['flow_id'] != run.records[1]['flow_id']


def test_syn_on_a_closed_flow_the_other_way_round(weir):
    one, two = Tcp(), Tcp(B, A, isn=(90000, 800000))
    weir.read(every(0, STEP, one.open() + one.close() + two.open())).are(
        flow(A, B, 'tcp', pkts=(4, 2)), flow(B, A, 'tcp', pkts=(2, 1)))


def test_syn_after_reset(weir):
    one, two = Tcp(), Tcp(isn=(90000, 800000))
    weir.read(every(0, STEP, one.open() + [one.c('R')] + two.open())).are(
        flow(A, B, 'tcp', pkts=(3, 1), conn_state='RSTO', end_reason='end'),
        flow(A, B, 'tcp', pkts=(2, 1), conn_state='S1'))


def test_syn_far_off_on_an_open_flow(weir):
    """Its sequence number is outside the window: a new connection, at once."""
    one, two = Tcp(), Tcp(isn=(3_000_000_000, 1_000_000_000))
    run = weir.read(every(0, STEP, one.open() + [one.c('PA', 10)] + two.open()))
    run.are(flow(A, B, 'tcp', at=0, duration='0.3', pkts=(3, 1), conn_state='S1', open=False),
            flow(A, B, 'tcp', at='0.4', pkts=(2, 1), conn_state='S1', record_no=1, conn_start='0.4'))
    assert run.records[0]['flow_id'] != run.records[1]['flow_id']


def test_syn_retransmission(weir):
    t = Tcp()
    frames = [at(0, t.c('S')), at(1, t.c('S', seq=1000)), at(3, t.c('S', seq=1000)), at(7, t.c('S', seq=1000)),
              at('7.1', t.s('SA')), at('7.2', t.c('A'))]
    weir.read(frames).one(**flow(A, B, 'tcp', pkts=(5, 1), conn_state='S1', history='ShA', record_no=1))


def test_syn_in_the_window_of_an_open_flow(weir):
    """An old SYN that comes again is a retransmission, also when data has passed."""
    t = Tcp()
    frames = t.open() + [t.c('PA', 100), t.s('A'), t.c('S', seq=1000), t.c('PA', 10)]
    weir.read(every(0, STEP, frames)).one(**flow(A, B, 'tcp', pkts=(5, 2), conn_state='S1'))


@pytest.mark.parametrize('pause, flows', ((14, 1), (16, 2)))
def test_syn_after_silence(weir, pause, flows):
    """After 15 s without a packet a SYN starts anew, even with a fitting number."""
    t = Tcp()
    frames = every(0, STEP, t.open()) + [at(0.2 + pause, t.c('S', seq=1000))]
    run = weir.read(frames)
    assert len({r['flow_id'] for r in run.records}) == flows, run.dump()


def test_data_after_reset_cancels_it(weir):
    """The peer talks on: the RST was forged, or never arrived."""
    t = Tcp()
    frames = t.open() + [t.c('R'), t.s('PA', 100), t.c('A'), t.s('PA', 100), t.c('A')]
    run = weir.read(every(0, STEP, frames))
    run.one(**flow(A, B, 'tcp', pkts=(5, 3), end_reason='forced', open=False, quality=Has('reset_ignored')))
    run.noted('resets_ignored', 1)


def test_data_of_the_resetting_side_does_not_cancel(weir):
    t = Tcp()
    frames = t.open() + [t.c('R'), t.c('PA', 10)]
    weir.read(every(0, STEP, frames)).one(end_reason='end', conn_state='RSTO', quality=Lacks('reset_ignored'))


def test_ack_after_reset_does_not_cancel(weir):
    """Only payload shows that the peer is still there."""
    t = Tcp()
    frames = t.open() + [t.c('R'), t.s('A')]
    weir.read(every(0, STEP, frames)).one(end_reason='end', conn_state='RSTO', quality=[])


def test_reset_outside_the_window(weir):
    t = Tcp()
    frames = t.open() + [t.c('PA', 10), t.s('R', seq=3_000_000_000), t.s('A')]
    run = weir.read(every(0, STEP, frames))
    run.one(**flow(A, B, 'tcp', pkts=(3, 3), end_reason='forced', conn_state='S1', quality=['reset_ignored']))
    run.noted('resets_ignored', 1)


def test_cancelled_reset_does_not_shorten_the_connection(weir):
    """10 s later it is still the same connection."""
    t = Tcp()
    frames = every(0, STEP, t.open() + [t.s('R', seq=3_000_000_000)]) + [at(10, t.c('PA', 10)), at(11, t.s('A'))]
    weir.read(frames).one(**flow(A, B, 'tcp', pkts=(3, 3), record_no=1))


def test_reset_answering_a_syn(weir):
    """Its sequence number is 0 (RFC 9293 §3.10.7.1), far from anything: still a rejection."""
    t = Tcp()
    weir.read(every(0, STEP, [t.c('S'), t.s('RA', seq=0)])).one(
        conn_state='REJ', end_reason='end', quality=Lacks('reset_ignored'))


def test_fin_scan(weir):
    """A lone FIN, answered by a reset that has no number to fit."""
    t = Tcp()
    weir.read(every(0, STEP, [t.c('F'), t.s('RA', seq=0)])).one(
        **flow(A, B, 'tcp', pkts=(1, 1), history='Fr', conn_state='RSTR'))


# Handshake and first packets

def test_round_trip_time(weir):
    """SYN to SYN-ACK, and SYN-ACK to ACK."""
    t = Tcp()
    frames = [at(0, t.c('S')), at('0.015', t.s('SA')), at('0.0157', t.c('A')), at(1, t.c('PA', 10))]
    document, = weir.documents(frames)
    assert document['weir']['rtt_us'] == 15700


def test_no_round_trip_time_without_handshake(weir):
    t = Tcp()
    document, = weir.documents(every(0, STEP, [t.s('SA'), t.c('A')]))
    assert 'rtt_us' not in document['weir']


def test_first_flags_and_totals(weir):
    """First flags are of the first packet of each side, also in later records."""
    t = Tcp()
    frames = every(0, STEP, t.open()) + [at(40, t.c('PA', 10)), at(41, t.s('FA'))]
    documents = weir.documents(frames)
    assert [d['weir']['record_no'] for d in documents] == [1, 2]
    for side, first, last, total in (('source', 0x02, 0x18, 0x1A), ('destination', 0x12, 0x11, 0x13)):
        later = documents[1]['weir'][side]
        assert (later['flags_first'], later['flags'], later['flags_total']) == (first, last, total)
        assert later['total']['packets'] == (3 if side == 'source' else 2)


def test_least_and_greatest_ttl(weir):
    t = Tcp()
    opening = t.open()
    for packet, ttl in zip(opening, (64, 120, 62)):
        packet['IP'].ttl = ttl
    document, = weir.documents(every(0, STEP, opening))
    source, destination = document['weir']['source'], document['weir']['destination']
    assert (source['ttl_min'], source['ttl_max']) == (62, 64)
    assert (destination['ttl_min'], destination['ttl_max']) == (120, 120)


# Quality

def test_a_whole_connection_has_no_mark(weir):
    t = Tcp()
    frames = t.open() + [t.c('PA', 100), t.s('A'), t.s('PA', 100), t.c('A')] + t.close()
    weir.read(every(0, STEP, frames)).one(quality=[], missed_bytes=0)


def test_midstream(weir):
    t = Tcp()
    weir.read(every(0, STEP, [t.c('PA', 10), t.s('A')])).one(quality=['midstream'])


def test_one_sided(weir):
    t = Tcp()
    weir.read(every(0, STEP, [t.c('S'), t.c('A'), t.c('PA', 100)])).one(quality=Has('one_sided'))
    weir.read(every(0, STEP, [t.c('PA', 10), t.c('PA', 10)])).one(quality=['midstream', 'one_sided'])


def test_history_cut(weir):
    """Thirty FINs with thirty numbers: 27 letters are kept."""
    t = Tcp()
    frames = t.open() + [t.c('FA') for _ in range(30)]
    run = weir.read(every(0, STEP, frames))
    run.one(**flow(A, B, 'tcp', history=('ShA' + 'F' * 30)[:27], quality=Has('history_cut')))
