//! Manifests of flows.

use kitaru_host::sandbox::{CheckpointOptions, Manifest};

use super::are_unique;

/// A manifest that is taken has names that can be shown, stored and told apart, and options that can be kept; written down, it is taken again.
pub(crate) fn any_manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(manifest) = Manifest::parse(&text) else { return };
    let names = |manifest: &Manifest| -> [Vec<String>; 2] {
        let flows = manifest.flows.iter().map(|flow| flow.name.clone()).collect();
        [flows, manifest.checkpoints.iter().map(|checkpoint| checkpoint.name.clone()).collect()]
    };
    for names in names(&manifest) {
        assert!(are_unique(names.iter().map(String::as_str)));
        for name in &names {
            assert!(!name.is_empty() && name.len() <= 100 && !name.starts_with('-'), "{name:?}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{name:?}");
        }
    }
    for flow in &manifest.flows {
        assert_eq!(manifest.flow(&flow.name), Some(flow));
    }
    for checkpoint in &manifest.checkpoints {
        assert_eq!(manifest.checkpoint(&checkpoint.name), Some(checkpoint));
        let CheckpointOptions { retries, backoff, jitter, .. } = &checkpoint.options;
        assert!(*retries <= 1_000 && !(checkpoint.options.is_once() && *retries > 0));
        assert!(backoff.is_none_or(|backoff| (1.0..=100.0).contains(&backoff)));
        assert!(jitter.is_none_or(|jitter| (0.0..=1.0).contains(&jitter)));
    }
    // Not compared as a whole: the last digit of a number with a fraction may differ.
    let written = serde_json::to_string(&manifest).expect("a manifest is JSON");
    let again = Manifest::parse(&written).expect("what was taken is taken again");
    assert_eq!(names(&again), names(&manifest));
}
