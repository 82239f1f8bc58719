//! Many small flows, each for one thing that the host must get right. `tests/guests/README.md` lists them all.

mod calls;
mod capabilities;
mod counting;
mod determinism;
mod failures;
mod limits;
mod records;
mod unchecked;
mod waits;
