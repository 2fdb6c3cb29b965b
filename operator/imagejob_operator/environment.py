"""The environment variables of the operator, and what is wrong with one."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

PREFIX = "IMAGEJOB_"

T = TypeVar("T")
E = TypeVar("E", bound=enum.StrEnum)


class InvalidSettings(ValueError):
    """A variable is missing or invalid."""


class Environment:
    """Reads variables; an empty one counts as not set."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def get(self, name: str, default: str = "") -> str:
        """The value without spaces around it."""
        return self._variables.get(PREFIX + name, "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        """The values of a list that is separated by commas."""
        return tuple(filter(None, (word.strip() for word in self.get(name).split(","))))

    def required(self, name: str, meaning: str) -> str:
        """The value; InvalidSettings if there is none."""
        value = self.get(name)
        if not value:
            raise InvalidSettings(f"{PREFIX}{name} is not set: it must be the {meaning}")
        return value

    def downward(self, name: str, meaning: str) -> str:
        """A variable without the prefix, which the manifest sets from a field of the Pod."""
        value = self._variables.get(name, "").strip()
        if not value:
            raise InvalidSettings(f"{name} is not set: it must be the {meaning}, from the downward API")
        return value

    def parsed(self, name: str, value: str, parse: Callable[[str], T], rule: str) -> T:
        """What `parse` makes of a value; its ValueError becomes InvalidSettings with the rule."""
        try:
            return parse(value)
        except ValueError:
            invalid(name, value, rule)

    def matching(self, name: str, default: str, pattern: str | re.Pattern[str], rule: str) -> str:
        """A value that matches a pattern as a whole."""
        return self.matched(name, self.get(name, default), pattern, rule)

    def matched(self, name: str, value: str, pattern: str | re.Pattern[str], rule: str) -> str:
        """The value, or one of a list; InvalidSettings if it does not match a pattern as a whole."""
        return value if re.fullmatch(pattern, value) else invalid(name, value, rule)

    def number(self, name: str, default: int) -> int:
        """An integer from 1 to 86400."""
        value = self.get(name, str(default))
        if not value.isdigit() or not 1 <= int(value) <= 86400:
            invalid(name, value, "an integer from 1 to 86400")
        return int(value)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.get(name, str(default)).lower()
        return value == "true" if value in ("true", "false") else invalid(name, value, "true or false")

    def choice(self, name: str, default: E) -> E:
        """One of the members of an enumeration."""
        choices = type(default)
        return self.parsed(name, self.get(name, default.value), choices, f"one of {', '.join(choices)}")


def invalid(name: str, value: str, rule: str) -> NoReturn:
    """Raise InvalidSettings with the variable, its value and the rule."""
    raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it must be {rule}")
