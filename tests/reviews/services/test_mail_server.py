"""E-mail through the outbox to a mail server: a real one, over real sockets, with TLS and a log-in where it asks."""

import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import LazySettings

from config import env
from reviews.domain.vocabulary import ChannelKind, DeliveryState, Notice
from reviews.models import Attempt, Channel, Delivery, Ticket
from reviews.services.deliver import deliver_due
from reviews.services.settle import escalate_due
from tests import factories as make
from tests.factories import NOW
from tests.product import free_port

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:aiosmtpd")]
DUE = NOW + timedelta(hours=100)
LATER = DUE + timedelta(minutes=1)
AGAIN = LATER + timedelta(hours=1)


class MailServer:
    """`refused` and `cut_off` say what it does with an address; `mails` is what it took, in `sessions`."""

    def __init__(self, **asks: Any) -> None:
        self.asks = asks
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.sessions: list[Session] = []
        self.refused: set[str] = set()
        self.cut_off: set[str] = set()
        self.controller: Controller | None = None

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **self.asks)
        self.controller.start()

    def stop(self) -> None:
        if self.controller:
            self.controller.stop(no_assert=True)

    async def handle_RCPT(  # noqa: N802  the name is the library's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.sessions.append(session)
        if self.cut_off & set(envelope.rcpt_tos):
            assert server.transport is not None
            server.transport.abort()
        return "250 Taken"


def let_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    known = isinstance(given, LoginPassword) and (given.login, given.password) == (b"console", b"p@ss")
    return AuthResult(success=known, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(tz=UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def plain() -> Iterator[MailServer]:
    """One that takes anything, as inside a house."""
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def strict(certificate: Path) -> Iterator[MailServer]:
    """One that takes nothing before TLS and a log-in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = MailServer(tls_context=context, require_starttls=True, authenticator=let_in, auth_required=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ticket() -> Ticket:
    """One that will fall due; Omar has what is escalated, and is told by e-mail."""
    workflow = make.make_workflow(sla_minutes=100)
    make.make_live_policy(workflow)
    make.omar()
    Channel.objects.create(title="Mail", kind=ChannelKind.EMAIL, notices=[Notice.TICKET_ESCALATED])
    return make.gate_of(make.submit_one(confidence=0.1))


def by(url: str, *, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-mail leaves by this EMAIL_URL."""
    monkeypatch.setenv("EMAIL_URL", url)
    for name, value in env.mail("EMAIL_URL").items():
        setattr(settings, name, value)
    settings.EMAIL_TIMEOUT = 5


def tried() -> tuple[str, list[tuple[int | None, str]]]:
    """Where the one delivery stands, and the status and the error of each of its tries."""
    tries = Attempt.objects.order_by("number").values_list("status", "error")
    return Delivery.objects.get().state, list(tries)


def test_an_escalation_arrives_by_starttls_and_a_log_in(ticket, strict, certificate, settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    by(f"smtp://console:p%40ss@localhost:{strict.port}", settings=settings, monkeypatch=monkeypatch)
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    assert tried() == (DeliveryState.DELIVERED, [(250, "")])
    (mail,), (session,) = strict.mails, strict.sessions
    assert session.ssl is not None
    assert session.authenticated
    assert mail["To"] == "omar@example.org"
    assert mail["From"] == "Countersign <countersign@localhost>"
    assert mail["Subject"] == (
        "[Countersign] Support: a ticket (Refund fee) has waited past its time and is escalated."
    )
    assert mail["Message-ID"] == f"<{Delivery.objects.get().pk}@countersign>"
    assert f"http://localhost:8000/tickets/{ticket.pk}/" in mail.get_content()


def test_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_mail(ticket, strict, settings, monkeypatch):
    by(f"smtp://console:p%40ss@localhost:{strict.port}", settings=settings, monkeypatch=monkeypatch)
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    state, [(status, error)] = tried()
    assert (state, status) == (DeliveryState.WAITING, None)
    assert "CERTIFICATE_VERIFY_FAILED" in error
    assert strict.mails == []


def test_a_wrong_password_is_in_the_try_and_it_comes_again(ticket, strict, certificate, settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    by(f"smtp://console:wrong@localhost:{strict.port}", settings=settings, monkeypatch=monkeypatch)
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    state, [(status, error)] = tried()
    assert (state, status, error[:27]) == (DeliveryState.WAITING, 535, "SMTPAuthenticationError: 5.")
    by(f"smtp://console:p%40ss@localhost:{strict.port}", settings=settings, monkeypatch=monkeypatch)
    deliver_due(now=AGAIN)
    assert tried()[0] == DeliveryState.DELIVERED
    assert len(strict.mails) == 1


def test_a_recipient_that_is_refused_is_tried_again_and_keeps_nobody_else_waiting(ticket, plain, settings, monkeypatch):
    by(f"smtp://localhost:{plain.port}?tls=0", settings=settings, monkeypatch=monkeypatch)
    make.make_user("lea", groups=[ticket.workflow.escalation_group.name])
    plain.refused.add("omar@example.org")
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    assert [mail["To"] for mail in plain.mails] == ["lea@example.org"]
    refused = Delivery.objects.get(recipient=make.omar())
    assert refused.state == DeliveryState.WAITING
    assert refused.next_attempt_at > LATER
    attempt = refused.attempts.get()
    assert (attempt.status, attempt.error) == (550, "SMTPRecipientsRefused: 5.1.1 No such mailbox")

    plain.refused.clear()
    deliver_due(now=AGAIN)
    assert [mail["To"] for mail in plain.mails] == ["lea@example.org", "omar@example.org"]
    refused.refresh_from_db()
    assert refused.state == DeliveryState.DELIVERED


def test_a_server_that_is_down_is_tried_again_until_it_is_back(ticket, plain, settings, monkeypatch):
    by(f"smtp://localhost:{plain.port}?tls=0", settings=settings, monkeypatch=monkeypatch)
    plain.stop()
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    state, [(status, error)] = tried()
    assert (state, status) == (DeliveryState.WAITING, None)
    assert "ConnectionRefusedError" in error
    assert Channel.objects.get().failing_since is not None

    plain.start()
    deliver_due(now=AGAIN)
    assert tried()[0] == DeliveryState.DELIVERED
    assert len(plain.mails) == 1
    assert Channel.objects.get().failing_since is None


def test_a_server_that_dies_before_it_answers_gets_the_same_message_again(ticket, plain, settings, monkeypatch):
    by(f"smtp://localhost:{plain.port}?tls=0", settings=settings, monkeypatch=monkeypatch)
    plain.cut_off.add("omar@example.org")
    escalate_due(now=DUE)
    deliver_due(now=LATER)
    state, [(status, error)] = tried()
    assert (state, status) == (DeliveryState.WAITING, None)
    assert error.startswith(smtplib.SMTPServerDisconnected.__name__)

    plain.cut_off.clear()
    deliver_due(now=AGAIN)
    assert tried()[0] == DeliveryState.DELIVERED
    first, second = plain.mails  # The mailbox shows them as one.
    assert first["Message-ID"] == second["Message-ID"]
