"""Write a stage as a SAM template, as a template for stack sets, and as a Terraform module.

Chalice writes the functions. Everything else comes from headroom/deploy/blueprint.py, with the
template's own expressions for names and locations. For SAM it is a template that Chalice merges
(sam.py). The template for stack sets follows from the result (stackset.py). For Terraform it is
files beside Chalice's, one of them an override (terraform.py).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from headroom.deploy import records, sam, stackset, terraform, understudy
from headroom.deploy import stage as stages
from headroom.deploy.account import Location
from headroom.deploy.blueprint import Document
from headroom.deploy.stage import Stage, StageError

SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice")
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "deployed", "venv")
#: Chalice's command line; the folder that it runs in is the project.
CHALICE = (sys.executable, "-m", "headroom.deploy.chalice_command")
#: Chalice needs a Region even for a template, which contains none.
ANY_REGION = "any-region-1"


def package(stage: Stage, project: Path, out: Path, with_dashboard: bool = False) -> list[Path]:
    """Write both packages and return their folders.

    Raises ConfigError, before anything else, if the configuration is wrong. Raises StageError if
    Chalice cannot package, or if the module is broken.
    """
    rules = stages.rules(stage, project)
    stage = stages.complete(stage, rules)
    sam_folder, module_folder = (out / name for name in ("sam", "terraform"))
    for folder in (sam_folder, module_folder):
        shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        copy = copy_of(project, Path(temporary) / "project")
        merged = Path(temporary) / "merge.json"
        merged.write_text(json.dumps(sam.template(stage, rules, with_dashboard)))
        chalice_package(copy, stage, "--merge-template", str(merged), str(sam_folder.absolute()))
        _without_log_retention(copy)
        chalice_package(copy, stage, "--pkg-format", "terraform", str(module_folder.absolute()))
    if stage.makes_topic:
        _write_stackset(sam_folder, stage)
    if rules.understudy:
        (module_folder / terraform.UNDERSTUDY_ZIP).write_bytes(understudy.code())
    _complete_module(module_folder, stage, terraform.extras(stage, rules, with_dashboard))
    return [sam_folder, module_folder]


def _write_stackset(folder: Path, stage: Stage) -> None:
    """Write the template for a stack set beside the SAM template, which has the same zip."""
    whole = json.loads((folder / "sam.json").read_text(encoding="utf-8"))
    template = stackset.template(whole, stage, folder / "deployment.zip")
    (folder / "stackset.json").write_text(json.dumps(template, indent=1))


def _complete_module(folder: Path, stage: Stage, extras: Document) -> None:
    """Write what Chalice's Terraform module lacks. Raises StageError if the module is broken."""
    modules = {"headroom": extras, "chalice_override": terraform.override(stage)}
    for name, module in modules.items():
        (folder / f"{name}.tf.json").write_text(json.dumps(module, indent=2))
    problems = terraform.problems(folder, stage)
    if problems:
        sentences = (f"\n  - {problem}" for problem in problems)
        raise StageError(f"the Terraform module would not work:{''.join(sentences)}")


def deploy(stage: Stage, project: Path, location: Location) -> int:
    """Deploy a stage's functions as `chalice deploy` does, in a lean package.

    Chalice prints what it does. Returns its exit status.
    """
    records.choose(stage, project, location)
    command = [*CHALICE, "deploy", "--stage", stage.name]
    return subprocess.run(command, cwd=project, check=False).returncode  # noqa: S603


def copy_of(project: Path, folder: Path) -> Path:
    """Copy what a deployment of a project needs into a new folder, and return it."""
    folder.mkdir()
    for name in SHIPPED:
        if (project / name).is_dir():
            shutil.copytree(project / name, folder / name, ignore=LEFT_BEHIND)
        else:
            shutil.copy2(project / name, folder / name)
    return folder


def _without_log_retention(project: Path) -> None:
    """Remove a setting that Chalice 1.34 cannot write for Terraform: terraform_extras writes it."""
    file = project / ".chalice" / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    for level in (settings, *settings.get("stages", {}).values()):
        level.pop("log_retention_in_days", None)
    file.write_text(json.dumps(settings))


def chalice_package(project: Path, stage: Stage, *options: str) -> None:
    """Run `chalice package` with lean packages. Raises StageError with what it printed."""
    arguments = ["package", "--stage", stage.name, *options]
    done = subprocess.run(  # noqa: S603
        [*CHALICE, *arguments],
        cwd=project,
        env={"AWS_DEFAULT_REGION": ANY_REGION, **os.environ},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        why = _without_traceback(done.stdout + done.stderr)
        raise StageError(f"chalice {' '.join(arguments)} failed:\n{why}")


def _without_traceback(output: str) -> str:
    """Return what a program printed; of a traceback only its last line, which names the error."""
    before, found, after = output.partition("Traceback (most recent call last):\n")
    return before + after.strip().rpartition("\n")[2] if found else output
