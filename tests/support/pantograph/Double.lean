import Repl
open Lean Elab
public section

/-! # A double of Pantograph's `repl`, over our REPL

For tests where no toolchain can be had. What it says of goals is said by our REPL, without what our REPL adds; and it
keeps to what the sources of Pantograph 0.3.4 to 0.3.15 have it do, which our REPL does not:

* there is one scope for all commands, not one for each theorem: what `frontend.process` leaves with `inheritEnv`;
* `frontend.process` elaborates whatever it is given, in units, begins without anything opened, on top of what was
  inherited before or, with `readHeader`, of the library alone, and is under `options.timeout` like every command;
* flags without a question mark have no default: a request that lacks one is refused;
* no nonce, no time limit or header in a request, no `proof.certify`, no goals in the answer to `goal.start`.

The first argument is the version, of which two things depend: up to 0.3.4, `frontend.process` wants two flags more, and a
tactic is one tactic. Written in the same plain style as the REPL, for the same reason. -/

structure Double where
  server : Server
  /-- What is opened for all commands. -/
  scope : IO.Ref Command.Scope
  version : String
  imports : List String

def Double.isOld (d : Double) : Bool := d.version == "0.3.4"

/-! ## What is shown -/

def pickField (j : Json) (key : String) (acc : List (String × Json)) : List (String × Json) :=
  match field? j key with
  | some v => (key, v) :: acc
  | none => acc

def pick (j : Json) : List String → List (String × Json)
  | [] => []
  | key :: keys => pickField j key (pick j keys)

def plainGoal (goal : Json) : Json := .mkObj (pick goal ["name", "userName", "fragment", "target", "vars"])

def plainGoals : List Json → Array Json → Array Json
  | [], acc => acc
  | g :: gs, acc => plainGoals gs (acc.push (plainGoal g))

def withPlainGoals (reply : Json) (keys : List String) : Json :=
  match field? reply "goals" with
  | some (.arr goals) => .mkObj (("goals", .arr (plainGoals goals.toList #[])) :: pick reply keys)
  | _ => .mkObj (pick reply keys)

def showing (o : Outcome) (shown : Json → Json) : Outcome :=
  match o with
  | ⟨reply, none⟩ => ⟨shown reply, none⟩
  | refused => refused

/-! ## Requests -/

def only (p : Json) (keys : List String) : Json := .mkObj (pick p keys)

def missing (type key kind : String) : Outcome :=
  ⟨.null, some ⟨"command", s!"Unable to parse json: Pantograph.Protocol.{type}.{key}: {kind} expected"⟩⟩

/-- The first of `keys` that is not there as a truth value. -/
def withoutFlag (p : Json) : List String → Option String
  | [] => none
  | key :: keys =>
    match field? p key with
    | some (.bool _) => withoutFlag p keys
    | _ => some key

def flag (p : Json) (key : String) : Bool :=
  match field? p key with
  | some (.bool b) => b
  | _ => false

/-! ## frontend.process -/

/-- The embedded library comes without the proofs of its theorems, so that `#print axioms` takes those for axioms; a Lean
with them lists what is left here. -/
def realAxioms (env : Environment) : List String → List String
  | [] => []
  | n :: ns =>
    let rest := realAxioms env ns
    if env.contains n.toName && !(memName n.toName trueAxioms) && !(memName n.toName falseFriends) then rest else n :: rest

def withRealAxioms (env : Environment) (text : String) : String :=
  match text.splitOn " depends on axioms: [" with
  | [subject, names] =>
    match realAxioms env (("".intercalate ((names.dropRight 1).splitOn "\n")).splitOn ", ") with
    | [] => subject ++ " does not depend on any axioms"
    | left => subject ++ " depends on axioms: [" ++ ",\n ".intercalate left ++ "]"
  | _ => text

def realMessage (env : Environment) (m : Json) : Json :=
  match field? m "data" with
  | some (.str text) => m.setObjVal! "data" (jstr (withRealAxioms env text))
  | _ => m

def realMessages (env : Environment) : List Json → Array Json → Array Json
  | [], acc => acc
  | m :: ms, acc => realMessages env ms (acc.push (realMessage env m))

structure Unit' where
  start : Nat
  stop : Nat
  messages : Array Json

def unitJson (u : Unit') : Json :=
  .mkObj [("boundary", .arr #[jnat u.start, jnat u.stop]), ("messages", .arr u.messages)]

def unitsJson : List Unit' → Array Json → Array Json
  | [], acc => acc
  | u :: us, acc => unitsJson us (acc.push (unitJson u))

def processContext (ictx : Parser.InputContext) (token : IO.CancelToken) : Command.Context :=
  { fileName := ictx.fileName, fileMap := ictx.fileMap, snap? := none, cancelTk? := some token }

/-- One unit for each command; the last, which is the end of the text, only if there is something in it. -/
partial def processUnits (s : Server) (ictx : Parser.InputContext) (st : IO.Ref Command.State)
    (mps : Parser.ModuleParserState) (acc : List Unit') : IO (Except String (List Unit')) := do
  let cur : Command.State ← ST.Prim.Ref.get st
  let scope := topScope cur
  let pmctx : Parser.ParserModuleContext :=
    { env := cur.env, options := scope.opts, currNamespace := scope.currNamespace, openDecls := scope.openDecls }
  let start := mps.pos.byteIdx
  let (stx, mps, parsed) := Parser.parseCommand ictx pmctx mps {}
  let watch ← ST.Prim.Ref.get s.watch
  let command : Command.CommandElabM Unit := Command.elabCommandTopLevel stx
  let act : EIO Exception Unit := command (processContext ictx watch.token) st
  match ← act.toBaseIO with
  | .error e => return .error (← e.toMessageData.toString)
  | .ok _ => do
    let after : Command.State ← ST.Prim.Ref.get st
    let messages ← messagesJson after.messages.toList (← messagesJson parsed.toList #[])
    ST.Prim.Ref.set st { after with messages := {} }
    let acc := ⟨start, mps.pos.byteIdx, realMessages s.env messages.toList #[]⟩ :: acc
    if Parser.isTerminalCommand stx then
      return .ok (if start == mps.pos.byteIdx then dropFirst 1 acc else acc)
    else processUnits s ictx st mps acc

def importNamesOf : List Import → List String
  | [] => []
  | i :: is => i.module.toString :: importNamesOf is

def sameNames : List String → List String → Bool
  | [], [] => true
  | a :: as, b :: bs => a == b && sameNames as bs
  | _, _ => false

structure Start where
  env : Environment
  mps : Parser.ModuleParserState := {}

/-- Where a text begins: what was inherited, or what its `import` lines ask for, which must be what this process imported. -/
def startOfFile (d : Double) (ictx : Parser.InputContext) (readHeader : Bool) : IO (Except String Start) := do
  if !readHeader then return .ok { env := ← sessionEnv d.server }
  let (header, mps, messages) ← Parser.parseHeader ictx
  match ← commandErrors messages with
  | some e => return .error e
  | none =>
    if sameNames (importNamesOf (headerToImports header).toList) ("Init" :: d.imports) then
      return .ok { env := d.server.env, mps }
    else if sameNames (importNamesOf (headerToImports header).toList) d.imports then
      return .ok { env := d.server.env, mps }
    else return .error "unknown module"

def inherit (d : Double) (state : Command.State) : IO Unit := do
  let session ← ST.Prim.Ref.get d.server.session
  ST.Prim.Ref.set d.server.session { env := state.env, added := .anonymous :: session.added }
  ST.Prim.Ref.set d.scope (topScope state)

def frontendProcess (d : Double) (p : Json) : IO Outcome := do
  let flags := ["readHeader", "inheritEnv", "newConstants"]
  match withoutFlag p (if d.isOld then cat flags ["sorrys", "typeErrorsAsGoals"] else flags), reqStr p "file" with
  | some key, _ => return missing "FrontendProcess" key "Bool"
  | _, .error _ => return ⟨.null, some ⟨"arguments", "Exactly one of {fileName, file} must be supplied"⟩⟩
  | none, .ok text =>
    let ictx := inputContext text "<anonymous>"
    match ← startOfFile d ictx (flag p "readHeader") with
    | .error e => return ⟨.null, some ⟨"io", e⟩⟩
    | .ok start => do
      let st : IO.Ref Command.State ← IO.mkRef (beforeCommands d.server start.env)
      match ← processUnits d.server ictx st start.mps [] with
      | .error e => return ⟨.null, some ⟨"io", s!"unexpected internal error: {e}"⟩⟩
      | .ok units => do
        if flag p "inheritEnv" then inherit d (← ST.Prim.Ref.get st)
        unlessInterrupted d.server ⟨.mkObj [("units", .arr (unitsJson (reversed units) #[]))], none⟩

/-! ## Goals -/

/-- The state that an elaborated text would be followed up in. -/
def ground (d : Double) : IO Preamble := do
  let session ← ST.Prim.Ref.get d.server.session
  let scope ← ST.Prim.Ref.get d.scope
  let state := Command.mkState session.env {} d.server.settings
  return { front := {}, added := len session.added, state := { state with scopes := [forStatement { scope with varDecls := #[] }] }, commands := [] }

def start (d : Double) (o : ReplOptions) (p : Json) : IO Outcome := do
  match optStr p "expr", optStr p "copyFrom", optStrList p "levels" with
  | .ok expr, .ok copyFrom, .ok levels =>
    let before ← ground d
    let levels := toNames (levels.getD [])
    match expr, copyFrom with
    | some e, none => startText d.server o before levels e false false
    | none, some n =>
      run d.server (scopeOf before.state levels) (← freshCore d.server before.state.env)
        (startCopy d.server o (scopeOf before.state levels) n false false)
    | _, _ => return ⟨.null, some ⟨"arguments", "Exactly one of {expr, copyFrom} must be supplied"⟩⟩
  | .error r, _, _ => return ⟨.null, some r⟩
  | _, .error r, _ => return ⟨.null, some r⟩
  | _, _, .error r => return ⟨.null, some r⟩

/-- A stored state is read under the scope that there is now; what it sets of options it does not. -/
def underScope (d : Double) (id : Nat) : IO Unit := do
  let scope ← ST.Prim.Ref.get d.scope
  match ← lookup d.server id with
  | none => pure ()
  | some st =>
    let a ← ST.Prim.Ref.get d.server.states
    let own := { st.scope with currNamespace := scope.currNamespace, openDecls := scope.openDecls }
    ST.Prim.Ref.set d.server.states (a.set! id (some { st with scope := own }))

def isOneTactic (p : Json) : Bool :=
  match field? p "tactic" with
  | some (.str text) =>
    match (trimmed text).splitOn "\n" with
    | [_] => true
    | _ :: line :: _ => line.startsWith " " || line.startsWith "|" || line.startsWith "·"
    | [] => true
  | _ => true

def step (d : Double) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqNat p "stateId" with
  | .error _ => return missing "GoalTactic" "stateId" "Natural number"
  | .ok id =>
    underScope d id
    if d.isOld && !isOneTactic p then
      return ⟨.mkObj [("hasSorry", .bool false), ("hasUnsafe", .bool false),
        ("parseError", jstr "<Pantograph>:2:0: expected end of input")], none⟩
    let asked := only p ["stateId", "goalId", "autoResume", "tactic", "mode", "expr", "have", "let", "draft", "binderName"]
    let reply ← goalTactic d.server o asked
    return showing reply fun r => withPlainGoals r ["nextStateId", "messages", "parseError", "hasSorry", "hasUnsafe"]

def print (d : Double) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqNat p "stateId" with
  | .error _ => return missing "GoalPrint" "stateId" "Natural number"
  | .ok id =>
    underScope d id
    let shown := ["root", "parentExprs", "extraMVars", "rootHasSorry", "rootHasUnsafe", "rootHasMVar"]
    return showing (← goalPrint d.server o p) fun r => withPlainGoals r shown

def echo (d : Double) (o : ReplOptions) (p : Json) : IO Outcome := do
  match reqStr p "expr", optStrList p "levels" with
  | .ok text, .ok levels =>
    let before ← ground d
    run d.server (scopeOf before.state (toNames (levels.getD []))) (emptyCore before.state.env) do
      match parseTerm before.state.env text with
      | .error e => refuse "parse" e
      | .ok stx => try exprEcho.echo o stx none catch e => refuse "elab" (← e.toMessageData.toString)
  | .error r, _ => return ⟨.null, some r⟩
  | _, .error r => return ⟨.null, some r⟩

/-! ## The loop -/

def answerTo (d : Double) (o : ReplOptions) (cmd : String) (p : Json) : IO Outcome := do
  match cmd with
  | "goal.start" => return showing (← start d o p) fun r => .mkObj (pick r ["stateId", "root"])
  | "goal.tactic" => step d o p
  | "goal.print" => print d o p
  | "frontend.process" => frontendProcess d p
  | "expr.echo" => echo d o p
  | "env.describe" =>
    return showing (← dispatch d.server o cmd p) fun r => .mkObj (pick r ["imports", "modules"])
  | "goal.delete" | "goal.continue" | "options.set" | "options.print" | "env.catalog" | "env.inspect" | "env.module_read"
  | "env.parse" | "env.add" | "stat" | "reset" => dispatch d.server o cmd p
  | other => return ⟨.null, some ⟨"command", s!"Unknown command {other}"⟩⟩

/-- One limit, for every command. -/
def limited (d : Double) (cmd : String) (p : Json) : IO Json := do
  let o ← ST.Prim.Ref.get d.server.options
  if o.timeout != 0 then arm d.server o.timeout
  let act : IO Outcome := answerTo d o cmd p
  let result ← act.toBaseIO
  if o.timeout != 0 then disarm d.server
  match result with
  | .ok ⟨reply, none⟩ => return reply
  | .ok ⟨_, some r⟩ => return refusalJson (if r.description == "interrupt" then { r with kind := "internal" } else r)
  | .error e => return refusalJson ⟨"io", e.toString⟩

partial def doubleLoop (d : Double) (input output : IO.FS.Stream) : IO Unit := do
  let line := trimmed (← input.getLine)
  if line.isEmpty then return
  let reply ← match parseRequest line with
    | .error r => pure (refusalJson r)
    | .ok request => limited d request.cmd request.payload
  output.putStr (d.server.key ++ reply.compress ++ "\n")
  output.flush
  doubleLoop d input output

def double (key version : String) (arguments : List String) : IO Unit := do
  match splitArguments arguments {} [] with
  | .error e => throw (IO.userError e)
  | .ok (settings, modules) =>
    boundParser
    let env ← importModules (loadExts := true) (toImports modules #[]) {} 0
    let server : Server := {
      env, session := ← IO.mkRef { env }, preambles := ← IO.mkRef [], embedded := true, key, settings, states := ← IO.mkRef #[],
      options := ← IO.mkRef {}, opened := ← IO.mkRef 0, watch := ← IO.mkRef ⟨← IO.CancelToken.new, 0⟩ }
    let output ← IO.setStdout (← IO.getStderr)
    output.putStr (key ++ "ready.\n")
    output.flush
    let d : Double := { server, scope := ← IO.mkRef { header := "" }, version, imports := modules }
    doubleLoop d (← IO.getStdin) output

def doubleMain : List String → IO Unit
  | "--embedded" :: _ :: [_, "--version"] => pure ()
  | "--embedded" :: key :: version :: arguments => double key version arguments
  | _ => throw (IO.userError "usage: VERSION IMPORT…")
