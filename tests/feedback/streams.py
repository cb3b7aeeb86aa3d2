"""The decision streams of the tests, as columns; tests/data/streams/README.md says what each is."""

import csv
import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

STREAMS = Path(__file__).parent.parent / "data" / "streams"
EXPECTED: dict[str, Any] = json.loads((STREAMS / "expected.json").read_text())
TOLERANCE: dict[str, Any] = EXPECTED["tolerances"]
NAMES = tuple(EXPECTED["streams"])
OLDER = 1000  # whose confidences set where testing begins


@dataclass(frozen=True)
class Stream:
    """Decisions in the order of arrival. What only some streams have is empty in the others."""

    rows: list[dict[str, str]]

    @property
    def confidence(self) -> np.ndarray:
        return np.array([float(row["confidence"]) for row in self.rows])

    @property
    def error(self) -> np.ndarray:
        return np.array([row["action"] != row["human_label"] for row in self.rows])

    @property
    def votes(self) -> np.ndarray:
        columns = [name for name in self.rows[0] if name.startswith("votes_")]
        return np.array([[int(row[name]) for name in columns] for row in self.rows])

    # What a console under a live policy would know.

    @property
    def ran_alone(self) -> np.ndarray:
        return np.array([row["route"] == "auto" for row in self.rows])

    @property
    def probability(self) -> np.ndarray:
        return np.array([float(row["label_probability"]) for row in self.rows])

    @property
    def labelled(self) -> np.ndarray:
        return np.array([row["verdict"] != "" for row in self.rows])

    @property
    def overridden(self) -> np.ndarray:
        return np.array([row["verdict"] == "override" for row in self.rows])


@cache
def stream(name: str) -> Stream:
    with gzip.open(STREAMS / f"{name}.csv.gz", "rt") as lines:
        return Stream(list(csv.DictReader(lines)))
