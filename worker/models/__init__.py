"""Load a model, and give it the one shape the rest knows: a frame in, a frame out.

`loading` chooses by factory or suffix. scikit-learn's models, those of `skops_file` too, are judged
by `versions` and become an `estimator` (with `inputs`); ONNX is an `onnx_graph` (with `onnx_inputs`
and `onnx_outputs`). `columns` names what either answers.
"""

from worker.models.loading import Predictor, load_predictor
from worker.models.sklearn_model import SklearnPredictor

__all__ = ["Predictor", "SklearnPredictor", "load_predictor"]
