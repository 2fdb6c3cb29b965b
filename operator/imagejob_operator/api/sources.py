"""`spec.source`: the kinds of sources, their limits, and the rules that a schema cannot express."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from imagejob_contract.wire import Wire
from imagejob_operator.api.destination import ObjectName
from imagejob_operator.validation.globs import matcher
from imagejob_operator.validation.keys import check_key, check_name, check_prefix, is_reserved
from imagejob_operator.validation.urls import MAX_URL_CHARACTERS, InvalidURL, name_of, parse_url

Key = Annotated[str, Meta(min_length=1, max_length=512)]
Glob = Annotated[str, Meta(min_length=1, max_length=256)]

BASE64 = r"^[A-Za-z0-9+/]*={0,2}\Z"
BASE64_GROUP = 4
"""What matches the pattern is base64 if its length is a multiple of this."""


class InvalidSource(ValueError):
    """The source is invalid; the message names the field, the value, the limit and what to do."""


class MatchSource(Wire, frozen=True):
    """Objects below `prefix` whose key matches an include glob, if there are any, and no exclude glob."""

    prefix: Key
    include: Annotated[tuple[Glob, ...], Meta(max_length=16)] = ()
    exclude: Annotated[tuple[Glob, ...], Meta(max_length=16)] = ()
    max_items: Annotated[int, Meta(ge=1, le=10000)] = 10000

    def selector(self) -> Callable[[str], bool]:
        """A test whether an object with a key is a source. Compiling it takes milliseconds."""
        matches = matcher(self.include, self.exclude)
        return lambda key: key.startswith(self.prefix) and not is_reserved(key) and matches(key)


class ListSource(Wire, frozen=True):
    """Objects that a list in the store names, one key per line."""

    key: Key


class SecretRef(Wire, frozen=True):
    """A Secret in the job's namespace."""

    name: ObjectName


class UrlSource(Wire, frozen=True):
    """An image on a web server, which the operator downloads."""

    url: Annotated[str, Meta(max_length=MAX_URL_CHARACTERS)]
    sha256: Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-f]{64}\Z")] | None = None
    headers_secret_ref: SecretRef | None = None
    """Request headers by name; never sent to another origin."""

    def check(self, position: int) -> None:
        """Check the URL and its file name; raises InvalidSource or InvalidKey."""
        field = f"spec.source.urls[{position}].url"
        try:
            url = parse_url(self.url)
        except InvalidURL as error:
            raise InvalidSource(f"{field}: {error}") from None
        name = name_of(url)
        if not name or "/" in name:
            raise InvalidSource(
                f"{field}: the path of {url.shown!r} must end with a file name, such as a.jpg: outputs are "
                "named after it"
            )
        check_name(name, f"{field}: the file name of {url.shown!r}")


class InlineFile(Wire, frozen=True):
    """A small image in the manifest: at most 64 KiB, in base64."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    data: Annotated[str, Meta(min_length=1, max_length=87384, pattern=BASE64)]

    def check(self, position: int) -> None:
        """Check the name and the length of the data; raises InvalidSource or InvalidKey."""
        field = f"spec.source.inline[{position}]"
        check_name(self.name, f"{field}.name")
        if "/" in self.name:
            raise InvalidSource(f"{field}.name: {self.name!r} must not contain '/'")
        if len(self.data) % BASE64_GROUP:
            raise InvalidSource(
                f"{field}.data: {len(self.data)} characters are not complete base64, whose length is a "
                f"multiple of {BASE64_GROUP}; encode the file again with base64 -w0"
            )


class Source(Wire, frozen=True):
    """Where the items come from: exactly one member is set."""

    keys: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=1000)] | None = None
    match: MatchSource | None = None
    list: ListSource | None = None
    urls: Annotated[tuple[UrlSource, ...], Meta(min_length=1, max_length=256)] | None = None
    inline: Annotated[tuple[InlineFile, ...], Meta(min_length=1, max_length=8)] | None = None

    @property
    def in_store(self) -> bool:
        """Whether the sources are objects in the run's store."""
        return self.urls is None and self.inline is None

    @property
    def folder(self) -> str:
        """The folder that `{dir}` of the key template is relative to, with its '/'; may be empty."""
        return self.match.prefix[: self.match.prefix.rfind("/") + 1] if self.match else ""

    def check(self) -> None:
        """Check what the schema cannot; raises InvalidSource or InvalidKey."""
        kinds = self.__struct_fields__
        found = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(found) != 1:
            raise InvalidSource(
                f"spec.source: exactly one of {', '.join(kinds)} must be set, found {found or 'none'}"
            )
        for position, key in enumerate(self.keys or ()):
            check_key(key, f"spec.source.keys[{position}]")
        if self.match:
            check_prefix(self.match.prefix, "spec.source.match.prefix")
        if self.list:
            check_key(self.list.key, "spec.source.list.key")
        for position, source in enumerate(self.urls or ()):
            source.check(position)
        for position, file in enumerate(self.inline or ()):
            file.check(position)
        names = [file.name for file in self.inline or ()]
        for name in names:
            if names.count(name) > 1:
                raise InvalidSource(f"spec.source.inline: duplicate name {name!r}; names must be unique")

    def keys_read(self, names: Sequence[str]) -> Sequence[str]:
        """The keys that a run reads, given the names of its items: no output may overwrite them."""
        return [*names, self.list.key] if self.list else names if self.in_store else ()
