"""The memory of a Pod, and the share of each of its decoder processes."""

from imagejob_contract import pod_memory
from imagejob_contract.output import Format
from imagejob_contract.pod_memory import MIB
from imagejob_contract.recipe import Fit
from unit.processor.images import LIMITS, limits, rendition, resized


def test_memory_grows_with_what_is_allowed():
    few, many = limits(MIB, 1_000_000), limits(MIB, 100_000_000)
    thumb = (rendition(resized(100, 100), form=Format.JPEG),)
    assert pod_memory.memory_bytes(thumb, few) < pod_memory.memory_bytes(thumb, many)
    assert pod_memory.memory_bytes(thumb, few) < pod_memory.memory_bytes((rendition(form=Format.AVIF),), few)
    enlarged = (rendition(resized(16384, 16384, Fit.FILL), form=Format.JPEG),)
    assert pod_memory.memory_bytes(enlarged, few) > 16384 * 16384 * 16
    assert pod_memory.likely_bytes(thumb, many) < pod_memory.memory_bytes(thumb, many)


def test_a_pod_that_was_sized_for_it_gives_each_worker_what_it_needs():
    need = pod_memory.memory_bytes((rendition(form=Format.AVIF),), LIMITS)
    for workers in (1, 2, 8):
        whole = pod_memory.pod_bytes(need, LIMITS, workers)
        assert pod_memory.fitting_workers(workers, need, LIMITS, whole) == workers
        assert pod_memory.allowed_bytes(need, LIMITS, workers, whole) == need


def test_the_pod_has_the_last_word_on_memory():
    need = pod_memory.memory_bytes((rendition(form=Format.AVIF),), LIMITS)
    assert pod_memory.allowed_bytes(need, LIMITS, 1, None) == need
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 64 << 30) == need
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 512 * MIB) == 448 * MIB - 64 * MIB
    assert pod_memory.allowed_bytes(need, LIMITS, 1, 64 * MIB) == pod_memory.LEAST_BYTES
    assert pod_memory.fitting_workers(4, need, LIMITS, 512 * MIB) == 1
    assert pod_memory.fitting_workers(4, need, LIMITS, None) == 4
    whole = pod_memory.pod_bytes(need, LIMITS, 3)
    assert pod_memory.fitting_workers(8, need, LIMITS, whole) == 3
    assert pod_memory.fitting_workers(8, need, LIMITS, whole - 1) == 2
