//! Keys and signatures, made. Secret keys are encrypted under a password, in minisign's own form.

use std::fmt;
use std::io::Cursor;

use minisign::{KeyPair, SecretKey, SecretKeyBox};
use secrecy::{ExposeSecret as _, SecretString};

use super::TrustedKey;

/// A pair of keys, as files hold them.
#[derive(Debug)]
pub struct KeyFiles {
    /// The public key, for whoever is to trust it.
    pub trusted: TrustedKey,
    /// The file of the public key.
    pub public: String,
    /// The file of the secret key.
    pub secret: SecretString,
}

/// A key or a signature cannot be made.
#[derive(Debug)]
pub enum MakeError {
    /// The text is no secret key.
    NotASecretKey,
    /// The key is encrypted, and no password was given.
    Locked,
    /// The password is not the key's.
    WrongPassword,
    /// The comment has a line end, and would end the line that it stands in.
    Comment,
    /// Something else.
    Other(String),
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASecretKey => f.write_str("it is no secret key of minisign"),
            Self::Locked => f.write_str("the secret key is encrypted, and no password was given"),
            Self::WrongPassword => f.write_str("the password is not that of the secret key"),
            Self::Comment => f.write_str("a comment is one line"),
            Self::Other(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for MakeError {}

fn other(error: impl fmt::Display) -> MakeError {
    MakeError::Other(error.to_string())
}

/// Makes a pair of keys. With `password` the secret one is encrypted under it, which takes seconds and much memory, so that guessing does too.
///
/// # Errors
/// When the machine gives no random bytes, or not the memory.
pub fn generate(password: Option<&SecretString>) -> Result<KeyFiles, MakeError> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password.expose_secret().to_owned())),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let KeyPair { pk, sk } = pair.map_err(other)?;
    let public = pk.to_box().map_err(other)?.into_string();
    let secret = sk.to_box(Some("kitaru-host secret key")).map_err(other)?.into_string();
    let trusted = public.parse::<TrustedKey>().map_err(other)?;
    Ok(KeyFiles { trusted, public, secret: SecretString::from(secret) })
}

/// The signature of a component, as its file holds it. `comment` is signed with it.
///
/// # Errors
/// When the secret key cannot be used.
pub fn sign(
    component: &[u8],
    secret: &SecretString,
    password: Option<&SecretString>,
    comment: &str,
) -> Result<String, MakeError> {
    if comment.contains(['\n', '\r']) {
        return Err(MakeError::Comment);
    }
    let key = unlock(secret, password)?;
    let signature = minisign::sign(None, &key, Cursor::new(component), Some(comment), Some("signature of a component"));
    Ok(signature.map_err(other)?.into_string())
}

/// Whether a secret key is encrypted, so that a password must be asked for.
///
/// # Errors
/// When it is no secret key.
pub fn is_locked(secret: &SecretString) -> Result<bool, MakeError> {
    match open(secret)?.into_unencrypted_secret_key() {
        Ok(_) => Ok(false),
        Err(_) => Ok(true),
    }
}

fn open(secret: &SecretString) -> Result<SecretKeyBox, MakeError> {
    // Two lines, the second of 158 bytes in base64: what minisign makes of anything else is not for people.
    let text = secret.expose_secret();
    let key = text.lines().nth(1).map_or(0, |line| line.trim().len());
    if key != 212 {
        return Err(MakeError::NotASecretKey);
    }
    SecretKeyBox::from_string(text).map_err(|_| MakeError::NotASecretKey)
}

fn unlock(secret: &SecretString, password: Option<&SecretString>) -> Result<SecretKey, MakeError> {
    if !is_locked(secret)? {
        return open(secret)?.into_unencrypted_secret_key().map_err(|_| MakeError::NotASecretKey);
    }
    // Without one, the library would ask at the terminal by itself.
    let password = password.ok_or(MakeError::Locked)?;
    let key = open(secret)?.into_secret_key(Some(password.expose_secret().to_owned()));
    key.map_err(|_| MakeError::WrongPassword)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_password_signs() {
        let files = generate(None).unwrap();
        assert!(!is_locked(&files.secret).unwrap());
        assert!(files.public.contains(&files.trusted.id().to_string()));
        let text = sign(b"component", &files.secret, None, "for the test").unwrap();
        let signature: crate::signing::ComponentSignature = text.parse().unwrap();
        assert_eq!((signature.key(), signature.trusted_comment()), (files.trusted.id(), "for the test"));
        assert!(matches!(sign(b"", &files.secret, None, "two\nlines"), Err(MakeError::Comment)));
        assert!(!format!("{files:?}").contains(files.secret.expose_secret()), "a secret key is never shown");
    }

    #[test]
    fn what_is_no_secret_key_is_told() {
        let files = generate(None).unwrap();
        for bad in [String::new(), "nonsense".into(), files.public, "a\nb\n".into(), format!("c\n{}\n", "A".repeat(212))] {
            let error = sign(b"", &SecretString::from(bad.clone()), Some(&SecretString::from("x")), "").unwrap_err();
            assert!(matches!(error, MakeError::NotASecretKey | MakeError::WrongPassword), "{bad}: {error}");
        }
    }
}
