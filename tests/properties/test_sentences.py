"""Any sentence is described or refused, never a crash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiops_provider import describe
from aiops_provider.errors import DescriptionError

WORDS = st.sampled_from(
    ["nightly", "train", "serve", "XGBoost", "llama", "LoRA", "rank", "from", "to", "S3", "GB", "rows",
     "B", "million", "requests per second", "KB per event", "tokens", "prompt", "within", "hours",
     "p99", "ms", "features", "every", "EU", "stay", "epochs", "batch size", "joins", "us-east-1",
     "in", "data", "0", "7", "1,000", "2.5", "9" * 40]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=12).map(" ".join)))
def test_a_sentence_is_described_or_refused(sentence):
    """The only error is the one that tells how to mend the sentence; the answer is repeatable."""
    try:
        said = describe(sentence)
    except DescriptionError:
        return
    assert describe(sentence) == said
