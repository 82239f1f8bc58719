use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{LINES, LINES_TOGETHER, MOST_TURNS, PATIENCE, Turn, Turns};
use crate::ids::ExecutionId;

fn execution(number: u8) -> ExecutionId {
    ExecutionId::from_bytes([number; 16])
}

fn lines(number: u8) -> Turn {
    Turn::Lines(execution(number), LINES)
}

fn step(number: u8) -> Turn {
    Turn::Of(execution(number))
}

/// One commit, in which no time passes.
fn commit<W>(turns: &mut Turns<W>, most: usize, now: Instant) -> Vec<W> {
    let mut batch = turns.take(most, now);
    batch.extend(std::iter::from_fn(|| turns.more_lines()));
    batch
}

/// What is committed until nothing is left.
fn commits<W>(turns: &mut Turns<W>, most: usize) -> Vec<Vec<W>> {
    let now = Instant::now();
    std::iter::from_fn(|| Some(commit(turns, most, now)).filter(|batch| !batch.is_empty())).collect()
}

#[test]
fn everything_but_lines_is_taken_as_it_came() {
    let mut turns = Turns::default();
    for (number, turn) in [step(1), Turn::Free, step(2), step(1)].into_iter().enumerate() {
        turns.push(turn, number);
    }
    assert_eq!(commits(&mut turns, 3), [vec![0, 1, 2], vec![3]]);
    assert!(turns.is_empty());
}

#[test]
fn a_step_passes_the_lines_of_others_and_takes_its_own_along() {
    let mut turns = Turns::default();
    turns.push(lines(1), "lines of another");
    turns.push(lines(2), "lines");
    turns.push(step(2), "step");
    turns.push(lines(2), "lines after the step");
    turns.push(Turn::Free, "of nobody");
    assert_eq!(commits(&mut turns, 10), [vec!["lines", "step", "of nobody"], vec!["lines of another", "lines after the step"]]);
}

#[test]
fn steps_that_have_lines_before_them_share_a_commit() {
    let mut turns = Turns::default();
    for number in 0..64 {
        turns.push(lines(number), (number, "lines"));
        turns.push(step(number), (number, "step"));
    }
    assert_eq!(commits(&mut turns, 1024).len(), 1);
}

#[test]
fn lines_join_a_commit_of_lines_until_somebody_else_comes() {
    let mut turns = Turns::default();
    for number in 0..3 {
        turns.push(lines(1), number);
    }
    let now = Instant::now();
    assert_eq!(turns.take(10, now), [0]);
    assert_eq!(turns.more_lines(), Some(1));
    turns.push(Turn::Free, 9);
    assert_eq!(turns.more_lines(), None);
    // Nor is a commit of others made longer.
    assert_eq!(commit(&mut turns, 10, now), [9]);
    assert_eq!(commit(&mut turns, 10, now), [2]);
}

#[test]
fn a_commit_of_lines_has_an_end() {
    let mut turns = Turns::default();
    for number in 0..100 {
        turns.push(lines(1), number);
    }
    assert_eq!(commit(&mut turns, 1024, Instant::now()).len(), LINES_TOGETHER / LINES);
}

#[test]
fn executions_take_turns_with_their_lines() {
    let mut turns = Turns::default();
    for number in 0..2 {
        turns.push(lines(1), (1, number));
    }
    turns.push(lines(2), (2, 0));
    // What went with a step has no turn any more.
    turns.push(lines(3), (3, 0));
    turns.push(step(3), (3, 1));
    turns.push(lines(4), (4, 0));
    assert_eq!(commits(&mut turns, 10), [vec![(3, 0), (3, 1)], vec![(1, 0), (2, 0), (4, 0), (1, 1)]]);
}

#[test]
fn lines_are_taken_however_many_others_come() {
    let mut turns = Turns::default();
    for _ in 0..10 {
        turns.push(lines(1), "lines");
    }
    let mut now = Instant::now();
    let mut next = |turns: &mut Turns<&'static str>, later: Duration| {
        turns.push(Turn::Free, "another");
        now += later;
        commit(turns, 1024, now)
    };
    assert_eq!(next(&mut turns, Duration::ZERO), ["another"]);
    assert_eq!(next(&mut turns, PATIENCE / 2), ["another"]);
    // After what came before them.
    assert_eq!(next(&mut turns, PATIENCE / 2), ["another", "lines"]);
    assert_eq!(next(&mut turns, PATIENCE / 2), ["another"]);
    assert_eq!(next(&mut turns, PATIENCE * 2), ["another", "lines", "lines"]);
    assert_eq!(next(&mut turns, Duration::ZERO), ["another"]);
    let most = usize::try_from(MOST_TURNS).unwrap();
    assert_eq!(next(&mut turns, Duration::from_secs(1)).len(), 1 + most.min(7));
}

#[test]
fn a_turn_is_of_lines_and_not_of_writes() {
    let mut turns = Turns::default();
    for number in 0..2 * LINES {
        turns.push(Turn::Lines(execution(1), 1), Some(number));
    }
    let now = Instant::now();
    turns.push(Turn::Free, None);
    assert_eq!(commit(&mut turns, 1024, now), [None]);
    turns.push(Turn::Free, None);
    assert_eq!(commit(&mut turns, 1024, now + PATIENCE).len(), 1 + LINES);
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        1 => Just(Turn::Free),
        3 => (0..3_u8).prop_map(step),
        3 => (0..3_u8, 1..100_usize).prop_map(|(number, count)| Turn::Lines(execution(number), count)),
    ]
}

/// What comes before a commit, how long that takes, and how many more lines it asks for.
type Round = (Vec<Turn>, u32, usize);

proptest! {
    /// Whatever comes while commits are made: each write is taken once, those of an execution in their order, and those that are no lines in theirs.
    #[test]
    fn order_is_kept(rounds in prop::collection::vec((prop::collection::vec(turn(), 0..40), 0..3_u32, 0..3_usize), 0..20), most in 1..8_usize) {
        let rounds: Vec<Round> = rounds;
        let (mut turns, mut now) = (Turns::default(), Instant::now());
        let (mut pushed, mut taken) = (0, Vec::new());
        for (new, passed, more) in rounds {
            for turn in new {
                turns.push(turn, (pushed, turn));
                pushed += 1;
            }
            now += PATIENCE * passed;
            taken.extend(turns.take(most, now));
            taken.extend(std::iter::from_fn(|| turns.more_lines()).take(more));
        }
        taken.extend(commits(&mut turns, most).into_iter().flatten());
        prop_assert!(turns.is_empty());
        turns.take(1, now);
        prop_assert!(turns.next.is_empty());

        let mut last: HashMap<Option<ExecutionId>, usize> = HashMap::new();
        for (number, turn) in &taken {
            let (whose, is_lines) = match turn {
                Turn::Free => (None, false),
                Turn::Of(execution) => (Some(*execution), false),
                Turn::Lines(execution, _) => (Some(*execution), true),
            };
            // Under no execution stand all that are no lines.
            for order in whose.into_iter().map(Some).chain((!is_lines).then_some(None)) {
                let before = last.insert(order, *number);
                prop_assert!(before.is_none_or(|before| before < *number), "{number} after {before:?} of {order:?}");
            }
        }
        let mut numbers: Vec<usize> = taken.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..pushed).collect::<Vec<_>>());
    }
}
