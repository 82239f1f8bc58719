//! Streams that are no server-sent events.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 200;

fn read(translation: Translation, pieces: &[&[u8]]) -> Vec<Result<Value, FrameError>> {
    let mut frames = Frames::new(Some(translation), LIMIT);
    let mut found = Vec::new();
    let mut take = |frames: &mut Frames| {
        while let Some(next) = frames.next() {
            let failed = next.is_err();
            found.push(next);
            if failed {
                return false;
            }
        }
        true
    };
    for piece in pieces {
        frames.push(piece);
        if !take(&mut frames) {
            return found;
        }
    }
    frames.finish();
    take(&mut frames);
    found
}

/// Written out by hand from Amazon's description, and not by the code above: an event, an empty document, a header that is no text.
fn by_hand() -> Vec<u8> {
    let mut headers = b"\x0b:event-type\x07\x00\x08metadata\x01n\x04\x00\x00\x00\x07".to_vec();
    let mut frame = (u32::try_from(headers.len()).unwrap() + 16).to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame.append(&mut headers);
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

#[test]
fn the_checksum_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn lines_are_documents() {
    let read = |text: &str| read(Translation::OllamaChat, &[text.as_bytes()]);
    assert_eq!(read("{\"a\":1}\n\r\n{\"b\":2}"), [Ok(json!({ "a": 1 })), Ok(json!({ "b": 2 }))]);
    assert!(matches!(&read("{\"a\":1}\n{\"b\"\n")[..], [Ok(_), Err(FrameError::NotJson { .. })]));
    assert_eq!(read(&"x".repeat(LIMIT + 1)), [Err(FrameError::TooLarge { limit: LIMIT })]);
}

#[test]
fn frames_of_amazon_are_documents_by_type() {
    let mut stream = amazon_frame("contentBlockDelta", &json!({ "delta": { "text": "é" } }));
    stream.extend(by_hand());
    let expected = [Ok(json!({ "contentBlockDelta": { "delta": { "text": "é" } } })), Ok(json!({ "metadata": null }))];
    assert_eq!(read(Translation::BedrockConverse, &[&stream]), expected);
}

/// Moved for every frame, the rest would be moved a million times.
#[test]
fn a_piece_with_many_frames_is_moved_once() {
    let line = b"1\n";
    let mut frames = Frames::new(Some(Translation::OllamaChat), LIMIT);
    for _ in 0..3 {
        frames.push(&line.repeat(500_000));
        let mut found = 0;
        while let Some(frame) = frames.next() {
            assert_eq!(frame, Ok(json!(1)));
            found += 1;
        }
        assert_eq!(found, 500_000);
    }
    let Frames::Lines(lines) = frames else { panic!("lines are lines") };
    assert!(lines.bytes.rest().is_empty() && lines.bytes.kept.len() == 1_000_000, "one piece of the network");
}

#[test]
fn a_frame_that_says_that_the_stream_failed_is_an_error() {
    let headers = b"\x0d:message-type\x07\x00\x09exception\x0f:exception-type\x07\x00\x13throttlingException";
    let payload = br#"{"message":"slow down"}"#;
    let mut frame = (u32::try_from(headers.len() + payload.len()).unwrap() + 16).to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32(&frame).to_be_bytes());
    let said = json!({ "error": { "type": "throttlingException", "message": "slow down" } });
    assert_eq!(read(Translation::BedrockConverse, &[&frame]), [Ok(said)]);
}

#[test]
fn frames_of_amazon_are_believed_only_with_their_checksums() {
    let whole = amazon_frame("metadata", &json!({ "usage": { "inputTokens": 1 } }));
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0x10;
        assert!(matches!(&read(Translation::BedrockConverse, &[&broken])[..], [Err(_)]), "{at}");
    }
    let long = amazon_frame("x", &json!("x".repeat(LIMIT)));
    // Before the rest of it has come.
    assert_eq!(read(Translation::BedrockConverse, &[&long[..12]]), [Err(FrameError::TooLarge { limit: LIMIT })]);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(texts in prop::collection::vec("\\PC{0,12}", 1..5), cuts in prop::collection::vec(0_usize..300, 0..6)) {
        let documents: Vec<Value> = texts.iter().map(|text| json!({ "contentBlockDelta": { "t": text } })).collect();
        let lines = documents.iter().map(|document| format!("{document}\n")).collect::<String>().into_bytes();
        let amazon = documents.iter().flat_map(|document| amazon_frame("contentBlockDelta", &document["contentBlockDelta"])).collect();
        for (translation, bytes) in [(Translation::OllamaChat, lines), (Translation::BedrockConverse, amazon)] {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let found: Result<Vec<Value>, FrameError> = read(translation, &pieces).into_iter().collect();
            prop_assert_eq!(found.as_ref(), Ok(&documents));
        }
    }

    #[test]
    fn nothing_stops_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(Translation::BedrockConverse, &[&bytes]);
        read(Translation::CohereChat, &[&bytes]);
    }
}
