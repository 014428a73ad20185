"""TLS to collectors: who does not prove who it is gets nothing and one clear line says why; who does gets the same
octets as over TCP."""
import os
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from collector import Load, Stream, config, family_of, has_ipv6, wait_for

RECORDS = 3000


def openssl(directory, *words):
    subprocess.run(['openssl', *words], cwd=directory, check=True, capture_output=True)


def make_authority(directory, name):
    openssl(directory, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
            '-keyout', f'{name}.key', '-out', f'{name}.pem', '-subj', f'/CN={name}')


def make_certificate(directory, name, authority, names, days=30):
    (directory / f'{name}.ext').write_text(f'subjectAltName={names}\n')
    openssl(directory, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
            '-keyout', f'{name}.key', '-out', f'{name}.csr', '-subj', f'/CN={name}')
    openssl(directory, 'x509', '-req', '-in', f'{name}.csr', '-CA', f'{authority}.pem', '-CAkey', f'{authority}.key',
            '-CAcreateserial', '-days', str(days), '-extfile', f'{name}.ext', '-out', f'{name}.pem')


@pytest.fixture(scope='module')
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp('certificates')
    make_authority(directory, 'ca')
    make_authority(directory, 'other')
    make_certificate(directory, 'collector', 'ca', 'DNS:localhost,IP:127.0.0.1,IP:::1')
    make_certificate(directory, 'elsewhere', 'ca', 'DNS:collector.example')
    make_certificate(directory, 'expired', 'ca', 'DNS:localhost,IP:127.0.0.1', days=-1)
    make_certificate(directory, 'sensor', 'ca', 'DNS:sensor')
    make_certificate(directory, 'stranger', 'other', 'DNS:sensor')
    return directory


class Server:
    """Takes connections one after the other, and keeps what it could decrypt."""

    def __init__(self, context=None, plain=False, after=None, host='127.0.0.1'):
        self.context, self.plain, self.after = context, plain, after
        self.data, self.names, self.ended = b'', [], 0
        self.listener = socket.create_server((host, 0), family=family_of(host))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self._serve(connection)
            except (ssl.SSLError, OSError):
                pass
            self.ended += 1
            connection.close()

    def _serve(self, connection):
        if self.plain and self.context is None:
            connection.recv(3)
            connection.sendall(b'220 this is not TLS\r\n')
            return
        stream = connection
        if self.context:
            stream = self.context.wrap_socket(connection, server_side=True)
        while octets := stream.recv(65536):
            self.data += octets
        stream.close()

    def close(self):
        self.listener.close()


def context(directory, name, ask=True):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(directory / f'{name}.pem', directory / f'{name}.key')
    if ask:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(directory / 'ca.pem')
    return made


def section(directory, port, **more):
    def path(name):
        return str(directory / name)
    made = {'name': 'c', 'transport': 'tls', 'host': 'localhost', 'port': port, 'ca': path('ca.pem'),
            'cert': path('sensor.pem'), 'key': path('sensor.key'), 'options': 'never', 'reconnect': '1m'}
    made.update(more)
    return {k: v for k, v in made.items() if v is not None}


def run(tmp_path, server, collector, says=None, records=RECORDS):
    """Runs until it says so, then ends it; returns what it had to say."""
    load = Load(tmp_path, config(collector, flush='1m'), records, 0)
    try:
        if says:
            wait_for(lambda: says in load.said() or load.process.poll() is not None, says)
            load.terminate()
        else:
            load.wait_until(lambda one: one.of()['sent'] > 0 and one.last['handed'] == records, 'records to be sent')
            load.terminate()  # with what its last message holds
    finally:
        if load.process.poll() is None:
            load.kill()
        server.close()
    return load.said()


WRONG = {
    'authority': ('collector', {'ca': 'other.pem'}, "certificate is refused"),
    'name': ('elsewhere', {}, "certificate does not name localhost"),
    'address': ('elsewhere', {'host': '127.0.0.1'}, "certificate does not name 127.0.0.1"),
    'date': ('expired', {}, "certificate has expired"),
    'peer': ('collector', {'peer': 'other.example'}, "certificate does not name other.example"),
}


@pytest.mark.parametrize('what', WRONG)
def test_wrong_collector_gets_nothing(certificates, tmp_path, what):
    name, more, says = WRONG[what]
    if 'ca' in more:
        more = {'ca': str(certificates / more['ca'])}
    server = Server(context(certificates, name))
    said = run(tmp_path, server, section(certificates, server.port, **more), says)
    assert says in said
    assert 'connected to' not in said
    assert server.data == b''


def test_plaintext_collector_gets_nothing(certificates, tmp_path):
    server = Server(plain=True)
    said = run(tmp_path, server, section(certificates, server.port), 'TLS')
    assert 'does not speak TLS' in said or 'does the peer speak TLS?' in said
    assert server.data == b'' and 'connected to' not in said


def test_collector_that_refuses_us(certificates, tmp_path):
    server = Server(context(certificates, 'collector'))
    collector = section(certificates, server.port, cert=str(certificates / 'stranger.pem'),
                        key=str(certificates / 'stranger.key'))
    said = run(tmp_path, server, collector, 'the peer refused us')
    assert 'unknown CA' in said
    assert server.data == b''


def refused_at_once(tmp_path, collector):
    load = Load(tmp_path, config(collector), 1, 0)
    load.process.wait(30)
    load.thread.join()
    assert load.process.returncode == 2
    return load.said()


def test_ipfix_needs_a_certificate_of_its_own(certificates, tmp_path):
    said = refused_at_once(tmp_path, section(certificates, 4740, cert=None, key=None))
    assert 'cert' in said and '11.3' in said


def test_unusable_files_are_named(certificates, tmp_path):
    assert 'no-such.pem' in refused_at_once(tmp_path, section(certificates, 4740, ca='no-such.pem'))
    said = refused_at_once(tmp_path, section(certificates, 4740, key=str(certificates / 'stranger.key')))
    assert 'stranger.key' in said


@pytest.mark.parametrize('ask', [False, True], ids=['not asked', 'asked'])
def test_json_may_go_without_a_certificate(certificates, tmp_path, ask):
    server = Server(context(certificates, 'collector', ask=ask))
    collector = section(certificates, server.port, cert=None, key=None, profile='json')
    said = run(tmp_path, server, collector, 'the peer refused us' if ask else None)
    assert server.data.count(b'\n') == (0 if ask else RECORDS), said


def untimed(data):
    """Export times differ."""
    out, at = b'', 0
    while at < len(data):
        length = struct.unpack_from('!H', data, at + 2)[0]
        out += data[at:at + 4] + data[at + 8:at + length]
        at += length
    return out


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_same_octets_as_over_tcp(certificates, tmp_path, version):
    made = context(certificates, 'collector')
    made.minimum_version = made.maximum_version = version
    server, plain = Server(made), Server()
    run(tmp_path, server, section(certificates, server.port))
    run(tmp_path, plain, section(certificates, plain.port, transport='tcp', ca=None, cert=None, key=None))
    wait_for(lambda: server.ended and plain.ended, 'both to read to the end')
    assert len(Stream().feed(server.data)) == RECORDS
    assert untimed(server.data) == untimed(plain.data)


@pytest.mark.skipif(not has_ipv6(), reason='no IPv6 here')
def test_address_of_ipv6_is_verified(certificates, tmp_path):
    server, other = (Server(context(certificates, name), host='::1') for name in ('collector', 'elsewhere'))
    run(tmp_path, server, section(certificates, server.port, host='::1'))
    wait_for(lambda: server.ended, 'the collector to read to the end')
    assert len(Stream().feed(server.data)) == RECORDS
    said = run(tmp_path, other, section(certificates, other.port, host='::1'), 'certificate does not name ::1')
    assert other.data == b'', said


def test_certificate_that_is_not_there_is_named(certificates, tmp_path):
    said = refused_at_once(tmp_path, section(certificates, 4740, cert='/no/such.pem'))
    assert said == 'export.collectors[0]: cert: /no/such.pem: cannot be used: No such file or directory\n'


@pytest.mark.parametrize('name', ['ca', 'cert', 'key'])
def test_a_fifo_is_not_waited_for(certificates, tmp_path, name):
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    said = refused_at_once(tmp_path, section(certificates, 4740, **{name: str(fifo)}))
    assert said == f'export.collectors[0]: {name}: {fifo}: is a FIFO or pipe, expected a regular file\n'


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_old_versions_are_not_spoken(certificates, tmp_path):
    made = context(certificates, 'collector')
    made.minimum_version = ssl.TLSVersion.TLSv1
    made.maximum_version = ssl.TLSVersion.TLSv1_1
    server = Server(made)
    said = run(tmp_path, server, section(certificates, server.port), 'next attempt')
    assert 'connected to' not in said and server.data == b''
