"""An adapter, added into its model for good."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from leanebm.errors import ConfigError
from leanebm.pipeline.finetune._adapter import on_model, write_note
from leanebm.pipeline.finetune._whole import BESIDE
from leanebm.serve.backends.hf.checkpoint import load_checkpoint, no_progress_bars
from leanebm.serve.backends.hf.folder import base_hash, prompt_format_of


def merge_adapter(
    model: str | os.PathLike[str],
    adapter: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    trust_remote_code: bool = False,
) -> Path:
    """Write a whole model that answers as ``model`` does with ``adapter``, up to the rounding of its number format.

    The sum is made in float32 in main memory, and stored in the model's own format. It appears at ``output`` whole.

    Args:
        model: folder of the adapter's base model.
        adapter: folder of a LoRA adapter.
        output: where the new model goes; there must be nothing yet.
        trust_remote_code: whether code in the model's folder may run.

    Returns:
        ``output``.

    Raises:
        ConfigError: one of the folders cannot be read, the two do not fit, or there is something at ``output``.
    """
    model, adapter, output = Path(model), Path(adapter), Path(output)
    require_vacant(output)
    base = load_checkpoint(model, dtype=torch.float32, attention=None, trust_remote_code=trust_remote_code)
    merged: Any = on_model(base, adapter).merge_and_unload(safe_merge=True)
    made = output.with_name(f".{output.name}.merging")
    shutil.rmtree(made, ignore_errors=True)  # of one that was killed
    try:
        with no_progress_bars():
            merged.to(_own_dtype(model)).save_pretrained(made)
        for pattern in BESIDE:
            for file in model.glob(pattern):
                shutil.copyfile(file, made / file.name)
        shown_as = prompt_format_of(adapter)
        if shown_as is not None:
            write_note(made, prompt_format=shown_as, base=base_hash(model))
        made.replace(output)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return output


def require_vacant(output: Path) -> None:
    """See that a merged model would overwrite nothing.

    Raises:
        ConfigError: there is something already.
    """
    if output.exists():
        raise ConfigError(f"{output} already exists: name a new folder for the merged model, or delete that one")


def _own_dtype(model: Path) -> torch.dtype:
    config = json.loads((model / "config.json").read_text("utf-8"))
    named = config.get("dtype") or config.get("torch_dtype") or "float32"
    dtype = getattr(torch, str(named).removeprefix("torch."), torch.float32)
    return dtype if isinstance(dtype, torch.dtype) else torch.float32
