//! How a client treats its server: how long it waits, and whom it trusts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How a client treats its server.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long it may take until an answer begins.
    pub answer: Duration,
    /// The same where a whole component or archive is sent or made first.
    pub transfer: Duration,
    /// How long an answer may stand still. A server says every 15 seconds that a quiet stream is there.
    pub silence: Duration,
    /// How often a request is sent at most, where it may be sent again.
    pub tries: u32,
    /// How long a stream that was lost is looked for.
    pub reconnect: Duration,
    /// Certificates in PEM that are trusted beside those of the system.
    pub authorities: Option<PathBuf>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            transfer: Duration::from_secs(15 * 60),
            silence: Duration::from_secs(60),
            tries: 4,
            reconnect: Duration::from_secs(120),
            authorities: None,
        }
    }
}

impl ClientSettings {
    /// The variable with a file of certificates to trust.
    pub const AUTHORITIES: &'static str = "KITARU_CA_FILE";

    /// What the environment says, and what is good for most.
    pub fn of_environment(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let authorities = environment(Self::AUTHORITIES).filter(|file| !file.is_empty()).map(PathBuf::from);
        Self { authorities, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_is_named_by_the_environment() {
        let with = |value: &str| ClientSettings::of_environment(|name| (name == "KITARU_CA_FILE").then(|| value.into()));
        assert_eq!(with("/ca.pem").authorities, Some("/ca.pem".into()));
        assert_eq!(with("").authorities, None);
    }
}
