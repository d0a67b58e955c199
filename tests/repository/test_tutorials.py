"""The tutorials run, with less to do, and hold what they printed."""

import json
import re
import runpy

import nbformat
import pytest

from tests import processes
from tests.repository import markdown

pytestmark = pytest.mark.slow

FOLDER = markdown.ROOT / "docs" / "tutorials"

# For each tutorial, its parameters, and what to look at in the end.
REDUCED = {
    "keras": (
        {"num_epochs": 2, "adam_rates": [0.01], "convnet_epochs": 1},
        "[losses, without_a_break, with_a_break, losses_guarded]",
    ),
    "own_model": (
        {
            "num_runs": 30,
            "num_steps": 20,
            "unroll_length": 10,
            "num_test_runs": 2,
            "baselines": ["sgd"],
            "num_epochs": 1,
        },
        "[results, losses]",
    ),
    "figure": (
        {
            "num_steps": 10,
            "num_runs": 2,
            "search_runs": 1,
            "baselines": ["sgd"],
        },
        "results",
    ),
}


def _read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", 4)


def _is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", [])


def _code_cells(name):
    return [cell for cell in _read(name).cells if cell.cell_type == "code"]


def _run(name, folder):
    """Runs a tutorial with less to do; returns what is to be looked at."""
    parameters, shown = REDUCED[name]
    cells = [
        "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
        if _is_parameters(cell)
        else cell.source
        for cell in _code_cells(name)
    ]
    program = folder / f"{name}.py"
    end = f"import json\n\nprint(json.dumps({shown}))"
    program.write_text("\n".join([*cells, end]))
    done = processes.run(
        program,
        cwd=folder,
        environment={"PATH": "", "HOME": str(folder), "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _falls(losses):
    return losses[-1] < 0.95 * losses[0]


def test_keras(tmp_path):
    losses, without_a_break, with_a_break, guarded = _run("keras", tmp_path)
    assert list(losses) == ["learned", "Adam, rate 0.01"]
    assert _falls(losses["learned"])
    assert losses["learned"][-1] < losses["Adam, rate 0.01"][-1]
    assert with_a_break == pytest.approx(without_a_break, rel=1e-6)
    assert len(guarded) == 1 and guarded[0] > 0


def test_own_model(tmp_path):
    results, losses = _run("own_model", tmp_path)
    assert set(results["optimizers"]) == {"learned", "sgd"}
    assert _falls(results["optimizers"]["sgd"]["mean"])
    learned = results["optimizers"]["learned"]["mean"]
    assert len(learned) == 21 and _falls(learned)
    assert len(losses) == 1 and 0 < losses[0] < 10


def test_figure(tmp_path):
    optimizers = _run("figure", tmp_path)["optimizers"]
    learned, sgd = (optimizers[name]["mean"] for name in ("LSTM", "sgd"))
    assert _falls(learned) and learned[-1] < sgd[-1]
    assert learned[0] == pytest.approx(sgd[0], rel=1e-5)


@pytest.mark.parametrize("name", REDUCED)
def test_notebook_was_executed_as_it_stands(name):
    cells = _code_cells(name)
    assert [c.execution_count for c in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    assert [o for o in outputs if "image/png" in o.get("data", {})]
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 200_000


@pytest.mark.parametrize("name", REDUCED)
def test_outputs_tell_of_no_line_of_the_library(name):
    text = (FOLDER / f"{name}.ipynb").read_text()
    assert not re.search(r"\.py:\d", text)


def test_the_line_of_a_warning_is_left_out():
    program = runpy.run_path(str(markdown.ROOT / ".ci/execute_tutorials.py"))
    printed = (
        f"before\n{markdown.ROOT}/l2l_tf/a/b.py:12: UserWarning: Look here.\n"
        "  self.report()\nafter\n"
    )
    assert (
        program["cleaned"](printed)
        == "before\nUserWarning: Look here.\nafter\n"
    )


@pytest.mark.parametrize("name", REDUCED)
def test_parameters_stand_in_one_cell(name):
    [parameters] = [c for c in _code_cells(name) if _is_parameters(c)]
    given = {}
    exec(parameters.source, given)
    assert set(REDUCED[name][0]) == set(given) - {"__builtins__"}


def test_every_tutorial_is_tested():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(REDUCED)


def test_commands_use_flags_that_exist():
    commands = [
        command
        for name in REDUCED
        for cell in _read(name).cells
        if cell.cell_type == "markdown"
        for command in markdown.python_commands(cell.source)
    ]
    assert len(commands) >= 3
    for command in commands:
        markdown.assert_command_is_accepted(command)
