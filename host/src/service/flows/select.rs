//! Which version of a flow is meant, and which names flows and tags may have.

use crate::service::ServiceError;
use crate::store::{DEFAULT_TAG, DeploymentRow, Store};

/// Tags that begin so are the host's.
const RESERVED: &str = "kitaru:deployment:";
const LIST: &str = "see what there is: kitaru-host flow list";

fn usage(message: String, hint: &str) -> ServiceError {
    ServiceError::Usage { message, hint: Some(hint.to_owned()) }
}

/// A flow's name, as it is looked for.
pub(super) fn flow_name(text: &str) -> Result<&str, ServiceError> {
    let name = text.trim();
    if name.is_empty() {
        return Err(usage("A flow name must not be empty.".into(), LIST));
    }
    if name.contains("::") {
        return Err(usage(format!("The flow name '{name}' must not contain `::`."), "name the flow and its version apart"));
    }
    Ok(name)
}

/// A tag's name, as it is kept.
pub(super) fn tag_name(text: &str) -> Result<&str, ServiceError> {
    let name = text.trim();
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        return Err(usage(
            "A deployment tag has 1 to 100 bytes without control characters.".into(),
            "choose a name such as `canary`",
        ));
    }
    if name.starts_with(RESERVED) {
        return Err(usage(format!("The tag '{name}' is in the reserved namespace `{RESERVED}`."), "choose another name"));
    }
    Ok(name)
}

/// Checks that a tag may be as exclusive as somebody wants it.
pub(super) fn check_kind(tag: &str, exclusive: Option<bool>) -> Result<(), ServiceError> {
    if tag == DEFAULT_TAG && exclusive == Some(false) {
        return Err(usage(
            format!("The tag '{DEFAULT_TAG}' is always exclusive."),
            "leave `exclusive` out, or choose another tag",
        ));
    }
    Ok(())
}

/// The version that is meant: that of a number, the only one with a tag, or the default.
pub(super) async fn deployment(
    store: &dyn Store,
    flow: &str,
    version: Option<u64>,
    tag: Option<&str>,
) -> Result<DeploymentRow, ServiceError> {
    let flow = flow_name(flow)?;
    let found = match (version, tag) {
        (Some(_), Some(_)) => {
            return Err(usage("`version` and `tag` are mutually exclusive.".into(), "give the one or the other"));
        }
        (Some(version), None) => match store.deployment(flow, version).await? {
            Some(row) => return Ok(row),
            None => Vec::new(),
        },
        (None, tag) => store.tagged(flow, tag.map(tag_name).transpose()?.unwrap_or(DEFAULT_TAG)).await?,
    };
    // Only to say what is wrong is it asked which others there are.
    let versions = if found.len() == 1 { Vec::new() } else { store.deployments(Some(flow)).await? };
    let versions: Vec<u64> = versions.iter().map(|row| row.version).collect();
    only(flow, version, tag, found, &versions)
}

/// The only one of those that were found. `versions` are all that the flow has.
fn only(
    flow: &str,
    version: Option<u64>,
    tag: Option<&str>,
    mut found: Vec<DeploymentRow>,
    versions: &[u64],
) -> Result<DeploymentRow, ServiceError> {
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let tag = tag.unwrap_or(DEFAULT_TAG);
            let all = numbers(found.iter().chain([&last]).map(|row| row.version));
            Err(ServiceError::State {
                message: format!("The tag '{tag}' of flow '{flow}' is ambiguous: it is on the versions {all}."),
                hint: Some("name a version, or make the tag exclusive: kitaru-host flow tag … --exclusive".into()),
            })
        }
        (None, _) if versions.is_empty() => Err(none(flow)),
        (None, _) => {
            let all = numbers(versions.iter().copied());
            Err(match (version, tag) {
                (Some(version), _) => ServiceError::Lookup(format!("Flow '{flow}' has no version {version}; it has {all}.")),
                (None, Some(tag)) => ServiceError::Lookup(format!("No version of flow '{flow}' has the tag '{tag}'.")),
                (None, None) => ServiceError::State {
                    message: format!("Flow '{flow}' has deployments, and none of them is the default."),
                    hint: Some(format!("name a version of {all}, or tag one: kitaru-host flow tag {flow} default --version …")),
                },
            })
        }
    }
}

/// A flow that was never published, or is not any more.
pub(super) fn none(flow: &str) -> ServiceError {
    ServiceError::Lookup(format!("Flow '{flow}' has no deployments. Publish one with `kitaru-host deploy`."))
}

/// Versions in a list, the latest first.
fn numbers(versions: impl Iterator<Item = u64>) -> String {
    versions.map(|version| version.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::{ComponentDigest, Ids as _, SystemIds};

    fn row(version: u64) -> DeploymentRow {
        DeploymentRow {
            id: SystemIds.deployment(),
            flow: "f".into(),
            version,
            component: ComponentDigest::of(b"component"),
            schema: "null".into(),
            spec: "{}".into(),
            created_by: "local".into(),
            created_at: Timestamp::from_micros(1),
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn x21_what_is_not_one_version_is_told_by_its_class() {
        let only = |version, tag, found: Vec<DeploymentRow>, versions: &[u64]| {
            only("f", version, tag, found, versions).map(|row| row.version).map_err(|error| (error.class(), error.to_string()))
        };
        assert_eq!(only(None, Some("canary"), vec![row(2)], &[]), Ok(2));
        let cases = [
            (None, Some("canary"), vec![row(3), row(1)], &[3, 1][..], "KitaruStateError", "the versions 3, 1"),
            (None, None, vec![], &[], "LookupError", "no deployments"),
            (Some(4), None, vec![], &[], "LookupError", "no deployments"),
            (Some(4), None, vec![], &[3, 1], "LookupError", "no version 4; it has 3, 1"),
            (None, Some("canary"), vec![], &[3], "LookupError", "the tag 'canary'"),
            (None, None, vec![], &[3], "KitaruStateError", "none of them is the default"),
        ];
        for (version, tag, found, versions, class, part) in cases {
            let (told, message) = only(version, tag, found, versions).unwrap_err();
            assert_eq!(told, class, "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(flow_name(" write ").unwrap(), "write");
        assert_eq!(tag_name(" v1.0 beta ").unwrap(), "v1.0 beta");
        for wrong in ["", " ", "a::b", "kitaru::a::v1"] {
            assert_eq!(flow_name(wrong).unwrap_err().class(), "KitaruUsageError", "{wrong}");
        }
        for wrong in ["", "a\nb", "kitaru:deployment:x", &"x".repeat(101)] {
            assert_eq!(tag_name(wrong).unwrap_err().class(), "KitaruUsageError", "{wrong}");
        }
        assert!(check_kind("default", Some(false)).is_err());
        check_kind("default", Some(true)).and(check_kind("canary", Some(false))).unwrap();
    }
}
