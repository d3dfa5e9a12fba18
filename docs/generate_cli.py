"""Writes ``docs/cli.md`` from the commands themselves; ``--check`` only says whether it is up to date."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")

INTRODUCTION = """\
# Command line

<!-- Written by docs/generate_cli.py from the commands themselves; `nox -s docs` fails if it is stale. -->

Every command that needs a policy server and is given none starts one; every command that needs Lean and finds
none prepares the embedded one. Settings come from defaults, then from the TOML file given with `--config`,
then from options; `--dry-run` of `search`, `eval`, `tune` and `generate-negatives` prints them all, in the form
that `--config` reads.

## Completion

Your shell can complete commands and options. In Bash, add this line to `~/.bashrc`:

```sh
eval "$(_LEANEBM_COMPLETE=bash_source leanebm)"
```

Zsh takes the first of these lines in `~/.zshrc`, fish the second in `~/.config/fish/config.fish`:

<!-- not run: each line is for the shell it names -->
```sh
eval "$(_LEANEBM_COMPLETE=zsh_source leanebm)"
_LEANEBM_COMPLETE=fish_source leanebm | source
```
"""


def page() -> str:
    """The page as it should be."""
    # Help texts wrap at the terminal's width, and settle on it when click is imported.
    os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1")
    import click
    from click.testing import CliRunner

    from leanebm.cli import main

    sections = [INTRODUCTION]
    for name in ["", *main.list_commands(click.Context(main))]:
        title = f"leanebm {name}".strip()
        shown = CliRunner().invoke(main, [*name.split(), "--help"], prog_name="leanebm", terminal_width=100)
        if shown.exit_code != 0:
            raise SystemExit(f"{title} --help failed:\n{shown.output}")
        sections.append(f"## {title}\n\n```text\n{shown.output.rstrip()}\n```\n")
    return "\n".join(sections)


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit(f"{PAGE} is stale: run `python {Path(__file__).name}` in docs/ and commit the result")


if __name__ == "__main__":
    main()
