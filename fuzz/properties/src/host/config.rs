//! `kitaru.toml`, and grants as they are written on a command line.

use std::path::Path;

use kitaru_host::config::ProjectConfig;
use kitaru_host::sandbox::{FolderGrant, Grants, Limits, ModelGrant, NetGrant};

use crate::parts::{text, texts};

/// A configuration is understood or refused with the reason, and what it grants and limits is stored and read as the same. So is every grant:
/// one that an execution keeps means for life what it meant when it was given.
///
/// The input is the file, then grants, one on each line.
pub(crate) fn any_configuration(data: &[u8]) {
    let texts = texts(data);
    match ProjectConfig::parse(Path::new("/project/kitaru.toml"), text(&texts, 0)) {
        Ok(config) => {
            stored(&config.grants);
            let limits = serde_json::to_string(&config.limits).expect("limits are JSON");
            assert_eq!(serde_json::from_str::<Limits>(&limits).expect("what was written can be read"), config.limits);
            config.middleware.iter().for_each(|one| drop(one.settings()));
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.hint().is_none_or(|hint| !hint.is_empty())),
    }
    for line in text(&texts, 1).lines() {
        let mut grants = Grants::default();
        grants.read.extend(same::<FolderGrant>(line));
        grants.net.extend(same::<NetGrant>(line));
        grants.llm.extend(same::<ModelGrant>(line));
        stored(&grants);
    }
}

fn stored(grants: &Grants) {
    let text = serde_json::to_string(grants).expect("grants are JSON");
    assert_eq!(&serde_json::from_str::<Grants>(&text).expect("a stored grant can be read"), grants);
}

fn same<T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let grant: T = text.parse().ok()?;
    let written = grant.to_string();
    assert_eq!(written.parse::<T>().ok().as_ref(), Some(&grant), "`{text}` is written as `{written}`");
    Some(grant)
}
