"""What cannot be packaged ends in a message, and what is not needed stays behind."""

import zipfile
from pathlib import Path

import pytest

from chalicelib.config.loader import ConfigError
from headroom.deploy import packaging, stage
from headroom.deploy.account import Location
from headroom.deploy.lean_zip import make_lean
from headroom.deploy.stage import StageError
from tests.support.real_deploy import configure, copy_project


def test_a_configuration_that_is_wrong_ends_a_package_before_it_begins(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "p")
    configure(project, "tabels = 3")
    (tmp_path / "out" / "sam").mkdir(parents=True)
    with pytest.raises(ConfigError, match="tabels: unknown key; did you mean tables"):
        packaging.package(stage.read("dev", project), project, tmp_path / "out")
    assert (tmp_path / "out" / "sam").exists()  # what was there before is not even touched


@pytest.mark.slow(traced=True)
def test_a_package_that_chalice_cannot_make_ends_in_its_own_words(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "p")
    (project / "app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(StageError, match="nothing_of_that_name") as error:
        packaging.package(stage.read("dev", project), project, tmp_path / "out")
    assert "Traceback" not in str(error.value)


@pytest.mark.slow(traced=True)
def test_a_configuration_that_chalice_refuses_ends_a_deployment_in_its_status(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = copy_project(tmp_path / "p")
    (project / "app.py").write_text("import nothing_of_that_name\n")
    location = Location("aws", "us-east-1", "123456789012")
    assert packaging.deploy(stage.read("dev", project), project, location) != 0
    assert "nothing_of_that_name" in capfd.readouterr().err


@pytest.mark.slow(traced=True)
def test_what_was_compiled_on_the_operators_machine_stays_there(tmp_path: Path) -> None:
    file = tmp_path / "deployment.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", "print(1)")
        archive.writestr("chalicelib/__pycache__/old.cpython-311.pyc", b"old")
        archive.writestr("broken/template.py", "def {{ name }}():")
    make_lean(file)
    made = file.read_bytes()
    names = zipfile.ZipFile(file).namelist()
    assert "chalicelib/__pycache__/old.cpython-311.pyc" not in names
    assert "broken/template.py" in names  # what cannot be compiled is shipped as it is
    make_lean(file)  # Chalice takes up a zip that it finds, which is lean already
    assert file.read_bytes() == made
