//! Going over a journal again, as fast as it goes: most calls are word for word the recorded ones, and most of what a call needs is not
//! needed for those.

use std::sync::atomic::Ordering;

use super::events::{Event, ServedFrom};
use super::run::Run;
use crate::journal::{CallEnd, CallKind, Descriptor, Invocations, Outcome, Payload};

/// The result of a checkpoint call that is exactly the recorded one (E1). None, and nothing has changed, where more has to be looked at.
pub(super) fn serve(run: &Run, invocations: &mut Invocations, name: &str, input: &str, id: Option<&str>) -> Option<String> {
    let index = run.made.load(Ordering::Acquire);
    let record = run.cursor.own().call(index)?;
    let Descriptor { kind: CallKind::Checkpoint, name: known, invocation, input: Payload::Inline(bytes), .. } =
        &record.descriptor
    else {
        return None;
    };
    let CallEnd { outcome: Outcome::Success(Payload::Inline(value)), .. } = record.end.as_ref()? else { return None };
    // The recorded input is canonical, and equal text is an equal value. Whatever is not so simple is decided elsewhere.
    let is_same = known == name && bytes == input.as_bytes() && run.program.manifest().checkpoint(name).is_some();
    if !is_same || index >= run.spec.limits.calls || run.calls.is_faulty() || run.is_stopping() {
        return None;
    }
    let value = std::str::from_utf8(value).ok()?.to_owned();
    if !invocations.take(name, id, invocation) {
        return None;
    }
    run.made.store(index + 1, Ordering::Release);
    run.flow_clock.advance(record.end.as_ref()?.clock());
    run.flow_moves_on();
    let from = ServedFrom::Journal;
    run.tell(|| Event::Served { index, kind: CallKind::Checkpoint, invocation: invocation.clone(), from });
    Some(value)
}
