use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

fn of(fields: &[(&'static str, &'static str)]) -> Result<Framing, FramingError> {
    Framing::of(&Method::GET, StatusCode::OK, Version::HTTP_11, &headers(fields))
}

fn chunked() -> Framing {
    of(&[("transfer-encoding", "Chunked")]).unwrap()
}

/// The whole body of `text` cut into pieces: data, trailers, and what is left behind it.
fn read(mut framing: Framing, text: &[u8], cut: usize) -> Result<(Vec<u8>, HeaderMap, Vec<u8>), FramingError> {
    let (mut data, mut trailers, mut buf) = (Vec::new(), HeaderMap::new(), BytesMut::new());
    let mut pieces = text.chunks(cut);
    loop {
        match framing.take(&mut buf)? {
            Piece::Data(bytes) => data.extend_from_slice(&bytes),
            Piece::Trailers(t) => trailers = *t,
            Piece::End => {
                buf.extend(pieces.flatten());
                return Ok((data, trailers, buf.to_vec()));
            }
            Piece::More => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => return Ok((data, trailers, b"(more)".to_vec())),
            },
        }
    }
}

#[test]
fn one_length_told_in_one_way() {
    assert_eq!(of(&[("content-length", "5")]), Ok(Framing::Length(5)));
    assert_eq!(of(&[]), Ok(Framing::Close));
    for bad in [
        &[("content-length", "5"), ("content-length", "5")][..],
        &[("content-length", "5, 5")],
        &[("content-length", "+5")],
        &[("content-length", "")],
        &[("content-length", "99999999999999999999")],
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        &[("transfer-encoding", "identity")],
    ] {
        assert_eq!(of(bad), Err(FramingError::Length), "{bad:?}");
    }
    let old = headers(&[("transfer-encoding", "chunked")]);
    assert!(Framing::of(&Method::GET, StatusCode::OK, Version::HTTP_10, &old).is_err());
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    let said = headers(&[("content-length", "5")]);
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(Framing::of(&method, status, Version::HTTP_11, &said), Ok(Framing::Length(0)));
    }
}

#[test]
fn chunks_that_are_none() {
    for bad in [
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nBad Name: x\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
    ] {
        assert!(read(chunked(), bad.as_bytes(), 100).is_err(), "{bad:?}");
    }
}

#[test]
fn bounds_of_lines_extensions_and_trailers() {
    let with = |extension: usize| format!("1;{}\r\nx\r\n", "e".repeat(extension));
    let whole = |front: String| read(chunked(), format!("{front}0\r\n\r\n").as_bytes(), 4_096).map(|r| r.0.len());
    assert_eq!(whole(with(SIZE_LINE_MAX - 2)), Ok(1));
    assert_eq!(whole(with(SIZE_LINE_MAX - 1)), Err(FramingError::Chunk));
    assert_eq!(whole(with(1_000).repeat(EXTENSIONS_MAX / 1_001)), Ok(EXTENSIONS_MAX / 1_001));
    assert_eq!(whole(with(1_000).repeat(EXTENSIONS_MAX / 1_001 + 1)), Err(FramingError::Chunk));
    let trailers = |n: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert!(read(chunked(), trailers(TRAILER_FIELDS_MAX).as_bytes(), 99).is_ok());
    assert!(read(chunked(), trailers(TRAILER_FIELDS_MAX + 1).as_bytes(), 99).is_err());
    let long = format!("0\r\na: {}\r\n\r\n", "b".repeat(TRAILERS_MAX));
    assert!(read(chunked(), long.as_bytes(), 4_096).is_err());
}

#[test]
fn a_cut_body_is_not_whole() {
    for text in ["5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nA: b\r\n"] {
        assert_eq!(read(chunked(), text.as_bytes(), 3).unwrap().2, b"(more)", "{text:?}");
    }
    assert_eq!(read(Framing::Length(5), b"hel", 3).unwrap().2, b"(more)");
}

proptest! {
    #[test]
    fn however_cut_a_body_reads_the_same(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..6),
        cut in 1_usize..40,
        extension in "(;[a-z]{0,9})?",
    ) {
        let mut text = Vec::new();
        for chunk in &chunks {
            text.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\nHTTP/1.1 200 OK");
        let (data, trailers, rest) = read(chunked(), &text, cut).unwrap();
        prop_assert_eq!(data, chunks.concat());
        prop_assert_eq!(trailers.get("x-sum").map(HeaderValue::as_bytes), Some(&b"1"[..]));
        prop_assert_eq!(rest, b"HTTP/1.1 200 OK");
    }

    #[test]
    fn nothing_makes_it_fall_over(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..200),
        cut in 1_usize..40,
    ) {
        let _ = read(chunked(), &bytes, cut);
    }
}
