"""Protocol between the Pod's main process and the decoder process, over two pipes.

Every message is a frame: its length in eight bytes, big-endian, then its content. The parent sends one
`Setup` (msgpack), which the child answers with `Ready`. For each item the parent then sends two frames, the
name of the source and its bytes, and the child answers with `EncodedRendition`s and one `Done`.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from imagejob_contract.order import EngineName, ItemLimits
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ImageFacts, ItemError, Notes
from imagejob_processor.rendering.encoded import EncodedRendition

LENGTH_BYTES = 8


class Setup(msgspec.Struct, frozen=True):
    """What the child needs to know of the order.

    Attributes:
        renditions: What to make of every item.
        limits: Limits per item.
        address_space: The child's limit of address space in bytes; 0 for no limit.
        output_bytes: Size limit of an encoded rendition.
        engine: The preferred resampling engine.
        watermark_images: Files of the watermark images by their keys.
    """

    renditions: tuple[Rendition, ...]
    limits: ItemLimits
    address_space: int
    output_bytes: int
    engine: EngineName = EngineName.SIMD
    watermark_images: dict[str, bytes] = msgspec.field(default_factory=dict)


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child waits for items; the engine in use, and whether JPEGs are resized as planes."""

    engine: EngineName = EngineName.PILLOW
    jpeg_planes: bool = False


class Done(msgspec.Struct, frozen=True, tag=True):
    """The item is finished; after an error, the renditions sent before are discarded."""

    error: ItemError | None = None
    facts: ImageFacts | None = None
    notes: Notes = ()


Reply = Ready | EncodedRendition | Done

_encoder = msgspec.msgpack.Encoder()
_setup_decoder = msgspec.msgpack.Decoder(Setup)
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Setup | Reply) -> bytes:
    """Return the content of a frame."""
    return _encoder.encode(message)


def decode_setup(content: bytes | bytearray) -> Setup:
    """Decode the first frame that a child receives."""
    return _setup_decoder.decode(content)


def decode_reply(content: bytes | bytearray) -> Reply:
    """Decode a child's reply.

    Raises:
        msgspec.DecodeError: The content is not a reply.
    """
    return _reply_decoder.decode(content)


def length_prefix(content: bytes | bytearray) -> bytes:
    """Return the bytes that precede `content` on the pipe."""
    return len(content).to_bytes(LENGTH_BYTES, "big")


def read_frame(pipe: BinaryIO) -> bytes | None:
    """Wait for a frame; None when the other side has closed the pipe."""
    prefix = pipe.read(LENGTH_BYTES)
    if len(prefix) < LENGTH_BYTES:
        return None
    length = int.from_bytes(prefix, "big")
    content = pipe.read(length)
    return content if len(content) == length else None


def write_frame(pipe: BinaryIO, content: bytes) -> None:
    """Send a frame."""
    pipe.write(length_prefix(content))
    pipe.write(content)
    pipe.flush()
