//! Large values and components.

use super::Place;
use crate::ids::ComponentDigest;
use crate::journal::{Payload, PayloadHash};
use crate::store::{Blobs, Components, Executions as _, StoreError, get_bytes, get_text, put_bytes};

pub(crate) async fn blobs_are_kept_by_content<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    for bytes in [vec![], b"small".to_vec(), vec![42; 200_000]] {
        let hash = store.put_blob(bytes.clone()).await.unwrap();
        assert_eq!(hash, PayloadHash::of(&bytes));
        assert_eq!(other.put_blob(bytes.clone()).await.unwrap(), hash);
        assert_eq!(other.get_blob(&hash).await.unwrap(), bytes);
    }
    let missing = store.get_blob(&PayloadHash::of(b"never put")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { what: "blob", .. })));
}

pub(crate) async fn components_are_kept_by_digest<P: Place>(place: P) {
    let store = place.open();
    let digest = store.put_component(b"\0asm").await.unwrap();
    assert_eq!(digest, ComponentDigest::of(b"\0asm"));
    store.put_component(b"\0asm").await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.get_component(digest).await.unwrap(), b"\0asm");
    let missing = store.get_component(ComponentDigest::of(b"other")).await;
    assert!(matches!(missing, Err(StoreError::NotFound { what: "component", .. })));
}

pub(crate) async fn signatures_are_kept_with_their_component<P: Place>(place: P) {
    let store = place.open();
    let (digest, other) = (store.put_component(b"signed").await.unwrap(), store.put_component(b"other").await.unwrap());
    assert!(store.signatures(digest).await.unwrap().is_empty());
    store.put_signature(digest, "B", "of b").await.unwrap();
    store.put_signature(digest, "A", "of a").await.unwrap();
    store.put_signature(digest, "A", "of a, later").await.unwrap();
    store.put_signature(other, "A", "of another").await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.signatures(digest).await.unwrap(), ["of a, later", "of b"], "one of each key, the latest");
    assert_eq!(store.signatures(other).await.unwrap(), ["of another"]);
    for bad in ["", "../x", "a/b", "a.b"] {
        assert!(store.put_signature(digest, bad, "x").await.is_err(), "{bad}");
    }
    // Nobody needs the components: they go, and then what belongs to them.
    store.sweep(std::time::Duration::ZERO).await.unwrap();
    store.sweep(std::time::Duration::ZERO).await.unwrap();
    assert!(store.signatures(digest).await.unwrap().is_empty() && store.signatures(other).await.unwrap().is_empty());
}

pub(crate) async fn large_values_leave_the_row<P: Place>(place: P) {
    let store = place.open();
    let small = put_bytes(&store, vec![b'a'; Payload::INLINE_LIMIT]).await.unwrap();
    assert!(matches!(small, Payload::Inline(_)));
    let large = put_bytes(&store, vec![b'b'; Payload::INLINE_LIMIT + 1]).await.unwrap();
    assert!(matches!(large, Payload::Blob { len, .. } if len == Payload::INLINE_LIMIT as u64 + 1));
    assert_eq!(get_bytes(&store, &small).await.unwrap(), vec![b'a'; Payload::INLINE_LIMIT]);
    assert_eq!(get_text(&store, &large).await.unwrap(), "b".repeat(Payload::INLINE_LIMIT + 1));
}
