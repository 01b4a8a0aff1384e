"""The demo's templates, one for each of some specialties, and the answers to their fields."""

import datetime
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

#: Field ids are made from this and the field's label, so that they are the same at every run.
NAMESPACE = uuid.UUID("7f0c9a52-6a55-4c41-9a53-0d1e5c3f1f5a")


@dataclass(frozen=True)
class Visit:
    """When a form is filled in, and for whom.

    `age` is in years; `size` is the ratio of the patient's height and weight to the median of their age; `number` is how
    many times the form has been filled in for them, this time included.
    """

    day: datetime.date
    age: float
    size: float
    number: int


@dataclass(frozen=True)
class SampleField:
    """A field and how the demo answers it: one of `samples`, or from `options`.

    Each option of a checkbox is chosen with the probability `chosen`, the first of others with `usual` and as any other.
    A number is in `between`, or by the patient's age as `medians` (years, value) say, or the visit's own number; the form
    takes it in `unit` and within `limits`. A date is so many `days` after the visit.
    """

    label: str
    type: str = "text"
    required: bool = False
    samples: Sequence[str] = ()
    options: Sequence[str] = ()
    chosen: float = 0.35
    usual: float = 0
    between: tuple[float, float] = (0, 0)
    medians: Sequence[tuple[float, float]] = ()
    counts_visits: bool = False
    days: tuple[int, int] = (14, 180)
    decimals: int = 0
    hint: str = ""
    unit: str = ""
    limits: tuple[float, float] | tuple[()] = ()

    def as_json(self, template: str, order: int) -> dict[str, Any]:
        """Return the field as a template's `fields` have it."""
        described = {"description": self.hint} if self.hint else {}
        chosen = {"options": list(self.options)} if self.options else {}
        measured = {"unit": self.unit} if self.unit else {}
        return {
            "id": str(uuid.uuid5(NAMESPACE, f"{template}/{self.label}")),
            "label": self.label,
            "type": self.type,
            "required": self.required,
            "order": order,
            **described,
            **chosen,
            **measured,
            **dict(zip(("min", "max"), self.limits, strict=False)),
        }

    def answer(self, random: Random, visit: Visit) -> Any:
        """Return an answer that fits the field."""
        match self.type:
            case "number":
                value = self._number(random, visit)
                return round(value, self.decimals) if self.decimals else round(value)
            case "date":
                return (visit.day + datetime.timedelta(days=random.randint(*self.days))).isoformat()
            case "checkbox":
                return [option for option in self.options if random.random() < self.chosen]
            case "dropdown" | "radio":
                return self.options[0] if random.random() < self.usual else random.choice(self.options)
            case _:
                return random.choice(self.samples)

    def _number(self, random: Random, visit: Visit) -> float:
        if self.counts_visits:
            return visit.number
        return _interpolated(self.medians, visit.age) * visit.size if self.medians else random.uniform(*self.between)


def _interpolated(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return y at `x` on the line through `points`, the last of which is beyond it."""
    (x0, y0), (x1, y1) = next(pair for pair in itertools.pairwise(points) if x < pair[1][0])
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


@dataclass(frozen=True)
class SampleTemplate:
    """A template, for patients whose age in years is within `ages`.

    `images` is the kind of its records' photos, a key of `paintings.PAINTERS`.
    """

    name: str
    description: str
    sample_fields: Sequence[SampleField]
    ages: tuple[int, int] = (16, 120)
    images: str = ""
    captions: Sequence[str] = ()

    def fields(self) -> list[dict[str, Any]]:
        return [field.as_json(self.name, order) for order, field in enumerate(self.sample_fields)]

    def fits(self, age: float) -> bool:
        youngest, oldest = self.ages
        return youngest <= age < oldest

    def values(self, random: Random, visit: Visit) -> dict[str, Any]:
        """Return a record's values: an answer to each required field, and to most others."""
        answered = [
            (field["id"], sample.answer(random, visit))
            for field, sample in zip(self.fields(), self.sample_fields, strict=True)
            if sample.required or random.random() < 0.9
        ]
        return dict(answered)


YES_NO = ("Yes", "No")

#: The age at which check-ups of children end; before it, no other form fits.
CHILDHOOD = 14

#: About the medians of the WHO's growth standards (cm, kg, by years): https://www.who.int/tools/child-growth-standards
HEIGHTS = (
    (0, 50),
    (0.25, 60),
    (0.5, 67),
    (1, 75),
    (2, 87),
    (3, 95),
    (4, 103),
    (6, 116),
    (8, 127),
    (11, 144),
    (15, 166),
)
WEIGHTS = ((0, 3.3), (0.25, 6.1), (0.5, 7.6), (1, 9.3), (2, 11.8), (4, 16), (6, 20.3), (8, 25.3), (11, 36), (15, 55))

TEMPLATES: Sequence[SampleTemplate] = (
    SampleTemplate(
        "General consultation",
        "For every visit that has no form of its own.",
        (
            SampleField(
                "Reason for the visit",
                required=True,
                samples=(
                    "Cough for ten days",
                    "Yearly check-up",
                    "Headaches in the afternoon",
                    "Tired since the winter",
                    "Sore throat and fever",
                    "Renewal of a prescription",
                ),
            ),
            SampleField(
                "History",
                "textarea",
                samples=(
                    "Began after a cold. No fever in the last days.\nSleeps well, eats normally.",
                    "Known high blood pressure, treated since 2019.\nMother had diabetes.",
                    "No earlier illness of note. Works at a desk, runs twice a week.",
                ),
            ),
            SampleField(
                "Blood pressure, systolic",
                "number",
                between=(105, 158),
                hint="Sitting",
                unit="mmHg",
                limits=(40, 300),
            ),
            SampleField(
                "Blood pressure, diastolic",
                "number",
                between=(62, 96),
                hint="Sitting",
                unit="mmHg",
                limits=(20, 200),
            ),
            SampleField(
                "Temperature",
                "number",
                between=(36.1, 38.9),
                decimals=1,
                hint="In the ear",
                unit="°C",
                limits=(30, 45),
            ),
            SampleField(
                "Allergies", "checkbox", options=("Penicillin", "Latex", "Pollen", "Nuts", "Iodine"), chosen=0.1
            ),
            SampleField("Smokes", "radio", options=("Never", "Stopped", "Yes"), usual=0.5),
            SampleField(
                "Assessment and plan",
                "textarea",
                required=True,
                samples=(
                    "Viral infection of the upper airways. Rest and fluids; back in a week if not better.",
                    "Findings normal. Blood count and lipids ordered.",
                    "Tension headache. Pause from the screen, diary for two weeks.",
                    "Blood pressure above target: dose raised, measured again in four weeks.",
                ),
            ),
            SampleField("Next visit", "date"),
        ),
        ages=(18, 120),
    ),
    SampleTemplate(
        "Skin examination",
        "One form for each lesion. Photograph it with the ruler.",
        (
            SampleField(
                "Where",
                required=True,
                samples=("Left forearm", "Back, below the right shoulder", "Right calf", "Neck, left", "Scalp"),
            ),
            SampleField("Longest diameter", "number", required=True, between=(2, 14), decimals=1, unit="mm"),
            SampleField("Colour", "checkbox", options=("Light brown", "Dark brown", "Black", "Red", "Blue-grey")),
            SampleField("Border", "radio", options=("Regular", "Irregular", "Blurred")),
            SampleField("Has changed", "radio", options=("No", "Size", "Colour", "Both"), usual=0.6),
            SampleField("Skin type", "dropdown", options=("I", "II", "III", "IV", "V", "VI"), hint="Fitzpatrick"),
            SampleField(
                "Dermatoscopy",
                "textarea",
                samples=(
                    "Regular network, no streaks, no veil.",
                    "Asymmetric in two axes. Few dots at the edge.",
                    "Globules in the middle, regular.",
                ),
            ),
            SampleField("What to do", "dropdown", options=("Nothing", "Look again in 3 months", "Excise", "Refer")),
        ),
        images="skin",
        captions=("Overview", "With the ruler", "After three months", "Before the excision"),
    ),
    SampleTemplate(
        "Dental check-up",
        "Twice a year.",
        (
            SampleField("Complaints", samples=("None", "Sensitive to cold, lower left", "Bleeding gums when brushing")),
            SampleField(
                "Teeth to treat", samples=("None", "36", "16, 17", "24", "46 and 47"), hint="Two-digit notation"
            ),
            SampleField("Gums", "radio", required=True, options=("Healthy", "Inflamed", "Receding")),
            SampleField("Done today", "checkbox", options=("Scaling", "Polishing", "Fluoride", "X-ray", "Filling")),
            SampleField("Plaque index", "number", between=(0, 60), unit="%", limits=(0, 100)),
            SampleField("Next check-up", "date"),
            SampleField(
                "Remarks",
                "textarea",
                samples=("Shown how to use the small brushes.", "Grinds at night; splint offered.", "All well."),
            ),
        ),
        ages=(CHILDHOOD, 120),
        images="x-ray",
        captions=("Bitewing, left", "Bitewing, right", "Tooth 36"),
    ),
    SampleTemplate(
        "Physiotherapy session",
        "Filled in after each session.",
        (
            SampleField("Region", "dropdown", required=True, options=("Neck", "Shoulder", "Lower back", "Hip", "Knee")),
            SampleField("Side", "radio", options=("Left", "Right", "Both")),
            SampleField("Pain before", "number", between=(5, 8), limits=(0, 10)),
            SampleField("Pain after", "number", between=(1, 4), limits=(0, 10)),
            SampleField("Treatment", "checkbox", options=("Mobilisation", "Massage", "Exercises", "Heat", "Tape")),
            SampleField(
                "Exercises for home",
                "textarea",
                samples=(
                    "Bridge, three times 12.\nStretch of the hip flexors, twice 30 seconds.",
                    "Rows with the band, three times 15.",
                ),
            ),
            SampleField("Session", "number", required=True, counts_visits=True),
        ),
    ),
    SampleTemplate(
        "Eye examination",
        "With dilated pupils where the fundus is photographed.",
        (
            SampleField("Visual acuity, right", samples=("1.0", "0.8", "0.63", "1.25"), required=True),
            SampleField("Visual acuity, left", samples=("1.0", "0.8", "0.5", "1.25"), required=True),
            SampleField("Pressure, right", "number", between=(10, 23), unit="mmHg", limits=(0, 80)),
            SampleField("Pressure, left", "number", between=(10, 23), unit="mmHg", limits=(0, 80)),
            SampleField(
                "Fundus", "textarea", samples=("Disc with sharp edge, macula normal.", "A few drusen, both eyes.")
            ),
            SampleField("Wears", "checkbox", options=("Glasses", "Contact lenses")),
            SampleField("Glaucoma in the family", "radio", options=YES_NO),
        ),
        ages=(50, 120),
        images="retina",
        captions=("Right fundus", "Left fundus"),
    ),
    SampleTemplate(
        "Child check-up",
        "At the ages that the vaccination plan names.",
        (
            SampleField("Height", "number", required=True, medians=HEIGHTS, unit="cm", limits=(30, 220)),
            SampleField("Weight", "number", required=True, medians=WEIGHTS, decimals=1, unit="kg", limits=(0.5, 200)),
            SampleField("Development", "dropdown", options=("As expected", "To be watched", "Referred"), usual=0.85),
            SampleField(
                "Vaccinated today", "checkbox", options=("MMR", "DTaP", "Polio", "Varicella", "Influenza"), chosen=0.1
            ),
            SampleField("Came with", samples=("Mother", "Father", "Both parents", "Grandmother")),
            SampleField(
                "Remarks", "textarea", samples=("Lively and curious.", "Eats and sleeps well.", "A cold last week.")
            ),
        ),
        ages=(0, CHILDHOOD),
    ),
    SampleTemplate(
        "Cardiology follow-up",
        "With ECG.",
        (
            SampleField("Heart rate", "number", required=True, between=(48, 104), unit="/min", limits=(20, 300)),
            SampleField("Rhythm", "radio", required=True, options=("Sinus", "Atrial fibrillation", "Paced"), usual=0.7),
            SampleField("Breathless", "dropdown", options=("Never", "On effort", "Climbing one floor", "At rest")),
            SampleField("Ejection fraction", "number", between=(38, 66), unit="%", limits=(5, 90)),
            SampleField("Takes", "checkbox", options=("Beta blocker", "ACE inhibitor", "Statin", "Anticoagulant")),
            SampleField("Plan", "textarea", samples=("Goes on unchanged.", "Statin doubled; lipids in six weeks.")),
            SampleField("Since", "date", days=(-3000, -400)),
        ),
        ages=(45, 120),
    ),
)
