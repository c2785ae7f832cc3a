"""The one XML parser for what hosts answer: bounded, and deaf to everything but elements.

No DOCTYPE, hence no entities to expand or fetch; no network; libxml2's limits on depth and size stay on.
"""

from __future__ import annotations

from lxml import etree

from rebalancer.cluster.units import Bytes
from rebalancer.drivers.commands import printable

__all__ = ["XML_LIMIT", "Element", "integer", "parse_xml", "text"]

XML_LIMIT = Bytes(16 * 2**20)

Element = etree._Element


def parse_xml(data: bytes, root: str) -> Element:
    """The document's root element, which must be called ``root``; raises ValueError with one clear line."""
    if len(data) > XML_LIMIT:
        raise ValueError(f"answered {len(data)} bytes of XML, more than the limit of {XML_LIMIT}")
    # Before parsing: an internal subset costs time and memory even where its entities are not resolved.
    if b"<!DOCTYPE" in data[:4096] or b"<!ENTITY" in data:
        raise ValueError("answered XML with a DOCTYPE or entities, which no hypervisor does")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(data.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"did not answer XML ({printable(str(error))}): {printable(data) or 'nothing'}") from error
    if element.getroottree().docinfo.doctype:
        raise ValueError("answered XML with a DOCTYPE or entities, which no hypervisor does")
    if element.tag != root:
        raise ValueError(f"answered XML with a root <{printable(str(element.tag))}> in place of <{root}>")
    return element


def text(element: Element, path: str) -> str | None:
    """The text of the first element at ``path``, stripped; None where there is none or it is empty."""
    found = element.findtext(path)
    return found.strip() or None if found is not None else None


def integer(element: Element, path: str) -> int | None:
    """The text of the first element at ``path`` as a whole number; raises ValueError where it is something else."""
    found = text(element, path)
    if found is None:
        return None
    if not (found.isascii() and found.isdigit() and len(found) <= 20):
        raise ValueError(f"answered {printable(found)!r} for <{path}>, which is no number")
    return int(found)
