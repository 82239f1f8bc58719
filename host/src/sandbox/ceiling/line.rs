//! Who may have how much of the memory of all instances, and who is next. Pure: nothing here waits, and no clock is read.
//!
//! Instances that are there and want more come before those that want to come in: they end, and what they have is free again. Those that want
//! to come in do so one execution after the other, and within an execution in the order in which they came. Nobody passes the one whose turn it
//! is, so that nobody waits for ever for a large piece.
//!
//! Where nobody who has memory goes on without more of it, nobody would ever be served. Then the oldest of those that wait is the *first*: it
//! is served before all others, and others are put off, one by one, until there is room for it. Flows that wait for something else go before
//! those that lose what they did, and the young before the old; so the oldest always comes to its end, and then another is the oldest.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::ids::ExecutionId;

/// One that has memory or wants to come in. Later ones have higher numbers.
pub(super) type Number = u64;

/// What an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A flow. It can be put off at any time, because it is re-executed.
    Flow,
    /// A checkpoint body.
    Body {
        /// The flow that called it.
        flow: Option<u64>,
        /// The flow waits for it and for nothing else, in a way that it cannot leave.
        is_direct: bool,
        /// Nobody can see what it does: it can run again like a flow.
        repeatable: bool,
    },
}

/// How a flow waits for something that is not memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// It cannot leave before what it waits for has ended.
    Held,
    /// It leaves when it is told to.
    Free,
}

/// What is answered at once to somebody who wants memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It has it.
    Granted,
    /// It is in line.
    Waits,
    /// There will never be room for it.
    Never {
        /// In bytes.
        needs: u64,
    },
}

/// What becomes of a request, or of a flow that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has what it wanted.
    Granted,
    /// Others go first. It leaves, and comes again with what it needs in all.
    PutOff {
        /// In bytes.
        needs: u64,
    },
    /// There will never be room for it.
    Never {
        /// In bytes.
        needs: u64,
    },
}

#[derive(Debug)]
struct Seat {
    execution: ExecutionId,
    role: Role,
    /// Counted for it, in bytes. Nothing before it came in.
    held: u64,
    /// What it waits for, in bytes.
    wants: Option<u64>,
    pause: Option<Pause>,
    is_in: bool,
}

impl Seat {
    /// Whether it goes on by itself, and so will need less at some time.
    fn goes_on(&self) -> bool {
        self.is_in && self.wants.is_none() && self.pause.is_none()
    }
}

/// The memory of all instances, and those that wait for some of it.
#[derive(Debug)]
pub(super) struct Line {
    ceiling: u64,
    held: u64,
    peak: u64,
    /// Instances that are not made to wait, and what they have.
    exempt: usize,
    next: Number,
    seats: BTreeMap<Number, Seat>,
    /// Those that are in and want more.
    growing: VecDeque<Number>,
    /// Those that want to come in, by execution, and whose turn it is.
    entering: HashMap<ExecutionId, VecDeque<Number>>,
    turns: VecDeque<ExecutionId>,
    /// Served before all others.
    first: Option<Number>,
}

impl Line {
    pub(super) fn new(ceiling: u64) -> Self {
        Self {
            ceiling,
            held: 0,
            peak: 0,
            exempt: 0,
            next: 1,
            seats: BTreeMap::new(),
            growing: VecDeque::new(),
            entering: HashMap::new(),
            turns: VecDeque::new(),
            first: None,
        }
    }

    pub(super) fn ceiling(&self) -> u64 {
        self.ceiling
    }

    pub(super) fn set_ceiling(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
    }

    /// Memory of all instances now, and the most that it was.
    pub(super) fn held(&self) -> (u64, u64) {
        (self.held, self.peak)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.growing.len() + self.entering.values().map(VecDeque::len).sum::<usize>()
    }

    /// How many instances there are that can be made to wait.
    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        self.seats.values().filter(|seat| seat.is_in).count()
    }

    fn take(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
        self.peak = self.peak.max(self.held);
    }

    fn fits(&self, bytes: u64) -> bool {
        self.held.saturating_add(bytes) <= self.ceiling
    }

    /// Somebody wants to come in with so many bytes: its number, and whether it is in already.
    pub(super) fn enter(&mut self, execution: ExecutionId, role: Role, bytes: u64) -> (Number, Asked) {
        let number = self.next;
        self.next += 1;
        if bytes > self.ceiling {
            return (number, Asked::Never { needs: bytes });
        }
        let is_in = self.turns.is_empty() && self.growing.is_empty() && self.fits(bytes);
        let (held, wants) = if is_in { (bytes, None) } else { (0, Some(bytes)) };
        self.take(held);
        self.seats.insert(number, Seat { execution, role, held, wants, pause: None, is_in });
        if !is_in {
            let own = self.entering.entry(execution).or_default();
            own.push_back(number);
            if own.len() == 1 {
                self.turns.push_back(execution);
            }
        }
        (number, if is_in { Asked::Granted } else { Asked::Waits })
    }

    /// Somebody who is in wants so many bytes more.
    pub(super) fn grow(&mut self, number: Number, bytes: u64) -> Asked {
        let is_free = self.growing.is_empty() && self.first.is_none() && self.fits(bytes);
        let Some(seat) = self.seats.get_mut(&number) else { return Asked::Granted };
        let needs = seat.held.saturating_add(bytes);
        if needs > self.ceiling {
            return Asked::Never { needs };
        }
        if is_free {
            seat.held = needs;
            self.take(bytes);
            return Asked::Granted;
        }
        seat.wants = Some(bytes);
        self.growing.push_back(number);
        Asked::Waits
    }

    /// Memory of one that is not made to wait.
    pub(super) fn exempt(&mut self, bytes: u64, is_new: bool) {
        self.exempt += usize::from(is_new);
        self.take(bytes);
    }

    /// One that was not made to wait has ended.
    pub(super) fn exempt_ended(&mut self, bytes: u64) {
        self.exempt = self.exempt.saturating_sub(1);
        self.held = self.held.saturating_sub(bytes);
    }

    /// A flow waits for something else, or goes on.
    pub(super) fn pause(&mut self, number: Number, pause: Option<Pause>) {
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.pause = pause;
        }
    }

    /// Whether a flow waits for something else, and was not told to leave.
    pub(super) fn pauses(&self, number: Number) -> bool {
        self.seats.get(&number).is_some_and(|seat| seat.pause.is_some())
    }

    /// Somebody leaves, whether it was in or not.
    pub(super) fn leave(&mut self, number: Number) {
        self.withdraw(number);
        if let Some(seat) = self.seats.remove(&number) {
            self.held = self.held.saturating_sub(seat.held);
        }
    }

    /// What it waits for is not wanted any more: how many bytes that was.
    fn withdraw(&mut self, number: Number) -> Option<u64> {
        if self.first == Some(number) {
            self.first = None;
        }
        let seat = self.seats.get_mut(&number)?;
        let (wanted, execution) = (seat.wants.take()?, seat.execution);
        if seat.is_in {
            self.growing.retain(|other| *other != number);
        } else if let Some(own) = self.entering.get_mut(&execution) {
            own.retain(|other| *other != number);
            if own.is_empty() {
                self.entering.remove(&execution);
                self.turns.retain(|other| *other != execution);
            }
        }
        Some(wanted)
    }

    /// Serves whoever can be served, and puts others off where nobody could be otherwise. Not where `somebody_leaves`: then there is more room
    /// soon.
    pub(super) fn settle(&mut self, somebody_leaves: bool) -> Vec<(Number, Verdict)> {
        let mut verdicts = Vec::new();
        loop {
            self.serve(&mut verdicts);
            if somebody_leaves || self.waiting() == 0 || self.seats.values().any(Seat::goes_on) {
                return verdicts;
            }
            let Some((first, wants)) = self.oldest() else { return verdicts };
            // It may have been kept waiting only for one that is younger.
            if self.first.replace(first) != Some(first) && self.fits(wants) {
                continue;
            }
            let Some(verdict) = self.give_way(first) else { return verdicts };
            verdicts.push(verdict);
        }
    }

    /// Serves those whose turn it is, as long as there is room.
    fn serve(&mut self, verdicts: &mut Vec<(Number, Verdict)>) {
        while let Some((number, wants)) = self.up_next() {
            if !self.fits(wants) {
                return;
            }
            let was_in = self.seats.get(&number).is_some_and(|seat| seat.is_in);
            self.withdraw(number);
            self.take(wants);
            if let Some(seat) = self.seats.get_mut(&number) {
                (seat.held, seat.is_in) = (seat.held.saturating_add(wants), true);
                // The next one of this execution comes after one of each other.
                let execution = seat.execution;
                if !was_in && self.entering.contains_key(&execution) {
                    self.turns.retain(|other| *other != execution);
                    self.turns.push_back(execution);
                }
            }
            verdicts.push((number, Verdict::Granted));
        }
    }

    /// Whose turn it is, and what it wants.
    fn up_next(&self) -> Option<(Number, u64)> {
        let wants = |number: &Number| Some((*number, self.seats.get(number)?.wants?));
        if let Some(first) = &self.first {
            return wants(first);
        }
        if !self.growing.is_empty() {
            // Among those that are in, a smaller piece may be had first: nobody comes in meanwhile, so they come to an end.
            let fits = self.growing.iter().filter_map(wants).find(|(_, bytes)| self.fits(*bytes));
            return fits.or_else(|| self.growing.front().and_then(wants));
        }
        self.entering.get(self.turns.front()?)?.front().and_then(wants)
    }

    /// Nobody goes on. Whoever has to give way so that the first of those that wait can, or what becomes of that one. None where that is for
    /// something else to decide that somebody waits for.
    fn give_way(&mut self, first: Number) -> Option<(Number, Verdict)> {
        let seat = self.seats.get(&first)?;
        let (own_flow, needs) = (own_flow(seat.role), seat.held.saturating_add(seat.wants?));
        if let Some(victim) = self.victim(first) {
            return Some(self.put_off(victim));
        }
        let is_other = |(number, seat): (&Number, &Seat)| seat.is_in && *number != first && own_flow != Some(*number);
        if self.exempt == 0 && !self.seats.iter().any(is_other) {
            self.withdraw(first);
            // It goes on, and ends.
            return Some((first, Verdict::Never { needs }));
        }
        None
    }

    /// The one that waits, and has been there for longest, a body as long as its flow: else a flow's body would give way to a younger flow, and
    /// then the flow too, and both flows to each other for ever. And what it wants.
    fn oldest(&self) -> Option<(Number, u64)> {
        let waiting = self.seats.iter().filter(|(_, seat)| seat.wants.is_some());
        let age = |(number, seat): &(&Number, &Seat)| match seat.role {
            Role::Body { flow: Some(flow), .. } => (flow, **number),
            _ => (**number, 0),
        };
        waiting.min_by_key(age).and_then(|(number, seat)| Some((*number, seat.wants?)))
    }

    /// Who gives way: those that lose nothing first, then those that can do it all again, and of them the youngest. Nobody fails for what has its
    /// memory without waiting, which may end any time; and as it may stay for long, the others do not wait for it.
    fn victim(&self, first: Number) -> Option<Number> {
        let cost = |number: Number, seat: &Seat| match (seat.role, seat.wants, seat.pause) {
            _ if number == first => None,
            (Role::Flow, None, Some(Pause::Free)) if seat.is_in => Some((0, number)),
            (Role::Flow | Role::Body { repeatable: true, .. }, Some(_), _) if seat.is_in => Some((1, number)),
            // Its flow leaves, and it has not begun.
            (Role::Body { flow: Some(flow), is_direct: true, .. }, Some(_), _)
                if !seat.is_in && self.seats.get(&flow).is_some_and(|flow| flow.pause.is_some()) =>
            {
                Some((1, flow))
            }
            (Role::Body { .. }, Some(_), _) if seat.is_in && self.exempt == 0 => Some((2, number)),
            _ => None,
        };
        let able = self.seats.iter().filter_map(|(number, seat)| Some((cost(*number, seat)?, *number)));
        able.min_by_key(|((cost, age), number)| (*cost, std::cmp::Reverse(*age), *number)).map(|(_, number)| number)
    }

    /// Has one leave. From here on it counts as one that goes on, until it has left.
    fn put_off(&mut self, number: Number) -> (Number, Verdict) {
        let wanted = self.withdraw(number).unwrap_or_default();
        let mut needs = wanted;
        if let Some(seat) = self.seats.get_mut(&number) {
            needs = seat.held.saturating_add(wanted);
            seat.pause = None;
            if let (Role::Body { flow: Some(flow), .. }, false) = (seat.role, seat.is_in)
                && let Some(flow) = self.seats.get_mut(&flow)
            {
                (flow.pause, needs) = (None, flow.held);
            }
        }
        (number, Verdict::PutOff { needs })
    }
}

fn own_flow(role: Role) -> Option<Number> {
    match role {
        Role::Flow => None,
        Role::Body { flow, .. } => flow,
    }
}

#[cfg(test)]
#[path = "simulation.rs"]
mod simulation;

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
