//! Requests at a steady pace, whether or not the answers keep up with it.
//!
//! A request's time counts from when it was due. Where no connection is free it waits, and that counts: what a stall costs
//! those who would have come meanwhile is not left out.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{ANSWER_MAX, BUFFER, Drive, LOOK, Outcome, Protocol, tls_client};
use crate::failure::Failure;
use crate::poll::Poll;
use crate::{machine, stop};

/// Sends `rate` requests a second, and calls `begin` and `end` around the measured time.
pub fn run(drive: &Drive<'_>, rate: f64, begin: impl FnOnce(), end: impl FnOnce()) -> Result<Outcome, Failure> {
    machine::wake_sharply();
    let tls = tls_client(drive.protocol == Protocol::Http2)?;
    let mut poll = Poll::new().map_err(Failure::io("epoll"))?;
    let mut order = drive.order.start(drive.requests.len());
    let mut carriers = Vec::new();
    for token in 0..drive.connections {
        let carrier = drive.open(&tls, Ipv4Addr::LOCALHOST)?;
        poll.watch(carrier.socket(), token).map_err(Failure::io("epoll"))?;
        carriers.push(carrier);
    }
    let mut begin = Some(begin);
    // A connection is free as many times as it carries requests.
    let mut free: Vec<usize> = (0..drive.connections * drive.streams).map(|n| n % drive.connections).collect();
    let (mut ready, mut done, mut buffer) = (Vec::new(), Vec::new(), vec![0; BUFFER]);
    let mut outcome = Outcome::new(drive.time);
    let started = Instant::now();
    let warm = (drive.warm.as_secs_f64() * rate) as usize;
    let all = warm + (drive.time.as_secs_f64() * rate) as usize;
    let due = |number: usize| started + Duration::from_secs_f64(number as f64 / rate);
    let (mut sent, mut answered, mut last) = (0, 0, started);
    while answered < all {
        stop::check()?;
        let mut now = Instant::now();
        while sent < all && due(sent) <= now {
            let Some(token) = free.pop() else { break };
            if sent >= warm
                && let Some(begin) = begin.take()
            {
                begin();
            }
            carriers[token].ask(drive.requests, order.next(), due(sent))?;
            carriers[token].flush()?;
            sent += 1;
            now = Instant::now();
        }
        let wait =
            if sent < all && !free.is_empty() { due(sent).saturating_duration_since(now).min(LOOK) } else { LOOK };
        ready.clear();
        poll.wait(wait, &mut ready).map_err(Failure::io("epoll"))?;
        for &token in &ready {
            carriers[token].receive(&mut buffer, &mut done)?;
            for done in done.drain(..) {
                last = Instant::now();
                free.push(token);
                answered += 1;
                if done.since >= due(warm) {
                    outcome.add(&done, last);
                }
            }
        }
        if answered < sent && last.elapsed() > ANSWER_MAX {
            return Err(Failure::Stalled(ANSWER_MAX));
        }
    }
    end();
    outcome.time = last.saturating_duration_since(due(warm));
    outcome.finish()
}
