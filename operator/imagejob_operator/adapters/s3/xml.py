"""XML of a server that is not trusted: no declarations of types, and bounded in depth and elements."""

from __future__ import annotations

from xml.etree import ElementTree

MAX_DEPTH = 8
MAX_ELEMENTS = 32_000
"""Twice what a listing of 1000 keys has, each with owner and checksum."""


class InvalidAnswer(Exception):
    """An answer that no S3 server gives; the message says what is wrong with it."""


class _Bounded(ElementTree.TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def doctype(self, *declared: object) -> None:
        raise InvalidAnswer("it declares a document type")

    def start(self, *element: object) -> ElementTree.Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise InvalidAnswer(f"it has more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} levels")
        return super().start(*element)  # type: ignore[arg-type]

    def end(self, tag: str) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root element; raises InvalidAnswer."""
    parser = ElementTree.XMLParser(target=_Bounded())  # noqa: S314  (what it forbids is forbidden here)
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InvalidAnswer(f"it is not XML: {error}") from None
    return root
