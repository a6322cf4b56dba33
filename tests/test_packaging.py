"""What is installed is what is meant to be: a small wheel, a light import, floors that hold."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("sklearn", "librosa", "matplotlib", "pandas", "torch", "numba", "soundfile", "rich", "joblib", "jinja2")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in ("amd", "callback", "datasets", "benchmarks", "tests", "docs"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.wav")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_only_amd_and_callback(wheel):
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"amd", "callback"}
    assert {"amd/py.typed", "callback/py.typed"} <= set(names)
    models = {path.relative_to(ROOT).as_posix() for path in (ROOT / "amd" / "models").iterdir() if path.is_file()}
    assert models <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_holds_every_module_of_the_tree(wheel):
    tree = {
        path.relative_to(ROOT).as_posix() for top in ("amd", "callback") for path in (ROOT / top).rglob("*.py")
    }
    assert {name for name in wheel.namelist() if name.endswith(".py")} == tree


def test_the_wheel_holds_the_pages_and_their_style(wheel):
    names = set(wheel.namelist())
    assert {"amd/report/report.html.j2", "amd/report/report.css", "amd/labeling/page.html"} <= names
    web = ROOT / "callback" / "web"
    parts = [path for folder in ("static", "templates") for path in (web / folder).iterdir()]
    assert {path.relative_to(ROOT).as_posix() for path in parts} <= names


def test_the_wheel_holds_every_version_of_the_schema(wheel):
    versions = (ROOT / "callback" / "store" / "versions").glob("*.sql")
    assert {path.relative_to(ROOT).as_posix() for path in versions} <= set(wheel.namelist())


def test_import_amd_loads_nothing_heavy():
    code = "import sys, json, amd; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.split(".")[0] for name in json.loads(out)}
    assert "amd" in loaded
    assert "callback" not in loaded
    assert loaded.isdisjoint(HEAVY)


def test_classify_loads_no_other_command():
    code = "import sys, json, amd.cli; amd.cli._parser(['classify']); print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    others = {f"amd.commands.{name}" for name in ("compare", "evaluate", "label", "listen")}
    assert set(json.loads(out)).isdisjoint(others | {"amd.drawing", "amd.labeling", "scipy.fft"})


def test_the_command_line_loads_no_more_than_a_command_needs():
    code = "import sys, json, amd.cli; amd.cli._parser([]); print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(json.loads(out))
    assert "amd.commands.evaluate" in loaded
    assert loaded.isdisjoint(
        {"matplotlib", "jinja2", "joblib", "distributed", "torch", "scipy.stats", "amd.report"}
    )


def test_the_base_install_is_small_and_every_extra_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = {re.split(r"[<>=]", need)[0] for need in project["dependencies"]}
    assert base == {"numpy", "numba", "scipy", "soundfile", "soxr", "rich", "joblib"}
    extras = {
        "train",
        "report",
        "cluster",
        "peers",
        "adapters",
        "callback",
        "dialers",
        "postgres",
        "service",
        "fuzz",
        "simulation",
        "dev",
        "all",
    }
    assert set(project["optional-dependencies"]) == extras


def test_every_dependency_is_pinned_and_nothing_names_an_address():
    lines = (ROOT / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    names = {re.split(r"[<>=\[]", need)[0].lower() for need in needs} - {"amd-callback"}
    assert names <= pinned


def test_the_version_is_told_once():
    import amd

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert amd.__version__ == project["version"]
    assert f"## [{amd.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_imports_go_down_the_floors_only():
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports"
    checked = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    text = (ROOT / "pyproject.toml").read_text()
    for package, floors in zip(
        ("amd", "callback"), re.findall(r"layers = \[(.*?)\]", text, re.DOTALL), strict=True
    ):
        named = set(re.findall(rf"{package}\.(\w+)", floors))
        modules = {
            path.stem
            for path in (ROOT / package).iterdir()
            if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        assert modules - {"__init__", "__main__"} == named
