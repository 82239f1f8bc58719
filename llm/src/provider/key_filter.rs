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
use super::redaction::{Begun, Crowded, FRAGMENT, REPLACEMENT, Redaction};

/// A text that ends with so many secret characters of the key's beginning waits for what comes next. Fewer give nothing away (`sk-`), and many texts
/// end with one or two.
const TELLING: usize = 4;
/// No event waits for more than so many others: pieces of one text follow each other closely, and what has come meanwhile must not wait for ever.
const LONGEST_WAIT: u64 = 16;
/// More texts than this are not kept in mind side by side, neither of those that tell something nor of the others.
const MOST_OPEN: usize = 1_000;
/// Nor are more bytes than this kept for all of them: a thousand keys that come letter by letter.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Takes events, and gives them without the key, in their order and otherwise as they came.
///
/// An event goes on at once, unless one of its texts ends with the beginning of the key: then it waits, and with it what comes after it, until the text
/// goes on, its block ends, some more events have come, or nothing more comes. What was given of a key before that is less than tells anybody
/// anything; the rest of it is still found and taken out.
pub(super) struct KeyFilter {
    redaction: Redaction,
    hash: RandomState,
    waiting: VecDeque<Waiting>,
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
    /// Its strings that are to end earlier.
    cuts: Vec<Cut>,
}

/// A string, by its number in its event, that is to end earlier.
struct Cut {
    string: usize,
    end: usize,
    marked: bool,
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
            self.waiting.push_back(Waiting { event, cuts: Vec::new() });
            return Ok(());
        }
        if self.crowded {
            return Err(Crowded);
        }
        // Its place is there before it is: what is cut in it is found as in all others that wait.
        let this = self.given.saturating_add(self.waiting.len() as u64);
        self.waiting.push_back(Waiting { event: Value::Null, cuts: Vec::new() });
        let ended = Item::ended_by(&event);
        let item = Item::of(&event);
        let mut place = Place::top(&event, &self.hash);
        self.read(&mut event, &mut place, (this, item));
        if self.crowded {
            self.waiting.clear();
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
        while let Some(held) = self.held.first().copied().filter(|(since, _)| this.saturating_sub(*since) >= LONGEST_WAIT) {
            self.release(held, Over::Waited);
        }
        Ok(())
    }

    /// The next event that need not wait.
    pub(super) fn next(&mut self) -> Option<Value> {
        if self.held.first().is_some_and(|(since, _)| *since <= self.given) {
            return None;
        }
        let Waiting { mut event, mut cuts } = self.waiting.pop_front()?;
        self.given = self.given.saturating_add(1);
        if !cuts.is_empty() {
            cuts.sort_unstable_by_key(|cut| cut.string);
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
                tail.marked |= cut(&mut self.waiting, self.given, &part, part.from, !tail.marked);
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

    /// Reads one string of an event and an item, after what came before it in its channel.
    fn text(&mut self, text: &mut String, place: &mut Place, (event, item): (u64, Option<Item>)) {
        let string = place.next_string();
        if text.is_empty() || self.crowded {
            return;
        }
        let channel = place.channel();
        let Tail { text: mut begin, begun, marked, mut parts, .. } = self.take(channel).unwrap_or_default();
        // What was given cannot be changed any more.
        let gone = parts.iter().take_while(|part| part.event < self.given).count();
        parts.drain(..gone);
        let before = begin.len();
        let joined = if before == 0 {
            Cow::Borrowed(text.as_str())
        } else {
            begin.push_str(text);
            Cow::Owned(begin)
        };
        let found = self.redaction.find(&joined, begun);
        // The tail has no whole key in it, so every key ends in this string, and only the first may have begun earlier.
        let mut is_marked = false;
        if let Some(key) = found.whole.first().filter(|key| key.start < before) {
            is_marked = marked && key.start == 0;
            for part in parts.iter().filter(|part| part.of_tail.end > key.start) {
                let end = part.from.saturating_add(key.start.saturating_sub(part.of_tail.start));
                is_marked |= cut(&mut self.waiting, self.given, part, end, !is_marked);
            }
        }
        let clean = (!found.whole.is_empty()).then(|| without(&joined, before, &found.whole, is_marked));
        let length = clean.as_ref().map_or(text.len(), String::len);
        if let Some((from, begun)) = found.begun {
            if from > 0 {
                parts.retain(|part| part.of_tail.end > from);
                for Part { from: start, of_tail, .. } in &mut parts {
                    *start = start.saturating_add(from.saturating_sub(of_tail.start));
                    *of_tail = of_tail.start.saturating_sub(from)..of_tail.end.saturating_sub(from);
                }
            }
            let of_tail = before.max(from).saturating_sub(from)..joined.len().saturating_sub(from);
            parts.push(Part { event, string, from: length.saturating_sub(of_tail.len()), of_tail });
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
        if let Some(clean) = clean {
            *text = clean;
        }
    }
}

/// Ends a string of an event that still waits earlier, with a mark that something is missing. Tells whether it still waits.
fn cut(waiting: &mut VecDeque<Waiting>, given: u64, part: &Part, end: usize, marked: bool) -> bool {
    let position = part.event.checked_sub(given).and_then(|position| usize::try_from(position).ok());
    let Some(event) = position.and_then(|position| waiting.get_mut(position)) else { return false };
    event.cuts.push(Cut { string: part.string, end, marked });
    true
}

/// Makes the cuts of an event, whose strings are counted from `string` on.
fn shorten(value: &mut Value, string: &mut usize, cuts: &mut std::iter::Peekable<std::vec::IntoIter<Cut>>) {
    if cuts.peek().is_none() {
        return;
    }
    match value {
        Value::String(text) => {
            while let Some(cut) = cuts.next_if(|cut| cut.string == *string) {
                text.truncate(cut.end);
                if cut.marked {
                    text.push_str(REPLACEMENT);
                }
            }
            *string = string.saturating_add(1);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, string, cuts)),
        Value::Object(fields) => fields.values_mut().for_each(|value| shorten(value, string, cuts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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

#[cfg(test)]
#[path = "key_filter_bounds_tests.rs"]
mod bounds;
