"""A generated patient: the person, the spine, the disease."""

from __future__ import annotations

from dataclasses import dataclass

from .disease import Narrowing, narrowing
from .labels import Severities
from .person import Person, draw_person
from .spine import Spine, build_spine
from .texture import Texture, draw_texture


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """The body of a patient, as far as images show it."""

    person: Person
    spine: Spine
    narrowing: Narrowing
    seed: int
    index: int

    @property
    def texture(self) -> Texture:
        """Signal variation inside the tissues; only drawn where pixels are made."""
        return draw_texture(self.seed, self.index)


def make_patient(seed: int, index: int, severities: Severities) -> Patient:
    """The patient of study ``index`` with these severities."""
    person = draw_person(seed, index, severities.steps)
    return Patient(person, build_spine(person), narrowing(person, severities.steps), seed, index)
