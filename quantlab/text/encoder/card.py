"""The card of a fine-tuned folder (`card.json`), as far as who reads the folder must trust it: whole, and true of the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from quantlab.cache import key
from quantlab.errors import StorageError

CARD: Final = "card.json"
SEAL: Final = "seal"  # sha256 of all else that the card says
FIX: Final = "copy the folder again, or run `quantlab finetune` again"


def sealed(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card with the hash of what it says."""
    said = {name: value for name, value in card.items() if name != SEAL}
    return {**said, SEAL: key(said)}


def read_card(folder: Path) -> dict[str, Any] | None:
    """Return what the card in a folder says, None if there is none of ours. Raises StorageError if it is not what was written."""
    try:
        card = json.loads((folder / CARD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{folder / CARD} is damaged ({error}): {FIX}") from error
    if not isinstance(card, dict):
        return None
    if SEAL in card and sealed(card)[SEAL] != card[SEAL]:
        raise StorageError(f"{folder / CARD} is damaged: it is not what was written: {FIX}")
    return card


def check_files(folder: Path, card: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
    """Raise StorageError if the files that a folder's results depend on, {name: sha256}, are not those that its card names."""
    files = card.get("files")
    if not isinstance(files, dict):
        return
    missing = sorted(name for name in files if not (folder / name).is_file())
    if missing:
        raise StorageError(f"{folder} lacks {', '.join(missing)}, which its card names: copy the folder as a whole")
    odd = sorted(name for name in {*files, *hashes} if files.get(name) != hashes.get(name))
    if odd:
        raise StorageError(f"{folder}: {', '.join(odd)} is not what its card says: {FIX}")
