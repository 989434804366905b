"""Models: a model file becomes a predictor, which takes a frame and returns a frame.

`loading` chooses the kind of predictor: one from a plug-in's factory, or else by the file's suffix
`sklearn_model` (for which `versions` checks the scikit-learn version of the file, and
`sklearn_introspection` finds what a fitted model accepts) or `onnx_model`. `output_columns` names
the prediction columns of both.
"""

from worker.models.loading import Predictor, load_predictor
from worker.models.sklearn_model import SklearnPredictor

__all__ = ["Predictor", "SklearnPredictor", "load_predictor"]
