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

/-- The interpreter finds the code of an imported declaration by the module its name belongs to.
Lambda-lifted, boxed and closed-term helpers are no constants of the kernel, so none is found for
them; each is registered here under a type that says nothing. -/
def registerName (env : Environment) (n : Name) : IO Environment :=
  if env.contains n then pure env
  else
    let decl := Declaration.axiomDecl { name := n, levelParams := [], type := .const ``True [], isUnsafe := false }
    match env.addDeclCore 0 decl none with
    | .ok env => pure env
    | .error _ => throw (IO.userError "a compiled helper cannot be registered as a constant")

def registerHelpers (env : Environment) : List IR.Decl → IO Environment
  | [] => pure env
  | d :: ds => do
    let env ← registerName env (baseName d.name)
    let env ← registerName env d.name
    registerHelpers env ds

/-! ## What of the library the compiled REPL calls

A line `name count` for each call, repetitions and all, and `name ?` where a function is handed on with some of its
arguments: whoever wants to know whether another Lean has them compares that with its symbols. -/

def callOf : IR.Expr → List String → List String
  | .fap f ys, acc => (f.toString ++ " " ++ ys.size.repr) :: acc
  | .pap f _, acc => (f.toString ++ " ?") :: acc
  | _, acc => acc

mutual
partial def callsIn : IR.FnBody → List String → List String
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

partial def callsInAlts : List IR.Alt → List String → List String
  | [], acc => acc
  | .ctor _ b :: rest, acc => callsInAlts rest (callsIn b acc)
  | .default b :: rest, acc => callsInAlts rest (callsIn b acc)
end

partial def allCalls : List IR.Decl → List String → List String
  | [], acc => acc
  | .fdecl (body := body) .. :: ds, acc => allCalls ds (callsIn body acc)
  | _ :: ds, acc => allCalls ds acc

partial def ownNames : List IR.Decl → List String → List String
  | [], acc => acc
  | d :: ds, acc => ownNames ds (("own " ++ d.name.toString) :: acc)

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
  IO.FS.writeFile (System.FilePath.withExtension out "calls") ("\n".intercalate (ownNames decls (allCalls decls [])))
  return 0

def main : List String → IO UInt32
  | [text, fileName, out] => compile text fileName out
  | _ => throw (IO.userError "usage: TEXT NAME OUT.olean")
