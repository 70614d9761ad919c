"""GPUs: what is known of them, whether this model fits one, and whether it keeps real time there.

Pure knowledge and arithmetic; only `read_checkpoint` and `probe_device` ask anybody. Neither torch nor a network
library is loaded with this package.
"""

from __future__ import annotations

from plexctl.gpus.checkpoint import PERSONAPLEX_7B, Checkpoint, checkpoint_from_header
from plexctl.gpus.device import Device, device_findings, parse_device, predict_device, probe_device
from plexctl.gpus.hub import read_checkpoint
from plexctl.gpus.judging import Assessment, assess, cpu_offload_finding
from plexctl.gpus.lambda_types import gpu_of_type
from plexctl.gpus.memory import Budget, Fit, budget, engines_that_fit, fit, fit_free
from plexctl.gpus.profiles import ImageProfile, image_profile
from plexctl.gpus.saved import save_measurement, saved_measurements
from plexctl.gpus.speed import FRAME_MS, Measurement, Pace, Prediction, predict, predict_unmeasured
from plexctl.gpus.table import Gpu, find, known, matching

__all__ = [
    "FRAME_MS",
    "PERSONAPLEX_7B",
    "Assessment",
    "Budget",
    "Checkpoint",
    "Device",
    "Fit",
    "Gpu",
    "ImageProfile",
    "Measurement",
    "Pace",
    "Prediction",
    "assess",
    "budget",
    "checkpoint_from_header",
    "cpu_offload_finding",
    "device_findings",
    "engines_that_fit",
    "find",
    "fit",
    "fit_free",
    "gpu_of_type",
    "image_profile",
    "known",
    "matching",
    "parse_device",
    "predict",
    "predict_device",
    "predict_unmeasured",
    "probe_device",
    "read_checkpoint",
    "save_measurement",
    "saved_measurements",
]
