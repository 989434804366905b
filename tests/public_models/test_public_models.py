"""Models as people publish them predict files as they predict pandas' frame of the whole file."""

import pytest

from tests.public_models.comparison import (
    assert_predicted_alone_as_among_others,
    assert_predicted_as_in_pandas,
)
from tests.public_models.files import WRITERS
from tests.public_models.models import MODELS, PublicModel
from worker.interfaces import Format


@pytest.mark.parametrize("file_format", WRITERS)
@pytest.mark.parametrize("public", MODELS, ids=lambda public: public.name)
def test_a_public_model_predicts_a_file_as_pandas_frame_of_it(
    public: PublicModel, file_format: Format
) -> None:
    assert_predicted_as_in_pandas(public, file_format)


@pytest.mark.parametrize("file_format", WRITERS)
@pytest.mark.parametrize("public", MODELS, ids=lambda public: public.name)
def test_a_row_alone_in_its_file_is_predicted_as_among_others(
    public: PublicModel, file_format: Format
) -> None:
    assert_predicted_alone_as_among_others(public, file_format)
