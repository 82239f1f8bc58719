//! Whose signatures of components count, and what becomes of components that have none: `--signatures` or `KITARU_SIGNATURES`, and
//! `KITARU_TRUSTED_KEYS`; else `[security]` in `kitaru.toml`.

use std::ffi::OsString;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use crate::signing::{SignaturePolicy, Trust, TrustedKey};

/// `[security]` in `kitaru.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityConfig {
    /// What becomes of components that nobody trusted has signed.
    #[schemars(with = "Option<String>", extend("enum" = SignaturePolicy::ALL.map(SignaturePolicy::as_str)))]
    pub signatures: Option<SignaturePolicy>,
    /// Public keys of those who are trusted, as `keys generate` or minisign print them.
    #[schemars(with = "Vec<String>")]
    pub trusted_keys: Vec<TrustedKey>,
}

impl SecurityConfig {
    /// The variable with the policy.
    pub const POLICY: &'static str = "KITARU_SIGNATURES";
    /// The variable with keys, with spaces or commas between them.
    pub const KEYS: &'static str = "KITARU_TRUSTED_KEYS";

    /// Whom this process trusts. What flag and environment say counts for more than the file: it may have come with the project whose flow is to run.
    ///
    /// # Errors
    /// When a variable that counts cannot be understood: then no signature would count as it should.
    pub fn trust(
        &self,
        flag: Option<SignaturePolicy>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Trust, ConfigError> {
        let set = |name: &'static str| variable(name).filter(|text| !text.is_empty());
        let unusable = |name: &'static str, problem: String| ConfigError::Environment { name, problem };
        let policy = match (flag, set(Self::POLICY)) {
            (Some(policy), _) => policy,
            (None, Some(word)) => word.to_string_lossy().parse().map_err(|error| unusable(Self::POLICY, format!("{error}")))?,
            (None, None) => self.signatures.unwrap_or_default(),
        };
        let keys = match set(Self::KEYS) {
            Some(text) => {
                let text = text.to_string_lossy();
                let words = text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty());
                let keys = words.map(str::parse::<TrustedKey>).collect::<Result<_, _>>();
                keys.map_err(|error| unusable(Self::KEYS, error.to_string()))?
            }
            None => self.trusted_keys.clone(),
        };
        Ok(Trust { policy, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn another() -> String {
        crate::signing::generate(None).unwrap().trusted.to_string()
    }

    #[test]
    fn the_order_of_precedence() {
        use SignaturePolicy::{Off, Require, Warn};
        let project: SecurityConfig = toml::from_str(&format!("signatures = \"warn\"\ntrusted_keys = [\"{ONE}\"]\n")).unwrap();
        let other = another();
        let trust = |flag, policy: &str, keys: &str| {
            let (policy, keys) = (policy.to_owned(), keys.to_owned());
            project
                .trust(flag, |name| Some(if name == SecurityConfig::POLICY { policy.clone() } else { keys.clone() }.into()))
                .map(|trust| (trust.policy, trust.keys.iter().map(ToString::to_string).collect::<Vec<_>>()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(trust(None, "", ""), Ok((Warn, vec![ONE.to_owned()])));
        assert_eq!(trust(None, "require", ""), Ok((Require, vec![ONE.to_owned()])));
        assert_eq!(trust(Some(Off), "require", ""), Ok((Off, vec![ONE.to_owned()])));
        assert_eq!(trust(None, "", &format!("{other}, {ONE}")), Ok((Warn, vec![other.clone(), ONE.to_owned()])));
        assert!(trust(None, "required", "").unwrap_err().contains(SecurityConfig::POLICY));
        assert!(trust(None, "", "nonsense").unwrap_err().contains(SecurityConfig::KEYS));
        assert_eq!(SecurityConfig::default().trust(None, |_| None).unwrap(), Trust::default());
    }

    #[test]
    fn what_is_misspelt_is_an_error() {
        for bad in ["signatures = \"required\"", "signature = \"off\"", "trusted_keys = [\"RWQ\"]", "trusted_keys = \"x\""] {
            assert!(toml::from_str::<SecurityConfig>(bad).is_err(), "{bad}");
        }
    }
}
