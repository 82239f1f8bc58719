//! Places for model calls: so many of a host's are made at a time, whoever makes them; the others wait for their turn, in the order in which they came.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::EngineError;
use crate::mutex::lock;

/// A place for a call, for as long as this is held.
pub(super) type CallPlace = Arc<OwnedSemaphorePermit>;

/// The place that the model calls of one attempt have in the host.
///
/// A body that reads a stream may make other calls meanwhile. They share its place: if each waited for one of its own, as many bodies as there are
/// places could wait for each other for ever.
#[derive(Debug, Default)]
pub(super) struct AttemptPlaces {
    of_stream: Mutex<Weak<OwnedSemaphorePermit>>,
}

impl AttemptPlaces {
    /// A place for a call that ends by itself.
    pub(super) async fn for_call(&self, places: Arc<Semaphore>) -> Result<CallPlace, EngineError> {
        match self.shared() {
            Some(place) => Ok(place),
            None => free(places).await,
        }
    }

    /// A place for a stream, which the body reads as it likes.
    pub(super) async fn for_stream(&self, places: Arc<Semaphore>) -> Result<CallPlace, EngineError> {
        let place = self.for_call(places).await?;
        *lock(&self.of_stream) = Arc::downgrade(&place);
        Ok(place)
    }

    fn shared(&self) -> Option<CallPlace> {
        lock(&self.of_stream).upgrade()
    }
}

/// A place, when one is free.
pub(super) async fn free(places: Arc<Semaphore>) -> Result<CallPlace, EngineError> {
    let place = places.acquire_owned().await.map_err(|_| EngineError::state("the host is stopping"))?;
    Ok(Arc::new(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_beside_a_stream_share_its_place_and_others_have_their_own() {
        let places = Arc::new(Semaphore::new(2));
        let (one, other) = (AttemptPlaces::default(), AttemptPlaces::default());
        let stream = one.for_stream(places.clone()).await.unwrap();
        let beside = [one.for_call(places.clone()).await.unwrap(), one.for_stream(places.clone()).await.unwrap()];
        assert_eq!(places.available_permits(), 1);
        let call = other.for_call(places.clone()).await.unwrap();
        assert_eq!(places.available_permits(), 0);
        // Nobody gets in until the last of those that share a place has ended.
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { AttemptPlaces::default().for_call(places).await.unwrap() }
        });
        drop(stream);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(beside);
        let _third = waiting.await.unwrap();
        assert_eq!(places.available_permits(), 0);
        drop(call);
        assert_eq!(places.available_permits(), 1);
    }
}
