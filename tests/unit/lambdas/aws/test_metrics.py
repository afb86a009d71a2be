from __future__ import annotations

import ast

from docs.generate.reading import trees


def test_every_function_makes_its_metrics_in_one_place() -> None:
    """Metrics without the dimension `stage` would be those of all stages of the account."""
    made = {
        file.name
        for file, tree in trees("lambdas")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Metrics"
    }
    assert made == {"metrics.py"}
