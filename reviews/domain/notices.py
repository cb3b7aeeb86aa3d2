"""What people are told, in plain sentences: of which events, and with which words.

Nothing of a payload and no text from upstream is in a notification: it passes through mailboxes and chat rooms. It
names the workflow and the registered action, and links to the page that shows the rest to whoever may see it.
"""

from collections.abc import Mapping
from typing import Any, Final

from reviews.domain.vocabulary import ChannelKind, EventKind, Notice

OF_TICKETS: Final = frozenset({Notice.TICKET_ESCALATED, Notice.TICKET_REMINDED})
"""Those that come by the dozen, and are gathered into one."""

OF_THE_LOG: Final = {
    "log_broken": "the log is not what was sealed. Nothing runs alone and no permit is issued",
    "restored": "the database was put back to an earlier state. Nothing runs alone and no permit is issued",
}
"""Alarms of the sealer's, and what is said of each."""


def notice_of(kind: EventKind, body: Mapping[str, Any]) -> Notice | None:
    """What people are told of an event with this body; None where it is nobody's news."""
    match kind:
        case EventKind.TICKET_ESCALATED:
            return Notice.TICKET_ESCALATED
        case EventKind.TICKET_REMINDED:
            return Notice.TICKET_REMINDED
        case EventKind.ALARM_RAISED:
            return Notice.ENDPOINT_DISABLED if "what" in body else Notice.ALARM_RAISED
        case EventKind.POLICY_CHANGED:
            return {
                "withdrawn": Notice.AUTONOMY_WITHDRAWN,
                "paused": Notice.STOP,
                "resumed": Notice.STOP,
            }.get(str(body.get("kind")))
    return None


def sentence(notice: Notice, body: Mapping[str, Any], *, workflow: str, about: str, by: str) -> str:
    """What is said of an event with this body. `workflow` and `about` are titles, `by` is who did it; each may be "".

    `about` is the action of a ticket or alarm where it is registered, the client of an endpoint, or the channel.
    """
    everything = workflow or "Everything"
    what = f" ({about})" if about else ""
    match notice:
        case Notice.TICKET_ESCALATED:
            why = "has waited past its time" if body.get("cause") == "due" else "was passed on by a reviewer"
            return f"{workflow}: a ticket{what} {why} and is escalated."
        case Notice.TICKET_REMINDED:
            share = "nine tenths" if body.get("share") == "nine_tenths" else "half"
            return f"{workflow}: a ticket{what} has waited {share} of its time."
        case Notice.ALARM_RAISED if body.get("kind") in OF_THE_LOG:
            return f"{everything}: {OF_THE_LOG[str(body['kind'])]}; people can go on deciding."
        case Notice.ALARM_RAISED:
            return f"{everything}: an alarm is raised: {str(body.get('kind', '')).replace('_', ' ')}{what}."
        case Notice.AUTONOMY_WITHDRAWN:
            return f"{workflow}: evidence withdrew autonomy. Version {body.get('version')} is in force; people decide."
        case Notice.ENDPOINT_DISABLED if body.get("what") == "channel_disabled":
            return f"The channel {about} is disabled: nothing is sent to it any more."
        case Notice.ENDPOINT_DISABLED:
            return f"A webhook endpoint of {about} is disabled: nothing is sent to it any more."
        case Notice.STOP:
            done = "is paused: nothing of it runs alone" if body.get("kind") == "paused" else "runs by its policy again"
            return f"{everything} {done}{f', by {by}' if by else ''}."


def sentence_of_many(notice: str, *, count: int, workflow: str) -> str:
    """What is said of several tickets at once."""
    what = "are escalated" if notice == Notice.TICKET_ESCALATED else "have waited half of their time or more"
    return f"{workflow}: {count} tickets {what}."


def message_for(kind: str, *, said: str, link: str) -> dict[str, str]:
    """What is sent: an e-mail's `subject` and `text`, or the body that an incoming webhook of Slack's takes."""
    if kind == ChannelKind.SLACK:
        return {"text": f"{_for_slack(said)} <{link}|Open>"}
    return {"subject": " ".join(f"[Countersign] {said}".split()), "text": f"{said}\n\n{link}\n"}


def _for_slack(text: str) -> str:
    """As Slack wants it written: these three signs have a meaning there, such as telling everybody in the room."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
