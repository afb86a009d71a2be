from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.loops.visible import visible_lines
from workflow.asl.graph import StateFigures, StateStatus, embedded_svg, mermaid, stylesheet, svg
from workflow.asl.walk import nested, states
from workflow.steps import (
    AwsSdkTask,
    Catch,
    Chain,
    Choice,
    ChoiceRule,
    Fail,
    LambdaStep,
    Map,
    Parallel,
    Pass,
    Succeed,
    Wait,
    definition,
)

EVERY_STEP = json.loads((Path(__file__).parents[2] / "golden" / "every_step.json").read_text())
SVG = "{http://www.w3.org/2000/svg}"


def review_machine() -> dict[str, Any]:
    failed = Fail("Failed")
    route = Choice("Route by status")
    both = Parallel("Both", catch=Catch(failed, error_equals=["States.ALL"]))
    both.add_branch(Chain([Pass("Left"), Wait("Wait", seconds=30)]))
    both.add_branch(Map("Every field", item_processor=Pass("Field")))
    collect = LambdaStep(
        "Collect review",
        parameters={"FunctionName": "${CollectReviewArn}"},
        catch=[
            Catch(failed, error_equals=["OutputMissing", "States.Timeout"]),
            Catch(failed, error_equals=["States.ALL"]),
        ],
    )
    route.add_choice(ChoiceRule.StringEquals("$.detail.humanLoopStatus", "Completed"), Chain([collect, both]))
    route.add_choice(
        ChoiceRule.StringEquals("$.detail.humanLoopStatus", "Stopped"),
        AwsSdkTask("Tell", service="sagemakera2iruntime", action="describeHumanLoop"),
        comment="It was stopped",
    )
    return definition(Chain([route, Succeed("Nothing to do")]), comment="Reviews & <more>")


def drawn(machine: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(svg(machine))


def groups(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class", "").split(" ")[0] == kind]


def texts(element: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in element.iter(f"{SVG}text")]


def test_svg_has_each_state_once_with_its_type() -> None:
    states = {
        group.get("data-state"): group.get("class") for group in groups(drawn(review_machine()), "state")
    }
    states.pop(None)  # the start
    assert states == {
        "Route by status": "state choice",
        "Collect review": "state task",
        "Both": "state parallel",
        "Left": "state pass",
        "Wait": "state wait",
        "Every field": "state map",
        "Field": "state pass",
        "Tell": "state task",
        "Nothing to do": "state succeed",
        "Failed": "state fail",
    }


def test_svg_has_each_transition_with_its_condition() -> None:
    arrows = {
        (group.get("class"), group.findtext(f"{SVG}title"))
        for group in groups(drawn(review_machine()), "arrow")
    }
    assert arrows == {
        ("arrow next", "Start → Route by status"),
        ("arrow choice", 'Route by status → Collect review: humanLoopStatus = "Completed"'),
        ("arrow choice", 'Route by status → Tell: humanLoopStatus = "Stopped"'),
        ("arrow default", "Route by status → Nothing to do: if no rule matches"),
        ("arrow next", "Collect review → Both"),
        ("arrow catch", "Collect review → Failed: on OutputMissing, States.Timeout"),
        ("arrow catch", "Collect review → Failed: on any error"),
        ("arrow catch", "Both → Failed: on any error"),
        ("arrow next", "Left → Wait"),
    }


def test_labels_and_notes_are_readable() -> None:
    words = texts(drawn(review_machine()))
    for text in (
        'humanLoopStatus = "Completed"',
        "It was stopped",  # a rule's comment replaces its condition
        "otherwise",
        "OutputMissing, Timeout",
        "Lambda CollectReview",
        "A2I describeHumanLoop",
        "30 s",
        "in parallel",
        "for each item",
    ):
        assert text in words


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        (ChoiceRule.NumericGreaterThanEquals("$.review['agreement']", 0.5), "agreement ≥ 0.5"),
        (ChoiceRule.NumericLessThanPath("$.a", "$.limits.b"), "a < b"),
        (ChoiceRule.BooleanEquals("$.review.overruled", True), "overruled"),
        (ChoiceRule.BooleanEquals("$.review.overruled", False), "not overruled"),
        (ChoiceRule.IsPresent("$.a", True), "a is present"),
        (ChoiceRule.IsPresent("$.a", False), "a is not present"),
        (ChoiceRule.IsNull("$.a", False), "a is not null"),
        (ChoiceRule.IsString("$.a", True), "a is a string"),
        (ChoiceRule.StringMatches("$.a", "x*"), 'a matches "x*"'),
        (ChoiceRule.Not(ChoiceRule.StringEquals("$.a", "x")), 'not (a = "x")'),
        (
            ChoiceRule.And(
                [
                    ChoiceRule.IsPresent("$.a", True),
                    ChoiceRule.Or(
                        [ChoiceRule.BooleanEquals("$.b", True), ChoiceRule.BooleanEquals("$.c", True)]
                    ),
                ]
            ),
            "a is present and (b or c)",
        ),
        (ChoiceRule.Condition("{%  $states.input.review.overruled\n and $x %}"), "review.overruled and $x"),
        (ChoiceRule.Condition("{% " + "very " * 20 + "%}"), "very very very very very very ver…"),
    ],
)
def test_rule_label(rule: Any, label: str) -> None:
    choice = Choice("Choice")
    choice.add_choice(rule, Succeed("Yes"))
    assert label in texts(drawn(definition(choice)))
    assert label.replace('"', "#34;") in re.sub(
        r"#(?!34)(\d+);", lambda code: chr(int(code[1])), mermaid(definition(choice))
    )


@pytest.mark.parametrize(
    "named",
    [
        "${CollectReviewArn}",
        "CollectReview",
        "CollectReview:5",
        "afterloop-dev-CollectReview",
        "afterloop-blue-green-2-CollectReview",
        "arn:aws:lambda:us-east-1:111122223333:function:afterloop-dev-CollectReview",
        "arn:aws:lambda:us-east-1:111122223333:function:afterloop-dev-CollectReview:5",
        "arn:aws-cn:lambda:cn-north-1:111122223333:function:CollectReview:live",
        "111122223333:function:CollectReview:$LATEST",
    ],
)
@pytest.mark.parametrize("direct", [True, False])
def test_function_label_omits_version_and_stage(named: str, direct: bool) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": named},
    }
    if direct and ":function:" in named:
        task = {"Type": "Task", "Resource": named}
    assert "Lambda CollectReview" in texts(drawn({"StartAt": "A", "States": {"A": task | {"End": True}}}))


@pytest.mark.parametrize(
    ("named", "label"),
    [
        ("arn:aws:lambda:us-east-1:111122223333:function:our-own_function:12", "our-own_function"),
        ("afterloop-dev-lower", "afterloop-dev-lower"),
        ("{% $function %}", "{% $function %}"),
    ],
)
def test_label_of_other_functions_is_their_name(named: str, label: str) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": named},
    }
    assert f"Lambda {label}" in texts(drawn({"StartAt": "A", "States": {"A": task | {"End": True}}}))


def test_status_has_sign_title_and_legend() -> None:
    machine = review_machine()
    statuses = {
        "Route by status": StateStatus.PASSED,
        "Collect review": StateStatus.CAUGHT,
        "Both": StateStatus.RUNNING,
        "Failed": StateStatus.FAILED,
    }
    root = ElementTree.fromstring(svg(machine, statuses))
    states = {group.get("data-state"): group for group in groups(root, "state") if group.get("data-state")}
    signs = {}
    for name, group in states.items():
        status = statuses.get(str(name), StateStatus.NOT_REACHED)
        assert group.get("class", "").split()[2] == status
        signs[status] = [path.get("d") for path in group.iter(f"{SVG}path") if path.get("class") == "sign"]
    assert signs.pop(StateStatus.NOT_REACHED) == []
    assert len({*map(tuple, signs.values())}) == 4, "each status has its own sign"
    assert "failed, and the error was caught" in states["Collect review"].findtext(f"{SVG}title", "")
    legend = groups(root, "legend")
    assert [texts(group) for group in legend] == [
        ["passed"],
        ["failed, and the error was caught"],
        ["failed"],
        ["running"],
        ["not reached"],
    ]
    below = max(rectangle(group)[3] for group in states.values()) + 16
    bottom = float(root.get("height", ""))
    assert all(
        below < float(text.get("y", "")) < bottom for group in legend for text in group.iter(f"{SVG}text")
    )


def test_states_not_reached_are_not_green() -> None:
    """Succeed states are green only in a picture without an execution."""
    style = ElementTree.fromstring(svg(review_machine(), {})).findtext(f"{SVG}style", "")
    ways = re.findall(r"\.state\.(succeed|not-reached)>\.shape\{fill:([^;]+)", style)
    assert ways == [("succeed", "#def7e5"), ("not-reached", "#fff")], "the later rule wins"
    assert "not-reached" not in svg(review_machine())
    assert not groups(drawn(review_machine()), "legend")


def test_state_after_nested_machines_is_below_them() -> None:
    deep = Map("Deep", item_processor=Chain([Pass("One"), Pass("Two"), Pass("Three")]))
    both = Parallel("Both")
    both.add_branch(deep)
    both.add_branch(Chain([Pass("Short"), Pass("Shorter")]))
    root = drawn(definition(Chain([both, Succeed("After")])))
    boxes = {
        str(group.get("data-state")): rectangle(group)
        for group in groups(root, "state")
        if group.get("data-state")
    }
    assert boxes["After"][1] > boxes["Both"][3]


def test_every_status_is_drawn_in_its_own_way() -> None:
    machine = definition(Chain([Pass(str(status)) for status in StateStatus]))
    root = ElementTree.fromstring(svg(machine, {str(status): status for status in StateStatus}))
    drawn_ways = set()
    for group in groups(root, "state"):
        sign = [path.get("d") for path in group.iter(f"{SVG}path") if path.get("class") == "sign"]
        drawn_ways.add((tuple(sign), group.findtext(f"{SVG}title", "").rpartition(": ")[2]))
    assert len(drawn_ways) == len(StateStatus) + 1, "and the start"
    style = root.findtext(f"{SVG}style", "")
    assert all(f".state.{status}>.shape" in style for status in StateStatus)


@pytest.mark.parametrize(
    ("figures", "count", "words"),
    [
        (StateFigures(StateStatus.PASSED, visits=1), None, "passed"),
        (StateFigures(StateStatus.RETRIED, visits=1, retries=1), "1 retry", "passed after a retry; 1 retry"),
        (StateFigures(StateStatus.FAILED, visits=1, failed=1, retries=3), "3 retries", "failed; 3 retries"),
        (
            StateFigures(StateStatus.FAILED, visits=5, failed=2, retries=4),
            "5\N{MULTIPLICATION SIGN}, 2 failed",
            "failed; 5 visits, 2 failed; 4 retries",
        ),
    ],
)
def test_visits_and_retries_are_counted(figures: StateFigures, count: str | None, words: str) -> None:
    root = ElementTree.fromstring(svg(definition(Pass("Item")), {"Item": figures}))
    (group,) = [group for group in groups(root, "state") if group.get("data-state")]
    assert [text.text for text in group.iter(f"{SVG}text") if text.get("class") == "count"] == [count] * bool(
        count
    )
    assert group.findtext(f"{SVG}title") == f"Item (Pass): {words}"


def test_embedded_svg_needs_no_exception_in_content_security_policy() -> None:
    drawing = embedded_svg(review_machine(), {}, link=lambda name: f"?state={name}")
    root = ElementTree.fromstring(drawing)
    assert "style" not in drawing
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    assert not groups(root, "legend")
    assert root.get("class") == "machine"


def test_embedded_states_are_links_with_names() -> None:
    machine = review_machine()
    statuses = {"Both": StateStatus.FAILED}
    link = '?a="1"&state={}'.format
    root = ElementTree.fromstring(embedded_svg(machine, statuses, link=link, selected="Field"))
    links = {str(one.get("href")): one for one in root.iter(f"{SVG}a")}
    assert set(links) == {link(name) for name in every_name(machine)}
    assert links[link("Both")].get("aria-label") == "Both: failed"
    assert [href for href, one in links.items() if one.get("aria-current")] == [link("Field")]
    assert [
        group.get("data-state")
        for group in groups(root, "state")
        if "selected" in group.get("class", "").split()
    ] == ["Field"]
    assert root.get("role") == "group", "links in an image are not accessible"
    assert ElementTree.fromstring(embedded_svg(machine)).get("role") == "img"


def every_name(machine: Any) -> list[str]:
    return [name for name, _ in states(machine)]


def test_stylesheet_has_each_colour_in_light_and_dark() -> None:
    light, dark = stylesheet().splitlines()[:2]
    used = set(re.findall(r"var\((--[a-z-]+)\)", stylesheet()))
    assert used == set(re.findall(r"(--[a-z-]+):", light)) == set(re.findall(r"(--[a-z-]+):", dark))
    assert dark.startswith("@media (prefers-color-scheme:dark)")
    rules = stylesheet().splitlines()[2:]
    assert all(
        rule.startswith(".machine ") and rule.count(".machine") == rule.count(",.machine") + 1
        for rule in rules
    )


def test_same_machine_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from pygraphviz import AGraph

    machine = definition(Pass("Laid out once"))
    first = svg(machine)
    monkeypatch.setattr(AGraph, "draw", None)
    assert svg(machine) == first
    assert "passed" in svg(machine, {"Laid out once": StateStatus.PASSED})


Rectangle = tuple[float, float, float, float]


def rectangle(group: ElementTree.Element) -> Rectangle:
    shape = next(child for child in group if child.get("class") == "shape")
    if shape.tag == f"{SVG}rect":
        left, top = float(shape.get("x", "")), float(shape.get("y", ""))
        return left, top, left + float(shape.get("width", "")), top + float(shape.get("height", ""))
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", shape.get("d", ""))]
    left, top, right, middle = numbers[0] - 16, numbers[1], numbers[3], numbers[4]
    return left, top, right, middle + (middle - top)


def inside(inner: Rectangle, outer: Rectangle) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def apart(one: Rectangle, other: Rectangle) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("machine", [review_machine(), EVERY_STEP], ids=["review", "every step"])
def test_nested_states_are_inside_and_others_do_not_overlap(machine: dict[str, Any]) -> None:
    root = drawn(machine)
    places = {
        group.get("data-state"): rectangle(group)
        for group in groups(root, "state")
        if group.get("data-state")
    }
    page = (0.0, 0.0, float(root.get("width", "")), float(root.get("height", "")))
    holders: dict[str, set[str]] = {}

    def walk(machine: dict[str, Any], outer: set[str]) -> None:
        for name, state in machine["States"].items():
            holders[name] = outer
            for held in nested(state):
                walk(held.machine, outer | {name})

    walk(machine, set())
    assert holders.keys() == places.keys()
    for name, outer in holders.items():
        assert inside(places[name], page)
        for holder in outer:
            assert inside(places[name], places[holder])
    for one, other in combinations(holders, 2):
        if one not in holders[other] and other not in holders[one]:
            assert apart(places[one], places[other]), (one, other)


def test_svg_is_the_same_in_any_environment(tmp_path: Path) -> None:
    """Fonts, hash seed, home folder, time zone and Graphviz version make no difference."""
    code = "import json, sys; from workflow.asl.graph import svg; sys.stdout.write(svg(json.load(sys.stdin)))"
    (tmp_path / "fonts.conf").write_text("<fontconfig/>")
    elsewhere = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ".",
        "PYTHONHASHSEED": "7",
        "PYTHONIOENCODING": "utf-8",
        "HOME": str(tmp_path),
        "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"),
        "TZ": "Asia/Tokyo",
    }
    other = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(EVERY_STEP),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=elsewhere,
        check=True,
    )
    assert other.stderr == ""
    assert other.stdout == svg(EVERY_STEP)
    assert not re.search(r"graphviz|\d{4}-\d\d-\d\d|\d\d:\d\d", other.stdout, re.IGNORECASE)


def test_many_caught_errors_are_listed_by_their_states() -> None:
    failed = Fail("Failed")
    steps = [
        AwsSdkTask(
            f"S{n}", service="s3", action="listBuckets", catch=Catch(failed, error_equals=["States.ALL"])
        )
        for n in range(200)
    ]
    machine = definition(Chain(steps))
    root = drawn(machine)
    assert [arrow.get("class") for arrow in groups(root, "arrow")].count("arrow catch") == 1
    titles = [group.findtext(f"{SVG}title") for group in groups(root, "state")]
    assert "S7 (Task, s3 listBuckets); on any error → Failed" in titles
    assert "Failed (Fail, from 200 states)" in titles
    assert mermaid(machine).count("-.->") == 1
    assert "  %% n8: on any error → Failed\n" in mermaid(machine)


def test_many_arrows_into_one_state_are_not_drawn() -> None:
    """Graphviz would take minutes for them."""
    steps: list[Any] = []
    last = Succeed("Last")
    for number in range(66):
        guard = Choice(f"Guard {number}")
        guard.add_choice(ChoiceRule.IsPresent("$.a", True), last)
        steps += [guard, Pass(f"Pass {number}")]
    root = drawn(definition(Chain([*steps, last])))
    kinds = [arrow.get("class") for arrow in groups(root, "arrow")]
    assert (kinds.count("arrow choice"), kinds.count("arrow default"), kinds.count("arrow next")) == (
        0,
        66,
        67,
    )
    assert "Guard 7 (Choice); a is present → Last" in [
        group.findtext(f"{SVG}title") for group in groups(root, "state")
    ]


def test_svg_has_its_own_background() -> None:
    root = drawn(review_machine())
    page = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "page")
    assert page.get("width") == root.get("width")
    assert root.findtext(f"{SVG}title") == "Reviews & <more>"


def test_transition_to_missing_state_is_not_drawn() -> None:
    machine = {
        "StartAt": "Nowhere",
        "States": {"A": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Choice", "Choices": [{}]}},
    }
    assert len(groups(drawn(machine), "arrow")) == 0
    assert "-->" not in mermaid(machine)


def test_mermaid_text() -> None:
    assert mermaid(review_machine()) == (
        "flowchart TD\n"
        '  s0(("Start")):::start\n'
        '  n1{{"Route by status"}}:::choice\n'
        '  n2(["Nothing to do"]):::succeed\n'
        '  n3("Collect review"):::task\n'
        '  subgraph n4["Both"]\n'
        '    subgraph n4b0[" "]\n'
        '      n5["Left"]:::pass\n'
        '      n6[/"Wait"/]:::wait\n'
        "    end\n"
        '    subgraph n4b1[" "]\n'
        '      subgraph n7["Every field"]\n'
        '        n8["Field"]:::pass\n'
        "      end\n"
        "    end\n"
        "  end\n"
        '  n9(["Failed"]):::fail\n'
        '  n10("Tell"):::task\n'
        "  n5 --> n6\n"
        "  s0 --> n1\n"
        '  n1 -->|"humanLoopStatus = #34;Completed#34;"| n3\n'
        '  n1 -->|"It was stopped"| n10\n'
        '  n1 -->|"otherwise"| n2\n'
        "  n3 --> n4\n"
        '  n3 -.->|"OutputMissing, Timeout"| n9\n'
        "  n3 -.-> n9\n"
        "  n4 -.-> n9\n"
        "  class n4,n7,n4b0,n4b1 holder\n"
        "  classDef start fill:#1f2933,stroke:#1f2933,color:#fff\n"
        "  classDef task fill:#e8f1ff,stroke:#2563a8,color:#1f2933\n"
        "  classDef choice fill:#fff4d6,stroke:#a86a10,color:#1f2933\n"
        "  classDef wait fill:#f1e9fd,stroke:#6f42a8,color:#1f2933,stroke-dasharray:6 3\n"
        "  classDef pass fill:#fff,stroke:#7b8794,color:#1f2933\n"
        "  classDef succeed fill:#def7e5,stroke:#22804a,color:#1f2933\n"
        "  classDef fail fill:#fde4e4,stroke:#b42318,color:#1f2933\n"
        "  classDef holder fill:#e4e9f0,stroke:#7b8794,color:#1f2933\n"
    )


QUOTED = r'"(?:[^"#&<>`\\*_~|\[\]{}()\n]|#\d+;)*"'
MERMAID_LINE = re.compile(
    rf"flowchart TD|  class(?:Def)? .*|\s*end|\s*subgraph \w+\[{QUOTED}\]"
    rf"|\s*\w+(?:\({QUOTED}\)|\(\({QUOTED}\)\)|\(\[{QUOTED}\]\)|\[{QUOTED}\]|\[/{QUOTED}/\]|\{{\{{{QUOTED}\}}\}}):::\w+"
    rf"|\s*\w+ (?:-->|-\.->)(?:\|{QUOTED}\|)? \w+"
)


@example(["0", "x"], "")
@example(["a\u202eb", "\u2066\x9b\u200bc"], "x\u202e\U000e0041")
@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=4, unique=True), st.text(max_size=60))
def test_any_names_give_valid_svg_and_mermaid(names: list[str], text: str) -> None:
    first, *others = names
    machine = {
        "Comment": text,
        "StartAt": first,
        "States": {
            first: {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% " + text + " %}", "Next": name, "Comment": text} for name in others
                ],
                "Default": first,
            },
            **{
                name: {
                    "Type": "Parallel",
                    "Branches": [{"StartAt": "x", "States": {"x": {"Type": "Pass", "End": True}}}],
                    "Catch": [{"ErrorEquals": [text], "Next": first}],
                    "End": True,
                }
                for name in others
            },
        },
    }
    root = drawn(machine)
    assert len(groups(root, "state")) == 1 + len(names) + len(others)
    executed = ElementTree.fromstring(svg(machine, dict.fromkeys(names, StateStatus.CAUGHT)))
    assert len(groups(executed, "legend")) == (
        1 if "x" in names else 2
    )  # the state inside is reached by its name
    for line in mermaid(machine).splitlines():
        assert MERMAID_LINE.fullmatch(line), line
    for printed in (mermaid(machine), svg(machine)):
        assert visible_lines(printed) == printed
