"""The goals, one module each: schema, documentation, and what it compiles to.

In: a clause's keys and a :class:`~rebalancer.policy.view.View`. Out: terms for the search. Registered by entry point
(group ``rebalancer.goals``), as a third party's would be.
"""

__all__: list[str] = []
