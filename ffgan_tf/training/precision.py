"""Whether this machine computes in the precision that was asked for, or only imitates it."""

from pathlib import Path

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86's two, and ARM's


def imitates_bfloat16(precision: str, gpus: int, cpuinfo: str | Path = "/proc/cpuinfo") -> bool:
    """Whether `precision` is mixed_bfloat16 on a CPU without bfloat16 arithmetic, by the flags in `cpuinfo`.

    Such a CPU computes the same numbers many times more slowly than float32. False where the file cannot be read.
    """
    if precision != "mixed_bfloat16" or gpus:
        return False
    try:
        lines = Path(cpuinfo).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    known = [set(line.partition(":")[2].split()) for line in lines if line.lower().startswith(("flags", "features"))]
    return bool(known) and not any(flags & BFLOAT16_FLAGS for flags in known)


SLOW_BFLOAT16 = (
    "note: this processor has no bfloat16 arithmetic (no avx512_bf16 or amx_bf16): mixed_bfloat16 is many times slower "
    "here than float32. Fix: --precision=float32."
)
