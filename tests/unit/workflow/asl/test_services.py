"""The names of services, against what botocore says about itself."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import botocore
from botocore.loaders import Loader

from workflow.asl.services import actions_of, botocore_name, services


def test_names_of_services_are_those_of_the_sdk_for_java() -> None:
    """`serviceId` without spaces and without "Service" at the end; only the beginning of each model is read."""
    expected = {}
    for folder in Loader().list_available_services("service-2"):
        model = max((Path(botocore.__file__).parent / "data" / folder).glob("*/service-2.json.gz"))
        with gzip.open(model, "rt") as file:
            name = re.search(r'"serviceId"\s*:\s*"([^"]+)"', file.read(4000))
        assert name is not None
        expected[re.sub(r"^(aws|amazon)|service$", "", re.sub(r"\W", "", name[1].lower()))] = folder
    assert {name: folder for name, folder in services().items() if folder in expected.values()} == expected


def test_actions_of_a_service() -> None:
    assert "putLogEvents" in actions_of("cloudwatchlogs")
    assert actions_of("logs") == actions_of("unheardof") == frozenset()
    assert (botocore_name("sfn"), botocore_name("stepfunctions")) == ("stepfunctions", None)
