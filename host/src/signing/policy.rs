//! What becomes of components that nobody trusted has signed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What becomes of components that nobody trusted has signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SignaturePolicy {
    /// They run.
    #[default]
    Off,
    /// They run, and it is said.
    Warn,
    /// They do not run.
    Require,
}

/// A word that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no policy for signatures: give `off`, `warn` or `require`")]
pub struct UnknownPolicy(pub String);

impl SignaturePolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Warn, Self::Require];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Require => "require",
        }
    }
}

impl FromStr for SignaturePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim();
        let found = Self::ALL.into_iter().find(|policy| policy.as_str().eq_ignore_ascii_case(word));
        found.ok_or_else(|| UnknownPolicy(text.to_owned()))
    }
}

impl TryFrom<String> for SignaturePolicy {
    type Error = UnknownPolicy;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SignaturePolicy> for String {
    fn from(policy: SignaturePolicy) -> Self {
        policy.as_str().to_owned()
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_as_it_is_written() {
        for policy in SignaturePolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!(" Require ".parse(), Ok(SignaturePolicy::Require));
        // A misspelt policy must not be none.
        for bad in ["", "required", "on", "true"] {
            assert_eq!(bad.parse::<SignaturePolicy>(), Err(UnknownPolicy(bad.to_owned())));
        }
    }
}
