"""An HTTPS endpoint on this machine, as a subscriber of SNS: what it got, and how it answers."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["HttpsEndpoint", "https_endpoint"]


@dataclass
class HttpsEndpoint:
    """What the endpoint got, and how it answers.

    Attributes:
        url: Its URL.
        confirms: Whether it visits the SubscribeURL of a SubscriptionConfirmation.
        statuses: The statuses of its next answers; 200 when there are none left.
        received: The messages: `headers` (lower-case names), and what SNS writes in the body.
    """

    url: str
    confirms: bool = True
    statuses: list[int] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)

    def got(self, kind: str = "Notification") -> list[dict[str, Any]]:
        """Returns the messages of a kind: `Notification` or `SubscriptionConfirmation`."""
        return [one for one in self.received if one["Type"] == kind]

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        """Takes a message. Returns the status of the answer."""
        document = json.loads(body)
        status = self.statuses.pop(0) if self.statuses else 200
        self.received.append({"headers": headers, **document})
        if self.confirms and status == 200 and document["Type"] == "SubscriptionConfirmation":
            self.confirm(document)
        return status

    def confirm(self, document: dict[str, Any]) -> None:
        """Does what the message asks for."""
        with urllib.request.urlopen(document["SubscribeURL"], timeout=20) as answer:
            assert b"SubscriptionArn" in answer.read()


@contextmanager
def https_endpoint(folder: Path, *, confirms: bool = True) -> Iterator[HttpsEndpoint]:
    """Serves an endpoint on 127.0.0.1, with a certificate of its own.

    Args:
        folder: Gets the certificate.
        confirms: Whether it confirms its subscriptions.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = endpoint.answer({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder / "endpoint.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        endpoint = HttpsEndpoint(f"https://127.0.0.1:{server.server_address[1]}/sns?key=1", confirms)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


def _certificate(file: Path) -> Path:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
