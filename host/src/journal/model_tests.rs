//! E1, E2, E7 and E9 over a model: flows made at random run in a world that may lose, at any moment, every entry that was not synced. What a
//! flow was told must be told again, and what ended must not run again, whatever was appended, lost and recovered in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::journal::scenes::{call, checkpoint, success};
use crate::journal::{Entry, EntryBody, Failure, Invocations, Payload};

/// One thing that a flow does.
#[derive(Clone, Debug)]
enum Act {
    /// A checkpoint that fails so often before it succeeds, retried each time.
    Step { flaky: u32 },
    /// A checkpoint that fails while the world is not mended: the flow catches that, or ends with it.
    Fails { caught: bool },
    /// So many checkpoints beside each other, told of in the order in which they end.
    Beside { calls: u32 },
    /// Two checkpoints: the first fails, and the flow asks for it only after the second was called and has ended.
    LearntLate,
}

/// What a flow was told: that this call ended so.
type Told = Vec<(u32, Outcome)>;

/// What stops a life before its flow ends.
enum Cut {
    Crash,
    /// The flow ended with this failure.
    Failed(Failure),
}

/// A disk, and whatever chance there is.
struct World {
    journal: Vec<Entry>,
    synced: usize,
    /// What happens, as long as it lasts; then nothing more goes wrong.
    chance: std::vec::IntoIter<u8>,
    mended: bool,
    /// Since the last reopening.
    told: Told,
}

impl World {
    fn new(chance: Vec<u8>) -> Self {
        Self { journal: Vec::new(), synced: 0, chance: chance.into_iter(), mended: false, told: Vec::new() }
    }

    fn pick(&mut self, bound: usize) -> usize {
        self.chance.next().map_or(0, |byte| usize::from(byte) % bound)
    }

    fn append(&mut self, body: EntryBody, full: bool) -> Result<u64, Cut> {
        self.maybe_crash()?;
        let seq = self.push(body);
        if full {
            self.synced = self.journal.len();
        }
        self.maybe_crash()?;
        Ok(seq)
    }

    fn push(&mut self, body: EntryBody) -> u64 {
        let seq = self.journal.len() as u64;
        self.journal.push(Entry { seq, at: Timestamp::from_micros(1_000 + seq as i64), body });
        seq
    }

    /// A crash keeps what was synced, and of the rest as much as chance has it.
    fn maybe_crash(&mut self) -> Result<(), Cut> {
        if self.chance.next().is_none_or(|byte| byte >= 12) {
            return Ok(());
        }
        let kept = self.synced + self.pick(self.journal.len() - self.synced + 1);
        self.journal.truncate(kept);
        self.synced = kept;
        Err(Cut::Crash)
    }
}

/// One life of a flow: from the top to its end, or to a crash.
struct Life<'a> {
    world: &'a mut World,
    cursor: Cursor,
    invocations: Invocations,
    made: u32,
    told: Told,
    /// Ended, in this life or before: outcome and place in the order of ends.
    ended: BTreeMap<u32, (Outcome, u64)>,
    /// Under way, with the number of the next attempt and how often it is to fail.
    under_way: BTreeMap<u32, (u32, u32)>,
    /// Calls whose body ran in this life.
    ran: Vec<u32>,
    learnt: BTreeMap<u32, u32>,
}

impl<'a> Life<'a> {
    fn new(world: &'a mut World) -> Self {
        let history = History::fold(world.journal.clone()).expect("what survives of a journal is a journal");
        let cursor = Cursor::new(history, None);
        let (invocations, told) = (Invocations::default(), Vec::new());
        let (ended, under_way, ran, learnt) = Default::default();
        Self { world, cursor, invocations, made: 0, told, ended, under_way, ran, learnt }
    }

    /// The flow makes a call: it is under way, or has ended.
    fn submit(&mut self, name: &str, flaky: u32) -> Result<u32, Cut> {
        let index = self.made;
        let descriptor = call(CallKind::Checkpoint, name, &self.invocations.next(name, None).unwrap(), "{}");
        self.made += 1;
        match self.cursor.decide(index, &descriptor, false) {
            Decision::Recorded { end } => {
                self.ended.insert(index, (end.outcome, end.seq));
            }
            Decision::Run { attempt, started, given: None } => {
                let record = self.cursor.own().call(index);
                assert_eq!(record.is_some(), started);
                assert!(record.is_none_or(|record| record.end.is_none()), "E1: what ended does not run");
                let highest = record.and_then(|record| record.attempts.last()).map_or(0, |attempt| attempt.number);
                assert!(attempt > highest, "E4: no attempt has the number of another");
                let failed = record.map_or(0, CallRecord::failed_attempts);
                assert!(failed <= flaky, "an interrupted attempt uses up no retry");
                if !started {
                    self.world.append(EntryBody::CallIssued { call: index, descriptor }, false)?;
                }
                self.under_way.insert(index, (attempt, flaky - failed));
            }
            other => panic!("E2: the same flow makes the same calls: {other:?}"),
        }
        Ok(index)
    }

    /// Runs the body of a call to its end.
    fn finish(&mut self, index: u32, outcome: Outcome) -> Result<(), Cut> {
        let Some((mut attempt, flaky)) = self.under_way.remove(&index) else { return Ok(()) };
        self.ran.push(index);
        for _ in 0..flaky {
            self.start(index, attempt)?;
            let failure = Failure::user("error", "flaky");
            let retry_at = Timestamp::from_micros(0);
            self.world.append(EntryBody::AttemptFailed { call: index, attempt, failure, metadata: None, retry_at }, true)?;
            attempt += 1;
        }
        self.start(index, attempt)?;
        let seq = self.world.append(ended(index, attempt, None, outcome.clone()), true)?;
        self.ended.insert(index, (outcome, seq));
        Ok(())
    }

    fn start(&mut self, index: u32, attempt: u32) -> Result<(), Cut> {
        let start = EntryBody::CallStarted { call: index, attempt, descriptor: None, deadline: None, child: None };
        self.world.append(start, false).map(drop)
    }

    /// The flow is told how a call ended.
    fn tell(&mut self, index: u32) -> Outcome {
        let (outcome, seq) = self.ended[&index].clone();
        assert!((seq as usize) < self.world.synced, "E3: nobody is told what could be lost");
        if matches!(outcome, Outcome::Failure(_)) {
            self.learnt.entry(index).or_insert(self.made);
        }
        self.told.push((index, outcome.clone()));
        outcome
    }

    fn value(&self, index: u32) -> Outcome {
        success(&format!("{index}"))
    }

    fn failing(&self, index: u32) -> Outcome {
        if self.world.mended { self.value(index) } else { Outcome::Failure(Failure::user("error", "no").at_call(index)) }
    }

    /// Which of `calls` ended first, or does now (E7).
    fn first(&mut self, calls: &[u32]) -> Result<u32, Cut> {
        let index = self.made;
        let input = format!("{calls:?}");
        let descriptor = call(CallKind::First, "first", &self.invocations.next("first", None).unwrap(), &input);
        self.made += 1;
        let position = match self.cursor.decide(index, &descriptor, false) {
            Decision::Recorded { end } => {
                let Outcome::Success(Payload::Inline(text)) = end.outcome else { panic!("a winner") };
                String::from_utf8(text).unwrap().parse().unwrap()
            }
            Decision::Run { attempt, started, .. } => {
                // Any number of them end meanwhile, in any order.
                let mut left: Vec<u32> = calls.iter().copied().filter(|call| self.under_way.contains_key(call)).collect();
                while !left.is_empty() && (!calls.iter().any(|call| self.ended.contains_key(call)) || self.world.pick(2) == 1) {
                    let next = left.remove(self.world.pick(left.len()));
                    self.finish(next, self.value(next))?;
                }
                let known = calls.iter().filter(|call| self.ended.contains_key(call));
                let winner = known.min_by_key(|call| self.ended[call].1).unwrap();
                let position = calls.iter().position(|call| call == winner).unwrap();
                let descriptor = (!started).then_some(descriptor);
                self.world.append(ended(index, attempt, descriptor, success(&position.to_string())), true)?;
                position
            }
            other => panic!("E2: {other:?}"),
        };
        let winner = calls[position];
        // It may be recorded as the winner, and run again all the same, after a reopening.
        self.finish(winner, self.value(winner))?;
        Ok(winner)
    }

    fn perform(&mut self, act: &Act) -> Result<(), Cut> {
        match act {
            Act::Step { flaky } => {
                let index = self.submit("step", *flaky)?;
                self.finish(index, self.value(index))?;
                self.tell(index);
            }
            Act::Fails { caught } => {
                let index = self.submit("fails", 0)?;
                self.finish(index, self.failing(index))?;
                self.fail_unless(index, *caught)?;
            }
            Act::Beside { calls } => {
                let mut left: Vec<u32> = (0..*calls).map(|_| self.submit("beside", 0)).collect::<Result<_, _>>()?;
                while !left.is_empty() {
                    let winner = self.first(&left)?;
                    left.retain(|call| *call != winner);
                    self.tell(winner);
                }
            }
            Act::LearntLate => {
                let failing = self.submit("late", 0)?;
                self.finish(failing, self.failing(failing))?;
                let beside = self.submit("between", 0)?;
                self.finish(beside, self.value(beside))?;
                self.tell(beside);
                self.fail_unless(failing, false)?;
            }
        }
        Ok(())
    }

    fn fail_unless(&mut self, index: u32, caught: bool) -> Result<(), Cut> {
        match self.tell(index) {
            Outcome::Failure(failure) if !caught => Err(Cut::Failed(failure)),
            _ => Ok(()),
        }
    }
}

fn ended(call: u32, attempt: u32, descriptor: Option<Descriptor>, outcome: Outcome) -> EntryBody {
    EntryBody::CallEnded { call, attempt, descriptor, outcome, provenance: Provenance::Ran, metadata: None, started_at: None }
}

/// Lives through crashes and reopenings until the flow has ended well.
fn live(flow: &[Act], world: &mut World) {
    loop {
        let before = world.told.clone();
        let mut life = Life::new(world);
        let outcome = flow.iter().try_for_each(|act| life.perform(act));
        let Life { told, made, learnt, ran, cursor, .. } = life;
        // Whoever was told something is told the same again, and then more.
        let common = told.len().min(before.len());
        assert_eq!(told[..common], before[..common], "E1: what was recorded is served");
        for index in &ran {
            assert!(cursor.own().call(*index).is_none_or(|record| record.end.is_none()), "E1: call {index} had ended");
        }
        if told.len() > before.len() {
            world.told = told;
        }
        match outcome {
            Ok(()) => {
                assert_eq!(cursor.missing(made), None, "E2: the flow made every call that its journal has");
                return;
            }
            Err(Cut::Crash) => {}
            Err(Cut::Failed(failure)) => reopen(world, &failure, &learnt, made),
        }
    }
}

/// The flow has failed, somebody mends the world, and somebody retries (E9).
fn reopen(world: &mut World, failure: &Failure, learnt: &BTreeMap<u32, u32>, made: u32) {
    let learnt_after = failure.call_index.and_then(|index| learnt.get(&index).copied());
    let outcome = Outcome::Failure(failure.clone());
    if world.maybe_crash().is_err() {
        return;
    }
    world.push(EntryBody::Finished { outcome, unseen: Vec::new(), learnt_after });
    let before = History::fold(world.journal.clone()).unwrap();
    let rerun = before.to_rerun(failure);
    assert_eq!(rerun, [failure.call_index.unwrap()]);
    world.push(EntryBody::Reopened { rerun: rerun.clone(), component: None, automatic: false });
    world.synced = world.journal.len();
    let after = History::fold(world.journal.clone()).unwrap();
    assert_eq!(after.len(), made, "the flow made nothing knowing of the failure, so that nothing is forgotten");
    for (index, (old, new)) in before.calls().iter().zip(after.calls()).enumerate() {
        let is_rerun = rerun.contains(&(index as u32));
        assert_eq!(new.end, if is_rerun { None } else { old.end.clone() }, "only what failed runs again");
    }
    world.mended = true;
    let cut = world.told.iter().position(|(index, _)| rerun.contains(index)).unwrap();
    world.told.truncate(cut);
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..3_u32).prop_map(|flaky| Act::Step { flaky }),
        1 => any::<bool>().prop_map(|caught| Act::Fails { caught }),
        2 => (1..5_u32).prop_map(|calls| Act::Beside { calls }),
        1 => Just(Act::LearntLate),
    ];
    prop::collection::vec(act, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn e1_e2_e7_e9_hold_through_any_crashes(flow in acts(), chance in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut world = World::new(chance);
        live(&flow, &mut world);
        // Gone over once more, nothing runs and nothing is written.
        let length = world.journal.len();
        let mut life = Life::new(&mut world);
        prop_assert!(flow.iter().try_for_each(|act| life.perform(act)).is_ok());
        prop_assert!(life.ran.is_empty());
        prop_assert_eq!(world.journal.len(), length);
    }

    /// E2: another call at any place is told from the recorded one, at exactly that place, however much of the journal is left.
    #[test]
    fn e2_another_call_is_told_at_its_place(flow in acts(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let mut world = World::new(Vec::new());
        world.mended = true;
        live(&flow, &mut world);
        let cut = cut.index(world.journal.len()) + 1;
        let history = History::fold(world.journal[..cut].to_vec()).unwrap();
        let at = at.index(history.calls().len()) as u32;
        let recorded: Vec<Descriptor> = history.calls().iter().map(|record| record.descriptor.clone()).collect();
        let cursor = Cursor::new(history, None);
        for (index, descriptor) in (0..).zip(&recorded) {
            let decision = if index == at {
                cursor.decide(index, &checkpoint("other"), false)
            } else {
                cursor.decide(index, descriptor, false)
            };
            let is_mismatch = matches!(&decision, Decision::Mismatch { expected } if expected == descriptor);
            prop_assert_eq!(is_mismatch, index == at, "call {}: {:?}", index, decision);
        }
        prop_assert_eq!(cursor.missing(at).map(|divergence| divergence.index), Some(at));
    }
}
