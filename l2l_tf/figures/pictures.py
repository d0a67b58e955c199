"""The figure kind of style transfer: what the optimizers have painted."""

from __future__ import annotations

import base64
import dataclasses
import io
from typing import Any

import numpy as np
from matplotlib import figure as mpl_figure
from PIL import Image

from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import plot_styles
from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import markdown
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems
from l2l_tf.problems import images
from l2l_tf.problems import paintings
from l2l_tf.problems import registry
from l2l_tf.rules import registry as rules

_INCHES, _DPI = 1.6, 160


@dataclasses.dataclass(frozen=True)
class Pictures(base.Figure):
    """A grid: content, style, and what each optimizer made of them.

    Attributes:
        title: See base class.
        panels: Comparisons on `style_transfer`; the pictures are those that
            their first runs end with.
        num_pictures: Pictures of each panel.
        baseline: The hand-designed rule to show.
        note: See base class.
    """

    title: str
    panels: tuple[comparisons.Panel, ...]
    num_pictures: int = 3
    baseline: str = "adam"
    note: str = ""

    def run(self, context: base.Context) -> dict[str, Any]:
        """Paints all pictures.

        Args:
            context: What to run with; a rate that it lacks is searched.

        Returns:
            `panels`: for each panel its label, its number of steps, mean
            `losses` in the end by optimizer, and `pictures`: for each run
            PNGs in base 64 by the column that shows them.
        """
        number = 1 if context.quick else self.num_pictures
        return {
            "panels": [
                self._paint(panel, number, context) for panel in self.panels
            ]
        }

    def draw(self, result: base.Result) -> mpl_figure.Figure:
        """See base class."""
        rows = [
            (panel["label"], pictures)
            for panel in result["panels"]
            for pictures in panel["pictures"]
        ]
        names = list(rows[0][1])
        figure = mpl_figure.Figure(
            figsize=(_INCHES * len(names), _INCHES * len(rows)),
            dpi=_DPI,
            layout="constrained",
        )
        axes = iter(figure.subplots(len(rows), len(names), squeeze=False).flat)
        for index, (label, pictures) in enumerate(rows):
            for name, part in zip(names, axes, strict=False):
                part.imshow(_decoded(pictures[name]))
                part.set_xticks([])
                part.set_yticks([])
                if index == 0:
                    part.set_title(name, fontsize="medium")
                if name == names[0]:
                    part.set_ylabel(label, fontsize="x-small")
        return figure

    def tables(self, result: base.Result) -> str:
        """See base class."""
        names = list(result["panels"][0]["losses"])
        return markdown.table(
            ["loss in the end", "steps", *names],
            [
                [
                    panel["label"],
                    str(panel["num_steps"]),
                    *(markdown.loss(panel["losses"][name]) for name in names),
                ]
                for panel in result["panels"]
            ],
        )

    def _paint(
        self, panel: comparisons.Panel, number: int, context: base.Context
    ) -> dict[str, Any]:
        problem = registry.make_problem(
            panel.problem, panel.split, **panel.options
        )
        steps, seed = panel.num_steps, context.seed
        recordings = {}
        for label, optimizer in panel.optimizers.items():
            rule = context.load(optimizer, problem.parameter_names)
            recorder = learning_curves.Recorder(
                lambda rate, rule=rule: rule, problem, steps, jit_compile=True
            )
            recordings[label] = recorder.record(seed, number, keep_params=True)
        recorder = learning_curves.Recorder(
            rules.RULES.get(self.baseline), problem, steps
        )
        rate = comparisons.learning_rate(panel, problem, self.baseline, context)
        recordings[plot_styles.label(self.baseline)] = recorder.record(
            seed, number, rate, keep_params=True
        )
        recordings[quasi_newton.NAME] = quasi_newton.record(
            problem, steps, seed, number
        )
        style = images.square(
            paintings.read(problem.options["style"]),
            problem.options["size"],
        )
        return {
            "label": panel.label,
            "num_steps": steps,
            "losses": {
                name: float(np.mean(recording.losses[:, -1]))
                for name, recording in recordings.items()
            },
            "pictures": [
                {
                    "content": _encoded(_content(problem, seed, index)),
                    "style": _encoded(style),
                    **{
                        name: _encoded(
                            images.to_pixels(recording.params[0][index])
                        )
                        for name, recording in recordings.items()
                    },
                }
                for index in range(number)
            ],
        }


def _content(problem: problems.Problem, seed: int, index: int) -> np.ndarray:
    run_seed = randomness.run_seed(seed, problem.split, index)
    [image, *_], _, _ = unroll.draw_start(problem, run_seed)
    return images.to_pixels(image.numpy())


def _encoded(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def _decoded(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
