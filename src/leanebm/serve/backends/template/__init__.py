"""A symbolic policy: it reads the goal and proposes tactics by rule, with honest probabilities."""

from leanebm.serve.backends.template.backend import TemplateBackend

__all__ = ["TemplateBackend"]
