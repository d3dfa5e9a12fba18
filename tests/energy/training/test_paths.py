from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leanebm.energy.training import TheoremPaths

MENTIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 9)), min_size=1)


@given(mentions=MENTIONS)
def test_a_state_is_on_its_theorem_s_path_once_at_its_smallest_remaining_depth(
    mentions: list[tuple[int, int, int]],
) -> None:
    theorem, state, remaining = np.array(mentions, dtype=np.int64).T

    paths = TheoremPaths.of(theorem=theorem, state=state, remaining_depth=remaining, num_theorems=4)

    for number in range(4):
        own = slice(paths.start[number], paths.start[number + 1])
        expected: dict[int, int] = {}
        for _, one, depth in (mention for mention in mentions if mention[0] == number):
            expected[one] = min(depth, expected.get(one, depth))
        assert dict(zip(paths.state[own].tolist(), paths.remaining_depth[own].tolist(), strict=True)) == expected
        assert len(paths.state[own]) == len(expected)
        assert (np.diff(paths.remaining_depth[own]) >= 0).all()
