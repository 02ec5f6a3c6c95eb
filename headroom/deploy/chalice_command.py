"""Chalice's own command line, with lean packages: `python -m headroom.deploy.chalice_command`.

Chalice has no hook for its packages. Here the public method that makes one is wrapped.
"""

import sys
from pathlib import Path

from chalice.cli import main
from chalice.deploy.packager import LambdaDeploymentPackager

from headroom.deploy.lean_zip import make_lean

create_package = LambdaDeploymentPackager.create_deployment_package


def create_lean_package(
    packager: LambdaDeploymentPackager, project_dir: str, python_version: str
) -> str:
    """Do what Chalice's method does, and make the zip lean. Return its path."""
    file = create_package(packager, project_dir, python_version)
    make_lean(Path(file))
    return file


if __name__ == "__main__":
    # an assignment to a method is refused by the type checker
    setattr(LambdaDeploymentPackager, "create_deployment_package", create_lean_package)  # noqa: B010
    sys.exit(main())
