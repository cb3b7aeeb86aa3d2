"""What templates need in order to print: untrusted text, figures, times. No tag decides anything."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from policies.domain.figures import confidence_figure, grouped, per_cent
from policies.domain.spec import plain_decimal
from policies.domain.vocabulary import ReasonCode, VerdictKind
from reviews.domain import changes, text, typeset
from reviews.domain.fields import text_of
from reviews.domain.vocabulary import DecisionStatus, OutcomeKind, OutcomeMethod, Theme, TicketKind, TicketState
from reviews.permissions import is_lead, is_reviewer, may_read_log, may_see_status
from reviews.queries import Precedent, RecentVerdict
from reviews.queries.queue import COUNTED_UP_TO
from reviews.queries.standing import stops, theme_of

register = template.Library()

NOTHING: Final = mark_safe("")


@register.simple_tag
def untrusted(value: object) -> SafeString:
    """Text from upstream, in a direction of its own, with everything in it that hides or imitates made visible."""
    return format_html('<bdi class="untrusted">{}</bdi>', _printed(text.segments(text_of(value))))


@register.simple_tag
def typeset_text(value: object) -> SafeString:
    """A draft as typeset text; every stretch of it is untrusted."""
    return _joined(_block(block) for block in typeset.typeset(text_of(value)))


@register.simple_tag
def marked_changes(runs: Iterable[changes.Run]) -> SafeString:
    """Both versions of a text in one: removed runs struck out, added ones underlined."""
    return format_html('<bdi class="untrusted">{}</bdi>', _joined(_run(run) for run in runs))


@register.filter
def figure(value: object, least: object = None) -> str:
    """A share or a confidence to two decimals, and more where they would put it on the wrong side of `least`."""
    number = _number(value)
    return "none" if number is None else confidence_figure(number, least=_number(least))


@register.filter
def limit(value: object) -> str:
    """A threshold as exact as the policy has it: 0.85, 0.8731."""
    number = _number(value)
    return "none" if number is None else plain_decimal(number)


@register.filter
def amount(value: object) -> str:
    """An amount with its thousands apart and at least two decimals: 1,250.00."""
    number = _number(value)
    return text_of(value) if number is None else grouped(number)


@register.filter
def percent(value: object) -> str:
    """A share in [0, 1] in whole per cent, with one decimal below ten: 12 %, 3.4 %."""
    number = _number(value)
    if number is None:
        return "none"
    return per_cent(number, 1 if 0 < number < Decimal("0.1") else 0)


@register.filter
def per_cent_of_width(value: object) -> str:
    """A share as an SVG length along the whole width: 62%."""
    number = _number(value) or Decimal(0)
    return f"{min(max(number, Decimal(0)), Decimal(1)) * 100:.2f}%"


@register.filter
def against(confidence: object, threshold: object) -> str:
    """Whether a confidence is "above" or "below" its threshold; without one it is above nothing."""
    found, least = _number(confidence), _number(threshold)
    return "above" if found is not None and least is not None and found >= least else "below"


@register.filter
def anchor(value: object) -> str:
    """Which side of its place an SVG label stands on, so that it stays inside the picture."""
    number = _number(value) or Decimal(0)
    return "start" if number < Decimal("0.1") else "end" if number > Decimal("0.9") else "middle"


@register.filter
def span(seconds: float | None) -> str:
    """A length of time in the largest unit that says enough: 40 s, 14 min, 2 h 45, 3 days."""
    if seconds is None:
        return ""
    minutes, whole = divmod(int(abs(seconds)), 60)
    if not minutes:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes:02d}" if hours < 48 else f"{hours // 24} days"


@register.simple_tag
def verdict_line(last: RecentVerdict, now: datetime) -> dict[str, Any]:
    """What a reviewer's last verdict reads like, and whether it can still be taken back."""
    verb, tone = _VERDICTS[VerdictKind(last.kind)]
    undoable = last.undo_until is not None and last.undo_until > now
    about = f" for {text.in_words(last.subject)}" if last.subject else ""
    undo = " Undo with u." if undoable else ""
    spoken = f"{verb} {text.in_words(last.action_title)}{about}.{undo}"
    return {"verb": verb, "tone": tone, "undoable": undoable, "spoken": spoken}


_VERDICTS: Final = {
    VerdictKind.APPROVE: ("Approved", "go"),
    VerdictKind.EDIT: ("Approved with changes", "go"),
    VerdictKind.OVERRIDE: ("Overridden:", "wait"),
    VerdictKind.REJECT: ("Rejected", "stop"),
}


@register.simple_tag
def answer_chip(precedent: Precedent) -> SafeString:
    """How an earlier decision ended, and who said so."""
    tone = _OUTCOME_TONES.get(OutcomeKind(precedent.outcome), "")
    by = f" by {precedent.decided_by}" if precedent.decided_by else ""
    alone = " alone" if precedent.method == OutcomeMethod.AUTO else ""
    kind = OutcomeKind(precedent.outcome).label.lower()
    return format_html('<span class="chip {}">{}{}</span>{}', tone, kind, alone, by)


_OUTCOME_TONES: Final = {
    OutcomeKind.APPROVED: "go",
    OutcomeKind.EDITED: "wait",
    OutcomeKind.OVERRIDDEN: "wait",
    OutcomeKind.REJECTED: "stop",
}


@register.filter
def soon(now: datetime) -> datetime:
    """Until when something counts as due soon: an hour on."""
    return now + timedelta(hours=1)


@register.simple_tag
def counted(number: int) -> str:
    """A count, or the most that is counted: 10,000+."""
    return f"{number:,}" if number <= COUNTED_UP_TO else f"{COUNTED_UP_TO:,}+"


@register.filter
def reason_title(code: str) -> str:
    """A reason's code in two words."""
    return ReasonCode(code).label.lower()


@register.simple_tag
def status_chip(status: str) -> SafeString:
    """Where a decision stands."""
    tone = _OUTCOME_TONES.get(OutcomeKind(status), "") if status in OutcomeKind.values else ""
    return format_html('<span class="chip {}">{}</span>', tone, DecisionStatus(status).label.lower())


@register.filter
def in_words(name: str) -> str:
    """A name of the code's in words: policy_changes as policy changes."""
    return name.replace("_", " ")


@register.filter
def task_title(task: str) -> str:
    """A task by its last name, in words: feedback.tasks.collect_labels as collect labels."""
    return in_words(task.rpartition(".")[2])


@register.filter
def verdict_title(kind: str) -> str:
    """A verdict in a word, as of something done."""
    return _VERDICTS[VerdictKind(kind)][0].lower().rstrip(":")


@register.filter
def state_title(state: str) -> str:
    """Where a ticket stands, in a word."""
    return TicketState(state).label.lower()


@register.filter
def kind_title(kind: str) -> str:
    """What a ticket asks for, where that isn't a gate. A known answer reads as the gate that it pretends to be."""
    return TicketKind(kind).label.lower() if kind in {TicketKind.AUDIT, TicketKind.SECOND_OPINION} else ""


@register.simple_tag
def clock(moment: datetime | None, now: datetime, reads: str) -> SafeString:
    """A moment as the time to it or since it; `reads` is due, due-in, age, countdown or hold, for the page's clock."""
    if moment is None:
        return NOTHING
    left = (moment - now).total_seconds()
    shown = _READS[reads](left)
    return format_html(
        '<time datetime="{}" data-clock="{}" title="{}">{}</time>',
        moment.isoformat(),
        reads,
        f"{moment:%-d %B %Y, %H:%M:%S} UTC",
        shown,
    )


def _countdown(left: float) -> str:
    minutes, seconds = divmod(int(left), 60)
    return f"{minutes}:{seconds:02d}" if left > 0 else "over"


_READS: Final[dict[str, Callable[[float], str]]] = {
    "due": lambda left: span(left) if left > 0 else f"{span(left)} late",
    "due-in": lambda left: f"due in {span(left)}" if left > 0 else f"{span(left)} late",
    "age": lambda left: span(max(0.0, -left)),
    "countdown": _countdown,
    "hold": lambda left: span(left + 0.999) if left > 0 else "",
}


def _number(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _printed(segments: Iterable[text.Segment]) -> SafeString:
    return _joined(_segment(segment) for segment in segments)


def _segment(segment: text.Segment) -> SafeString:
    if segment.kind == text.PLAIN:
        return format_html("{}", segment.text)
    if segment.kind == text.MIXED:
        return format_html(
            '<span class="mixed">{}</span><span class="token">mixed: {}</span>', segment.text, segment.title
        )
    if segment.kind == text.LINK:
        host = format_html("to {}", segment.host) if segment.host else "no web address"
        return format_html('<span class="address">{}</span><span class="host">{}</span>', _printed(segment.parts), host)
    if segment.kind == text.SMUGGLED:
        return format_html('<span class="token" title="{}">hidden: “{}”</span>', segment.title, segment.text)
    return format_html('<span class="token" title="{}">{}</span>', segment.title or "folded", segment.text)


_SPANS: Final = {
    typeset.PLAIN: "{}",
    typeset.STRONG: "<strong>{}</strong>",
    typeset.EMPHASIS: "<em>{}</em>",
    typeset.VERBATIM: "<code>{}</code>",
}


def _line(spans: Iterable[typeset.Span]) -> SafeString:
    made = _joined(format_html(_SPANS[span.kind], _printed(text.segments(span.text))) for span in spans)
    return format_html('<bdi class="untrusted">{}</bdi>', made)


def _block(block: typeset.Block) -> SafeString:
    if block.kind == typeset.HEADING:
        # Not a heading of our page: upstream's text must not enter its outline.
        return format_html('<p class="heading heading-{}">{}</p>', block.level, _line(block.lines[0]))
    items = format_html_join("", "<li>{}</li>", ((_line(line),) for line in block.lines))
    if block.kind == typeset.BULLETS:
        return format_html("<ul>{}</ul>", items)
    if block.kind == typeset.NUMBERS:
        return format_html('<ol start="{}">{}</ol>', block.start, items)
    lines = format_html_join(mark_safe("\n"), "{}", ((_line(line),) for line in block.lines))
    if block.kind == typeset.CODE:
        return format_html('<pre class="code">{}</pre>', lines)
    element = "blockquote" if block.kind == typeset.QUOTE else "p"
    return format_html(f'<{element} class="lines">{{}}</{element}>', lines)


def _run(run: changes.Run) -> SafeString:
    printed = _printed(text.segments(run.text))
    if run.kind == changes.ADDED:
        return format_html("<ins>{}</ins>", printed)
    return format_html("<del>{}</del>", printed) if run.kind == changes.REMOVED else printed


# ---- The frame of every page ----------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def theme(context: dict[str, Any]) -> str:
    """What the reviewer's profile says of light and dark; "system" where it says nothing."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return Theme.SYSTEM
    return theme_of(user)


@register.inclusion_tag("_navigation.html", takes_context=True)
def navigation(context: dict[str, Any]) -> dict[str, Any]:
    """The pages that there are for this person, with the present one marked."""
    request, user = context.get("request"), context.get("user")
    pages = []
    if user is not None and user.is_authenticated:
        reads_log = may_read_log(user)
        shown = {"desk": True, "log": reads_log, "insights": reads_log, "policies": reads_log or is_reviewer(user)}
        shown["admin:index"] = user.is_staff
        shown["lead"] = reads_log and is_lead(user)
        shown["status"] = shown["lead"] or (reads_log and may_see_status(user))
        here = request.path if request else ""
        for name, title in _PAGES.items():
            url = _url_of(name)
            if shown[name] and url:
                pages.append({"url": url, "title": title, "act": f"go-{name}", "current": _is_at(here, url)})
    return {"pages": pages, "user": user, "request": request}


@register.inclusion_tag("_banners.html", takes_context=True)
def banners(context: dict[str, Any]) -> dict[str, Any]:
    """What concerns everybody on every page: that the database was restored, or a stop."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return {"lines": []}
    stopped = stops()
    if stopped.restored:
        return {"lines": [], "restored": stopped.restored, "how": _url_of("sealed-log") if may_read_log(user) else ""}
    if stopped.everything:
        return {"lines": [{"title": "Everything is paused.", "tone": "stop"}]}
    return {"lines": [{"title": f"{title} is paused.", "tone": ""} for title in stopped.workflows]}


_PAGES: Final = {
    "desk": "Desk",
    "lead": "Lead",
    "log": "Log",
    "insights": "Insights",
    "policies": "Policies",
    "status": "Status",
    "admin:index": "Admin",
}


def _url_of(name: str) -> str:
    """The page's address; "" where this installation has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _is_at(here: str, url: str) -> bool:
    if url == "/":
        return here == "/" or here.startswith("/tickets/")
    return here.startswith(url)
