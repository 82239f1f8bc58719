//! A world of flows and bodies: in whatever order they come, nobody has more than there is, and everybody comes to an end.

use proptest::prelude::*;

use super::*;
use crate::ids::{Ids as _, SystemIds};

const CEILING: u64 = 100;

/// How many bodies may run at a time. They have their place before they want memory.
const PLACES: usize = 2;

/// What a flow does.
#[derive(Clone, Debug)]
enum Step {
    Grow(u64),
    /// One body that it waits for: what it begins with and wants more, and whether it can run again. Until it has its place, the flow can leave.
    Direct(u64, u64, bool),
    /// Bodies beside each other, likewise.
    Beside(Vec<(u64, u64, bool)>),
    /// It waits for somebody outside.
    Sleep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A body that has no place among the bodies yet, and needs so much.
    Placeless(u64),
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

impl Body {
    fn has_place(&self) -> bool {
        !matches!(self.state, State::Placeless(_) | State::Ended)
    }
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
    /// What is not made to wait, each with so much: yet to come, and there.
    coming: Vec<u64>,
    exempt: Vec<u64>,
}

impl World {
    fn new(scripts: Vec<(u64, Vec<Step>)>, coming: Vec<u64>) -> Self {
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
        Self { line: Line::new(CEILING), flows: scripts.into_iter().map(flow).collect(), put_off: 0, coming, exempt: Vec::new() }
    }

    fn settle(&mut self) {
        for (number, verdict) in self.line.settle(false) {
            match self.flows.iter().position(|flow| flow.number == number && flow.state != State::Ended) {
                Some(flow) => self.tell_flow(flow, verdict),
                None => self.tell_body(number, verdict),
            }
        }
        assert!(self.line.held().0 - self.exempt.iter().sum::<u64>() <= CEILING, "more than there is: {:?}", self.line);
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
                assert!(body.repeatable || self.exempt.is_empty(), "it failed for what ends by itself: {flow:?}");
                let again = if body.repeatable { State::Placeless(needs) } else { State::Ended };
                (body.state, body.growth) = (again, 0);
                if body.repeatable && matches!(flow.steps.get(flow.at), Some(Step::Direct(..))) {
                    self.line.pause(flow.number, Some(Pause::Free));
                }
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

    fn has_places(&self) -> bool {
        self.flows.iter().flat_map(|flow| &flow.bodies).filter(|body| body.has_place()).count() < PLACES
    }

    /// Whoever could do something, and be it somebody outside. After the flows come those that are not made to wait.
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
                State::Placeless(_) | State::InLine | State::Grows | State::Ended => false,
            };
            able.extend(is_able.then_some((at, None)));
            let bodies = flow.bodies.iter().enumerate().filter(|(_, body)| body.state == State::Runs);
            able.extend(bodies.map(|(body, _)| (at, Some(body))));
        }
        let exempt = [(!self.coming.is_empty()).then_some(Some(0)), (!self.exempt.is_empty()).then_some(None)];
        able.extend(exempt.into_iter().flatten().map(|comes| (self.flows.len(), comes)));
        able
    }

    fn act(&mut self, (at, body): (usize, Option<usize>)) {
        match body {
            _ if at == self.flows.len() => self.act_of_exempt(body.is_some()),
            Some(body) => self.act_of_body(at, body),
            None => self.act_of_flow(at),
        }
        self.settle();
        // Whoever gets a place goes on at once.
        while self.has_places()
            && let Some((at, body)) = self.placeless()
        {
            self.act_of_body(at, body);
            self.settle();
        }
    }

    fn placeless(&self) -> Option<(usize, usize)> {
        let is_it = |body: &Body| matches!(body.state, State::Placeless(_));
        self.flows.iter().enumerate().find_map(|(at, flow)| Some((at, flow.bodies.iter().position(is_it)?)))
    }

    fn act_of_exempt(&mut self, comes: bool) {
        if comes {
            let bytes = self.coming.pop().unwrap();
            self.line.exempt(bytes, true);
            self.exempt.push(bytes);
        } else {
            self.line.exempt_ended(self.exempt.pop().unwrap());
        }
    }

    fn act_of_body(&mut self, at: usize, body: usize) {
        let flow = &mut self.flows[at];
        let (execution, own) = (flow.execution, flow.number);
        let is_direct = matches!(flow.steps.get(flow.at), Some(Step::Direct(..)));
        let body = &mut flow.bodies[body];
        match body.state {
            State::Placeless(bytes) => {
                if is_direct {
                    self.line.pause(own, Some(Pause::Held));
                }
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
        let has_places = self.has_places();
        let flow = &mut self.flows[at];
        let Some(step) = flow.steps.get(flow.at).cloned() else {
            self.line.leave(flow.number);
            flow.state = State::Ended;
            return;
        };
        let body = |initial, growth, repeatable| Body { number: 0, state: State::Placeless(initial), growth, repeatable };
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
                flow.bodies = vec![body(initial, growth, repeatable)];
                if has_places { Pause::Held } else { Pause::Free }
            }
            Step::Beside(bodies) => {
                flow.bodies = bodies.into_iter().map(|(initial, growth, again)| body(initial, growth, again)).collect();
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
            let able = self.able();
            if self.flows.iter().all(|flow| flow.state == State::Ended) && able.is_empty() {
                assert_eq!((self.line.held().0, self.line.waiting(), self.line.seats()), (0, 0, 0));
                return;
            }
            assert!(!able.is_empty(), "nobody goes on: {:#?}\n{:#?}", self.flows, self.line);
            let choice = usize::from(*choices.next().unwrap());
            self.act(able[choice % able.len()]);
        }
        panic!("it never ends: {:#?}", self.flows);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let body = || (1..=20_u64, 0..=50_u64, any::<bool>());
    let step = prop_oneof![
        (1..=40_u64).prop_map(Step::Grow),
        body().prop_map(|(initial, growth, again)| Step::Direct(initial, growth, again)),
        prop::collection::vec(body(), 1..6).prop_map(Step::Beside),
        Just(Step::Sleep),
    ];
    prop::collection::vec(step, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn everybody_comes_to_an_end(
        scripts in prop::collection::vec((1..=20_u64, steps()), 1..10),
        exempt in prop::collection::vec(1..=60_u64, 0..4),
        choices in prop::collection::vec(any::<u16>(), 1..200),
    ) {
        World::new(scripts, exempt).run(&choices);
    }
}

#[test]
fn flows_that_each_need_more_than_half_come_one_after_the_other() {
    let script = (10, vec![Step::Grow(30), Step::Direct(5, 5, false), Step::Grow(20)]);
    let mut world = World::new(vec![script; 8], Vec::new());
    world.run(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(world.flows.iter().all(|flow| !flow.failed));
    assert!(world.put_off > 0, "it was tight");
}

#[test]
fn a_flow_and_its_body_that_never_fit_together_are_told_so() {
    let mut world = World::new(vec![(60, vec![Step::Direct(50, 0, true)]), (10, Vec::new())], Vec::new());
    world.run(&[0]);
    assert_eq!(world.put_off, 0);
}
