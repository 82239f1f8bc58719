//! The platform's keyring: Keychain on macOS, Credential Manager on Windows, the Secret Service elsewhere. It is read and never written: whoever
//! wants the key there puts it there.

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::{KeySource, SecretsError, SecretsKey};

/// By these the key is found, one for each user and all of their data folders.
const SERVICE: &str = "kitaru-host";
const USER: &str = "secrets-key";

/// The key in the keyring. None where it has none, or the machine has no keyring.
pub(super) fn read() -> Result<Option<SecretsKey>, SecretsError> {
    key(Entry::new(SERVICE, USER).and_then(|entry| entry.get_password()).map(Zeroizing::new))
}

/// The key that the keyring's answer has.
fn key(answer: keyring::Result<Zeroizing<String>>) -> Result<Option<SecretsKey>, SecretsError> {
    match answer {
        Ok(text) => SecretsKey::parse(&text).map(Some).ok_or(SecretsError::NotAKey(KeySource::Keyring)),
        Err(Error::NoEntry | Error::NoDefaultStore) => Ok(None),
        // It has what it found in it.
        Err(Error::BadEncoding(_)) => Err(SecretsError::NotAKey(KeySource::Keyring)),
        Err(error) => Err(SecretsError::Keyring(error.to_string().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> Result<Option<SecretsKey>, SecretsError> {
        key(Ok(Zeroizing::new(text.to_owned())))
    }

    #[test]
    fn a_keyring_has_a_key_or_none() {
        let hex = "0f".repeat(32);
        let found = answered(&hex).unwrap().unwrap();
        assert_eq!(found.id(), SecretsKey::parse(&hex).unwrap().id());
        for none in [Error::NoEntry, Error::NoDefaultStore] {
            assert!(key(Err(none)).unwrap().is_none());
        }
    }

    #[test]
    fn what_is_no_key_and_what_refuses_are_errors_that_tell_nothing_of_it() {
        for wrong in [answered("marker"), answered(""), key(Err(Error::BadEncoding(b"marker".to_vec())))] {
            let error = wrong.unwrap_err();
            assert!(matches!(error, SecretsError::NotAKey(KeySource::Keyring)), "{error:?}");
            assert!(error.to_string().contains("keyring") && error.hint().is_some(), "{error}");
            assert!(!format!("{error} {error:?}").contains("marker"), "{error:?}");
        }
        let locked = key(Err(Error::NoStorageAccess("it is locked".into()))).unwrap_err();
        assert!(matches!(&locked, SecretsError::Keyring(why) if why.to_string().contains("it is locked")), "{locked:?}");
        assert!(locked.hint().unwrap().contains("unlock it"));
    }
}
