"""What rules decide of heads, boxes and sigmas: the one way for captures and datasets."""

from __future__ import annotations
