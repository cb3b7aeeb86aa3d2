"""One e-mail, by the server that EMAIL_URL names: no database here, and no transaction around it."""

import time
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage

from reviews.services.post import Answered

NOWHERE = "django.core.mail.backends.dummy.EmailBackend"
TAKEN = 250  # what a mail server answers to a message that it took


def mail(address: str, *, message_id: str, subject: str, text: str) -> Answered:
    """Send it, once. Never raises: whatever goes wrong is in the answer, whose status is the mail server's.

    `message_id` is the same at each try, so that a mailbox that got it twice shows it once.
    """
    started = time.monotonic()
    status, error = None, ""
    try:
        if settings.EMAIL_BACKEND == NOWHERE:
            error = "EMAIL_URL is not set."
        elif _message(address, message_id=message_id, subject=subject, text=text).send():
            status = TAKEN
    except SMTPResponseException as refusal:
        status, error = refusal.smtp_code, f"{type(refusal).__name__}: {_readable(refusal.smtp_error)}"
    except SMTPRecipientsRefused as refusal:
        # One address was written to, so one was refused.
        ((status, said),) = refusal.recipients.values()
        error = f"{type(refusal).__name__}: {_readable(said)}"
    except (SMTPException, OSError, BadHeaderError, ValueError) as fault:
        error = f"{type(fault).__name__}: {fault}"
    return Answered(
        status=status,
        error=error[:300],
        response="",
        retry_after="",
        milliseconds=round((time.monotonic() - started) * 1000),
    )


def _message(address: str, *, message_id: str, subject: str, text: str) -> EmailMessage:
    headers = {"Message-ID": f"<{message_id}@countersign>"}
    return EmailMessage(subject=subject, body=text, to=[address], headers=headers)


def _readable(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
