"""Contrast by WCAG 2.2 AA, computed from the tokens: text 4.5:1, shapes and borders of inputs 3:1, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "web" / "styles" / "tokens.css"
SURFACES = ("bg", "surface", "sunken", "raised", "hover", "selected")
TEXTS = ("text", "text-2", "text-3", "accent", "ok", "warn", "bad")
SHAPES = (
    "line-input", "off", "sev-info", "sev-low", "sev-medium", "sev-high", "sev-critical",
    "lvl-1", "lvl-2", "lvl-3", "lvl-4", "lvl-5", "c1", "c2", "c3", "c4", "c5", "focus",
)  # fmt: skip
PAIRS = (
    ("on-accent", "accent"), ("on-mark", "mark"), ("text", "accent-soft"), ("accent-2", "accent-soft"),
    ("ok", "ok-soft"), ("warn", "warn-soft"), ("bad", "bad-soft"), ("text", "bad-soft"), ("text", "warn-soft"),
    ("text", "sev-critical-soft"), ("text", "sev-high-soft"), ("accent-2", "selected"), ("bg", "text"),
)  # fmt: skip


def themes() -> dict[str, dict[str, str]]:
    """Each theme's colours by token, as the file has them."""
    css = TOKENS.read_text("utf-8")
    found = {}
    for theme in ("light", "dark"):
        block = re.search(r':root\[data-theme="' + theme + r'"\]\s*\{(.*?)\n\s*\}', css, re.DOTALL)
        assert block is not None
        found[theme] = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,6})\b", block[1]))
    return found


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_twenty_one_to_one() -> None:
    """The measure itself."""
    assert round(contrast("#000", "#ffffff"), 1) == 21.0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_reaches_four_and_a_half_on_every_surface(theme: str) -> None:
    """Seven colours of text on six surfaces."""
    colours = themes()[theme]
    low = {
        (text, surface): round(contrast(colours[text], colours[surface]), 2)
        for text in TEXTS
        for surface in SURFACES
        if contrast(colours[text], colours[surface]) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_shapes_and_borders_of_inputs_reach_three(theme: str) -> None:
    """Severity, level, chart colours, the focus ring."""
    colours = themes()[theme]
    low = {
        (shape, surface): round(contrast(colours[shape], colours[surface]), 2)
        for shape in SHAPES
        for surface in ("bg", "surface", "raised")
        if contrast(colours[shape], colours[surface]) < 3
    }
    assert low == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_on_their_own_grounds_reach_four_and_a_half(theme: str) -> None:
    """Buttons, marks, chips, notes."""
    colours = themes()[theme]
    low = {
        pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2)
        for pair in PAIRS
        if contrast(colours[pair[0]], colours[pair[1]]) < 4.5
    }
    assert low == {}


def test_the_dark_theme_is_the_same_by_choice_and_by_system() -> None:
    """It is written twice; the two must not drift."""
    css = TOKENS.read_text("utf-8")
    system = re.search(r':root:not\(\[data-theme="light"\]\)\s*\{(.*?)\n\s*\}', css, re.DOTALL)
    assert system is not None
    by_system = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,6})\b", system[1]))
    assert by_system == themes()["dark"]
