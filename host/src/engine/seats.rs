//! Places of a run's instances in the memory of all: had before anything of an instance happens, so that nothing is on record that has not
//! begun.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use super::EngineError;
use super::patience::Suspended;
use super::recorder::Step;
use super::run::Run;
use crate::journal::{Descriptor, EntryBody, Failure};
use crate::sandbox::{Entry, NoRoom, Role, Seat, Stop, WeakSeat};
use crate::store::Durability;

/// What the next instance of a run needs, where one was put off before, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs(pub(super) u64);

impl Run {
    /// A place for the flow, or why the run ends before it began.
    pub(super) async fn seat_of_flow(&self) -> Result<Seat, Stop> {
        let bytes = self.program.initial_bytes().max(self.needs.0);
        match self.engine.sandbox.ceiling().enter(self.id(), Role::Flow, bytes) {
            Entry::Free(seat) => Ok(seat),
            Entry::Never(never) => Err(Stop::NoRoom(never)),
            Entry::Wait(waits) => tokio::select! {
                biased;
                seat = waits.place() => seat.map_err(Stop::NoRoom),
                () = self.stopped() => Err(Stop::Engine(Box::new(Suspended::Stopping))),
            },
        }
    }

    /// The flow's place, while the flow is there.
    fn flow_seat(&self) -> Option<Seat> {
        self.flow_seat.get().and_then(WeakSeat::seat)
    }

    /// A place for a body, or why there is none for it. A call that has to wait is on record meanwhile, because its index is taken.
    pub(super) async fn seat_of_body(
        &self,
        call: u32,
        body: Body,
        descriptor: &mut Option<Descriptor>,
    ) -> Result<Result<Seat, NoRoom>, Stop> {
        let Body { repeatable, is_direct, needs: Needs(needs) } = body;
        let role = Role::Body { flow: self.flow_seat().as_ref().and_then(Seat::number), is_direct, repeatable };
        let bytes = self.program.initial_bytes().max(needs);
        let waits = match self.engine.sandbox.ceiling().enter(self.id(), role, bytes) {
            Entry::Free(seat) => return Ok(Ok(seat)),
            Entry::Never(never) => return Ok(Err(never)),
            Entry::Wait(waits) => waits,
        };
        if let Some(descriptor) = descriptor.take() {
            self.recorder.cork(Step::entry(EntryBody::CallIssued { call, descriptor }), Durability::Relaxed)?;
        }
        tokio::select! {
            biased;
            seat = waits.place() => match seat {
                // Its flow leaves: it is called again, and has not begun.
                Err(put_off @ NoRoom::PutOff { .. }) => Err(Stop::NoRoom(put_off)),
                seat => Ok(seat),
            },
            () = self.stopped() => Err(Stop::Engine(Box::new(Suspended::Stopping))),
        }
    }

    /// Does something for which the flow waits. Where that goes on without the flow, the flow leaves if others need its memory.
    pub(super) async fn while_flow_waits<T>(
        &self,
        can_leave: bool,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        // Before it waits: what ends from here on is what it waits for, or may be.
        let moves = self.calls.moves();
        let mut work = pin!(work);
        // Most of it is there already, in a journal that is gone over again above all: then nobody else needs to know of it.
        if can_leave && let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return done;
        }
        let Some(seat) = self.flow_seat() else { return work.await };
        let pausing = seat.pauses(can_leave);
        tokio::select! {
            biased;
            done = work => done,
            put_off = pausing.told() => {
                if can_leave {
                    // Nobody else sets it: the flow ends with this.
                    let _ = self.left_at.set(moves);
                }
                Err(Stop::NoRoom(put_off))
            }
        }
    }

    /// Waits for something before an attempt begins. A flow that waits for the call and for nothing else leaves meanwhile if others need its
    /// memory: what it waits for may be with those, and the call is made again as the journal has it.
    pub(super) async fn before_attempt<T>(
        &self,
        is_direct: bool,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let mut work = pin!(work);
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return done;
        }
        let Some(seat) = self.flow_seat().filter(|_| is_direct) else { return work.await };
        seat.may_leave();
        let done = work.await;
        seat.stays().map_err(Stop::NoRoom)?;
        done
    }

    /// Ends a call before it does more, where the execution has as much on record as it may.
    pub(super) fn within_history(&self) -> Result<(), Stop> {
        let (bytes, limit) = (self.recorder.history_bytes(), self.spec.limits.history_bytes());
        if bytes <= limit {
            return Ok(());
        }
        crate::sandbox::reached("history_mib");
        let mib = self.spec.limits.history_mib;
        Err(Stop::Limit(format!("its journal and values have {bytes} bytes, and the limit `history_mib` is {mib} MiB")))
    }

    /// Takes room for an artifact, which counts whatever becomes of its attempt. False where the execution has as many as it may.
    pub(super) async fn take_artifact(&self, bytes: u64) -> Result<bool, EngineError> {
        let kept = self.artifact_bytes.get_or_try_init(async || {
            let rows = self.store.artifacts(self.id()).await?;
            Ok::<_, EngineError>(AtomicU64::new(rows.iter().map(|row| row.payload.len()).sum()))
        });
        let limit = self.spec.limits.artifacts_bytes();
        let more = |kept: u64| kept.checked_add(bytes).filter(|all| *all <= limit);
        let taken = kept.await?.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        if taken.is_err() {
            crate::sandbox::reached("artifacts_mib");
        }
        Ok(taken.is_ok())
    }
}

/// The kind of an attempt's failure that nobody could see, and that counts for nothing.
pub(super) const PUT_OFF: &str = "put-off";

/// The failure of an attempt that begins again as if it had not begun.
pub(super) fn unseen(failure: Failure) -> Failure {
    Failure { kind: PUT_OFF.into(), ..failure }
}

/// A body that wants a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// Nobody can see what it does.
    pub(super) repeatable: bool,
    /// The flow waits for it and for nothing else.
    pub(super) is_direct: bool,
    pub(super) needs: Needs,
}

/// The failure of an instance for which there is no room.
pub(super) fn no_room(no_room: NoRoom) -> Failure {
    crate::sandbox::reached("instances_mib");
    // On a host with more memory, or with less to do, it can be different.
    Failure::runtime("limit", no_room.to_string()).retryable()
}
