//! The questions of a flow that runs in the foreground: asked one at a time, whatever else happens meanwhile.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use owo_colors::OwoColorize as _;

use super::error::CliError;
use super::prompt::{self, Answer, Keyboard};
use super::terminal::one_line;
use crate::service::{PendingWaitView, Service};

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Answer, CliError>> + Send + 'a>>;

/// Open questions, the first of which is asked.
pub(super) struct Conversation<'a> {
    service: &'a dyn Service,
    keyboard: Option<Keyboard>,
    asked: Option<(PendingWaitView, Asking<'a>)>,
    queue: VecDeque<PendingWaitView>,
    /// An answer was typed, and is being given.
    is_giving: Arc<AtomicBool>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(service: &'a dyn Service) -> Self {
        Self { service, keyboard: None, asked: None, queue: VecDeque::new(), is_giving: Arc::default() }
    }

    /// Whether a question stands at the terminal.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// One more question.
    pub(super) fn ask(&mut self, wait: PendingWaitView) {
        let known = self.asked.iter().map(|(asked, _)| asked).chain(&self.queue).any(|known| known.wait_id == wait.wait_id);
        if !known {
            self.queue.push_back(wait);
            self.next();
        }
    }

    /// A question was settled, here or elsewhere.
    pub(super) async fn settled(&mut self, wait_id: &str) {
        self.queue.retain(|wait| wait.wait_id != wait_id);
        if let Some((wait, mut asking)) = self.asked.take_if(|(wait, _)| wait.wait_id == wait_id) {
            if self.is_giving.load(Ordering::Acquire) {
                // By what was typed here, mostly; where somebody or the deadline was quicker, it says so.
                let is_giving = self.is_giving.clone();
                let given = |context: &mut Context<'_>| match asking.as_mut().poll(context) {
                    Poll::Pending if is_giving.load(Ordering::Acquire) => Poll::Pending,
                    _ => Poll::Ready(()),
                };
                std::future::poll_fn(given).await;
                return self.next();
            }
            // It has the keyboard.
            drop(asking);
            let how = match self.status_of(&wait).await.as_deref() {
                Some("expired") => "nobody answered in time",
                Some("aborted") => "aborted elsewhere",
                _ => "answered elsewhere",
            };
            anstream::eprintln!("\n  {}", how.dimmed());
            // What was typed was for this question, and must not answer the next.
            if self.keyboard.as_mut().is_some_and(Keyboard::forget) {
                anstream::eprintln!("  {}", "what you typed was not used".dimmed());
            }
        }
        self.next();
    }

    /// The person's decision about the question that is asked. Never, where none is.
    pub(super) async fn answer(&mut self) -> Result<Answer, CliError> {
        let Some((_, asking)) = &mut self.asked else { return std::future::pending().await };
        let answer = asking.as_mut().await;
        self.asked = None;
        if matches!(answer, Ok(Answer::Leave)) {
            self.queue.clear();
        }
        self.next();
        answer
    }

    fn next(&mut self) {
        if self.asked.is_some() {
            return;
        }
        let Some(wait) = self.queue.pop_front() else { return };
        let mut keyboard = self.keyboard.get_or_insert_with(Keyboard::open).clone();
        let (service, asked, is_giving) = (self.service, wait.clone(), self.is_giving.clone());
        prompt::show(&wait);
        let asking = async move {
            loop {
                let answer = prompt::ask(&mut keyboard, &asked).await.unwrap_or(Answer::Leave);
                if answer == Answer::Leave {
                    return Ok(answer);
                }
                is_giving.store(true, Ordering::Release);
                let given = prompt::give(service, &asked, answer.clone()).await;
                is_giving.store(false, Ordering::Release);
                match given {
                    Ok(true) => return Ok(answer),
                    Ok(false) => {}
                    // Somebody else was quicker, or the time is over: the flow goes on with that.
                    Err(error) if error.class == Some("KitaruStateError") => {
                        anstream::eprintln!("  {} {}", "✗".red(), one_line(&error.message));
                        return Ok(answer);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        self.asked = Some((wait, Box::pin(asking)));
    }

    async fn status_of(&self, wait: &PendingWaitView) -> Option<String> {
        let id = self.service.resolve(&wait.exec_id).await.ok()?;
        let waits = self.service.get(id).await.ok()?.waits;
        waits.into_iter().find(|known| known.wait.wait_id == wait.wait_id).map(|known| known.status.into_owned())
    }
}
