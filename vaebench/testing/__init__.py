"""The laws of the contracts, for authors of parts: ``from vaebench.testing import laws_for``.

An objective states its loss a second time in ``Objective.formula``, and says in ``Objective.over`` whether it
is a function of the whole batch. A parameter whose effect no law can see says why, as
``Annotated[bool, Meta(description="...", extra={"unseen": "it saves time only"})]``. Around a part stand
built-in ones, and those of its own package where none of these fits. Needs the extra ``vaebench[testing]``.
"""

from vaebench.testing.pytest import laws_for

__all__ = ["laws_for"]
