"""Retired words with their replacements, where they are searched, and where one is allowed all the same."""

from __future__ import annotations

RETIRED = {
    r"(?:a|the|one|each|next|this|every|no|its|imagejob) turns?(?! (?:into|to|red|upright))": "reconcile",
    r"efforts?": "operation",
    r"vigils?": "watch monitor",
    r"census(?:es)?": "comparison with a listing",
    r"standings?": "readiness, state",
    r"saying|said": "reports, writes, message",
    r"told|tells": "is notified, reports, names",
    r"keepers?": "the class by its work",
    r"patrol|book": "the class by its work",
    r"marks": "watermark images, flags",
    r"sweepers?": "garbage collector",
    r"undo|undoing|undone": "compensate, compensation",
    r"withdraw(?:s|n|al)?|recall(?:s|ed)?": "revoke, remove",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"whoever": "users that, a process that",
    r"stands(?! for )": "is",
    r"lies": "is",
    r"(?:come|comes|came) to (?:its|their|an) ends?": "ends",
    r"of no use": "not needed",
    r"nobody": "no user, no process, nothing",
    r"what there is": "what exists",
    r"cannot be told": "is not known",
    r"(?:given|gives|gave|giving) up": "stopped trying after, failed after, released",
    r"believe[sd]?": "verify, verified",
    r"owe[sd]?": "is left to do",
    r"in vain": "without success",
    r"(?:looked|looks) (?:at|again)": "checked, checks, requeued",
    r"(?:hold|holds|held) (?:it |them )?against": "compared with",
    r"anew": "again",
    r"(?:is|are|be) to be had": "is available",
    r"what came of": "the result of",
    r"on (?:its|their) way": "active, in progress",
    r"lets? (?:a run|it|one) rest": "suspend",
}
"""Regular expressions over words in lower case, and what to write instead.

Identifiers are split into their words first: `RunEffort` and `run_effort` are "run effort".
"""

PLACES = (
    *("*.md", "Makefile", "Dockerfile", "pyproject.toml", "docs/**/*.md", "examples/*", "crds/*.yaml"),
    *("manifests/**/*.yaml", "operator/**/*.py", "processor/**/*.py", "client/**/*.py"),
    *("cli/**/*.py", "local/**/*.py", "tools/docgen/*.py", "tests/**/*.py", "tests/**/*.yaml"),
    *("gallery/**/*.py", "gallery/**/*.js", "gallery/**/*.html"),
)
"""Where they are searched. Generated pages are left out, since their sources are searched."""

OWN = ("tests/architecture/words.py", "tests/architecture/test_words.py")
"""This list and its test, which are not searched."""

MEASURED = "docs/evidence/measured/*.json"
"""Labels of measurements are allowed in tests as they were measured."""

ALLOWED: tuple[tuple[str, str], ...] = (
    ("tests/unit/processor/test_jpeg_planes.py", "monkeypatch.undo"),  # a method of pytest
)
"""Pairs of a path and a phrase in which a retired word is legitimate there."""
