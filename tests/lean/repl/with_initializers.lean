import Lean
open Lean Meta
public section

/- What a module of Mathlib does in its initializers: it registers something that later texts use. -/
initialize knownRules : SimpExtension ← registerSimpAttr `leanebm_rules "rules of a test"
