//! Server-sent events: whatever comes, however it is cut.

use kitaru_llm::codec::{SseDecoder, SseError, SseFrame};

type Frames = Vec<Result<SseFrame, SseError>>;

/// Bytes of one frame that are allowed, by the lowest two bits of an input's first byte. The others say how the stream is cut.
const LIMITS: [usize; 4] = [1 << 20, 16, 64, 1024];

/// The frames are the same for any cut; an error is the last thing that is said; nothing is longer than allowed; and where all is well they
/// are what a plain reading of the whole text gives.
pub(crate) fn any_stream(data: &[u8]) {
    let Some((how, stream)) = data.split_first() else { return };
    let limit = LIMITS[usize::from(how & 3)];
    let (frames, is_done) = decoded(limit, std::iter::once(stream));
    for size in [1, usize::from(how >> 2) + 1] {
        assert_eq!(decoded(limit, stream.chunks(size)), (frames.clone(), is_done), "cut into pieces of {size}");
    }
    let errors = frames.iter().position(Result::is_err);
    assert!(errors.is_none_or(|at| at + 1 == frames.len()), "an error is not the last thing: {frames:?}");
    for frame in frames.iter().flatten() {
        assert!(frame.event.as_ref().is_none_or(|event| event.len() <= limit));
        // Each of its values needs a byte of the stream at least.
        assert!(values(&frame.data) <= limit);
    }
    if let Some(plain) = plainly(stream).filter(|_| errors.is_none()) {
        assert_eq!(frames.into_iter().flatten().collect::<Vec<_>>(), plain);
    }
}

fn decoded<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Frames, bool) {
    let mut decoder = SseDecoder::new(limit);
    let mut frames = Frames::new();
    for piece in pieces {
        decoder.push(piece);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
    }
    decoder.finish();
    frames.extend(std::iter::from_fn(|| decoder.next_frame()));
    (frames, decoder.is_done())
}

fn values(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => items.iter().map(values).sum::<usize>() + 1,
        serde_json::Value::Object(map) => map.values().map(values).sum::<usize>() + 1,
        _ => 1,
    }
}

/// The frames by the letter of the standard, of a stream that is all there.
fn plainly(stream: &[u8]) -> Option<Vec<SseFrame>> {
    let text = std::str::from_utf8(stream).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut frames = Vec::new();
    let (mut data, mut event): (Vec<&str>, Option<&str>) = (Vec::new(), None);
    // What stands at the end without an empty line is a frame too.
    for line in text.split('\n').chain([""]) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => {
                let (lines, event) = (std::mem::take(&mut data), event.take());
                let whole = lines.join("\n");
                if !lines.is_empty() && !whole.trim().is_empty() && whole.trim() != "[DONE]" {
                    let data = serde_json::from_str(&whole).ok()?;
                    frames.push(SseFrame { event: event.map(str::to_owned), data });
                }
            }
            "data" => data.push(value),
            "event" => event = Some(value),
            _ => {}
        }
    }
    Some(frames)
}
