import Lean
open Lean Meta Elab
public section

/-! # The leanebm REPL

Serves proof states over a pipe: one JSON object a line in, one a line out, `ready.` first. It speaks
Pantograph's protocol, with a few keys and commands more (`docs/backends.md` lists them).

One source runs in two ways: natively (`lean --run Repl.lean Init`), and compiled to an `.olean` that
the embedded Lean imports and interprets. The embedded library carries exported data only, so the
compiler must not need to look inside a polymorphic core function: hence the plain first-order style,
with recursion over lists where a `for` loop would be shorter.

Four rules keep it sound and alive:
* a state is never changed; a tactic runs on a copy and a success is stored under a new id;
* a tactic that logs an error has failed, whatever it did to the goals;
* text that would have the elaborator run code of its own is refused before it is elaborated: code in
  this process could print an answer of its own;
* nothing here decides that a theorem is proved except `proof.certify`, which starts from text.
-/

/-! ## State -/

/-- What `options.set` changes. Names are the protocol's. -/
structure ReplOptions where
  printExprPretty : Bool := true
  printDependentMVars : Bool := false
  noRepeat : Bool := false
  printAuxDecls : Bool := false
  printImplementationDetailHyps : Bool := false
  automaticMode : Bool := true
  /-- Milliseconds a command may take, 0 for no limit. -/
  timeout : Nat := 0

/-- Where a proof's text is understood: opened namespaces, declared universe levels and options. -/
structure ProofScope where
  currNamespace : Name := .anonymous
  openDecls : List OpenDecl := []
  levelNames : List Name := []
  options : Options := {}
  /-- The library theorem that is proved without itself. -/
  apart : Option Name := none

/-- A `conv` or `calc` block that is written step by step. -/
inductive Fragment where
  /-- On the goal whose target is rewritten: what it becomes, and the equation that proves it. -/
  | conv (rhs equation : MVarId)
  /-- On a goal inside such a block. -/
  | inConv (parent : MVarId)
  /-- On what is left of a goal: the right-hand side of the last step. -/
  | calc (previous : Option Expr)

abbrev Fragments := List (MVarId × Fragment)

/-- Hypotheses that a goal's text has together, because they stand side by side and have one type. -/
structure Block where
  /-- Under the names that are shown. -/
  decls : List LocalDecl
  lines : List String
  /-- The parts of the names of the constants in the type. -/
  words : List Name

/-- What a goal's text was made of. -/
structure Printed where
  goal : MVarId
  /-- With the names that are shown. -/
  lctx : LocalContext
  blocks : List Block

/-- One stored proof state. -/
structure StoredState where
  cst : Core.State
  mst : Meta.State
  tst : Term.State
  scope : ProofScope
  root : MVarId
  goals : List MVarId
  /-- Goals of the proof that were set aside to work on one alone. -/
  dormant : List MVarId
  /-- The goals that the last tactic acted on; empty in a start state. -/
  parents : List MVarId
  fragments : Fragments
  printed : List Printed

/-- What the watchdog watches: it sets the token of a command that runs over its time. -/
structure Watch where
  token : IO.CancelToken
  /-- Monotonic milliseconds, 0 for no limit. -/
  deadline : Nat

/-- The library and what `env.add` put on top of it. Proofs are started there; nothing is certified there. -/
structure Session where
  env : Environment
  /-- Newest first. -/
  added : List Name := []

/-- What stands in front of a theorem. -/
structure Front where
  /-- `open`, `universe` and `set_option` lines. -/
  header : String := ""
  /-- Any commands that a context may hold. -/
  context : String := ""

/-- The text in front of a theorem, and the state of Lean's that it leads to. -/
structure Preamble where
  front : Front
  /-- How many constants `env.add` had put below it. -/
  added : Nat
  state : Command.State
  /-- Its commands but for those of a header, in their order. -/
  commands : List Syntax

structure Server where
  /-- The library. -/
  env : Environment
  session : IO.Ref Session
  /-- The preambles that were elaborated last, the latest first. -/
  preambles : IO.Ref (List Preamble)
  /-- Indexed by state id; a deleted state leaves `none`, so that ids are never given twice. -/
  states : IO.Ref (Array (Option StoredState))
  options : IO.Ref ReplOptions
  /-- Under the embedded Lean the host owns the clock, and library theorems come without proofs. -/
  embedded : Bool
  /-- Under the embedded Lean: begins each line meant for the host, which drops every other line. Only the
  host and this process know it, so that what a tactic prints cannot pass for an answer or an order. -/
  key : String
  watch : IO.Ref Watch
  /-- Proofs opened so far. Each names its metavariables after its number, so that none is taken for
  another proof's. -/
  opened : IO.Ref Nat
  /-- What the command line sets, as `set_option` in front of every text would. -/
  settings : Options

/-- Refusal of a whole command: `{"error": kind, "desc": description}`. -/
structure Refusal where
  kind : String
  description : String

/-- Why a text is no proof: one word, and a sentence. -/
structure Rejection where
  reason : String
  message : String

/-! ## Lists

Core's own list functions cannot be compiled here (see above). -/

def cat {α : Type} : List α → List α → List α
  | [], ys => ys
  | x :: xs, ys => x :: cat xs ys

def len {α : Type} : List α → Nat
  | [] => 0
  | _ :: xs => len xs + 1

def none? {α : Type} : List α → Bool
  | [] => true
  | _ :: _ => false

def reversed {α : Type} (xs : List α) (acc : List α := []) : List α :=
  match xs with
  | [] => acc
  | x :: xs => reversed xs (x :: acc)

def dropFirst {α : Type} : Nat → List α → List α
  | 0, xs => xs
  | _, [] => []
  | n + 1, _ :: xs => dropFirst n xs

def dropNth {α : Type} : List α → Nat → List α
  | [], _ => []
  | _ :: xs, 0 => xs
  | x :: xs, i + 1 => x :: dropNth xs i

def nth? {α : Type} : List α → Nat → Option α
  | [], _ => none
  | x :: _, 0 => some x
  | _ :: xs, i + 1 => nth? xs i

/-- What is known of terms, as a search tree by their hashes. -/
inductive Table (α : Type) where
  | empty
  | node (smaller : Table α) (hash : UInt64) (entries : List (Expr × α)) (greater : Table α)

def entry? {α : Type} (e : Expr) : List (Expr × α) → Option α
  | [] => none
  | (key, a) :: rest => if key == e then some a else entry? e rest

def Table.find? {α : Type} (e : Expr) : Table α → Option α
  | .empty => none
  | .node smaller hash entries greater =>
    if e.hash == hash then entry? e entries else if e.hash < hash then smaller.find? e else greater.find? e

/-- With `a` under `e`, which is not there yet. -/
def Table.add {α : Type} (e : Expr) (a : α) : Table α → Table α
  | .empty => .node .empty e.hash [(e, a)] .empty
  | .node smaller hash entries greater =>
    if e.hash == hash then .node smaller hash ((e, a) :: entries) greater
    else if e.hash < hash then .node (smaller.add e a) hash entries greater
    else .node smaller hash entries (greater.add e a)

def argumentsOf : Expr → List Expr → List Expr
  | .app f a, args => argumentsOf f (a :: args)
  | _, args => args

/-! ## Text

Of our own, since core's names for these differ between versions of Lean. -/

def isBlank (c : Char) : Bool := c == ' ' || c == '\t' || c == '\n' || c == '\r'

def dropBlanks : List Char → List Char
  | [] => []
  | c :: cs => if isBlank c then dropBlanks cs else c :: cs

def textOf : List Char → String → String
  | [], acc => acc
  | c :: cs, acc => textOf cs (acc.push c)

def trimmed (s : String) : String :=
  textOf (reversed (dropBlanks (reversed (dropBlanks s.toList)))) ""

/-! ## JSON -/

def jstr (s : String) : Json := .str s
def jnat (n : Nat) : Json := .num (JsonNumber.fromNat n)
def nameText (n : Name) : String := n.toString
def jname (n : Name) : Json := .str (nameText n)

def jstrs : List String → Array Json → Json
  | [], acc => .arr acc
  | s :: ss, acc => jstrs ss (acc.push (.str s))

def jnames : List Name → Array Json → Json
  | [], acc => .arr acc
  | n :: ns, acc => jnames ns (acc.push (jname n))

/-- A field that may be missing or `null`. -/
def field? (j : Json) (key : String) : Option Json :=
  match j.getObjVal? key with
  | .ok .null => none
  | .ok v => some v
  | .error _ => none

def badField (key expected : String) : Refusal :=
  ⟨"command", s!"Unable to parse json: {key}: {expected} expected"⟩

def natOf? : Json → Option Nat
  | .num n => if n.exponent == 0 && n.mantissa >= 0 then some n.mantissa.toNat else none
  | _ => none

def optStr (j : Json) (key : String) : Except Refusal (Option String) :=
  match field? j key with
  | none => .ok none
  | some (.str s) => .ok (some s)
  | some _ => .error (badField key "String")

def optNat (j : Json) (key : String) : Except Refusal (Option Nat) :=
  match field? j key with
  | none => .ok none
  | some v =>
    match natOf? v with
    | some n => .ok (some n)
    | none => .error (badField key "Natural number")

def optBool (j : Json) (key : String) : Except Refusal (Option Bool) :=
  match field? j key with
  | none => .ok none
  | some (.bool b) => .ok (some b)
  | some _ => .error (badField key "Bool")

def boolD (j : Json) (key : String) (default : Bool) : Except Refusal Bool :=
  match optBool j key with
  | .ok (some b) => .ok b
  | .ok none => .ok default
  | .error e => .error e

def reqStr (j : Json) (key : String) : Except Refusal String :=
  match optStr j key with
  | .ok (some s) => .ok s
  | .ok none => .error (badField key "String")
  | .error e => .error e

def reqNat (j : Json) (key : String) : Except Refusal Nat :=
  match optNat j key with
  | .ok (some n) => .ok n
  | .ok none => .error (badField key "Natural number")
  | .error e => .error e

def natList (key : String) : List Json → Except Refusal (List Nat)
  | [] => .ok []
  | v :: vs =>
    match natOf? v, natList key vs with
    | some n, .ok ns => .ok (n :: ns)
    | none, _ => .error (badField key "Natural number")
    | _, .error e => .error e

def strList (key : String) : List Json → Except Refusal (List String)
  | [] => .ok []
  | .str s :: vs =>
    match strList key vs with
    | .ok ss => .ok (s :: ss)
    | .error e => .error e
  | _ :: _ => .error (badField key "String")

def optStrList (j : Json) (key : String) : Except Refusal (Option (List String)) :=
  match field? j key with
  | none => .ok none
  | some (.arr a) =>
    match strList key a.toList with
    | .ok ss => .ok (some ss)
    | .error e => .error e
  | some _ => .error (badField key "Array")

def toNames : List String → List Name
  | [] => []
  | s :: ss => s.toName :: toNames ss

/-! ## Running Lean code

Every command runs in its own monad stack, started from a saved state (or from nothing) and with fresh
heartbeats. A `Refusal` inside is carried by an exception reference, since Lean's own exceptions are
already spoken for. -/

structure Outcome where
  reply : Json
  refusal : Option Refusal

abbrev ReplM := TermElabM Outcome

def answer (fields : List (String × Json)) : ReplM := return ⟨.mkObj fields, none⟩
def refuse (kind description : String) : ReplM := return ⟨.null, some ⟨kind, description⟩⟩
def refused (r : Refusal) : ReplM := return ⟨.null, some r⟩

/-- What an option is set to. Newer versions of Lean spell it with a question mark. -/
def foundSetting (options : Options) (name : Name) : Option DataValue := by
  first
  | exact options.find name
  | exact options.find? name

/-- A message's position in `text` is line 0 and a column in bytes, as Pantograph has it: hence the map of one line. -/
def coreContext (scope : ProofScope) (heartbeats : Nat) (token : IO.CancelToken) (text : String) : Core.Context :=
  { fileName := "<Pantograph>", fileMap := { source := text, positions := #[0] }, currNamespace := scope.currNamespace,
    openDecls := scope.openDecls, initHeartbeats := heartbeats, options := scope.options,
    maxHeartbeats := natOption scope.options `maxHeartbeats 200000 * 1000,
    maxRecDepth := natOption scope.options `maxRecDepth defaultMaxRecDepth, cancelTk? := some token }
where
  /-- What a context or the command line set it to, or `default`. -/
  natOption (options : Options) (name : Name) (default : Nat) : Nat :=
    match foundSetting options name with
    | some (.ofNat n) => n
    | _ => default

/-- How terms are unified in a command of Lean's: with approximations, without which fewer terms elaborate. -/
def metaContext : Meta.Context :=
  { keyedConfig := Meta.Config.toConfigWithKey { foApprox := true, ctxApprox := true, quasiPatternApprox := true } }

/-- Run `x`, which elaborates `text`, in its own monad stack. Runtime exceptions (heartbeats, recursion, interruption) and
uncaught Lean exceptions come back as an `io` refusal: the server stays usable. -/
def run (s : Server) (scope : ProofScope) (core : Core.State) (x : ReplM) (text : String := "") : IO Outcome := do
  let watch ← ST.Prim.Ref.get s.watch
  let ctx := coreContext scope (← IO.getNumHeartbeats) watch.token text
  let tr : IO.Ref Term.State ← IO.mkRef { levelNames := scope.levelNames }
  let mr : IO.Ref Meta.State ← IO.mkRef {}
  let cr : IO.Ref Core.State ← IO.mkRef core
  let guarded : ReplM := tryCatchRuntimeEx x fun ex => do refuse "io" (← ex.toMessageData.toString)
  let act : EIO Exception Outcome := guarded { errToSorry := false } tr metaContext mr ctx cr
  match ← act.toBaseIO with
  | .ok r => pure r
  | .error e =>
    -- Nothing but an interruption passes the guard.
    if ← watch.token.isSet then return ⟨.null, some ⟨"io", "interrupt"⟩⟩
    return ⟨.null, some ⟨"io", ← e.toMessageData.toString⟩⟩

def emptyCore (env : Environment) : Core.State := { env }

/-- A start state whose names no other proof uses. -/
def freshCore (s : Server) (env : Environment) : IO Core.State := do
  let n ← ST.Prim.Ref.get s.opened
  ST.Prim.Ref.set s.opened (n + 1)
  return { env, ngen := { namePrefix := Name.mkNum `_uniq n } }

/-! ## Parsing -/

/-- Pieces of syntax that the parser may hold unfinished: at least one for each construct that is still open, and
two for each element of a list. It copies them at every alternative it tries, so that deep text takes time and
memory without bound, which nothing interrupts. -/
def maxUnfinishedSyntax : Nat := 2048

/-- Levels of syntax that are elaborated. Every pass over syntax and terms uses up the stack with their depth, and
not all of them count towards `maxRecDepth`. -/
def maxSyntaxDepth : Nat := 256

/-- Parts of a name. To look one up takes more than the square of their number. -/
def maxNameParts : Nat := 64

def tooDeep : String := "the text is nested too deeply, or one of its lists is too long"

/-- `stackSize` would not tell: each category of syntax sees only its own part of the stack. -/
def unfinishedSyntax (s : Parser.ParserState) : Nat :=
  s.stxStack.toSubarray.stop

/-- The error stands at the end of the text: one further ahead would be recovered from, and the rest of the text
taken for something else. -/
def boundedParserFn (inner : Parser.CategoryParserFn) : Parser.CategoryParserFn := fun category ctx s =>
  if unfinishedSyntax s > maxUnfinishedSyntax then (s.setPos ctx.endPos).mkUnexpectedError tooDeep
  else inner category ctx s

/-- Have every category of syntax parsed within `maxUnfinishedSyntax`, in environments that are made from now on. -/
def boundParser : IO Unit := do
  let inner ← ST.Prim.Ref.get Parser.categoryParserFnRef
  ST.Prim.Ref.set Parser.categoryParserFnRef (boundedParserFn inner)

def inputContext (text fileName : String) : Parser.InputContext :=
  { inputString := text, fileName, fileMap := FileMap.ofString text }

/-- Parse a whole string as one tactic block: several tactics, separated by `;` or new lines. -/
def parseTactics (env : Environment) (input : String) : Except String Syntax :=
  let p := Parser.andthenFn Parser.whitespace Parser.Tactic.tacticSeq.fn
  let ictx := inputContext input "<Pantograph>"
  let s := p.run ictx { env, options := {} } (Parser.getTokenTable env) (Parser.mkParserState input)
  if s.allErrors.size != 0 then .error (s.toErrorMsg ictx)
  else if ictx.atEnd s.pos then .ok s.stxStack.back
  else .error ((s.mkError "end of input").toErrorMsg ictx)

def parseTerm (env : Environment) (input : String) : Except String Syntax :=
  Parser.runParserCategory env `term input "<Pantograph>"

def memStr (s : String) : List String → Bool
  | [] => false
  | x :: xs => x == s || memStr s xs

def memMVar (m : MVarId) : List MVarId → Bool
  | [] => false
  | g :: gs => g == m || memMVar m gs

/-- The second list without what is in the first. -/
def without (goals : List MVarId) : List MVarId → List MVarId
  | [] => []
  | m :: ms => if memMVar m goals then without goals ms else m :: without goals ms

def memName (n : Name) : List Name → Bool
  | [] => false
  | m :: ms => m == n || memName n ms

def hasPrefix (pre : List Name) (m : Name) : Bool :=
  match pre with
  | [] => false
  | p :: ps => p.isPrefixOf m || hasPrefix ps m

/-! ## What is not elaborated at all

An elaborator that is asked to may compile a piece of the text and run it, in this process: it could print
an answer to the request, or change what later requests find. Elaborated text is therefore looked at first:
where its syntax comes from, and then the few words of Lean's own language that run code.
The kernel and the axiom check stand behind this, and do not rely on it. -/

def moduleOf? (env : Environment) (n : Name) : Option Name :=
  match env.getModuleIdxFor? n with
  | some i => env.header.moduleNames[i.toNat]?
  | none => none

/-- Those of Lean's own modules whose syntax proofs are written in. The others have tactics that test the server, and
syntax that makes tactics. -/
def proofModules : List Name := [`Lean.Parser, `Lean.Data]

/-- A project is trusted, and with it what it adds to the language. -/
def isProofModule (m : Name) : Bool :=
  hasPrefix proofModules m || !(hasPrefix [`Lean, `Lake] m)

/-- What is wrong with a kind of syntax. One that no module has comes with the parser itself or is the text's own. -/
def objectionToKind (env : Environment) (kind : Name) (word : String) : Option String :=
  match moduleOf? env kind with
  | none => none
  | some m =>
    if isProofModule m then none
    else some s!"`{word}` is not allowed: it is no part of the language of proofs, but of {nameText m}"

/-- Words that run code, read files, start programs, print or wait, or change how text is understood. Some are
Lake's and Mathlib's: a project of the user's may hold more. -/
def refusedWords : List String :=
  ["run_tac", "by_elab", "run_elab", "run_meta", "run_cmd", "run_io", "eval%", "include_str", "native_decide",
   "set_option", "@[", "implemented_by", "extern", "dbg_trace", "sleep", "bv_check", "bv_decide", "bv_decide?",
   "plausible", "slim_check", "polyrith"]

/-- Names that have the compiler decide a proposition, by the last part of the name. -/
def compiledNames : List String :=
  ["native", "reduceBool", "reduceNat", "ofReduceBool", "ofReduceNat"]

/-- Start threads, which the embedded Lean does not have: it would stop for good. `∎` is `try?`, which is a setting of
`exact?`, too. -/
def threadedWords : List String := ["try?", "∎", "attempt_all_par", "first_par"]

/-- What may stand in a tactic's settings, which are compiled and run: literals and plain names. No `⟨false, true⟩`:
a field set by its place escapes the look at its name, and `decide` runs the proposition if one field is true. -/
def literalKinds : List Name :=
  [nullKind, choiceKind, numLitKind, strLitKind, charLitKind, scientificLitKind, nameLitKind,
   ``Parser.Term.paren, ``Parser.Term.hygienicLParen, ``Parser.Term.dotIdent,
   ``Parser.Term.structInst, ``Parser.Term.structInstFields, ``Parser.Term.structInstField,
   ``Parser.Term.structInstFieldDef, ``Parser.Term.structInstLVal, ``Parser.Term.optEllipsis,
   `«term{}», `«term[_]»]

/-- Look like settings and are not: their values are terms and tactics of the proof, never run. -/
def unevaluatedKinds : List Name := [``Parser.Term.namedArgument, ``Parser.Tactic.discharger]

/-- The same, where the word in front tells: patterns and names. -/
def unevaluatedSettings : List String := ["motive", "generalizing", "occs", "rule_sets"]

mutual
/-- `some 3` and `.pos [1]` are literals, too; no other application is, `.mk false true` least of all (see above). -/
partial def isLiteral : Syntax → Bool
  | .missing => false
  | .atom .. => true
  | .ident .. => true
  | .node _ kind args =>
    if kind == ``Parser.Term.app then appliesConstructor args.toList
    else memName kind literalKinds && allLiteral args.toList

partial def appliesConstructor : List Syntax → Bool
  | [] => false
  | f :: args =>
    let name := if f.isOfKind ``Parser.Term.dotIdent then f[1].getId else f.getId
    memName name [`some, `pos, `neg] && allLiteral args

partial def allLiteral : List Syntax → Bool
  | [] => true
  | x :: xs => isLiteral x && allLiteral xs
end

def atomText : Syntax → String
  | .atom _ text => trimmed text
  | _ => ""

/-- Whether a node is of the form `(setting := value)` and its value would be run. -/
def isRunSetting (kind : Name) : List Syntax → Bool
  | opening :: setting :: _ =>
    (atomText opening).startsWith "(" && !(memName kind unevaluatedKinds) && !(memStr (atomText setting) unevaluatedSettings)
  | _ => false

/-- What follows the first `:=`; empty where there is none. -/
def afterAssignment : List Syntax → List Syntax
  | [] => []
  | x :: xs => if atomText x == ":=" then xs else afterAssignment xs

/-- The last part of a name as it was written. -/
def lastPart : Name → String
  | .str _ part => part
  | _ => ""

/-- `#eval`, and words that search the web; not `#[` or `#v[`, which begin a literal. -/
def isCommandWord (word : String) : Bool :=
  match word.toList with
  | '#' :: c :: _ => c.isAlpha && !word.endsWith "["
  | _ => false

def objectionToThreads (s : Server) (word : String) : Option String :=
  if s.embedded && memStr word threadedWords then some s!"`{word}` is not available: it needs threads" else none

def objectionToWord (s : Server) (word : String) : Option String :=
  if memStr word refusedWords || isCommandWord word then
    some s!"`{word}` is not allowed: a proof may not run code or change options"
  else objectionToThreads s word

def objectionToName (s : Server) (n : Name) : Option String :=
  if n.getNumParts > maxNameParts then some "a name has too many parts"
  else if memStr (lastPart n) compiledNames then some s!"`{nameText n}` is not allowed: what the compiler computes is no proof"
  else objectionToThreads s (lastPart n)

/-- The first word of a piece of syntax, or else what kind it is. -/
def wordOf (kind : Name) : List Syntax → String
  | .atom _ text :: _ => trimmed text
  | _ => nameText kind

mutual
/-- Why a text may not be elaborated; `none` for nearly every text. It may be `depth` levels deep. -/
partial def objectionWithin (depth : Nat) (s : Server) : Syntax → Option String
  | .missing => none
  | .ident _ _ n _ => objectionToName s n.eraseMacroScopes
  | .atom _ text => objectionToWord s (trimmed text)
  | .node _ kind args =>
    let parts := args.toList
    if kind == ``Parser.Term.unsafe then some "`unsafe` is not allowed: a proof may not run code or change options"
    else if isRunSetting kind parts && !(allLiteral (afterAssignment parts)) then
      some "a tactic's settings are not allowed to hold more than literals: they would be run"
    else
      match objectionToKind s.env kind (wordOf kind parts) with
      | some why => some why
      | none => objectionIn depth s parts

partial def objectionIn (depth : Nat) (s : Server) : List Syntax → Option String
  | [] => none
  | x :: xs =>
    match depth with
    | 0 => some tooDeep
    | depth' + 1 =>
      match objectionWithin depth' s x with
      | some why => some why
      | none => objectionIn depth s xs
end

def objectionTo (s : Server) (stx : Syntax) : Option String :=
  objectionWithin maxSyntaxDepth s stx

/-! ## Printing goals -/

def ppWith (e : Expr) : MetaM String := do
  return (← Meta.ppExpr e).pretty

mutual
/-- Names of the metavariables an expression depends on. -/
partial def dependentMVars (e : Expr) : MetaM (List Name) := do
  let e ← instantiateMVars e
  return mvarNames (← getMVars e).toList

partial def mvarNames : List MVarId → List Name
  | [] => []
  | m :: ms => m.name :: mvarNames ms
end

def exprJson (o : ReplOptions) (e : Expr) : MetaM Json := do
  let e ← instantiateMVars e
  let pp ← if o.printExprPretty then pure [("pp", jstr (← ppWith e))] else pure []
  let deps ← if o.printDependentMVars then
      pure [("dependentMVars", jnames (← dependentMVars e) #[])]
    else pure []
  return .mkObj (cat pp deps)

def variableJson (o : ReplOptions) (decl : LocalDecl) (type : Json) : MetaM Json := do
  let base := [("name", jname decl.fvarId.name), ("userName", jname decl.userName.simpMacroScopes),
    ("isInaccessible", Json.bool decl.userName.isInaccessibleUserName), ("type", type)]
  match decl.value? with
  | some value => return .mkObj (cat base [("value", ← exprJson o value)])
  | none => return .mkObj base

def isShown (o : ReplOptions) (decl : LocalDecl) : Bool :=
  (o.printAuxDecls || !decl.isAuxDecl) &&
  (o.printImplementationDetailHyps || !decl.isImplementationDetail || decl.isAuxDecl)

/-- The type that a block of a goal's text gives, if it ends on the line on which it begins. -/
def typeOn : List String → Option String
  | [line] =>
    match line.splitOn " : " with
    | _ :: first :: rest => some (" : ".intercalate (first :: rest))
    | _ => none
  | _ => none

def typesIn : List Block → List (FVarId × Option String)
  | [] => []
  | b :: bs => cat (each (typeOn b.lines) b.decls) (typesIn bs)
where
  each (type : Option String) : List LocalDecl → List (FVarId × Option String)
    | [] => []
    | d :: ds => (d.fvarId, type) :: each type ds

/-- The hypotheses as objects; `declared` is in their order. A type that a goal's text has on one line would be printed
alone in the same way, and printing is most of what a goal costs, so it is not done twice; nor for a neighbour of the same
type. -/
def variablesJson (o : ReplOptions) (lctx : LocalContext) (printed : Expr × Json) (declared : List (FVarId × Option String)) :
    List FVarId → Array Json → MetaM (Array Json)
  | [], acc => pure acc
  | f :: fs, acc => do
    match lctx.find? f with
    | none => variablesJson o lctx printed declared fs acc
    | some d =>
      if !isShown o d then variablesJson o lctx printed declared fs acc
      else
        let (known, declared) := match declared with
          | (g, type) :: rest => if g == f then (type, rest) else (none, declared)
          | [] => (none, [])
        let type ← if d.type == printed.1 then pure printed.2
          else match d.value?, known with
            | none, some text => pure (.mkObj [("pp", jstr text)])
            | _, _ => exprJson o d.type
        variablesJson o lctx (d.type, type) declared fs (acc.push (← variableJson o d type))

/-- The local context with inaccessible names marked by a dagger, as Lean prints it. -/
def sanitized (lctx : LocalContext) (opts : Options) : LocalContext :=
  (lctx.sanitizeNames.run' { options := opts })

def inContext (lctx : LocalContext) (localInstances : LocalInstances) (x : MetaM Json) : MetaM Json :=
  fun ctx ref => x { ctx with lctx, localInstances } ref

/-- The target out of a goal's text, if it stands on one line: it would be printed alone in the same way. -/
def targetOnOneLine : List String → Option String
  | [] => none
  | [last] =>
    match last.splitOn "⊢ " with
    | ["", target] => some target
    | _ => none
  | _ :: lines => targetOnOneLine lines

/-- The target as an object of its own; without lines of the goal's text, or where it is on several, it is printed. -/
def targetJson (o : ReplOptions) (lines : List String) (type : Expr) : MetaM Json := do
  match targetOnOneLine lines with
  | some target => return .mkObj [("pp", jstr target)]
  | none => exprJson o type

def fragmentOf (g : MVarId) : Fragments → Option Fragment
  | [] => none
  | (m, f) :: fs => if m == g then some f else fragmentOf g fs

def fragmentName : Option Fragment → String
  | none => "tactic"
  | some (.calc _) => "calc"
  | some _ => "conv"

def visibleDecls (lctx : LocalContext) : List FVarId → List LocalDecl
  | [] => []
  | f :: fs =>
    match lctx.find? f with
    | some d => if d.isImplementationDetail then visibleDecls lctx fs else d :: visibleDecls lctx fs
    | none => visibleDecls lctx fs

/-! ### Printing what is new

Printing is most of what a state costs, and most of its hypotheses have been printed with the state before it. Their lines
are taken over where Lean would print the same: the hypothesis is the same one, under the same name, with a type
without metavariables; none of the variables in that type has another name; and no name that came or went is one
that Lean would tell a constant of the type apart from, or would give to a bound variable of it (`x_1`). The others are
printed by Lean as ever, in a goal in which those that are known are marked as not to be shown. -/

/-- Names that came, went or changed between two contexts, and the variables that stayed and changed theirs. -/
structure Changed where
  names : List Name := []
  /-- Of these, the beginnings of those that Lean might give to a bound variable. -/
  stems : List String := []
  variables : List FVarId := []

def changedFrom (old new : LocalContext) : List FVarId → Changed → Changed
  | [], c => c
  | f :: fs, c =>
    match old.find? f, new.find? f with
    | some d, some e =>
      if d.userName == e.userName then changedFrom old new fs c
      else changedFrom old new fs { c with names := d.userName :: e.userName :: c.names, variables := f :: c.variables }
    | some d, none => changedFrom old new fs { c with names := d.userName :: c.names }
    | none, some e => changedFrom old new fs { c with names := e.userName :: c.names }
    | none, none => changedFrom old new fs c

/-- What a bound variable's name begins with that Lean makes up next to this one: `x_` for `x_1`. -/
def stemOf (n : Name) : Option String :=
  match reversed ((nameText n).splitOn "_") with
  | last :: before :: more => if last.isNat then some ("_".intercalate (reversed (before :: more)) ++ "_") else none
  | _ => none

def stemsOf : List Name → List String
  | [] => []
  | n :: ns =>
    match stemOf n with
    | some stem => stem :: stemsOf ns
    | none => stemsOf ns

def occursIn (stem : String) : List String → Bool
  | [] => false
  | line :: lines =>
    match line.splitOn stem with
    | _ :: _ :: _ => true
    | _ => occursIn stem lines

def anyOccursIn (lines : List String) : List String → Bool
  | [] => false
  | stem :: stems => occursIn stem lines || anyOccursIn lines stems

def partsOf : Name → List Name → List Name
  | .str p s, acc => partsOf p (.mkSimple s :: acc)
  | .num p _, acc => partsOf p acc
  | .anonymous, acc => acc

def partsOfAll : List Name → List Name → List Name
  | [], acc => acc
  | n :: ns, acc => partsOfAll ns (partsOf n acc)

def mentionsAny (e : Expr) : List FVarId → Bool
  | [] => false
  | f :: fs => e.containsFVar f || mentionsAny e fs

def shareName (xs : List Name) : List Name → Bool
  | [] => false
  | n :: ns => memName n xs || shareName xs ns

/-- Whether a block would be printed anew in the same way. Its hypotheses have one type. -/
def Block.lasts (c : Changed) (b : Block) : Bool :=
  match b.decls with
  | [] => false
  | d :: _ =>
    !d.type.hasMVar && !(mentionsAny d.type c.variables) && !(shareName b.words (partsOfAll c.names [])) && !(anyOccursIn b.lines c.stems)

/-- What comes after `olds`, if these come first, as they were. -/
def afterSame : List LocalDecl → List LocalDecl → Option (List LocalDecl)
  | [], ds => some ds
  | _, [] => none
  | o :: os, d :: ds =>
    if o.fvarId == d.fvarId && o.userName == d.userName && o.type == d.type && d.value?.isNone then afterSame os ds else none

/-- Whether two neighbours would stand on one line; where types are not known yet, they may. -/
def mayJoin (a : Option LocalDecl) (d : LocalDecl) : Bool :=
  match a with
  | none => false
  | some a => a.type == d.type || a.type.hasMVar

def blocksFrom (f : FVarId) : List Block → List Block
  | [] => []
  | b :: bs =>
    match b.decls with
    | d :: _ => if d.fvarId == f then b :: bs else blocksFrom f bs
    | [] => blocksFrom f bs

/-- Each hypothesis that is to be printed, or a block that is known. -/
partial def planned (c : Changed) (known : List Block) (before : Option LocalDecl) : List LocalDecl → List (Except LocalDecl Block)
  | [] => []
  | d :: ds =>
    let anew (known : List Block) := .error d :: planned c known (some d) ds
    match blocksFrom d.fvarId known with
    | [] => anew known
    | b :: later =>
      match afterSame b.decls (d :: ds) with
      | none => anew later
      | some rest =>
        if b.lasts c && !(mayJoin before d) && !(mayJoin (nth? rest 0) d) then .ok b :: planned c later (some d) rest
        else anew later

def hidden (g : MVarId) (mctx : MetavarContext) : List (Except LocalDecl Block) → MetavarContext
  | [] => mctx
  | .error _ :: items => hidden g mctx items
  | .ok b :: items => hidden g (hide mctx b.decls) items
where
  hide (mctx : MetavarContext) : List LocalDecl → MetavarContext
    | [] => mctx
    | d :: ds => hide (mctx.setFVarKind g d.fvarId .implDetail) ds

/-- Lines, each with those that go on with it. -/
def gathered : List String → List (List String)
  | [] => []
  | line :: lines =>
    match gathered lines with
    | (next :: more) :: others => if next.startsWith "  " then (line :: next :: more) :: others else [line] :: (next :: more) :: others
    | others => [line] :: others

/-- The hypotheses that a block of lines declares, and the others; nothing where the names are not theirs. -/
def taken : List String → List (Except LocalDecl Block) → Option (List LocalDecl × List (Except LocalDecl Block))
  | [], items => some ([], items)
  | n :: ns, .error d :: items =>
    if n == nameText d.userName.simpMacroScopes then
      match taken ns items with
      | some (ds, rest) => some (d :: ds, rest)
      | none => none
    else none
  | _, _ => none

def namesOn (line : String) : List String :=
  match line.splitOn " :" with
  | names :: _ => names.splitOn " "
  | [] => []

/-- The blocks of the whole goal out of what was printed of it, with what is left of that: the target. -/
partial def woven (printed : List (List String)) : List (Except LocalDecl Block) → Option (List Block × List (List String))
  | [] => some ([], printed)
  | .ok b :: items =>
    match woven printed items with
    | some (bs, rest) => some (b :: bs, rest)
    | none => none
  | items =>
    match printed with
    | [] => none
    | [] :: _ => none
    | (line :: lines) :: printed =>
      match taken (namesOn line) items with
      | none => none
      | some (ds, items) =>
        match woven printed items with
        | some (bs, rest) => some (⟨ds, line :: lines, wordsOf ds⟩ :: bs, rest)
        | none => none
where
  wordsOf : List LocalDecl → List Name
    | [] => []
    | d :: _ => partsOfAll d.type.getUsedConstants.toList []

def linesOf : List Block → List (List String) → List String
  | [], rest => joined rest
  | b :: bs, rest => cat b.lines (linesOf bs rest)
where
  joined : List (List String) → List String
    | [] => []
    | ls :: lss => cat ls (joined lss)

def printedOf (g : MVarId) : List Printed → Option Printed
  | [] => none
  | p :: ps => if p.goal == g then some p else printedOf g ps

/-- The same with that of the first of the goals in front. -/
def printedFirst (goals : List MVarId) (ps : List Printed) : List Printed :=
  match nth? goals 0 with
  | none => ps
  | some g =>
    match printedOf g ps with
    | some p => p :: ps
    | none => ps

/-- With the types as far as they are known. -/
def withKnownTypes : List LocalDecl → MetaM (List LocalDecl)
  | [] => pure []
  | d :: ds => do
    let others ← withKnownTypes ds
    if d.type.hasMVar then return d.setType (← instantiateMVars d.type) :: others else return d :: others

/-- A goal's text by lines, as Lean prints it, and what it was made of. -/
def goalLines (g : MVarId) (decl : MetavarDecl) (lctx : LocalContext) (old : Option Printed) : MetaM (List String × Printed) := do
  let shown ← withKnownTypes (visibleDecls lctx lctx.getFVarIds.toList)
  let options ← getOptions
  let items := match old with
    | none => planned {} [] none shown
    | some p =>
      let changed := changedFrom p.lctx lctx (cat p.lctx.getFVarIds.toList lctx.getFVarIds.toList) {}
      let known := if (foundSetting options `pp.safeShadowing).isSome then [] else p.blocks
      planned { changed with stems := stemsOf changed.names } known none shown
  let whole ← getMCtx
  setMCtx (hidden g whole items)
  let lines := (← Meta.ppGoal g).pretty.splitOn "\n"
  setMCtx whole
  let (named, lines) := match decl.userName, lines with
    | .anonymous, _ => ([], lines)
    | _, line :: lines => ([line], lines)
    | _, [] => ([], [])
  match woven (gathered lines) items with
  | some (blocks, rest) => return (cat named (linesOf blocks rest), ⟨g, lctx, blocks⟩)
  | none => return ((← Meta.ppGoal g).pretty.splitOn "\n", ⟨g, lctx, []⟩)

def goalJson (o : ReplOptions) (fragments : Fragments) (old : Option Printed) (g : MVarId) : MetaM (Json × Printed) := do
  let decl ← g.getDecl
  let lctx := sanitized decl.lctx (← getOptions)
  let (lines, printed) ← goalLines g decl lctx old
  let json ← inContext lctx decl.localInstances do
    let (declared, known) := if o.printExprPretty && !o.printDependentMVars then (typesIn printed.blocks, lines) else ([], [])
    let vars ← variablesJson o lctx (.bvar 0, .null) declared lctx.getFVarIds.toList #[]
    let target ← targetJson o known decl.type
    let base := [("name", jname g.name), ("fragment", jstr (fragmentName (fragmentOf g fragments))), ("target", target),
      ("vars", .arr vars), ("ppGoal", jstr ("\n".intercalate lines))]
    match decl.userName with
    | .anonymous => return .mkObj base
    | n => return .mkObj (("userName", jname n.eraseMacroScopes) :: base)
  return (json, printed)

/-- `before` is what was printed of the state before; the first of it, of the goal that a tactic was run on. -/
def goalsJson (o : ReplOptions) (fragments : Fragments) (before : List Printed) :
    List MVarId → Array Json → List Printed → MetaM (Json × List Printed)
  | [], acc, printed => pure (.arr acc, reversed printed)
  | g :: gs, acc, printed => do
    let old := match printedOf g before with
      | some p => some p
      | none => nth? before 0
    let (json, p) ← goalJson o fragments old g
    goalsJson o fragments before gs (acc.push json) (p :: printed)

/-! ## Goals that hang together

A metavariable that two goals mention is one unknown: what solves the one goal may settle it for the other. Goals that
share none can be solved apart. -/

/-- The metavariables that something depends on, each as a term: `.mvar` or a sort of that level. -/
structure Unknowns where
  seen : Table Nat := .empty
  found : List Expr := []

def addUnknown (e : Expr) (u : Unknowns) : Unknowns :=
  if (u.seen.find? e).isSome then u else { seen := u.seen.add e 0, found := e :: u.found }

def addLevels : List LMVarId → Unknowns → Unknowns
  | [], u => u
  | l :: ls, u => addLevels ls (addUnknown (.sort (.mvar l)) u)

mutual
partial def unknownsOf (e : Expr) (u : Unknowns) : MetaM Unknowns := do
  let e ← instantiateMVars e
  if !e.hasMVar then return u
  let u ← unknownsOfAll (e.collectMVars {}).result.toList u
  return addLevels (collectLevelMVars {} e).result.toList u

partial def unknownsOfAll : List MVarId → Unknowns → MetaM Unknowns
  | [], u => pure u
  | m :: ms, u => do
    if (u.seen.find? (.mvar m)).isSome then unknownsOfAll ms u
    else
      let u ← unknownsOf (← m.getDecl).type (addUnknown (.mvar m) u)
      -- The unknown of a term under a binder is the one below it.
      match ← getDelayedMVarAssignment? m with
      | some delayed => unknownsOfAll ms (← unknownsOf (.mvar delayed.mvarIdPending) u)
      | none => unknownsOfAll ms u
end

def unknownsOfDecls : List LocalDecl → Unknowns → MetaM Unknowns
  | [], u => pure u
  | d :: ds, u => do
    let u ← unknownsOf d.type u
    match d.value? with
    | some value => unknownsOfDecls ds (← unknownsOf value u)
    | none => unknownsOfDecls ds u

/-- The goals themselves, and what their targets and hypotheses depend on. -/
def unknownsOfGoals : List MVarId → Unknowns → MetaM Unknowns
  | [], u => pure u
  | g :: gs, u => do
    let decl ← g.getDecl
    let u ← unknownsOfAll [g] u
    unknownsOfGoals gs (← unknownsOfDecls (visibleDecls decl.lctx decl.lctx.getFVarIds.toList) u)

structure Groups where
  /-- Which goal was the first to depend on an unknown. -/
  owners : Table Nat := .empty
  /-- For each goal, the first one that it hangs together with. -/
  labels : List Nat := []

def relabel (old new : Nat) : List Nat → List Nat
  | [] => []
  | l :: ls => (if l == old then new else l) :: relabel old new ls

/-- Goals `i` and `j` hang together. -/
def joinGroups (i j : Nat) (g : Groups) : Groups :=
  match nth? g.labels i, nth? g.labels j with
  | some a, some b => { g with labels := relabel (max a b) (min a b) g.labels }
  | _, _ => g

def joinByUnknowns (i : Nat) : List Expr → Groups → Groups
  | [], g => g
  | u :: us, g =>
    match g.owners.find? u with
    | some j => joinByUnknowns i us (joinGroups i j g)
    | none => joinByUnknowns i us { g with owners := g.owners.add u i }

def groupsOf : List MVarId → Nat → Groups → MetaM (List Nat)
  | [], _, g => pure g.labels
  | goal :: goals, i, g => do
    let unknowns ← unknownsOfGoals [goal] {}
    groupsOf goals (i + 1) (joinByUnknowns i unknowns.found { g with labels := cat g.labels [i] })

def numbersJson : List Nat → Array Json → Json
  | [], acc => .arr acc
  | n :: ns, acc => numbersJson ns (acc.push (jnat n))

/-! ## State keys

Two states get the same key when their goals are equal up to the names of bound and inaccessible
variables and of metavariables. Each goal is closed over its hypotheses; the metavariables of all goals
together become numbered constants; what remains is hashed by Lean's own structural hash, which ignores
binder names. That hash has 32 bits, so the names of the constants, of the accessible hypotheses and the
shape go in as well. -/

/-- `∀ hypotheses, target`, with `let` values kept; no instantiation of delayed assignments needed. -/
def closeOver (fvars : Array Expr) : List LocalDecl → Nat → Expr → MetaM Expr
  | [], _, body => pure body
  | d :: ds, n, body => do
    -- `ds` runs from the last hypothesis to the first; `n` is the number of hypotheses before `d`.
    let type := (← instantiateMVars d.type).abstractRange n fvars
    let body ← match d.value? with
      | some v => do
        let v := (← instantiateMVars v).abstractRange n fvars
        pure (Expr.letE .anonymous type v body false)
      | none => pure (Expr.forallE .anonymous type body .default)
    closeOver fvars ds (n - 1) body

def declFVars : List LocalDecl → Array Expr → Array Expr
  | [], acc => acc
  | d :: ds, acc => declFVars ds (acc.push (.fvar d.fvarId))

def accessibleNames : List LocalDecl → UInt64 → UInt64
  | [], h => h
  | d :: ds, h =>
    let n := if d.userName.hasMacroScopes then `_inaccessible else d.userName
    accessibleNames ds (mixHash h n.hash)

structure KeyParts where
  terms : Array Expr
  names : UInt64

def closedGoals : List MVarId → KeyParts → MetaM KeyParts
  | [], acc => pure acc
  | g :: gs, acc => do
    let decl ← g.getDecl
    let ds := visibleDecls decl.lctx decl.lctx.getFVarIds.toList
    let fvars := declFVars ds #[]
    let target := (← instantiateMVars decl.type).abstract fvars
    let closed ← closeOver fvars (reversed ds) (fvars.size - 1) target
    closedGoals gs ⟨acc.terms.push closed, accessibleNames ds acc.names⟩

def hashNames : List Name → UInt64 → UInt64
  | [], h => h
  | n :: ns, h => hashNames ns (mixHash h n.hash)

def hexDigits (n : UInt64) : String :=
  textOf (Nat.toDigits 16 n.toNat) ""

def indexOfMVar (m : MVarId) : List MVarId → Nat → Nat
  | [], i => i
  | x :: xs, i => if x == m then i else indexOfMVar m xs (i + 1)

/-- Names that mean something only in this process must not get into the hash: metavariables become
constants numbered in order of appearance, hidden hypotheses one constant, undetermined levels nothing. -/
def anonymise (order : List MVarId) (e : Expr) : Option Expr :=
  match e with
  | .mvar m => some (.const (Name.mkNum `hole (indexOfMVar m order 0)) [])
  | .fvar _ => some (.const `hidden [])
  | .sort l => if l.hasMVar then some (.const `someSort []) else none
  | .const n ls => if anyLevelMVar ls then some (.const n []) else none
  | _ => none
where
  anyLevelMVar (ls : List Level) : Bool :=
    match ls with
    | [] => false
    | l :: rest => l.hasMVar || anyLevelMVar rest

def stateKey (goals : List MVarId) : MetaM String := do
  let parts ← closedGoals goals ⟨#[], 7⟩
  let whole := mkAppN (.const `goals []) parts.terms
  let isLocal := whole.hasMVar || whole.hasFVar
  let closed := if isLocal then whole.replace (anonymise (whole.collectMVars {}).result.toList) else whole
  let shape := mixHash parts.names (hashNames closed.getUsedConstants.toList 11)
  return s!"{hexDigits closed.hash}.{hexDigits shape}"


/-! ## Stored states -/

def lookup (s : Server) (id : Nat) : IO (Option StoredState) := do
  let a ← ST.Prim.Ref.get s.states
  if h : id < a.size then return a[id] else return none

/-- Store the current monad state under a new id. -/
def save (s : Server) (scope : ProofScope) (root : MVarId) (goals dormant parents : List MVarId) (fragments : Fragments := []) :
    TermElabM Nat := do
  let a ← ST.Prim.Ref.get s.states
  let cst : Core.State ← getThe Core.State
  let mst : Meta.State ← getThe Meta.State
  let tst : Term.State ← getThe Term.State
  ST.Prim.Ref.set s.states (a.push (some ⟨cst, mst, tst, scope, root, goals, dormant, parents, fragments, []⟩))
  return a.size

/-- What a reply says of the goals of a state that was stored; what was printed is kept with it. -/
def goalsFields (s : Server) (o : ReplOptions) (id : Nat) (fragments : Fragments) (before : List Printed) (goals : List MVarId) :
    MetaM (List (String × Json)) := do
  let (json, printed) ← goalsJson o fragments before goals #[] []
  if let some st ← lookup s id then
    let a ← ST.Prim.Ref.get s.states
    ST.Prim.Ref.set s.states #[]
    ST.Prim.Ref.set s.states (a.set! id (some { st with printed }))
  return [("goals", json), ("groups", numbersJson (← groupsOf goals 0 {}) #[]), ("key", jstr (← stateKey goals))]

/-- Continue where `st` stopped, with no messages of earlier tactics. -/
def restore (st : StoredState) : TermElabM Unit := do
  set { st.cst with messages := {} }
  set st.mst
  set st.tst

def badState (id : Nat) : Refusal := ⟨"index", s!"Invalid state index {id}"⟩

def countStates : List (Option StoredState) → Nat
  | [] => 0
  | none :: xs => countStates xs
  | some _ :: xs => countStates xs + 1

/-! ## Contexts

The commands in front of a theorem: `open …` and `universe …` lines, and the definitions, instances, notations, lemmas
… that its statement needs. They are part of what the theorem says. What would have Lean run code of the text's own while
it reads it is refused by name, and so is what would be believed without a proof. -/

def headerKinds : List Name := [``Parser.Command.open, ``Parser.Command.universe]

def commandContext (source : String) (token : IO.CancelToken) : Command.Context :=
  { fileName := "<source>", fileMap := FileMap.ofString source, snap? := none, cancelTk? := some token }

def topScope (st : Command.State) : Command.Scope :=
  match st.scopes with
  | scope :: _ => scope
  | [] => { header := "" }

/-- The state before the first command of a text. The embedded Lean lacks what its compiler would need of the library:
there, nothing is compiled. -/
def beforeCommands (s : Server) (env : Environment) : Command.State :=
  let st := Command.mkState env {} s.settings
  { st with scopes := [{ topScope st with isNoncomputable := s.embedded }] }

def errorTexts : List Message → Array String → BaseIO (Array String)
  | [], acc => pure acc
  | m :: ms, acc =>
    match m.severity with
    | .error => do errorTexts ms (acc.push (← m.data.toString))
    | _ => errorTexts ms acc

def joinLines : List String → String
  | [] => ""
  | [s] => s
  | s :: ss => s ++ "\n" ++ joinLines ss

def commandErrors (messages : MessageLog) : BaseIO (Option String) := do
  let texts ← errorTexts messages.toList #[]
  if texts.size == 0 then return none else return some (joinLines texts.toList)

/-- Commands that only say where the text after them is understood. -/
def scopeKinds : List Name :=
  [``Parser.Command.open, ``Parser.Command.universe, ``Parser.Command.namespace, ``Parser.Command.section,
   ``Parser.Command.end, ``Parser.Command.variable, ``Parser.Command.export, ``Parser.Command.include,
   ``Parser.Command.omit, ``Parser.Command.moduleDoc, ``Parser.Command.set_option]

/-- Commands that declare something, or change how a name is used. -/
def declaringKinds : List Name :=
  [``Parser.Command.abbrev, ``Parser.Command.definition, ``Parser.Command.theorem, ``Parser.Command.instance,
   ``Parser.Command.example, ``Parser.Command.inductive, ``Parser.Command.classInductive, ``Parser.Command.structure,
   ``Parser.Command.opaque, ``Parser.Command.mutual, ``Parser.Command.deriving, ``Parser.Command.attribute,
   ``Parser.Command.notation, ``Parser.Command.mixfix, `lemma]

/-- Attributes that are read by Lean's own tactics and elaborators, and run no code that the text holds. -/
def plainAttributes : List String :=
  ["simp", "ext", "grind", "instance", "reducible", "irreducible", "semireducible", "implicit_reducible", "inline",
   "noinline", "always_inline", "macro_inline", "specialize", "nospecialize", "expose", "match_pattern", "refl", "symm",
   "trans", "congr", "coe", "norm_cast", "default_instance", "class", "elab_as_elim", "elab_without_expected_type",
   "induction_eliminator", "cases_eliminator", "deprecated", "inherit_doc", "pp_nodot", "spec", "defeq",
   "simps", "to_additive", "mono", "gcongr", "fun_prop", "aesop", "nolint", "push_cast"]

/-- Classes whose instances Lean derives by its own means. -/
def derivedClasses : List String :=
  ["DecidableEq", "BEq", "ReflBEq", "LawfulBEq", "Repr", "Inhabited", "Nonempty", "Ord", "Hashable", "LawfulHashable",
   "ToString", "ToExpr", "SizeOf", "Fintype", "Encodable", "Countable", "Add", "Sub", "Mul", "Neg", "Zero",
   "One", "LT", "LE", "Min", "Max", "Append", "Membership", "OfNat"]

/-- Settings that a text may choose; by their first part, or whole. -/
def plainSettings : List Name :=
  [`pp, `linter, `backward, `autoImplicit, `relaxedAutoImplicit, `maxHeartbeats, `maxRecDepth, `maxSynthPendingDepth, `synthInstance.maxHeartbeats,
   `synthInstance.maxSize, `exponentiation.threshold, `smartUnfolding, `structureDiamondWarning, `tactic.hygienic,
   `tactic.simp.trace, `quotPrecheck, `hygiene, `warn.classDefReducibility]

mutual
partial def firstWord : Syntax → Option String
  | .missing => none
  | .atom _ text => some (trimmed text)
  | .ident _ _ n _ => some (nameText n)
  | .node _ _ args => firstWordOf args.toList

partial def firstWordOf : List Syntax → Option String
  | [] => none
  | x :: xs =>
    match firstWord x with
    | some word => some word
    | none => firstWordOf xs
end

mutual
partial def firstName : Syntax → Option Name
  | .ident _ _ n _ => some n
  | .node _ _ args => firstNameOf args.toList
  | _ => none

partial def firstNameOf : List Syntax → Option Name
  | [] => none
  | x :: xs =>
    match firstName x with
    | some n => some n
    | none => firstNameOf xs
end

def isAntiquotation : Name → Bool
  | .str _ part => part.startsWith "antiquot"
  | _ => false

def attributeWord (stx : Syntax) : String :=
  -- `local`, `scoped` and `-` stand before the attribute's own word.
  let named := if stx.isOfKind ``Parser.Term.attrInstance || stx.isOfKind ``Parser.Command.eraseAttr then stx[1] else stx
  (firstWord named).getD ""

def objectionToAttributes (s : Server) : List Syntax → Option String
  | [] => none
  | stx :: rest =>
    match stx with
    | .atom .. => objectionToAttributes s rest
    | _ =>
      let word := attributeWord stx
      if !(memStr word plainAttributes) then some s!"the attribute `{word}` is not allowed in a context: it can run code"
      else
        match objectionTo s stx with
        | some why => some why
        | none => objectionToAttributes s rest

/-- A word that a command of a context may not hold, and why. -/
def refusedPart (kind : Name) (parts : List Syntax) : Option String :=
  if kind == ``Parser.Command.unsafe then some "`unsafe` is not allowed in a context: Lean's logic says nothing of it"
  else if kind == ``Parser.Command.partial then
    some "`partial` is not allowed in a context: Lean's logic does not know what such a function computes. Show that it ends, with `termination_by` if need be"
  else if kind == `Lean.Parser.Command.meta || kind == `Lean.Parser.Command.computedFields then
    some s!"`{(firstWordOf parts).getD ""}` is not allowed in a context: it runs code"
  else if isAntiquotation kind then some "`$` is not allowed in a context: it runs code"
  else if kind == `Lean.Parser.Command.derivingClass then
    let name := (firstNameOf (match parts with | _ :: rest => rest | [] => [])).getD .anonymous
    if memStr (lastPart name) derivedClasses then none
    else some s!"`deriving {nameText name}` is not allowed in a context: it can run code. Known are {", ".intercalate derivedClasses}"
  else none

def settingKinds : List Name := [``Parser.Command.set_option, ``Parser.Term.set_option, ``Parser.Tactic.set_option]

/-- Recursion within which the stack is known to suffice. -/
def maxSetRecDepth : Nat := 10000

mutual
/-- `stx` without the attributes and settings that a context may hold, or what else it holds. -/
partial def withoutPermitted (s : Server) (stx : Syntax) : Except String Syntax :=
  match stx with
  | .node info kind args =>
    let parts := args.toList
    match refusedPart kind parts with
    | some why => .error why
    | none =>
      if kind == ``Parser.Term.attributes then
        match objectionToAttributes s stx[1].getArgs.toList with
        | some why => .error why
        | none => .ok (.node info nullKind #[])
      else if memName kind settingKinds then
        let setting := (firstName stx[1]).getD .anonymous
        if !(hasPrefix plainSettings setting) then .error s!"`set_option {nameText setting}` is not allowed in a context"
        else if setting == `maxRecDepth && (stx[3].isNatLit?.getD 0) > maxSetRecDepth then
          .error s!"`set_option maxRecDepth` may set at most {maxSetRecDepth} in a context: deeper, Lean runs out of stack"
        else withoutPermittedNode s info nullKind (match parts with | _ :: _ :: rest => rest | _ => [])
      else withoutPermittedNode s info kind parts
  | _ => .ok stx

partial def withoutPermittedNode (s : Server) (info : SourceInfo) (kind : Name) (parts : List Syntax) : Except String Syntax :=
  match withoutPermittedAll s parts #[] with
  | .ok args => .ok (.node info kind args)
  | .error why => .error why

partial def withoutPermittedAll (s : Server) : List Syntax → Array Syntax → Except String (Array Syntax)
  | [], acc => .ok acc
  | x :: xs, acc =>
    match withoutPermitted s x with
    | .ok y => withoutPermittedAll s xs (acc.push y)
    | .error why => .error why
end

def unknownCommand (stx : Syntax) : String :=
  s!"`{(firstWord stx).getD (nameText stx.getKind)}` is not allowed in a context: it could run code, or be believed without a proof"

mutual
/-- Why a command may not stand in front of a theorem, by its kind alone. -/
partial def objectionToCommandKind (stx : Syntax) : Option String :=
  let kind := stx.getKind
  if kind == ``Parser.Command.declaration then objectionToCommandKind stx[1]
  else if kind == ``Parser.Command.in then objectionToCommandKinds [stx[0], stx[2]]
  else if kind == ``Parser.Command.mutual then objectionToCommandKinds stx[1].getArgs.toList
  else if kind == ``Parser.Command.opaque && stx[3].getNumArgs == 0 then
    some "`opaque` without a value is not allowed in a context"
  else if kind == ``Parser.Command.axiom then
    some "`axiom` is not allowed in a context: it would be believed without a proof. Make it a hypothesis of the theorem"
  else if memName kind scopeKinds || memName kind declaringKinds then none
  else some (unknownCommand stx)

partial def objectionToCommandKinds : List Syntax → Option String
  | [] => none
  | x :: xs =>
    match objectionToCommandKind x with
    | some why => some why
    | none => objectionToCommandKinds xs
end

/-- Why a command may not stand in front of a theorem. -/
def objectionToCommand (s : Server) (stx : Syntax) : Option String :=
  match objectionToCommandKind stx with
  | some why => some why
  | none =>
    if stx.isOfKind ``Parser.Command.attribute then objectionToAttributes s stx[2].getArgs.toList
    else
      match withoutPermitted s stx with
      | .error why => some why
      | .ok rest => objectionTo s rest

def objectionToHeader (s : Server) (stx : Syntax) : Option String :=
  if memName stx.getKind headerKinds || stx.isOfKind ``Parser.Command.set_option then objectionToCommand s stx
  else some s!"a header may hold only `open`, `universe` and `set_option` lines, not `{(firstWord stx).getD ""}`: that belongs into the theorem's context"

/-- Whether a message says that a declaration uses `sorry`. -/
def tellsOfSorry : List Message → BaseIO Bool
  | [] => pure false
  | m :: ms => do
    match (← m.data.toString).splitOn "declaration uses" with
    | [_] => tellsOfSorry ms
    | _ => pure true

/-- Run one command; why it is rejected. Each command begins with an empty log, so that the log after the last one
says nothing about those before it. -/
def elabCommand1 (s : Server) (source : String) (st : IO.Ref Command.State) (stx : Syntax) : IO (Option Rejection) := do
  let watch ← ST.Prim.Ref.get s.watch
  let command : Command.CommandElabM Unit := Command.elabCommandTopLevel stx
  let act : EIO Exception Unit := command (commandContext source watch.token) st
  match ← act.toBaseIO with
  | .ok _ => do
    let after : Command.State ← ST.Prim.Ref.get st
    match ← commandErrors after.messages with
    | some e => return some ⟨"elaboration", e⟩
    | none => return none
  | .error e => return some ⟨"elaboration", ← e.toMessageData.toString⟩

def leftOut (stx : Syntax) : Rejection :=
  let what := match firstName stx[1] with
    | some n => s!"`{nameText n}`"
    | none => s!"a command, `{(firstWord stx).getD ""} …`,"
  ⟨"sorry", s!"{what} is left as sorry in the context: a definition needs its value there, and a lemma its proof"⟩

/-- A command that was run, and the namespace in which it stood. -/
structure Ran where
  stx : Syntax
  currNamespace : Name

/-- Read a whole text as commands. Each must be accepted by `allowed`; the state after the last is kept.
What does not parse or run is rejected for `elaboration`, what is not allowed as `forbidden`, and what leaves
something out for `sorry` if the text is to be `whole`. The last command comes first. -/
partial def elabCommands (s : Server) (source : String) (whole : Bool) (allowed : Syntax → Option String)
    (st : IO.Ref Command.State) (mps : Parser.ModuleParserState) (ran : List Ran) :
    IO (Except Rejection (List Ran)) := do
  let cur : Command.State ← ST.Prim.Ref.get st
  let ictx := inputContext source "<source>"
  let scope := topScope cur
  let pmctx : Parser.ParserModuleContext :=
    { env := cur.env, options := scope.opts, currNamespace := scope.currNamespace, openDecls := scope.openDecls }
  let (stx, mps, messages) := Parser.parseCommand ictx pmctx mps {}
  match ← commandErrors messages with
  | some e => return .error ⟨"elaboration", e⟩
  | none =>
    if stx.isOfKind ``Parser.Command.eoi then return .ok ran
    else
      match allowed stx with
      | some why => return .error ⟨"forbidden", why⟩
      | none =>
        match ← elabCommand1 s source st stx with
        | some why => return .error why
        | none =>
          let after : Command.State ← ST.Prim.Ref.get st
          if whole && (← tellsOfSorry after.messages.toList) then return .error (leftOut stx)
          elabCommands s source whole allowed st mps (⟨stx, scope.currNamespace⟩ :: ran)

def isHeader (stx : Syntax) : Bool := memName stx.getKind headerKinds

/-- The commands that are no `open` or `universe` lines; of a list in reverse, in order. -/
def contextOf : List Ran → List Syntax → List Syntax
  | [], acc => acc
  | r :: rs, acc => contextOf rs (if isHeader r.stx then acc else r.stx :: acc)

def firstFew {α : Type} : Nat → List α → List α
  | n + 1, x :: xs => x :: firstFew n xs
  | _, _ => []

def frontOf (p : Json) : Except Refusal Front :=
  match optStr p "header", optStr p "context" with
  | .ok header, .ok context => .ok ⟨header.getD "", context.getD ""⟩
  | .error r, _ => .error r
  | _, .error r => .error r

/-- Where a preamble begins: in the library, or in what `env.add` made of it. -/
structure Ground where
  env : Environment
  /-- How many constants were added. -/
  added : Nat := 0

def library (s : Server) : Ground := { env := s.env }

def sessionEnv (s : Server) : IO Environment := do
  let session ← ST.Prim.Ref.get s.session
  return session.env

def ofSession (s : Server) : IO Ground := do
  let session ← ST.Prim.Ref.get s.session
  return ⟨session.env, len session.added⟩

def isPreamble (ground : Ground) (front : Front) (p : Preamble) : Bool :=
  p.added == ground.added && p.front.header == front.header && p.front.context == front.context

def findPreamble (ground : Ground) (front : Front) : List Preamble → Option Preamble
  | [] => none
  | p :: ps => if isPreamble ground front p then some p else findPreamble ground front ps

def dropPreamble (ground : Ground) (front : Front) : List Preamble → List Preamble
  | [] => []
  | p :: ps => if isPreamble ground front p then ps else p :: dropPreamble ground front ps

/-- Preambles that are kept: a search works on many theorems at once. -/
def maxPreambles : Nat := 16

def elabPreamble (s : Server) (ground : Ground) (front : Front) : IO (Except Rejection Preamble) := do
  let st : IO.Ref Command.State ← IO.mkRef (beforeCommands s ground.env)
  match ← elabCommands s front.header true (objectionToHeader s) st {} [] with
  | .error why => return .error why
  | .ok ran =>
    match ← elabCommands s front.context true (objectionToCommand s) st {} ran with
    | .error why => return .error why
    | .ok ran => do
      let state : Command.State ← ST.Prim.Ref.get st
      return .ok { front, added := ground.added, state := { state with messages := {} }, commands := contextOf ran [] }

/-- What leads from the library, or from what was added to it, to a theorem. -/
def preamble (s : Server) (ground : Ground) (front : Front) : IO (Except Rejection Preamble) := do
  let known ← ST.Prim.Ref.get s.preambles
  match findPreamble ground front known with
  | some p => do
    ST.Prim.Ref.set s.preambles (p :: dropPreamble ground front known)
    return .ok p
  | none =>
    match ← elabPreamble s ground front with
    | .error why => return .error why
    | .ok p => do
      ST.Prim.Ref.set s.preambles (firstFew maxPreambles (p :: known))
      return .ok p

mutual
/-- The names of universes in a piece of syntax. -/
partial def universesIn (stx : Syntax) : List Name :=
  match stx with
  | .node _ kind args =>
    if kind == ``Parser.Term.type || kind == ``Parser.Term.sort then namesIn args.toList
    else if kind == ``Parser.Term.explicitUniv then cat (universesIn stx[0]) (namesIn [stx[2]])
    else universesInAll args.toList
  | _ => []

partial def universesInAll : List Syntax → List Name
  | [] => []
  | x :: xs => cat (universesIn x) (universesInAll xs)

partial def namesIn : List Syntax → List Name
  | [] => []
  | .ident _ _ n _ :: xs => n :: namesIn xs
  | .node _ _ args :: xs => cat (namesIn args.toList) (namesIn xs)
  | _ :: xs => namesIn xs
end

def withNames (known : List Name) : List Name → List Name
  | [] => known
  | n :: ns => withNames (if memName n known then known else n :: known) ns

/-- Names that nothing declares are errors in a statement, not new variables, unless its context wants them to be. The
universes that the context's variables live in are known. -/
def forStatement (scope : Command.Scope) : Command.Scope :=
  if scope.opts.contains `autoImplicit then scope
  else
    let levelNames := withNames scope.levelNames (universesInBinders scope.varDecls.toList)
    { scope with opts := autoImplicit.set scope.opts false, levelNames }
where
  universesInBinders : List (TSyntax ``Parser.Term.bracketedBinder) → List Name
    | [] => []
    | x :: xs => cat (universesIn x.raw) (universesInBinders xs)

/-- A state of its own in which what follows a preamble is elaborated. -/
def afterPreamble (p : Preamble) : IO (IO.Ref Command.State) :=
  match p.state.scopes with
  | scope :: scopes => IO.mkRef { p.state with scopes := forStatement scope :: scopes }
  | [] => IO.mkRef p.state

def scopeOf (st : Command.State) (levels : List Name) : ProofScope :=
  let scope := topScope st
  { currNamespace := scope.currNamespace, openDecls := scope.openDecls, levelNames := cat levels scope.levelNames, options := scope.opts }

/-! ## Statements -/

/-- A statement, read: `binders : type`, or a type alone. -/
structure Statement where
  binders : List Syntax
  type : Syntax

def parseWhole (env : Environment) (p : Parser.ParserFn) (input : String) : Except (Nat × String) Syntax :=
  let ictx := inputContext input "<Pantograph>"
  let s := (Parser.andthenFn Parser.whitespace p).run ictx { env, options := {} } (Parser.getTokenTable env) (Parser.mkParserState input)
  let place := s.pos.byteIdx
  if s.allErrors.size != 0 then .error (place, s.toErrorMsg ictx)
  else if ictx.atEnd s.pos then .ok s.stxStack.back
  else .error (place, (s.mkError "end of input").toErrorMsg ictx)

/-- A term, or else what a theorem has after its name. Nothing is both. -/
def parseStatement (env : Environment) (input : String) : Except String Statement :=
  match parseWhole env (Parser.categoryParserFn `term) input with
  | .ok stx => .ok ⟨[], stx⟩
  | .error (place, e) =>
    match parseWhole env Parser.Command.declSig.fn input with
    | .ok stx => .ok ⟨stx[0].getArgs.toList, stx[1][1]⟩
    | .error (place', e') => .error (if place' > place then e' else e)

def arrayOf {α : Type} : List α → Array α → Array α
  | [], acc => acc
  | x :: xs, acc => arrayOf xs (acc.push x)

def nodeOf (kind : Name) (parts : List Syntax) : Syntax := .node .none kind (arrayOf parts #[])

def symbol (text : String) : Syntax := .atom .none text

/-- `∀ binders, type` -/
def overBinders (binders : List Syntax) (type : Syntax) : Syntax :=
  match binders with
  | [] => type
  | _ => nodeOf ``Parser.Term.forall [symbol "∀", nodeOf nullKind binders, nodeOf nullKind [], symbol ",", type]

/-- Variables that a binder binds. -/
def numBound (binder : Syntax) : Nat :=
  if binder.isOfKind ``Parser.Term.explicitBinder || binder.isOfKind ``Parser.Term.implicitBinder ||
      binder.isOfKind ``Parser.Term.strictImplicitBinder then binder[1].getNumArgs
  else 1

def numBoundBy : List Syntax → Nat
  | [] => 0
  | b :: bs => numBound b + numBoundBy bs

def objectionToStatement (s : Server) (stated : Statement) : Option String :=
  objectionIn maxSyntaxDepth s (stated.type :: stated.binders)

/-! ## goal.start -/

def memLevel (ns : List Name) (n : Name) : Bool := memName n ns

/-- Undetermined universe levels become parameters, as in the header of a theorem. -/
def generalizeLevels (e : Expr) : TermElabM Expr := do
  let st : Term.State ← getThe Term.State
  let r := (← getMCtx).levelMVarToParam (memLevel st.levelNames) (fun _ => false) e `u 1
  setMCtx r.mctx
  set { st with levelNames := cat st.levelNames r.newParamNames.toList }
  return r.expr

/-- A function that is defined by recursion is there only after the whole declaration has been elaborated. -/
def noLetRecInStatement : String :=
  "`let rec` cannot be part of a statement: what it defines is there only when the whole declaration is. Define it in front of the theorem, in its context."

/-- Elaborate a type as the header of a theorem would: defaults applied, tactic blocks run, no metavariables
left. -/
def elabStatement (stx : Syntax) : TermElabM Expr := do
  let type ← Term.elabType stx
  Term.synthesizeSyntheticMVarsNoPostponing
  -- Some elaborators log an error and go on.
  match ← commandErrors (← getThe Core.State).messages with
  | some e => throwError "{e}"
  | none => pure ()
  if !(none? (← getThe Term.State).letRecsToLift) then throwError noLetRecInStatement
  let type ← generalizeLevels (← instantiateMVars type)
  if type.hasExprMVar then throwError "the statement leaves something undetermined: {type}"
  return type

/-- Introduce the first `n` variables of a goal. -/
def introduced (g : MVarId) : Nat → MetaM MVarId
  | 0 => pure g
  | n + 1 => do
    let (_, g) ← g.intro1P
    introduced g n

/-- A proof of `type`, whose first `n` variables are introduced. -/
def storeStart (s : Server) (o : ReplOptions) (scope : ProofScope) (type : Expr) (n : Nat) (withGoals : Bool) : ReplM := do
  let root ← mkFreshExprSyntheticOpaqueMVar type
  let g ← introduced root.mvarId! n
  let id ← save s scope root.mvarId! [g] [] []
  let base := [("stateId", jnat id), ("root", jname root.mvarId!.name)]
  if withGoals then answer (cat base (← goalsFields s o id [] [] [g])) else answer base

def startType (s : Server) (o : ReplOptions) (scope : ProofScope) (type : Expr) (n : Nat) (prop withGoals : Bool) : ReplM := do
  if prop && !(← Meta.isProp type) then refuse "elab" "the statement is not a proposition"
  else storeStart s o scope type n withGoals

def startCopy (s : Server) (o : ReplOptions) (scope : ProofScope) (name : String) (prop withGoals : Bool) : ReplM := do
  match (← getEnv).find? name.toName with
  | none => refuse "index" s!"Symbol not found: {name}"
  | some info => startType s o { scope with levelNames := cat scope.levelNames info.levelParams } info.type 0 prop withGoals

/-! ## goal.tactic -/

def messageJson (m : Message) : BaseIO Json := do
  let text ← m.data.toString
  let severity := match m.severity with
    | .error => "error"
    | .warning => "warning"
    | .information => "information"
  let endPos := match m.endPos with
    | some e => .mkObj [("line", jnat e.line), ("column", jnat e.column)]
    | none => .null
  return .mkObj [("fileName", jstr m.fileName), ("pos", .mkObj [("line", jnat m.pos.line), ("column", jnat m.pos.column)]),
    ("endPos", endPos), ("keepFullRange", .bool m.keepFullRange), ("severity", jstr severity),
    ("caption", jstr m.caption), ("data", jstr text), ("kind", jname m.kind)]

def messagesJson : List Message → Array Json → BaseIO (Array Json)
  | [], acc => pure acc
  | m :: ms, acc => do messagesJson ms (acc.push (← messageJson m))

/-- What was thrown, or what we object to: it stands at the beginning of the step. -/
def errorMessage (text : String) : Json :=
  .mkObj [("fileName", jstr "<Pantograph>"), ("pos", .mkObj [("line", jnat 0), ("column", jnat 0)]), ("endPos", .null),
    ("keepFullRange", .bool false), ("severity", jstr "error"), ("caption", jstr ""), ("data", jstr text),
    ("kind", jstr "[anonymous]")]

def failure (messages : Array Json) : ReplM :=
  answer [("messages", .arr messages), ("hasSorry", .bool false), ("hasUnsafe", .bool false)]

def parseFailure (e : String) : ReplM :=
  answer [("parseError", jstr e), ("hasSorry", .bool false), ("hasUnsafe", .bool false)]

/-- What the request asks to be done to the goal. -/
inductive Step where
  | tactics (stx : Syntax)
  | expr (stx : Syntax)
  | haveStep (type : Syntax) (name : Name)
  | letStep (type : Syntax) (name : Name)
  | draft (stx : Syntax)
  | enterConv
  | convStep (stx : Syntax)
  | enterCalc
  | calcStep (stx : Syntax)
  | leaveFragment

/-- What a step leaves. -/
structure Left where
  goals : List MVarId
  fragments : Fragments

/-- Kept apart so that the interpreter need not look inside `TacticM`'s specialised code. -/
@[noinline] def evalTacticSyntax (stx : Syntax) : Tactic.TacticM Unit := do
  Tactic.evalTactic stx

@[noinline] def unsolved : Tactic.TacticM (List MVarId) := do
  Tactic.getUnsolvedGoals

@[noinline] def evalAndCollect (stx : Syntax) : Tactic.TacticM (List MVarId) := do
  evalTacticSyntax stx
  unsolved

def underContext {α : Type} (lctx : LocalContext) (localInstances : LocalInstances) (x : TermElabM α) : TermElabM α :=
  fun tctx tref ctx ref => x tctx tref { ctx with lctx, localInstances } ref

/-- Run `x` in a goal's local context. -/
def atGoal {α : Type} (g : MVarId) (x : TermElabM α) : TermElabM α := do
  let decl ← g.getDecl
  underContext decl.lctx decl.localInstances x

/-- Run a tactic block on a whole list of goals, as a `by` block would at this point. What goes on after an error only
serves to say more of what is wrong: an error that is logged fails the step. -/
def runTactic (goals : List MVarId) (collect : Tactic.TacticM (List MVarId)) : TermElabM (List MVarId) := do
  match goals with
  | [] => throwError "no goals"
  | g :: _ => atGoal g do
    let sr : IO.Ref Tactic.State ← IO.mkRef { goals }
    let act : TermElabM (List MVarId) := collect { elaborator := .anonymous } sr
    let after ← act
    Term.synthesizeSyntheticMVarsNoPostponing
    return after

def runTactics (goals : List MVarId) (stx : Syntax) : TermElabM (List MVarId) :=
  runTactic goals (evalAndCollect stx)

def newGoals (e : Expr) : MetaM (List MVarId) := do
  return (← getMVarsNoDelayed e).toList

def assignTo (g : MVarId) (e : Expr) : MetaM Unit := do
  if !(← g.checkedAssign e) then throwError "the term cannot be assigned to the goal: {e}"

/-- Assign a term; its holes become goals: those with names under their names, the others numbered. -/
@[noinline] def assignAndCollect (g : MVarId) (stx : Syntax) : Tactic.TacticM (List MVarId) := do
  let target ← instantiateMVars (← g.getDecl).type
  let (e, holes) ← Tactic.elabTermWithHoles stx (some target) .anonymous true
  assignTo g e
  return cat holes (← unsolved)

/-- `have name : type`: two goals, the claim and the old target with the claim as a hypothesis. -/
def introduceHave (g : MVarId) (stx : Syntax) (name : Name) : TermElabM (List MVarId) := atGoal g do
  let type ← elabStatement stx
  let claim ← mkFreshExprSyntheticOpaqueMVar type
  let main ← g.assert name type claim
  let (_, main) ← main.intro1P
  return [claim.mvarId!, main]

/-- `let name : type`: like `have`, but the value stays visible, as `?name`. -/
def introduceLet (g : MVarId) (stx : Syntax) (name : Name) : TermElabM (List MVarId) := atGoal g do
  let type ← elabStatement stx
  let value ← mkFreshExprSyntheticOpaqueMVar type name
  let main ← g.define name type value
  let (_, main) ← main.intro1P
  return [value.mvarId!, main]

/-! ### Drafts -/

structure Draft where
  e : Expr
  holes : List MVarId

def typeOfSorry (args : List Expr) : Expr :=
  match args with
  -- One that knows its place is a function of that.
  | .forallE _ _ type _ :: _ :: _ :: _ => type
  | type :: _ => type
  | [] => .sort .zero

def sorryHole (args : List Expr) (holes : List MVarId) : MetaM Draft := do
  let type := typeOfSorry args
  if type.hasSorry then throwError "a goal of a draft may not depend on another one's sorry: {type}"
  let hole ← mkFreshExprSyntheticOpaqueMVar type
  return ⟨hole, cat holes [hole.mvarId!]⟩

def inMetaContext (lctx : LocalContext) (x : MetaM Draft) : MetaM Draft :=
  fun ctx ref => x { ctx with lctx } ref

mutual
/-- `e` with a new goal for each `sorry` in it. -/
partial def draftOf (e : Expr) (holes : List MVarId) : MetaM Draft := do
  if !e.hasSorry then return ⟨e, holes⟩
  match e with
  | .mdata m b => do
    let b ← draftOf b holes
    return ⟨.mdata m b.e, b.holes⟩
  | .proj n i b => do
    let b ← draftOf b holes
    return ⟨.proj n i b.e, b.holes⟩
  | .lam n t b i => do
    let t ← draftOf t holes
    draftUnder (← fresh) n t none b i
  | .letE n t v b nondep => do
    let t ← draftOf t holes
    let v ← draftOf v t.holes
    if nondep then
      let b ← draftUnder (← fresh) n ⟨t.e, v.holes⟩ none b .default
      match b.e with
      | .lam _ _ body _ => return ⟨.letE n t.e v.e body true, b.holes⟩
      | _ => throwError "a draft could not be put together"
    else draftUnder (← fresh) n ⟨t.e, v.holes⟩ (some v.e) b .default
  | .app f a => if e.isSorry then sorryHole (argumentsOf e []) holes else do
    let f ← draftOf f holes
    let a ← draftOf a f.holes
    return ⟨.app f.e a.e, a.holes⟩
  | _ => return ⟨e, holes⟩
where fresh : MetaM FVarId := do
  let e ← mkFreshExprMVar (some (.sort .zero))
  return ⟨e.mvarId!.name⟩

/-- Below a binder. -/
partial def draftUnder (x : FVarId) (n : Name) (t : Draft) (value : Option Expr) (b : Expr) (i : BinderInfo) : MetaM Draft := do
  let lctx ← getLCtx
  let lctx := match value with
    | some v => lctx.mkLetDecl x n t.e v
    | none => lctx.mkLocalDecl x n t.e i
  inMetaContext lctx do
    let b ← draftOf (b.instantiate1 (.fvar x)) t.holes
    match value with
    | some _ => return ⟨← mkLetFVars #[.fvar x] b.e (usedLetOnly := false), b.holes⟩
    | none => return ⟨← mkLambdaFVars #[.fvar x] b.e, b.holes⟩
end

/-- Assign a term with `sorry`s, each of which becomes a goal, behind those of its holes. -/
@[noinline] def draftAndCollect (g : MVarId) (stx : Syntax) : Tactic.TacticM (List MVarId) := do
  let target ← instantiateMVars (← g.getDecl).type
  let (e, holes) ← Tactic.elabTermWithHoles stx (some target) .anonymous true
  let draft ← draftOf (← instantiateMVars e) []
  assignTo g draft.e
  return cat holes (cat draft.holes (← unsolved))

/-! ### `conv` and `calc`, step by step -/

def withoutFragment (g : MVarId) : Fragments → Fragments
  | [] => []
  | (m, f) :: fs => if m == g then withoutFragment g fs else (m, f) :: withoutFragment g fs

def goalsInConv (parent : MVarId) : Fragments → List MVarId
  | [] => []
  | (m, .inConv p) :: fs => if p == parent then m :: goalsInConv parent fs else goalsInConv parent fs
  | _ :: fs => goalsInConv parent fs

def withoutGoals (goals : List MVarId) : Fragments → Fragments
  | [] => []
  | (m, f) :: fs => if memMVar m goals then withoutGoals goals fs else (m, f) :: withoutGoals goals fs

def stillOpen : List MVarId → MetaM (List MVarId)
  | [] => pure []
  | g :: gs => do
    let rest ← stillOpen gs
    if ← g.isAssignedOrDelayedAssigned then return rest else return g :: rest

def enterConv (g : MVarId) (fragments : Fragments) : TermElabM Left := atGoal g do
  let target ← instantiateMVars (← g.getDecl).type
  let (rhs, equation) ← Tactic.Conv.mkConvGoalFor target
  return ⟨[equation.mvarId!], (g, .conv rhs.mvarId! equation.mvarId!) :: (equation.mvarId!, .inConv g) :: fragments⟩

def closeByRefl (g : MVarId) : TermElabM Unit := do
  try g.refl catch _ => try g.inferInstance catch _ => pure ()

/-- As at the end of a `conv` block of Lean's. -/
def afterConv (main : MVarId) : TermElabM (List MVarId) := do
  match parseTactics (← getEnv) "with_reducible rfl" with
  | .error _ => return [main]
  | .ok stx => try runTactics [main] stx catch _ => return [main]

def closeAllByRefl : List MVarId → TermElabM Unit
  | [] => pure ()
  | g :: gs => do
    closeByRefl g
    closeAllByRefl gs

/-- End a `conv` block: its goals are closed by `rfl`, and `parent` goes on with what its target has become. -/
def leaveConv (parent rhs equation : MVarId) (goals : List MVarId) (fragments : Fragments) : TermElabM Left := atGoal parent do
  let inside := goalsInConv parent fragments
  closeAllByRefl (← stillOpen inside)
  if !(none? (← stillOpen inside)) then throwError "the `conv` block has goals that `rfl` does not close"
  let main ← parent.replaceTargetEq (← instantiateMVars (.mvar rhs)) (← instantiateMVars (.mvar equation))
  let goals := cat (← afterConv main) (← stillOpen (without inside goals))
  return ⟨goals, withoutFragment parent (withoutGoals inside fragments)⟩

def leaveFragment (g : MVarId) (goals : List MVarId) (fragments : Fragments) : TermElabM Left := do
  match fragmentOf g fragments with
  | some (.calc _) => return ⟨goals, withoutFragment g fragments⟩
  | some (.inConv parent) =>
    match fragmentOf parent fragments with
    | some (.conv rhs equation) => leaveConv parent rhs equation goals fragments
    | _ => throwError "the goal's `conv` block is gone"
  | _ => throwError "Goal does not have a fragment"

/-- The goals that a step of a `conv` block made and that are inside it. -/
def newInConv (parent : MVarId) (old : List MVarId) : List MVarId → MetaM Fragments
  | [] => pure []
  | g :: gs => do
    let rest ← newInConv parent old gs
    if memMVar g old then return rest
    match isLHSGoal? (← g.getDecl).type with
    | some _ => return (g, .inConv parent) :: rest
    | none => return rest

/-- One step of a `conv` block. With its last goal the block ends. -/
def convStep (g : MVarId) (goals : List MVarId) (stx : Syntax) (fragments : Fragments) : TermElabM Left := do
  match fragmentOf g fragments with
  | some (.inConv parent) => do
    let after ← runTactics goals stx
    let made ← newInConv parent goals after
    let fragments := cat made (withoutFragment g fragments)
    if none? (← stillOpen (goalsInConv parent fragments)) then
      match fragmentOf parent fragments with
      | some (.conv rhs equation) => leaveConv parent rhs equation after fragments
      | _ => throwError "the goal's `conv` block is gone"
    else return ⟨after, fragments⟩
  | _ => throwError "Goal does not have a fragment"

/-- `lhs ~ rhs`, as `~`, `lhs` and `rhs`. -/
def relationOf (e : Expr) : MetaM (Expr × Expr × Expr) := do
  match e.consumeMData with
  | .app (.app r lhs) rhs => return (r, lhs, rhs)
  | e => throwError "not a relation: {e}"

/-- The type of a `calc` step; its left-hand side may be `_`. -/
def calcType (previous : Option Expr) (stx : Syntax) : TermElabM Expr := do
  let stx ← match previous with
    | some e => pure (← Term.annotateFirstHoleWithType ⟨stx⟩ (← inferType e)).raw
    | none => pure stx
  let type ← Term.elabType stx
  let (_, lhs, _) ← relationOf (← instantiateMVars type)
  match previous with
  | some e => if !(← isDefEq lhs e) then throwError "this `calc` step begins with {lhs}, and the last one ended with {e}"
  | none => pure ()
  Term.synthesizeSyntheticMVarsNoPostponing
  instantiateMVars type

/-- One step of a `calc` block: a goal for the step, and one for what is left. -/
def calcStep (g : MVarId) (rest : List MVarId) (previous : Option Expr) (stx : Syntax) (fragments : Fragments) :
    TermElabM Left := atGoal g do
  let decl ← g.getDecl
  let target ← instantiateMVars decl.type
  let type ← calcType previous stx
  let step ← mkFreshExprSyntheticOpaqueMVar type (decl.userName ++ `calc)
  let fragments := withoutFragment g fragments
  if ← isDefEq type target then
    assignTo g step
    return ⟨step.mvarId! :: rest, fragments⟩
  let (_, _, rhs) ← relationOf type
  let (relation, _, last) ← relationOf target
  let lastType := mkApp2 relation rhs last
  let lastGoal ← mkFreshExprSyntheticOpaqueMVar lastType decl.userName
  let (proof, proved) ← Term.mkCalcTrans step type lastGoal lastType
  if !(← isDefEq proved target) then throwError "this `calc` step leads to {proved}, not to {target}"
  assignTo g proof
  return ⟨step.mvarId! :: lastGoal.mvarId! :: rest, (lastGoal.mvarId!, .calc (some rhs)) :: fragments⟩

/-! ### Any step -/

/-- Run a step on the first of the goals. -/
def runStep (goals : List MVarId) (fragments : Fragments) (step : Step) : TermElabM Left := do
  match goals with
  | [] => throwError "no goals"
  | g :: gs =>
    match step with
    | .tactics stx => return ⟨← runTactics goals stx, fragments⟩
    | .expr stx => return ⟨← runTactic goals (assignAndCollect g stx), fragments⟩
    | .draft stx => return ⟨← runTactic goals (draftAndCollect g stx), fragments⟩
    | .haveStep stx n => return ⟨cat (← introduceHave g stx n) gs, fragments⟩
    | .letStep stx n => return ⟨cat (← introduceLet g stx n) gs, fragments⟩
    | .enterConv => do
      let left ← enterConv g fragments
      return ⟨cat left.goals gs, left.fragments⟩
    | .enterCalc => return ⟨goals, (g, .calc none) :: fragments⟩
    | .convStep stx => convStep g goals stx fragments
    | .calcStep stx =>
      match fragmentOf g fragments with
      | some (.calc previous) => calcStep g gs previous stx fragments
      | _ => throwError "Goal does not have a fragment"
    | .leaveFragment => leaveFragment g goals fragments

/-- The goals the step may see and those set aside. -/
structure Site where
  goals : List MVarId
  dormant : List MVarId

def selectSite (st : StoredState) (goalId : Option Nat) (unshielded : Bool) : Except Refusal Site :=
  let i := goalId.getD 0
  match nth? st.goals i with
  | none => .error ⟨"index", if none? st.goals then "No goals to be solved" else s!"Invalid goal index {i}"⟩
  | some g =>
    let others := dropNth st.goals i
    if unshielded then .ok ⟨g :: others, st.dormant⟩ else .ok ⟨[g], cat others st.dormant⟩

/-- Whether the terms just assigned to `parents` use `sorryAx` or an unsafe constant. -/
def assignedFlags : List MVarId → TermElabM (Bool × Bool)
  | [] => pure (false, false)
  | g :: gs => do
    match ← getExprMVarAssignment? g with
    | none => assignedFlags gs
    | some e =>
      let e ← instantiateMVars e
      let (sorry', unsafe') ← assignedFlags gs
      return (e.hasSorry || sorry', anyUnsafe (← getEnv) e.getUsedConstants.toList || unsafe')
where
  anyUnsafe (env : Environment) : List Name → Bool
    | [] => false
    | n :: ns =>
      match env.find? n with
      | some info => info.isUnsafe || anyUnsafe env ns
      | none => anyUnsafe env ns

def assignedOnly : List MVarId → MetaM (List MVarId)
  | [] => pure []
  | g :: gs => do
    let rest ← assignedOnly gs
    if ← g.isAssigned then return g :: rest else return rest

def notAmong (seen : Table Nat) : List MVarId → List MVarId
  | [] => []
  | m :: ms => if (seen.find? (.mvar m)).isSome then notAmong seen ms else m :: notAmong seen ms

/-- A tactic that lost track of a metavariable must not look like a finished proof: whatever the root
still depends on becomes a goal again, but for the goals set aside and what they depend on. -/
def lostGoals (root : MVarId) (dormant : List MVarId) : MetaM (List MVarId) := do
  let aside ← unknownsOfGoals dormant {}
  return notAmong aside.seen (← newGoals (← instantiateMVars (.mvar root)))

def hasError : List Message → Bool
  | [] => false
  | m :: ms =>
    match m.severity with
    | .error => true
    | _ => hasError ms

/-- A function that is defined by recursion is there only after the whole declaration has been elaborated. -/
def noLetRec : String := "`let rec` cannot be a step of a proof: what it defines is there only when the whole proof is. Use `have` and `induction`."

/-! ## goal.continue, goal.delete, goal.print -/

def inScope : List MVarId → MetaM (List MVarId × List String)
  | [] => pure ([], [])
  | g :: gs => do
    let (known, missing) ← inScope gs
    match (← getMCtx).findDecl? g with
    | none => return (known, g.name.toString :: missing)
    | some _ => if ← g.isAssignedOrDelayedAssigned then return (known, missing) else return (g :: known, missing)

/-- Go on with `goals`, in place of the state's own. -/
def resumed (s : Server) (o : ReplOptions) (st : StoredState) (goals : List MVarId) : ReplM := do
  restore st
  let (goals, missing) ← inScope goals
  if !(none? missing) then refuse "structure" s!"Goals {joinLines missing} are not in scope"
  else
    let id ← save s st.scope st.root goals (without goals (cat st.goals st.dormant)) [] st.fragments
    answer (("nextStateId", jnat id) :: (← goalsFields s o id st.fragments st.printed goals))

def named (names : List String) : List MVarId :=
  match names with
  | [] => []
  | n :: ns => ⟨n.toName⟩ :: named ns

def goalContinue (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqNat p "target", optNat p "branch", optStrList p "goals" with
  | .ok target, .ok branch, .ok names =>
    match ← lookup s target, branch, names with
    | none, _, _ => return ⟨.null, some (badState target)⟩
    | some st, none, some ns => run s st.scope st.cst (resumed s o st (named ns))
    | some st, some b, none =>
      match ← lookup s b with
      | none => return ⟨.null, some (badState b)⟩
      | some branch =>
        if !(none? st.goals) then return ⟨.null, some ⟨"structure", "Target state has unresolved goals"⟩⟩
        else if st.root != branch.root then
          return ⟨.null, some ⟨"structure", s!"Roots {nameText st.root.name} and {nameText branch.root.name} do not match"⟩⟩
        else run s st.scope st.cst (resumed s o st branch.goals)
    | _, _, _ => return ⟨.null, some ⟨"command", "Exactly one of {branch, goals} must be supplied"⟩⟩
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

def deleteStates (s : Server) : List Nat → IO Unit
  | [] => pure ()
  | i :: is => do
    let a ← ST.Prim.Ref.get s.states
    -- Release the reference first, so that the array is changed in place.
    ST.Prim.Ref.set s.states #[]
    ST.Prim.Ref.set s.states (if i < a.size then a.set! i none else a)
    deleteStates s is

def goalDelete (s : Server) (p : Json) : IO Outcome := do
  match field? p "stateIds" with
  | some (.arr a) =>
    match natList "stateIds" a.toList with
    | .ok ids => do
      deleteStates s ids
      return ⟨.mkObj [], none⟩
    | .error r => return ⟨.null, some r⟩
  | _ => return ⟨.null, some (badField "stateIds" "Array")⟩

def exprsJson (o : ReplOptions) : List MVarId → Array Json → MetaM Json
  | [], acc => pure (.arr acc)
  | g :: gs, acc => do
    let e ← instantiateMVars (.mvar g)
    exprsJson o gs (acc.push (← if e.isMVar then pure .null else exprJson o e))

def rootFields (o : ReplOptions) (st : StoredState) (wanted : Bool) : MetaM (List (String × Json)) := do
  let e ← instantiateMVars (.mvar st.root)
  let isOpen := e == .mvar st.root
  let flags := [("rootHasSorry", Json.bool e.hasSorry), ("rootHasUnsafe", Json.bool
    (assignedFlags.anyUnsafe (← getEnv) e.getUsedConstants.toList)), ("rootHasMVar", Json.bool e.hasMVar)]
  if wanted && !isOpen then return ("root", ← exprJson o e) :: flags else return flags

def goalPrint (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqNat p "stateId", boolD p "rootExpr" false, boolD p "parentExprs" false, boolD p "goals" false with
  | .ok id, .ok root, .ok parents, .ok goals =>
    match ← lookup s id, optStrList p "extraMVars" with
    | none, _ => return ⟨.null, some (badState id)⟩
    | _, .error r => return ⟨.null, some r⟩
    | some st, .ok extra => run s st.scope st.cst do
      restore st
      let parentFields ← if parents then pure [("parentExprs", ← exprsJson o st.parents #[])] else pure []
      let goalsFields ← if goals then goalsFields s o id st.fragments [] st.goals else pure [("goals", .arr #[]), ("key", jstr (← stateKey st.goals))]
      let fields ← rootFields o st root
      answer (cat goalsFields <| ("extraMVars", ← exprsJson o (named (extra.getD [])) #[]) :: (cat parentFields fields))
  | .error r, _, _, _ => return ⟨.null, some r⟩
  | _, .error r, _, _ => return ⟨.null, some r⟩
  | _, _, .error r, _ => return ⟨.null, some r⟩
  | _, _, _, .error r => return ⟨.null, some r⟩

/-! ## expr, options, env -/

def exprEcho (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqStr p "expr", optStr p "type", optStrList p "levels" with
  | .ok text, .ok typeText, .ok levels =>
    let scope : ProofScope := { levelNames := toNames (levels.getD []), options := s.settings }
    let env ← sessionEnv s
    run s scope (emptyCore env) do
      match parseTerm env text, parseExpected env typeText with
      | .error e, _ => refuse "parse" e
      | _, .error e => refuse "parse" e
      | .ok stx, .ok typeStx =>
        match objectionIn maxSyntaxDepth s (stx :: typeStx.toList) with
        | some why => refuse "elab" why
        | none => try echo stx typeStx catch e => refuse "elab" (← e.toMessageData.toString)
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩
where
  parseExpected (env : Environment) (typeText : Option String) : Except String (Option Syntax) :=
    match typeText with
    | none => .ok none
    | some t =>
      match parseTerm env t with
      | .ok stx => .ok (some stx)
      | .error e => .error e
  echo (stx : Syntax) (typeStx : Option Syntax) : ReplM := do
    let expected ← match typeStx with
      | none => pure none
      | some t => pure (some (← Term.elabType t))
    let e ← match expected with
      | none => Term.elabTerm stx none
      | some t => Term.elabTermEnsuringType stx (some t)
    Term.synthesizeSyntheticMVarsNoPostponing
    let e ← instantiateMVars e
    answer [("expr", ← exprJson o e), ("type", ← exprJson o (← inferType e))]

def optionsJson (o : ReplOptions) : Json :=
  .mkObj [("printJsonPretty", .bool false), ("printExprPretty", .bool o.printExprPretty), ("printExprAST", .bool false),
    ("printDependentMVars", .bool o.printDependentMVars), ("noRepeat", .bool o.noRepeat),
    ("printAuxDecls", .bool o.printAuxDecls), ("printImplementationDetailHyps", .bool o.printImplementationDetailHyps),
    ("automaticMode", .bool o.automaticMode), ("timeout", jnat o.timeout)]

def updatedOptions (o : ReplOptions) (p : Json) : Except Refusal ReplOptions := do
  if (← boolD p "printJsonPretty" false) || (← boolD p "printExprAST" false) then
    .error ⟨"command", "printJsonPretty and printExprAST are not available here: a reply is one line, without S-expressions"⟩
  return {
    printExprPretty := ← boolD p "printExprPretty" o.printExprPretty
    printDependentMVars := ← boolD p "printDependentMVars" o.printDependentMVars
    noRepeat := ← boolD p "noRepeat" o.noRepeat
    printAuxDecls := ← boolD p "printAuxDecls" o.printAuxDecls
    printImplementationDetailHyps := ← boolD p "printImplementationDetailHyps" o.printImplementationDetailHyps
    automaticMode := ← boolD p "automaticMode" o.automaticMode
    timeout := (← optNat p "timeout").getD o.timeout }

def optionsSet (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match updatedOptions o p with
  | .error r => return ⟨.null, some r⟩
  | .ok o => do
    ST.Prim.Ref.set s.options o
    return ⟨.mkObj [], none⟩

def importNames : List Import → Array Json → Json
  | [], acc => .arr acc
  | i :: is, acc => importNames is (acc.push (jname i.module))

def refusedKinds (env : Environment) : List Name → Array Json → Array Json
  | [], acc => acc
  | k :: ks, acc => refusedKinds env ks (if (objectionToKind env k "").isSome then acc.push (jname k) else acc)

/-- How many kinds of syntax the parser knows, and which of them no proof may hold. -/
def syntaxJson (env : Environment) : Json :=
  let kinds := Parser.getSyntaxNodeKinds env
  .mkObj [("kinds", jnat (len kinds)), ("refused", .arr (refusedKinds env kinds #[]))]

def envDescribe (s : Server) : Json :=
  .mkObj [("imports", importNames s.env.header.imports.toList #[]),
    ("modules", jnames s.env.header.moduleNames.toList #[]), ("syntax", syntaxJson s.env),
    ("leanVersion", jstr Lean.versionString)]

/-- One letter for the kind of a constant, as Pantograph's catalogue has it. -/
def kindLetter : ConstantInfo → String
  | .axiomInfo _ => "a"
  | .defnInfo _ => "d"
  | .thmInfo _ => "t"
  | .opaqueInfo _ => "o"
  | .quotInfo _ => "q"
  | .inductInfo _ => "i"
  | .ctorInfo _ => "c"
  | .recInfo _ => "r"

def catalogModule (env : Environment) : List Name → Array String → Array String
  | [], acc => acc
  | n :: ns, acc =>
    match env.find? n with
    | some info =>
      if info.isUnsafe || n.isInternal then catalogModule env ns acc
      else catalogModule env ns (acc.push (kindLetter info ++ n.toString))
    | none => catalogModule env ns acc

/-- The modules to look into: those under `pre`, or with `invert` all others. -/
def isWanted (pre : Option Name) (invert : Bool) (m : Name) : Bool :=
  match pre with
  | some p => p.isPrefixOf m != invert
  | none => !invert

def catalog (env : Environment) (wanted : Name → Bool) : List (Name × ModuleData) → Array String → Array String
  | [], acc => acc
  | (m, data) :: rest, acc => catalog env wanted rest (if wanted m then catalogModule env data.constNames.toList acc else acc)

def zipModules : List Name → List ModuleData → List (Name × ModuleData)
  | n :: ns, d :: ds => (n, d) :: zipModules ns ds
  | _, _ => []

def modulesOf (env : Environment) : List (Name × ModuleData) :=
  zipModules env.header.moduleNames.toList env.header.moduleData.toList

def writeLines (h : IO.FS.Handle) : List String → IO Unit
  | [] => pure ()
  | s :: ss => do
    h.putStrLn s
    writeLines h ss

def writeCatalog (path : String) (symbols : Array String) : IO Outcome := do
  let act : IO Unit := do
    let h ← IO.FS.Handle.mk path .write
    writeLines h symbols.toList
  match ← act.toBaseIO with
  | .ok _ => return ⟨.mkObj [("nSymbols", jnat symbols.size)], none⟩
  | .error e => return ⟨.null, some ⟨"io", e.toString⟩⟩

/-- What was added lies in no module, which is to say: in none with the prefix. -/
def envCatalog (s : Server) (p : Json) : IO Outcome := do
  match optStr p "filename", optStr p "modulePrefix", boolD p "invertFilter" false with
  | .ok file, .ok pre, .ok invert =>
    let session ← ST.Prim.Ref.get s.session
    let pre := pre.map String.toName
    let added := if pre.isSome == invert then catalogModule session.env session.added #[] else #[]
    let symbols := catalog session.env (isWanted pre invert) (modulesOf s.env) added
    match file with
    | none => return ⟨.mkObj [("nSymbols", jnat symbols.size), ("symbols", jstrs symbols.toList #[])], none⟩
    | some path =>
      if s.embedded then
        return ⟨.null, some ⟨"io", "the embedded Lean writes no files; without `filename` the symbols are in the answer"⟩⟩
      else writeCatalog path symbols
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

def moduleIndex (wanted : Name) : List (Name × ModuleData) → Option ModuleData
  | [] => none
  | (m, data) :: rest => if m == wanted then some data else moduleIndex wanted rest

def envModuleRead (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "module" with
  | .error r => return ⟨.null, some r⟩
  | .ok module =>
    match moduleIndex module.toName (modulesOf s.env) with
    | none => return ⟨.null, some ⟨"exception", s!"Module not found {module}"⟩⟩
    | some data => return ⟨.mkObj [("imports", importNames data.imports.toList #[]),
        ("constNames", jnames data.constNames.toList #[]), ("extraConstNames", jnames data.extraConstNames.toList #[])], none⟩

/-- How many bytes of `input` its first piece of that category takes. -/
def envParse (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "input", reqStr p "category" with
  | .ok input, .ok category =>
    let env ← sessionEnv s
    let ictx := inputContext input "<Pantograph>"
    let parser := Parser.andthenFn Parser.whitespace (Parser.categoryParserFn category.toName)
    let end' := parser.run ictx { env, options := {} } (Parser.getTokenTable env) (Parser.mkParserState input)
    if end'.allErrors.size != 0 then return ⟨.null, some ⟨"parse", end'.toErrorMsg ictx⟩⟩
    else return ⟨.mkObj [("pos", jnat end'.pos.byteIdx)], none⟩
  | .error r, _ => return ⟨.null, some r⟩
  | _, .error r => return ⟨.null, some r⟩

def rulesJson (o : ReplOptions) : List RecursorRule → Array Json → MetaM Json
  | [], acc => pure (.arr acc)
  | r :: rs, acc => do
    let rule := .mkObj [("ctor", jname r.ctor), ("nFields", jnat r.nfields), ("rhs", ← exprJson o r.rhs)]
    rulesJson o rs (acc.push rule)

def kindFields (o : ReplOptions) (info : ConstantInfo) : MetaM (List (String × Json)) := do
  match info with
  | .inductInfo v => return [("inductInfo", .mkObj [("numParams", jnat v.numParams), ("numIndices", jnat v.numIndices),
      ("all", jnames v.all #[]), ("ctors", jnames v.ctors #[]), ("isRec", .bool v.isRec),
      ("isReflexive", .bool v.isReflexive), ("isNested", .bool v.isNested)])]
  | .ctorInfo v => return [("constructorInfo", .mkObj [("induct", jname v.induct), ("cidx", jnat v.cidx),
      ("numParams", jnat v.numParams), ("numFields", jnat v.numFields)])]
  | .recInfo v => return [("recursorInfo", .mkObj [("all", jnames v.all #[]), ("numParams", jnat v.numParams),
      ("numIndices", jnat v.numIndices), ("numMotives", jnat v.numMotives), ("numMinors", jnat v.numMinors), ("k", .bool v.k),
      ("rules", ← rulesJson o v.rules #[])])]
  | _ => return []

def inspectFields (o : ReplOptions) (n : Name) (info : ConstantInfo) (showValue dependency : Bool) : ReplM := do
  let env ← getEnv
  let value ← match info.value? with
    | some v => if showValue then pure [("value", ← exprJson o v)] else pure []
    | none => pure []
  let deps := if dependency then
      ("typeDependency", jnames info.type.getUsedConstants.toList #[]) ::
        match info.value? with
        | some v => [("valueDependency", jnames v.getUsedConstants.toList #[])]
        | none => []
    else []
  let home := match moduleOf? env n with
    | some m => [("module", jname m)]
    | none => []
  let public' := match privateToUserName? n with
    | some u => [("publicName", jname u)]
    | none => []
  let more := cat value (cat home (cat public' (cat deps (← kindFields o info))))
  answer (("type", ← exprJson o info.type) :: ("isUnsafe", .bool info.isUnsafe) :: more)

def envInspect (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqStr p "name", optBool p "value", boolD p "dependency" false with
  | .ok name, .ok value, .ok dependency =>
    let env ← sessionEnv s
    match env.find? name.toName with
    | none => return ⟨.null, some ⟨"index", s!"Symbol not found {name}"⟩⟩
    | some info =>
      let isDef := match info with
        | .defnInfo _ => true
        | _ => false
      run s {} (emptyCore env) (inspectFields o name.toName info (value.getD isDef) dependency)
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-! ## env.add -/

/-- Have the kernel check a declaration, with no limits. Newer versions of Lean have a limit more. -/
def addChecked (env : Environment) (decl : Declaration) : Except Kernel.Exception Environment := by
  first
  | exact env.addDeclCore 0 decl none
  | exact env.addDeclCore 0 0 decl none

/-- What the kernel has under a name. `Environment.find?` misses the recursors `rec_1` … that `addChecked` made for a type
such as `inductive Tree | node (children : List Tree)`. -/
def foundByKernel? (env : Environment) (n : Name) : Option ConstantInfo := by
  first
  | exact env.toKernelEnv.find? n
  | exact env.find? n

/-- What is to be declared. -/
structure Addition where
  name : Name
  levels : List Name
  type : Option Syntax
  value : Syntax
  isTheorem : Bool

def additionOf (env : Environment) (p : Json) : Except Refusal Addition := do
  let name ← reqStr p "name"
  let levels ← optStrList p "levels"
  let isTheorem ← boolD p "isTheorem" false
  let value ← parsed (← reqStr p "value")
  let type ← match ← optStr p "type" with
    | none => pure none
    | some text => pure (some (← parsed text))
  return { name := name.toName, levels := toNames (levels.getD []), type, value, isTheorem }
where
  parsed (text : String) : Except Refusal Syntax :=
    match parseTerm env text with
    | .ok stx => .ok stx
    | .error e => .error ⟨"parse", e⟩

def elabAddition (a : Addition) : TermElabM Declaration := do
  let expected ← match a.type with
    | none => pure none
    | some stx => pure (some (← Term.elabType stx))
  let value ← match expected with
    | none => Term.elabTerm a.value none
    | some type => Term.elabTermEnsuringType a.value (some type)
  Term.synthesizeSyntheticMVarsNoPostponing
  let value ← instantiateMVars value
  let type ← instantiateMVars (← match expected with
    | some type => pure type
    | none => inferType value)
  if value.hasMVar || type.hasMVar then throwError "the declaration leaves something undetermined: {value} : {type}"
  let name := a.name
  let levelParams := a.levels
  if a.isTheorem then return .thmDecl { name, levelParams, type, value }
  else return .defnDecl { name, levelParams, type, value, hints := .regular 1, safety := .safe }

/-- Declare something to start proofs with. No certificate rests on it: those are made on top of the library alone. -/
def envAdd (s : Server) (p : Json) : IO Outcome := do
  let session ← ST.Prim.Ref.get s.session
  match additionOf session.env p with
  | .error r => return ⟨.null, some r⟩
  | .ok a =>
    match objectionIn maxSyntaxDepth s (a.value :: a.type.toList) with
    | some why => return ⟨.null, some ⟨"elab", why⟩⟩
    | none =>
      run s { levelNames := a.levels } (← freshCore s session.env) do
        let decl ← try pure (Except.ok (← elabAddition a)) catch e => pure (Except.error (← e.toMessageData.toString))
        match decl with
        | .error why => refuse "elab" why
        | .ok decl =>
          match addChecked (← getEnv) decl with
          | .error e => refuse "exception" (← (e.toMessageData {}).toString)
          | .ok env => do
            ST.Prim.Ref.set s.session { env, added := a.name :: session.added }
            answer []

/-! ## Fingerprints

A type written down with neither bound names nor universe parameter names, then hashed. Types that are
equal up to those names get equal fingerprints. -/

def levelIndex (n : Name) : List Name → Nat → Nat
  | [], i => i
  | m :: ms, i => if m == n then i else levelIndex n ms (i + 1)

/-- Universe parameters in the order in which the expression first mentions them. -/
def orderedParams (e : Expr) : List Name :=
  (collectLevelParams {} e).params.toList

def canonicalLevels : List Name → Nat → List Level
  | [], _ => []
  | _ :: ns, i => .param (Name.mkNum `u i) :: canonicalLevels ns (i + 1)

def canonicalType (e : Expr) : Expr :=
  let params := orderedParams e
  e.instantiateLevelParams params (canonicalLevels params 0)

/-- What a term is written down with: each piece that occurs is numbered once, however often it occurs. A term
of a hundred pieces can be a tree of more than there are atoms in the world. -/
structure Scribe where
  numbers : Table Nat := .empty
  next : Nat := 0
  text : String := ""

def levelsText : List Level → String
  | [] => ""
  | l :: ls => "," ++ toString l.normalize ++ levelsText ls

/-- Write down that piece `e` is made like `shape`. -/
def inscribe (e : Expr) (shape : String) (w : Scribe) : Scribe :=
  { numbers := w.numbers.add e w.next, next := w.next + 1, text := w.text ++ shape ++ ";" }

def numberOf (e : Expr) (w : Scribe) : String :=
  match w.numbers.find? e with
  | some n => toString n
  | none => "?"

mutual
partial def write (e : Expr) (w : Scribe) : Scribe :=
  if (w.numbers.find? e).isSome then w else writeNew e w

partial def writeNew (e : Expr) (w : Scribe) : Scribe :=
  match e with
  | .bvar i => inscribe e ("#" ++ toString i) w
  | .sort l => inscribe e ("S" ++ toString l.normalize) w
  | .const n ls => inscribe e (n.toString ++ levelsText ls) w
  | .lit (.natVal n) => inscribe e ("N" ++ toString n) w
  | .lit (.strVal t) => inscribe e t.quote w
  | .fvar f => inscribe e f.name.toString w
  | .mvar m => inscribe e m.name.toString w
  | .app f a => writeNode e "A" f a w
  | .lam _ t b _ => writeNode e "λ" t b w
  | .forallE _ t b _ => writeNode e "∀" t b w
  | .mdata _ a => writeNode e "M" a a w
  | .proj n i a => writeNode e ("P" ++ n.toString ++ "." ++ toString i) a a w
  | .letE _ t v b _ =>
    let w := write v (write b (write t w))
    inscribe e ("L" ++ numberOf t w ++ "," ++ numberOf v w ++ "," ++ numberOf b w) w

partial def writeNode (e : Expr) (kind : String) (a b : Expr) (w : Scribe) : Scribe :=
  let w := write b (write a w)
  inscribe e (kind ++ numberOf a w ++ "," ++ numberOf b w) w
end

def fingerprint (type : Expr) : String :=
  let text := (write (canonicalType type) {}).text
  hexDigits (hash text) ++ hexDigits (hash ("leanebm" ++ text))

/-! ## What a statement says

Elaborating a statement may declare things: a `match` declares a matcher, an argument that is filled in by a tactic
that tactic, a proof in it a lemma. They are named after the declaration that they were made for, so two elaborations
of one statement differ in those names. Statements are compared with all of that spelled out. -/

/-- How statements are spelled out: without names of what was declared on the way. -/
structure Speller where
  /-- Its constants are what they are called: those of the library, and of the statement's context. -/
  library : Environment
  /-- With all that elaboration declared. -/
  full : Environment
  spelled : IO.Ref (Table Expr)

/-- Stands before a proposition for any proof of it: proofs are equal, whatever found them. No declaration has this
name. -/
def proofOf : Expr := .const (Name.mkNum `proof 0) []

/-- What a lemma says of its arguments. -/
def sayingOf : Expr → List Expr → Expr
  | .forallE _ _ b _, a :: as => sayingOf (b.instantiate1 a) as
  | type, _ => type

mutual
/-- `e` with the definitions that elaboration made replaced by what they are, and its lemmas by what they say; `have`
is `let`, and notes on how to print are left out. None of this is seen by the kernel. -/
partial def spellOut (s : Speller) (e : Expr) : IO Expr := do
  if e.isAtomic && !e.isConst then return e
  let known ← ST.Prim.Ref.get s.spelled
  match known.find? e with
  | some r => return r
  | none => do
    let r ← spellNew s e
    let known ← ST.Prim.Ref.get s.spelled
    ST.Prim.Ref.set s.spelled (known.add e r)
    return r

partial def spellNew (s : Speller) (e : Expr) : IO Expr := do
  match e with
  | .mdata _ b => spellOut s b
  | .lam n t b i => return .lam n (← spellOut s t) (← spellOut s b) i
  | .forallE n t b i => return .forallE n (← spellOut s t) (← spellOut s b) i
  | .letE n t v b _ => return .letE n (← spellOut s t) (← spellOut s v) (← spellOut s b) false
  | .proj n i b => return .proj n i (← spellOut s b)
  | _ =>
    match e.getAppFn with
    | .const n levels =>
      if s.library.contains n then spellParts s e
      else
        match s.full.find? n with
        | some (.thmInfo v) =>
          return .app proofOf (← spellOut s (sayingOf (v.type.instantiateLevelParams v.levelParams levels) (argumentsOf e [])))
        | some info => if e.isConst then spellDeclared s info levels else spellParts s e
        | none => spellParts s e
    | _ => spellParts s e

partial def spellParts (s : Speller) (e : Expr) : IO Expr := do
  match e with
  | .app f a => return .app (← spellOut s f) (← spellOut s a)
  | _ => return e

partial def spellDeclared (s : Speller) (info : ConstantInfo) (levels : List Level) : IO Expr := do
  match info with
  | .defnInfo v => spellOut s (v.value.instantiateLevelParams v.levelParams levels)
  | _ => return .const info.name levels
end

/-- What a type says, in a form in which it can be compared. -/
def saying (library full : Environment) (type : Expr) : IO Expr := do
  let s : Speller := { library, full, spelled := ← IO.mkRef .empty }
  return canonicalType (← spellOut s type)

/-! ### What a context declares

Constants of a context are compared by their names, and then by what they are. -/

/-- What a constant is made of. Two proofs of one proposition are equal. -/
def madeOf (info : ConstantInfo) : List Name :=
  let inType := info.type.getUsedConstants.toList
  match info with
  | .thmInfo _ => inType
  | .inductInfo v => cat v.ctors inType
  | .ctorInfo v => v.induct :: inType
  | .recInfo v => cat v.all inType
  | _ =>
    match info.value? (allowOpaque := true) with
    | some v => cat inType v.getUsedConstants.toList
    | none => inType

def sameRules : List RecursorRule → List RecursorRule → Bool
  | [], [] => true
  | a :: as, b :: bs => a.ctor == b.ctor && a.nfields == b.nfields && a.rhs == b.rhs && sameRules as bs
  | _, _ => false

/-- Two constants of one name are the same. -/
def sameConstant (a b : ConstantInfo) : Bool :=
  if !(a.levelParams == b.levelParams && a.type == b.type) then false
  else
    match a, b with
    | .thmInfo _, .thmInfo _ => true
    | .defnInfo v, .defnInfo w => v.value == w.value
    | .opaqueInfo v, .opaqueInfo w => v.value == w.value
    | .inductInfo v, .inductInfo w => v.numParams == w.numParams && v.numIndices == w.numIndices && v.all == w.all && v.ctors == w.ctors
    | .ctorInfo v, .ctorInfo w => v.induct == w.induct && v.cidx == w.cidx && v.numParams == w.numParams && v.numFields == w.numFields
    | .recInfo v, .recInfo w => v.all == w.all && v.k == w.k && sameRules v.rules w.rules
    | .axiomInfo _, .axiomInfo _ => true
    | _, _ => false

/-- The constants beyond the library that a list of them is made of, in the order in which they are met. -/
partial def declaredBelow (library full : Environment) : List Name → NameSet → List ConstantInfo → List ConstantInfo
  | [], _, found => found
  | n :: ns, seen, found =>
    if seen.contains n || library.contains n then declaredBelow library full ns seen found
    else
      let seen := seen.insert n
      match full.find? n with
      | none => declaredBelow library full ns seen found
      | some info => declaredBelow library full (cat (madeOf info) ns) seen (info :: found)

/-- The first of these constants that is another one in `full`. -/
def firstOther (full : Environment) : List ConstantInfo → Option Name
  | [] => none
  | info :: infos =>
    match full.find? info.name with
    | some other => if sameConstant info other then firstOther full infos else some info.name
    | none => some info.name

def declaredText (info : ConstantInfo) : String :=
  let levels := canonicalLevels info.levelParams 0
  let written (e : Expr) : String := (write (e.instantiateLevelParams info.levelParams levels) {}).text
  let value := match info with
    | .thmInfo _ => ""
    | .inductInfo v => s!"{v.numParams} {joinLines (nameTexts v.ctors)}"
    | .recInfo _ => ""
    | _ => match info.value? (allowOpaque := true) with
      | some v => written v
      | none => ""
  s!"\n{kindOf info} {nameText info.name} {len info.levelParams} {written info.type} {value}"
where
  nameTexts : List Name → List String
    | [] => []
    | n :: ns => nameText n :: nameTexts ns
  kindOf : ConstantInfo → String
    | .thmInfo _ => "theorem"
    | .defnInfo _ => "def"
    | .opaqueInfo _ => "opaque"
    | .inductInfo _ => "inductive"
    | .ctorInfo _ => "constructor"
    | .recInfo _ => "recursor"
    | _ => "constant"

def declaredTexts : List ConstantInfo → String → String
  | [], acc => acc
  | info :: infos, acc => declaredTexts infos (acc ++ declaredText info)

/-- The fingerprint of a statement, and of everything in its context that it is made of. -/
def fingerprintOver (library full : Environment) (said : Expr) : String :=
  match declaredBelow library full said.getUsedConstants.toList {} [] with
  | [] => fingerprint said
  | declared =>
    let text := declaredTexts declared (write said {}).text
    hexDigits (hash text) ++ hexDigits (hash ("leanebm" ++ text))

/-! ## proof.certify

Text in, verdict out. The text is the theorem's context and exactly one theorem; it is elaborated by Lean's own
command elaborator. Nothing the elaborator says is then taken on trust: the declaration and every helper
it made are handed once more to the kernel, on top of the imported environment alone. -/

def rejectedReply (r : Rejection) : Json :=
  .mkObj [("rejected", .mkObj [("reason", jstr r.reason), ("message", jstr r.message)])]

/-- `theorem name … : statement := by …`, with no modifiers. -/
def isPlainTheorem (name : Name) (stx : Syntax) : Bool :=
  stx.isOfKind ``Parser.Command.declaration && stx[0].getNumArgs > 0 && isEmptyModifiers stx[0] &&
  stx[1].isOfKind ``Parser.Command.theorem && stx[1][1][0].getId == name && stx[1][1][1].getNumArgs == 0
where
  isEmptyModifiers (m : Syntax) : Bool := allEmpty m.getArgs.toList
  allEmpty : List Syntax → Bool
    | [] => true
    | x :: xs => x.getNumArgs == 0 && allEmpty xs

def isAmong (stx : Syntax) : List Syntax → Bool
  | [] => false
  | x :: xs => x.structEq stx || isAmong stx xs

def trueAxioms : List Name := [``propext, ``Classical.choice, ``Quot.sound]
/-- By their plain names: not every version of Lean has them all. -/
def falseFriends : List Name := [`sorryAx, `Lean.ofReduceBool, `Lean.ofReduceNat, `Lean.trustCompiler]

def toDeclaration : ConstantInfo → Option Declaration
  | .thmInfo v => some (.thmDecl v)
  | .defnInfo v => if v.safety == .safe then some (.defnDecl v) else none
  | .opaqueInfo v => if v.isUnsafe then none else some (.opaqueDecl v)
  | _ => none

structure Replay where
  /-- The imported environment. -/
  library : Environment
  env : Environment
  /-- Constants of the imported environment, each once. -/
  used : NameSet := {}
  rejection : Option Rejection := none

def usedBy (info : ConstantInfo) : List Name :=
  let inType := info.type.getUsedConstants.toList
  match info.value? (allowOpaque := true) with
  | some v => cat inType v.getUsedConstants.toList
  | none => inType

def otherThan (group : List Name) : List Name → List Name
  | [] => []
  | n :: ns => if memName n group then otherThan group ns else n :: otherThan group ns

/-- An inductive type and those it was declared with, their constructors, and what these are made of. -/
structure Family where
  types : List InductiveType := []
  names : List Name := []
  needs : List Name := []

def constructorsOf (full : Environment) : List Name → List Constructor × List Name
  | [] => ([], [])
  | n :: ns =>
    let (ctors, needs) := constructorsOf full ns
    match full.find? n with
    | some info => (⟨n, info.type⟩ :: ctors, cat info.type.getUsedConstants.toList needs)
    | none => (ctors, needs)

def familyOf (full : Environment) : List Name → Family
  | [] => {}
  | n :: ns =>
    let rest := familyOf full ns
    match full.find? n with
    | some (.inductInfo v) =>
      let (ctors, needs) := constructorsOf full v.ctors
      { types := ⟨n, v.type, ctors⟩ :: rest.types, names := n :: cat v.ctors rest.names,
        needs := cat v.type.getUsedConstants.toList (cat needs rest.needs) }
    | _ => rest

/-- What `n` is in both environments is the same: a constructor or recursor is made by the kernel, and no word of the
elaborator's is taken for it. -/
def checkMade (full : Environment) (n : Name) (r : Replay) : Replay :=
  match full.find? n, foundByKernel? r.env n with
  | some a, some b => if sameConstant a b then r else wrong r
  | _, _ => wrong r
where
  wrong (r : Replay) : Replay :=
    if r.rejection.isSome then r else { r with rejection := some ⟨"kernel", s!"{nameText n} is not what the kernel makes of its type"⟩ }

def notReplayed (n : Name) : ConstantInfo → Rejection
  | .axiomInfo _ => ⟨"axioms", s!"the proof depends on the axiom {nameText n}"⟩
  | _ => ⟨"forbidden", s!"the proof declares {nameText n}, which is neither a theorem nor a safe definition"⟩

mutual
/-- Give `n` and all helpers below it to the kernel, helpers first. -/
partial def replayConstant (full : Environment) (r : Replay) (n : Name) : IO Replay := do
  if r.rejection.isSome || r.used.contains n then return r
  if r.library.contains n then return { r with used := r.used.insert n }
  -- Comes from the text, or was made by the kernel along with a type.
  if r.env.contains n then return checkMade full n r
  match full.find? n with
  | none => return { r with rejection := some ⟨"kernel", s!"unknown constant {nameText n}"⟩ }
  | some info =>
    match info with
    | .inductInfo v => replayFamily full r v
    | .ctorInfo v => return checkMade full n (← replayConstant full r v.induct)
    | .recInfo v => return checkMade full n (← replayConstants full r v.all)
    | _ =>
      match toDeclaration info with
      | none => return { r with rejection := some (notReplayed n info) }
      | some decl => addDeclaration decl (← replayConstants full r (usedBy info))

partial def addDeclaration (decl : Declaration) (r : Replay) : IO Replay := do
  if r.rejection.isSome then return r
  match addChecked r.env decl with
  | .ok env => return { r with env }
  | .error e => return { r with rejection := some ⟨"kernel", ← (e.toMessageData {}).toString⟩ }

partial def replayFamily (full : Environment) (r : Replay) (v : InductiveVal) : IO Replay := do
  if v.isUnsafe then return { r with rejection := some ⟨"forbidden", s!"the proof declares {nameText v.name}, which is unsafe"⟩ }
  let family := familyOf full v.all
  let r ← replayConstants full r (otherThan family.names family.needs)
  let r ← addDeclaration (.inductDecl v.levelParams v.numParams family.types false) r
  return checkMade full v.name r

partial def replayConstants (full : Environment) (r : Replay) : List Name → IO Replay
  | [] => pure r
  | n :: ns => do
    let r ← replayConstant full r n
    replayConstants full r ns
end

structure AxiomReport where
  axioms : List Name := []
  trusted : List Name := []
  rejection : Option Rejection := none

/-- Sort what the proof rests on. `embedded`: the library of that build comes without its proofs, so its
theorems count as axioms there; they are trusted by the hash of the package and listed as such. -/
def judgeAxioms (env : Environment) (embedded : Bool) : List Name → AxiomReport → AxiomReport
  | [], acc => acc
  | n :: ns, acc =>
    if memName n falseFriends then
      let reason := if n == ``sorryAx then "sorry" else "axioms"
      { acc with rejection := some ⟨reason, s!"the proof depends on {nameText n}"⟩ }
    else if memName n trueAxioms then judgeAxioms env embedded ns { acc with axioms := n :: acc.axioms }
    else if embedded && isLibraryTheorem env n then
      judgeAxioms env embedded ns { acc with trusted := n :: acc.trusted }
    else { acc with rejection := some ⟨"axioms", s!"the proof depends on the axiom {nameText n}"⟩ }

where
  /-- Not declared as an axiom, but one here because this library leaves proofs out. -/
  isLibraryTheorem (env : Environment) (n : Name) : Bool :=
    (env.getModuleIdxFor? n).isSome &&
    match getOriginalConstKind? env n with
    | some .axiom => false
    | some _ => true
    | none => false

/-- What `n` rests on directly. -/
def restsOn (info : ConstantInfo) : List Name :=
  match info with
  | .inductInfo v => cat v.ctors (usedBy info)
  | _ => usedBy info

/-- The axioms that constants rest on, directly or not. -/
partial def axiomsBelow (env : Environment) : List Name → NameSet → List Name → List Name
  | [], _, found => found
  | n :: ns, seen, found =>
    if seen.contains n then axiomsBelow env ns seen found
    else
      let seen := seen.insert n
      match foundByKernel? env n with
      | none => axiomsBelow env ns seen found
      | some info =>
        let found := match info with
          | .axiomInfo _ => n :: found
          | _ => found
        axiomsBelow env (cat (restsOn info) ns) seen found

def allAxioms (env : Environment) (n : Name) : List Name := axiomsBelow env [n] {} []

/-! ### What a proof of a library theorem may not use

Not the theorem itself, nor anything that says the same. What a proof uses is looked for in the checked term: constants,
and laws at instances (`Std.Total.total` at the library's order on `Nat`), each closed over the variables it depends on. -/

/-- Whether `tactics` prove `type`. -/
def isProvedBy (type : Expr) (tactics : String) : TermElabM Bool := do
  let goal ← mkFreshExprSyntheticOpaqueMVar type
  match parseTactics (← getEnv) tactics with
  | .error _ => return false
  | .ok stx => try return none? (← runTactics [goal.mvarId!] stx) catch _ => return false

/-- Apply `h` as it stands, turned round, as an equality of propositions for an equivalence, or as what `simp` makes
of it: `p = True` or `p = False`. -/
def sameTactics : String :=
  let plainly := "apply h <;> assumption"
  "with_reducible_and_instances (intro h; intros; first"
    ++ s!" | ({plainly}) | (symm; {plainly}) | (apply propext; {plainly}) | (apply Iff.of_eq; {plainly})"
    ++ s!" | (apply of_eq_true; {plainly}) | (apply of_eq_false; {plainly}) | (apply eq_true; {plainly}) | (apply eq_false; {plainly}))"

/-- Two propositions say the same: each follows from the other by nothing but naming its arguments, turning it
round, or unfolding an abbreviation (`a > b` is `b < a`) or an instance. -/
def sayTheSame (p q : Expr) : TermElabM Bool := do
  if canonicalType p == canonicalType q then return true
  if !(← isProvedBy (.forallE `h p q .default) sameTactics) then return false
  isProvedBy (.forallE `h q p .default) sameTactics

/-- `f` applied to the last `n` bound variables. -/
def applyBound (f : Expr) : Nat → Expr
  | 0 => f
  | n + 1 => applyBound (.app f (.bvar n)) n

/-- Whether `s` is nothing but a proof under another name, as `Std.Commutative` is. An order is more: who passes one on
need not use all of its laws. -/
def isOneProof (env : Environment) (s : Name) : Bool :=
  match env.find? s, getStructureInfo? env s with
  | some info, some structure' => info.type.getForallBody == .sort .zero && structure'.fieldNames.size == 1
  | _, _ => false

/-- `fun x … => (e x …).i`, where `e : (x : …) → …`. -/
def fieldUnder (e : Expr) (s : Name) (i : Nat) : Nat → Expr → Expr
  | n, .forallE x t b info => .lam x t (fieldUnder e s i (n + 1) b) info
  | n, _ => .proj s i (applyBound e n)

/-- `e` and, if that is a proof under another name, the proof itself: what `e` says. -/
partial def uses (e : Expr) : MetaM (List Expr) := do
  let type ← Meta.inferType e
  match type.getForallBody.getAppFn with
  | .const s _ =>
    if isOneProof (← getEnv) s then return e :: (← uses (fieldUnder e s 0 0 type)) else return [e]
  | _ => return [e]

/-- Each comparison has heartbeats of its own. -/
def withOwnHeartbeats {α : Type} (x : TermElabM α) : TermElabM α :=
  fun tctx tref mctx mref ctx ref => do
    let initHeartbeats ← IO.getNumHeartbeats
    x tctx tref mctx mref { ctx with initHeartbeats } ref

/-- Whether `e` says what `target` says. -/
def restates (target : Expr) (e : Expr) : TermElabM Bool := withOwnHeartbeats do
  try anySays (← uses e) catch _ => return false
where
  anySays : List Expr → TermElabM Bool
    | [] => return false
    | e :: es => do
      let type ← Meta.inferType e
      if ← Meta.isProp type then
        if ← sayTheSame type target then return true
      anySays es

/-- Whether a constant's argument number `i` is an instance. -/
def isInstanceArgument : Nat → Expr → Bool
  | 0, .forallE _ _ _ info => info == .instImplicit
  | i + 1, .forallE _ _ body _ => isInstanceArgument i body
  | _, _ => false

/-- A theorem, or a field of a class that may be one: what it gives is not of a type that it takes. -/
def mayBeLemma (env : Environment) (n : Name) : ConstantInfo → Bool
  | .thmInfo _ | .axiomInfo _ => true
  | info => env.isProjectionFn n && !info.type.getForallBody.isBVar

/-- `@Std.le_total Nat _ inst`: a lemma of the library's about all orders, at one of them. -/
def isAtInstance (library : Environment) (e : Expr) : Bool :=
  match e with
  | .app .. =>
    match e.getAppFn with
    | .const n _ =>
      match library.find? n with
      | some info => isInstanceArgument (e.getAppNumArgs - 1) info.type && mayBeLemma library n info
      | none => false
    | _ => false
  | _ => false

/-- What a bound variable of a proof stands for. -/
inductive Bound where
  | variable (name : Name) (type : Expr) (info : BinderInfo)
  | value (value : Expr)
  /-- A field of a structure that was taken apart. -/
  | field (value : Expr)

/-- `e` as a function of the variables that it depends on, with what is known of the others put in. -/
def closeUnder : List Bound → Expr → Expr
  | [], e => e
  | .variable n t i :: context, e =>
    closeUnder context (if e.hasLooseBVar 0 then .lam n t e i else e.lowerLooseBVars 1 1)
  | .value v :: context, e => closeUnder context (e.instantiate1 v)
  | .field v :: context, e => closeUnder context (e.instantiate1 v)

structure Walk where
  library : Environment
  env : Environment
  /-- Closed pieces that have been walked through. -/
  closed : Table Nat := .empty
  /-- Pieces with these bound variables that have been walked through. -/
  scope : Table Nat := .empty
  laws : Table Nat := .empty
  found : List Expr := []
  /-- Steps left. -/
  fuel : Nat := 400000

def addLaw (context : List Bound) (e : Expr) (w : Walk) : Walk :=
  let law := closeUnder context e
  if (w.laws.find? law).isSome then w else { w with laws := w.laws.add law 0, found := law :: w.found }

def argumentsAfter : Nat → List Expr → List Expr
  | 0, es => es
  | _, [] => []
  | n + 1, _ :: es => argumentsAfter n es

/-- A structure that is taken apart, and what is made of its fields. -/
structure Apart where
  structure' : Name
  fields : Nat
  major : Expr
  minor : Expr
  others : List Expr

def takenApart (env : Environment) (n : Name) (args : List Expr) : Option Apart :=
  match n with
  | .str s how =>
    if how != "casesOn" && how != "rec" && how != "recOn" then none
    else
      match env.find? s, getStructureInfo? env s with
      | some (.inductInfo info), some structure' =>
        -- Parameters, a motive, and then these.
        match argumentsAfter (info.numParams + 1) args with
        | first :: second :: others =>
          let (major, minor) := if how == "rec" then (second, first) else (first, second)
          if info.numIndices == 0 && !info.isRec then some ⟨s, structure'.fieldNames.size, major, minor, others⟩ else none
        | _ => none
      | _, _ => none
  | _ => none

def liftAll (n : Nat) : List Expr → List Expr
  | [] => []
  | e :: es => e.liftLooseBVars 0 n :: liftAll n es

def applied (f : Expr) : List Expr → Expr
  | [] => f
  | a :: as => applied (.app f a) as

def anyField (context : List Bound) : List Expr → Bool
  | [] => false
  | .bvar i :: es =>
    match nth? context i with
    | some (.field _) => true
    | _ => anyField context es
  | _ :: es => anyField context es

/-- Whether `f` takes an instance among these arguments. -/
def takesInstance (env : Environment) : List Expr → Expr → Bool
  | _ :: as, .lam _ t b _ =>
    match t.getForallBody.getAppFn with
    | .const n _ => isClass env n || takesInstance env as b
    | _ => takesInstance env as b
  | _, _ => false

mutual
/-- Collect the laws at instances in a term. -/
partial def walk (context : List Bound) (e : Expr) (w : Walk) : Walk :=
  if w.fuel == 0 then w
  else if e.hasLooseBVars then
    if (w.scope.find? e).isSome then w
    else walkNew context e { w with scope := w.scope.add e 0, fuel := w.fuel - 1 }
  else if (w.closed.find? e).isSome then w
  else walkNew context e { w with closed := w.closed.add e 0, fuel := w.fuel - 1 }

partial def walkNew (context : List Bound) (e : Expr) (w : Walk) : Walk :=
  match e with
  | .lam n t b i => walkUnder (.variable n t i :: context) b (walk context t w)
  | .forallE n t b i => walkUnder (.variable n t i :: context) b (walk context t w)
  | .letE _ t v b _ => walkUnder (.value v :: context) b (walk context v (walk context t w))
  | .mdata _ b => walk context b w
  | .proj _ _ b => walk context b (addLaw context e w)
  | .bvar i =>
    match nth? context i with
    | some (.field _) => addLaw context e w
    | _ => w
  | .const n levels => walkConstant context n levels [] w
  | .app .. => walkApp context e.getAppFn (argumentsOf e []) (if isAtInstance w.library e then addLaw context e w else w)
  | _ => w

/-- Into a binder: what was seen outside has other bound variables. -/
partial def walkUnder (context : List Bound) (e : Expr) (w : Walk) : Walk :=
  let inner := walk context e { w with scope := .empty }
  { inner with scope := w.scope }

partial def walkAll (context : List Bound) : List Expr → Walk → Walk
  | [], w => w
  | e :: es, w => walkAll context es (walk context e w)

partial def walkApp (context : List Bound) (f : Expr) (args : List Expr) (w : Walk) : Walk :=
  match f, args with
  | .bvar i, _ =>
    -- A helper is looked into where it is given a structure to take laws from, or laws out of one.
    match nth? context i with
    | some (.value v) =>
      if anyField context args || takesInstance w.env args v then walk context (applied (v.liftLooseBVars 0 (i + 1)) args) w else walkAll context args w
    | some (.field _) => walkAll context args (addLaw context f w)
    | _ => walkAll context args w
  | .lam _ t b _, a :: as => walkUnder (.value a :: context) (applied b (liftAll 1 as)) (walk context a (walk context t w))
  | .const n levels, _ => walkConstant context n levels args w
  | _, _ => walkAll context args (walk context f w)

partial def walkConstant (context : List Bound) (n : Name) (levels : List Level) (args : List Expr) (w : Walk) : Walk :=
  let w := walkPrefixes context (.const n levels) args w
  if w.library.contains n then
    match takenApart w.env n args with
    | some apart => walkFields context apart 0 apart.minor (walkAll context (apart.major :: apart.others) w)
    | none => walkAll context args w
  else
    -- A helper that this proof made: what it does with what it is given.
    match w.env.find? n with
    | none => walkAll context args w
    | some info =>
      match info.value? (allowOpaque := true) with
      | none => walkAll context args w
      | some v => walk context (applied (v.instantiateLevelParams info.levelParams levels) args) (walkAll context args w)

/-- A law may be applied to more than its instance. -/
partial def walkPrefixes (context : List Bound) (f : Expr) : List Expr → Walk → Walk
  | [], w => w
  | a :: as, w =>
    let e := .app f a
    walkPrefixes context e as (if isAtInstance w.library e then addLaw context e w else w)

/-- What is made of the fields of a structure that was taken apart; `i` of them are bound already. -/
partial def walkFields (context : List Bound) (apart : Apart) (i : Nat) (e : Expr) (w : Walk) : Walk :=
  if i == apart.fields then walkUnder context e w
  else
    match e with
    | .lam _ _ b _ =>
      walkFields (.field (.proj apart.structure' i (apart.major.liftLooseBVars 0 i)) :: context) apart (i + 1) b w
    | _ => walkUnder context e w
end

/-- The name under which the library's author declared something. -/
def authorsName (n : Name) : Name := (privateToUserName? n).getD n

/-- Whether `n` was made along with `target`, as `target._simp_1` is by `@[simp]`. -/
def isMadeFor (target : ConstantInfo) (n : Name) : Bool :=
  target.name.isPrefixOf (authorsName n) && !(memName n target.type.getUsedConstants.toList)

/-- The constant that is `target`, was made along with it, or says the same. -/
def selfReference (target : ConstantInfo) (type : Expr) : List Name → TermElabM (Option Name)
  | [] => return none
  | n :: ns => do
    if isMadeFor target n then return some n
    match (← getEnv).find? n with
    | some info =>
      if ← restates type (.const n (← mkFreshLevelMVarsFor info)) then return some n
      selfReference target type ns
    | none => selfReference target type ns

def lawThatRestates (type : Expr) : List Expr → TermElabM (Option Name)
  | [] => return none
  | law :: laws => do
    if ← restates type law then return some ((headOf law).getD `an_instance) else lawThatRestates type laws
where
  headOf : Expr → Option Name
    | .lam _ _ b _ => headOf b
    | .proj _ _ e => headOf e
    | e => e.getAppFn.constName?

def insertSorted (s : String) : List String → List String
  | [] => [s]
  | x :: xs => if s < x then s :: x :: xs else x :: insertSorted s xs

def sortedNames : List Name → List String → List String
  | [], acc => acc
  | n :: ns, acc => sortedNames ns (insertSorted n.toString acc)

def namesJson (ns : List Name) : Json := jstrs (sortedNames ns []) #[]

/-! ### Library theorems without themselves

While a library theorem is searched, tactics are not to find it: its attributes and its twins' are taken off, and a step whose
term uses one of them fails. Both are for the search's sake. What a certificate is worth is decided by `judge`. -/

/-- By which tactics find theorems, and which can be taken off. -/
def findingAttributes : List Name := [`simp, `grind, `ext, `push_cast]

def oneUniverse : List Name → List Level
  | [] => []
  | _ :: ns => .succ .zero :: oneUniverse ns

/-- `info`'s type with 1 for each universe level: cheap to compare, and the same for types that are equal but for these. -/
def flatType (info : ConstantInfo) : Expr :=
  info.type.instantiateLevelParams info.levelParams (oneUniverse info.levelParams)

/-- A library theorem and its type, `flatType`. -/
structure Sought where
  target : ConstantInfo
  type : Expr
  depth : UInt32

def soughtOf (target : ConstantInfo) : Sought := ⟨target, flatType target, target.type.approxDepth⟩

/-- Whether `info` has the very statement, as the theorem itself has. -/
def isTwin (sought : Sought) (info : ConstantInfo) : Bool :=
  info.type.approxDepth == sought.depth && flatType info == sought.type &&
    canonicalType info.type == canonicalType sought.target.type

partial def twinsIn (sought : Sought) (all : Array ConstantInfo) (i : Nat) (found : List Name) : List Name :=
  if h : i < all.size then
    twinsIn sought all (i + 1) (if isTwin sought all[i] then all[i].name :: found else found)
  else found

/-- The theorem and all of the library that have its statement. What is made along with it has no attributes of its own. -/
def twinsOf (sought : Sought) : List (Name × ModuleData) → List Name → List Name
  | [], found => found
  | (_, data) :: rest, found => twinsOf sought rest (twinsIn sought data.constants 0 found)

/-- Take an attribute off, if it is there; whether it was. -/
def takeOff (attr n : Name) : TermElabM Bool := do
  let before ← getThe Core.State
  try
    Attribute.erase n attr
    -- `simp` does no more than warn.
    let after ← getThe Core.State
    if none? after.messages.toList then return true
    set before
    return false
  catch _ => do
    set before
    return false

def takeAllOff (n : Name) : List Name → TermElabM (List String)
  | [] => return []
  | attr :: attrs => do
    let was ← takeOff attr n
    let rest ← takeAllOff n attrs
    return if was then s!"-{nameText attr}" :: rest else rest

/-- Take the attributes off by which tactics would find these names, and say by which commands a text does that. -/
def takenFrom : List Name → TermElabM (List String)
  | [] => return []
  | n :: ns => do
    -- Only what a text can name as it stands.
    let writable := !isPrivateName n && len ((nameText n).splitOn "«") == 1
    let attrs ← if writable then takeAllOff n findingAttributes else pure []
    let rest ← takenFrom ns
    return if none? attrs then rest else s!"attribute [{", ".intercalate attrs}] {nameText n}" :: rest

/-- An environment in which tactics do not find a library theorem. -/
structure Without where
  env : Environment
  names : List Name := []
  commands : List String := []

def withoutItself (s : Server) (env : Environment) (name : Name) : IO Without := do
  match s.env.find? name with
  | none => return { env }
  | some target => do
    let names := twinsOf (soughtOf target) (modulesOf s.env) []
    let found : IO.Ref Without ← IO.mkRef { env }
    discard <| run s {} (emptyCore env) do
      let commands ← takenFrom names
      ST.Prim.Ref.set found ⟨← getEnv, names, commands⟩
      answer []
    ST.Prim.Ref.get found

/-- What of the library a term uses, be it through what elaboration has declared since. -/
partial def usedOfLibrary (library env : Environment) : List Name → NameSet → List Name → List Name
  | [], _, found => found
  | n :: ns, seen, found =>
    if seen.contains n then usedOfLibrary library env ns seen found
    else
      let seen := seen.insert n
      if library.contains n then usedOfLibrary library env ns seen (n :: found)
      else
        match env.find? n with
        | some info => usedOfLibrary library env (cat (usedBy info) ns) seen found
        | none => usedOfLibrary library env ns seen found

def firstItself (env : Environment) (sought : Sought) : List Name → Option Name
  | [] => none
  | n :: ns =>
    match env.find? n with
    | some info => if isMadeFor sought.target n || isTwin sought info then some n else firstItself env sought ns
    | none => firstItself env sought ns

def constantsAssigned : List MVarId → MetaM (List Name)
  | [] => return []
  | g :: gs => do
    let e ← instantiateMVars (.mvar g)
    return cat e.getUsedConstants.toList (← constantsAssigned gs)

/-- By which constant the proof so far refers to `target`, as the certifier will see it. -/
def referenceInWhole (s : Server) (target : ConstantInfo) (root : MVarId) : TermElabM (Option Name) := do
  let env ← getEnv
  let whole ← instantiateMVars (.mvar root)
  match ← selfReference target target.type (usedOfLibrary s.env env whole.getUsedConstants.toList {} []) with
  | some n => return some n
  | none => lawThatRestates target.type (walk [] whole { library := s.env, env }).found

/-- By which constant a step refers to the theorem. What says the same in other words is looked for when nothing is left to
prove, because that takes longer. -/
def referenceInStep (s : Server) (target : ConstantInfo) (root : MVarId) (parents : List MVarId) (isLast : Bool) :
    TermElabM (Option Name) := do
  let env ← getEnv
  match firstItself env (soughtOf target) (usedOfLibrary s.env env (← constantsAssigned parents) {} []) with
  | some n => return some n
  | none => if isLast then referenceInWhole s target root else return none

/-- Why a step on `parents` may not stand, though Lean accepts it. -/
def objectionToUse (s : Server) (st : StoredState) (parents : List MVarId) (isLast : Bool) : TermElabM (Option String) := do
  match st.scope.apart.bind s.env.find? with
  | none => return none
  | some target => do
    let core ← getThe Core.State
    let mst ← getThe Meta.State
    let term ← getThe Term.State
    let found ← referenceInStep s target st.root parents isLast
    set core
    set mst
    set term
    return found.map (inWords target)
where
  inWords (target : ConstantInfo) (n : Name) : String :=
    if n == target.name then s!"{nameText n} is the theorem that is to be proved: a proof of it may not use it"
    else s!"{nameText n} says the same as {nameText target.name}, which is to be proved: a proof of it may not use that"

/-- What a text has to begin with, so that its tactics do not find a library theorem. -/
def envApart (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "name" with
  | .error r => return ⟨.null, some r⟩
  | .ok name =>
    if !s.env.contains name.toName then return ⟨.null, some ⟨"index", s!"Symbol not found {name}"⟩⟩
    let without ← withoutItself s s.env name.toName
    return ⟨.mkObj [("names", namesJson without.names), ("commands", jstrs without.commands #[])], none⟩

/-- Takes off attributes by which tactics find theorems, and does nothing else. -/
def isErasure (stx : Syntax) : Bool :=
  stx.isOfKind ``Parser.Command.attribute && allErased stx[2].getArgs.toList
where
  allErased : List Syntax → Bool
    | [] => true
    | .atom .. :: rest => allErased rest
    | x :: rest => x.isOfKind ``Parser.Command.eraseAttr && memName (attributeWord x).toName findingAttributes && allErased rest

def withoutErasures : List Syntax → List Syntax
  | [] => []
  | x :: xs => if isErasure x then withoutErasures xs else x :: withoutErasures xs

/-! ### The verdict -/

/-- The constant by which a proof of `target` refers to `target`, if there is one. `proof` is the theorem that was
checked: it says what `target` says, in its own universe levels. -/
def findSelfReference (s : Server) (target : ConstantInfo) (proof : TheoremVal) (r : Replay) : IO (Except String (Option Name)) := do
  let found : IO.Ref (Option Name) ← IO.mkRef none
  let o ← run s {} (emptyCore r.env) do
    match ← selfReference target proof.type r.used.toList with
    | some n => ST.Prim.Ref.set found (some n)
    | none =>
      let w := walk [] proof.value { library := r.library, env := r.env }
      if w.fuel == 0 then throwError "the proof is too large to look through"
      ST.Prim.Ref.set found (← lawThatRestates proof.type w.found)
    answer []
  match o.refusal with
  | some r => return .error r.description
  | none => return .ok (← ST.Prim.Ref.get found)

structure Claim where
  name : Name
  expr : Option String
  copyFrom : Option Name
  front : Front

/-- What was asked for, and the environment in which it was elaborated. -/
structure Asked where
  type : Expr
  env : Environment
  scope : ProofScope
  /-- The theorem's context, and where that leads to. -/
  context : List Syntax := []
  before : Environment
  /-- Names and kinds of the variables that a proof of it starts with. -/
  variables : List (Name × BinderInfo) := []

/-- `theorem name : statement := sorry`. The statement has been parsed as a whole: no text is put together. In the
library's own syntax, which no context changes. -/
def declarationOf (env : Environment) (name : Name) (stated : Statement) : Except String Syntax :=
  match Parser.runParserCategory env `command "theorem t : True := sorry" with
  | .error e => .error e
  | .ok stx =>
    let thm := stx[1]
    let named := thm.setArg 1 (thm[1].setArg 0 (mkIdent name))
    let bound := named.setArg 2 (named[2].setArg 0 (nodeOf nullKind stated.binders))
    let typed := bound.setArg 2 (bound[2].setArg 1 (bound[2][1].setArg 1 stated.type))
    .ok (stx.setArg 1 typed)

/-- What a proof is a function of, until its first step. -/
def variablesOf : Expr → List (Name × BinderInfo)
  | .lam n _ b info => (n, info) :: variablesOf b
  | _ => []

/-- Elaborate a statement by the way that a certified theorem's takes: as what a theorem of that name says. -/
def elabAsTheorem (s : Server) (name : Name) (stated : Statement) (st : IO.Ref Command.State) : IO (Except Rejection Asked) := do
  let before : Command.State ← ST.Prim.Ref.get st
  match declarationOf s.env name stated with
  | .error e => return .error ⟨"elaboration", e⟩
  | .ok stx =>
    match ← elabCommand1 s "" st stx with
    | some why => return .error why
    | none =>
      let after : Command.State ← ST.Prim.Ref.get st
      let scope := topScope before
      match after.env.find? (scope.currNamespace ++ name) with
      | none => return .error ⟨"elaboration", "the statement does not elaborate: it, or a variable of its context, uses a name that nothing declares"⟩
      | some info =>
        if info.type.hasSorry then return .error ⟨"sorry", "the statement uses sorry"⟩
        let variables := match info.value? (allowOpaque := true) with
          | some v => variablesOf v
          | none => []
        let stands : ProofScope :=
          { currNamespace := scope.currNamespace, openDecls := scope.openDecls, levelNames := info.levelParams, options := scope.opts }
        return .ok { type := info.type, env := after.env, scope := stands, before := before.env, variables }

/-- What was asked for, elaborated apart from the proof. -/
def askedFor (s : Server) (c : Claim) : IO (Except Rejection Asked) := do
  match c.copyFrom with
  | some n =>
    match s.env.find? n with
    | some info => return .ok { type := info.type, env := s.env, scope := { levelNames := info.levelParams }, before := s.env }
    | none => return .error ⟨"elaboration", s!"unknown library theorem {nameText n}"⟩
  | none =>
    match ← preamble s (library s) c.front with
    | .error r => return .error r
    | .ok p =>
      match parseStatement p.state.env (c.expr.getD "") with
      | .error e => return .error ⟨"elaboration", e⟩
      | .ok stated =>
        match objectionToStatement s stated with
        | some why => return .error ⟨"forbidden", why⟩
        | none =>
          match ← elabAsTheorem s c.name stated (← afterPreamble p) with
          | .error r => return .error r
          | .ok asked => return .ok { asked with context := p.commands }

def mismatch (why : String) : Option Rejection := some ⟨"type_mismatch", why⟩

/-- Why the file's theorem does not say what was asked for. -/
def otherSaying (s : Server) (asked : Asked) (full : Environment) (type : Expr) : IO (Option Rejection) := do
  let said ← saying asked.before asked.env asked.type
  if (← saying asked.before full type) != said then return mismatch "the file's theorem does not say what was asked for"
  match firstOther full (declaredBelow s.env asked.env said.getUsedConstants.toList {} []) with
  | some n => return mismatch s!"{nameText n}, of which the statement is made, is another one in the file than what was asked for"
  | none => return none

/-- A theorem whose type has no `objection`: its kernel check, and what it rests on. -/
def checked (s : Server) (full : Environment) (v : TheoremVal) (objection : IO (Option Rejection)) :
    IO (Except Rejection (Replay × AxiomReport)) := do
  if v.type.hasMVar || v.value.hasMVar || v.type.hasLevelMVar || v.value.hasLevelMVar then
    return .error ⟨"metavariables", "the proof leaves something undetermined"⟩
  if let some why ← objection then return .error why
  let r ← replayConstant full { library := s.env, env := s.env } v.name
  if let some why := r.rejection then return .error why
  let report := judgeAxioms r.env s.embedded (allAxioms r.env v.name) {}
  match report.rejection with
  | some why => return .error why
  | none => return .ok (r, report)

/-- Everything after elaboration: type, kernel, axioms, self-reference. `name` is the theorem's, with its namespace. -/
def judge (s : Server) (c : Claim) (name : Name) (asked : Asked) (full : Environment) : IO (Except Rejection (Replay × AxiomReport)) := do
  match full.find? name with
  | none => return .error ⟨"elaboration", s!"the file declares no theorem {nameText c.name}"⟩
  | some (.thmInfo v) =>
    match ← checked s full v (otherSaying s asked full v.type), c.copyFrom with
    | .error why, _ => return .error why
    | .ok found, none => return .ok found
    | .ok (r, report), some name =>
      let some target := s.env.find? name | return .error ⟨"elaboration", s!"unknown library theorem {nameText name}"⟩
      match ← findSelfReference s target v r with
      | .error e => return .error ⟨"self_reference", s!"whether the proof uses the theorem itself is unknown: {e}"⟩
      | .ok (some n) => return .error ⟨"self_reference", s!"the proof uses {nameText n}, which {if n == name then "is" else "says the same as"} the theorem itself"⟩
      | .ok none => return .ok (r, report)
  | some _ => return .error ⟨"forbidden", s!"{nameText c.name} is not a theorem"⟩

def withOptions' {α : Type} (options : Options) (x : MetaM α) : MetaM α :=
  fun mctx mref ctx ref => x mctx mref { ctx with options } ref

/-- Ways to print a statement: for people, and with the types of numbers and of what is coerced. -/
def printings : List Options :=
  [{}, pp.numericTypes.set (pp.coercions.types.set (pp.funBinderTypes.set {} true) true) true]

def printed (s : Server) (asked : Asked) (options : Options) : IO String := do
  let out : IO.Ref String ← IO.mkRef ""
  discard <| run s asked.scope (emptyCore asked.env) do
    ST.Prim.Ref.set out (← withOptions' options (ppWith asked.type))
    answer []
  ST.Prim.Ref.get out

/-- Whether `text`, where the theorem stands, says what was asked for. -/
def readsBack (s : Server) (c : Claim) (asked : Asked) (said : Expr) (text : String) : IO Bool := do
  match ← preamble s (library s) c.front with
  | .error _ => return false
  | .ok p => do
    let st ← afterPreamble p
    let opened : Command.State ← ST.Prim.Ref.get st
    -- What is printed names all that it is about.
    let scope := { topScope opened with levelNames := asked.scope.levelNames, varDecls := #[], varUIds := #[], includedVars := [], omittedVars := [] }
    ST.Prim.Ref.set st { opened with scopes := [scope] }
    match parseTerm opened.env text with
    | .error _ => return false
    | .ok stx =>
      if (objectionTo s stx).isSome then return false
      match ← elabAsTheorem s c.name ⟨[], stx⟩ st with
      | .error _ => return false
      | .ok again => return (← saying again.before again.env again.type) == said

/-- The text that was asked for, which says itself. -/
def ownText (c : Claim) : String :=
  match c.expr, c.copyFrom with
  | some text, _ => trimmed text
  | none, name => s!"type_of% @{nameText (name.getD .anonymous)}"

/-- The first print that Lean reads back as the same statement. Where there is none, as where an instance is
bound by `letI`, it is the statement's own text. -/
def readableStatement (s : Server) (c : Claim) (asked : Asked) (said : Expr) : List Options → IO String
  | [] => return ownText c
  | options :: more => do
    let text ← printed s asked options
    -- What one print leaves out for its size, or as a proof, the next one leaves out, too.
    match text.splitOn "⋯" with
    | [_] => if ← readsBack s c asked said text then return text else readableStatement s c asked said more
    | _ => return ownText c

def certificateJson (s : Server) (statement fingerprint : String) (r : Replay) (report : AxiomReport) : Json :=
  .mkObj [("certificate", .mkObj [("statement", jstr statement), ("fingerprint", jstr fingerprint),
    ("axioms", namesJson report.axioms), ("constants", namesJson r.used.toList),
    ("trustedConstants", namesJson (keepUsed report.trusted)), ("leanVersion", jstr Lean.versionString),
    ("backend", jstr (if s.embedded then "embedded" else "native"))])]
where
  keepUsed : List Name → List Name
    | [] => []
    | n :: ns => if r.used.contains n then n :: keepUsed ns else keepUsed ns

/-- Why a file's commands, but for header lines, are not the context that was asked for and then the theorem. -/
def otherThanAsked (name : Name) : List Syntax → List Syntax → Option String
  | a :: as, f :: fs =>
    if a.structEq f then otherThanAsked name as fs
    else some s!"the file's commands are not the context that was asked for, from `{(firstWord f).getD ""} …` on"
  | a :: _, [] => some s!"the file lacks a command of the context: `{(firstWord a).getD ""} …`"
  | [], f :: g :: _ =>
    let other := if isPlainTheorem name f then g else f
    some s!"`{(firstWord other).getD ""} …` is not in the context that was asked for"
  | [], _ => none

/-- The namespace in which the theorem stands; the last command comes first. -/
def namespaceOf (name : Name) : List Ran → Name
  | [] => .anonymous
  | r :: rs => if isPlainTheorem name r.stx then r.currNamespace else namespaceOf name rs

/-- `context` are the commands that the theorem was asked for with. The text of a library theorem may take off attributes. -/
def certifiable (s : Server) (name : Name) (isLibrary : Bool) (context : List Syntax) (stx : Syntax) : Option String :=
  if isAmong stx context then objectionToCommand s stx
  else match objectionTo s stx with
  | some why => some why
  | none =>
    if isHeader stx || isPlainTheorem name stx || (isLibrary && isErasure stx) then none
    else some s!"only the theorem's context, `open`, `universe` and one plain theorem named {nameText name} may stand in a certified file, not `{(firstWord stx).getD ""}`"

def certifyText (s : Server) (c : Claim) (asked : Asked) (source : String) : IO (Except Rejection (Replay × AxiomReport)) := do
  let st : IO.Ref Command.State ← IO.mkRef (beforeCommands s s.env)
  match ← elabCommands s source false (certifiable s c.name c.copyFrom.isSome asked.context) st {} [] with
  | .error r => return .error r
  | .ok ran =>
    let commands := contextOf ran []
    match otherThanAsked c.name asked.context (if c.copyFrom.isSome then withoutErasures commands else commands) with
    | some why => return .error ⟨"forbidden", why⟩
    | none =>
      let final : Command.State ← ST.Prim.Ref.get st
      judge s c (namespaceOf c.name ran ++ c.name) asked final.env

def wasInterrupted (s : Server) : IO Bool := do
  let watch ← ST.Prim.Ref.get s.watch
  watch.token.isSet

/-- `said` of a text; what is said of one that was given up says nothing about it. -/
def unlessInterrupted (s : Server) (said : Outcome) : IO Outcome := do
  if ← wasInterrupted s then return ⟨.null, some ⟨"io", "interrupt"⟩⟩ else return said

/-- The verdict on a text. -/
def certified (s : Server) (c : Claim) (source : String) : IO Outcome := do
  match ← askedFor s c with
  | .error r => unlessInterrupted s ⟨rejectedReply r, none⟩
  | .ok asked =>
    match ← certifyText s c asked source with
    | .error r => unlessInterrupted s ⟨rejectedReply r, none⟩
    | .ok (r, report) => do
      let said ← saying asked.before asked.env asked.type
      let statement ← readableStatement s c asked said printings
      return ⟨certificateJson s statement (fingerprintOver s.env asked.env said) r report, none⟩

def proofCertify (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "source", reqStr p "name", optStr p "expr", optStr p "copyFrom" with
  | .ok source, .ok name, .ok expr, .ok copyFrom =>
    match frontOf p with
    | .error r => return ⟨.null, some r⟩
    | .ok front =>
      if expr.isSome == copyFrom.isSome then
        return ⟨.null, some ⟨"command", "Exactly one of {expr, copyFrom} must be supplied"⟩⟩
      let claim : Claim := ⟨name.toName, expr, copyFrom.map String.toName, front⟩
      certified s claim source
  | .error r, _, _, _ => return ⟨.null, some r⟩
  | _, .error r, _, _ => return ⟨.null, some r⟩
  | _, _, .error r, _ => return ⟨.null, some r⟩
  | _, _, _, .error r => return ⟨.null, some r⟩

/-! ## goal.tactic: the request -/

def finishStep (s : Server) (o : ReplOptions) (st : StoredState) (site : Site) (left : Left) : ReplM := do
  let messages := (← getThe Core.State).messages.toList
  let texts ← messagesJson messages #[]
  if hasError messages then failure texts
  else if !(none? (← getThe Term.State).letRecsToLift) then failure (texts.push (errorMessage noLetRec))
  else
    let after ← if none? left.goals then lostGoals st.root site.dormant else pure left.goals
    let parents ← assignedOnly site.goals
    if let some why ← objectionToUse s st parents (none? after) then return ← failure #[errorMessage why]
    let (hasSorry, hasUnsafe) ← assignedFlags parents
    let id ← save s st.scope st.root after site.dormant parents left.fragments
    answer (("nextStateId", jnat id) :: cat (← goalsFields s o id left.fragments (printedFirst site.goals st.printed) after)
      [("messages", .arr texts), ("hasSorry", .bool hasSorry), ("hasUnsafe", .bool hasUnsafe)])

/-- The goals left, or what Lean throws. An internal exception has no words of its own: it says that the
error has been logged already. -/
def attempt (goals : List MVarId) (fragments : Fragments) (step : Step) : TermElabM (Except (Option String) Left) := do
  try
    let left ← runStep goals fragments step
    return Except.ok left
  catch e =>
    match e with
    | .error _ _ => do
      let text ← e.toMessageData.toString
      return Except.error (some text)
    | .internal _ _ => return Except.error none

/-- Ordinary exceptions are a failed tactic; runtime ones pass through to `run`. -/
def tryStep (s : Server) (o : ReplOptions) (st : StoredState) (site : Site) (step : Step) : ReplM := do
  restore st
  match ← attempt site.goals st.fragments step with
  | .ok left => finishStep s o st site left
  | .error thrown =>
    let first := match thrown with
      | some text => #[errorMessage text]
      | none => #[]
    let messages ← messagesJson (← getThe Core.State).messages.toList first
    failure (if messages.size == 0 then #[errorMessage "the tactic gave up"] else messages)

/-- Enter or leave a `conv` or `calc` block. -/
def modeStep (fragment : Option Fragment) : String → Except Refusal Step
  | "tactic" => if fragment.isSome then .ok .leaveFragment else .error ⟨"invalid", "Goal does not have a fragment"⟩
  | "conv" =>
    match fragment with
    | none => .ok .enterConv
    | some (.calc _) => .error ⟨"invalid", "Goal already has a fragment"⟩
    | some _ => .error ⟨"invalid", "Already in conv state"⟩
  | "calc" => if fragment.isSome then .error ⟨"invalid", "Goal already has a fragment"⟩ else .ok .enterCalc
  | mode => .error ⟨"command", s!"Invalid mode {mode}"⟩

/-- A `tactic`, as the block that its goal is in has it. -/
def parseTacticStep (env : Environment) (fragment : Option Fragment) (text : String) : Except String Step :=
  match fragment with
  | none => do return .tactics (← parseTactics env text)
  | some (.calc _) => do return .calcStep (← parseTerm env text)
  | some _ => do return .convStep (← Parser.runParserCategory env `conv text "<Pantograph>")

def parseStep (env : Environment) (fragment : Option Fragment) (p : Json) : Except Refusal (Except String Step) := do
  let tactic ← optStr p "tactic"
  let mode ← optStr p "mode"
  let expr ← optStr p "expr"
  let have' ← optStr p "have"
  let let' ← optStr p "let"
  let draft ← optStr p "draft"
  let name := ((← optStr p "binderName").getD "this").toName
  match tactic, mode, expr, have', let', draft with
  | some t, none, none, none, none, none => return parseTacticStep env fragment t
  | none, some m, none, none, none, none => return .ok (← modeStep fragment m)
  | none, none, some e, none, none, none => return step (parseTerm env e) Step.expr
  | none, none, none, some t, none, none => return step (parseTerm env t) (fun stx => Step.haveStep stx name)
  | none, none, none, none, some t, none => return step (parseTerm env t) (fun stx => Step.letStep stx name)
  | none, none, none, none, none, some d => return step (parseTerm env d) Step.draft
  | _, _, _, _, _, _ => .error ⟨"command", "Exactly one of {tactic, mode, expr, have, let, draft} must be supplied"⟩
where
  step (parsed : Except String Syntax) (f : Syntax → Step) : Except String Step :=
    match parsed with
    | .ok stx => .ok (f stx)
    | .error e => .error e

def stepSyntax : Step → Syntax
  | .tactics stx | .expr stx | .haveStep stx _ | .letStep stx _ | .draft stx | .convStep stx | .calcStep stx => stx
  | .enterConv | .enterCalc | .leaveFragment => .missing

def textAt (p : Json) : List String → String
  | [] => ""
  | key :: keys =>
    match field? p key with
    | some (.str text) => text
    | _ => textAt p keys

def actingFragment (st : StoredState) (goalId : Option Nat) : Option Fragment :=
  match nth? st.goals (goalId.getD 0) with
  | some g => fragmentOf g st.fragments
  | none => none

def goalTactic (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqNat p "stateId", optNat p "goalId", optBool p "autoResume" with
  | .ok id, .ok goalId, .ok autoResume =>
    match ← lookup s id with
    | none => return ⟨.null, some (badState id)⟩
    | some st =>
      match selectSite st goalId (autoResume.getD o.automaticMode), parseStep st.cst.env (actingFragment st goalId) p with
      | .error r, _ => return ⟨.null, some r⟩
      | _, .error r => return ⟨.null, some r⟩
      | .ok site, .ok parsed => run s st.scope st.cst (text := textAt p ["tactic", "expr", "have", "let", "draft"]) do
        match parsed with
        | .error e => parseFailure e
        | .ok step =>
          match objectionTo s (stepSyntax step) with
          | some why => failure #[errorMessage why]
          | none => tryStep s o st site step
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-! ## warm

The first search of the library makes an index of all that is in it, which takes seconds, and is lost with an
interruption. To have it made is a request of its own, so that no tactic's time goes into it. -/

def warmingTactics : String → Option String
  | "exact?" => some "exact?"
  | "rw?" => some "intro n; rw?"
  | _ => none

def warm (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "tactic" with
  | .error r => return ⟨.null, some r⟩
  | .ok tactic =>
    match warmingTactics tactic, parseTerm s.env "∀ n : Nat, n + 0 = n" with
    | some tactics, .ok stx =>
      run s {} (← freshCore s s.env) do
        discard (isProvedBy (← elabStatement stx) tactics)
        answer []
    | _, _ => return ⟨.null, some ⟨"command", s!"nothing is made ready for {tactic}"⟩⟩

/-! ## goal.start

A statement is elaborated as a term, for what it is made of must be there for the proof, and nothing else. Which of a
context's variables it is about is what Lean makes of it as a theorem. -/

/-- The first `n` variables that a statement is about, the last one first, and the rest. -/
def takenOff : Nat → Expr → List (Name × Expr × BinderInfo) → List (Name × Expr × BinderInfo) × Expr
  | n + 1, .forallE x t b info, acc => takenOff n b ((x, t, info) :: acc)
  | _, e, acc => (acc, e)

/-- Leave out the variables that `wanted` does not list; both lists have the last one first. What the rest depends on
stays. All ways in which the names fit, the likeliest first. -/
partial def keepVariables : List (Name × Expr × BinderInfo) → List (Name × BinderInfo) → Expr → List Expr
  | [], [], e => [e]
  | [], _ :: _, _ => []
  | (x, t, info) :: rest, wanted, e =>
    let kept := match wanted with
      | (n, info') :: ws => if n.eraseMacroScopes == x.eraseMacroScopes && info == info' then keepVariables rest ws (.forallE x t e info) else []
      | [] => []
    if e.hasLooseBVar 0 then kept else cat kept (keepVariables rest wanted (e.lowerLooseBVars 1 1))

def firstSaying (library full : Environment) (said : Expr) : List Expr → IO (Option Expr)
  | [] => return none
  | e :: es => do if (← saying library full e) == said then return some e else firstSaying library full said es

def noVariables : String :=
  "it cannot be told which of the context's variables the statement is about; write them as binders: (x : …) : …"

/-- Whether Lean added a variable because nothing declares it; `known` are the others. -/
def isAdded (known : List Name) (n : Name) : Bool := !(n.hasMacroScopes || memName n known)

/-- `{x}` for each variable that was added. -/
def addedBinders (known : List Name) : List (Name × BinderInfo) → List Syntax
  | [] => []
  | (n, _) :: rest =>
    if isAdded known n then
      let ids := nodeOf nullKind [(mkIdent n).raw]
      nodeOf ``Parser.Term.implicitBinder [symbol "{", ids, nodeOf nullKind [], symbol "}"] :: addedBinders known rest
    else addedBinders known rest

/-- Those that were added in front of all others, and the rest. -/
def addedInFront (known : List Name) : List (Name × BinderInfo) → List (Name × BinderInfo) × List (Name × BinderInfo)
  | [] => ([], [])
  | x :: rest =>
    if isAdded known x.1 then
      let (front, others) := addedInFront known rest
      (x :: front, others)
    else ([], x :: rest)

def binderNames : List Syntax → List Name
  | [] => []
  | b :: bs => cat (namesIn [b[1]]) (binderNames bs)

/-- Start a proof of a statement. `asked` is what it says as a theorem, where its context has a say in its variables. -/
def startStated (s : Server) (o : ReplOptions) (scope : ProofScope) (stated : Statement) (variables : List Syntax)
    (asked : Option Asked) (prop withGoals : Bool) : ReplM := do
  try
    let type ← elabStatement (overBinders (cat variables stated.binders) stated.type)
    if type.hasSorry then refuse "elab" "the statement uses sorry, so that it says nothing"
    else
      match asked with
      | none => startType s o scope type (numBoundBy stated.binders) prop withGoals
      | some asked =>
        let (all, rest) := takenOff (numBoundBy variables) type []
        let wanted := dropFirst (numBoundBy stated.binders) (reversed asked.variables)
        let said ← saying asked.before asked.env asked.type
        match ← firstSaying asked.before (← getEnv) said (keepVariables all wanted rest) with
        | some type => startType s o scope type (len asked.variables) prop withGoals
        | none => refuse "elab" noVariables
  catch e => refuse "elab" (← e.toMessageData.toString)

def startText (s : Server) (o : ReplOptions) (p : Preamble) (levels : List Name) (text : String) (prop withGoals : Bool) : IO Outcome := do
  let st ← afterPreamble p
  let state : Command.State ← ST.Prim.Ref.get st
  let scope := scopeOf state levels
  match parseStatement state.env text with
  | .error e => return ⟨.null, some ⟨"parse", e⟩⟩
  | .ok stated =>
    match objectionToStatement s stated with
    | some why => return ⟨.null, some ⟨"elab", why⟩⟩
    | none =>
      let variables := syntaxOf (topScope state).varDecls.toList
      if none? variables && !(autoImplicit.get (topScope state).opts) then
        run s scope (← freshCore s state.env) (startStated s o scope stated [] none prop withGoals)
      else
        match ← elabAsTheorem s `leanebm_statement stated st with
        | .error r => unlessInterrupted s ⟨.null, some ⟨"elab", r.message⟩⟩
        | .ok asked =>
          let known := binderNames variables
          let (front, others) := addedInFront known (firstFew (len asked.variables - numBoundBy stated.binders) asked.variables)
          let all := cat (addedBinders known front) (cat variables (addedBinders known others))
          let scope := { scope with levelNames := withNames scope.levelNames asked.scope.levelNames }
          run s scope (← freshCore s state.env) (startStated s o scope stated all (some asked) prop withGoals)
where
  syntaxOf : List (TSyntax ``Parser.Term.bracketedBinder) → List Syntax
    | [] => []
    | x :: xs => x.raw :: syntaxOf xs

def goalStart (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match optStr p "expr", optStr p "copyFrom", optStrList p "levels", frontOf p with
  | .ok expr, .ok copyFrom, .ok levels, .ok front =>
    match boolD p "goals" false, boolD p "prop" false, boolD p "apart" false with
    | .ok withGoals, .ok prop, .ok apart =>
      match ← preamble s (← ofSession s) front with
      | .error r => unlessInterrupted s ⟨.null, some ⟨if front.context.isEmpty then "header" else "context", r.message⟩⟩
      | .ok before =>
        let levels := toNames (levels.getD [])
        match expr, copyFrom with
        | some e, none => startText s o before levels e prop withGoals
        | none, some n =>
          let scope := scopeOf before.state levels
          if apart then
            let without ← withoutItself s before.state.env n.toName
            let scope := { scope with apart := some n.toName }
            run s scope (← freshCore s without.env) (startCopy s o scope n prop withGoals)
          else run s scope (← freshCore s before.state.env) (startCopy s o scope n prop withGoals)
        | _, _ => return ⟨.null, some ⟨"command", "Exactly one of {expr, copyFrom} must be supplied"⟩⟩
    | .error r, _, _ => return ⟨.null, some r⟩
    | _, .error r, _ => return ⟨.null, some r⟩
    | _, _, .error r => return ⟨.null, some r⟩
  | .error r, _, _, _ => return ⟨.null, some r⟩
  | _, .error r, _, _ => return ⟨.null, some r⟩
  | _, _, .error r, _ => return ⟨.null, some r⟩
  | _, _, _, .error r => return ⟨.null, some r⟩

/-! ## Files

A file is a sequence of commands, some of which hold a `sorry`. `file.sorries` finds those, `file.start` opens a proof
of what is missing at one of them, and `file.certify` judges the theorems of a whole file.

To see what is missing, a command is elaborated a second time, on the side, with a bullet that does nothing in place of
each `sorry`. Lean complains of each, and goes on as after a `sorry`; the complaint holds the whole state that it met. What
follows is not known there, and of the theorem itself no more than a recursion needs. -/

def isSorryTactic (kind : Name) : Bool := kind == ``Parser.Tactic.tacticSorry || kind == ``Parser.Tactic.tacticAdmit

def startOf (stx : Syntax) : Nat :=
  match stx.getPos? with
  | some p => p.byteIdx
  | none => 0

def stopOf (stx : Syntax) : Nat :=
  match stx.getTailPos? with
  | some p => p.byteIdx
  | none => 0

/-- A `sorry` in a text, by where it begins and ends, in bytes. -/
structure Sorry where
  start : Nat
  stop : Nat
  isTactic : Bool

def knownSorry (start : Nat) : List Sorry → Bool
  | [] => false
  | s :: ss => s.start == start || knownSorry start ss

mutual
/-- Each once, the last one first: where a text has several readings, all of them hold it. -/
partial def sorriesIn (stx : Syntax) (found : List Sorry) : List Sorry :=
  match stx with
  | .node _ kind args =>
    if isSorryTactic kind || kind == ``Parser.Term.sorry then
      if knownSorry (startOf stx) found then found else ⟨startOf stx, stopOf stx, isSorryTactic kind⟩ :: found
    else sorriesInAll args.toList found
  | _ => found

partial def sorriesInAll : List Syntax → List Sorry → List Sorry
  | [], found => found
  | x :: xs, found => sorriesInAll xs (sorriesIn x found)
end

/-- Where a piece of syntax stands, without the blanks around it. -/
def placeOf (stx : Syntax) : SourceInfo :=
  match stx.getPos?, stx.getTailPos? with
  | some start, some stop => .synthetic start stop true
  | _, _ => .none

mutual
/-- Have syntax stand where `info` says. -/
partial def moved (info : SourceInfo) : Syntax → Syntax
  | .node _ kind args => .node info kind (movedAll info args.toList #[])
  | .atom _ text => .atom info text
  | .ident _ raw name names => .ident info raw name names
  | .missing => .missing

partial def movedAll (info : SourceInfo) : List Syntax → Array Syntax → Array Syntax
  | [], acc => acc
  | x :: xs, acc => movedAll info xs (acc.push (moved info x))
end

/-- What takes the place of a `sorry`: a tactic, and a term. -/
structure Bullet where
  tactic : Syntax
  term : Syntax

def bulletIn (env : Environment) : Except String Bullet :=
  match parseTactics env "· skip", parseTerm env "by · skip" with
  | .ok tactics, .ok term => .ok ⟨tactics[0][0][0], term⟩
  | .error e, _ => .error e
  | _, .error e => .error e

mutual
partial def bulleted (b : Bullet) (stx : Syntax) : Syntax :=
  match stx with
  | .node info kind args =>
    if isSorryTactic kind then moved (placeOf stx) b.tactic
    else if kind == ``Parser.Term.sorry then moved (placeOf stx) b.term
    else .node info kind (bulletedAll b args.toList #[])
  | _ => stx

partial def bulletedAll (b : Bullet) : List Syntax → Array Syntax → Array Syntax
  | [], acc => acc
  | x :: xs, acc => bulletedAll b xs (acc.push (bulleted b x))
end

/-! ### What may stand in a file

What may stand in a context, and commands that only show something, which are passed over. -/

def showingKinds : List Name :=
  [`Lean.Parser.Command.check, `Lean.Parser.Command.check_failure, `Lean.Parser.Command.print, `Lean.Parser.Command.printAxioms,
   `Lean.Parser.Command.synth, `Lean.Parser.Command.reduce]

def objectionToFileCommand (s : Server) (stx : Syntax) : Option String :=
  match objectionToCommand s stx with
  | some why => some ("".intercalate (why.splitOn " in a context"))
  | none => none

/-! ### Reading a file -/

/-- One command of a file, and the states around it. -/
structure FileUnit where
  stx : Syntax
  before : Command.State
  after : Command.State
  isExample : Bool := false
  /-- How to print what the file says by then. -/
  printing : Options

def placedErrors : List Message → Array String → BaseIO (Array String)
  | [], acc => pure acc
  | m :: ms, acc =>
    match m.severity with
    | .error => do placedErrors ms (acc.push s!"{m.pos.line}:{m.pos.column + 1}: {← m.data.toString}")
    | _ => placedErrors ms acc

/-- What was logged as an error, each with its line and column. -/
def errorsOf (messages : MessageLog) : BaseIO (Option String) := do
  let texts ← placedErrors messages.toList #[]
  if texts.size == 0 then return none else return some (joinLines texts.toList)

def placed (source : String) (stx : Syntax) (why : String) : String :=
  match stx.getPos? with
  | some p => let place := (FileMap.ofString source).toPosition p; s!"{place.line}:{place.column + 1}: {why}"
  | none => why

/-- Run one command of a file; what it throws or logs as an error, with its place. -/
def elabFileCommand (s : Server) (source : String) (st : IO.Ref Command.State) (stx : Syntax) : IO (Option String) := do
  match ← elabCommand1 s source st stx with
  | none => return none
  | some why =>
    let after : Command.State ← ST.Prim.Ref.get st
    match ← errorsOf after.messages with
    | some logged => return some logged
    | none => return some (placed source stx why.message)

partial def isExample (stx : Syntax) : Bool :=
  if stx.isOfKind ``Parser.Command.in then isExample stx[2]
  else stx.isOfKind ``Parser.Command.declaration && stx[1].isOfKind ``Parser.Command.example

/-- An `example` with a name: a theorem. -/
partial def exampleNamed (name : Name) (stx : Syntax) : Syntax :=
  if stx.isOfKind ``Parser.Command.in then stx.setArg 2 (exampleNamed name stx[2])
  else
    let parts := stx[1]
    let id := nodeOf ``Parser.Command.declId [mkIdent name, nodeOf nullKind []]
    let sig := nodeOf ``Parser.Command.declSig [parts[1][0], parts[1][1][0]]
    stx.setArg 1 (nodeOf ``Parser.Command.theorem [parts[0], id, sig, parts[2]])

mutual
/-- How to print after a command: without notation if it declares one, and without coercions if it has Lean print a
function as `↑`, wherever in it that stands. -/
partial def printingAfter (stx : Syntax) (options : Options) : Options :=
  match stx with
  | .node _ kind args =>
    if kind == ``Parser.Command.notation || kind == ``Parser.Command.mixfix then pp.notation.set options false
    else if kind == ``Parser.Term.attrInstance && attributeWord stx == "coe" then pp.coercions.set options false
    else printingAfterAll args.toList options
  | _ => options

partial def printingAfterAll : List Syntax → Options → Options
  | [], options => options
  | x :: xs, options => printingAfterAll xs (printingAfter x options)
end

def printingOf : List FileUnit → Options
  | [] => {}
  | u :: _ => u.printing

def numExamples : List FileUnit → Nat
  | [] => 0
  | u :: us => if u.isExample then numExamples us + 1 else numExamples us

/-- An `example` as a theorem that nothing after it knows, so that something can be said of it. -/
def namedUnit (s : Server) (source : String) (earlier : List FileUnit) (unit : FileUnit) : IO FileUnit := do
  if !(isExample unit.stx) then return unit
  let unit := { unit with isExample := true }
  let stx := exampleNamed (.str .anonymous s!"example {numExamples earlier + 1}") unit.stx
  let st : IO.Ref Command.State ← IO.mkRef unit.before
  match ← elabCommand1 s source st stx with
  | some _ => return unit
  | none =>
    let after : Command.State ← ST.Prim.Ref.get st
    return { unit with stx, after }

/-- The commands of a file, the last one first. The first error ends it. -/
partial def readFile (s : Server) (source : String) (st : IO.Ref Command.State) (mps : Parser.ModuleParserState)
    (units : List FileUnit) : IO (Except Rejection (List FileUnit)) := do
  let before : Command.State ← ST.Prim.Ref.get st
  let scope := topScope before
  let pmctx : Parser.ParserModuleContext :=
    { env := before.env, options := scope.opts, currNamespace := scope.currNamespace, openDecls := scope.openDecls }
  let (stx, mps, messages) := Parser.parseCommand (inputContext source "<file>") pmctx mps {}
  match ← errorsOf messages with
  | some why => return .error ⟨"elaboration", why⟩
  | none =>
    if stx.isOfKind ``Parser.Command.eoi then return .ok units
    if memName stx.getKind showingKinds then
      readFile s source st mps ({ stx, before, after := before, printing := printingOf units } :: units)
    else
      match objectionToFileCommand s stx with
      | some why => return .error ⟨"forbidden", placed source stx why⟩
      | none =>
        match ← elabFileCommand s source st stx with
        | some why => return .error ⟨"elaboration", why⟩
        | none =>
          let after : Command.State ← ST.Prim.Ref.get st
          let printing := printingAfter stx (printingOf units)
          let unit ← namedUnit s source units { stx, before, after, printing }
          readFile s source st mps (unit :: units)

def unitsOf (s : Server) (source : String) : IO (Except Rejection (List FileUnit)) := do
  let st : IO.Ref Command.State ← IO.mkRef (beforeCommands s s.env)
  match ← readFile s source st {} [] with
  | .error r => return .error r
  | .ok units => return .ok (reversed units)

/-! ### The theorems of a file -/

/-- A theorem, as it stands in a command. -/
structure Stated where
  unit : FileUnit
  /-- Its full name. -/
  name : Name
  stx : Syntax
  /-- Where its proof begins. -/
  proof : Nat

mutual
/-- Declarations in a command. -/
partial def declarationsIn (stx : Syntax) : List Syntax :=
  match stx with
  | .node _ kind args =>
    if kind == ``Parser.Command.declaration || kind == `lemma then [stx] else declarationsInAll args.toList
  | _ => []

partial def declarationsInAll : List Syntax → List Syntax
  | [] => []
  | x :: xs => cat (declarationsIn x) (declarationsInAll xs)
end

def isTheorem (stx : Syntax) : Bool := stx.isOfKind `lemma || stx[1].isOfKind ``Parser.Command.theorem

/-- The name under which a command declared what it calls `n`. -/
def fullName? (unit : FileUnit) (n : Name) : Option Name :=
  let inside := (topScope unit.before).currNamespace ++ n
  let rooted := match n.replacePrefix `_root_ .anonymous with
    | .anonymous => n
    | bare => bare
  firstNew [inside, mkPrivateName unit.after.env inside, rooted, mkPrivateName unit.after.env rooted]
where
  firstNew : List Name → Option Name
    | [] => none
    | c :: cs => if unit.after.env.contains c && !unit.before.env.contains c then some c else firstNew cs

def statedIn (unit : FileUnit) : List Syntax → List Stated
  | [] => []
  | stx :: rest =>
    let others := statedIn unit rest
    if isTheorem stx then
      match fullName? unit stx[1][1][0].getId with
      | some name => ⟨unit, name, stx, startOf stx[1][3]⟩ :: others
      | none => others
    else others

def statedInAll : List FileUnit → List Stated
  | [] => []
  | u :: us => cat (statedIn u (declarationsIn u.stx)) (statedInAll us)

def findStated (name : Name) : List Stated → Option Stated
  | [] => none
  | t :: ts => if t.name == name then some t else findStated name ts

def rangesJson : List FileUnit → Array Json → Json
  | [], acc => .arr acc
  | u :: us, acc => rangesJson us (acc.push (.arr #[jnat (startOf u.stx), jnat (stopOf u.stx)]))

/-! ### file.sorries and file.start -/

/-- What a bullet met. -/
structure Captured where
  line : Nat
  column : Nat
  goal : MVarId
  context : MessageDataContext
  naming : NamingContext

/-- The first goal that a message shows. -/
def goalShown (context : Option MessageDataContext) (naming : Option NamingContext) (line column : Nat) :
    MessageData → Option Captured
  | .ofGoal goal =>
    match context, naming with
    | some c, some n => some ⟨line, column, goal, c, n⟩
    | _, _ => none
  | .withContext c m => goalShown (some c) naming line column m
  | .withNamingContext n m => goalShown context (some n) line column m
  | .nest _ m => goalShown context naming line column m
  | .group m => goalShown context naming line column m
  | .tagged _ m => goalShown context naming line column m
  | .compose a b =>
    match goalShown context naming line column a with
    | some found => some found
    | none => goalShown context naming line column b
  | _ => none

def captures : List Message → List Captured
  | [] => []
  | m :: ms =>
    match goalShown none none m.pos.line m.pos.column m.data with
    | some c => c :: captures ms
    | none => captures ms

/-- What was met in a command, and the number of the next macro scope. -/
structure Met where
  captured : List Captured := []
  nextMacroScope : MacroScope := firstFrontendMacroScope

def metIn (s : Server) (source : String) (unit : FileUnit) : IO Met := do
  match bulletIn s.env with
  | .error _ => return {}
  | .ok b => do
    let st : IO.Ref Command.State ← IO.mkRef unit.before
    discard <| elabCommand1 s source st (bulleted b unit.stx)
    let after : Command.State ← ST.Prim.Ref.get st
    return ⟨captures after.messages.toList, after.nextMacroScope⟩

def findCaptured (source : String) (start : Nat) (m : Met) : Option Captured :=
  let place := (FileMap.ofString source).toPosition ⟨start⟩
  go place.line place.column m.captured
where
  go (line column : Nat) : List Captured → Option Captured
    | [] => none
    | c :: cs => if c.line == line && c.column == column then some c else go line column cs

def levelsOf (c : Captured) (goal : MetavarDecl) : List Name :=
  go goal.lctx (orderedParams goal.type) goal.lctx.getFVarIds.toList
where
  go (lctx : LocalContext) (found : List Name) : List FVarId → List Name
    | [] => found
    | f :: fs =>
      match lctx.find? f with
      | some d => go lctx (cat (otherThan found (orderedParams d.type)) found) fs
      | none => go lctx found fs

/-- The proof of what is missing. -/
def storedHole (s : Server) (unit : FileUnit) (m : Met) (c : Captured) : IO (Option StoredState) := do
  match c.context.mctx.findDecl? c.goal with
  | none => return none
  | some decl =>
    let scope := topScope unit.before
    let known := scope.levelNames
    let levels := cat (otherThan known (levelsOf c decl)) known
    let fresh ← freshCore s c.context.env
    let cst := { fresh with nextMacroScope := m.nextMacroScope }
    return some ⟨cst, { mctx := c.context.mctx }, { levelNames := levels },
      ⟨c.naming.currNamespace, c.naming.openDecls, levels, scope.opts, none⟩, c.goal, [c.goal], [], [], [], []⟩

/-- Why a term of a goal rules out that it is searched for. -/
def objectionToPart (e : Expr) : Option String :=
  if e.hasExprMVar then some "what it stands for is not determined without it"
  else if e.hasSorry then some "what it stands for is about another sorry"
  else none

def objectionToHypotheses : List LocalDecl → MetaM (Option String)
  | [] => return none
  | d :: ds => do
    let why := objectionToPart (← instantiateMVars d.type)
    let valueWhy ← match d.value? with
      | some v => pure (objectionToPart (← instantiateMVars v))
      | none => pure none
    match why, valueWhy with
    | some w, _ => return some w
    | none, some w => return some w
    | none, none => objectionToHypotheses ds

/-- What is missing at a `sorry`, closed over its hypotheses; or why nothing can be searched for there. -/
def describeHole (st : StoredState) : ReplM := do
  restore st
  let decl ← st.root.getDecl
  let decls := visibleDecls decl.lctx decl.lctx.getFVarIds.toList
  let target ← instantiateMVars decl.type
  let why ← match objectionToPart target with
    | some w => pure (some w)
    | none => objectionToHypotheses decls
  match why with
  | some w => answer [("objection", jstr w)]
  | none => underContext decl.lctx decl.localInstances do
    if !(← Meta.isProp target) then answer [("objection", jstr "it stands for data, not for a proof")]
    else answer [("statement", jstr (← ppWith (← mkForallFVars (declFVars decls #[]) target (usedLetOnly := false))))]

def objectionJson (why : String) : Json := .mkObj [("objection", jstr why)]

/-- The proof of what is missing at a `sorry`, where Lean got to it. -/
def holeAt (s : Server) (source : String) (t : Stated) (m : Met) (start : Nat) : IO (Option StoredState) := do
  match findCaptured source start m with
  | none => return none
  | some c => storedHole s t.unit m c

def holeJson (s : Server) (source : String) (t : Stated) (m : Met) (h : Sorry) : IO Json := do
  let base := [("start", jnat h.start), ("stop", jnat h.stop), ("tactic", .bool h.isTactic)]
  let said ← if h.start < t.proof then pure (objectionJson "it stands in the statement") else
    match ← holeAt s source t m h.start with
    | none => pure (objectionJson "Lean does not get there, or goes on without it")
    | some st => do
      let o ← run s st.scope st.cst (describeHole st)
      pure (match o.refusal with
        | some r => objectionJson r.description
        | none => o.reply)
  return said.mergeObj (.mkObj base)

def holesJson (s : Server) (source : String) (t : Stated) (m : Met) : List Sorry → Array Json → IO Json
  | [], acc => return .arr acc
  | h :: hs, acc => do holesJson s source t m hs (acc.push (← holeJson s source t m h))

def statedJson (s : Server) (source : String) (t : Stated) : IO Json := do
  let sorries := reversed (sorriesIn t.stx [])
  let holes ← if none? sorries then pure (.arr #[]) else holesJson s source t (← metIn s source t.unit) sorries #[]
  return .mkObj [("name", jname (authorsName t.name)), ("start", jnat (startOf t.stx)), ("sorries", holes)]

def statedAllJson (s : Server) (source : String) : List Stated → Array Json → IO Json
  | [], acc => return .arr acc
  | t :: ts, acc => do statedAllJson s source ts (acc.push (← statedJson s source t))

/-- Those that stand in no theorem: definitions, instances, variables. -/
def otherSorries (ts : List Stated) : List Sorry → Array Json → Json
  | [], acc => .arr acc
  | h :: hs, acc =>
    let json : Json := .mkObj [("start", jnat h.start), ("stop", jnat h.stop), ("tactic", .bool h.isTactic)]
    otherSorries ts hs (if isWithin h ts then acc else acc.push json)
where
  isWithin (h : Sorry) : List Stated → Bool
    | [] => false
    | t :: ts => (startOf t.stx <= h.start && h.stop <= stopOf t.stx) || isWithin h ts

def sorriesOfUnits : List FileUnit → List Sorry → List Sorry
  | [], found => reversed found
  | u :: us, found => sorriesOfUnits us (sorriesIn u.stx found)

def fileSorries (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "source" with
  | .error r => return ⟨.null, some r⟩
  | .ok source =>
    match ← unitsOf s source with
    | .error r => return ⟨rejectedReply r, none⟩
    | .ok units =>
      let stated := statedInAll units
      return ⟨.mkObj [("commands", rangesJson units #[]), ("theorems", ← statedAllJson s source stated #[]),
        ("others", otherSorries stated (sorriesOfUnits units []) #[])], none⟩

def statedAt (place : Nat) : List Stated → Option Stated
  | [] => none
  | t :: ts => if startOf t.stx <= place && place < stopOf t.stx then some t else statedAt place ts

/-- Open a proof of what is missing at the `sorry` that begins at a place of a file. -/
def fileStart (s : Server) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqStr p "source", reqNat p "sorry" with
  | .ok source, .ok place =>
    match ← unitsOf s source with
    | .error r => unlessInterrupted s ⟨.null, some ⟨r.reason, r.message⟩⟩
    | .ok units =>
      let found ← match statedAt place (statedInAll units) with
        | some t => holeAt s source t (← metIn s source t.unit) place
        | none => pure none
      match found with
      | none => unlessInterrupted s ⟨.null, some ⟨"index", s!"no `sorry` of a theorem begins at byte {place} of the file"⟩⟩
      | some st => run s st.scope st.cst do
        restore st
        let id ← save s st.scope st.root [st.root] [] []
        answer (("stateId", jnat id) :: ("root", jname st.root.name) :: (← goalsFields s o id [] [] [st.root]))
  | .error r, _ => return ⟨.null, some r⟩
  | _, .error r => return ⟨.null, some r⟩

/-! ### file.certify -/

/-- What declarations of the file a constant rests on that use `sorry` themselves. -/
partial def unprovedBelow (library full : Environment) : List Name → NameSet → List Name → List Name
  | [], _, found => found
  | n :: ns, seen, found =>
    if seen.contains n || library.contains n then unprovedBelow library full ns seen found
    else
      match full.find? n with
      | none => unprovedBelow library full ns (seen.insert n) found
      | some info =>
        let parts := restsOn info
        let found := if memName ``sorryAx parts then authorsName n :: found else found
        unprovedBelow library full (cat parts ns) (seen.insert n) found

/-- Why a theorem says nothing, or another thing than in the file that it is compared with. -/
def otherThanBefore (s : Server) (t : Stated) (asked : Stated) (type askedType : Expr) : IO (Option Rejection) := do
  if type.hasSorry then return some ⟨"sorry", "the statement uses sorry"⟩
  -- Down to the library: a proof in a statement may be shared with a theorem before it, and so be named after it.
  let said ← saying s.env asked.unit.after.env askedType
  if (← saying s.env t.unit.after.env type) != said then return mismatch "the theorem does not say what it said before"
  match firstOther t.unit.after.env (declaredBelow s.env asked.unit.after.env said.getUsedConstants.toList {} []) with
  | some n => return mismatch s!"{nameText (authorsName n)}, of which the statement is made, is not what it was before"
  | none => return none

/-- Everything after elaboration. `asked` is the same theorem in the file that it is compared with. -/
def judgeStated (s : Server) (t : Stated) (asked : Stated) : IO (Except Rejection (Replay × AxiomReport)) := do
  let full := t.unit.after.env
  match full.find? t.name, asked.unit.after.env.find? asked.name with
  | some (.thmInfo v), some (.thmInfo w) => checked s full v (otherThanBefore s t asked v.type w.type)
  | _, _ => return .error ⟨"forbidden", s!"{nameText t.name} is not a theorem"⟩

/-- Names are whole, and notation and coercions are left out where the file has some of its own, which could be made to
look like anything. -/
def statementOf (s : Server) (t : Stated) : IO String := do
  match t.unit.after.env.find? t.name with
  | none => return ""
  | some info =>
    let out : IO.Ref String ← IO.mkRef ""
    discard <| run s { levelNames := info.levelParams, options := t.unit.printing } (emptyCore t.unit.after.env) do
      ST.Prim.Ref.set out (← ppWith info.type)
      answer []
    ST.Prim.Ref.get out

def certifiedJson (s : Server) (t : Stated) (statement : String) (r : Replay) (report : AxiomReport) : IO Json := do
  match t.unit.after.env.find? t.name with
  | none => return rejectedReply ⟨"elaboration", "the file declares no such theorem"⟩
  | some info =>
    let said ← saying t.unit.before.env t.unit.after.env info.type
    return certificateJson s statement (fingerprintOver s.env t.unit.after.env said) r report

def verdictJson (s : Server) (asked : List Stated) (t : Stated) : IO Json := do
  let statement ← statementOf s t
  let verdict ← match findStated t.name asked with
    | none => pure (rejectedReply ⟨"type_mismatch", "the file had no theorem of this name before"⟩)
    | some before =>
      match ← judgeStated s t before with
      | .error r => pure (rejectedReply r)
      | .ok (r, report) => certifiedJson s t statement r report
  return verdict.mergeObj (.mkObj [("name", jname (authorsName t.name)), ("start", jnat (startOf t.stx)),
    ("statement", jstr statement), ("sorries", jnat (len (sorriesIn t.stx []))),
    ("unproved", namesJson (unprovedBelow s.env t.unit.after.env [t.name] {} []))])

def verdictsJson (s : Server) (only : Option (List String)) (asked : List Stated) : List Stated → Array Json → IO Json
  | [], acc => return .arr acc
  | t :: ts, acc => do
    let wanted := match only with
      | some names => memStr (nameText (authorsName t.name)) names
      | none => true
    if wanted then
      let verdict ← verdictJson s asked t
      verdictsJson s only asked ts (acc.push verdict)
    else verdictsJson s only asked ts acc

/-- Judge the theorems of a file, all or some, each by what is below it. `original`: the file that their statements
are compared with. -/
def fileCertify (s : Server) (p : Json) : IO Outcome := do
  match reqStr p "source", optStr p "original", optStrList p "theorems" with
  | .ok source, .ok original, .ok only =>
    match ← unitsOf s source with
    | .error r => return ⟨rejectedReply r, none⟩
    | .ok units =>
      let stated := statedInAll units
      let asked ← match original with
        | none => pure (Except.ok stated)
        | some text =>
          match ← unitsOf s text with
          | .error r => pure (Except.error r)
          | .ok before => pure (Except.ok (statedInAll before))
      match asked with
      | .error r => return ⟨rejectedReply r, none⟩
      | .ok asked =>
        return ⟨.mkObj [("commands", rangesJson units #[]),
          ("theorems", ← verdictsJson s only asked stated #[])], none⟩
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-! ## env.theorems: what the library states -/

/-- Whether a person wrote this statement down, as far as the environment can tell. -/
def isStated (env : Environment) (n : Name) (info : ConstantInfo) : Bool :=
  !n.isInternal && !isPrivateName n && !info.isUnsafe && !(Linter.isDeprecated env n) && !isAutoDecl n
where
  /-- `eq_1`, but not `eq_nil_of_length_eq_zero`. -/
  isNumbered (stem s : String) : Bool :=
    match s.splitOn "_" with
    | [pre, number] => pre == stem && number.toNat?.isSome
    | _ => false
  isAutoDecl : Name → Bool
    | .str p s =>
      s.startsWith "_" || isNumbered "match" s || isNumbered "proof" s || isNumbered "eq" s ||
      memStr s ["injEq", "inj", "sizeOf_spec", "noConfusion", "noConfusionType", "congr_simp", "hcongr", "rec", "recOn",
        "casesOn", "brecOn", "below", "induct", "fun_cases", "induct_unfolding", "fun_cases_unfolding", "ind", "eq_def"] || isAutoDecl p
    | .num _ _ => true
    | .anonymous => false

def theoremJson (n module : Name) (info : ConstantInfo) : ReplM := do
  let env ← getEnv
  answer [("name", jname n), ("module", jname module), ("statement", jstr (← ppWith info.type)),
    ("fingerprint", jstr (fingerprint (← saying env env info.type)))]

/-- A library theorem is listed if its printed statement, read back, is the same statement. -/
def roundTrips (env : Environment) (info : ConstantInfo) : ReplM := do
  let text ← ppWith info.type
  match parseTerm env text with
  | .error _ => answer []
  | .ok stx =>
    try
      let type ← elabStatement stx
      if canonicalType type == canonicalType info.type then answer [("same", .bool true)] else answer []
    catch _ => answer []

def statedTheorem (s : Server) (module n : Name) : IO (Option Json) := do
  match s.env.find? n with
  | none => return none
  | some info =>
    let isTheorem := match info with
      | .thmInfo _ => true
      | .axiomInfo _ => s.embedded && !(memName n trueAxioms) && !(memName n falseFriends)
      | _ => false
    if !isTheorem || !isStated s.env n info then return none
    let scope : ProofScope := { levelNames := info.levelParams }
    let prop ← run s scope (emptyCore s.env) do
      if ← Meta.isProp info.type then roundTrips s.env info else answer []
    match field? prop.reply "same" with
    | none => return none
    | some _ =>
      let o ← run s scope (emptyCore s.env) (theoremJson n module info)
      return if o.refusal.isSome then none else some o.reply

def constantsWithin (pre : List Name) : List (Name × ModuleData) → List (Name × Name) → List (Name × Name)
  | [], acc => acc
  | (m, data) :: rest, acc =>
    constantsWithin pre rest (if hasPrefix pre m then pairs m data.constNames.toList acc else acc)
where
  pairs (m : Name) : List Name → List (Name × Name) → List (Name × Name)
    | [], acc => acc
    | n :: ns, acc => pairs m ns ((m, n) :: acc)

def theoremPage (s : Server) : List (Name × Name) → Nat → Array Json → IO (Array Json)
  | [], _, acc => pure acc
  | _, 0, acc => pure acc
  | (m, n) :: rest, k + 1, acc => do
    match ← statedTheorem s m n with
    | some j => theoremPage s rest k (acc.push j)
    | none => theoremPage s rest k acc

/-- Look at `limit` constants from `offset` on; `next` is there while more are left. -/
def envTheorems (s : Server) (p : Json) : IO Outcome := do
  match optStrList p "prefixes", optNat p "offset", optNat p "limit" with
  | .ok prefixes, .ok offset, .ok limit =>
    let from' := offset.getD 0
    let count := limit.getD 200
    let all := reversed (constantsWithin (toNames (prefixes.getD ["Init"])) (modulesOf s.env) [])
    let rest := dropFirst from' all
    let page ← theoremPage s rest count #[]
    let base := [("theorems", Json.arr page), ("total", jnat (len all))]
    let more := !(none? (dropFirst count rest))
    return ⟨.mkObj (if more then cat base [("next", jnat (from' + count))] else base), none⟩
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-! ## statement.fingerprint -/

/-- The fingerprint that a certificate of this statement would bear. -/
def statementFingerprint (s : Server) (p : Json) : IO Outcome := do
  match optStr p "expr", optStr p "copyFrom", frontOf p with
  | .ok expr, .ok copyFrom, .ok front =>
    match ← askedFor s ⟨`leanebm_statement, expr, copyFrom.map String.toName, front⟩ with
    | .error r => return ⟨.null, some ⟨r.reason, r.message⟩⟩
    | .ok asked => do
      let said ← saying asked.before asked.env asked.type
      return ⟨.mkObj [("fingerprint", jstr (fingerprintOver s.env asked.env said))], none⟩
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-! ## The loop -/

unsafe def addressOf (tk : IO.CancelToken) : Nat := (ptrAddrUnsafe tk).toNat

/-- Where the embedded host finds the token in memory; elsewhere nobody asks. -/
@[implemented_by addressOf] opaque tokenAddress (tk : IO.CancelToken) : Nat

def tellHost (s : Server) (order : String) : IO Unit := do
  (← IO.getStderr).putStr (s.key ++ order ++ "\n")

/-- Have the watchdog interrupt this command after `timeout` milliseconds. Every command that is timed
gets a token of its own, so that a late watchdog cannot hit the next one. -/
def arm (s : Server) (timeout : Nat) : IO Unit := do
  let token ← IO.CancelToken.new
  let now ← IO.monoMsNow
  ST.Prim.Ref.set s.watch ⟨token, now + timeout⟩
  if s.embedded then tellHost s s!"arm {timeout} {tokenAddress token}"

def disarm (s : Server) : IO Unit := do
  if s.embedded then tellHost s "disarm"
  ST.Prim.Ref.set s.watch ⟨← IO.CancelToken.new, 0⟩

def dispatch (s : Server) (o : ReplOptions) (cmd : String) (p : Json) : IO Outcome := do
  match cmd with
  | "goal.tactic" => goalTactic s o p
  | "goal.start" => goalStart s o p
  | "goal.delete" => goalDelete s p
  | "goal.print" => goalPrint s o p
  | "goal.continue" => goalContinue s o p
  | "proof.certify" => proofCertify s p
  | "file.sorries" => unlessInterrupted s (← fileSorries s p)
  | "file.start" => fileStart s o p
  | "file.certify" => unlessInterrupted s (← fileCertify s p)
  | "expr.echo" => exprEcho s o p
  | "options.set" => optionsSet s o p
  | "options.print" => return ⟨optionsJson o, none⟩
  | "env.describe" => return ⟨envDescribe s, none⟩
  | "env.catalog" => envCatalog s p
  | "env.inspect" => envInspect s o p
  | "env.theorems" => envTheorems s p
  | "env.apart" => envApart s p
  | "warm" => warm s p
  | "env.module_read" => envModuleRead s p
  | "env.parse" => envParse s p
  | "env.add" => envAdd s p
  | "statement.fingerprint" => statementFingerprint s p
  | "stat" => return ⟨.mkObj [("nGoals", jnat (countStates (← ST.Prim.Ref.get s.states).toList))], none⟩
  | "reset" => do
    let n := countStates (← ST.Prim.Ref.get s.states).toList
    ST.Prim.Ref.set s.states #[]
    return ⟨.mkObj [("nGoals", jnat n)], none⟩
  | other => return ⟨.null, some ⟨"command", s!"Unknown command {other}"⟩⟩

def refusalJson (r : Refusal) : Json := .mkObj [("error", jstr r.kind), ("desc", jstr r.description)]

/-- One command under its time limit. -/
def timed (s : Server) (cmd : String) (p : Json) : IO Json := do
  let o ← ST.Prim.Ref.get s.options
  match optNat p "timeout" with
  | .error r => return refusalJson r
  | .ok wanted =>
    let timeout := if cmd == "options.set" then 0 else wanted.getD o.timeout
    if timeout != 0 then arm s timeout
    let act : IO Outcome := dispatch s o cmd p
    let result ← act.toBaseIO
    if timeout != 0 then disarm s
    match result with
    | .ok ⟨reply, none⟩ => return reply
    | .ok ⟨_, some r⟩ => return refusalJson r
    | .error e => return refusalJson ⟨"io", e.toString⟩

structure Request where
  cmd : String
  payload : Json
  /-- What the answer must repeat. -/
  nonce : Option String := none

/-- `{"cmd":…,"payload":…,"nonce":…}`, or `cmd payload` in line mode. -/
def parseRequest (line : String) : Except Refusal Request := do
  if line.startsWith "{" then
    match Json.parse line with
    | .error e => .error ⟨"command", e⟩
    | .ok j => return { cmd := ← reqStr j "cmd", payload := (field? j "payload").getD (.mkObj []), nonce := ← optStr j "nonce" }
  else
    match line.splitOn " " with
    | [] | [_] => return { cmd := line, payload := .mkObj [] }
    | cmd :: rest =>
      match Json.parse (" ".intercalate rest) with
      | .error e => .error ⟨"command", e⟩
      | .ok j => return { cmd, payload := j }

/-- The answer, with the nonce that came with the request: what was printed before it was asked for, or by
anything that did not read the request, is no answer to it. -/
def stamped (nonce : Option String) (reply : Json) : Json :=
  match nonce, reply with
  | some n, .obj _ => reply.setObjVal! "nonce" (jstr n)
  | _, _ => reply

/-! ## goal.tactics

Several tactics in one request, and an answer to each as soon as there is one: if the process ends under one of them,
nothing is lost of those before it. -/

/-- Whether no further tactic is begun after this answer: it ends a proof, or refuses the state. What refuses a tactic
alone (`io`) does not. -/
def endsBatch (reply : Json) : Bool :=
  match field? reply "error", field? reply "goals", field? reply "hasSorry", field? reply "hasUnsafe" with
  | some (.str kind), _, _, _ => kind != "io"
  | none, some (.arr goals), some (.bool false), some (.bool false) => goals.size == 0
  | _, _, _, _ => false

/-- Each tactic is one `goal.tactic` with a time limit of its own. None is begun at `stop` (0 for no such moment) or later. -/
def eachTactic (s : Server) (say : Json → IO Unit) (p : Json) (stop : Nat) : List Json → IO Unit
  | [] => pure ()
  | t :: ts => do
    let began ← IO.monoNanosNow
    let reply ← timed s "goal.tactic" (p.setObjVal! "tactic" t)
    let ended ← IO.monoNanosNow
    let left := if endsBatch reply || (stop != 0 && stop <= ended) then 0 else len ts
    say ((reply.setObjVal! "left" (jnat left)).setObjVal! "microseconds" (jnat ((ended - began) / 1000)))
    if left == 0 then pure () else eachTactic s say p stop ts

/-- `tactics` on the state `stateId`; `within` are milliseconds after which no further one is begun. -/
def goalTactics (s : Server) (say : Json → IO Unit) (p : Json) : IO Unit := do
  match field? p "tactics", optNat p "within" with
  | some (.arr tactics), .ok within =>
    if tactics.size == 0 then say (refusalJson (badField "tactics" "a tactic"))
    else
      let stop ← match within with
        | some ms => do pure ((← IO.monoNanosNow) + ms * 1000000)
        | none => pure 0
      eachTactic s say p stop tactics.toList
  | _, .error r => say (refusalJson r)
  | _, _ => say (refusalJson (badField "tactics" "Array"))

/-- Answer one line, by `say`. -/
def serveLine (s : Server) (say : Json → IO Unit) (line : String) : IO Unit := do
  match parseRequest line with
  | .error r => say (refusalJson r)
  | .ok request =>
    if request.cmd == "goal.tactics" then goalTactics s (fun reply => say (stamped request.nonce reply)) request.payload
    else say (stamped request.nonce (← timed s request.cmd request.payload))

/-- A blank line or the end of input ends the server. -/
partial def loop (s : Server) (input output : IO.FS.Stream) : IO Unit := do
  let line := trimmed (← input.getLine)
  if line.isEmpty then return
  serveLine s (fun reply => do
    output.putStr (s.key ++ reply.compress ++ "\n")
    output.flush) line
  loop s input output

/-! ## Start -/

/-- Native watchdog: wakes up now and then and interrupts a command that is over its time. -/
partial def watch (s : Server) : IO Unit := do
  IO.sleep 20
  let watched ← ST.Prim.Ref.get s.watch
  let now ← IO.monoMsNow
  if watched.deadline != 0 && watched.deadline <= now then watched.token.set
  watch s

def toImports : List String → Array Import → Array Import
  | [], acc => acc
  | a :: as, acc => toImports as (acc.push { module := a.toName })

def withoutDashes : List Char → String
  | '-' :: '-' :: cs => textOf cs ""
  | cs => textOf cs ""

/-- The value that an option is given by `text`. -/
def settingOf (text : String) : DataValue :=
  match text, text.toNat? with
  | "true", _ => .ofBool true
  | "false", _ => .ofBool false
  | _, some n => .ofNat n
  | _, none => .ofString text

/-- Arguments that start with `--` are settings, of those that a text may choose for itself; the others are modules to
import. -/
def splitArguments : List String → Options → List String → Except String (Options × List String)
  | [], settings, modules => .ok (settings, modules)
  | a :: as, settings, modules =>
    if !a.startsWith "--" then splitArguments as settings (cat modules [a])
    else
      match (withoutDashes a.toList).splitOn "=" with
      | [key, value] =>
        if hasPrefix plainSettings key.toName then splitArguments as (settings.insert key.toName (settingOf value)) modules
        else .error s!"unknown option or value: {a}"
      | _ => .error s!"not of the form --key=value: {a}"

unsafe def enableInitializersUnsafe : IO Unit := do enableInitializersExecution

/-- The modules of a project may have `initialize` declarations, without which they cannot be imported. The script's
own import used up the permission that `lean --run` gave. -/
@[implemented_by enableInitializersUnsafe] opaque enableInitializers : IO Unit

/-- What theorems are stated over. -/
def environmentOver (modules : List String) : IO Environment := do
  boundParser
  enableInitializers
  importModules (loadExts := true) (toImports modules #[]) {} 0

/-- `key` is given by the embedded Lean's host. -/
def serveOver (env : Environment) (key : Option String) (settings : Options) : IO Unit := do
  let s : Server := {
    env, session := ← IO.mkRef { env }, preambles := ← IO.mkRef [], embedded := key.isSome, key := key.getD "", settings, states := ← IO.mkRef #[], options := ← IO.mkRef {}, opened := ← IO.mkRef 0,
    watch := ← IO.mkRef ⟨← IO.CancelToken.new, 0⟩ }
  if !s.embedded then discard (IO.asTask (prio := .dedicated) (watch s))
  -- Answers are the only thing on standard output: whatever else prints there gets standard error.
  let output ← IO.setStdout (← IO.getStderr)
  output.putStr (s.key ++ "ready.\n")
  output.flush
  loop s (← IO.getStdin) output

def serve (key : Option String) (arguments : List String) : IO Unit := do
  match splitArguments arguments {} [] with
  | .error e => throw (IO.userError e)
  | .ok (settings, modules) => serveOver (← environmentOver modules) key settings

def toPaths : List String → List System.FilePath
  | [] => []
  | a :: as => ⟨a⟩ :: toPaths as

/-- The embedded Lean's host calls `environmentOver` in one process and this in others, each of which has the memory that the
first one left. In that, the search path is where the modules were then. -/
def serveLater (env : Environment) (key : String) (path : List String) : IO Unit := do
  searchPathRef.set (toPaths path)
  serveOver env (some key) {}

/-- Pantograph's version whose protocol this is. -/
def protocolVersion : String := "0.3.12"

def sayVersion (key : String) : IO Unit := do
  let output ← IO.getStdout
  output.putStr (key ++ protocolVersion ++ s!" (leanebm's REPL, Lean {Lean.versionString})\n")
  output.flush

/-- Whether the version is asked for, after settings that a project's `lakefile` brought along. -/
def asksVersion : List String → Bool
  | ["--version"] => true
  | setting :: arguments => setting.startsWith "--" && asksVersion arguments
  | [] => false

def mainFor (key : Option String) (arguments : List String) : IO Unit :=
  if asksVersion arguments then sayVersion (key.getD "") else serve key arguments

/-- As a program of its own, it is told where the toolchain is; `lean --run` knows. -/
def main : List String → IO Unit
  | "--embedded" :: key :: arguments => mainFor (some key) arguments
  | "--sysroot" :: folder :: arguments => do
    initSearchPath folder
    mainFor none arguments
  | arguments => mainFor none arguments
