//! Secrets that were granted.

use crate::bindings::kitaru::flow::secrets;
use crate::{Error, Result};

/// What to put where a granted secret is to be sent: the only value of the secret `name`, or the one that the grant names.
///
/// It is a placeholder, which the host replaces in the [requests](crate::http) of this attempt to the hosts that the grants name: in headers, in
/// `Authorization: Basic`, and in the query; in no path and no body. So the value never is in the checkpoint's memory. Where the grant says
/// `--allow-secret=NAME=reveal`, it is the value itself.
///
/// # Errors
/// [`Error::Capability`], which names the flag, where it is not granted; [`Error::Failed`] of kind `not-found` where there is no such secret, or
/// `usage` where it has several values. Outside of checkpoints, [`Error::Failed`] of kind `context`.
///
/// ```no_run
/// # fn f() -> kitaru::Result<()> {
/// let token = kitaru::secret("gh")?;
/// kitaru::http::get("https://api.github.com/user").bearer(token).send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn secret(name: &str) -> Result<String> {
    secrets::get(name, None).map_err(Error::from)
}

/// The same for the value that a secret has under a key.
///
/// # Errors
/// As [`secret`].
///
/// ```no_run
/// # fn f() -> kitaru::Result<()> {
/// let (user, password) = (kitaru::secret_key("smtp", "USER")?, kitaru::secret_key("smtp", "PASSWORD")?);
/// kitaru::http::post("https://mail.example/send").basic(user, password).text("Hello").send()?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
pub fn secret_key(name: &str, key: &str) -> Result<String> {
    secrets::get(name, Some(key)).map_err(Error::from)
}
