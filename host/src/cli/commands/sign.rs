//! `sign`: the signature of a component, beside it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::keys::{PasswordArgs, cannot_write, unusable};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::clock::{Clock as _, SystemClock};
use crate::ids::ComponentDigest;
use crate::registry::Target;
use crate::secrets::SecretString;
use crate::signing::{ComponentSignature, is_locked, path_beside, sign};

/// Sign a component, so that hosts run it which require that
///
/// The signature lies beside the component, as `<component>.minisig`, in the format of minisign.
#[derive(Debug, Args)]
pub(crate) struct SignCommand {
    /// The component file
    component: PathBuf,
    /// The file of the secret key, from `keys generate` or minisign
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What is signed with it, and shown to whoever runs the component; without it the time and the file's name
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl SignCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let bytes = Target::read(&self.component)?;
        // A signature is a promise about a component: of anything else it would be a mistake.
        if !bytes.starts_with(b"\0asm") {
            return Err(CliError::usage(format!("`{}` is not a WebAssembly file", self.component.display())));
        }
        let secret = std::fs::read_to_string(&self.key)
            .map(SecretString::from)
            .map_err(|error| CliError::usage(format!("cannot read `{}`: {error}", self.key.display())))?;
        let password = match is_locked(&secret).map_err(|error| unusable(&error))? {
            true => Some(self.password.password("Password of the key").await?),
            false => None,
        };
        let comment = self.comment.clone().unwrap_or_else(|| usual_comment(&self.component));
        let digest = ComponentDigest::of(&bytes);
        let made = tokio::task::spawn_blocking(move || sign(&bytes, &secret, password.as_ref(), &comment)).await;
        let text = made.map_err(|error| CliError::new(error.to_string()))?.map_err(|error| unusable(&error))?;
        let signature: ComponentSignature = text.parse().map_err(|error| CliError::new(format!("{error}")))?;
        let path = path_beside(&self.component);
        std::fs::write(&path, &text).map_err(|error| cannot_write(&path, &error))?;
        let key = signature.key().to_string();
        context.output.say(&format!("Signed {} with the key {key}", self.component.display()));
        let item = json!({
            "signature": path, "key_id": key, "trusted_comment": signature.trusted_comment(), "digest": digest.to_string(),
        });
        context.output.item(&item, || path.display().to_string())
    }
}

/// As minisign writes it.
fn usual_comment(component: &Path) -> String {
    let seconds = SystemClock.now().as_micros() / 1_000_000;
    let name = component.file_name().map(|name| name.to_string_lossy().replace(char::is_control, " ")).unwrap_or_default();
    format!("timestamp:{seconds}\tfile:{name}\thashed")
}
