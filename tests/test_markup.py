import pytest

from distill.markup import Markup, element, joined, raw


def test_text_and_attributes_are_escaped_and_markup_is_not():
    inner = element("b", '<i>&"')
    assert inner == "<b>&lt;i&gt;&amp;&quot;</b>"
    found = element("p", inner, "<", class_='x" onclick="y', stroke_width=2)
    assert found == f'<p class="x&quot; onclick=&quot;y" stroke-width="2">{inner}&lt;</p>'


def test_the_text_of_markup_is_text_again_once_it_is_cut_or_joined():
    assert joined("<", element("i")) == "&lt;<i></i>"
    assert not isinstance(element("i") + "<", Markup)


def test_a_script_cannot_end_its_element():
    assert raw("script", "a < b") == "<script>a < b</script>"
    with pytest.raises(ValueError, match="end tag"):
        raw("script", "'</script>'")
