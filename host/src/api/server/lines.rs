//! What a connection is asked, line by line: a head whose lines end in two ways is refused.
//!
//! The parser takes a line feed without the carriage return before it for the end of a line, as RFC 9112 allows. Whoever passes requests on may take it
//! for a part of the line instead, and then the two see the end of a request, and the beginning of the next, in different places. So such a line feed
//! becomes a byte here that no head may have, and the parser refuses the request and closes the connection. Bodies pass as they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest line that is followed. The parser takes no longer head.
const LONGEST: usize = 64 * 1024;
/// A line's memory is given back beyond this.
const USUAL: usize = 1024;

/// A stream of requests.
pub(super) struct Lines<S> {
    stream: S,
    requests: Requests,
}

impl<S> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, requests: Requests::default() }
    }
}

/// How far requests have come. Where they end is read as the parser reads it; where it refuses one, nothing follows.
struct Requests {
    at: At,
    /// The line so far.
    line: Vec<u8>,
    /// The request's first line is there.
    has_begun: bool,
    length: u64,
    is_chunked: bool,
}

impl Default for Requests {
    fn default() -> Self {
        Self { at: At::Line(Line::Head), line: Vec::new(), has_begun: false, length: 0, is_chunked: false }
    }
}

#[derive(Clone, Copy)]
enum At {
    Line(Line),
    /// What is no line, and a line after that.
    Bytes {
        left: u64,
        then: Line,
    },
    /// The parser refuses what came, and reads no more.
    Over,
}

/// What a line belongs to.
#[derive(Clone, Copy)]
enum Line {
    Head,
    /// It says how long a chunk is.
    Size,
    Trailers,
}

impl Requests {
    /// Takes in what came, and changes it where it is no request.
    fn pass(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let taken = match self.at {
                At::Over => return,
                At::Bytes { left, then } => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left - taken as u64;
                    self.at = if left == 0 { At::Line(then) } else { At::Bytes { left, then } };
                    taken
                }
                At::Line(line) => self.read(line, bytes),
            };
            bytes = bytes.split_at_mut(taken).1;
        }
    }

    /// Reads to the end of a line, or of what there is; tells how much that was.
    fn read(&mut self, kind: Line, bytes: &mut [u8]) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(bytes.len());
        self.line.extend_from_slice(bytes.split_at(taken).0);
        let Some(feed) = bytes.get_mut(taken) else {
            if self.line.len() > LONGEST {
                (self.at, self.line) = (At::Over, Vec::new());
            }
            return taken;
        };
        let line = std::mem::take(&mut self.line);
        self.at = match line.strip_suffix(b"\r") {
            Some(line) => self.after(kind, line),
            None => {
                *feed = 0;
                At::Over
            }
        };
        if line.capacity() <= USUAL {
            self.line = line;
            self.line.clear();
        }
        taken.saturating_add(1)
    }

    /// What follows a line.
    fn after(&mut self, kind: Line, line: &[u8]) -> At {
        match kind {
            Line::Head if line.is_empty() && self.has_begun => self.body(),
            Line::Head if line.is_empty() => At::Line(Line::Head),
            Line::Head if self.has_begun => self.header(line),
            Line::Head => {
                self.has_begun = true;
                At::Line(Line::Head)
            }
            Line::Size => match size(line) {
                None => At::Over,
                Some(0) => At::Line(Line::Trailers),
                // With the end of its line, which is its own and no line's.
                Some(size) => At::Bytes { left: size.saturating_add(2), then: Line::Size },
            },
            Line::Trailers if line.is_empty() => At::Line(Line::Head),
            Line::Trailers => At::Line(Line::Trailers),
        }
    }

    fn header(&mut self, line: &[u8]) -> At {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return At::Over };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            // Beside an encoding the parser does not even read it.
            match std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) {
                Some(length) => self.length = length,
                None if self.is_chunked => {}
                None => return At::Over,
            }
        }
        At::Line(Line::Head)
    }

    /// The body of a request whose head has ended, and the next one.
    fn body(&mut self) -> At {
        let Self { length, is_chunked, .. } = *self;
        (self.has_begun, self.length, self.is_chunked) = (false, 0, false);
        match (is_chunked, length) {
            (true, _) => At::Line(Line::Size),
            (false, 0) => At::Line(Line::Head),
            (false, left) => At::Bytes { left, then: Line::Head },
        }
    }
}

/// The length of a chunk, from its line.
fn size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    u64::from_str_radix(std::str::from_utf8(line.split_at(end).0).ok()?, 16).ok()
}

impl<S: AsyncRead + Unpin> AsyncRead for Lines<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let Some(came) = buffer.filled_mut().get_mut(before..) {
            self.requests.pass(came);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lines<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes, in one piece and in pieces of every size.
    fn passed(bytes: &[u8]) -> Vec<u8> {
        let in_pieces = |size: usize| {
            let (mut requests, mut bytes) = (Requests::default(), bytes.to_vec());
            bytes.chunks_mut(size).for_each(|piece| requests.pass(piece));
            bytes
        };
        let whole = in_pieces(bytes.len().max(1));
        (1..bytes.len()).for_each(|size| assert_eq!(in_pieces(size), whole, "in pieces of {size}"));
        whole
    }

    #[test]
    fn what_is_said_in_one_way_passes_as_it_is() {
        for requests in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-LENGTH: \t6 \r\n\r\na\nb\n\n\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\n\n\r\na;x=y\r\n0123456\n\n\n\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            // Of both the encoding counts, as with the parser.
            "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n",
            "",
        ] {
            assert_eq!(passed(requests.as_bytes()), requests.as_bytes(), "{requests}");
        }
    }

    #[test]
    fn a_line_feed_alone_ends_no_line() {
        for request in [
            "GET / HTTP/1.1\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\n\nGET /hidden HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\r\n\nGET /hidden HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /hidden HTTP/1.1\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\nX: a\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\n{}\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
        ] {
            let bytes = passed(request.as_bytes());
            let changed = bytes.iter().position(|byte| *byte == 0).unwrap();
            assert_eq!(bytes.get(..changed), request.as_bytes().get(..changed), "what came before is as it was");
            let before = request.as_bytes().get(..changed).unwrap();
            assert!(request.as_bytes().get(changed) == Some(&b'\n') && !before.ends_with(b"\r"), "{request}");
            assert_eq!(bytes.get(changed + 1..), request.as_bytes().get(changed + 1..), "nobody reads what follows");
        }
    }

    #[test]
    fn what_the_parser_refuses_is_not_followed() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\n", "y".repeat(LONGEST + 1));
        let mut requests = Requests::default();
        requests.pass(long.clone().into_bytes().as_mut_slice());
        assert!(matches!(requests.at, At::Over) && requests.line.capacity() <= USUAL);
        for refused in [
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\n",
            "A\r\nno header\r\n\n",
            "A\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\n",
        ] {
            assert_eq!(passed(refused.as_bytes()), refused.as_bytes());
        }
    }
}
