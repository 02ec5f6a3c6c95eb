"""Records which actions of AWS a process calls: Python runs this at its start, where PYTHONPATH
names this folder. CALLED_ACTIONS names the file; without it nothing is recorded."""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

#: Services whose actions begin otherwise than their signing name.
PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}


class Finder(importlib.abc.MetaPathFinder):
    """Finds botocore's client once, and lets it record its calls."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of botocore.client; None leaves a module to the other finders."""
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_and_record(module: ModuleType) -> None:
                load(module)
                record(module)

            spec.loader.exec_module = load_and_record  # type: ignore[method-assign]
        return spec


def record(module: Any) -> None:
    """Let the clients of botocore write each call as `service:Action`, a line each."""
    call = module.BaseClient._make_api_call

    def recorded(client: Any, operation: str, params: Any) -> Any:
        service = client.meta.service_model.signing_name
        with Path(os.environ["CALLED_ACTIONS"]).open("a") as file:
            file.write(f"{PREFIXES.get(service, service)}:{operation}\n")
        return call(client, operation, params)

    module.BaseClient._make_api_call = recorded


if "CALLED_ACTIONS" in os.environ:
    sys.meta_path.insert(0, Finder())
