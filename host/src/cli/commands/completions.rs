//! `completions`: the script that a shell sources.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::cli::error::CliError;

/// What the script of bash has beside commands and flags: names of executions, published flows and model aliases, which the program is asked for. The
/// one on the path is asked, and not whatever is being typed; its answers are words that need no quotes.
const NAMES_IN_BASH: &str = r#"
_kitaru_host_with_names() {
    local name names=()
    _kitaru__host "$@"
    while IFS= read -r name; do [ -n "$name" ] && names+=("$name"); done < <(command kitaru-host complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
    COMPREPLY=("${names[@]}" "${COMPREPLY[@]}")
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _kitaru_host_with_names -o nosort -o bashdefault -o default kitaru-host
fi
"#;

#[derive(Debug, Args)]
pub(crate) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

impl CompletionsCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::cli::command(), "kitaru-host", &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if self.shell == Shell::Bash {
            // The generator takes the hyphen of the name for the beginning of a subcommand in one place and not in the other, so that the script
            // would know no subcommand of a command.
            script = script.replace("kitaru__subcmd__host", "kitaru__host");
            script.push_str(NAMES_IN_BASH);
        }
        let item = serde_json::json!({ "shell": self.shell.to_string(), "script": script });
        context.output.item(&item, || script)
    }
}
