//! How somebody installs middleware.

use std::time::Duration;

use serde_json::{Map, Value};

use super::error::SettingsError;
use super::manifest::{MiddlewareManifest, StreamedCalls, Surface, is_name, twice};
use crate::sandbox::Limits;

/// How somebody installs middleware: all that its manifest leaves to them.
#[derive(Clone, Debug, PartialEq)]
pub struct MiddlewareSettings {
    /// The name that it is registered under; its own where this is none.
    pub name: Option<String>,
    /// Its priority; its own where this is none. Lower ones run first.
    pub priority: Option<i32>,
    /// Where it is to stand, of the places that it has; all of them where this is none.
    pub surfaces: Option<Vec<Surface>>,
    /// What becomes of streamed calls where it wraps executions; what its manifest says where this is none, and if that says nothing, they fail.
    pub streams: Option<StreamedCalls>,
    /// How long one use may take, what it waits for others not counted.
    pub timeout: Duration,
    /// Memory of one instance, in MiB.
    pub memory_mib: u64,
    /// One request or response that it is given or hands back, in MiB.
    pub value_mib: u64,
    /// Only calls of these flows; of all where there are none.
    pub flows: Vec<String>,
    /// What it is told with each use.
    pub config: Map<String, Value>,
}

impl Default for MiddlewareSettings {
    fn default() -> Self {
        Self {
            name: None,
            priority: None,
            surfaces: None,
            streams: None,
            timeout: Duration::from_secs(1),
            memory_mib: 64,
            value_mib: 8,
            flows: Vec::new(),
            config: Map::new(),
        }
    }
}

/// The longest time that one use may be given.
const LONGEST: Duration = Duration::from_secs(600);
/// Log text of one use, in MiB.
const LOG_MIB: u64 = 1;

impl MiddlewareSettings {
    /// Checks that a component with this manifest can be installed so, and tells where it stands.
    pub(super) fn check(&self, manifest: &MiddlewareManifest) -> Result<Vec<Surface>, SettingsError> {
        if let Some(name) = self.name.as_ref().filter(|name| !is_name(name)) {
            return Err(SettingsError::Name(name.chars().take(100).collect()));
        }
        if self.timeout.is_zero() || self.timeout > LONGEST {
            return Err(SettingsError::Timeout { longest: LONGEST });
        }
        if self.memory_mib == 0 || self.value_mib == 0 {
            return Err(SettingsError::NoRoom);
        }
        let mut surfaces = match &self.surfaces {
            None => manifest.surfaces.clone(),
            Some(wanted) => {
                if let Some(missing) = wanted.iter().find(|surface| !manifest.surfaces.contains(surface)) {
                    return Err(SettingsError::Surface { surface: *missing, has: manifest.surfaces.clone() });
                }
                if wanted.is_empty() {
                    return Err(SettingsError::NoSurface);
                }
                match twice(wanted) {
                    Some(surface) => return Err(SettingsError::Duplicate(surface)),
                    None => wanted.clone(),
                }
            }
        };
        if manifest.break_chain && !self.flows.is_empty() && surfaces.contains(&Surface::Rewrite) {
            return Err(SettingsError::BreaksChain);
        }
        surfaces.sort_unstable();
        Ok(surfaces)
    }

    /// What becomes of streamed calls of a component with this manifest that stands there. Who installs it has the last word, and where nobody says
    /// anything nothing goes past it.
    pub(super) fn streams_beside(&self, manifest: &MiddlewareManifest, surfaces: &[Surface]) -> Option<StreamedCalls> {
        surfaces.contains(&Surface::Execute).then(|| self.streams.or(manifest.streams).unwrap_or_default())
    }

    /// What one instance may use.
    pub(super) fn limits(&self) -> Limits {
        let Self { memory_mib, value_mib, .. } = *self;
        Limits { memory_mib, value_mib, artifact_mib: value_mib, log_mib: LOG_MIB, ..Limits::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut MiddlewareSettings)) -> Result<Vec<Surface>, SettingsError> {
        let manifest = r#"{"manifest":1,"name":"x","surfaces":["rewrite","check"],"break_chain":true}"#;
        let mut settings = MiddlewareSettings::default();
        change(&mut settings);
        settings.check(&MiddlewareManifest::parse(manifest).unwrap())
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        use Surface::{Check, Execute, Rewrite};
        assert_eq!(check(|_| ()), Ok(vec![Check, Rewrite]));
        assert_eq!(check(|settings| settings.surfaces = Some(vec![Rewrite])), Ok(vec![Rewrite]));
        let surface = |wanted: &[Surface]| check(|settings| settings.surfaces = Some(wanted.to_vec())).unwrap_err();
        assert_eq!(surface(&[]), SettingsError::NoSurface);
        assert_eq!(surface(&[Check, Check]), SettingsError::Duplicate(Check));
        let missing = surface(&[Check, Execute]).to_string();
        assert_eq!(missing, "it has no surface `execute`; it has: check, rewrite");
        assert!(matches!(check(|settings| settings.name = Some("a b".into())), Err(SettingsError::Name(_))));
        for timeout in [Duration::ZERO, Duration::from_secs(601)] {
            assert!(matches!(check(|settings| settings.timeout = timeout), Err(SettingsError::Timeout { .. })));
        }
        assert_eq!(check(|settings| settings.memory_mib = 0), Err(SettingsError::NoRoom));
        // The chain would end for the calls of other flows too.
        assert_eq!(check(|settings| settings.flows = vec!["a".into()]), Err(SettingsError::BreaksChain));
    }

    #[test]
    fn nothing_goes_past_it_unless_somebody_says_so() {
        use StreamedCalls::{Pass, Refuse};
        let all = [Surface::Check, Surface::Execute];
        for (installed, said, expected) in [
            (None, None, Refuse),
            (None, Some(Pass), Pass),
            (None, Some(Refuse), Refuse),
            (Some(Pass), None, Pass),
            (Some(Pass), Some(Refuse), Pass),
            (Some(Refuse), Some(Pass), Refuse),
        ] {
            let mut manifest = MiddlewareManifest::parse(r#"{"manifest":1,"name":"x","surfaces":["check","execute"]}"#).unwrap();
            manifest.streams = said;
            let settings = MiddlewareSettings { streams: installed, ..MiddlewareSettings::default() };
            assert_eq!(settings.streams_beside(&manifest, &all), Some(expected), "{installed:?} over {said:?}");
            assert_eq!(settings.streams_beside(&manifest, &all[..1]), None, "it does not wrap executions");
        }
    }
}
