"""Channel: what the Pod's main process and its decoding child say to each other, over two pipes.

Every message is a frame: eight bytes of length, big-endian, then that many bytes. To the child goes one
`Setup` (msgpack), which it answers with `Ready`, then two frames per item: the name of the source,
and the file as it is. For each item the child answers with any number of `Picture` and one `Done`. Pipes
need no writable directory, no shared memory and no semaphore.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from imagejob_contract.order import EngineName, ItemLimits
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ImageFacts, ItemError

LENGTH_BYTES = 8


class Setup(msgspec.Struct, frozen=True):
    """What the child needs to know of the order, once.

    Attributes:
        renditions: What to make of every item.
        limits: What to refuse.
        address_space: Bytes of address space that the child allows itself; 0 for no limit.
        output_bytes: The longest encoded rendition that may be sent.
        engine: What is to resample, where it can.
        marks: The images that watermarks are made of, by their keys.
    """

    renditions: tuple[Rendition, ...]
    limits: ItemLimits
    address_space: int
    output_bytes: int
    engine: EngineName = EngineName.SIMD
    watermark_images: dict[str, bytes] = msgspec.field(default_factory=dict)


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child waits for items, with the engine that it found; `straight`: JPEGs go by their planes."""

    engine: EngineName = EngineName.PILLOW
    straight: bool = False


class Picture(msgspec.Struct, frozen=True, tag=True):
    """One encoded rendition of the item: its name, its size in pixels, its bytes."""

    rendition: str
    width: int
    height: int
    data: bytes


class Done(msgspec.Struct, frozen=True, tag=True):
    """The item is finished; with an error, the pictures sent before do not count."""

    error: ItemError | None = None
    facts: ImageFacts | None = None


Reply = Ready | Picture | Done

_encoder = msgspec.msgpack.Encoder()
_setup_decoder = msgspec.msgpack.Decoder(Setup)
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Setup | Reply) -> bytes:
    """Give the content of a frame."""
    return _encoder.encode(message)


def decode_setup(content: bytes | bytearray) -> Setup:
    """Read the first frame that a child gets."""
    return _setup_decoder.decode(content)


def decode_reply(content: bytes | bytearray) -> Reply:
    """Read a child's reply.

    Raises:
        msgspec.DecodeError: It is none; the child is not to be trusted any more.
    """
    return _reply_decoder.decode(content)


def length_prefix(content: bytes | bytearray) -> bytes:
    """Give what goes ahead of `content` on the pipe."""
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
