"""What cannot be packaged ends in a message."""

from pathlib import Path

import pytest

from chalicelib.config.loader import ConfigError
from headroom.deploy import packaging, stage
from headroom.deploy.stage import StageError
from tests.support.real_deploy import configure, copy_project


def test_a_configuration_that_is_wrong_ends_a_package_before_it_begins(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "p")
    configure(project, "tabels = 3")
    (tmp_path / "out" / "sam").mkdir(parents=True)
    with pytest.raises(ConfigError, match="tabels: unknown key; did you mean tables"):
        packaging.package(stage.read("dev", project), project, tmp_path / "out")
    assert (tmp_path / "out" / "sam").exists()  # what was there before is not even touched


def test_a_package_that_chalice_cannot_make_ends_in_its_own_words(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "p")
    (project / "app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(StageError, match="nothing_of_that_name") as error:
        packaging.package(stage.read("dev", project), project, tmp_path / "out")
    assert "Traceback" not in str(error.value)
