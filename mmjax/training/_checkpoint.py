"""Room training: checkpoints of a run, written in the background, whole or not at all."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import orbax.checkpoint as ocp

Tree = Any
NUM_KEPT = 2
"""Checkpoints that are kept: the last one, and the one before, to which removing the last goes back."""
NO_SPACE = "No space left on device"


class CheckpointError(Exception):
    """A checkpoint that could not be written; the message is one line."""


class Checkpoints:
    """The checkpoints of one run in a folder; a context, at whose end what is being written is finished.

    A checkpoint is a pytree of arrays (typed keys included) and the run's configuration, against which it is checked
    when it is restored. A `kill` at any time leaves the earlier checkpoint as it was.
    """

    def __init__(self, folder: str | Path, configuration: Mapping[str, Any]) -> None:
        """Open a folder, which is made where it is not there.

        Args:
          folder: where the checkpoints are.
          configuration: what a run must have in common with the one that wrote them, as JSON can hold it.

        Raises:
          CheckpointError: if it cannot be made.
        """
        self._folder = Path(folder).absolute()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"cannot keep checkpoints in {self._folder}: {error.strerror}") from error
        self._configuration = json.loads(json.dumps(configuration))
        options = ocp.CheckpointManagerOptions(max_to_keep=NUM_KEPT, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def __enter__(self) -> Self:
        """Return the checkpoints."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being written; raises as `save` does, unless another error is on its way."""
        try:
            with self._reported():
                self._manager.close()
        except CheckpointError:
            if error is None:
                raise

    def save(self, number: int, state: Tree) -> None:
        """Write a checkpoint in the background.

        Args:
          number: rises from checkpoint to checkpoint.
          state: pytree of arrays; it may be changed or given away once this returns.

        Raises:
          CheckpointError: if this one, or the one before, which was written in the background, could not be written.
        """
        written = ocp.args.Composite(
            state=ocp.args.StandardSave(state), configuration=ocp.args.JsonSave(self._configuration)
        )
        with self._reported():
            self._manager.save(number, args=written)

    def latest(self) -> int | None:
        """Return the number of the last checkpoint, None where there is none."""
        return self._manager.latest_step()

    def restore(self, like: Tree) -> Tree:
        """Read the last checkpoint.

        Args:
          like: pytree of the arrays' shapes, dtypes and shardings, as `jax.eval_shape` or a state gives it.

        Returns:
          the state, bit by bit as it was saved.

        Raises:
          ValueError: if there is none, or it is of another configuration: the first difference is named.
        """
        number = self.latest()
        if number is None:
            raise ValueError(f"no checkpoint in {self._folder}")
        read = self._manager.restore(number, args=ocp.args.Composite(configuration=ocp.args.JsonRestore()))
        differences = _differences(read.configuration, self._configuration)
        if differences:
            raise ValueError(f"{self._folder} holds a run of another configuration: {'; '.join(differences)}")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        return self._manager.restore(number, args=args).state

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Say in one line what is wrong with the disk; Orbax has many ways to say it, of many lines."""
        try:
            yield
        except Exception as error:
            cause = " ".join(str(error).split())
            reason = NO_SPACE if NO_SPACE in cause else cause
            raise CheckpointError(
                f"cannot write a checkpoint to {self._folder}: {reason}; earlier ones are kept"
            ) from error


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} is {there.get(name, 'absent')} there and {here.get(name, 'absent')} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]
