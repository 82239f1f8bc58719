//! A world of flows and bodies: in whatever order they come, nobody has more than there is, and everybody comes to an end.

use proptest::prelude::*;

use super::*;
use crate::ids::{Ids as _, SystemIds};

const CEILING: u64 = 100;

/// What a flow does.
#[derive(Clone, Debug)]
enum Step {
    Grow(u64),
    /// One body that it waits for: what it begins with and wants more, and whether it can run again.
    Direct(u64, u64, bool),
    /// Bodies beside each other, each with so much.
    Beside(Vec<(u64, u64)>),
    /// It waits for somebody outside.
    Sleep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It wants to come in, with so much.
    Outside(u64),
    InLine,
    Runs,
    Grows,
    Waits,
    Ended,
}

#[derive(Clone, Debug)]
struct Body {
    number: Number,
    state: State,
    growth: u64,
    repeatable: bool,
}

#[derive(Clone, Debug)]
struct Flow {
    execution: ExecutionId,
    number: Number,
    initial: u64,
    steps: Vec<Step>,
    state: State,
    /// The step that it is at, and those before which it has to go over again without waiting.
    at: usize,
    done: usize,
    used: u64,
    held: u64,
    bodies: Vec<Body>,
    failed: bool,
    put_off: u32,
}

struct World {
    line: Line,
    flows: Vec<Flow>,
    put_off: u32,
}

impl World {
    fn new(scripts: Vec<(u64, Vec<Step>)>) -> Self {
        let flow = |(initial, steps)| Flow {
            execution: SystemIds.execution(),
            number: 0,
            initial,
            steps,
            state: State::Outside(initial),
            at: 0,
            done: 0,
            used: 0,
            held: 0,
            bodies: Vec::new(),
            failed: false,
            put_off: 0,
        };
        Self { line: Line::new(CEILING), flows: scripts.into_iter().map(flow).collect(), put_off: 0 }
    }

    fn settle(&mut self) {
        for (number, verdict) in self.line.settle(false) {
            let found = self.flows.iter().position(|flow| flow.number == number && flow.state != State::Ended);
            match found {
                Some(flow) => self.tell_flow(flow, verdict),
                None => self.tell_body(number, verdict),
            }
        }
        assert!(self.line.held().0 <= CEILING, "more than there is: {:?}", self.line);
    }

    fn tell_flow(&mut self, at: usize, verdict: Verdict) {
        let flow = &mut self.flows[at];
        match (verdict, flow.state) {
            (Verdict::Granted, State::InLine) => (flow.state, flow.used) = (State::Runs, flow.initial),
            (Verdict::Granted, State::Grows) => {
                let Step::Grow(bytes) = flow.steps[flow.at] else { panic!("{flow:?}") };
                (flow.state, flow.used) = (State::Runs, flow.used + bytes);
                (flow.held, flow.at) = (flow.held.max(flow.used), flow.at + 1);
            }
            (Verdict::PutOff { needs }, State::Grows | State::Waits) => self.leave(at, needs),
            (Verdict::Never { needs }, _) => {
                assert!(needs > CEILING, "{needs} would fit: {flow:?}");
                self.fail(at);
            }
            (verdict, state) => panic!("{verdict:?} in {state:?}"),
        }
    }

    fn tell_body(&mut self, number: Number, verdict: Verdict) {
        let is_it = |body: &Body| body.number == number && body.state != State::Ended;
        let at = self.flows.iter().position(|flow| flow.bodies.iter().any(is_it)).unwrap();
        let flow = &mut self.flows[at];
        let held = flow.held;
        let is_in = flow.state == State::Waits;
        let body = flow.bodies.iter_mut().find(|body| is_it(body)).unwrap();
        match (verdict, body.state) {
            (Verdict::Granted, State::InLine) => body.state = State::Runs,
            (Verdict::Granted, State::Grows) => (body.state, body.growth) = (State::Runs, 0),
            // Its flow leaves for it.
            (Verdict::PutOff { .. }, State::InLine) => self.leave(at, held),
            // The attempt failed, or is made once more.
            (Verdict::PutOff { needs }, State::Grows) => {
                let again = if body.repeatable { State::Outside(needs) } else { State::Ended };
                (body.state, body.growth) = (again, 0);
                self.put_off += 1;
                self.line.leave(number);
                self.settle();
            }
            (Verdict::Never { needs }, _) => {
                assert!(is_in && needs + held > CEILING, "{needs} would fit beside {held}: {flow:?}");
                body.state = State::Ended;
                self.line.leave(number);
                self.settle();
            }
            (verdict, state) => panic!("{verdict:?} in {state:?}"),
        }
    }

    /// A flow leaves memory. What it waits for goes on without it.
    fn leave(&mut self, at: usize, needs: u64) {
        let flow = &mut self.flows[at];
        (flow.put_off, self.put_off) = (flow.put_off + 1, self.put_off + 1);
        assert!(flow.put_off < 50, "it never gets anywhere: {flow:?}");
        self.line.leave(flow.number);
        if matches!(flow.steps.get(flow.at), Some(Step::Beside(_) | Step::Sleep)) {
            // It comes again when what it waits for has come.
            flow.done = flow.at + 1;
        } else {
            for body in &mut flow.bodies {
                self.line.leave(body.number);
                body.state = State::Ended;
            }
        }
        (flow.state, flow.at, flow.used) = (State::Outside(needs), 0, 0);
        self.settle();
    }

    fn fail(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        for body in &mut flow.bodies {
            self.line.leave(body.number);
            body.state = State::Ended;
        }
        self.line.leave(flow.number);
        (flow.state, flow.failed) = (State::Ended, true);
        self.settle();
    }

    /// Whoever could do something, and be it somebody outside.
    fn able(&self) -> Vec<(usize, Option<usize>)> {
        let mut able = Vec::new();
        for (at, flow) in self.flows.iter().enumerate() {
            let bodies_end = flow.bodies.iter().all(|body| body.state == State::Ended);
            let sleeps = flow.state == State::Waits && matches!(flow.steps[flow.at], Step::Sleep);
            let is_able = match flow.state {
                State::Runs => true,
                // It comes again when its bodies have ended.
                State::Outside(_) => bodies_end,
                State::Waits => sleeps || bodies_end,
                State::InLine | State::Grows | State::Ended => false,
            };
            able.extend(is_able.then_some((at, None)));
            let bodies = flow.bodies.iter().enumerate();
            let bodies = bodies.filter(|(_, body)| matches!(body.state, State::Runs | State::Outside(_)));
            able.extend(bodies.map(|(body, _)| (at, Some(body))));
        }
        able
    }

    fn act(&mut self, (at, body): (usize, Option<usize>)) {
        match body {
            Some(body) => self.act_of_body(at, body),
            None => self.act_of_flow(at),
        }
        self.settle();
    }

    fn act_of_body(&mut self, at: usize, body: usize) {
        let flow = &mut self.flows[at];
        let (execution, own) = (flow.execution, flow.number);
        let is_direct = matches!(flow.steps.get(flow.at), Some(Step::Direct(..)));
        let body = &mut flow.bodies[body];
        match body.state {
            State::Outside(bytes) => {
                let role = Role::Body { flow: Some(own), is_direct, repeatable: body.repeatable };
                let (number, asked) = self.line.enter(execution, role, bytes);
                body.number = number;
                body.state = match asked {
                    Asked::Granted => State::Runs,
                    Asked::Waits => State::InLine,
                    Asked::Never { .. } => State::Ended,
                };
            }
            _ if body.growth > 0 => match self.line.grow(body.number, body.growth) {
                Asked::Granted => body.growth = 0,
                Asked::Waits => body.state = State::Grows,
                Asked::Never { .. } => {
                    self.line.leave(body.number);
                    body.state = State::Ended;
                }
            },
            _ => {
                self.line.leave(body.number);
                body.state = State::Ended;
            }
        }
    }

    fn act_of_flow(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        match flow.state {
            State::Outside(bytes) => {
                flow.bodies.clear();
                let (number, asked) = self.line.enter(flow.execution, Role::Flow, bytes);
                (flow.number, flow.held) = (number, bytes);
                match asked {
                    Asked::Granted => (flow.state, flow.used) = (State::Runs, flow.initial),
                    Asked::Waits => flow.state = State::InLine,
                    Asked::Never { .. } => self.fail(at),
                }
            }
            State::Waits => {
                self.line.pause(flow.number, None);
                flow.bodies.clear();
                (flow.state, flow.at) = (State::Runs, flow.at + 1);
                flow.done = flow.at;
            }
            _ => self.step(at),
        }
    }

    fn step(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        let Some(step) = flow.steps.get(flow.at).cloned() else {
            self.line.leave(flow.number);
            flow.state = State::Ended;
            return;
        };
        let outside =
            |(initial, growth): (u64, u64), repeatable| Body { number: 0, state: State::Outside(initial), growth, repeatable };
        let wait = match step {
            Step::Grow(bytes) => {
                let wants = (flow.used + bytes).saturating_sub(flow.held);
                let asked = if wants == 0 { Asked::Granted } else { self.line.grow(flow.number, wants) };
                match asked {
                    Asked::Granted => {
                        (flow.used, flow.at) = (flow.used + bytes, flow.at + 1);
                        flow.held = flow.held.max(flow.used);
                    }
                    Asked::Waits => flow.state = State::Grows,
                    Asked::Never { .. } => self.fail(at),
                }
                return;
            }
            // It is served as it was recorded.
            _ if flow.at < flow.done => {
                flow.at += 1;
                return;
            }
            Step::Direct(initial, growth, repeatable) => {
                flow.bodies = vec![outside((initial, growth), repeatable)];
                Pause::Held
            }
            Step::Beside(bodies) => {
                flow.bodies = bodies.into_iter().map(|body| outside(body, false)).collect();
                Pause::Free
            }
            Step::Sleep => Pause::Free,
        };
        flow.state = State::Waits;
        self.line.pause(flow.number, Some(wait));
    }

    /// Runs until everybody has ended, in the order that `choices` say.
    fn run(&mut self, choices: &[u16]) {
        let mut choices = choices.iter().cycle();
        for _ in 0..100_000 {
            if self.flows.iter().all(|flow| flow.state == State::Ended) {
                assert_eq!((self.line.held().0, self.line.waiting(), self.line.seats()), (0, 0, 0));
                return;
            }
            let able = self.able();
            assert!(!able.is_empty(), "nobody goes on: {:#?}\n{:#?}", self.flows, self.line);
            let choice = usize::from(*choices.next().unwrap());
            self.act(able[choice % able.len()]);
        }
        panic!("it never ends: {:#?}", self.flows);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let body = (1..=20_u64, 0..=50_u64);
    let step = prop_oneof![
        (1..=40_u64).prop_map(Step::Grow),
        (1..=20_u64, 0..=50_u64, any::<bool>()).prop_map(|(initial, growth, again)| Step::Direct(initial, growth, again)),
        prop::collection::vec(body, 1..6).prop_map(Step::Beside),
        Just(Step::Sleep),
    ];
    prop::collection::vec(step, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn everybody_comes_to_an_end(
        scripts in prop::collection::vec((1..=20_u64, steps()), 1..10),
        choices in prop::collection::vec(any::<u16>(), 1..200),
    ) {
        World::new(scripts).run(&choices);
    }
}

#[test]
fn flows_that_each_need_more_than_half_come_one_after_the_other() {
    let script = (10, vec![Step::Grow(30), Step::Direct(5, 5, false), Step::Grow(20)]);
    let mut world = World::new(vec![script; 8]);
    world.run(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(world.flows.iter().all(|flow| !flow.failed));
    assert!(world.put_off > 0, "it was tight");
}

#[test]
fn a_flow_and_its_body_that_never_fit_together_are_told_so() {
    let mut world = World::new(vec![(60, vec![Step::Direct(50, 0, true)]), (10, Vec::new())]);
    world.run(&[0]);
    assert_eq!(world.put_off, 0);
    let mut line = Line::new(CEILING);
    let execution = SystemIds.execution();
    assert_eq!(line.enter(execution, Role::Flow, CEILING + 1).1, Asked::Never { needs: CEILING + 1 });
    let (number, _) = line.enter(execution, Role::Flow, 50);
    assert_eq!(line.grow(number, 51), Asked::Never { needs: 101 });
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
    assert!(line.settle(false).is_empty(), "what is not made to wait ends soon");
    line.exempt_ended(40);
    assert_eq!(line.settle(false), [(first, Verdict::Granted)]);
}
