//! How durable what the host commits is: `--durability`, else `KITARU_DURABILITY`, else `[host] durability` in `kitaru.toml` or the user's file, else full.

use std::ffi::OsString;

use super::ConfigError;
use crate::store::DurabilityMode;

/// Where the durability was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurabilitySource {
    /// `--durability`.
    Flag,
    /// `KITARU_DURABILITY`.
    Environment,
    /// `kitaru.toml`.
    Project,
    /// The user's own file.
    User,
    /// Nowhere.
    Default,
}

impl DurabilitySource {
    /// One phrase for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "--durability",
            Self::Environment => HostDurability::VARIABLE,
            Self::Project => "kitaru.toml",
            Self::User => "the user's config.toml",
            Self::Default => "the default",
        }
    }
}

/// How durable what this process commits is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostDurability {
    /// What it is.
    pub mode: DurabilityMode,
    /// Where it was set.
    pub source: DurabilitySource,
}

impl HostDurability {
    /// The environment variable.
    pub const VARIABLE: &'static str = "KITARU_DURABILITY";

    /// Chooses among what the command line, the environment variable and the project's file say.
    ///
    /// # Errors
    /// When the environment variable counts, and holds no durability.
    pub fn choose(
        flag: Option<DurabilityMode>,
        variable: Option<OsString>,
        project: Option<DurabilityMode>,
    ) -> Result<Self, ConfigError> {
        if let Some(mode) = flag {
            return Ok(Self { mode, source: DurabilitySource::Flag });
        }
        if let Some(word) = variable.filter(|word| !word.is_empty()) {
            let mode = word.to_string_lossy().parse::<DurabilityMode>();
            let mode = mode.map_err(|source| ConfigError::Variable { name: Self::VARIABLE, source })?;
            return Ok(Self { mode, source: DurabilitySource::Environment });
        }
        Ok(match project {
            Some(mode) => Self { mode, source: DurabilitySource::Project },
            None => Self { mode: DurabilityMode::default(), source: DurabilitySource::Default },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_precedence() {
        use DurabilityMode::{Full, Process};
        let choose = |flag, variable: Option<&str>, project| {
            let chosen = HostDurability::choose(flag, variable.map(OsString::from), project).unwrap();
            (chosen.mode, chosen.source)
        };
        assert_eq!(choose(None, None, None), (Full, DurabilitySource::Default));
        assert_eq!(choose(None, None, Some(Process)), (Process, DurabilitySource::Project));
        assert_eq!(choose(None, Some("full"), Some(Process)), (Full, DurabilitySource::Environment));
        assert_eq!(choose(None, Some("process"), None), (Process, DurabilitySource::Environment));
        assert_eq!(choose(Some(Process), Some("full"), Some(Full)), (Process, DurabilitySource::Flag));
        // A variable without a value is none.
        assert_eq!(choose(None, Some(""), Some(Process)), (Process, DurabilitySource::Project));
    }

    #[test]
    fn a_variable_that_is_no_durability_is_told_where_it_counts() {
        let bad = || Some(OsString::from("fast"));
        let error = HostDurability::choose(None, bad(), Some(DurabilityMode::Full)).unwrap_err();
        assert!(error.to_string().contains(HostDurability::VARIABLE), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("`full`") && hint.contains("`process`")), "{error}");
        assert!(HostDurability::choose(Some(DurabilityMode::Full), bad(), None).is_ok());
    }
}
