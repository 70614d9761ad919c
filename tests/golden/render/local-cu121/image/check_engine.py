"""Prove that the engine's environment is what its profile promises; run by its Python, without a GPU.

usage: check_engine.py TORCH CUDA ARCHITECTURE...
"""

import importlib
import sys

import torch

# Everything that upstream's server and offline command import; `moshi.server` itself would start.
_MODULES = ("accelerate", "aiohttp", "huggingface_hub", "moshi.models", "moshi.offline", "pyloudnorm", "sphn")


def main(version, cuda, *architectures):
    found = torch.__version__.partition("+")[0]
    if (found, torch.version.cuda) != (version, cuda):
        sys.exit(f"torch {found} for CUDA {torch.version.cuda} is installed, not {version} for {cuda}")
    # torch.cuda.get_arch_list() says nothing where there is no GPU; this is what it reads.
    kernels = torch._C._cuda_getArchFlags().split()
    missing = sorted(set(architectures) - set(kernels))
    if missing:
        sys.exit(f"torch {version} has no kernels for {', '.join(missing)}; it has {', '.join(kernels)}")
    for name in _MODULES:
        importlib.import_module(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
