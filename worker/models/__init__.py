"""Load a model, and give it the one shape the rest knows: a frame in, a frame out.

`loading` chooses by factory or suffix. scikit-learn's models, those of `skops_file` too, are judged
by `versions` and become an `estimator` (with `inputs`); ONNX is an `onnx_graph` (with `onnx_inputs`
and `onnx_outputs`). `columns` names what either answers.
"""

from worker.models.estimator import SklearnPredictor
from worker.models.loading import load_predictor
from worker.models.predictor import PredictMethod, Predictor

__all__ = ["PredictMethod", "Predictor", "SklearnPredictor", "load_predictor"]
