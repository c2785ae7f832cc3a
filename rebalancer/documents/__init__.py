"""Reading what people write: YAML or JSON with positions, checked against pydantic models, in plain words.

In: text. Out: models, or :class:`~rebalancer.errors.InvalidInput` with everything that is wrong and where.
No I/O: :mod:`rebalancer.files` reads files.

::

    document = parse_document(text, "policy.yaml")
    header(document, "Policy")
    policy = validate(document, PolicyFile)
"""

from rebalancer.documents.document import Document, parse_document
from rebalancer.documents.fields import (
    AmountsField,
    BytesField,
    CoresField,
    CountField,
    DurationField,
    FileModel,
    Metadata,
    Model,
    Name,
    PositiveField,
    RateField,
    ShareField,
)
from rebalancer.documents.header import API_VERSION, header
from rebalancer.documents.validation import check, validate

__all__ = [
    "API_VERSION",
    "AmountsField",
    "BytesField",
    "CoresField",
    "CountField",
    "Document",
    "DurationField",
    "FileModel",
    "Metadata",
    "Model",
    "Name",
    "PositiveField",
    "RateField",
    "ShareField",
    "check",
    "header",
    "parse_document",
    "validate",
]
