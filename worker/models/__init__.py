"""Models: a model file becomes a predictor, which takes a frame and returns a frame.

`loading` chooses the kind of predictor: one from a plug-in's factory, or else by the file's suffix
`sklearn_model` or `onnx_model`. `output_columns` names the prediction columns of both. For
`sklearn_model`, `versions` checks the scikit-learn version of the file, and `sklearn_inputs` finds
what a fitted model reads: `column_specs` follows each column through the model.
"""

from worker.models.loading import Predictor, load_predictor
from worker.models.output_columns import Columns
from worker.models.sklearn_model import SklearnPredictor

__all__ = ["Columns", "Predictor", "SklearnPredictor", "load_predictor"]
