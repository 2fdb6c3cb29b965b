"""The results of the Pods, verified against the store's listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagejob_contract.order import output_name, padded_length
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode, ItemError, ItemResult, Result, Summary, decode_result


class InvalidResult(ValueError):
    """A result that is not used; the message has the shard and the reason."""


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """The verified result of one item; `attempt` wrote its outputs."""

    result: ItemResult
    shard: int
    attempt: int
    stored: tuple[Listed, ...] = ()
    """The outputs in the store's listing, in their order."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object in the store's listing."""

    size: int
    etag: str

    def has(self, size: int) -> bool:
        """Whether it is an output of so many bytes, padded or not."""
        return self.size == size or (size > 0 and self.size == padded_length(size))


def read_result(data: bytes, shard: int, items: int, renditions: int) -> Result:
    """Decode the result of a shard; raises InvalidResult if that fails, or it is of another shard."""
    try:
        result = decode_result(data, items, renditions)
    except (ValueError, RecursionError) as error:
        raise InvalidResult(f"the result of shard {shard} cannot be read: {error}") from None
    if result.shard != shard:
        raise InvalidResult(f"the result of shard {shard} names shard {result.shard}")
    return result


def summarise(result: Result) -> Summary:
    """Count the items of a result."""
    failed = sum(1 for item in result.items if item.error)
    return Summary(succeeded=len(result.items) - failed, failed=failed)


def verify(
    result: Result, indexes: Sequence[int], renditions: Sequence[Rendition], listing: Mapping[str, Listed]
) -> list[ItemOutcome]:
    """The outcomes of a shard; raises InvalidResult if its result does not match its order or the listing.

    `listing` has the objects below the attempt's output prefix, by name.
    """
    where = f"the result of shard {result.shard}"
    if [item.index for item in result.items] != list(indexes):
        raise InvalidResult(f"{where} does not list exactly its items {indexes[0]} to {indexes[-1]}")
    wanted = [rendition.name for rendition in renditions]
    return [
        ItemOutcome(
            item,
            result.shard,
            result.attempt,
            () if item.error else _verify_item(item, wanted, listing, where),
        )
        for item in result.items
    ]


def _verify_item(
    item: ItemResult, wanted: list[str], listing: Mapping[str, Listed], where: str
) -> tuple[Listed, ...]:
    """The item's outputs in the listing."""
    found: list[Listed] = []
    if [output.rendition for output in item.outputs] != wanted:
        raise InvalidResult(f"{where} does not list the renditions {wanted} of item {item.index}")
    for output in item.outputs:
        listed = listing.get(output_name(item.index, output.rendition))
        if listed is None or not listed.has(output.bytes):
            there = "does not have it" if listed is None else f"has {listed.size}"
            raise InvalidResult(
                f"{where} lists {output.bytes} bytes for {output.rendition} of item {item.index}, but the "
                f"store {there}"
            )
        found.append(listed)
    return tuple(found)


def lost_outcomes(shard: int, indexes: Sequence[int]) -> list[ItemOutcome]:
    """The outcomes of a shard without retries left."""
    error = ItemError(
        ItemCode.KILLED,
        "every attempt to process the shard of this item failed; see the Events of the Pods of the ImageJob",
    )
    return [ItemOutcome(ItemResult(index, error=error), shard, attempt=0) for index in indexes]
