"""How Sphinx makes the pages. Run by make.py, which writes what it reads into build/site-source."""

from typing import Any

from latex2mathml.converter import convert

project = "samlib: SAM and adversarial robustness"
author = "The samlib developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "literal"  # our docstrings put names in single backquotes
suppress_warnings = ["misc.highlighting_failure"]  # a notebook's !command is no Python, and shown as it is
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True

html_theme = "furo"
html_title = "SAM and adversarial robustness"
html_static_path = ["static"]
html_css_files = ["player.css"]
html_js_files = [("player.js", {"defer": "defer"})]
html_show_search_summary = False  # it would fetch pages, which one that is opened from the disk may not
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(convert(node.astext()))
    raise _skip()


def _display(writer: Any, node: Any) -> None:
    formula = convert(node.astext(), display="block")
    writer.body.append(f'<div class="math" tabindex="0" role="group" aria-label="Formula">{formula}</div>')
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def _examples(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Indented examples of a docstring are code, as they are."""
    for i in reversed(range(1, len(lines))):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        after = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if begins and not after.startswith(" ") and not after.endswith("::"):
            lines[i:i] = ["::", ""]


def setup(app: Any) -> None:
    """Formulas as MathML, which browsers draw by themselves: no script, no font to load, and screen readers read it."""
    app.connect("autodoc-process-docstring", _examples, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
