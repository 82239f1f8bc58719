//! `keys`: keys to sign components with.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::hidden;
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::signing::{MakeError, generate};

/// Keys to sign components with.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a pair of keys: one to sign with, which is encrypted under a password, and one for those who are to trust it
    Generate(GenerateCommand),
}

impl KeysCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "keys.generate",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Generate(command) => command.run(context).await,
        }
    }
}

/// Where the password of a secret key comes from.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// Read the password from standard input; a line end at its end does not count
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// The password: piped, or asked for at the terminal.
    pub(super) async fn password(&self, what: &str) -> Result<SecretString, CliError> {
        if !self.password_stdin {
            let nobody =
                || CliError::usage("a password is typed at a terminal, and there is none").hint("pipe it to `--password-stdin`");
            return hidden::ask(what, nobody).await;
        }
        let mut text = zeroize::Zeroizing::new(String::new());
        std::io::stdin().read_line(&mut text).map_err(|error| CliError::usage(format!("cannot read standard input: {error}")))?;
        Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
    }

    /// Whether nobody is asked.
    pub(super) fn is_piped(&self) -> bool {
        self.password_stdin || !std::io::stdin().is_terminal()
    }
}

#[derive(Debug, Args)]
pub(crate) struct GenerateCommand {
    /// The file of the secret key; the public key lies beside it, as `<FILE>.pub`
    #[arg(default_value = "kitaru.key", value_name = "FILE")]
    file: PathBuf,
    /// Do not encrypt the secret key. For machines that keep it in a vault of their own
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

impl GenerateCommand {
    async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let public = with_extension(&self.file, "pub");
        for path in [&self.file, &public] {
            if path.exists() {
                let message = format!("`{}` is there already, and a key that is gone is gone", path.display());
                return Err(CliError::usage(message).hint("name another file, or move the old key away"));
            }
        }
        let password = if self.no_password { None } else { Some(self.new_password().await?) };
        let made = tokio::task::spawn_blocking(move || generate(password.as_ref())).await;
        let keys = made.map_err(|error| CliError::new(error.to_string()))?.map_err(|error| unusable(&error))?;
        write_private(&self.file, keys.secret.expose_secret())?;
        std::fs::write(&public, &keys.public).map_err(|error| cannot_write(&public, &error))?;
        let (id, key) = (keys.trusted.id().to_string(), keys.trusted.to_string());
        context.output.say(&format!("Made the key {id}"));
        context.output.say(&format!("Sign with it: kitaru-host sign <component> --key {}", self.file.display()));
        context.output.say("Trust it, in kitaru.toml:");
        let item = json!({ "key_id": id, "public_key": key, "secret_key_file": self.file, "public_key_file": public });
        context.output.item(&item, || format!("[security]\ntrusted_keys = [\"{key}\"]"))
    }

    async fn new_password(&self) -> Result<SecretString, CliError> {
        let password = self.password.password("Password of the new key").await.map_err(|error| {
            error.hint("pipe the password to `--password-stdin`, or make a key that is not encrypted with `--no-password`")
        })?;
        if password.expose_secret().is_empty() {
            return Err(CliError::usage("the password is empty").hint("a key that is not encrypted: --no-password"));
        }
        if !self.password.is_piped() {
            let again = self.password.password("The same again").await?;
            if again.expose_secret() != password.expose_secret() {
                return Err(CliError::usage("the passwords are not the same; nothing was made"));
            }
        }
        Ok(password)
    }
}

/// `<file>.<extension>`.
fn with_extension(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// A new file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| cannot_write(path, &error))
}

pub(super) fn cannot_write(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(format!("cannot write `{}`: {error}", path.display()))
}

/// A key that cannot be made or used.
pub(super) fn unusable(error: &MakeError) -> CliError {
    let told = CliError::usage(error.to_string());
    match error {
        MakeError::NotASecretKey => told.hint("make one: kitaru-host keys generate"),
        MakeError::Locked => told.hint("pipe its password to `--password-stdin`"),
        _ => told,
    }
}
