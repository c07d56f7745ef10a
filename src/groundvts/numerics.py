"""Numerics that other processors share: the same instructions on every x86-64 with AVX2.

What adds and multiplies in another order rounds otherwise, and training magnifies it: with the fast
kernels two processors give two models. Whether they give one when held to these has not been seen
yet: `workflow/portable.py` prints the hashes to compare (see docs/numbers.md).
"""

from __future__ import annotations

# Before torch and numpy are imported.
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
