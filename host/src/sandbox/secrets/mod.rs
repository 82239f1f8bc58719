//! Secrets that one attempt has asked for. The guest holds placeholders, which the host replaces in the requests that it sends for the guest; a
//! value only where the grant says `reveal`.
//!
//! A placeholder is worth nothing outside the attempt: it is made anew for each, from the system's random numbers, and stands for its secret
//! only on the way to hosts that the grants name. Values leave this module into requests that are being sent, and for nothing else.

mod log;
mod redaction;
mod requests;
#[cfg(test)]
mod requests_tests;

use std::sync::Mutex;

use secrecy::{ExposeSecret as _, SecretString};

use super::audit::{AccessKind, Audit};
use super::grants::SecretGrant;
use super::port::OpenedSecret;
use crate::journal::Failure;
use crate::mutex::lock;

pub(super) use log::MaskedLog;
pub(super) use redaction::Redaction;
pub(super) use requests::Outgoing;

/// What every placeholder begins with. Letters, digits and `_` alone: it stays the same in a URL.
const MARK: &str = "kitaru_secret_";

/// A secret that was asked for.
struct Asked {
    /// `NAME.KEY`.
    name: String,
    version: u64,
    value: SecretString,
    /// What the guest holds in its place; none where it holds the value.
    placeholder: Option<String>,
    /// The grants for it.
    grants: Vec<SecretGrant>,
}

/// The secrets of one attempt.
pub(super) struct Secrets {
    grants: Vec<SecretGrant>,
    asked: Mutex<Vec<Asked>>,
    audit: Audit,
}

impl Secrets {
    pub(super) fn new(grants: &[SecretGrant], audit: &Audit) -> Self {
        Self { grants: grants.to_vec(), asked: Mutex::default(), audit: audit.clone() }
    }

    /// Whether some value may be revealed, so that it may turn up in what the guest says.
    pub(super) fn may_reveal(&self) -> bool {
        self.grants.iter().any(|grant| grant.reveal)
    }

    /// The key to ask for, if the grants let the guest use the value of `key` in the secret `name`, or of the key that they name themselves. A
    /// refusal is noted.
    pub(super) fn may_use(&self, name: &str, key: Option<&str>) -> Result<Option<String>, Failure> {
        let granted: Vec<Option<&str>> = self.grants.iter().filter_map(|grant| grant.key_in(name)).collect();
        let found = match key {
            Some(key) => granted.iter().any(|granted| granted.is_none_or(|granted| granted == key)).then_some(Some(key)),
            None if granted.contains(&None) => Some(None),
            None => match granted.as_slice() {
                [] => None,
                [only, others @ ..] if others.iter().all(|other| other == only) => Some(*only),
                several => {
                    let keys: Vec<&str> = several.iter().filter_map(|key| *key).collect();
                    let text = format!("several keys of the secret `{name}` are granted: name one of {}", keys.join(", "));
                    return Err(Failure::usage(text));
                }
            },
        };
        found.map(|key| key.map(str::to_owned)).ok_or_else(|| self.denied(&shown(name, key)))
    }

    fn denied(&self, shown: &str) -> Failure {
        // A guest chose the text: a flag is told only for a name, and not where more stands in its place than that.
        if !shown.parse::<SecretGrant>().is_ok_and(|grant| grant.host.is_none() && !grant.reveal) {
            self.audit.refused(AccessKind::Secret, shown, format!("the secret {shown} (no secret can be called that)"));
            return Failure::runtime("capability", format!("no secret can be called `{shown}`"));
        }
        let flag = format!("--allow-secret={shown}");
        self.audit.denied(AccessKind::Secret, shown, &format!("the secret {shown}"), &flag);
        let text = format!("no grant lets this checkpoint use the secret `{shown}`: grant it with {flag}");
        Failure::runtime("capability", text).with_details(&serde_json::json!({ "flag": flag }))
    }

    /// What the guest gets for a secret that was opened for it: the same placeholder each time, or the value.
    pub(super) fn give(&self, name: &str, opened: OpenedSecret) -> Result<String, Failure> {
        let OpenedSecret { key, version, value } = opened;
        let grants: Vec<SecretGrant> = self.grants.iter().filter(|grant| grant.covers(name, &key)).cloned().collect();
        let name = shown(name, Some(&key));
        if grants.is_empty() {
            return Err(self.denied(&name));
        }
        let is_revealed = grants.iter().any(|grant| grant.reveal);
        let mut all = lock(&self.asked);
        let place = match all.iter().position(|asked| asked.name == name) {
            // It was set anew meanwhile: the placeholder stays, and stands for the newest.
            Some(place) => place,
            None => {
                let placeholder = (!is_revealed).then(new_placeholder).transpose()?;
                all.push(Asked { name, version, value: value.clone(), placeholder, grants });
                all.len() - 1
            }
        };
        let Some(asked) = all.get_mut(place) else { return Err(Failure::runtime("internal", "a secret was lost")) };
        (asked.version, asked.value) = (version, value);
        if let Some(placeholder) = &asked.placeholder {
            return Ok(placeholder.clone());
        }
        self.audit.used_with(AccessKind::Secret, &format!("{} → the checkpoint", asked.name), format!("version {version}"));
        Ok(asked.value.expose_secret().to_owned())
    }

    /// The values that the guest holds.
    pub(super) fn revealed(&self) -> Redaction {
        let asked = lock(&self.asked);
        Redaction::of(asked.iter().filter(|asked| asked.placeholder.is_none()).map(|asked| asked.value.expose_secret()))
    }
}

/// `NAME` or `NAME.KEY`, as a guest says it: only as much as a grant could say.
fn shown(name: &str, key: Option<&str>) -> String {
    let plain = |text: &str| text.chars().take(100).collect::<String>().escape_debug().to_string();
    key.map_or_else(|| plain(name), |key| format!("{}.{}", plain(name), plain(key)))
}

/// From the system, and not from what the host's tests can foresee: who could guess it could have the secret sent.
fn new_placeholder() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::runtime("internal", format!("no random numbers: {error}")))?;
    Ok(format!("{MARK}{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The secrets of an attempt, of which each of `names` was asked for and has the value `value-of-NAME.KEY`.
    pub(in crate::sandbox) fn asked(grants: &[&str], names: &[&str]) -> (Secrets, Vec<String>) {
        let grants: Vec<SecretGrant> = grants.iter().map(|text| text.parse().unwrap()).collect();
        let secrets = Secrets::new(&grants, &Audit::default());
        let given = names.iter().map(|name| {
            let opened = OpenedSecret { key: "KEY".into(), version: 3, value: format!("value-of-{name}.KEY").into() };
            secrets.give(name, opened).unwrap()
        });
        let given = given.collect();
        (secrets, given)
    }

    #[test]
    fn a_key_is_asked_for_where_it_is_granted() {
        let may = |grants: &[&str], name: &str, key: Option<&str>| {
            asked(grants, &[]).0.may_use(name, key).map_err(|failure| failure.kind)
        };
        assert_eq!(may(&["gh"], "gh", None), Ok(None));
        assert_eq!(may(&["gh"], "gh", Some("B")), Ok(Some("B".into())));
        assert_eq!(may(&["gh.A@a.example", "gh.A@b.example"], "gh", None), Ok(Some("A".into())));
        assert_eq!(may(&["gh.A", "gh.B"], "gh", None), Err("usage".into()));
        for (name, key) in [("gh", Some("B")), ("other", None), ("g", None), ("", None), ("gh.", Some("A"))] {
            assert_eq!(may(&["gh.A"], name, key), Err("capability".into()), "{name} {key:?}");
        }
    }

    #[test]
    fn a_placeholder_is_unlike_the_value_and_unlike_every_other() {
        let (secrets, given) = asked(&["a", "b", "c=reveal"], &["a", "b", "c", "a"]);
        let [a, b, c, again] = given.as_slice() else { panic!("{given:?}") };
        assert_eq!((c.as_str(), a), ("value-of-c.KEY", again));
        assert!(a != b && a.starts_with(MARK) && a.len() == MARK.len() + 32, "{a} {b}");
        assert_ne!(a, &asked(&["a"], &["a"]).1[0], "another attempt has another one");
        let noted = secrets.audit.accesses();
        let noted: Vec<_> = noted.iter().map(|access| (access.target.as_str(), access.detail.as_deref())).collect();
        assert_eq!(noted, [("c.KEY → the checkpoint", Some("version 3"))], "a placeholder is no use yet");
    }

    #[test]
    fn what_a_guest_asks_for_is_told_with_the_flag() {
        let (secrets, _) = asked(&["gh"], &[]);
        let failure = secrets.may_use("smtp", Some("PASSWORD")).unwrap_err();
        assert!(failure.message.ends_with("--allow-secret=smtp.PASSWORD"), "{failure:?}");
        assert_eq!(secrets.audit.denials(), ["the secret smtp.PASSWORD (grant it with --allow-secret=smtp.PASSWORD)"]);
        let odd = secrets.may_use("\u{1b}[2J", None).unwrap_err();
        assert!(!odd.message.contains('\u{1b}'), "{odd:?}");
        for name in ["gh=reveal", "gh@evil.example", "x --allow-net=*"] {
            let (secrets, _) = asked(&[], &[]);
            let told = format!("{:?} {:?}", secrets.may_use(name, None).unwrap_err(), secrets.audit.denials());
            assert!(told.contains("can be called") && !told.contains("--allow-secret"), "{told}");
        }
    }
}
