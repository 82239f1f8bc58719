//! A journal on its way from the store: what has come is looked at while more is read.

use tokio::sync::mpsc;

use super::StoredEntry;
use crate::store::StoreError;

/// Pages that wait for whoever takes them. Their bytes are not kept beside all that they are made into.
const AHEAD: usize = 4;

/// Pages of a journal, in order. Whoever takes them asks the store for nothing else until the last has come, or all who read might wait for
/// one another.
#[derive(Debug)]
pub struct Reading {
    pages: mpsc::Receiver<Page>,
}

/// Hands pages on to a [`Reading`]. Dropped without a word, it was cut short.
#[derive(Debug)]
pub struct Reader {
    pages: mpsc::Sender<Page>,
}

#[derive(Debug)]
enum Page {
    Records(Vec<StoredEntry>),
    End(Result<(), StoreError>),
}

impl Reading {
    /// A reading, and who hands it its pages.
    pub fn new() -> (Reader, Self) {
        let (sender, pages) = mpsc::channel(AHEAD);
        (Reader { pages: sender }, Self { pages })
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// When the store could not be read to the end.
    pub async fn next(&mut self) -> Result<Option<Vec<StoredEntry>>, StoreError> {
        match self.pages.recv().await {
            Some(Page::Records(records)) => Ok(Some(records)),
            Some(Page::End(end)) => end.map(|()| None),
            None => Err(StoreError::Backend("the store stopped in the middle of a journal".into())),
        }
    }
}

impl Reader {
    /// Hands on a page, and waits while nobody takes those before it. False, if nobody will take any more. Not for async code.
    pub fn hand_on(&self, records: Vec<StoredEntry>) -> bool {
        self.pages.blocking_send(Page::Records(records)).is_ok()
    }

    /// Says that this was all, or why there is no more. Not for async code.
    pub fn end(self, end: Result<(), StoreError>) {
        // Whoever took the pages may be gone, and then nobody wants to know.
        drop(self.pages.blocking_send(Page::End(end)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_cut_short_is_not_taken_for_all() {
        let (reader, mut reading) = Reading::new();
        tokio::task::spawn_blocking(move || reader.hand_on(Vec::new())).await.unwrap();
        assert!(reading.next().await.unwrap().is_some());
        assert!(matches!(reading.next().await, Err(StoreError::Backend(_))));
    }
}
