//! An upstream's bytes as answers: the same ones whatever pieces they come in, each framed in one way.

#![no_main]

use argus::proxy::upstream::h1::framing::{Framing, FramingError, Piece};
use argus::proxy::upstream::h1::head::{self, HeadError};
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};
use libfuzzer_sys::fuzz_target;

/// Heads that are larger are refused at a place that depends on the pieces.
const INPUT_MAX: usize = 4_096;

/// What came of the bytes.
#[derive(Debug, Default, PartialEq)]
struct Read {
    heads: Vec<(StatusCode, HeaderMap)>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    framing: Option<FramingError>,
    is_no_head: bool,
    is_whole: bool,
    rest: Vec<u8>,
}

fn read(bytes: &[u8], piece: usize, method: &Method) -> Read {
    let (mut buf, mut read, mut framing) = (BytesMut::new(), Read::default(), None::<Framing>);
    for piece in bytes.chunks(piece) {
        buf.extend_from_slice(piece);
        if read.is_whole || read.is_no_head || read.framing.is_some() {
            continue;
        }
        while framing.is_none() {
            match head::take(&mut buf) {
                Ok(None) => break,
                Err(HeadError::NotHttp | HeadError::TooLarge) => {
                    read.is_no_head = true;
                    break;
                }
                Ok(Some(head)) => {
                    read.heads.push((head.status, head.headers.clone()));
                    if head.status.is_informational() {
                        continue;
                    }
                    match Framing::of(method, head.status, head.version, &head.headers) {
                        Ok(found) => framing = Some(found),
                        Err(error) => {
                            read.framing = Some(error);
                            break;
                        }
                    }
                }
            }
        }
        let Some(framing) = &mut framing else { continue };
        loop {
            match framing.take(&mut buf) {
                Ok(Piece::Data(data)) => read.body.extend_from_slice(&data),
                Ok(Piece::Trailers(trailers)) => read.trailers = Some(*trailers),
                Ok(Piece::End) => {
                    read.is_whole = true;
                    break;
                }
                Ok(Piece::More) => break,
                Err(error) => {
                    read.framing = Some(error);
                    break;
                }
            }
        }
    }
    // What is left behind an error is thrown away with the connection.
    if read.is_whole {
        read.rest = buf.to_vec();
    }
    read
}

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    if bytes.is_empty() || bytes.len() > INPUT_MAX {
        return;
    }
    let method = if choice & 1 == 0 { Method::GET } else { Method::HEAD };
    let whole = read(bytes, bytes.len(), &method);
    let pieces = read(bytes, usize::from(choice >> 1).max(1), &method);
    assert_eq!(whole, pieces);
    if whole.framing.is_none()
        && let Some((status, headers)) = whole.heads.last().filter(|(status, _)| !status.is_informational())
    {
        let count = |name| headers.get_all(name).iter().count();
        assert!(count(CONTENT_LENGTH) + count(TRANSFER_ENCODING) <= 1, "{headers:?}");
        let is_bodiless = method == Method::HEAD || matches!(status.as_u16(), 204 | 304);
        assert!(!is_bodiless || whole.body.is_empty());
        let length = headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
        assert!(!whole.is_whole || is_bodiless || length.is_none_or(|l| l == whole.body.len()));
    }
});
