//! The examples that call models, run whole: the real binary, and a provider on loopback that says what each test has scripted.

mod agent;
mod chat;
mod scene;
mod writer;
