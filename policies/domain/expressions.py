"""The rules' language: CEL, kept on a short leash.

The evaluator has no step limit, copies what it touches and holds the interpreter's lock, so what may be written is
limited when it is saved, and what a rule is given is limited when it runs. Tried without: one `map` of a long list
literal took all memory, one `matches` with a counted pattern 162 s. Within these limits the worst that we could write
takes well under a second. Whatever goes wrong raises ExpressionError, and a rule that can't be evaluated asks a person.
"""

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

import cel

from policies.domain.spec import Proposal
from policies.domain.strict_json import MAX_NUMBER

MAX_SOURCE: Final = 2_000
"""Characters of an expression."""
MAX_DEPTH: Final = 20
"""Brackets inside one another."""
MAX_SUMS: Final = 10
"""Plus signs of an expression: joining lists copies them."""
MAX_NAMES_EACH: Final = 10
"""Names inside a comprehension, each looked up for every element."""
MAX_PATTERN: Final = 200
"""Characters of a pattern for `matches`."""
MAX_LIST: Final = 200
"""Elements of a list, and members of an object, that a rule is given."""
MAX_STRING: Final = 10_000
"""Bytes of a string, in UTF-8, that a rule is given."""

NAMES: Final = frozenset(
    {
        *("action", "subject", "payload", "amount", "currency", "confidence"),
        *("alternatives", "context", "model", "requested_by"),
    }
)
"""What a rule may speak of."""
FUNCTIONS: Final = frozenset(
    {
        *("has", "size", "contains", "startsWith", "endsWith", "matches"),
        *("int", "double", "string", "timestamp", "duration"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds"),
    }
)
COMPREHENSIONS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter"})
_WORDS: Final = frozenset({"true", "false", "null", "in"})


class ExpressionError(ValueError):
    """An expression that can't be taken or evaluated; `position` counts characters from 0, None where there is none."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class Scope:
    """What the rules of one evaluation are given, converted once and only where a rule speaks of it."""

    __slots__ = ("_amount", "_context", "_currency", "_known", "_proposal")

    def __init__(self, proposal: Proposal, *, amount: Decimal | None, currency: str) -> None:
        self._proposal = proposal
        self._amount = amount
        self._currency = currency
        self._context: Any = cel.Context()
        self._known: set[str] = set()

    def holding(self, names: frozenset[str]) -> Any:
        """The evaluator's context with these names in it. Raises ExpressionError when one is past a limit."""
        for name in sorted(names - self._known):  # In one order, so that a replay fails in the same words.
            self._context.add_variable(name, _given(name, self._value(name), MAX_VALUE_DEPTH))
            self._known.add(name)
        return self._context

    def _value(self, name: str) -> Any:
        proposal = self._proposal
        match name:
            case "amount":
                return self._amount
            case "currency":
                return self._currency
            case "model":
                return {
                    "name": proposal.model_name,
                    "version": proposal.model_version,
                    "prompt": proposal.prompt_digest,
                }
            case "alternatives":
                return [{"action": each.action, "confidence": each.confidence} for each in proposal.alternatives]
            case _:
                return getattr(proposal, name)


class CompiledRule:
    """An expression ready to run, with the names that it speaks of."""

    __slots__ = ("_program", "names", "source")

    def __init__(self, source: str, program: Any, names: frozenset[str]) -> None:
        self.source = source
        self.names = names
        self._program = program

    def fires(self, scope: Scope) -> bool:
        """Whether the expression is true. Raises ExpressionError when it is neither true nor false."""
        try:
            result = self._program.execute(scope.holding(self.names))
        except ExpressionError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of the evaluator is no Exception
            raise _explained(error) from None
        if result is True or result is False:
            return result
        raise ExpressionError(f"The result is neither true nor false, but {type(result).__name__}.")


@lru_cache(maxsize=1_024)
def compile_rule(source: str) -> CompiledRule:
    """Check and compile `source`, once a process: programs can't be pickled. Raises ExpressionError, with position."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"The expression has {len(source):,} characters; {MAX_SOURCE:,} is the limit.", MAX_SOURCE
        )
    if not source.strip():
        raise ExpressionError("The expression is empty.", 0)
    names = _check(tuple(_tokens(source)), end=len(source))
    try:
        program = cel.compile(source)
        used = program.references()
    except BaseException as error:  # noqa: BLE001
        raise _explained(error, source) from None
    # The evaluator's own view of the expression must agree with ours.
    if strange := [name for name in used["functions"] if name.isidentifier() and name not in FUNCTIONS]:
        raise ExpressionError(f"There is no function {strange[0]}.", source.find(strange[0]))
    return CompiledRule(source, program, names)


# ---- What a rule is given -------------------------------------------------------------------------------------------

MAX_VALUE_DEPTH: Final = 32


def _given(place: str, value: Any, depth: int) -> Any:
    """`value` as the evaluator takes it: numbers as int64 or double. Raises ExpressionError past a limit."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > MAX_STRING // 4 and len(value.encode()) > MAX_STRING:
            raise ExpressionError(f"{place} is longer than {MAX_STRING:,} bytes, the most that a rule is given.")
        return str(value)
    if isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            raise ExpressionError(f"{place} is past ±{MAX_NUMBER:,}, the most that a rule is given.")
        return value
    if isinstance(value, Decimal | float):
        double = float(value)
        if not math.isfinite(double):
            raise ExpressionError(f"{place} is not a finite number.")
        if isinstance(value, Decimal) and Decimal(repr(double)) != value:
            raise ExpressionError(f"{place} has more digits than a rule can compare.")
        return double
    if depth == 0:
        raise ExpressionError(f"{place} goes deeper than {MAX_VALUE_DEPTH}, the most that a rule is given.")
    if isinstance(value, Mapping):
        _count(place, len(value))
        return {_given(place, str(key), 0): _given(f"{place}.{key}", each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        _count(place, len(value))
        return [_given(place, each, depth - 1) for each in value]
    raise ExpressionError(f"{place} holds a {type(value).__name__}, which a rule can't be given.")


def _count(place: str, size: int) -> None:
    if size > MAX_LIST:
        raise ExpressionError(f"{place} has {size:,} entries; {MAX_LIST} is the most that a rule is given.")


# ---- What may be written --------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str  # "name", "text", "number" or "mark"
    text: str
    position: int


# Strings in one line, plain or raw. Triple quotes, bytes, comments and quoted names are left out: nobody needs them
# here, and whatever this reads differently from the evaluator would be a hole in the leash.
_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    |(?P<text>[rR](?:'[^'\\\r\n]*(?:\\[^'\r\n][^'\\\r\n]*)*'|"[^"\\\r\n]*(?:\\[^"\r\n][^"\\\r\n]*)*")
             |'(?!'')(?:[^'\\\r\n]|\\.)*+'|"(?!"")(?:[^"\\\r\n]|\\.)*+")
    |(?P<number>[0-9][0-9a-zA-Z_]*(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?)?)
    |(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)
    |(?P<mark>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]])""",
    re.VERBOSE,
)
_CLOSED_BY: Final = {"(": ")", "[": "]"}


def _tokens(source: str) -> Iterator[_Token]:
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None or source.startswith("//", at):
            raise ExpressionError(f"{source[at]!a} can't stand here.", at)
        kind = str(match.lastgroup)
        if kind != "blank":
            yield _Token(kind, match[0], at)
        at = match.end()


class _Frame(NamedTuple):
    """An open bracket: what closes it, whether it is a list of literals, and whether it is a comprehension's."""

    closing: str
    is_list: bool
    is_comprehension: bool


def _check(tokens: tuple[_Token, ...], *, end: int) -> frozenset[str]:
    """The names of `NAMES` that the expression speaks of. Raises ExpressionError where it leaves the leash."""
    return _Check(tokens, end).names()


class _Check:
    """One walk over the tokens, with the open brackets on a stack."""

    def __init__(self, tokens: tuple[_Token, ...], end: int) -> None:
        self._tokens = tokens
        self._end = _Token("end", "", end)
        self._open: list[_Frame] = []
        self._variable = ""
        self._comprehensions = self._sums = self._names_each = 0
        self._names: set[str] = set()

    def names(self) -> frozenset[str]:
        for at, token in enumerate(self._tokens):
            if token.kind == "mark":
                self._mark(at, token)
            elif token.kind == "name":
                self._name(at, token)
        return frozenset(self._names)

    def _at(self, at: int) -> _Token:
        return self._tokens[at] if 0 <= at < len(self._tokens) else self._end

    def _inside(self) -> bool:
        return any(frame.is_comprehension for frame in self._open)

    def _mark(self, at: int, token: _Token) -> None:
        if token.text == "+":
            self._sums += 1
            _require(self._sums <= MAX_SUMS, f"{MAX_SUMS} plus signs are the limit.", token)
        elif token.text in _CLOSED_BY:
            _require(len(self._open) < MAX_DEPTH, f"Brackets go deeper than {MAX_DEPTH}, the limit.", token)
            before = self._at(at - 1)
            follows_value = before.text in {")", "]"} or (before.kind == "name" and before.text not in _WORDS)
            self._open.append(
                _Frame(
                    closing=_CLOSED_BY[token.text],
                    is_list=token.text == "[" and not follows_value,
                    is_comprehension=token.text == "(" and before.text in COMPREHENSIONS and before.kind == "name",
                )
            )
        elif token.text in _CLOSED_BY.values():
            _require(bool(self._open) and self._open[-1].closing == token.text, "This closes nothing.", token)
            self._open.pop()

    def _name(self, at: int, token: _Token) -> None:
        if token.text in _WORDS:
            return
        is_list = any(frame.is_list for frame in self._open)
        _require(not is_list, "A list may hold only texts, numbers, true, false and null.", token)
        member = self._at(at - 1).text == "."
        if self._at(at + 1).text == "(":
            self._call(at, token, member=member)
        elif not member:
            bound = token.text == self._variable and (self._inside() or self._at(at + 1).text == ",")
            _require(
                bound or token.text in NAMES,
                f"There is no {token.text}; a rule may speak of {', '.join(sorted(NAMES))}.",
                token,
            )
            if not bound:
                self._names.add(token.text)
                self._names_each += self._inside()
                _require(
                    self._names_each <= MAX_NAMES_EACH,
                    f"{MAX_NAMES_EACH} names are the limit inside a comprehension.",
                    token,
                )

    def _call(self, at: int, token: _Token, *, member: bool) -> None:
        if token.text in COMPREHENSIONS:
            self._comprehension(at, token, member=member)
            return
        _require(token.text in FUNCTIONS, f"There is no function {token.text}.", token)
        if token.text == "matches":
            pattern = self._at(at + 2)
            literal = pattern.kind == "text" and self._at(at + 3).text == ")"
            _require(member and literal, "Write it as text.matches('pattern').", token)
            _require(len(pattern.text) <= MAX_PATTERN, f"A pattern may have {MAX_PATTERN} characters.", pattern)
            _require("{" not in pattern.text, "A pattern may not count with {}.", pattern)
            _require(not self._inside(), "matches may not stand inside a comprehension.", token)

    def _comprehension(self, at: int, token: _Token, *, member: bool) -> None:
        self._comprehensions += 1
        _require(self._comprehensions == 1, "One comprehension is the limit, and none inside another.", token)
        _require(
            member and self._at(at - 2).text != ")",
            f"{token.text} goes over a field or a list of literals: payload.lines.{token.text}(line, …).",
            token,
        )
        variable = self._at(at + 2)
        _require(
            variable.kind == "name" and self._at(at + 3).text == ",",
            f"{token.text} takes a name and a test: payload.lines.{token.text}(line, …).",
            variable,
        )
        _require(variable.text not in NAMES | _WORDS, f"{variable.text} is taken; choose another name.", variable)
        self._variable = variable.text


def _require(holds: bool, message: str, token: _Token) -> None:  # noqa: FBT001 - the test itself, as in assert
    if not holds:
        raise ExpressionError(message, token.position)


# ---- What the evaluator says ----------------------------------------------------------------------------------------

_PLACE: Final = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


def _explained(error: BaseException, source: str = "") -> ExpressionError:
    """The evaluator's error as ours. It is written in Rust, and a panic of its is no Exception."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    if isinstance(error, KeyError):
        return ExpressionError(f"There is no {error.args[0]} in what the decision holds.")
    if found := _PLACE.search(str(error)):
        line, column, message = int(found[1]), int(found[2]), found[3].split(" expecting {")[0]
        before = source.split("\n")[: line - 1]
        return ExpressionError(f"{message}.", min(len(source), sum(len(each) + 1 for each in before) + column - 1))
    return ExpressionError(str(error).split(". ")[0].split("\n")[0].rstrip(".") + ".")
