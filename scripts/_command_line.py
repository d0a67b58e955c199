"""What all scripts share: the import path, quiet logs, one-line errors."""

from __future__ import annotations

import logging
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

# A script runs from a checkout, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
# TensorFlow's C++ code greets with a page of warnings about absent GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# XLA uses half of a processor's 512-bit vectors unless told otherwise.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512")

import _flags  # noqa: E402
from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from absl import logging as absl_logging  # noqa: E402

_LARGEST = 2**31 - 1
_RATES = (
    pathlib.Path(__file__).resolve().parent.parent
    / "docs/results/baseline_rates.json"
)


class UsageError(Exception):
    """The user asked for something that is not accepted."""


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a script; an expected error is one line and exit code 1."""

    def guarded(argv: list[str]) -> None:
        # Imported here, since TensorFlow takes seconds and --help should not.
        _quiet()
        import tensorflow as tf

        from l2l_tf.core import compilation
        from l2l_tf.core import distribution
        from l2l_tf.meta_training import stopping
        from l2l_tf.meta_training import trainer as meta_training
        from l2l_tf.problems import datasets as data
        from l2l_tf.saving import metadata as metadata_lib

        expected = (
            ModuleNotFoundError,
            OSError,
            tf.errors.OpError,
            compilation.CompilationError,
            compilation.StepError,
            distribution.LostWorkerError,
            data.DataNotFoundError,
            meta_training.MetaTrainingError,
            metadata_lib.SavedOptimizerError,
        )
        try:
            if len(argv) > 1:
                raise UsageError(
                    f"Unexpected argument {argv[1]!r}; options are given as "
                    "--name=value, see --help."
                )
            _import_modules()
            main(argv)
        except UsageError as error:
            _fail(str(error))
        except stopping.StoppedError as error:
            _fail(_flags.as_flags(str(error)), code=143)
        except expected as error:
            _fail(_flags.as_flags(str(error)))
        except RuntimeError as error:
            # What a path like ~nobody/x gives, wherever it is expanded.
            if "home directory" not in str(error):
                raise
            _fail("A path begins with ~ and the name of no user.")
        except KeyboardInterrupt:
            _fail("Interrupted; --resume continues a training.", code=130)

    logging.basicConfig(format="%(levelname)s: %(message)s")
    absl_logging.use_absl_handler()
    app.run(guarded, flags_parser=_parse_flags)


def checked(build: Callable, /, *args, **kwargs):
    """Calls a function whose `ValueError`s are about the user's flags."""
    try:
        return build(*args, **kwargs)
    except ValueError as error:
        raise UsageError(_flags.as_flags(str(error))) from error


def checked_options(build: Callable, /, *args, **kwargs):
    """The same where they are about what a flag's text contains."""
    try:
        return build(*args, **kwargs)
    except ValueError as error:
        raise UsageError(str(error)) from error


def check_at_least(minimum: int, *names: str) -> None:
    """Refuses flags that are below a minimum, or too large for an int32."""
    for name in names:
        value = flags.FLAGS[name].value
        if value < minimum:
            raise UsageError(
                f"--{name} must be at least {minimum}; received {value}."
            )
        if value > _LARGEST:
            raise UsageError(
                f"--{name} must be at most {_LARGEST}; received {value}."
            )


def make_distribution():
    """Returns the replicas that `--strategy` names.

    To be called first: TensorFlow wants to know them before it computes.
    """
    from l2l_tf.core import strategies

    return checked(
        strategies.make, flags.FLAGS.strategy, flags.FLAGS.num_devices
    )


def set_data_dir(data_dir: str | None) -> None:
    """Makes `--data_dir` known to all that loads data, parts included."""
    if data_dir:
        os.environ["TFDS_DATA_DIR"] = data_dir


def known_rates(problem, num_steps: int) -> Mapping[str, float]:
    """Returns rates that were searched for the published figures, if any."""
    from l2l_tf.figures import rates

    return checked(rates.RateCache, _RATES).get(problem, num_steps)


def build_problem(
    name: str, options: str | Mapping[str, Any], data_dir: str | None
):
    """Builds the problem that `--problem` and its options describe.

    Args:
        name: The problem's name. A `package.module:function` is imported,
            from the working directory too, if `--problem` is what names it.
        options: Its options, parsed or as text.
        data_dir: Folder of data sets, for problems that need any.

    Returns:
        The problem.
    """
    set_data_dir(data_dir)
    from l2l_tf.core import options as options_lib
    from l2l_tf.problems import registry

    parsed = options
    if isinstance(options, str):
        parsed = checked(options_lib.parse, options, "problem_options")
    is_asked_for = "problem" in flags.FLAGS and flags.FLAGS.problem == name
    if not registry.is_import(name):
        if not is_asked_for and name not in registry.PROBLEMS:
            raise UsageError(
                f"The experiment is on the problem {name!r}, which was made "
                "in Python; continue or export it there, by "
                "l2l_tf.meta_train(problem, save_path, resume=True, ...)."
            )
        return checked(registry.from_options, name, parsed)
    # What a folder's files say is not run: they may be somebody else's.
    if not is_asked_for:
        raise UsageError(
            f"The problem {name!r} is code of your own, which is imported "
            f"only where you say so: pass --problem={name} again."
        )
    import_from_here()
    return checked(registry.from_options, name, parsed, may_import=True)


def import_from_here() -> None:
    """Finds modules in the working directory, as `python` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _import_modules() -> None:
    names = flags.FLAGS.imports if "imports" in flags.FLAGS else []
    if names:
        from l2l_tf.core import imports

        import_from_here()
        for name in names:
            checked(imports.of_user, name, f"imports={name!r}")


def check_output(*names: str) -> None:
    """Refuses output files that cannot be written, before the work is done."""
    for name in names:
        value = flags.FLAGS[name].value
        if value is None:
            continue
        path = pathlib.Path(value).expanduser()
        if path.is_dir():
            raise UsageError(f"--{name}={value!r} is a folder, not a file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise UsageError(f"--{name}={value!r} cannot be written.")


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{error} See --help.")


def _quiet() -> None:
    """Imports TensorFlow without the banners that no setting turns off."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
            import tensorflow as tf

            # The search for GPUs brings the last of them.
            tf.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    if not flags.FLAGS["verbosity"].present:
        absl_logging.set_verbosity(absl_logging.WARNING)


def _fail(message: str, code: int = 1) -> None:
    print(f"Error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
