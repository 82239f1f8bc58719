//! Many small flows, each for one thing that the host must get right. `tests/guests/README.md` lists them all.

mod calls;
mod capabilities;
mod children;
mod counting;
mod determinism;
mod effects;
mod failures;
mod limits;
mod models;
mod parallel;
mod records;
mod scripted;
mod timing;
mod unchecked;
mod waits;
mod witnessed;
