from __future__ import annotations

from typing import Any

from workflow.asl.walk import machines, nested, own_fields, rules, states, ways


def one(name: str, state: dict[str, Any] | None = None, **others: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state or {"Type": "Succeed"}, **others}}


def deep_machine() -> dict[str, Any]:
    """Branches in a Map in a branch, and a Map with the older Iterator."""
    both = {"Type": "Parallel", "Branches": [one("Left"), one("Right", None, Beside={"Type": "Fail"})]}
    each = {"Type": "Map", "ItemProcessor": one("Both", both)}
    old = {"Type": "Map", "Iterator": one("Old item")}
    outer = {"Type": "Parallel", "Branches": [one("Each", each, Old=old), one("Alone")]}
    return one("First", {"Type": "Pass"}, Outer=outer, Last={"Type": "Succeed"})


def test_nested_states_come_after_their_holder() -> None:
    names = [name for name, _ in states(deep_machine())]
    outer = ["Outer", "Each", "Both", "Left", "Right", "Beside", "Old", "Old item", "Alone"]
    assert names == ["First", *outer, "Last"]


def test_states_are_not_copies() -> None:
    machine = deep_machine()
    dict(states(machine))["Old item"]["Comment"] = "changed"
    outer = machine["States"]["Outer"]["Branches"][0]
    assert outer["States"]["Old"]["Iterator"]["States"]["Old item"]["Comment"] == "changed"


def test_outer_machine_comes_first() -> None:
    starts = [machine["StartAt"] for machine in machines(deep_machine())]
    assert starts == ["First", "Each", "Both", "Left", "Right", "Old item", "Alone"]


def test_nested_machines_have_paths() -> None:
    held = {
        name: [(inside.field, inside.path, inside.machine["StartAt"]) for inside in nested(state)]
        for name, state in states(deep_machine())
    }
    assert {name: found for name, found in held.items() if found} == {
        "Outer": [("Branches", "Branches[0]", "Each"), ("Branches", "Branches[1]", "Alone")],
        "Each": [("ItemProcessor", "ItemProcessor", "Both")],
        "Both": [("Branches", "Branches[0]", "Left"), ("Branches", "Branches[1]", "Right")],
        "Old": [("Iterator", "Iterator", "Old item")],
    }


def test_own_fields_omit_nested_machines() -> None:
    for name, state in states(deep_machine()):
        assert own_fields(state) == {"Type": state["Type"]}, name


def test_ways_have_path_and_origin() -> None:
    rule, catcher = {"IsPresent": True, "Next": "Is"}, {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
    choice = {"Type": "Choice", "Default": "Otherwise", "Choices": [rule, {"Next": "Too"}]}
    assert list(ways(choice)) == [
        ("choice", "Choices[0].Next", "Is", rule),
        ("choice", "Choices[1].Next", "Too", {"Next": "Too"}),
        ("default", "Default", "Otherwise", {}),
    ]
    assert list(ways({"Type": "Task", "Next": "Then", "Catch": [{"ErrorEquals": ["E"]}, catcher]})) == [
        ("next", "Next", "Then", {}),
        ("catch", "Catch[1].Next", "Caught", catcher),
    ]
    assert not list(ways({"Type": "Task", "End": True}))


def test_rules_include_nested_rules() -> None:
    def variable(path: str) -> dict[str, Any]:
        return {"Variable": path, "IsNull": True}

    choice = {
        "Type": "Choice",
        "Choices": [
            {"And": [variable("a"), {"Or": [{"Not": variable("b")}, variable("c")]}], "Next": "x"},
            variable("d"),
        ],
    }
    assert [rule["Variable"] for rule in rules(choice) if "Variable" in rule] == ["a", "b", "c", "d"]
    assert len(list(rules(choice))) == 7
    assert not list(rules({"Type": "Pass"}))
