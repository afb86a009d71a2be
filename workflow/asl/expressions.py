"""JSONata expressions that several states share."""

from __future__ import annotations

from collections.abc import Iterable

from lambdas.loops.message_kinds import UNKNOWN
from lambdas.loops.visible import ASTRAL, INVISIBLE, JOINERS, escape

__all__ = [
    "BOUNDED",
    "CLAIM_ID",
    "EVENTS_FLOW_DEFINITION",
    "EXECUTION_LINK",
    "FLOW_DEFINITION",
    "IS_TIME",
    "LEDGER_KEY",
    "LOOP_NAME",
    "LOOP_TIME",
    "OWN_KEY",
    "QUOTED",
    "STEP",
    "VISIBLE",
    "bounded",
    "documented_fields",
    "event_that_fits",
    "is_loop_name",
    "jsonata",
    "lines",
    "name_in",
]

LOOP_NAME = "$states.input.detail.humanLoopName"

FLOW_DEFINITION = "flowDefinitionName"
"""The workflow variable with the name of the loop's flow definition. It comes from the ledger: an event may lack it."""

LEDGER_KEY = "ledgerKey"
"""The workflow variable with the key of the loop's row in the ledger: the name, unless another loop has that row."""


def name_in(arn: str) -> str:
    """An expression for the name in an ARN, or 'unknown' if there is no ARN."""
    return f"($type({arn}) = 'string' and {arn} != '' ? $split({arn}, '/')[-1] : '{UNKNOWN}')"


EVENTS_FLOW_DEFINITION = name_in("$states.input.detail.flowDefinitionArn")
"""The flow definition's name from the event, for states that run before the ledger is read."""

_TIME = "$states.input.detail.creationTime"

IS_TIME = (
    f"$contains({_TIME}, /^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]+)?Z$/)"
)
"""Whether the event's creationTime is written as A2I writes it, in UTC."""

LOOP_TIME = (
    f"({IS_TIME} ? $substring({_TIME}, 0, 19) & '.'"
    f" & $substring($substringBefore($substring({_TIME}, 20), 'Z') & '000', 0, 3) & 'Z' : {_TIME})"
)
"""The event's creationTime, normalized to milliseconds: `…07Z` and `…07.000000Z` in events are the same time. A time in
another form stays as it is. `lambdas.loops.identity.normalized` is the Python equivalent.
"""

OWN_KEY = (
    f"({LOOP_NAME} & '@' & ({IS_TIME} ? $substring({_TIME}, 0, 19) & 'Z'"
    f" : $substring($replace({_TIME}, /[^A-Za-z0-9:.+-]/, '-'), 0, 100)))"
)
"""The key of the item of a loop whose name another loop's row has. `lambdas.loops.identity.own_key` is the Python
equivalent; a test compares both.
"""

CLAIM_ID = f"{LOOP_TIME} & ' ' & $states.input.detail.humanLoopStatus"
"""The id of a status change within its loop: creationTime and humanLoopStatus.

`lambdas.loops.claims.claim_id` is the Python equivalent; a test compares both.
"""


def is_loop_name(text: str) -> str:
    """An expression for whether a string is a name that A2I allows: letters, digits, and hyphens between, at most 63.

    Events have been seen with upper-case letters, which A2I's API does not allow. The pattern of
    `lambdas.reviews.event.Detail` is the same; a test compares both.
    """
    # What remains after the longest valid start. In some engines, the anchor `$` also matches before a final newline.
    return (
        f"($length({text}) <= 63 and {text} != ''"
        f" and $replace({text}, /^[A-Za-z0-9]+(-+[A-Za-z0-9]+)*/, '') = '')"
    )


EXECUTION_LINK = (
    "('https://${Region}.console.aws.amazon.com/states/home?region=${Region}"
    "#/v2/executions/details/' & $states.context.Execution.Id)"
)
"""The link to the running execution in the Step Functions console."""


STEP = (
    "{'execution': $states.context.Execution.Id, 'state': $states.context.State.Name,"
    " 'retryCount': $states.context.State.RetryCount}"
)
"""What a step passes to a function about itself. The function logs it: see `lambdas.aws.step`."""


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for pattern, other in pairs:
        text = f"$replace({text}, /{pattern}/, '{other}')"
    return text


_HALVES = (
    # Each twice, since a match takes the character beside it. There is no lookaround in every engine.
    2 * [(r"(^|[^\ud800-\udbff])[\udc00-\udfff]", r"$1\ufffd")]
    + 2 * [(r"[\ud800-\udbff]([^\udc00-\udfff]|$)", r"\ufffd$1")]
)
"""Halves of surrogate pairs become U+FFFD. Whole pairs stay, whether an engine has code points or code units."""

BOUNDED = (
    "$bounded := function($value, $limit) {("
    "$text := $type($value) = 'string' ? $value : $exists($value) ? $string($value) : '';"
    # Not more than needed: an event can have 200,000 characters.
    r" $text := $replace($substring($text, 0, $limit + 1),"
    r" /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/, '\ufffd');"
    rf" $text := $contains($text, /[\ud800-\udfff]/) ? {_replaced('$text', _HALVES)} : $text;"
    " $length($text) > $limit ? $substring($text, 0, $limit - 1) & '…' : $text)};"
)
"""Defines `$bounded($value, $limit)`: a value as a text that every service takes, with at most so many characters.

`lambdas.loops.bounded.bounded` is the Python equivalent, and says why; a test compares both. A value that is missing
gives an empty text.
"""


def _rows() -> list[tuple[str, str]]:
    """Patterns of what cannot be seen, in the form of a URL, and what is written instead; `<` stands for a backslash.

    JSONata gives code points only by their UTF-8: `%E2%80%AE` is U+202E. The last digit is the same in both, so one
    pattern is for up to 16 characters. A function for each of the characters would take seconds for a long text.
    """
    rows: dict[int, str] = {}
    for first, last in (*INVISIBLE, *ASTRAL):
        for code in range(first, last + 1):
            rows[code >> 4] = rows.get(code >> 4, "") + f"{code:X}"[-1]
    named = [("%0A", "<n"), ("%0D", "<r"), ("%09", "<t")]
    others = [
        (f"{_in_url(row << 4)[:-1]}([{digits}])", f"<{escape(row << 4)[1:-1]}$1")
        for row, digits in rows.items()
    ]
    return named + others


def _in_url(code: int) -> str:
    return "".join(f"%{byte:02X}" for byte in chr(code).encode())


_JOINER = _in_url(JOINERS[0])[:-1]
_JOINERS = [
    (f"{_JOINER}([CD])", "<u200$1>"),
    # After a byte of a character that is not ASCII, they stay.
    (r"(%[89AB][0-9A-F])<u200([CD])>", f"$1{_JOINER}$2"),
    (">", ""),
]

VISIBLE = (
    "$visible := function($value, $limit) {("
    "$text := $type($value) = 'string' ? $value : $exists($value) ? $string($value) : '';"
    " $text := $substring($text, 0, $limit + 1);"
    # Most texts have nothing to escape.
    " $text := $contains($text, /[^ -~]/) ? ("
    rf" $whole := $contains($text, /[\ud800-\udfff]/) ? {_replaced('$text', _HALVES)} : $text;"
    f" $url := {_replaced('$encodeUrlComponent($whole)', _rows())};"
    f" $decodeUrlComponent($join($split({_replaced('$url', _JOINERS)}, '<'), '\\\\'))) : $text;"
    " $length($text) > $limit ? $substring($text, 0, $limit - 1) & '…' : $text)};"
)
"""Defines `$visible($value, $limit)`: a value as a text on one line in which everything can be seen.

`lambdas.loops.visible.visible` is the Python equivalent, and says why; a test compares both. A value that is missing
gives an empty text.
"""

MAX_WORD = 10_000
"""Characters of a word for a shell."""

QUOTED = (
    "$quoted := function($text) {("
    r"""$for_bash := $replace($replace($text, "\\", "\\\\"), "'", "\\'");"""
    f' $visible($text, {MAX_WORD}) != $text ? "$\'" & $visible($for_bash, {MAX_WORD}) & "\'"'
    r""" : $text = '' or $contains($text, /[^A-Za-z0-9_@%+=:,.\/-]/)"""
    r""" ? "'" & $replace($text, "'", "'\"'\"'") & "'" : $text)};"""
)
"""Defines `$quoted($text)`: a text as one word for a shell. It needs VISIBLE before it.

`lambdas.loops.visible.quoted` is the Python equivalent; a test compares both.
"""


def bounded(expression: str, limit: int) -> str:
    """An expression for the value of another as a text with at most `limit` characters."""
    return f"({BOUNDED} $bounded({expression}, {limit}))"


_ENVELOPE = ("version", "id", "detail-type", "source", "account", "time", "region", "replay-name")
_DETAIL = (
    "creationTime",
    "failureCode",
    "failureReason",
    "flowDefinitionArn",
    "humanLoopArn",
    "humanLoopName",
    "humanLoopStatus",
)
MAX_FIELD = 2000
"""Characters of any field of an event that was cut down. A location in S3 has at most 1,092."""
MAX_EVENT = 20_000
"""Characters of an event that stays in the state as it is, which is at most a third of the state's limit."""


def documented_fields(event: str) -> str:
    """An expression for an event with nothing but the texts that A2I documents, each bounded.

    It is an object whatever the event is, and never fails.
    """

    def names(fields: tuple[str, ...]) -> str:
        return "[" + ", ".join(f"'{field}'" for field in fields) + "]"

    return (
        f"({BOUNDED} $object := function($value) {{$type($value) = 'object' ? $value : {{}}}};"
        " $texts := function($from, $names) {$merge($map($names, function($name) {("
        f"$value := $lookup($from, $name); $type($value) = 'string' ? {{$name: $bounded($value, {MAX_FIELD})}}"
        " : $value = null ? {$name: null} : {})}))};"
        f" $event := $object({event}); $detail := $object($event.detail);"
        f" $merge([$texts($event, {names(_ENVELOPE)}), {{'detail': $merge([$texts($detail, {names(_DETAIL)}),"
        " {'humanLoopOutput': $type($detail.humanLoopOutput) = 'object'"
        " ? $texts($detail.humanLoopOutput, ['outputS3Uri']) : null}])}]))"
    )


def event_that_fits(event: str) -> str:
    """An expression for an event: as it is, or with nothing but its documented fields if it is large.

    A state has at most 262,144 bytes, and an error about that cannot be caught.
    """
    return f"($length($string({event})) <= {MAX_EVENT} ? {event} : {documented_fields(event)})"


def jsonata(expression: str) -> str:
    """An expression between the delimiters `{% … %}`."""
    return "{% " + expression + " %}"


def lines(*expressions: str) -> str:
    """An expression that joins texts with newlines; expressions without a value add no line."""
    return "$join([" + ", ".join(expressions) + "], '\\n')"
