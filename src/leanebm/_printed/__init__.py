"""What Lean prints, read back: goals and expressions, just deeply enough to see their shape."""

from leanebm._printed.digest import digest
from leanebm._printed.expression import Binder, Expression
from leanebm._printed.expression_parser import parse_expression
from leanebm._printed.goal import PrintedGoal, Variable, parse_goal

__all__ = ["Binder", "Expression", "PrintedGoal", "Variable", "digest", "parse_expression", "parse_goal"]
