"""What a journal is of: it is refused for anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from aiocdf.batch.inputs import Fingerprint

__all__ = ["Identity"]


@attrs.frozen(kw_only=True)
class Identity:
    """A function, its project, and its inputs."""

    function: int | str
    project: str
    base_url: str
    format: str
    #: The field that is the inputs' key; None for line numbers.
    key: str | None
    inputs: Fingerprint

    def differs_from(self, before: Identity) -> str | None:
        """Return why the journal of *before* does not belong to this map; None if it does.

        The inputs are left out: `differs_in_inputs` compares them.
        """
        if (self.project, self.base_url) != (before.project, before.base_url):
            ours, theirs = f"{self.project} at {self.base_url}", f"{before.project} at {before.base_url}"
            return f"it is of project {theirs}, not of {ours}"
        if self.function != before.function:
            return f"it is of function {before.function!r}, not of {self.function!r}"
        if self.format != before.format:
            return f"its inputs were read as {before.format}, not as {self.format}"
        if self.key != before.key:
            return f"its keys are {_keys(before.key)}, not {_keys(self.key)}"
        return None

    def differs_in_inputs(self, before: Identity) -> str | None:
        """Return how the inputs have changed since the journal began; None if they have not."""
        if self.inputs == before.inputs:
            return None
        if self.inputs.size == before.inputs.size:
            return "the content of the inputs has changed since the journal began"
        return (
            f"the inputs have changed since the journal began: they were {before.inputs.size:,} bytes, and are "
            f"{self.inputs.size:,}"
        )


def _keys(field: str | None) -> str:
    return "line numbers" if field is None else f"the field {field!r}"
