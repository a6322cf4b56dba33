"""Shipped models: JSON files with a format, a version and a checksum of their content. Never pickle."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from amd.errors import ModelError


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of a model's content (all but the checksum itself), as canonical JSON."""
    kept = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def content_of(text: str, model_format: str) -> dict[str, Any]:
    """Read a model's content from JSON text.

    Raises
    ------
    ModelError
        If the text is not a model of that format, or was changed since its checksum was taken.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(f"the model is not JSON: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != model_format:
        raise ModelError(f"the model's format is {found!r}, need {model_format!r}: another version's file?")
    if content.get("sha256") != checksum(content):
        raise ModelError("the model's checksum does not fit its content: edited by hand, or cut short?")
    return dict(content)
