"""How Sphinx makes the pages. Run by make.py, which writes what it reads into build/site-source."""

import ast
import itertools
import re
import textwrap
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
add_module_names = False  # the heading above says the module
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
autodoc_inherit_docstrings = False  # torch's words on a forward or a step that a subclass must write
napoleon_google_docstring = True
napoleon_use_param = False  # several names before one colon stay together
highlight_language = "none"  # an indented formula is no code; what is Python says so

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


# A norm's bars are as high as its letters, and not stretched; a prime, which is raised already, is no exponent; no gap
# stands before max or sign.
SIGNS = {
    "<mo>&#x02016;": '<mo stretchy="false">&#x02016;',
    "<msup>(<mi>.</mi>)<mi>&#x02032;</mi></msup>": r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>',
    r"<mo>([a-z]{3,})</mo>": r'<mo lspace="0">\1</mo>',
}


def _mathml(formula: str, display: str = "inline") -> str:
    text = convert(formula, display=display)
    for theirs, ours in SIGNS.items():
        text = re.sub(theirs, ours, text)
    return text


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(_mathml(node.astext()))
    raise _skip()


def _display(writer: Any, node: Any) -> None:
    formula = _mathml(node.astext(), display="block")
    writer.body.append(f'<div class="math" tabindex="0" role="group" aria-label="Formula">{formula}</div>')
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def _examples(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Indented examples of a docstring are shown as they are: in colours where they are Python."""
    for i in reversed(range(1, len(lines))):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        after = next((line for line in reversed(lines[:i]) if line.strip()), "")
        if begins and not after.startswith(" ") and not after.endswith("::"):
            example = itertools.takewhile(lambda line: line.startswith("    ") or not line.strip(), lines[i:])
            lines[i:i] = [".. code-block:: python" if _is_python("\n".join(example)) else "::", ""]


def _is_python(text: str) -> bool:
    try:
        return any(isinstance(node, ast.Call) for node in ast.walk(ast.parse(textwrap.dedent(text))))
    except SyntaxError:
        return False


def _left_out(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """The fields of a named tuple, of which nothing more is known than their number: the class describes them."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Any) -> None:
    """Formulas as MathML, which browsers draw by themselves: no script, no font to load, and screen readers read it."""
    app.connect("autodoc-process-docstring", _examples, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _left_out)
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
