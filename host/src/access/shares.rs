//! What the host has so much of at a time: connections, streams, work. Nobody gets more than a part, so that one cannot take all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::mutex::lock;

/// So much at a time, of which each has a part at most. Clones share what is taken.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash> {
    taken: Arc<Mutex<Taken<K>>>,
    all: usize,
    of_one: usize,
}

#[derive(Debug)]
struct Taken<K> {
    total: usize,
    by: HashMap<K, usize>,
}

/// Why nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All is taken.
    All,
    /// Whoever asks has as much as one gets.
    Own,
}

/// What somebody has taken. It is given back when this goes.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    taken: Arc<Mutex<Taken<K>>>,
    key: K,
    amount: usize,
}

impl<K: Eq + Hash> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self { taken: self.taken.clone(), all: self.all, of_one: self.of_one }
    }
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// So much for all, and so much of it for one.
    pub fn new(all: usize, of_one: usize) -> Self {
        Self { taken: Arc::new(Mutex::new(Taken { total: 0, by: HashMap::new() })), all, of_one }
    }

    /// Takes some for one, now or not at all.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, key: K, amount: usize) -> Result<Share<K>, Full> {
        self.take_within(key, amount, self.of_one)
    }

    /// The same, for somebody who gets so much.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take_within(&self, key: K, amount: usize, of_one: usize) -> Result<Share<K>, Full> {
        let mut taken = lock(&self.taken);
        let own = taken.by.get(&key).copied().unwrap_or_default();
        if own.saturating_add(amount) > of_one {
            return Err(Full::Own);
        }
        if taken.total.saturating_add(amount) > self.all {
            return Err(Full::All);
        }
        taken.total += amount;
        taken.by.insert(key.clone(), own + amount);
        Ok(Share { taken: self.taken.clone(), key, amount })
    }

    /// How much all have.
    pub fn taken(&self) -> usize {
        lock(&self.taken).total
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total = taken.total.saturating_sub(self.amount);
        if let Some(own) = taken.by.get_mut(&self.key) {
            *own = own.saturating_sub(self.amount);
            // Whoever has nothing takes no memory.
            if *own == 0 {
                taken.by.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_a_part_and_all_have_the_whole() {
        let shares = Shares::new(5, 2);
        let mut ours: Vec<_> = (0..2).map(|_| shares.take("ours", 1).unwrap()).collect();
        assert_eq!(shares.take("ours", 1).unwrap_err(), Full::Own);
        let theirs = shares.take("theirs", 2).unwrap();
        assert_eq!(shares.take("others", 2).unwrap_err(), Full::All);
        assert_eq!((shares.take("others", 3).unwrap_err(), shares.taken()), (Full::Own, 4), "what is refused takes nothing");
        assert!(shares.take_within("ours", 1, 3).is_ok());
        ours.pop();
        assert!(shares.take("ours", 1).is_ok() && shares.take("others", 2).is_ok());
        drop((ours, theirs));
        let taken = lock(&shares.taken);
        assert_eq!((taken.total, taken.by.len()), (0, 0));
    }
}
