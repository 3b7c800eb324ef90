# SPDX-License-Identifier: Apache-2.0
"""What a study found as one page that needs no network: accuracy against cycles, flash and RAM, all that was trained."""

from collections.abc import Sequence
from typing import Any

from sparsec.search.objectives import Objectives, Prices
from sparsec.search.results import front_of
from sparsec.search.trials import Tried

AXES = {"cycles": "estimated cycles", "flash": "flash, bytes", "ram": "arena, bytes"}
_COLOURS = {
    "front": "#c0392b",
    "uniform": "#2980b9",
    "greedy": "#27ae60",
    "others": "#b0b0b0",
    "dense": "#000000",
}


def page(
    title: str,
    results: Sequence[Tried],
    objectives: Objectives,
    dense: tuple[Prices, float],
) -> str:
    """The page as HTML with plotly's script in it. Raises ValueError where plotly is missing."""
    try:
        from plotly.subplots import make_subplots  # pyright: ignore[reportUnknownVariableType]
    except ImportError as error:
        raise ValueError(
            "the page of a search needs plotly: pip install 'sparsec[search]'"
        ) from error
    figure: Any = make_subplots(1, len(AXES), shared_yaxes=True, horizontal_spacing=0.03)
    for column, (metric, label) in enumerate(AXES.items(), 1):
        for name, shown in _groups(results, objectives, dense[0]).items():
            figure.add_scatter(
                x=[each.value(metric) for each in shown],
                y=[each.value("accuracy") for each in shown],
                text=[_label(each) for each in shown],
                **_looks(name, column),
            )
        figure.add_scatter(
            x=[dense[0].of(metric)],
            y=[dense[1]],
            text=["the network as it is"],
            **_looks("dense", column),
        )
        figure.update_xaxes(title_text=label, row=1, col=column)
    figure.update_yaxes(title_text="accuracy", row=1, col=1)
    figure.update_layout(title=title, template="plotly_white", hovermode="closest")
    # A fixed name of the division, so that the same study gives the same page.
    return str(figure.to_html(include_plotlyjs=True, full_html=True, div_id="search"))


def _groups(
    results: Sequence[Tried], objectives: Objectives, dense: Prices
) -> dict[str, list[Tried]]:
    """What is drawn in one colour; who is on the front is drawn as a baseline too, if it is one."""
    trained = [each for each in results if each.state == "finished"]
    front = front_of(trained, objectives, dense)
    baselines = ("uniform", "greedy")
    return {
        "others": [each for each in trained if each.origin not in baselines],
        **{name: [each for each in trained if each.origin == name] for name in baselines},
        "front": front,
    }


def _looks(name: str, column: int) -> dict[str, Any]:
    size = 11 if name == "dense" else 8
    marker: dict[str, Any] = {"color": _COLOURS[name], "size": size}
    if name == "front":
        marker |= {"symbol": "circle-open", "size": 13, "line": {"width": 2}}
    if name == "dense":
        marker |= {"symbol": "star"}
    return {
        "row": 1,
        "col": column,
        "name": name,
        "legendgroup": name,
        "showlegend": column == 1,
        "mode": "markers",
        "marker": marker,
        "hovertemplate": "%{x:,} · %{y:.4f}<br>%{text}<extra></extra>",
    }


def _label(tried: Tried) -> str:
    return f"{tried.number}: " + tried.candidate.text.replace("; ", "<br>")
