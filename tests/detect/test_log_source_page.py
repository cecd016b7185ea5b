"""The page of log sources says what the readers bring today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.detect.log_source_page import PAGE, page


@pytest.mark.slow
def test_the_page_of_log_sources_is_up_to_date(corpus: Path, corpus_packs: Path):
    """Written anew by `python -m tests.detect.log_source_page`."""
    assert PAGE.read_text(encoding="utf-8") == page(corpus, corpus_packs)
