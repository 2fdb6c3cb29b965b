"""XMP packets: kept as they are but for the orientation, or reduced to the copyright."""

from __future__ import annotations

import re

_TIFF_NAMESPACE = b"http://ns.adobe.com/tiff/1.0/"
_PREFIX = re.compile(rb"xmlns(?::([\w.-]+))?\s*=\s*[\"']" + re.escape(_TIFF_NAMESPACE))
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DESCRIPTION, _ABOUT = f"{{{_RDF}}}Description", f"{{{_RDF}}}about"
_DC = "http://purl.org/dc/elements/1.1/"
_RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
_PREFIXES = {"x": "adobe:ns:meta/", "rdf": _RDF, "dc": _DC, "xmpRights": _RIGHTS}
_START = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_MAX_PREFIXES = 8
_END = b'<?xpacket end="w"?>'


def upright(xmp: bytes) -> bytes:
    """Return the packet, of the same length, with 1 as every orientation."""
    for pattern in _orientations(xmp):
        xmp = pattern.sub(_with_one, xmp)
    return xmp


def orientation(xmp: bytes) -> int:
    """Return the first orientation in the packet, 1 if there is none."""
    found = [match for pattern in _orientations(xmp) if (match := pattern.search(xmp))]
    value = found[0][found[0].lastindex or 0].strip() if found else b"1"
    return int(value) if value.isdigit() else 1


def _orientations(xmp: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return the patterns of attributes and of elements; the last group is the value."""
    found = {prefix and prefix + b":" for prefix in _PREFIX.findall(xmp)} - {b"tiff:"}
    names = [b"tiff:", *sorted(found, reverse=True)[:_MAX_PREFIXES]]
    name = b"(?:" + b"|".join(map(re.escape, names)) + b")Orientation"
    attribute = rb"(?<![\w:.-])" + name + rb"\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')"
    element = b"<" + name + rb"(?=[\s>])[^<>]*>([^<]*)"
    return re.compile(attribute), re.compile(element)


def _with_one(found: re.Match[bytes]) -> bytes:
    """Return the match with 1 as its value, in as many digits as the value has characters."""
    start, end = (place - found.start() for place in found.span(found.lastindex or 0))
    value = found[0][start:end].strip()
    one = b"1".rjust(len(value), b"0") if value else b""
    return found[0][:start] + found[0][start:end].replace(value, one, 1) + found[0][end:]


def copyright_of(xmp: bytes) -> bytes:
    """Return a packet of the copyright alone (dc:creator, dc:rights, xmpRights); empty if there is none.

    Raises:
        ValueError: `xmp` is no XML, or has a document type.
    """
    from xml.etree import ElementTree

    if b"<!DOCTYPE" in xmp:
        raise ValueError("it has a document type")
    for prefix, namespace in _PREFIXES.items():
        ElementTree.register_namespace(prefix, namespace)
    try:
        # As UTF-8 whatever it declares: another encoding could hide a document type.
        parser = ElementTree.XMLParser(encoding="utf-8")  # noqa: S314 - it has no document type
        root = ElementTree.fromstring(xmp.rstrip(b"\0"), parser)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError("it is no XML") from error
    packet = ElementTree.Element(f"{{{_PREFIXES['x']}}}xmpmeta")
    rdf = ElementTree.SubElement(packet, f"{{{_RDF}}}RDF")
    for description in [each for parent in root.iter(rdf.tag) for each in parent.iterfind(_DESCRIPTION)]:
        kept = ElementTree.Element(_DESCRIPTION, {_ABOUT: description.get(_ABOUT, "")})
        kept.attrib.update((name, value) for name, value in description.attrib.items() if _is_copyright(name))
        kept.extend(child for child in description if _is_copyright(child.tag))
        if len(kept) or len(kept.attrib) > 1:
            rdf.append(kept)
    if not len(rdf):
        return b""
    written: bytes = ElementTree.tostring(packet, "utf-8", xml_declaration=False)
    return _START + written + _END


def _is_copyright(name: str) -> bool:
    return name in (f"{{{_DC}}}creator", f"{{{_DC}}}rights") or name.startswith(f"{{{_RIGHTS}}}")
