"""What Lean, a policy and an encoder answered, in one file: recorded once, replayed without any of them."""

from leanebm.cassette.cassette import DEFAULT_MAX_BYTES, Cassette

__all__ = ["DEFAULT_MAX_BYTES", "Cassette"]
