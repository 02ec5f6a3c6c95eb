"""Runs in an environment of its own, with AWS's SAM translator and a parser of HCL. Their versions
of pydantic do not fit to those of the project.

    python parsers.py sam FILE          the template as CloudFormation gets it
    python parsers.py terraform FILE…   what the expressions in a module name
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}


class NoManagedPolicies:
    """The names of AWS's managed policies, which only an account knows."""

    def load(self) -> dict[str, str]:
        return {}


def sam(file: str) -> Any:
    """Return the transformed template. Raises InvalidDocumentException with every mistake."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    from samtranslator.translator.transform import transform

    template = json.loads(Path(file).read_text())
    for resource in template["Resources"].values():
        if "CodeUri" in resource["Properties"]:
            resource["Properties"]["CodeUri"] = "s3://bucket/key"  # as `sam package` does
    return transform(template, {}, NoManagedPolicies())


def terraform(*files: str) -> list[list[str]]:
    """Return the parts of every name in the expressions of the files. Raises what lark raises where
    an expression is none."""
    import hcl2

    found = []
    for file in files:
        for text in _strings(json.loads(Path(file).read_text())):
            if "${" in text:
                found += list(_names(hcl2.parses_to_tree(f'x = "{_quoted(text)}"\n')))
    return found


def _quoted(text: str) -> str:
    """Escape what stands outside of the expressions of a text, as Terraform reads JSON."""
    parts, depth = [], 0
    for i, letter in enumerate(text):
        depth += text.startswith("${", i)
        depth -= letter == "}" and depth > 0
        parts.append(letter if depth else ESCAPED.get(letter, letter))
    return "".join(parts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _names(tree: Any) -> Iterator[list[str]]:
    """Yield the parts of each name with dots: `aws_sns_topic`, `headroom`, `arn`."""
    if tree.data == "get_attr_expr_term":
        yield [str(token) for token in tree.scan_values(lambda t: t.type == "NAME")]
        return
    for child in tree.children:
        if hasattr(child, "data"):
            yield from _names(child)


if __name__ == "__main__":
    kind, *files = sys.argv[1:]
    sys.stdout.write(json.dumps({"sam": sam, "terraform": terraform}[kind](*files)))
