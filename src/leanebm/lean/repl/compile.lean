import Lean
open Lean Elab
public section

/-! # Compiles the REPL to an `.olean` that the embedded Lean can import and interpret

`main` takes the source's text, its name for messages, and where to write; the module is named after that. It is written only
if nothing in the source is wrong; every message goes to standard output as `name:line:column: text`.

Written in the same plain first-order style as the REPL, and for the same reason: the embedded
library carries exported data only.
-/

def severityName : MessageSeverity → String
  | .information => "info"
  | .warning => "warning"
  | .error => "error"

/-- Show every message; true if one of them is an error. -/
def showMessages (fileName : String) (out : IO.FS.Stream) : List Message → IO Bool
  | [] => pure false
  | m :: ms => do
    let text ← m.data.toString
    out.putStr s!"{fileName}:{m.pos.line}:{m.pos.column}: {severityName m.severity}: {text}\n"
    let others ← showMessages fileName out ms
    match m.severity with
    | .error => pure true
    | _ => pure others

/-- The declaration a boxed helper stands for. -/
def baseName : Name → Name
  | .str p "_boxed" => p
  | n => n

def addAxiom (env : Environment) (name : Name) (type : Expr) : IO Environment :=
  match env.addDeclCore 0 (.axiomDecl { name, levelParams := [], type, isUnsafe := false }) none with
  | .ok env => pure env
  | .error _ => throw (IO.userError s!"{name.toString} cannot be registered as a constant")

/-- The interpreter finds the code of an imported declaration by the module its name belongs to.
Lambda-lifted, boxed and closed-term helpers are no constants of the kernel, so none is found for
them; each is registered here under a type that says nothing. -/
def registerName (env : Environment) (n : Name) : IO Environment :=
  if env.contains n then pure env else addAxiom env n (.sort .zero)

def registerHelpers (env : Environment) : List IR.Decl → IO Environment
  | [] => pure env
  | d :: ds => do
    let env ← registerName env (baseName d.name)
    let env ← registerName env d.name
    registerHelpers env ds

/-! ## What a declaration's code calls -/

structure Calls where
  names : List Name := []
  /-- `name count` for each call, and `name ?` where a function is handed on with some of its arguments. -/
  lines : List String := []

def Calls.add (calls : Calls) (f : Name) (count : String) : Calls :=
  { names := f :: calls.names, lines := (f.toString ++ " " ++ count) :: calls.lines }

def callOf : IR.Expr → Calls → Calls
  | .fap f ys, acc => acc.add f ys.size.repr
  | .pap f _, acc => acc.add f "?"
  | _, acc => acc

mutual
partial def callsIn : IR.FnBody → Calls → Calls
  | .vdecl _ _ e b, acc => callsIn b (callOf e acc)
  | .jdecl _ _ v b, acc => callsIn b (callsIn v acc)
  | .set _ _ _ b, acc => callsIn b acc
  | .setTag _ _ b, acc => callsIn b acc
  | .uset _ _ _ b, acc => callsIn b acc
  | .sset _ _ _ _ _ b, acc => callsIn b acc
  | .inc _ _ _ _ b, acc => callsIn b acc
  | .dec _ _ _ _ b, acc => callsIn b acc
  | .del _ b, acc => callsIn b acc
  | .case _ _ _ alts, acc => callsInAlts alts.toList acc
  | _, acc => acc

partial def callsInAlts : List IR.Alt → Calls → Calls
  | [], acc => acc
  | .ctor _ b :: rest, acc => callsInAlts rest (callsIn b acc)
  | .default b :: rest, acc => callsInAlts rest (callsIn b acc)
end

partial def allCalls : List IR.Decl → Calls → Calls
  | [], acc => acc
  | .fdecl (body := body) .. :: ds, acc => allCalls ds (callsIn body acc)
  | _ :: ds, acc => allCalls ds acc

def declNames : List IR.Decl → List Name
  | [] => []
  | d :: ds => d.name :: declNames ds

/-- What of the library the module calls, repetitions and all, after its own names: whoever wants to know whether another
Lean has them compares that with its symbols. -/
def callLines : List IR.Decl → List String → List String
  | [], acc => acc
  | d :: ds, acc => callLines ds (("own " ++ d.name.toString) :: acc)

/-! ## The program alone

A worker interprets the module's code and never looks at its types, so it need not import what they are made of. The program
is a module without imports that holds the code of the module, the code of what that calls, and of each function of the
library that it calls what the interpreter asks for: how it is called, and its symbol. The environment that theorems are
stated in is another one; it is imported by the REPL itself. -/

structure Reached where
  /-- Where every name that has code is a constant. -/
  alone : Environment
  code : Array IR.Decl := #[]
  /-- Functions that bear another symbol than their name says. -/
  symbols : List (Name × Name) := []
  seen : NameSet := {}
  /-- To be looked at. -/
  next : List Name

def addNext (seen : NameSet) : List Name → List Name → List Name
  | [], acc => acc
  | n :: ns, acc => addNext seen ns (if seen.contains n then acc else n :: acc)

def lookAt (env : Environment) (n : Name) (r : Reached) : IO Reached := do
  if r.seen.contains n then return r
  else
    let r := { r with seen := r.seen.insert n }
    match IR.findEnvDecl env n (includeServer := true) with
    | none => return r
    | some d =>
      let next := addNext r.seen (allCalls [d] {}).names r.next
      let r := { r with alone := ← registerName r.alone n, code := r.code.push d, next }
      match getExportNameFor? env n with
      | none => return r
      | some symbol => return { r with symbols := (n, symbol) :: r.symbols }

def lookAtSome (env : Environment) : Nat → Reached → IO Reached
  | 0, r => return r
  | count + 1, r => do
    match r.next with
    | [] => return r
    | n :: ns => lookAtSome env count (← lookAt env n { r with next := ns })

/-- All that the interpreter can come to. In rounds: it has no tail calls, and its stack ends. -/
partial def reached (env : Environment) (r : Reached) : IO Reached := do
  match r.next with
  | [] => return r
  | _ => reached env (← lookAtSome env 200 r)

/-- `export symbol`, as an attribute is written. -/
def exportSyntax (symbol : Name) : Syntax :=
  .node .none `Lean.Parser.Attr.simple #[.atom .none "export", .node .none `null #[.ident .none "".toRawSubstring symbol []]]

def addSymbols : List (Name × Name) → CoreM Unit
  | [] => pure ()
  | (n, symbol) :: rest => do
    exportAttr.attr.add n (exportSyntax symbol) .global
    addSymbols rest

def addCode (r : Reached) : CoreM Unit := do
  IR.addDecls r.code
  addSymbols r.symbols

def codeAdded (r : Reached) : IO Environment := do
  let state : IO.Ref Core.State ← IO.mkRef { env := r.alone }
  let act : EIO Exception Unit := addCode r { fileName := "", fileMap := FileMap.ofString "" } state
  match ← act.toBaseIO with
  | .ok _ => return (← ST.Prim.Ref.get state).env
  | .error e => throw (IO.userError (← e.toMessageData.toString))

/-- Of `main` the interpreter reads from its type whether it returns an exit status. This one says that it does not. -/
def addMain (env : Environment) : IO Environment := do
  let env ← addAxiom env `leanebm_result (.sort .zero)
  let env ← addAxiom env `leanebm_action (.forallE `result (.sort .zero) (.sort .zero) .default)
  let result := .app (.const `leanebm_action []) (.const `leanebm_result [])
  addAxiom env `main (.forallE `arguments (.sort .zero) result .default)

def program (env : Environment) (name : Name) : IO Environment := do
  let empty ← importModules (loadExts := true) #[] {} 0
  let alone ← addMain (empty.setMainModule name)
  codeAdded (← reached env { alone, next := declNames (IR.getDecls env) })

/-- The module `Name` becomes the program `NameProgram`. -/
def programFile (out : System.FilePath) : System.FilePath :=
  out.withFileName ((out.fileStem.getD "Repl") ++ "Program.olean")

def compile (text fileName out : String) : IO UInt32 := do
  let input : Parser.InputContext :=
    { inputString := text, fileName, fileMap := FileMap.ofString text }
  let (header, parserState, messages) ← Parser.parseHeader input
  let env ← importModules (loadExts := true) (headerToImports header) {} 0
  let env := env.setMainModule ((System.FilePath.fileStem out).getD "Repl").toName
  let s ← IO.processCommands input parserState (Command.mkState env messages {})
  let failed ← showMessages fileName (← IO.getStdout) s.commandState.messages.toList
  if failed then return 1
  let env := s.commandState.env
  let decls := IR.getDecls env
  writeModule (← registerHelpers env decls) out
  let lines := callLines decls (allCalls decls {}).lines
  IO.FS.writeFile (System.FilePath.withExtension out "calls") ("\n".intercalate lines)
  let programFile := programFile out
  writeModule (← program env (programFile.fileStem.getD "").toName) programFile
  return 0

def main : List String → IO UInt32
  | [text, fileName, out] => compile text fileName out
  | _ => throw (IO.userError "usage: TEXT NAME OUT.olean")
