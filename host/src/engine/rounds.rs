//! When whoever looks after all executions looks for what, and which of them are left alone just now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ids::ExecutionId;
use crate::mutex::lock;

/// How often it looks where the platform does not tell of runners that die, and while there is more than it can take up, or something may change
/// without anybody knowing it.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// How often it looks where everything is told: for what was lost on the way, and because somebody may set the clock.
pub(super) const NET: Duration = Duration::from_secs(30);
/// How soon it looks when something has happened. News come in bursts, of which one look finds all; and whoever answered or created an execution
/// to drive it on itself is not overtaken.
const BREATH: Duration = Duration::from_millis(1);
/// How long an execution that could not be driven is left alone.
const REST: Duration = Duration::from_secs(5);
/// How long a store that could not be read is left alone.
const STORE_REST: Duration = Duration::from_secs(1);

/// When the next looks are.
pub(super) struct Rounds {
    /// For what is due.
    fire: Instant,
    /// For what is to run and nobody holds.
    sweep: Instant,
    /// For what dead runners left.
    search: Instant,
    /// The death of a runner is told.
    hears: bool,
    /// Something happened, and the look for it is yet to come.
    is_told: bool,
    /// The store could not be read: whatever happens, it is left alone until then.
    not_before: Option<Instant>,
}

impl Rounds {
    /// Everything is looked for at once.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { fire: now, sweep: now, search: now, hears: false, is_told: false, not_before: None }
    }

    /// How long it is until a look for which there is no reason.
    fn pause_for_nothing(&self) -> Duration {
        if self.hears { NET } else { LOOK }
    }

    /// When to look if something happens now.
    fn soon(&self) -> Instant {
        let soon = Instant::now() + BREATH;
        self.not_before.map_or(soon, |not_before| soon.max(not_before))
    }

    /// Something happened: the next look comes soon.
    pub(super) fn tell(&mut self) {
        let soon = self.soon();
        self.fire = self.fire.min(soon);
        self.sweep = self.sweep.min(soon);
        self.is_told = true;
    }

    /// Whatever it was that happened: the next look comes soon, and is for all there is.
    pub(super) fn tell_anything(&mut self) {
        self.search = self.search.min(Instant::now());
        self.tell();
    }

    /// A runner may have died. Whether the next death is told.
    pub(super) fn tell_of_deaths(&mut self, are_told: bool) {
        self.hears = are_told;
        self.tell_anything();
    }

    /// Whether news bring a look forward. What happens before a look that is to come soon is found by that; but while one sweep `runs` the next may be
    /// far off, and what is due does not wait for it.
    pub(super) fn hears_news(&self, runs: bool) -> bool {
        !self.is_told || (runs && self.fire > self.soon())
    }

    pub(super) fn is_time_to_fire(&self) -> bool {
        self.fire <= Instant::now()
    }

    /// It was looked for what is due; the next is due after `pause`.
    pub(super) fn fired(&mut self, pause: Duration) {
        self.fire = Instant::now() + pause.min(self.pause_for_nothing());
    }

    pub(super) fn is_time_to_sweep(&self) -> bool {
        self.sweep <= Instant::now()
    }

    /// A sweep begins. Whether it is to search for what dead runners left.
    pub(super) fn begin_sweep(&mut self) -> bool {
        let now = Instant::now();
        let (searches, next) = (self.search <= now, now + self.pause_for_nothing());
        if searches {
            self.search = next;
        }
        // What happens from here on may be too late for this sweep, and is told.
        (self.sweep, self.is_told) = (next, false);
        searches
    }

    /// A sweep has come to its end. It may have left some of what there is; and something may change of which nobody will know.
    pub(super) fn swept(&mut self, left_some: bool, may_change: bool) {
        let now = Instant::now();
        if left_some {
            self.search = now;
        }
        if left_some || may_change {
            self.sweep = self.sweep.min(now + LOOK);
        }
    }

    /// The store could not be read. It is looked through again after a rest, and for all that was told meanwhile.
    pub(super) fn fail(&mut self) {
        let later = Instant::now() + STORE_REST;
        (self.fire, self.sweep, self.search, self.not_before) = (later, later, later, Some(later));
        self.is_told = true;
    }

    /// How long there is nothing to look for, given that it may, or may not, be time for a sweep.
    pub(super) fn pause(&self, may_sweep: bool) -> Duration {
        let now = Instant::now();
        let next = self.fire.min(if may_sweep { self.sweep } else { now + LOOK });
        next.saturating_duration_since(now)
    }
}

/// Executions that are not to be driven now: they are, or could not be just now. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<Shared>);

#[derive(Default)]
struct Shared {
    holds: Mutex<HashMap<ExecutionId, Hold>>,
    /// One could have gone on and was not driven, because its drive had yet to come to its end.
    missed: Notify,
    /// Those that there was no place for.
    late: Mutex<Vec<ExecutionId>>,
}

#[derive(Default)]
struct Hold {
    /// Until when it is left alone; none while it is driven.
    until: Option<Instant>,
    is_missed: bool,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Hold>> {
        lock(&self.0.holds)
    }

    /// Whether one that could go on is not to be driven now.
    pub(super) fn has(&self, id: ExecutionId) -> bool {
        self.lock().get_mut(&id).is_some_and(|hold| {
            hold.is_missed = true;
            true
        })
    }

    /// Returns when one is free that could have gone on before.
    pub(super) async fn missed(&self) {
        self.0.missed.notified().await;
    }

    /// Whether some have rested, and may be driven again.
    pub(super) fn let_go_of_the_rested(&self) -> bool {
        let (now, mut holds) = (Instant::now(), self.lock());
        let before = holds.len();
        holds.retain(|_, hold| hold.until.is_none_or(|until| until > now));
        holds.len() < before
    }

    /// How long it is until one has rested; none where none rests.
    pub(super) fn rest(&self) -> Option<Duration> {
        let next = self.lock().values().filter_map(|hold| hold.until).min();
        next.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// How many could not be driven just now.
    pub(super) fn resting(&self) -> usize {
        self.lock().values().filter(|hold| hold.until.is_some()).count()
    }

    /// It is driven.
    pub(super) fn take(&self, id: ExecutionId) -> Taken {
        self.lock().insert(id, Hold::default());
        Taken { held: self.clone(), id, is_given_back: false }
    }

    /// There is no place for these.
    pub(super) fn come_late(&self, late: Vec<ExecutionId>) {
        *lock(&self.0.late) = late;
    }

    /// Those that there was no place for.
    pub(super) fn take_late(&self) -> Vec<ExecutionId> {
        std::mem::take(&mut *lock(&self.0.late))
    }

    /// Whether some wait for a place.
    pub(super) fn is_crowded(&self) -> bool {
        !lock(&self.0.late).is_empty()
    }
}

/// An execution that is driven. One that is not given back could not be, whatever it is: it is tried again, and not at once.
pub(super) struct Taken {
    held: Held,
    id: ExecutionId,
    is_given_back: bool,
}

impl Taken {
    /// The drive has come to its end.
    pub(super) fn give_back(mut self) {
        self.is_given_back = true;
        let hold = self.held.lock().remove(&self.id);
        if hold.is_some_and(|hold| hold.is_missed) {
            self.held.0.missed.notify_one();
        }
    }
}

impl Taken {
    /// The drive has come to its end, and the execution is left to others for a while.
    pub(super) fn leave_for(mut self, pause: Duration) {
        self.is_given_back = true;
        self.held.lock().insert(self.id, Hold { until: Some(Instant::now() + pause), is_missed: false });
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.is_given_back {
            self.held.lock().insert(self.id, Hold { until: Some(Instant::now() + REST), is_missed: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn news_bring_the_next_look_forward_and_never_put_it_off() {
        let far = Instant::now() + HOUR;
        let mut rounds = Rounds { fire: far, sweep: far, search: far, hears: true, is_told: false, not_before: None };
        rounds.tell();
        let (fire, sweep) = (rounds.fire, rounds.sweep);
        assert!(rounds.is_told && fire < far && sweep < far);
        rounds.tell();
        assert_eq!((rounds.fire, rounds.sweep), (fire, sweep), "the first of a burst sets the time");
        rounds.fired(HOUR);
        assert!(rounds.is_told && rounds.pause(true) <= BREATH, "the sweep for it is yet to come");
        assert!(rounds.pause(false) > BREATH, "and is not waited for while it may not begin");
        assert!(!rounds.begin_sweep() && !rounds.is_told && rounds.sweep > sweep);
    }

    #[test]
    fn news_bring_forward_what_is_due_while_a_sweep_runs_and_once_for_each_look() {
        let mut rounds = Rounds::begin();
        rounds.tell_of_deaths(true);
        rounds.begin_sweep();
        rounds.fired(HOUR);
        assert!(rounds.hears_news(true));
        rounds.tell();
        assert!(!rounds.hears_news(true), "the look for what is due comes soon");
        rounds.fired(HOUR);
        assert!(!rounds.hears_news(false), "the sweep does, and all is looked for then");
        assert!(rounds.hears_news(true) && rounds.pause(false) > BREATH, "it has to wait for the one that runs");
        rounds.tell();
        assert!(rounds.pause(false) <= BREATH && !rounds.hears_news(true));
        // While the store is left alone there is nothing to bring forward.
        rounds.fail();
        assert!(!rounds.hears_news(true) && rounds.pause(false) > BREATH);
    }

    #[test]
    fn the_first_look_is_at_once_and_finds_what_dead_runners_left() {
        let mut rounds = Rounds::begin();
        assert!(rounds.is_time_to_fire() && rounds.is_time_to_sweep());
        assert!(rounds.begin_sweep());
        rounds.search = Instant::now() + HOUR;
        assert!(!rounds.begin_sweep(), "which is not looked for whenever something happens");
    }

    #[test]
    fn a_store_that_could_not_be_read_is_left_alone_whatever_happens() {
        let mut rounds = Rounds::begin();
        rounds.begin_sweep();
        rounds.fail();
        rounds.tell();
        assert!(!rounds.is_time_to_fire() && !rounds.is_time_to_sweep());
        assert!(rounds.search <= rounds.sweep, "the sweep that failed has searched for nothing");
        assert!(rounds.is_told && rounds.pause(true) > BREATH, "and what was told meanwhile is looked for afterwards");
    }

    #[test]
    fn where_deaths_are_told_it_looks_seldom_and_where_they_are_not_often() {
        let mut rounds = Rounds::begin();
        rounds.tell_of_deaths(true);
        rounds.fired(HOUR);
        assert!(rounds.begin_sweep(), "after each of them");
        assert!(!rounds.begin_sweep() && rounds.pause(true) > LOOK, "and not for nothing");
        rounds.swept(true, false);
        assert!(rounds.pause(true) <= LOOK && rounds.begin_sweep(), "what it has left is searched for again");
        rounds.swept(false, true);
        assert!(rounds.pause(true) <= LOOK && !rounds.begin_sweep(), "what may change unseen is looked at");
        rounds.begin_sweep();
        rounds.tell_of_deaths(false);
        assert!(rounds.pause(true) <= BREATH && rounds.begin_sweep());
        rounds.fired(HOUR);
        assert!(rounds.pause(true) <= LOOK && rounds.pause(false) <= LOOK);
    }

    async fn is_told(held: &Held) -> bool {
        tokio::select! {
            biased;
            () = held.missed() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn what_was_passed_over_while_it_was_held_is_not_forgotten() {
        let held = Held::default();
        let (driven, other) = (SystemIds.execution(), SystemIds.execution());
        let (driven_on, other) = (held.take(driven), held.take(other));
        assert!(held.has(driven) && !held.has(SystemIds.execution()));
        other.give_back();
        assert!(!is_told(&held).await, "nobody asked for it meanwhile");
        driven_on.give_back();
        assert!(is_told(&held).await && !held.has(driven));
    }

    #[test]
    fn what_could_not_be_driven_is_left_alone_for_a_while() {
        let (held, id) = (Held::default(), SystemIds.execution());
        let taken = held.take(id);
        assert_eq!(held.resting(), 0, "it is driven");
        // As where its drive panics.
        assert_eq!(held.rest(), None);
        drop(taken);
        assert!(!held.let_go_of_the_rested() && held.has(id) && held.resting() == 1);
        assert!(held.rest().is_some_and(|rest| rest <= REST && rest > REST / 2));
        held.take(id).leave_for(Duration::ZERO);
        assert!(held.rest() == Some(Duration::ZERO) && held.let_go_of_the_rested() && !held.has(id));
    }
}
