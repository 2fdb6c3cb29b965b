"""The engine that an administrator chooses, from the operator's environment to the Pod's."""

from __future__ import annotations

import pytest

from imagejob_contract.order import ENGINE_VARIABLE, EngineName
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.settings import read_settings
from imagejob_processor.errors import BadOrder
from imagejob_processor.main import _engine
from unit.adapters.test_store_settings import ENVIRONMENT


@pytest.mark.parametrize("name", EngineName)
def test_both_sides_read_the_same_names(name: EngineName) -> None:
    assert read_settings({**ENVIRONMENT, ENGINE_VARIABLE: name}).engine is name
    assert _engine({ENGINE_VARIABLE: name}) is name


def test_the_fast_one_is_the_default() -> None:
    assert read_settings(ENVIRONMENT).engine is _engine({}) is EngineName.SIMD


def test_an_engine_that_is_none_is_refused_by_both() -> None:
    with pytest.raises(InvalidSettings, match="IMAGEJOB_ENGINE is 'Vips': it must be one of Pillow, Simd"):
        read_settings({**ENVIRONMENT, ENGINE_VARIABLE: "Vips"})
    with pytest.raises(BadOrder, match="IMAGEJOB_ENGINE is 'Vips': it must be one of Pillow, Simd"):
        _engine({ENGINE_VARIABLE: "Vips"})
