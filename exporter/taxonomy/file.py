"""The models of the files that define a system or change one."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, SkipValidation, StrictFloat, TypeAdapter

from exporter.taxonomy.model import DEFAULT_OBJECTIVE, CodeName, Name, Row
from exporter.validation import STRICT, OneLine, Text

_Objective = Annotated[
    StrictFloat,
    Field(ge=0, lt=1, description="Target for success / (success + failure); 0.995 by default."),
]
# Each row is validated on its own: a wrong row hides no mistake about the other rows.
_Rows = Annotated[list[SkipValidation[Row]], Field(min_length=1)]


class SystemFile(BaseModel):
    model_config = STRICT

    system: Annotated[Name, Field(description="The name in events and metrics.")]
    title: Annotated[OneLine, Field(description="The name on pages.")]
    source: Annotated[Text, Field(max_length=256, description="Where the codes are documented.")]
    phase_source: Annotated[
        Literal["vendor", "derived"],
        Field(description="derived if the vendor documents no phases."),
    ]
    normal: Annotated[CodeName, Field(description="The code of an event without a code.")]
    categories: Annotated[
        dict[Name, OneLine],
        Field(
            min_length=1,
            description="Name and heading of each group of codes.",
            json_schema_extra={"additionalProperties": False},
        ),
    ]
    codes: Annotated[_Rows, Field(description="The codes.")]
    objective: _Objective = DEFAULT_OBJECTIVE


class OverlayFile(BaseModel):
    model_config = STRICT

    extends: Annotated[Name, Field(description="The system that this file changes.")]
    objective: _Objective = DEFAULT_OBJECTIVE
    codes: Annotated[
        _Rows,
        Field(
            description="Changes of codes, and new codes with all required keys. Aliases are added, other "
            "values replaced."
        ),
    ] = []


SYSTEM: Final = TypeAdapter(SystemFile)
OVERLAY: Final = TypeAdapter(OverlayFile)
ROW: Final = TypeAdapter(Row)
