//! What a person types and the terminal does not show.

use std::io::IsTerminal as _;

use super::error::CliError;
use super::terminal::one_line;
use crate::secrets::SecretString;

/// Asks for a text at the terminal; without one, that is the error. Spaces around the text are left out.
pub(super) async fn ask(what: &str, nobody: impl Fn() -> CliError) -> Result<SecretString, CliError> {
    if !cfg!(unix) || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(nobody());
    }
    typed(&one_line(what)).await
}

#[cfg(unix)]
async fn typed(what: &str) -> Result<SecretString, CliError> {
    use super::prompt::Keyboard;
    use super::signals::Asked;

    let mut asked = Asked::listen();
    let quiet =
        Quiet::start().map_err(|error| CliError::new(format!("the terminal cannot be made to hide what is typed: {error}")))?;
    // Only now: whoever sees it may type.
    super::prompt::eprint_prompt(&format!("  {what} (what you type is not shown) > "));
    let mut keyboard = Keyboard::open();
    let line = tokio::select! {
        biased;
        () = asked.ends() => {
            drop(quiet);
            return Err(CliError::new("interrupted; nothing was set"));
        }
        line = keyboard.line() => line.map(zeroize::Zeroizing::new),
    };
    drop(quiet);
    line.map(|line| SecretString::from(line.as_str())).ok_or_else(|| CliError::new("the input ended; nothing was set"))
}

#[cfg(not(unix))]
async fn typed(_: &str) -> Result<SecretString, CliError> {
    Err(CliError::usage("this terminal cannot be made to hide what is typed"))
}

/// A terminal that shows nothing but line ends, until this goes.
#[cfg(unix)]
struct Quiet {
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl Quiet {
    fn start() -> std::io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        // There is nobody to tell, and the shell sets its terminal up anew.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}
