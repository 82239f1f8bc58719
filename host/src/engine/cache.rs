//! Caching across executions (E14): what a result depends on, and serving one that was made before.

use std::time::Duration;

use serde_json::Value;

use super::call::Call;
use super::calls::Ended;
use super::events::{Event, ServedFrom};
use super::models::{Reuse, reused};
use super::recorder::Step;
use super::run::Run;
use crate::ids::ComponentDigest;
use crate::journal::{CanonicalJson, Descriptor, EntryBody, Outcome, Payload, Provenance};
use crate::sandbox::{CheckpointOptions, Grants, Stop};
use crate::store::CacheKey;

/// Where a call's result may be served again, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachePolicy {
    pub(super) key: CacheKey,
    pub(super) ttl: Option<Duration>,
}

impl CachePolicy {
    /// The policy of a call, if it is to be cached: the execution's setting goes before the checkpoint's, and that before the flow's.
    pub(super) fn of(
        component: ComponentDigest,
        grants: &Grants,
        call: &Descriptor,
        options: &CheckpointOptions,
        flow: Option<bool>,
        execution: Option<bool>,
        call_key: Option<&str>,
    ) -> Option<Self> {
        // What may happen once has to happen.
        let wanted = execution.or(options.cache).or(flow).unwrap_or(false) && !options.is_once();
        let granted = wanted.then(|| granted(grants)).flatten();
        granted.map(|granted| {
            let mut hasher = blake3::Hasher::new_derive_key("kitaru-host 2026-11 cached result");
            hasher.update(component.as_bytes()).update(call.input_hash.as_bytes());
            for part in [Some(call.name.as_str()), options.cache_key.as_deref(), call_key, Some(granted.as_str())] {
                // With its length, so that no two lists of parts are one text.
                let part = part.map(str::as_bytes);
                hasher.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes()).update(part.unwrap_or_default());
            }
            Self { key: *hasher.finalize().as_bytes(), ttl: options.cache_ttl_ms.map(Duration::from_millis) }
        })
    }
}

/// What a body may touch, as one text, in whatever order it was granted: a body that may touch less would have come to another result, or to
/// none, and is not told what it could not have found out.
fn granted(grants: &Grants) -> Option<String> {
    let mut value = serde_json::to_value(grants).ok()?;
    sort(&mut value);
    Some(CanonicalJson::of(&value).into_string())
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_cached_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort),
        _ => {}
    }
}

impl Run {
    /// Serves a call from the cache, if it has the result.
    pub(super) async fn serve_cached(
        &self,
        call: &Call,
        policy: &CachePolicy,
        descriptor: Option<&Descriptor>,
        flow_metadata: &mut Option<String>,
    ) -> Result<Option<Ended>, Stop> {
        // An earlier call of this execution may have put it there.
        self.recorder.settle().await?;
        let found = self.store.cached(policy.key, self.clock.now()).await.map_err(super::EngineError::from)?;
        let Some(found) = found else { return Ok(None) };
        if let Payload::Blob { hash, .. } = &found.result
            && !self.store.keep_blob(hash).await.map_err(super::EngineError::from)?
        {
            // Its execution was deleted since the look.
            return Ok(None);
        }
        let outcome = Outcome::Success(found.result);
        let entry = EntryBody::CallEnded {
            call: call.index,
            attempt: 0,
            descriptor: descriptor.cloned(),
            outcome: outcome.clone(),
            provenance: Provenance::Cached { source: found.call.execution, call: found.call.index },
            metadata: reused(found.metadata, Reuse::Cache),
            started_at: None,
        };
        let ended = self.finish(call.index, Step::entry(entry).with_metadata(flow_metadata.take()), outcome).await?;
        let Descriptor { kind, invocation, .. } = &call.descriptor;
        self.tell(|| Event::Served { index: call.index, kind: *kind, invocation: invocation.clone(), from: ServedFrom::Cache });
        Ok(Some(ended))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::journal::CallKind;

    fn call(name: &str, input: &str) -> Descriptor {
        let input = CanonicalJson::parse(input).unwrap();
        Descriptor {
            kind: CallKind::Checkpoint,
            name: name.into(),
            invocation: name.into(),
            input_hash: input.hash(),
            input: Payload::Inline(Vec::new()),
            checkpoint_type: None,
        }
    }

    #[test]
    fn e14_the_key_covers_all_that_a_result_depends_on() {
        let options = CheckpointOptions { cache: Some(true), ..CheckpointOptions::default() };
        let salted = CheckpointOptions { cache_key: Some("v2".into()), ..options.clone() };
        let (one, other) = (ComponentDigest::of(b"1"), ComponentDigest::of(b"2"));
        let key = |digest, call: &Descriptor, options: &CheckpointOptions, own: Option<&str>| {
            CachePolicy::of(digest, &Grants::default(), call, options, None, None, own).unwrap().key
        };
        let draft = call("draft", "{}");
        let base = key(one, &draft, &options, None);
        assert_eq!(base, key(one, &call("draft", " { } "), &options, None));
        let different = [
            key(other, &draft, &options, None),
            key(one, &call("other", "{}"), &options, None),
            key(one, &call("draft", "{\"a\":1}"), &options, None),
            key(one, &draft, &salted, None),
            key(one, &draft, &options, Some("v2")),
            key(one, &draft, &salted, Some("")),
        ];
        for (position, key) in different.iter().enumerate() {
            assert!(*key != base && !different[..position].contains(key), "{position}");
        }
    }

    #[test]
    fn e14_the_key_covers_what_the_body_may_touch() {
        let options = CheckpointOptions { cache: Some(true), ..CheckpointOptions::default() };
        let key = |grants: Value| {
            let grants: Grants = serde_json::from_value(grants).unwrap();
            CachePolicy::of(ComponentDigest::of(b"1"), &grants, &call("draft", "{}"), &options, None, None, None).unwrap().key
        };
        let (none, env) = (key(json!({})), key(json!({ "env": ["A", "B"] })));
        assert_eq!(env, key(json!({ "env": ["B", "A"] })), "in whatever order it was granted");
        let others =
            [none, env, key(json!({ "env": ["A"] })), key(json!({ "net": ["a.example"] })), key(json!({ "llm": ["fast"] }))];
        for (position, key) in others.iter().enumerate() {
            assert!(!others[..position].contains(key), "{position}");
        }
    }

    #[test]
    fn e14_the_executions_setting_wins() {
        let decide = |checkpoint, flow, execution| {
            let options = CheckpointOptions { cache: checkpoint, ..CheckpointOptions::default() };
            CachePolicy::of(ComponentDigest::of(b"1"), &Grants::default(), &call("a", "{}"), &options, flow, execution, None)
                .is_some()
        };
        assert!(!decide(None, None, None) && decide(Some(true), None, None) && decide(None, Some(true), None));
        assert!(!decide(Some(false), Some(true), None), "a checkpoint knows itself better than its flow");
        assert!(!decide(Some(true), None, Some(false)) && decide(Some(false), None, Some(true)));
    }
}
