//! How values spread over buckets, as the protocol counts them.

/// Values that were measured, by bucket.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    bounds: &'static [f64],
    buckets: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Distribution {
    /// Nothing yet, in buckets between these bounds.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: vec![0; bounds.len() + 1], sum: 0.0, count: 0 }
    }

    /// Counts a value. A bound belongs to the bucket below it.
    pub(super) fn add(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        (self.sum, self.count) = (self.sum + value, self.count + 1);
    }

    /// Counts what another has counted between the same bounds.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        (self.sum, self.count) = (self.sum + other.sum, self.count + other.count);
    }

    /// The bounds.
    pub(super) fn bounds(&self) -> &'static [f64] {
        self.bounds
    }

    /// How many values each bucket has.
    pub(super) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// All values together.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_between_bounds_and_bounds_below_them() {
        let mut counted = Distribution::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.5, 9.0] {
            counted.add(value);
        }
        assert_eq!((counted.buckets(), counted.sum(), counted.count()), ([2, 1, 2].as_slice(), 14.5, 5));
        let mut all = Distribution::new(&[1.0, 2.0]);
        all.add(2.0);
        all.add_all(&counted);
        assert_eq!((all.buckets(), all.sum(), all.count()), ([2, 2, 2].as_slice(), 16.5, 6));
    }
}
