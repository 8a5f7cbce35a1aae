"""Words heard beside words said, by edit distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def edit_path(
    reference: Sequence[str], heard: Sequence[str]
) -> list[tuple[int | None, int | None]]:
    """A cheapest edit path (Levenshtein), from its end: the places of both words of each step.

    None stands for the other side where a word was deleted or inserted.
    """
    ids = {word: i for i, word in enumerate({*reference, *heard})}
    right = np.array([ids[word] for word in heard], int)
    columns = np.arange(len(right) + 1)
    costs = [columns]
    for word in reference:
        above = costs[-1]
        row = np.concatenate(
            [[above[0] + 1], np.minimum(above[:-1] + (right != ids[word]), above[1:] + 1)]
        )
        # A word inserted costs one more than the cell to the left.
        costs.append(np.minimum.accumulate(row - columns) + columns)
    path: list[tuple[int | None, int | None]] = []
    i, j = len(reference), len(heard)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (reference[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            path.append((i, j))
        elif i and costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            path.append((i, None))
        else:
            j -= 1
            path.append((None, j))
    return path
