"""Executes the tutorials, and writes what they print and draw into them.

What a reader has no use for is left out: what TensorFlow says of itself, where
this repository and the temporary folders of this machine lie, and which line
of it a warning comes from, which the next change makes another one.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parent.parent

NOISE = re.compile(
    r"^(?:[IWE]\d{4} |WARNING: All log messages|INFO:tensorflow:).*\n", re.M
)
FOLDERS = re.compile(
    rf"{re.escape(str(ROOT))}/|{re.escape(tempfile.gettempdir())}/\w+/"
)
# The file, the number and the text of a line of the library.
LINES = re.compile(r"^l2l_tf/\S+\.py:\d+: (\w*Warning: .*\n)(?:  .*\n)?", re.M)


def cleaned(text: str) -> str:
    """Returns printed text less what tells of the machine only."""
    return LINES.sub(r"\1", FOLDERS.sub("", NOISE.sub("", text)))


def execute(path: Path) -> None:
    """Executes a notebook in place."""
    notebook = nbformat.read(path, 4)
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": tempfile.mkdtemp()}},
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = cleaned(output.text)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("text") != ""]
    # Of the kernel: other versions of Python have others.
    notebook.metadata.pop("language_info", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    for name in sys.argv[1:]:
        execute(Path(name))
