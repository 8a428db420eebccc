//! HTTP/1.1: one request on its way at a time.

use std::net::TcpStream;
use std::time::Instant;

use super::wire::Wire;
use super::{Carrier, Done, Requests};
use crate::failure::Failure;

/// A connection and the answer it waits for.
pub struct Http1 {
    wire: Wire,
    out: Vec<u8>,
    since: Instant,
    /// What came of the answer's head, as long as that is not whole.
    head: Vec<u8>,
    /// Status and bytes still to come, once the head is whole.
    body: Option<(u16, usize)>,
}

impl Http1 {
    /// Over a new connection.
    pub fn new(wire: Wire) -> Self {
        Http1 { wire, out: Vec::new(), since: Instant::now(), head: Vec::new(), body: None }
    }

    /// Takes bytes; the status once the answer is whole.
    fn take(&mut self, bytes: &[u8]) -> Result<Option<u16>, Failure> {
        let (status, left) = match self.body {
            Some((status, left)) => (status, left.checked_sub(bytes.len()).ok_or(Failure::Unread)?),
            None if self.head.is_empty() => match parse(bytes)? {
                Some((status, length, end)) => {
                    (status, (end + length).checked_sub(bytes.len()).ok_or(Failure::Unread)?)
                }
                None => {
                    self.head.extend_from_slice(bytes);
                    return Ok(None);
                }
            },
            None => {
                self.head.extend_from_slice(bytes);
                let Some((status, length, end)) = parse(&self.head)? else { return Ok(None) };
                let left = (end + length).checked_sub(self.head.len()).ok_or(Failure::Unread)?;
                self.head.clear();
                (status, left)
            }
        };
        self.body = (left > 0).then_some((status, left));
        Ok((left == 0).then_some(status))
    }
}

impl Carrier for Http1 {
    fn ask(&mut self, requests: &Requests, index: usize, since: Instant) -> Result<(), Failure> {
        self.since = since;
        requests.http1(index, &mut self.out);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.wire.write(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], done: &mut Vec<Done>) -> Result<(), Failure> {
        let Some(count) = self.wire.read(buffer)? else { return Ok(()) };
        if let Some(status) = self.take(&buffer[..count])? {
            done.push(Done { status, since: self.since });
        }
        Ok(())
    }

    fn socket(&self) -> &TcpStream {
        self.wire.socket()
    }
}

/// Status, length of the body, and where the head ends; `None` as long as it is not whole.
pub fn parse(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>, Failure> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Failure::Unread)?;
    let status = head.get(9..12).and_then(|s| s.parse().ok()).ok_or(Failure::Unread)?;
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    Ok(Some((status, length.ok_or(Failure::Unread)?, end + 4)))
}
