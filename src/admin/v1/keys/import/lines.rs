//! A body as lines, each within bounds.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use http::StatusCode;

use super::{IMPORT_BYTES_MAX, LINE_BYTES_MAX, LINES_MAX};
use crate::admin::input::too_large;
use crate::admin::problem::Problem;

/// The lines of a body.
pub struct Lines {
    body: BodyDataStream,
    buffer: BytesMut,
    number: usize,
    bytes: usize,
    ended: bool,
}

impl Lines {
    /// Reads `body`.
    pub fn new(body: Body) -> Self {
        Lines { body: body.into_data_stream(), buffer: BytesMut::new(), number: 0, bytes: 0, ended: false }
    }

    /// The next line without its end, and its number from 1.
    pub async fn next(&mut self) -> Result<Option<(usize, Bytes)>, Problem> {
        // Where nothing was found before need not be looked at again.
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(searched + at).freeze();
                self.buffer.advance(1);
                return self.count(line).map(Some);
            }
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX {
                return Err(self.line_too_long());
            }
            if self.ended {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    let line = self.buffer.split().freeze();
                    self.count(line).map(Some)
                };
            }
            match self.body.next().await {
                None => self.ended = true,
                Some(Ok(chunk)) => {
                    self.bytes += chunk.len();
                    if self.bytes > IMPORT_BYTES_MAX {
                        return Err(too_large(IMPORT_BYTES_MAX));
                    }
                    self.buffer.extend_from_slice(&chunk);
                }
                Some(Err(_)) => {
                    let what = "The body broke off before its end.";
                    return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed_request", what));
                }
            }
        }
    }

    fn count(&mut self, line: Bytes) -> Result<(usize, Bytes), Problem> {
        self.number += 1;
        if line.len() > LINE_BYTES_MAX {
            self.number -= 1;
            return Err(self.line_too_long());
        }
        if self.number > LINES_MAX {
            let what = format!("An import has at most {LINES_MAX} lines. Send the rest as another one.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_lines", what));
        }
        let end = if line.last() == Some(&b'\r') { line.len() - 1 } else { line.len() };
        Ok((self.number, line.slice(..end)))
    }

    fn line_too_long(&self) -> Problem {
        let what = format!("Line {} is longer than {LINE_BYTES_MAX} bytes.", self.number + 1);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "line_too_long", what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: Vec<Vec<u8>>) -> Result<Vec<(usize, Vec<u8>)>, &'static str> {
        let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::convert::Infallible>));
        let mut lines = Lines::new(Body::from_stream(stream));
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next().await.map_err(|p| p.code())? {
            out.push((number, line.to_vec()));
        }
        Ok(out)
    }

    #[tokio::test]
    async fn lines_across_chunks() {
        let chunks = ["a\r\nb", "b\n", "\nlast"].map(|c| c.as_bytes().to_vec()).to_vec();
        let expected =
            [(1, "a"), (2, "bb"), (3, ""), (4, "last")].map(|(n, line)| (n, line.as_bytes().to_vec())).to_vec();
        assert_eq!(read(chunks).await, Ok(expected));
        assert_eq!(read(vec![]).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn bounds() {
        assert!(read(vec![vec![b'x'; LINE_BYTES_MAX]]).await.is_ok());
        assert_eq!(read(vec![vec![b'x'; LINE_BYTES_MAX + 1]]).await, Err("line_too_long"));
        assert_eq!(read(vec![[vec![b'x'; LINE_BYTES_MAX + 1], vec![b'\n']].concat()]).await, Err("line_too_long"));
        assert_eq!(read(vec![vec![b'\n'; LINES_MAX]]).await.unwrap().len(), LINES_MAX);
        assert_eq!(read(vec![vec![b'\n'; LINES_MAX + 1]]).await, Err("too_many_lines"));
        let line = [vec![b'x'; LINE_BYTES_MAX - 1], vec![b'\n']].concat();
        assert!(read(vec![line.clone(); IMPORT_BYTES_MAX / LINE_BYTES_MAX]).await.is_ok());
        assert_eq!(read(vec![line; IMPORT_BYTES_MAX / LINE_BYTES_MAX + 1]).await, Err("body_too_large"));
    }
}
