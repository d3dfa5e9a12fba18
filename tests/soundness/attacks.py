"""The table of attacks. A line reads: family, name, proof, why it is rejected, and the theorem where that matters."""

from __future__ import annotations

from .attack import Attack, ForgedText, Step
from .context_attacks import CONTEXT_ATTACKS

R, L, B, N = Step.REFUSED, Step.OPEN, Step.BELIEVED, Step.NO_STATEMENT

_AND = "True ∧ 1 = 2"
_EX = "∃ n : Nat, n = n + 1"
_NATIVE = "⟨false, true, true, false⟩"  # DecideConfig's fields by their place; the second is `native`
_RUN = f"by decide (config := {_NATIVE})"
_OWN_LINE = 'IO.println "{\\"certificate\\": {}}"'

SORRY = [
    Attack("sorry", "bare", "sorry", "sorry"),
    Attack("sorry", "admit", "admit", "sorry"),
    Attack("sorry", "as a term", "exact sorry", "sorry"),
    Attack("sorry", "sorryAx", "exact sorryAx _ false", "sorry"),
    Attack("sorry", "synthetic sorryAx", "exact sorryAx _ true", "sorry"),
    Attack("sorry", "rooted name", "exact _root_.sorryAx _ true", "sorry"),
    Attack("sorry", "quoted name", "exact «sorryAx» _ true", "sorry"),
    Attack("sorry", "in a have", "have h : 1 = 2 := sorry\nexact h", "sorry"),
    Attack("sorry", "in a have's tactics", "have h : 1 = 2 := by\n  sorry\nexact h", "sorry"),
    Attack("sorry", "as an argument", "exact (fun h : 1 = 2 => h) sorry", "sorry"),
    Attack("sorry", "in a pair", "exact ⟨trivial, sorry⟩", "sorry", statement=_AND),
    Attack("sorry", "in a match arm", "exact match (0 : Nat) with\n  | 0 => sorry\n  | _ => sorry", "sorry"),
    Attack("sorry", "under an alias", "have s : ∀ p : Prop, p := fun p => sorryAx p true\nexact s _", "sorry"),
    Attack("sorry", "in a helper lemma", "as_aux_lemma => sorry", "sorry", B),
    Attack("sorry", "after a failure", "first | rfl | sorry", "sorry"),
    Attack("sorry", "for all goals", "constructor\nall_goals sorry", "sorry", statement=_AND),
    Attack("sorry", "in a rewrite", "rw [show 1 = 2 from sorry]", "sorry"),
    Attack("sorry", "in simp's lemmas", "simp [show 1 = 2 from sorry]", "sorry"),
    Attack("sorry", "in a calc step", "exact calc\n  1 = 3 := sorry\n  _ = 2 := sorry", "sorry"),
    Attack("sorry", "against itself", "exact absurd rfl (sorry : ¬1 = 1)", "sorry"),
    Attack("sorry", "stop", "stop\nrfl", "sorry"),
    Attack("sorry", "what apply? admits", "apply?", "sorry"),
    Attack("sorry", "a where clause", "exact cheat\nwhere cheat : 1 = 2 := sorry", "sorry"),
    Attack(
        "sorry",
        "a termination proof",
        "exact go 0\nwhere go (n : Nat) : 1 = 2 := go (n + 1)\ntermination_by n\ndecreasing_by sorry",
        "sorry",
    ),
    Attack("sorry", "an instance", "exact @of_decide_eq_true _ (.isTrue sorry) rfl", "sorry"),
]

COMPILER = [
    Attack("compiler", "native_decide", "native_decide", "forbidden"),
    Attack("compiler", "decide +native", "decide +native", "forbidden"),
    Attack("compiler", "decide's setting", "decide (config := { native := true })", "forbidden"),
    Attack("compiler", "ofReduceBool", "exact of_decide_eq_true (Lean.ofReduceBool _ _ rfl)", "forbidden"),
    Attack(
        "compiler", "opened ofReduceBool", "open Lean in exact of_decide_eq_true (ofReduceBool _ _ rfl)", "forbidden"
    ),
    Attack("compiler", "reduceBool", "exact absurd (rfl : Lean.reduceBool true = true) (by decide)", "forbidden"),
    Attack("compiler", "reduceNat", "exact (rfl : Lean.reduceNat 1 = 2)", "forbidden"),
    Attack("compiler", "trustCompiler", "exact Lean.trustCompiler", "axioms", B, statement="True"),
    Attack(
        "compiler", "decide's native, by its place", f"decide (config := {_NATIVE})", "forbidden", statement="1 = 1"
    ),
    Attack(
        "compiler", "decide's native, by its constructor", "decide (config := .mk false true true false)", "forbidden"
    ),
    Attack(
        "compiler",
        "decide's native, typed",
        "decide (config := (.mk false true true false : Lean.Parser.Tactic.DecideConfig))",
        "forbidden",
    ),
    Attack(
        "compiler",
        "decide's native, inherited",
        f"decide (config := {{ ({_NATIVE} : Lean.Parser.Tactic.DecideConfig) with kernel := false }})",
        "forbidden",
    ),
    Attack(
        "compiler",
        "decide's native, as the default",
        "haveI : Inhabited Lean.Parser.Tactic.DecideConfig := ⟨⟨false, true, true, false⟩⟩\ndecide (config := default)",
        "elaboration",
    ),
    Attack(
        "compiler",
        "decide's native, coerced",
        "haveI : CoeDep Bool true Lean.Parser.Tactic.DecideConfig := ⟨⟨false, true, true, false⟩⟩\n"
        "decide (config := true)",
        "elaboration",
    ),
    Attack("compiler", "decide's native, in a name", "decide (config := { «native» := true })", "forbidden"),
    Attack(
        "compiler",
        "ofReduceBool, renamed",
        "open Lean renaming ofReduceBool → fine in exact of_decide_eq_true (fine _ _ rfl)",
        "forbidden",
    ),
    Attack("compiler", "ofReduceBool, quoted", "exact of_decide_eq_true (Lean.«ofReduceBool» _ _ rfl)", "forbidden"),
    Attack("compiler", "a 32-bit machine", "rfl", "elaboration", statement="System.Platform.numBits = 32"),
    Attack("compiler", "a 32-bit word", "decide +kernel", "elaboration", statement="USize.size = 4294967296"),
    Attack("compiler", "a machine word that wraps", "rfl", "elaboration", statement="(4294967296 : USize) = 0"),
    Attack("compiler", "this operating system", "rfl", "elaboration", statement="System.Platform.isEmscripten = true"),
    Attack("compiler", "floating point", "rfl", "elaboration", statement="(0.1 + 0.2 : Float) = 0.30000000000000004"),
    Attack("compiler", "an address", "rfl", "elaboration", statement="(ptrAddrUnsafe 1) = (ptrAddrUnsafe 1)"),
    Attack("compiler", "erased proof", "exact lcProof", "elaboration"),
    Attack("compiler", "unreachable code", "exact lcUnreachable", "elaboration"),
    Attack("compiler", "unsafe term", "exact unsafe lcProof", "forbidden"),
    Attack("compiler", "unsafe cast", "exact (unsafeCast (PLift.up trivial) : PLift (1 = 2)).down", "elaboration"),
    Attack("compiler", "panic", 'exact panic! "no"', "elaboration"),
    Attack("compiler", "unreachable!", "exact unreachable!", "elaboration"),
]

CODE = [
    Attack("code", "run_tac", "run_tac Lean.Elab.Tactic.setGoals []", "forbidden"),
    Attack("code", "by_elab", "exact by_elab return Lean.mkConst ``True", "forbidden"),
    Attack("code", "include_str", 'exact absurd (include_str "/etc/passwd") id', "forbidden"),
    Attack(
        "code",
        "print by a setting",
        f"simp (config := (unsafeCast ({_OWN_LINE} : IO Unit) : Unit → _) ())",
        "forbidden",
    ),
    Attack(
        "code", "print by one setting", f"simp (maxSteps := (unsafeCast ({_OWN_LINE}) : Unit → Nat) ())", "forbidden"
    ),
    Attack("code", "print by a nested setting", "simp (config := { maxSteps := dbgTraceVal 3 })", "forbidden"),
    Attack("code", "print in another tactic", 'decide (config := dbgTrace "{}" fun _ => {})', "forbidden"),
    Attack("code", "print in rw", 'rw (config := dbgTrace "{}" fun _ => {}) [Nat.add_comm]', "forbidden"),
    Attack("code", "print in a conversion", 'conv => simp (config := dbgTrace "{}" fun _ => {})', "forbidden"),
    Attack(
        "code", "print in a discharger", 'simp (discharger := simp (config := dbgTrace "{}" fun _ => {}))', "forbidden"
    ),
    Attack("code", "print by dbg_trace", 'dbg_trace "{}"\nrfl', "forbidden"),
    Attack("code", "an order to the watchdog", 'dbg_trace "arm 1 80000"\nrfl', "forbidden"),
    Attack(
        "code",
        "print in a decision",
        f'have h : (dbgTrace "{{}}" fun _ => true) = true := {_RUN}\nrfl',
        "forbidden",
        statement="1 = 1",
    ),
    Attack(
        "code",
        "any action in a decision",
        f"have h : (match ({_OWN_LINE} : IO Unit) (cast sorry ()) with | .ok .. => true | .error .. => false) = true"
        f" := {_RUN}\nrfl",
        "forbidden",
        statement="1 = 1",
    ),
    Attack(
        "code",
        "a decision in a discharger",
        f"simp (discharger := decide (config := {_NATIVE}))",
        "forbidden",
        statement="1 = 1",
    ),
    Attack("code", "a setting by a function", "simp (maxSteps := .log2 5)", "forbidden", statement="1 = 1"),
    Attack("code", "a setting by an argument in angles", "simp (config := ⟨5⟩)", "forbidden", statement="1 = 1"),
    Attack("code", "a comment in a setting", "simp (maxSteps /- := 3) -/ := dbgTraceVal 3)", "forbidden"),
    Attack(
        "code", "a setting in a conversion's tactic", f"conv => tactic => decide (config := {_NATIVE})", "forbidden"
    ),
    Attack("code", "a setting in an argument", f"exact absurd ({_RUN} : 1 = 2) id", "forbidden"),
    Attack("code", "a setting in a binder", f"have h (x : 1 = 2 := {_RUN}) : 1 = 2 := x\nexact h", "forbidden"),
    Attack("code", "a setting in a where clause", f"exact go\nwhere go : 1 = 2 := {_RUN}", "forbidden"),
    Attack(
        "code",
        "a setting in a termination proof",
        "exact go 0\nwhere go (n : Nat) : 1 = 2 := go (n + 1)\n"
        f"termination_by n\ndecreasing_by decide (config := {_NATIVE})",
        "forbidden",
    ),
    Attack("code", "a setting in a quotation", f"exact (`(tactic| decide (config := {_NATIVE}))).elim", "forbidden"),
    Attack("code", "a setting in a string", f'exact s!"{{({_RUN} : 1 = 2)}}"', "forbidden"),
    Attack(
        "code",
        "another declaration's name",
        "exact with_decl_name% Nat.add_comm (by as_aux_lemma => sorry)",
        "sorry",
        B,
    ),
    Attack("code", "a setting by tactics", "simp (maxSteps := by exact 3)", "forbidden"),
    Attack(
        "code",
        "an attribute",
        "let rec @[macro Lean.Parser.Tactic.tacticRfl] f : Lean.Macro := fun _ => `(sorry)\nrfl",
        "forbidden",
    ),
    Attack(
        "code",
        "implemented_by",
        "let rec @[implemented_by Nat.add] f : Nat → Nat → Nat := fun _ _ => 0\nrfl",
        "forbidden",
    ),
    Attack("code", "a proof file to read", 'bv_check "/etc/passwd"', "elaboration"),
    Attack("code", "sleep", "sleep 100000\nrfl", "forbidden"),
    Attack("code", "threads", "try?", "forbidden"),
    Attack("code", "threads by another name", "∎", "forbidden"),
    Attack("code", "threads in a term", "exact ∎", "forbidden"),
    Attack("code", "threads by a setting", "exact? +try?", "forbidden"),
    Attack("code", "threads by a quoted setting", "apply? +«try?»", "forbidden"),
    Attack("code", "threads by a nested setting", "exact? (config := { try? := true })", "forbidden"),
    Attack("code", "a solver", "bv_decide", "forbidden"),
    Attack("code", "skip the kernel", "set_option debug.skipKernelTC true in exact (rfl : 1 = 1)", "forbidden"),
    Attack("code", "no heartbeats", "set_option maxHeartbeats 0 in decide", "forbidden"),
    Attack("code", "an option in a term", "exact set_option autoImplicit true in rfl", "forbidden"),
    Attack(
        "code",
        "a macro by quotation",
        "exact (`(tactic| sorry) : Lean.MacroM Lean.Syntax) |> fun _ => rfl",
        "elaboration",
    ),
]

INJECTION = [
    Attack("injection", "an axiom after the proof", "trivial\naxiom cheat : False", "forbidden", statement="True"),
    Attack(
        "injection", "an axiom with no indentation", "trivial\n\n\naxiom cheat : False", "forbidden", statement="True"
    ),
    Attack("injection", "a second theorem", "trivial\ntheorem more : True := trivial", "forbidden", statement="True"),
    Attack(
        "injection",
        "the same theorem again",
        "trivial\ntheorem leanebm_poison : True := trivial",
        "elaboration",
        statement="True",
    ),
    Attack("injection", "end", "trivial\nend", "forbidden", statement="True"),
    Attack("injection", "namespace", "trivial\nnamespace Evil", "forbidden", statement="True"),
    Attack("injection", "section", "trivial\nsection", "forbidden", statement="True"),
    Attack("injection", "#eval", "trivial\n#eval IO.println 1", "forbidden", statement="True"),
    Attack("injection", "#print axioms", "trivial\n#print axioms leanebm_poison", "forbidden", statement="True"),
    Attack("injection", "run_cmd", "trivial\nrun_cmd pure ()", "forbidden", statement="True"),
    Attack("injection", "initialize", 'trivial\ninitialize IO.println "{}"', "forbidden", statement="True"),
    Attack("injection", "attribute", "trivial\nattribute [simp] Nat.add_comm", "forbidden", statement="True"),
    Attack("injection", "set_option", "trivial\nset_option autoImplicit true", "elaboration", statement="True"),
    Attack("injection", "notation", 'trivial\nnotation "⊥" => True', "forbidden", statement="True"),
    Attack(
        "injection",
        "macro_rules",
        "trivial\nlocal macro_rules | `(tactic| rfl) => `(tactic| sorry)",
        "forbidden",
        statement="True",
    ),
    Attack("injection", "elab", 'trivial\nelab "x" : tactic => pure ()', "forbidden", statement="True"),
    Attack(
        "injection", "instance", "trivial\ninstance : Decidable False := .isTrue sorry", "forbidden", statement="True"
    ),
    Attack("injection", "opaque", "trivial\nopaque cheat : Nat", "forbidden", statement="True"),
    Attack("injection", "import", "trivial\nimport Lean", "forbidden", statement="True"),
    Attack("injection", "a command in a macro", 'macro "x" : tactic => `(tactic| sorry)\nx', "elaboration"),
    Attack("injection", "declaration in a term", "exact (axiom cheat : 1 = 2)", "elaboration"),
    Attack("injection", "attribute before a tactic", "attribute [local simp] Nat.add_comm in simp", "elaboration"),
    Attack("injection", "an unclosed comment", "trivial /- ", "elaboration", statement="True"),
    Attack("injection", "a comment alone", "-- trivial", "elaboration"),
    Attack("injection", "a comment that hides", "exact (sorry /- rfl -/)", "sorry"),
    Attack("injection", "an open bracket", "exact (trivial", "elaboration", statement="True"),
    Attack("injection", "a closed bracket", "exact trivial)", "elaboration", statement="True"),
    Attack("injection", "nothing", "", "elaboration"),
    Attack("injection", "blanks", " \n\t\n ", "elaboration"),
]

UNICODE = [
    Attack("unicode", "Cyrillic а", "exact Nat.аdd_comm 1 1", "elaboration", statement="1 + 1 = 1 + 1"),
    Attack("unicode", "zero width space", "tri\u200bvial", "elaboration", statement="True"),
    Attack("unicode", "byte order mark", "\ufefftrivial", "elaboration", statement="True"),
    Attack("unicode", "right to left", "\u202etrivial\u202c", "elaboration", statement="True"),
    Attack("unicode", "no-break space", "exact\u00a0trivial", "elaboration", statement="True"),
    Attack("unicode", "line separator", "-- x\u2028sorry", "elaboration"),
    Attack("unicode", "NUL", "trivial\0", "elaboration", statement="True"),
    Attack("unicode", "lone carriage return", "-- x\rtrivial", "elaboration", statement="True"),
    Attack("unicode", "lone surrogate", "exact \ud800", "elaboration"),
    Attack("unicode", "vertical tab", "exact\x0btrivial", "elaboration", statement="True"),
    Attack("unicode", "form feed", "exact\x0ctrivial", "elaboration", statement="True"),
    Attack("unicode", "next line", "exact\x85trivial", "elaboration", statement="True"),
    Attack("unicode", "paragraph separator", "-- x\u2029sorry", "elaboration"),
    Attack("unicode", "an escape sequence", "\x1b[2Jtrivial", "elaboration", statement="True"),
    Attack("unicode", "a tag character", "trivial\U000e0041", "elaboration", statement="True"),
    Attack("unicode", "decomposed quotes", "exact <<sorryAx>> _ true", "elaboration"),
    Attack("unicode", "full width letters", "ｔｒｉｖｉａｌ", "elaboration", statement="True"),
]

GOALS = [
    Attack("goals", "one of two", "constructor\ntrivial", "elaboration", L, statement=_AND),
    Attack("goals", "a bullet that focuses", "constructor\n· trivial", "elaboration", L, statement=_AND),
    Attack("goals", "a case that focuses", "constructor\ncase left => trivial", "elaboration", L, statement=_AND),
    Attack("goals", "a hole", "refine ⟨trivial, ?_⟩", "elaboration", L, statement=_AND),
    Attack("goals", "a named hole", "refine ⟨trivial, ?later⟩", "elaboration", L, statement=_AND),
    Attack("goals", "an underscore", "exact ⟨trivial, _⟩", "elaboration", statement=_AND),
    Attack("goals", "a hole in exact", "exact ?later", "elaboration"),
    Attack("goals", "apply", "apply And.intro trivial", "elaboration", L, statement=_AND),
    Attack("goals", "what can be closed", "constructor\nany_goals trivial", "elaboration", L, statement=_AND),
    Attack("goals", "tried in vain", "try decide", "elaboration", L),
    Attack("goals", "skip", "skip", "elaboration", L),
    Attack("goals", "a claim for later", "have h : 1 = 2 := ?_\nexact h", "elaboration", L),
    Attack("goals", "suffices", "suffices h : False from h.elim", "elaboration", L),
    Attack("goals", "a witness for later", "refine ⟨?n, ?h⟩", "elaboration", L, statement=_EX),
    Attack("goals", "constructor of a witness", "apply Exists.intro", "elaboration", L, statement=_EX),
    Attack("goals", "rotated away", "constructor\nrotate_left\nskip", "elaboration", L, statement=_AND),
    Attack("goals", "swallowed errors", "constructor <;> first | trivial | skip", "elaboration", L, statement=_AND),
    Attack("goals", "an undetermined type", "exact ⟨_, rfl⟩", "elaboration", statement="∃ α : Type, α = α"),
    Attack(
        "goals", "an undetermined instance", "exact (inferInstance : Nonempty (Fin _)).elim fun _ => rfl", "elaboration"
    ),
    Attack("goals", "renamed away", "constructor\nrotate_left\ncase right => skip", "elaboration", statement=_AND),
]

LOGIC = [
    Attack("logic", "another type by show", "show 1 = 1\nrfl", "elaboration"),
    Attack("logic", "another type by change", "change 1 = 1\nrfl", "elaboration"),
    Attack("logic", "another type ascribed", "exact (rfl : 1 = 1)", "elaboration"),
    Attack("logic", "cast", "exact cast (rfl : (1 = 1) = (1 = 2)) rfl", "elaboration"),
    Attack("logic", "a numeral redefined", "letI : OfNat Nat 2 := ⟨1⟩\nexact (rfl : (1 : Nat) = 2)", "elaboration"),
    Attack(
        "logic",
        "addition redefined",
        "letI : HAdd Nat Nat Nat := ⟨fun _ _ => 1⟩\nexact (rfl : (0 : Nat) + 0 = 1)",
        "elaboration",
        statement="0 + 0 = 1",
    ),
    Attack("logic", "a local Decidable", "haveI : Decidable (1 = 2) := .isTrue (by decide)\ndecide", "elaboration"),
    Attack("logic", "equality redefined", "let Eq := fun (_ _ : Nat) => True\nexact (trivial : Eq 1 2)", "elaboration"),
    Attack("logic", "choice from nothing", "exact Classical.choice ⟨rfl⟩", "elaboration"),
    Attack("logic", "excluded middle", "exact (Classical.em (1 = 2)).elim id fun h => (h rfl).elim", "elaboration"),
    Attack("logic", "quotient", "exact Quot.sound (r := fun _ _ => True) trivial ▸ rfl", "elaboration"),
    Attack("logic", "an assumption", "exact ‹1 = 2›", "elaboration"),
    Attack("logic", "an empty match", "exact nomatch (rfl : 1 = 1)", "elaboration"),
    Attack("logic", "nofun", "exact nofun", "elaboration"),
    Attack("logic", "itself", "exact leanebm_poison", "elaboration"),
    Attack("logic", "itself, by recursion", "exact leanebm_poison\ntermination_by 0", "elaboration"),
    Attack("logic", "a loop", "exact loop 0\nwhere loop (n : Nat) : 1 = 2 := loop (n + 1)", "elaboration"),
    Attack(
        "logic",
        "a loop by let rec",
        "let rec loop (n : Nat) : (1 : Nat) = 2 := loop n.succ\nexact loop 0",
        "elaboration",
        L,
    ),
    Attack(
        "logic",
        "its own name",
        "let rec leanebm_poison : 1 = 2 := leanebm_poison\nexact leanebm_poison",
        "elaboration",
        L,
    ),
    Attack("logic", "nothing is there", "exact (default : 1 = 2)", "elaboration"),
    Attack(
        "logic", "a step of another kind", "letI : Trans (α := Nat) Eq Eq Eq := ⟨fun _ _ => rfl⟩\nrfl", "elaboration"
    ),
    Attack(
        "logic",
        "an order of one's own",
        "letI : LT Nat := ⟨fun _ _ => True⟩\nexact (trivial : (2 : Nat) < 1)",
        "elaboration",
        statement="2 < 1",
    ),
    Attack(
        "logic",
        "a zero of one's own",
        "letI : Zero Nat := ⟨1⟩\nletI : OfNat Nat 0 := ⟨1⟩\nexact (rfl : (0 : Nat) = 1)",
        "elaboration",
        statement="0 = 1",
    ),
    Attack("logic", "all of one kind", "exact @Subsingleton.elim Nat inferInstance 1 2", "elaboration"),
    Attack("logic", "a decision by choice", "open Classical in decide", "elaboration"),
    Attack(
        "logic",
        "well-founded by nothing",
        "exact go 0\nwhere go (n : Nat) : 1 = 2 := go n\ntermination_by n",
        "elaboration",
    ),
    Attack(
        "logic",
        "well-founded, goals skipped",
        "exact go 0\nwhere go (n : Nat) : 1 = 2 := go (n + 1)\ntermination_by n\ndecreasing_by all_goals skip",
        "elaboration",
    ),
    Attack(
        "logic",
        "structural on nothing",
        "exact go 0\nwhere go (n : Nat) : 1 = 2 := go n\ntermination_by structural n",
        "elaboration",
    ),
    Attack("logic", "a word that overflows", "decide", "elaboration", statement="(4294967296 : UInt64) = 0"),
    Attack("logic", "a number that overflows", "decide +kernel", "elaboration", statement="2 ^ 64 = 0"),
    Attack(
        "logic",
        "a small number that overflows",
        "decide +kernel",
        "elaboration",
        statement="2147483648 + 2147483648 = 0",
    ),
    Attack("logic", "a shift beyond the word", "decide +kernel", "elaboration", statement="1 <<< 32 = 1"),
    Attack("logic", "bytes for characters", "decide +kernel", "elaboration", statement='"é".length = 2'),
    Attack(
        "logic", "a character beyond the last", "decide +kernel", "elaboration", statement="Char.ofNat 1114112 = 'a'"
    ),
    Attack("logic", "equal hashes", "exact (rfl : hash 1 = hash 2)", "elaboration"),
    Attack("logic", "arithmetic's certificate", "exact Int.Linear.eq_of_core _ _ _ _ rfl rfl", "elaboration"),
    Attack("logic", "a false decision", "decide", "elaboration"),
    Attack("logic", "a false decision by the kernel", "decide +kernel", "elaboration"),
    Attack("logic", "impredicative", "exact (fun (p : Prop) => (p : Prop)) (1 = 2)", "elaboration"),
    Attack("logic", "a universe too small", "exact ⟨Type, trivial⟩", "elaboration", statement="∃ _ : Type, True"),
]

STATEMENTS = [
    Attack("statement", "ends early", "trivial", "elaboration", N, statement="True := trivial\ntheorem more : 1 = 2"),
    Attack("statement", "ends early in a comment", "trivial", "elaboration", N, statement="True := trivial --"),
    Attack(
        "statement",
        "smuggles an axiom",
        "exact cheat",
        "elaboration",
        N,
        statement="True := by trivial\n\naxiom cheat : False",
    ),
    Attack("statement", "closes a bracket", "trivial", "elaboration", N, statement="True) → (True"),
    Attack("statement", "opens a comment", "trivial", "elaboration", N, statement="True /-"),
    Attack("statement", "closes a comment", "trivial", "elaboration", N, statement="-/ True"),
    Attack("statement", "sorry", "trivial", "elaboration", N, statement="sorry"),
    Attack("statement", "a typed sorry", "exact sorry", "sorry", N, statement="(sorry : Prop)"),
    Attack(
        "statement", "sorry within", "exact fun h => h", "sorry", N, statement="(sorry : Nat) = 1 → (sorry : Nat) = 1"
    ),
    Attack("statement", "sorry by tactics", "trivial", "sorry", N, statement="(by exact sorry : Bool) = true"),
    Attack(
        "statement", "runs a tactic's code", "trivial", "forbidden", N, statement="(by run_tac pure (); exact True)"
    ),
    Attack(
        "statement", "runs an elaborator", "trivial", "forbidden", N, statement="by_elab return Lean.mkConst ``True"
    ),
    Attack("statement", "reads a file", "rfl", "forbidden", N, statement='include_str "/etc/passwd" = ""'),
    Attack(
        "statement",
        "prints by a setting",
        "trivial",
        "forbidden",
        N,
        statement='(by simp (config := dbgTrace "{}" fun _ => {}) : True) = trivial',
    ),
    Attack(
        "statement", "sets an option", "intro x; rfl", "forbidden", N, statement="set_option autoImplicit true in x = x"
    ),
    Attack("statement", "is no proposition", "exact 0", "elaboration", N, statement="Nat"),
    Attack("statement", "is a proof", "exact trivial", "elaboration", N, statement="trivial"),
    Attack("statement", "is a hole", "trivial", "elaboration", N, statement="_"),
    Attack("statement", "has a hole", "rfl", "elaboration", N, statement="(?x : Nat) = ?x"),
    Attack("statement", "binds what it does not name", "rfl", "elaboration", N, statement="n = n"),
    Attack("statement", "an undeclared universe", "intro α; rfl", "elaboration", N, statement="∀ α : Sort u, α = α"),
    Attack("statement", "an undetermined type", "intro x; rfl", "elaboration", N, statement="∀ x, x = x"),
    Attack("statement", "a second colon", "exact h.elim", "elaboration", N, statement="(h : False) : True : 1 = 2"),
    Attack("statement", "goes on as a proof", "trivial", "elaboration", N, statement="(h : True) : True := h"),
    Attack(
        "statement",
        "a binder that runs code",
        "rfl",
        "forbidden",
        N,
        statement="(h : True := by run_tac pure ()) : 1 = 2",
    ),
    Attack("statement", "a binder that leaves out", "rfl", "sorry", N, statement="(h : (sorry : Prop)) : 1 = 2"),
    Attack("statement", "a binder that is not used", "exact h", "elaboration", R, statement="(h : 2 = 2) : 1 = 2"),
    Attack("statement", "byte order mark", "trivial", "elaboration", N, statement="\ufeffTrue"),
    Attack("statement", "look-alike equals sign", "rfl", "elaboration", N, statement="1 ＝ 1"),
    Attack("statement", "NUL", "trivial", "elaboration", N, statement="True\0"),
    Attack(
        "statement",
        "logs an error",
        "intro n; cases n <;> rfl",
        "elaboration",
        N,
        statement="∀ n : Nat, (match n with | 0 => 0 | _ + 2 => 0) = 0",
    ),
    Attack("statement", "empty", "trivial", "elaboration", N, statement=" "),
]

HEADERS = [
    Attack("header", "axiom", "exact cheat", "forbidden", N, header="axiom cheat : 1 = 2"),
    Attack("header", "hidden axiom", "exact cheat", "forbidden", N, header="open Nat /- x -/ axiom cheat : 1 = 2"),
    Attack("header", "notation", "trivial", "forbidden", N, statement="⊥", header='notation "⊥" => True'),
    Attack("header", "a numeral's notation", "rfl", "forbidden", N, header='local notation "1" => 2'),
    Attack("header", "macro", "x", "forbidden", N, header='macro "x" : tactic => `(tactic| sorry)'),
    Attack(
        "header", "macro_rules", "rfl", "forbidden", N, header="local macro_rules | `(tactic| rfl) => `(tactic| sorry)"
    ),
    Attack("header", "elab", "x", "forbidden", N, header='elab "x" : tactic => Lean.Elab.Tactic.setGoals []'),
    Attack(
        "header",
        "instance",
        "decide",
        "forbidden",
        N,
        statement="False",
        header="instance : Decidable False := .isTrue sorry",
    ),
    Attack("header", "variable", "exact h.elim", "forbidden", N, header="variable (h : False)"),
    Attack("header", "namespace", "trivial", "forbidden", N, statement="True", header="namespace Evil"),
    Attack("header", "section", "trivial", "forbidden", N, statement="True", header="section"),
    Attack(
        "header", "set_option", "trivial", "forbidden", N, statement="True", header="set_option debug.skipKernelTC true"
    ),
    Attack("header", "attribute", "simp", "forbidden", N, statement="True", header="attribute [simp] Nat.add_comm"),
    Attack("header", "definition", "rfl", "forbidden", N, statement="x = 1", header="open Nat\ndef x := 1"),
    Attack("header", "export", "trivial", "forbidden", N, statement="True", header="export Nat (add)"),
    Attack("header", "run_cmd", "trivial", "forbidden", N, statement="True", header="run_cmd pure ()"),
    Attack("header", "initialize", "trivial", "forbidden", N, statement="True", header='initialize IO.println "{}"'),
    Attack(
        "header", "a namespace that is not there", "rfl", "elaboration", N, statement="1 = 1", header="open Nowhere"
    ),
    Attack(
        "header",
        "a namespace that is not there, before another",
        "rfl",
        "elaboration",
        N,
        statement="1 = 1",
        header="open Nowhere\nopen Nat",
    ),
    Attack(
        "header",
        "a universe declared twice",
        "rfl",
        "elaboration",
        N,
        statement="1 = 1",
        header="universe u\nuniverse u\nopen Nat",
    ),
    Attack("header", "unclosed comment", "trivial", "elaboration", N, statement="True", header="open Nat /-"),
    Attack(
        "header",
        "the theorem itself",
        "exact leanebm_poison",
        "forbidden",
        N,
        header="theorem leanebm_poison : 1 = 2 := sorry",
    ),
]

LIBRARY = [
    Attack("library", "itself", "exact Nat.add_comm", "self_reference", R, copy_from="Nat.add_comm"),
    Attack("library", "itself, rooted", "exact @_root_.Nat.add_comm", "self_reference", R, copy_from="Nat.add_comm"),
    Attack(
        "library", "itself, opened", "open Nat in exact Nat.add_comm", "self_reference", R, copy_from="Nat.add_comm"
    ),
    Attack(
        "library",
        "itself, turned round",
        "exact fun a b => (Nat.add_comm b a).symm",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack("library", "by exact?", "exact?", "self_reference", R, copy_from="Nat.add_comm"),
    Attack("library", "by apply", "intro a b\napply Nat.add_comm", "self_reference", R, copy_from="Nat.add_comm"),
    Attack("library", "by rw", "intro a b\nrw [Nat.add_comm]", "self_reference", R, copy_from="Nat.add_comm"),
    Attack(
        "library", "by simp with it", "intro a b\nsimp [Nat.add_comm]", "self_reference", R, copy_from="Nat.add_comm"
    ),
    Attack(
        "library",
        "by simp, told of it",
        "intros\nsimp [List.append_nil]",
        "self_reference",
        R,
        copy_from="List.append_nil",
    ),
    Attack(
        "library", "by an instance of it", "exact Std.Commutative.comm", "self_reference", R, copy_from="Nat.add_comm"
    ),
    Attack("library", "by ac_rfl", "intro a b\nac_rfl", "self_reference", R, copy_from="Nat.add_comm"),
    Attack("library", "by an alias", "exact Nat.not_le_of_lt", "self_reference", R, copy_from="Nat.not_le_of_gt"),
    Attack(
        "library",
        "by an alias, rearranged",
        "intro a b h\nexact Nat.ne_of_lt' h",
        "self_reference",
        R,
        copy_from="Nat.ne_of_gt",
    ),
    Attack(
        "library",
        "in a helper",
        "have h := @Nat.add_comm\nexact fun a b => h a b",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by a structure that holds it",
        "exact Lean.Grind.AddCommMonoid.add_comm",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by a field of a field",
        "exact Lean.Grind.CommSemiring.mul_comm",
        "self_reference",
        R,
        copy_from="Nat.mul_comm",
    ),
    Attack("library", "by a law of all orders", "exact Std.Total.total", "self_reference", R, copy_from="Nat.le_total"),
    Attack(
        "library",
        "by a law of all orders, in a helper",
        "as_aux_lemma => exact Std.Total.total",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "by an instance, taken apart",
        "obtain ⟨h⟩ : Std.Total (α := Nat) (· ≤ ·) := inferInstance\nexact h",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "an equivalence, in two halves",
        "exact ⟨Nat.add_one_le_iff.2, Nat.add_one_le_iff.1⟩",
        "self_reference",
        R,
        copy_from="Nat.lt_iff_add_one_le",
    ),
    Attack(
        "library",
        "by extensionality of itself",
        "intro a b\nexact congrFun (congrFun (funext fun a => funext fun b => Nat.add_comm a b) a) b",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by what simp makes of it",
        "intros\nsimp only [Nat.lt_irrefl, not_false_eq_true]",
        "self_reference",
        R,
        copy_from="Nat.lt_irrefl",
    ),
    Attack(
        "library",
        "by what simp makes of it, for a negation",
        "intros\nsimp only [Nat.not_lt_zero, not_false_eq_true]",
        "self_reference",
        R,
        copy_from="Nat.not_lt_zero",
    ),
    Attack(
        "library",
        "by what simp made of it, by name",
        "exact fun n => of_eq_false (Nat.lt_irrefl._simp_1 n)",
        "self_reference",
        R,
        copy_from="Nat.lt_irrefl",
    ),
    Attack(
        "library",
        "by what simp made of another",
        "intros\nsimp",
        "self_reference",
        R,
        copy_from="Option.mem_dite_none_left",
    ),
    Attack("library", "by an abbreviation's theorem", "intros\nsimp", "self_reference", R, copy_from="Bool.xor_assoc"),
    Attack(
        "library",
        "by an instance with parameters",
        "intros\nexact Std.Associative.assoc ..",
        "self_reference",
        R,
        copy_from="Option.or_assoc",
    ),
    Attack(
        "library",
        "by an instance with parameters, all of it",
        "exact Std.Associative.assoc ..",
        "self_reference",
        R,
        copy_from="Option.or_assoc",
    ),
    Attack(
        "library",
        "by an instance with parameters, taken apart",
        "intro α a b c\nobtain ⟨h⟩ : Std.Associative (α := Option α) Option.or := inferInstance\nexact h a b c",
        "self_reference",
        R,
        copy_from="Option.or_assoc",
    ),
    Attack(
        "library",
        "by a law of all orders, with a parameter",
        "exact Std.Total.total",
        "self_reference",
        R,
        copy_from="Fin.le_total",
    ),
    Attack(
        "library",
        "by an instance of an operation",
        "exact Std.Associative.assoc",
        "self_reference",
        R,
        copy_from="List.append_assoc",
    ),
    Attack(
        "library",
        "by an instance bound first",
        "let i : Lean.Grind.CommSemiring Nat := inferInstance\nexact i.add_comm",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by an instance bound first, and variables",
        "intro a b\nlet i : Lean.Grind.CommSemiring Nat := inferInstance\nexact i.add_comm a b",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by an instance of another type bound first",
        "let i : Lean.Grind.CommRing Int := inferInstance\nexact i.mul_assoc",
        "self_reference",
        R,
        copy_from="Int.mul_assoc",
    ),
    Attack(
        "library",
        "by an instance bound by a have",
        "have h : Std.IsLinearOrder Nat := by infer_instance\nexact h.le_total",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "by an instance matched",
        "exact match (inferInstance : Lean.Grind.CommSemiring Nat) with | i => i.add_comm",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by an instance taken apart in a match",
        "exact match (inferInstance : Std.Total (α := Nat) (· ≤ ·)) with | ⟨h⟩ => h",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "by an instance given to a helper",
        "have h (i : Lean.Grind.CommSemiring Nat) : ∀ a b : Nat, i.add a b = i.add b a := i.add_comm\n"
        "exact h inferInstance",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by an instance behind id",
        "exact (id inferInstance : Lean.Grind.CommSemiring Nat).add_comm",
        "self_reference",
        R,
        copy_from="Nat.add_comm",
    ),
    Attack(
        "library",
        "by an instance's projection by number",
        "exact (inferInstance : Lean.Grind.CommSemiring Nat).2",
        "self_reference",
        R,
        copy_from="Nat.mul_comm",
    ),
    Attack(
        "library",
        "by an instance that suffices",
        "suffices h : Std.Total (α := Nat) (· ≤ ·) from h.1\ninfer_instance",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "by an instance that exists",
        "intro a b\nhave h : ∃ x : Std.IsLinearOrder Nat, True := ⟨by infer_instance, trivial⟩\n"
        "obtain ⟨h, -⟩ := h\nexact Std.le_total ..",
        "self_reference",
        R,
        copy_from="Nat.le_total",
    ),
    Attack(
        "library",
        "asked for with more behind it",
        "exact Nat.add_comm",
        "elaboration",
        N,
        copy_from="Nat.add_comm\n",
    ),
    Attack(
        "library",
        "an equivalence, turned round",
        "exact Nat.add_one_le_iff.symm",
        "self_reference",
        R,
        copy_from="Nat.lt_iff_add_one_le",
    ),
    Attack(
        "library",
        "n + 1 for n.succ",
        "exact Nat.lt_add_one_of_le",
        "self_reference",
        R,
        copy_from="Nat.lt_succ_of_le",
    ),
    Attack(
        "library", "itself, by its quoted name", "exact «Nat».«add_comm»", "self_reference", R, copy_from="Nat.add_comm"
    ),
    Attack(
        "library", "asked for by its quoted name", "exact Nat.add_comm", "self_reference", R, copy_from="«Nat».add_comm"
    ),
    Attack(
        "library", "asked for from the root", "exact Nat.add_comm", "elaboration", N, copy_from="_root_.Nat.add_comm"
    ),
    Attack("library", "a definition is no theorem", "exact Nat.add", "elaboration", N, copy_from="Nat.add"),
    Attack("library", "unknown", "trivial", "elaboration", N, copy_from="No.such_theorem"),
    Attack("library", "injected", "trivial", "elaboration", N, copy_from="Nat.add_comm) = @(Nat.add_comm"),
    Attack(
        "library", "an axiom of the compiler", "exact Lean.ofReduceBool", "forbidden", R, copy_from="Lean.ofReduceBool"
    ),
]

ATTACKS = [
    *SORRY,
    *COMPILER,
    *CODE,
    *INJECTION,
    *UNICODE,
    *GOALS,
    *LOGIC,
    *STATEMENTS,
    *HEADERS,
    *CONTEXT_ATTACKS,
    *LIBRARY,
]

TEXTS = [
    # These do not hide the theorem from `simp`, as our own files do.
    *(
        ForgedText(
            "library",
            f"by simp, which knows {name}",
            f"@{name}",
            f"theorem t : type_of% @{name} := by\n  intros\n  simp\n",
            "self_reference",
        )
        for name in ("List.append_nil", "Nat.lt_irrefl", "Nat.not_lt_zero")
    ),
    ForgedText(
        "library",
        "hidden, and told of again",
        "@Nat.lt_irrefl",
        "attribute [-simp] Nat.lt_irrefl\n\n"
        "theorem t : type_of% @Nat.lt_irrefl := by\n  intro n\n  simp [Nat.lt_irrefl]\n",
        "self_reference",
    ),
    ForgedText(
        "library",
        "an attribute more",
        "@Nat.add_comm",
        "attribute [simp] Nat.add_comm\n\ntheorem t : type_of% @Nat.add_comm := by\n  intro a b\n  omega\n",
        "forbidden",
    ),
    ForgedText(
        "library",
        "an axiom behind what hides",
        "@Nat.add_comm",
        "attribute [-simp] Nat.add_zero\naxiom cheat : False\n\n"
        "theorem t : type_of% @Nat.add_comm := by\n  exact cheat.elim\n",
        "forbidden",
    ),
    ForgedText(
        "library",
        "hidden where nothing is the library's",
        "1 = 1",
        "attribute [-simp] Nat.add_zero\n\ntheorem t : 1 = 1 := by\n  rfl\n",
        "forbidden",
    ),
    ForgedText("text", "an easier statement", "1 = 2", "theorem t : 1 = 1 := by\n  rfl\n", "type_mismatch"),
    ForgedText("text", "an equal value", "1 + 1 = 2", "theorem t : 2 = 2 := by\n  rfl\n", "type_mismatch"),
    ForgedText(
        "text",
        "another number type",
        "∀ n : Int, n = n",
        "theorem t : ∀ n : Nat, n = n := by\n  simp\n",
        "type_mismatch",
    ),
    ForgedText(
        "text", "a hypothesis more", "1 = 2", "theorem t : ∀ h : False, 1 = 2 := by\n  nofun\n", "type_mismatch"
    ),
    ForgedText("text", "a binder", "1 = 2", "theorem t (h : False) : 1 = 2 := by\n  exact h.elim\n", "type_mismatch"),
    ForgedText("text", "a universe", "True", "theorem t.{u} : True := by\n  trivial\n", "forbidden"),
    ForgedText(
        "text",
        "a weaker universe",
        "∀ (α : Type 1) (a : α), a = a",
        "theorem t : ∀ (α : Type) (a : α), a = a := by\n  simp\n",
        "type_mismatch",
    ),
    ForgedText("text", "another name", "True", "theorem s : True := by\n  trivial\n", "forbidden"),
    ForgedText(
        "text",
        "an instance in the way",
        "1 = 2",
        "instance : OfNat Nat 2 := ⟨1⟩\ntheorem t : 1 = 2 := by\n  rfl\n",
        "forbidden",
    ),
    ForgedText("text", "a private theorem", "True", "private theorem t : True := by\n  trivial\n", "forbidden"),
    ForgedText("text", "an attribute", "True", "@[simp] theorem t : True := by\n  trivial\n", "forbidden"),
    ForgedText("text", "a definition", "True", "def t : True := trivial\n", "forbidden"),
    ForgedText("text", "an unsafe definition", "1 = 2", "unsafe def t : 1 = 2 := t\n", "forbidden"),
    ForgedText("text", "a partial definition", "1 = 2", "partial def t : 1 = 2 := t\n", "forbidden"),
    ForgedText("text", "an opaque constant", "1 = 2", "opaque t : 1 = 2\n", "forbidden"),
    ForgedText("text", "an axiom", "1 = 2", "axiom t : 1 = 2\n", "forbidden"),
    ForgedText("text", "an example", "True", "example : True := by\n  trivial\n", "forbidden"),
    ForgedText(
        "text", "a mutual block", "1 = 2", "mutual\ntheorem t : 1 = 2 := s\ntheorem s : 1 = 2 := t\nend\n", "forbidden"
    ),
    ForgedText(
        "text",
        "an option in front",
        "1 = 2",
        "set_option debug.skipKernelTC true in\ntheorem t : 1 = 2 := by\n  rfl\n",
        "forbidden",
    ),
    ForgedText("text", "namespaces in front", "1 = 2", "open Nat in\ntheorem t : 1 = 2 := by\n  rfl\n", "forbidden"),
    ForgedText("text", "a late import", "True", "theorem t : True := by\n  trivial\nimport Lean\n", "forbidden"),
    ForgedText(
        "text", "another let", "let n := 2; n = 1", "theorem t : let n := 1; n = 1 := by\n  rfl\n", "type_mismatch"
    ),
    ForgedText(
        "text",
        "a have for another let",
        "let n := 2; n = 1",
        "theorem t : have n := 1; n = 1 := by\n  rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "another matcher's alternatives",
        "∀ b : Bool, (match b with | true => 1 | false => 2) = 1",
        "theorem t : ∀ b : Bool, (match b with | true => 1 | false => 1) = 1 := by\n  intro b; cases b <;> rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "another matcher of the same name",
        "∀ n : Nat, (match n with | 0 => 0 | _ + 1 => 1) = 0",
        "theorem t : ∀ n : Nat, (match n with | _ => 0) = 0 := by\n  intro n; rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "a matcher's patterns in another order",
        "∀ n : Nat, (match n, n with | 0, _ => 0 | _, 0 => 1 | _, _ => 2) = 0",
        "theorem t : ∀ n : Nat, (match n, n with | _, 0 => 0 | 0, _ => 1 | _, _ => 0) = 0 := by\n"
        "  intro n; cases n <;> rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "a matcher's name taken by the proof",
        "∀ n : Nat, (match n with | 0 => 0 | _ + 1 => 1) = 0",
        "theorem t : ∀ n : Nat, n * 0 = 0 := by\n  exact match_1\n"
        "where match_1 : ∀ n : Nat, n * 0 = 0 := Nat.mul_zero\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "another index",
        "∀ v : Vector Nat 3, v[0] = v[1]",
        "theorem t : ∀ v : Vector Nat 3, v[0] = v[0] := by\n  intro v; rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "an index that another proof allows",
        "∀ (v : List Nat) (h : 1 < v.length), v[0] = v[1]",
        "theorem t : ∀ (v : List Nat) (h : 1 < v.length), v[1] = v[1] := by\n  intro v h; rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "another proof of another bound",
        "(⟨3, by omega⟩ : {n : Nat // n < 5}) = ⟨3, by omega⟩",
        "theorem t : (⟨3, by omega⟩ : {n : Nat // n < 4}) = ⟨3, by omega⟩ := by\n  rfl\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "another default",
        "∀ (n) (h : 0 < n := by decide), n ≠ 0",
        "theorem t : ∀ (n) (h : 0 < n := by omega), n ≠ 0 := by\n  intro n h; exact Nat.ne_of_gt h\n",
        "type_mismatch",
    ),
    ForgedText(
        "text",
        "an unknown namespace in front",
        "1 = 1",
        "open Nowhere\ntheorem t : 1 = 1 := by\n  rfl\n",
        "elaboration",
    ),
    ForgedText(
        "text", "a name left over", "1 = 1", "open Nat (nothing)\ntheorem t : 1 = 1 := by\n  rfl\n", "elaboration"
    ),
    ForgedText("text", "no theorem", "True", "open Nat\n", "elaboration"),
    ForgedText("text", "nothing", "True", "", "elaboration"),
]
