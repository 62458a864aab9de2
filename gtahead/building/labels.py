"""Give heads what rules decide, boxes and sigmas: the one place for captures and standing sets."""

from __future__ import annotations
