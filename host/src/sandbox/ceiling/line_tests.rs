//! The line step by step.

use super::*;
use crate::ids::{Ids as _, SystemIds};

const CEILING: u64 = 100;

#[test]
fn what_never_fits_is_told_so() {
    let mut line = Line::new(CEILING);
    let execution = SystemIds.execution();
    assert_eq!(line.enter(execution, Role::Flow, CEILING + 1).1, Asked::Never { needs: CEILING + 1 });
    let (number, _) = line.enter(execution, Role::Flow, 50);
    assert_eq!(line.grow(number, 51), Asked::Never { needs: 101 });
}

#[test]
fn a_body_is_as_old_as_its_flow() {
    let mut line = Line::new(CEILING);
    let [old, young] = [40, 30].map(|bytes| line.enter(SystemIds.execution(), Role::Flow, bytes).0);
    assert_eq!(line.grow(young, 40), Asked::Waits);
    line.pause(old, Some(Pause::Held));
    let role = Role::Body { flow: Some(old), is_direct: true, repeatable: true };
    let (body, _) = line.enter(SystemIds.execution(), role, 20);
    assert_eq!(line.settle(false), [(body, Verdict::Granted)]);
    assert_eq!(line.grow(body, 20), Asked::Waits);
    assert_eq!(line.settle(false), [(young, Verdict::PutOff { needs: 70 })]);
    line.leave(young);
    assert_eq!(line.settle(false), [(body, Verdict::Granted)]);
}

#[test]
fn one_execution_with_many_bodies_keeps_no_other_waiting() {
    let mut line = Line::new(CEILING);
    let (many, few) = (SystemIds.execution(), SystemIds.execution());
    let body = Role::Body { flow: None, is_direct: false, repeatable: true };
    let (mut running, _) = line.enter(many, body, CEILING);
    let waiting: Vec<_> = (0..1_000).map(|_| line.enter(many, body, CEILING).0).collect();
    let late: Vec<_> = (0..3).map(|_| line.enter(few, body, CEILING).0).collect();
    let mut served = Vec::new();
    while line.waiting() > 0 {
        line.leave(running);
        let [(number, Verdict::Granted)] = line.settle(false)[..] else { panic!("one at a time") };
        served.push(number);
        running = number;
    }
    assert_eq!(served[..6], [waiting[0], late[0], waiting[1], late[1], waiting[2], late[2]]);
    assert_eq!(served[6..], waiting[3..], "and within an execution in order");
}

#[test]
fn nobody_is_put_off_while_somebody_leaves_or_goes_on() {
    let mut line = Line::new(CEILING);
    let [first, second] = [(); 2].map(|()| line.enter(SystemIds.execution(), Role::Flow, 50).0);
    assert_eq!(line.grow(first, 10), Asked::Waits);
    assert!(line.settle(false).is_empty(), "the other goes on");
    line.pause(second, Some(Pause::Free));
    assert!(line.settle(true).is_empty(), "somebody leaves");
    assert_eq!(line.settle(false), [(second, Verdict::PutOff { needs: 50 })]);
    assert!(line.settle(false).is_empty(), "it is about to");
    line.leave(second);
    assert_eq!(line.settle(false), [(first, Verdict::Granted)]);
    line.exempt(40, true);
    assert_eq!(line.grow(first, 10), Asked::Waits);
    assert!(line.settle(false).is_empty(), "nobody else could make room for it but what is not made to wait");
    line.exempt_ended(40);
    assert_eq!(line.settle(false), [(first, Verdict::Granted)]);
}
