"""A picture of a machine: SVG, laid out by Graphviz, and Mermaid text, both from its ASL.

chart.py       what is drawn: boxes and arrows
wording.py     what is written at them
layout.py      where they stand
drawing.py     how they look, in SVG
flowchart.py   the same as Mermaid text

The bytes depend on the definition alone, on every machine.

In the SVG every state is a `<g class="state task" data-state="Record review">`. In a picture of an execution its
classes also say what became of it, and so do its colour, a sign at its corner, and a legend. A neutral
background of its own keeps it readable on light and dark pages.
"""

from workflow.asl.graph.chart import Became
from workflow.asl.graph.drawing import svg
from workflow.asl.graph.flowchart import mermaid

__all__ = ["Became", "mermaid", "svg"]
