"""A picture of a state machine, drawn from its ASL: SVG with a layout by Graphviz, and Mermaid text.

chart.py       the boxes and arrows to draw
wording.py     their labels
layout.py      their positions
drawing.py     the SVG
style.py       its colours
image.py       the SVG as PNG
flowchart.py   the Mermaid text

The output depends only on the definition: it is the same on every computer.

In the SVG, every state is a `<g class="state task" data-state="Record review">`. In a picture of an execution, a class,
a colour, a sign at the corner and a legend show the status of each state. The picture has its own neutral background,
so that it is readable on light and dark pages. `embedded_svg` draws a part of a page instead, with the colours of
`stylesheet`, light or dark.
"""

from workflow.asl.graph.chart import StateFigures, StateStatus
from workflow.asl.graph.drawing import embedded_svg, svg
from workflow.asl.graph.flowchart import mermaid
from workflow.asl.graph.image import png
from workflow.asl.graph.style import stylesheet

__all__ = ["StateFigures", "StateStatus", "embedded_svg", "mermaid", "png", "stylesheet", "svg"]
