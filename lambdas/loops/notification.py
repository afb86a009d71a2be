"""The copy of a message for HTTPS endpoints: a custom notification, the only message of ours that a chat shows.

AWS's chat integration (Amazon Q Developer in chat applications, formerly AWS Chatbot) is an HTTPS endpoint of a topic.
It shows messages of AWS services, such as alarms, and custom notifications. It drops anything else without a word, so
no field may be missing, have another type or be too long.

Source: https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MAX_SHOWN", "NOT_IN_CHAT", "custom_notification", "https_copy"]

MAX_SHOWN = 7900
"""Characters of the text. A description has at most 8,000; a title at most 250, which no subject reaches."""

NOT_IN_CHAT = {"<": "\u2039", "`": "'"}
"""What a chat would act on, and what is shown instead: `<` begins a mention (`<!channel>`) or a link with a false name,
and a backtick ends the block of code that the text stands in."""


def custom_notification(
    *, title: Any, text: Any, steps: Sequence[Any], thread: Any, kind: Any, context: Any
) -> dict[str, Any]:
    """Returns a custom notification. Each value is a text, or an expression for it (`workflow.parts.messages`).

    Args:
        title: The headline.
        text: The text, in the Markdown of the chat.
        steps: What to do next: commands and links.
        thread: Notifications with the same value are in one thread. None if it belongs to no thread.
        kind: The message's `kind`.
        context: Name → text, for programs and for custom actions of the chat. It is not shown.
    """
    return {
        "version": "1.0",
        "source": "custom",
        "content": {"textType": "client-markdown", "title": title, "description": text, "nextSteps": steps},
        "metadata": {
            "summary": title,
            "eventType": kind,
            **({"threadId": thread} if thread else {}),
            "additionalContext": context,
        },
    }


def https_copy(subject: str, text: str, document: Mapping[str, Any], body: str) -> dict[str, Any]:
    """Returns the custom notification of a message.

    Args:
        subject: The subject.
        text: The text for people.
        document: The document for programs. Its texts become the context, beside `document`: the whole of it.
        body: The document as JSON.
    """
    command = document.get("command")
    name = document.get("humanLoopName")
    return custom_notification(
        title=_in_chat(subject),
        text=f"```\n{_in_chat(text[:MAX_SHOWN])}\n```",
        steps=[*([f"`{_in_chat(command)}`"] if command else []), document["execution"]],
        thread=name if name != "unknown" else None,
        kind=document["kind"],
        context={
            **{field: value for field, value in document.items() if isinstance(value, str)},
            "document": body,
        },
    )


def _in_chat(text: str) -> str:
    for character, other in NOT_IN_CHAT.items():
        text = text.replace(character, other)
    return text
