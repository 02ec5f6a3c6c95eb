"""Chalice's own command line, with lean packages and roles that have the Region in their names:
`python -m headroom.deploy.chalice_command`.

Chalice has no hook for either. Here two of its public methods are wrapped.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import botocore.session
from chalice.cli import main
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder
from chalice.deploy.models import Application, ManagedIAMRole, Model
from chalice.deploy.packager import LambdaDeploymentPackager

from headroom.deploy.lean_zip import make_lean
from headroom.deploy.stage import Stage

create_package = LambdaDeploymentPackager.create_deployment_package
build = ApplicationGraphBuilder.build


def create_lean_package(
    packager: LambdaDeploymentPackager, project_dir: str, python_version: str
) -> str:
    """Do what Chalice's method does, and make the zip lean. Return its path."""
    file = create_package(packager, project_dir, python_version)
    make_lean(Path(file))
    return file


def build_with_regional_roles(
    builder: ApplicationGraphBuilder, config: Config, stage_name: str
) -> Application:
    """Do what Chalice's method does, and name each function's role as `Stage.role` does.

    headroom/deploy/packaging.py names the roles of templates, which have no Region.
    """
    application = build(builder, config, stage_name)
    region = botocore.session.get_session().get_config_variable("region")
    stage = Stage(str(config.app_name), stage_name)
    for role in roles(application.resources):
        role.role_name = stage.role(str(role.resource_name).removesuffix("_role"), region)
    return application


def roles(resources: Iterable[Model]) -> Iterator[ManagedIAMRole]:
    """Yield the roles among resources, and among what they depend on."""
    for resource in resources:
        if isinstance(resource, ManagedIAMRole):
            yield resource
        yield from roles(resource.dependencies())


if __name__ == "__main__":
    # an assignment to a method is refused by the type checker
    setattr(LambdaDeploymentPackager, "create_deployment_package", create_lean_package)  # noqa: B010
    setattr(ApplicationGraphBuilder, "build", build_with_regional_roles)  # noqa: B010
    sys.exit(main())
