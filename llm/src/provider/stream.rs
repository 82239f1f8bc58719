//! A streamed answer as its events. It is pulled: nothing is read from the connection before somebody asks for the next event, so a slow reader
//! slows the provider down and memory holds one piece of the network at a time.

use std::fmt;

use serde_json::Value;

use crate::codec::Api;

use super::answer::Answer;
use super::choices::Choices;
use super::error::TransportError;
use super::failure;
use super::frames::{FrameError, Frames};
use super::key_filter::KeyFilter;
use super::prepared::PreparedRequest;
use super::translation::Translation;
use super::wire::Progress;

/// The events of one answer, as the provider's protocol has them. Dropping it ends the connection.
pub struct EventStream {
    answer: Answer,
    api: Api,
    translation: Option<Translation>,
    frames: Frames,
    finished: bool,
    progress: Progress,
    choices: Choices,
    /// What came and was not given yet.
    filter: KeyFilter,
    /// The error that ends it, behind all events.
    failed: Option<TransportError>,
    ended: bool,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = &self.answer.received;
        let mut shown = formatter.debug_struct("EventStream");
        shown.field("host", &self.answer.host).field("api", &self.api).field("received", received).finish_non_exhaustive()
    }
}

impl EventStream {
    pub(super) fn new(answer: Answer, request: &PreparedRequest, event_bytes: usize) -> Self {
        let (api, translation) = (request.api, request.translation);
        let choices = Choices::of(api, request.body());
        let frames = Frames::new(translation, event_bytes);
        let filter = KeyFilter::new(answer.redaction.clone());
        let (finished, progress, failed, ended) = (false, Progress::Open, None, false);
        Self { answer, api, translation, frames, finished, progress, choices, filter, failed, ended }
    }

    /// The next event; `None` after the last. After an error nothing more comes. Nothing is lost if the future is dropped.
    ///
    /// A stream that ends before the provider said that the answer is complete ends with [`TransportError::CutOff`], also where the connection
    /// was closed in good order: half an answer must not look like a whole one.
    pub async fn next(&mut self) -> Option<Result<Value, TransportError>> {
        loop {
            if let Some(event) = self.filter.next() {
                return Some(Ok(event));
            }
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            if self.ended {
                return None;
            }
            let step = match self.frames.next() {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => Err(self.bad_frame(&error)),
                None => self.read().await,
            };
            if let Err(error) = step {
                self.failed = Some(error);
                self.ended = true;
            }
            if self.ended {
                self.filter.finish();
            }
        }
    }

    /// The provider's identifier of the request, for its support.
    pub fn request_id(&self) -> Option<String> {
        failure::request_id(self.answer.response.headers(), &self.answer.redaction)
    }

    /// How much of the body has arrived, in bytes.
    pub fn received(&self) -> u64 {
        self.answer.received
    }

    fn take(&mut self, event: Value) -> Result<(), TransportError> {
        if let Some(error) = failure::of_document(&self.answer.host, &event, &self.answer.redaction) {
            return Err(Box::new(error).into());
        }
        self.progress = self.progress.max(self.progress_by(&event));
        self.ended = self.progress == Progress::Last;
        self.filter.push(event).map_err(|crowded| TransportError::BadBody {
            host: self.answer.host.clone(),
            expected: "a stream of JSON events",
            reason: crowded.to_string(),
        })
    }

    fn progress_by(&mut self, event: &Value) -> Progress {
        if let Some(translation) = self.translation {
            return translation.progress(event);
        }
        let all = self.choices.note(self.api, event);
        // What blocks a prompt blocks all of its answers.
        match self.api.progress(event) {
            Progress::Complete if !all && event.pointer("/promptFeedback/blockReason").is_none() => Progress::Open,
            progress => progress,
        }
    }

    /// Gives the decoder more, or settles how the stream ended.
    async fn read(&mut self) -> Result<(), TransportError> {
        if self.frames.is_done() || (self.finished && self.progress >= Progress::Complete) {
            self.ended = true;
            return Ok(());
        }
        if self.finished {
            return Err(self.cut_off());
        }
        match self.answer.piece().await {
            Ok(Some(piece)) => self.frames.push(&piece),
            Ok(None) => {
                self.finished = true;
                // The last frame may lack its end.
                self.frames.finish();
            }
            // What came is all that matters: some close the connection as they please once the answer is complete, or never.
            Err(TransportError::CutOff { .. } | TransportError::Timeout { .. }) if self.progress >= Progress::Complete => {
                self.ended = true
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn cut_off(&self) -> TransportError {
        let reason = "the stream ended before the answer was complete".to_owned();
        TransportError::CutOff { host: self.answer.host.clone(), received: self.answer.received, reason }
    }

    fn bad_frame(&self, error: &FrameError) -> TransportError {
        let host = self.answer.host.clone();
        match error {
            FrameError::TooLarge { limit } => TransportError::TooLarge { host, what: "an event", limit: *limit as u64 },
            // A connection that was closed inside of a frame.
            FrameError::NotJson { .. } if self.finished => self.cut_off(),
            FrameError::NotJson { .. } | FrameError::Bad { .. } => {
                TransportError::BadBody { host, expected: "a stream of JSON events", reason: error.to_string() }
            }
        }
    }
}
