"""How tests read refusals."""

from __future__ import annotations

from werkzeug.test import TestResponse


def problems(answer: TestResponse) -> set[tuple[str, str]]:
    """The ``(field, type)`` of every detail of a refusal."""
    return {(detail["field"], detail["type"]) for detail in answer.json["details"]}


def refused(answer: TestResponse, status: int, code: str) -> bool:
    """Whether an answer is this refusal, in the envelope."""
    found = answer.status_code, answer.json["error"], set(answer.json)
    assert found == (status, code, {"error", "message", "details", "request_id"}), (found, answer.json)
    return True
