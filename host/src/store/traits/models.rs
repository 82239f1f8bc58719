//! Model calls: their records, what they cost, and answers that may be given again. Amounts of money are billionths of a US dollar, and each is
//! kept up to $4.5 million.
//!
//! What was spent has one source, the records. [`Spent::recorded`] of an account is the sum of all records that were ever written here, and
//! nothing else changes it; a record is written in the step that ends its call, and the sums with it. The other two parts are what no record tells:
//!
//! - What is set aside for a call ([`Spending::reserve`]), or what its try did cost ([`Spending::settle`]), until its record is there. The step
//!   that writes the record ends all reservations of that call (its [`event`](ModelCallRow::event)) that the same runner made. So an
//!   amount is counted once at every moment.
//! - [`Spent::unrecorded`]: what reservations held beyond what the record tells (an attempt that may have been charged, and whose price nobody
//!   knows), those of calls that have no record by their nature, and those of runners that died. A call that a crash cut off may have been charged:
//!   what was set aside for it counts as spent for good. It is made again under its event, and the other runner's record ends only what that one
//!   set aside.
//!
//! A deleted execution takes its records and its own account along; in the accounts of its flow and its days the money stays, and in that of its tree
//! until the last of the tree is deleted: nobody in it has more to spend because others are gone. An imported one brings records, and what they tell
//! counts in its own account only: it was spent from the budgets of another store. It is the top of a tree of its own here.

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::journal::Payload;
use crate::store::StoreError;

/// The record of one tracked call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCallRow {
    /// Whose it is.
    pub execution: ExecutionId,
    /// The durable call: the model call itself, or the checkpoint around it.
    pub call: u32,
    /// The attempt of it.
    pub attempt: u32,
    /// Position among what the attempt called: 0, 1, 2 …
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// The flow whose account it draws on.
    pub flow: String,
    /// The day whose account it draws on: days since 1 January 1970, UTC.
    pub day: u64,
    /// When.
    pub at: Timestamp,
    /// Its event, if money may have been set aside for it: the record takes the place of that.
    pub event: Option<Uuid>,
    /// Its usage records, `llm_usage_v1`: a JSON array as text.
    pub usage: String,
    /// Its events, as JSON Lines.
    pub events: String,
    /// What governed it: JSON as text.
    pub policies: String,
    /// What it did cost, as far as that is known; nothing where its answer was there already.
    pub spent: u64,
}

impl ModelCallRow {
    /// What its texts take, in bytes.
    pub fn bytes(&self) -> usize {
        self.name.len() + self.usage.len() + self.events.len() + self.policies.len()
    }
}

/// A record without its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelUsage {
    /// Grows with every record of the store.
    pub position: u64,
    /// Whose it is.
    pub execution: ExecutionId,
    /// The durable call.
    pub call: u32,
    /// The attempt of it.
    pub attempt: u32,
    /// Position among what the attempt called.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// The flow.
    pub flow: String,
    /// The day.
    pub day: u64,
    /// When.
    pub at: Timestamp,
    /// Its usage records: a JSON array as text.
    pub usage: String,
    /// What it did cost.
    pub spent: u64,
}

/// Which records to read. Everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct UsageQuery {
    /// Only of this flow.
    pub flow: Option<String>,
    /// Only of this day or later.
    pub since: Option<u64>,
    /// Only of days before this one.
    pub until: Option<u64>,
    /// Only those after the record of this day at this position: where an earlier page ended.
    pub after: Option<(u64, u64)>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// Records of model calls. One is kept by [`Journal::append`](super::Journal::append), in the step that ends the call.
#[async_trait]
pub trait ModelCalls {
    /// The records of an execution, of all attempts, by call, attempt and ordinal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn model_calls(&self, execution: ExecutionId) -> Result<Vec<ModelCallRow>, StoreError>;
    /// Those of these durable calls alone, in the same order.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn model_calls_of(&self, execution: ExecutionId, calls: &[u32]) -> Result<Vec<ModelCallRow>, StoreError>;
    /// The same without the events, which are long.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn model_usage(&self, execution: ExecutionId) -> Result<Vec<ModelUsage>, StoreError>;
    /// Records of several executions, by day and in the order in which they were written.
    async fn model_usage_of(&self, query: &UsageQuery) -> Result<Vec<ModelUsage>, StoreError>;
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SpendScope {
    /// Of one execution.
    Execution(ExecutionId),
    /// Of all executions of the tree with this one at its top, itself included: see [`NewExecution::root`](super::NewExecution::root).
    Tree(ExecutionId),
    /// Of all executions of one flow.
    Flow(String),
    /// Of one day in UTC, as days since 1 January 1970.
    Day(u64),
}

/// An account that a call draws on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendAccount {
    /// Which.
    pub scope: SpendScope,
    /// How much may be spent from it altogether.
    pub limit: Option<u64>,
}

/// What was spent from an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// As the records tell.
    pub recorded: u64,
    /// What counts as spent, and no record tells.
    pub unrecorded: u64,
    /// What is set aside for calls that have no record yet.
    pub reserved: u64,
}

impl Spent {
    /// All of it: what a limit is compared with.
    pub fn total(&self) -> u64 {
        self.recorded.saturating_add(self.unrecorded).saturating_add(self.reserved)
    }
}

/// An amount to set aside.
#[derive(Clone, Debug)]
pub struct NewReservation {
    /// The event of the call that it is for.
    pub event: Option<Uuid>,
    /// The accounts. One of an execution says that the call will have a record.
    pub accounts: Vec<SpendAccount>,
    /// The most that the call can cost.
    pub amount: u64,
    /// When.
    pub at: Timestamp,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The amount is set aside, under this number.
    Kept(u64),
    /// One of the accounts has not so much left; nothing was set aside in any of them.
    Exceeded {
        /// Which.
        account: SpendAccount,
        /// What is spent or set aside there.
        used: u64,
    },
}

/// What model calls cost.
#[async_trait]
pub trait Spending {
    /// Sets an amount aside in all the accounts, durably, or in none. Of several that ask at once, here or in other processes, none gets what
    /// another got.
    async fn reserve(&self, reservation: NewReservation) -> Result<Reserved, StoreError>;
    /// Replaces what was set aside by what was spent: by nothing, where the call was never made. Only the first time counts, and nothing is done
    /// once the record of the call is there.
    async fn settle(&self, reservation: u64, spent: u64) -> Result<(), StoreError>;
    /// What was spent from an account.
    async fn spent(&self, scope: &SpendScope) -> Result<Spent, StoreError>;
    /// What was spent by each flow that something was ever spent by, by name.
    async fn spent_by_flow(&self) -> Result<Vec<(String, Spent)>, StoreError>;
    /// What was spent on each day that something was spent on, in order: of this day or later, and of days before the other.
    async fn spent_by_day(&self, since: Option<u64>, until: Option<u64>) -> Result<Vec<(u64, Spent)>, StoreError>;
    /// Counts what dead runners had set aside as spent for good, and tells how many reservations that were. It changes no total.
    async fn close_reservations(&self) -> Result<u64, StoreError>;
}

/// SHA-256 of what makes a model call the call that it is.
pub type AnswerKey = [u8; 32];

/// An answer that may be given again. A later one of the same key takes its place.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelAnswer {
    /// Which call it answers.
    pub key: AnswerKey,
    /// The answer. If it is large, its bytes are in the store already.
    pub answer: Payload,
    /// When it is too old.
    pub expires_at: Option<Timestamp>,
}

/// How many answers are kept: beyond that, those make room that were not used for longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerBounds {
    /// At most so many.
    pub entries: u64,
    /// At most so many bytes altogether.
    pub bytes: u64,
}

/// Answers of models.
#[async_trait]
pub trait ModelAnswers {
    /// The answer of this key, unless it is too old at `now`. That is a use of it.
    async fn answer(&self, key: AnswerKey, now: Timestamp) -> Result<Option<Payload>, StoreError>;
    /// Keeps an answer, if it fits at all. Those that are too old at `now` make room first.
    async fn keep_answer(&self, answer: ModelAnswer, bounds: AnswerBounds, now: Timestamp) -> Result<(), StoreError>;
    /// Removes the answers that are too old at `now`, and tells how many. Large values go with the next
    /// [`Executions::sweep`](super::Executions::sweep).
    async fn forget_answers(&self, now: Timestamp) -> Result<u64, StoreError>;
}
