//! The key of a data folder's secrets, and the cipher: where the key comes from, how a value is sealed, and how it is opened again.
//!
//! Of the host it uses identifiers only: it knows no store, and nothing here prints or logs. Values and keys are in types that tell nothing of
//! themselves and wipe their memory when they go; whoever needs a text says so, with [`ExposeSecret`].

mod cipher;
mod error;
mod key;
mod key_file;
#[cfg(feature = "keyring")]
mod platform;
mod sources;

pub use cipher::{Place, open, seal};
pub use error::SecretsError;
pub use key::SecretsKey;
pub use key_file::find_or_make as find_or_make_key_file;
pub use secrecy::{ExposeSecret, SecretString};
pub use sources::{FoundKey, KeySource, Keys};
