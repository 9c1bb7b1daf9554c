"""The local CA: one for the machine, kept safely, trusted by the bundle, replaced in time."""

import socket
import ssl
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
import trustme
from cryptography import x509

from understudy.authority import Authority, current_roots
from understudy.errors import ConfigError
from understudy.home import make_once, write_private
from understudy.server_tls import context_from_files


def roots(bundle: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle.read_bytes())


def talk_tls(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """One TLS handshake over a real socket; the protocol agreed on. Raises ssl.SSLError as the client does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            connection.settimeout(10)
            try:
                with server.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as plain,
                client.wrap_socket(plain, server_hostname=name) as secured,
            ):
                return secured.selected_alpn_protocol()
        finally:
            thread.join(10)


def test_a_second_start_finds_the_same_authority(tmp_path: Path) -> None:
    first = Authority.of_home(tmp_path)
    assert Authority.of_home(tmp_path).ca_file.read_bytes() == first.ca_file.read_bytes()
    assert first.expires > datetime.now(UTC) + timedelta(days=3650)


def test_the_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = Authority.of_home(tmp_path).ca_file.parent
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_processes_that_start_at_once_use_one_authority(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def start(_: int) -> bytes:
        barrier.wait(10)
        return Authority.of_home(tmp_path).ca_file.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(8)))) == 1
    assert [entry.name for entry in (tmp_path / "authority").iterdir()] == ["1"]  # nothing left aside


def test_an_authority_near_its_end_gets_one_successor(tmp_path: Path) -> None:
    first = Authority.of_home(tmp_path)
    late = first.expires - timedelta(days=30)
    second = Authority.of_home(tmp_path, late)
    assert second.ca_file.parent.name == "2"
    assert second.ca_file.read_bytes() != first.ca_file.read_bytes()
    assert Authority.of_home(tmp_path).ca_file == second.ca_file


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "gateway.test"])
def test_a_client_with_the_bundle_trusts_our_servers_under_every_name(tmp_path: Path, name: str) -> None:
    authority = Authority.of_home(tmp_path)
    bundle = authority.write_bundle({}, tmp_path / "bundle.pem")
    client = ssl.create_default_context(cafile=str(bundle))
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert talk_tls(authority.server_context(["gateway.test"]), client, name) == "http/1.1"


def test_a_client_without_the_bundle_does_not_trust_our_servers(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        talk_tls(Authority.of_home(tmp_path).server_context(), ssl.create_default_context(), "localhost")


def test_a_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate for"):
        Authority.of_home(tmp_path).server_context(["bad name \N{SNOWMAN}.."])


def test_the_bundle_keeps_the_roots_that_the_user_trusts(tmp_path: Path) -> None:
    corporate, extra = tmp_path / "corporate.pem", tmp_path / "extra.pem"
    trustme.CA(organization_name="Corporate").cert_pem.write_to_path(str(corporate))
    trustme.CA(organization_name="Extra").cert_pem.write_to_path(str(extra))
    authority = Authority.of_home(tmp_path)
    environ = {"SSL_CERT_FILE": str(corporate), "NODE_EXTRA_CA_CERTS": str(extra), "REQUESTS_CA_BUNDLE": "/missing"}
    bundle = authority.write_bundle(environ, tmp_path / "bundle.pem")
    expected = [*roots(authority.ca_file), *roots(corporate), *roots(extra)]
    assert roots(bundle) == expected


def test_without_roots_of_the_users_own_the_bundle_has_certifis(tmp_path: Path) -> None:
    bundle = Authority.of_home(tmp_path).write_bundle({}, tmp_path / "bundle.pem")
    trusted, standard = (
        ssl.create_default_context(cafile=str(path)).get_ca_certs(binary_form=True)
        for path in (bundle, certifi.where())
    )
    assert set(standard) < set(trusted)


def test_a_folder_of_roots_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "roots"
    folder.mkdir()
    for number in range(2):
        trustme.CA().cert_pem.write_to_path(str(folder / f"{number}.pem"))
    assert len(current_roots({"REQUESTS_CA_BUNDLE": str(folder)})) == 2


def test_a_bundle_made_from_itself_does_not_grow_and_forgets_old_authorities(tmp_path: Path) -> None:
    corporate, bundle = tmp_path / "corporate.pem", tmp_path / "bundle.pem"
    trustme.CA(organization_name="Corporate").cert_pem.write_to_path(str(corporate))
    first = Authority.of_home(tmp_path)
    first.write_bundle({"SSL_CERT_FILE": str(corporate)}, bundle)
    before = bundle.read_bytes()
    environ = {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)}
    first.write_bundle(environ, bundle)
    assert bundle.read_bytes() == before
    second = Authority.of_home(tmp_path, first.expires)
    second.write_bundle(environ, bundle)
    assert roots(bundle) == [*roots(second.ca_file), *roots(corporate)]


def test_a_damaged_authority_is_named_in_one_line(tmp_path: Path) -> None:
    folder = Authority.of_home(tmp_path).ca_file.parent
    other = Authority.of_home(tmp_path / "other").ca_file.parent
    for name, data in (("ca.pem", b"rubbish"), ("ca.pem", (other / "ca.pem").read_bytes())):
        write_private(folder / name, data)
        with pytest.raises(ConfigError, match=r"the local CA is damaged .*delete") as caught:
            Authority.of_home(tmp_path)
        assert "\n" not in str(caught.value)
    (folder / "key.pem").unlink()
    with pytest.raises(ConfigError, match="damaged"):
        Authority.of_home(tmp_path)


def test_the_users_own_certificate_serves(tmp_path: Path) -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(str(certificate))
    leaf.private_key_pem.write_to_path(str(key))
    client = ssl.create_default_context()
    ca.configure_trust(client)
    talk_tls(context_from_files(certificate, key), client, "localhost")
    with pytest.raises(ConfigError, match="not a certificate and its key"):
        context_from_files(key, certificate)
    with pytest.raises(ConfigError, match=r"--tls-key: .*no such file"):
        context_from_files(certificate, tmp_path / "nothing.pem")


def test_a_folder_is_made_once_and_left_alone_after(tmp_path: Path) -> None:
    target = tmp_path / "below" / "target"
    make_once(target, lambda folder: write_private(folder / "a", b"1"))
    make_once(target, lambda folder: write_private(folder / "a", b"2"))
    assert (target / "a").read_bytes() == b"1"
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]


def test_a_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        make_once(tmp_path / "file" / "folder", lambda folder: None)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_private(tmp_path / "file" / "key", b"")
