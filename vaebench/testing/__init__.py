"""The laws of the contracts, for authors of components: ``from vaebench.testing import laws_for``.

A component is checked inside the smallest model that can be composed around it, from built-in components and,
where none of these fits, from those of its own package. An objective can state its loss a second time, in
plain numbers, in ``Objective.formula``; ``Objective.over`` tells whether its loss depends on the whole batch.
A parameter whose effect no law can observe gives the reason in its annotation, as in
``Annotated[bool, Meta(description="...", extra={"unseen": "it only saves time"})]``. The package needs the
extra ``vaebench[testing]``.
"""

from vaebench.testing.pytest import laws_for

__all__ = ["laws_for"]
