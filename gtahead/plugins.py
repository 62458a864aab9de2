"""What other packages add: readers, formats and detectors, by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from gtahead.errors import ResourceError, Where

T = TypeVar("T")


def load_plugins(group: str, kind: type[T]) -> dict[str, T]:
    """Load what installed packages register, by the name that they give it.

    Args:
        group: of entry points: `gtahead.readers`, `gtahead.formats` or `gtahead.detectors`.
        kind: what each of them has to be an instance of, with an attribute `name`.

    Raises:
        ResourceError: a plug-in can't be imported, is something else, goes by two names, or has
            the name of another one.
    """
    found: dict[str, T] = {}
    for point in entry_points(group=group):
        package = point.dist.name if point.dist is not None else point.value
        where = Where(f"plug-in {point.name} of {package}", field=group)
        remedy = f"update or uninstall it: pip uninstall {package}"
        try:
            plugin = point.load()
        except Exception as error:  # whatever another package does at its import
            what = f"the plug-in can't be loaded: {type(error).__name__}: {error}"
            raise ResourceError(what, where=where, remedy=remedy) from error
        if not isinstance(plugin, kind):
            what = f"the plug-in isn't a {kind.__name__}"
            raise ResourceError(what, where=where, value=type(plugin).__name__, remedy=remedy)
        name = getattr(plugin, "name", point.name)
        if name != point.name or name in found:
            what = "two plug-ins share a name" if name in found else "the plug-in has two names"
            raise ResourceError(what, where=where, value=name, remedy=remedy)
        found[name] = plugin
    return found


class Registry(Mapping[str, T]):
    """Entries by name: gtahead's own, and those that other packages add.

    Plug-ins are loaded at the first look, not when the registry is made: a package that adds
    several things imports several parts of gtahead.
    """

    def __init__(
        self, own: Callable[[], Mapping[str, T]], kind: type[T], group: str | None = None
    ) -> None:
        """Make a registry.

        Args:
            own: gives gtahead's own entries.
            kind: of the entries.
            group: of entry points; None for a registry made of others.
        """
        self._own, self._kind, self._group = own, kind, group
        self._entries: dict[str, T] | None = None

    def _loaded(self) -> dict[str, T]:
        """Return all entries.

        Raises:
            ResourceError: as `load_plugins`, or a plug-in has the name of an entry of ours.
        """
        if self._entries is None:
            own = dict(self._own())
            added = load_plugins(self._group, self._kind) if self._group else {}
            for name in added:
                if name in own:
                    raise ResourceError(
                        f"a plug-in has the name of a built-in {self._kind.__name__}",
                        where=Where(f"plug-in {name}", field=self._group),
                        remedy="uninstall it, or have it renamed",
                    )
            self._entries = {**own, **added}
        return self._entries

    def __getitem__(self, name: str) -> T:
        return self._loaded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())
