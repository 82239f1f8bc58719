//! Taking the key out of an answer that comes in events. Providers cut texts where they like, and so maybe the key: what goes on from one event to
//! the next is read as the one text that it is.
//!
//! Whoever answers may want to use up a host's memory, or its time. So what is kept of a text that ends like the key has neither the names around it
//! nor a copy of it, its count and its bytes have limits, and every byte is read once for a tail that goes on.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::RandomState;
use std::ops::Range;

use serde_json::Value;

use super::channel::{Channel, Item, Place};
use super::cuts::{Cut, length, shorten};
use super::redaction::{Begun, Crowded, FRAGMENT, Redaction};

/// A text that ends with so many secret characters of the key's beginning waits for what comes next. Fewer give nothing away (`sk-`), and many texts
/// end with one or two.
const TELLING: usize = 4;
/// No event waits for more than so many others: pieces of one text follow each other closely, and what has come meanwhile must not wait for ever.
const LONGEST_WAIT: u64 = 16;
/// More texts than this are not kept in mind side by side, neither of those that tell something nor of the others.
const MOST_OPEN: usize = 1_000;
/// Nor are more bytes than this kept for all of them: a thousand keys that come letter by letter.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Events that are longer together than this wait for nothing more, however few they are.
const MOST_WAITING: usize = 1024 * 1024;

/// Takes events, and gives them without the key, in their order and otherwise as they came.
///
/// An event goes on at once, unless one of its texts ends with the beginning of the key: then it waits, and with it what comes after it, until the text
/// goes on, its block ends, some more events have come, or nothing more comes. What was given of a key before that is less than tells anybody
/// anything; the rest of it is still found and taken out.
pub(super) struct KeyFilter {
    redaction: Redaction,
    hash: RandomState,
    waiting: VecDeque<Waiting>,
    /// How long the events are that wait.
    waiting_bytes: usize,
    /// How many events were given, which is the number of the first that waits.
    given: u64,
    open: HashMap<Channel, Tail>,
    /// The texts that events wait for, by the first event that waits for each.
    held: BTreeSet<(u64, Channel)>,
    /// How many open texts tell something.
    telling: usize,
    /// What the open texts take.
    bytes: usize,
    /// How many texts were opened.
    opened: u64,
    crowded: bool,
}

/// An event that was not given yet.
struct Waiting {
    event: Value,
    bytes: usize,
    /// What is to leave its strings. These stay as they came until then: a string may be read as a part of two texts.
    cuts: Vec<Cut>,
}

/// The end of a text, which the key begins with.
#[derive(Default)]
struct Tail {
    text: String,
    begun: Begun,
    /// How many secret characters of the key it has.
    secret: usize,
    /// The first of the events that wait for it.
    since: Option<u64>,
    /// A mark stands already for what was cut off of it.
    marked: bool,
    /// What its last piece belongs to.
    item: Option<Item>,
    /// By which the older is told from the newer.
    number: u64,
    parts: Vec<Part>,
}

impl Tail {
    fn is_telling(&self) -> bool {
        self.secret >= TELLING
    }

    /// What it takes, without the names around it: those are in the event alone.
    fn bytes(&self) -> usize {
        let parts = self.parts.len().saturating_mul(size_of::<Part>());
        size_of::<(Channel, Self)>().saturating_add(self.text.len()).saturating_add(parts)
    }
}

/// Where a part of a tail stands: at the end of a string of an event.
struct Part {
    event: u64,
    string: usize,
    /// Where it begins in that string.
    from: usize,
    /// What it is of the tail.
    of_tail: Range<usize>,
}

/// Why an event need not wait any longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Its block or item has ended, or the answer: what goes on from there is marked anew.
    Ended,
    /// It has waited for long enough. The text may go on as it was.
    Waited,
}

impl KeyFilter {
    pub(super) fn new(redaction: Redaction) -> Self {
        Self {
            redaction,
            hash: RandomState::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            given: 0,
            open: HashMap::new(),
            held: BTreeSet::new(),
            telling: 0,
            bytes: 0,
            opened: 0,
            crowded: false,
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When more texts side by side end like the key than can be kept in mind. This event is not given then, nor what waits, nor what comes after:
    /// any of them may have a part of the key.
    pub(super) fn push(&mut self, mut event: Value) -> Result<(), Crowded> {
        if !self.redaction.has_key() {
            self.waiting.push_back(Waiting { event, bytes: 0, cuts: Vec::new() });
            return Ok(());
        }
        if self.crowded {
            return Err(Crowded);
        }
        // Its place is there before it is: what is cut in it is found as in all others that wait.
        let this = self.given.saturating_add(self.waiting.len() as u64);
        let bytes = length(&event);
        self.waiting.push_back(Waiting { event: Value::Null, bytes, cuts: Vec::new() });
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        let ended = Item::ended_by(&event);
        let item = Item::of(&event);
        let mut place = Place::top(&event, &self.hash);
        self.read(&mut event, &mut place, (this, item));
        if self.crowded {
            self.waiting.clear();
            self.waiting_bytes = 0;
            self.close();
            return Err(Crowded);
        }
        if let Some(last) = self.waiting.back_mut() {
            last.event = event;
        }
        if let Some(ended) = ended {
            let open = &self.open;
            let item_of = |channel: &Channel| open.get(channel).and_then(|tail| tail.item);
            let over = self.held.iter().filter(|(_, channel)| item_of(channel).is_some_and(|item| ended.has(item)));
            for held in over.copied().collect::<Vec<_>>() {
                self.release(held, Over::Ended);
            }
        }
        let is_long = self.waiting_bytes > MOST_WAITING;
        let over = |(since, _): &(u64, Channel)| is_long || this.saturating_sub(*since) >= LONGEST_WAIT;
        while let Some(held) = self.held.first().copied().filter(over) {
            self.release(held, Over::Waited);
        }
        Ok(())
    }

    /// The next event that need not wait.
    pub(super) fn next(&mut self) -> Option<Value> {
        if self.held.first().is_some_and(|(since, _)| *since <= self.given) {
            return None;
        }
        let Waiting { mut event, bytes, mut cuts } = self.waiting.pop_front()?;
        self.given = self.given.saturating_add(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        if !cuts.is_empty() {
            cuts.sort_unstable_by_key(|cut| (cut.string, cut.range.start));
            shorten(&mut event, &mut 0, &mut cuts.into_iter().peekable());
        }
        Some(event)
    }

    /// Nothing goes on: all events can go on now.
    pub(super) fn finish(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.release(held, Over::Ended);
        }
        self.close();
    }

    fn close(&mut self) {
        self.open = HashMap::new();
        self.held.clear();
        (self.telling, self.bytes) = (0, 0);
    }

    /// Lets go of the events that wait for a text that is over as it seems. A key that is cut off there is a part of one, if it is long enough to be
    /// told from a word. Should the text go on with the rest of it, that is still found.
    fn release(&mut self, held: (u64, Channel), over: Over) {
        self.held.remove(&held);
        let Some(tail) = self.open.get_mut(&held.1) else { return };
        tail.since = None;
        if tail.secret >= FRAGMENT {
            let before = tail.bytes();
            for part in std::mem::take(&mut tail.parts) {
                tail.marked |= cut(&mut self.waiting, self.given, (part.event, part.string), part.from..usize::MAX, !tail.marked);
            }
            self.bytes = self.bytes.saturating_sub(before.saturating_sub(tail.bytes()));
        }
        tail.marked &= over == Over::Waited;
    }

    /// Takes what is open of a text.
    fn take(&mut self, channel: Channel) -> Option<Tail> {
        let tail = self.open.remove(&channel)?;
        self.bytes = self.bytes.saturating_sub(tail.bytes());
        self.telling = self.telling.saturating_sub(usize::from(tail.is_telling()));
        if let Some(since) = tail.since {
            self.held.remove(&(since, channel));
        }
        Some(tail)
    }

    /// Keeps a text open, and room for others: of those that tell too little, the older half is forgotten where there are too many. Where too many tell
    /// something, or they take too much, nothing is given any more.
    fn keep(&mut self, channel: Channel, tail: Tail) {
        self.bytes = self.bytes.saturating_add(tail.bytes());
        self.telling = self.telling.saturating_add(usize::from(tail.is_telling()));
        self.held.extend(tail.since.map(|since| (since, channel)));
        self.open.insert(channel, tail);
        if self.open.len().saturating_sub(self.telling) > MOST_OPEN {
            let quiet = self.open.values().filter(|tail| !tail.is_telling());
            let mut numbers: Vec<u64> = quiet.map(|tail| tail.number).collect();
            numbers.sort_unstable();
            let middle = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
            self.open.retain(|_, tail| tail.is_telling() || tail.number > middle);
            self.bytes = self.open.values().map(Tail::bytes).sum();
        }
        self.crowded |= self.telling > MOST_OPEN || self.bytes > MOST_BYTES;
    }

    fn read(&mut self, value: &mut Value, place: &mut Place, of: (u64, Option<Item>)) {
        match value {
            Value::String(text) => self.text(text, place, of),
            Value::Array(items) => {
                for (position, item) in items.iter_mut().enumerate() {
                    place.enter_element(position, item);
                    self.read(item, place, of);
                    place.leave();
                }
            }
            Value::Object(fields) => {
                let before = place.think(fields.get("thought") == Some(&Value::Bool(true)));
                self.redaction.names(fields);
                for (name, value) in fields.iter_mut() {
                    place.enter(name);
                    self.read(value, place, of);
                    place.leave();
                }
                place.think(before);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Reads one string of an event and an item.
    fn text(&mut self, text: &str, place: &mut Place, (event, item): (u64, Option<Item>)) {
        let string = place.next_string();
        for channel in place.channels() {
            if text.is_empty() || self.crowded {
                return;
            }
            self.piece(text, channel, (event, string), item);
        }
    }

    /// Reads a string, by its event and its number, after what came before it in a channel.
    fn piece(&mut self, text: &str, channel: Channel, (event, string): (u64, usize), item: Option<Item>) {
        let Tail { text: mut begin, begun, marked, mut parts, .. } = self.take(channel).unwrap_or_default();
        // What was given cannot be changed any more.
        let gone = parts.iter().take_while(|part| part.event < self.given).count();
        parts.drain(..gone);
        let before = begin.len();
        let joined = if before == 0 {
            Cow::Borrowed(text)
        } else {
            begin.push_str(text);
            Cow::Owned(begin)
        };
        let found = self.redaction.find(&joined, begun);
        for key in &found.whole {
            let mut is_marked = false;
            // The tail has no whole key in it, so every key ends in this string, and only the first may have begun earlier.
            if key.start < before {
                is_marked = marked && key.start == 0;
                for part in parts.iter().filter(|part| part.of_tail.end > key.start) {
                    let from = part.from.saturating_add(key.start.saturating_sub(part.of_tail.start));
                    let of = (part.event, part.string);
                    is_marked |= cut(&mut self.waiting, self.given, of, from..usize::MAX, !is_marked);
                }
            }
            let range = key.start.saturating_sub(before)..key.end.saturating_sub(before);
            cut(&mut self.waiting, self.given, (event, string), range, !is_marked);
        }
        if let Some((from, begun)) = found.begun {
            if from > 0 {
                parts.retain(|part| part.of_tail.end > from);
                for Part { from: start, of_tail, .. } in &mut parts {
                    *start = start.saturating_add(from.saturating_sub(of_tail.start));
                    *of_tail = of_tail.start.saturating_sub(from)..of_tail.end.saturating_sub(from);
                }
            }
            let of_tail = before.max(from).saturating_sub(from)..joined.len().saturating_sub(from);
            parts.push(Part { event, string, from: text.len().saturating_sub(of_tail.len()), of_tail });
            let text = match joined {
                Cow::Owned(joined) if from == 0 => joined,
                joined => joined.get(from..).unwrap_or_default().to_owned(),
            };
            let secret = self.redaction.secret_of(begun);
            let since = if secret >= TELLING { parts.first().map(|part| part.event) } else { None };
            self.opened = self.opened.saturating_add(1);
            let (marked, number) = (marked && from == 0, self.opened);
            self.keep(channel, Tail { text, begun, secret, since, marked, item, number, parts });
        }
    }
}

/// Takes a range out of a string of an event that still waits, maybe with a mark that something is missing. Tells whether it still waits.
fn cut(waiting: &mut VecDeque<Waiting>, given: u64, (event, string): (u64, usize), range: Range<usize>, marked: bool) -> bool {
    let position = event.checked_sub(given).and_then(|position| usize::try_from(position).ok());
    let Some(event) = position.and_then(|position| waiting.get_mut(position)) else { return false };
    event.cuts.push(Cut { string, range, marked });
    true
}

#[cfg(test)]
#[path = "key_filter_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "key_filter_bounds_tests.rs"]
mod bounds;

#[cfg(test)]
#[path = "key_filter_joins_tests.rs"]
mod joins;
