"""How does an answer become HTML that no page need fear? Its Markdown, and none of its tags.

In: an entry's answer, as operators wrote it. Out: HTML for the chat page, the console and the API.
"""

import re
from functools import lru_cache

from markdown_it import MarkdownIt

# html=False: tags in an answer are shown as text, and javascript: links are refused.
# Without "code" an indented line stays a sentence; fenced code still works.
_markdown = MarkdownIt("js-default", {"html": False, "breaks": True}).disable("code")
# FAQ tables exported from other systems are full of these.
_line_break = re.compile(r"<br\s*/?>", re.IGNORECASE)


# The same few answers are given over and over, and rendering one takes longer than finding it.
@lru_cache(maxsize=1024)
def render_answer(text: str) -> str:
    """Return an answer as HTML: its Markdown, and none of its tags."""
    return _markdown.render(_line_break.sub("\n", text))
