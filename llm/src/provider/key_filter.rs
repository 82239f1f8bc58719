//! Taking the key out of an answer that comes in events. Providers cut texts where they like, and so maybe the key: what goes on from one event to
//! the next is read as the one text that it is.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use serde_json::Value;

use super::channel::{Channel, Place, ends_texts};
use super::redaction::{FRAGMENT, REPLACEMENT, Redaction};

/// A text that ends with so many secret characters of the key's beginning waits for what comes next. Fewer give nothing away (`sk-`), and many texts
/// end with one or two.
const TELLING: usize = 4;
/// It waits for so many events at most: pieces of one text follow each other closely, and what has come meanwhile must not wait for ever.
const LONGEST_WAIT: u64 = 16;
/// More texts than this are not kept in mind side by side.
const MOST_OPEN: usize = 1_000;

/// Takes events, and gives them without the key, in their order and otherwise as they came.
///
/// An event goes on at once, unless one of its texts ends with the beginning of the key: then it waits, and with it what comes after it, until the text
/// goes on, its block ends, some more events have come, or nothing more comes. What was given of a key before that is less than tells anybody
/// anything; the rest of it is still found and taken out.
pub(super) struct KeyFilter {
    redaction: Redaction,
    waiting: VecDeque<Value>,
    /// How many events were given, which is the number of the first that waits.
    given: u64,
    open: HashMap<Channel, Tail>,
}

/// The end of a text, which the key begins with.
#[derive(Default)]
struct Tail {
    text: String,
    /// How many secret characters of the key it has.
    secret: usize,
    /// Whether the events that have it wait.
    holds: bool,
    /// The last event that has some of it.
    event: u64,
    parts: Vec<Part>,
}

impl Tail {
    fn is_telling(&self) -> bool {
        self.secret >= TELLING
    }
}

/// Where a part of a tail stands: at the end of a string of an event.
struct Part {
    event: u64,
    pointer: String,
    /// Where it begins in that string.
    from: usize,
    /// What it is of the tail.
    of_tail: Range<usize>,
}

/// A string of the event at hand that is to end earlier: it is changed when all of the event has been read.
struct Later {
    pointer: String,
    end: usize,
    marked: bool,
}

impl KeyFilter {
    pub(super) fn new(redaction: Redaction) -> Self {
        Self { redaction, waiting: VecDeque::new(), given: 0, open: HashMap::new() }
    }

    /// Takes the next event.
    pub(super) fn push(&mut self, mut event: Value) {
        if !self.redaction.has_key() {
            self.waiting.push_back(event);
            return;
        }
        if self.open.len() > MOST_OPEN {
            self.forget();
        }
        let this = self.next_number();
        let is_end = ends_texts(&event);
        let mut place = Place::top(&event);
        let mut later = Vec::new();
        self.read(&mut event, &mut place, &mut later);
        for Later { pointer, end, marked } in later {
            cut(event.pointer_mut(&pointer), end, marked);
        }
        self.waiting.push_back(event);
        self.settle(|tail| is_end || this.saturating_sub(tail.event) >= LONGEST_WAIT);
    }

    /// The next event that need not wait.
    pub(super) fn next(&mut self) -> Option<Value> {
        let mut held = self.open.values().filter(|tail| tail.holds).flat_map(|tail| &tail.parts);
        if held.any(|part| part.event == self.given) {
            return None;
        }
        let event = self.waiting.pop_front()?;
        self.given = self.given.saturating_add(1);
        Some(event)
    }

    /// Nothing goes on: all events can go on now.
    pub(super) fn finish(&mut self) {
        self.settle(|_| true);
        self.open.clear();
    }

    /// Whether more texts side by side end like the key than can be kept in mind: no answer does that unless it is made to.
    pub(super) fn is_crowded(&self) -> bool {
        self.open.len() > MOST_OPEN && self.open.values().filter(|tail| tail.is_telling()).count() > MOST_OPEN
    }

    /// Lets go of the events that wait for texts that are over as it seems. A key that is cut off there is a part of one, if it is long enough to be
    /// told from a word. Should the text go on with the rest of it, that is still found.
    fn settle(&mut self, is_over: impl Fn(&Tail) -> bool) {
        let Self { waiting, given, open, .. } = self;
        for tail in open.values_mut().filter(|tail| tail.holds && is_over(tail)) {
            tail.holds = false;
            if tail.secret < FRAGMENT {
                continue;
            }
            let mut marked = false;
            for part in tail.parts.drain(..) {
                marked |= cut(string_of(waiting, *given, &part), part.from, !marked);
            }
        }
    }

    /// Forgets the older half of the texts that end with too little of the key to tell.
    fn forget(&mut self) {
        let mut events: Vec<u64> = self.open.values().filter(|tail| !tail.is_telling()).map(|tail| tail.event).collect();
        events.sort_unstable();
        let Some(middle) = events.get(events.len() / 2).copied() else { return };
        self.open.retain(|_, tail| tail.is_telling() || tail.event > middle);
    }

    /// The number of the event that comes next.
    fn next_number(&self) -> u64 {
        self.given.saturating_add(self.waiting.len() as u64)
    }

    fn read<'e>(&mut self, value: &'e mut Value, place: &mut Place<'e>, later: &mut Vec<Later>) {
        match value {
            Value::String(text) => self.text(text, place, later),
            Value::Array(items) => {
                for (position, item) in items.iter_mut().enumerate() {
                    let numbered = place.enter_element(position, item);
                    self.read(item, place, later);
                    place.leave_element(numbered);
                }
            }
            Value::Object(fields) => {
                let before = place.think(fields.get("thought") == Some(&Value::Bool(true)));
                self.redaction.names(fields);
                for (name, value) in fields.iter_mut() {
                    place.enter(name);
                    self.read(value, place, later);
                    place.leave();
                }
                place.think(before);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Reads one string, after what came before it in its channel.
    fn text(&mut self, text: &mut String, place: &Place<'_>, later: &mut Vec<Later>) {
        if text.is_empty() {
            return;
        }
        let tail = if self.open.is_empty() { None } else { self.open.remove(&place.channel()) };
        let tail = tail.unwrap_or_default();
        let before = tail.text.len();
        let joined = if before == 0 { Cow::Borrowed(text.as_str()) } else { Cow::Owned(format!("{}{text}", tail.text)) };
        let found = self.redaction.find(&joined);
        let this = self.next_number();
        // The tail has no whole key in it, so every key ends in this string, and only the first may have begun earlier.
        let mut marked = false;
        if let Some(key) = found.whole.first().filter(|key| key.start < before) {
            for part in tail.parts.iter().filter(|part| part.of_tail.end > key.start) {
                let end = part.from.saturating_add(key.start.saturating_sub(part.of_tail.start));
                if part.event == this {
                    later.push(Later { pointer: part.pointer.clone(), end, marked: !marked });
                    marked = true;
                } else {
                    marked |= cut(string_of(&mut self.waiting, self.given, part), end, !marked);
                }
            }
        }
        let clean = (!found.whole.is_empty()).then(|| without(&joined, before, &found.whole, marked));
        let length = clean.as_ref().map_or(text.len(), String::len);
        if let Some((from, known)) = found.begun {
            let goes_on = |part: Part| {
                let Range { start, end } = part.of_tail;
                let of_tail = start.saturating_sub(from)..end.saturating_sub(from);
                Part { from: part.from.saturating_add(from.saturating_sub(start)), of_tail, ..part }
            };
            let mut parts: Vec<Part> = tail.parts.into_iter().filter(|part| part.of_tail.end > from).map(goes_on).collect();
            let of_tail = before.max(from).saturating_sub(from)..joined.len().saturating_sub(from);
            parts.push(Part { event: this, pointer: place.pointer(), from: length.saturating_sub(of_tail.len()), of_tail });
            let text = joined.get(from..).unwrap_or_default().to_owned();
            let secret = self.redaction.secret_of(known);
            let tail = Tail { text, secret, holds: secret >= TELLING, event: this, parts };
            self.open.insert(place.channel(), tail);
        }
        if let Some(clean) = clean {
            *text = clean;
        }
    }
}

/// The string of an event that still waits.
fn string_of<'w>(waiting: &'w mut VecDeque<Value>, given: u64, part: &Part) -> Option<&'w mut Value> {
    let position = usize::try_from(part.event.checked_sub(given)?).ok()?;
    waiting.get_mut(position)?.pointer_mut(&part.pointer)
}

/// Ends a string earlier, with a mark that something is missing. Tells whether there is such a string.
fn cut(string: Option<&mut Value>, end: usize, marked: bool) -> bool {
    let Some(Value::String(text)) = string else { return false };
    text.truncate(end);
    if marked {
        text.push_str(REPLACEMENT);
    }
    true
}

/// What follows the first `before` bytes of a text, without the keys in it. That the first is missing may be `marked` already.
fn without(text: &str, before: usize, keys: &[Range<usize>], marked: bool) -> String {
    let mut clean = String::new();
    let mut at = before;
    for key in keys {
        clean.push_str(text.get(at..key.start).unwrap_or_default());
        if key.start >= before || !marked {
            clean.push_str(REPLACEMENT);
        }
        at = key.end;
    }
    clean + text.get(at..).unwrap_or_default()
}

#[cfg(test)]
#[path = "key_filter_tests.rs"]
mod tests;
