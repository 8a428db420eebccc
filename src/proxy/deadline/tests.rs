use super::*;

fn connections() -> (Arc<Connections>, Allowed) {
    let second = Duration::from_secs(1);
    (Arc::default(), Allowed { head: second, idle: 2 * second })
}

fn sweeps(c: &Connections, n: usize) {
    (0..n).for_each(|_| c.sweep());
}

fn order(r: &Registered) -> u8 {
    r.clock.order.load(Ordering::Relaxed)
}

#[test]
fn the_head_has_an_absolute_deadline() {
    let (c, allowed) = connections();
    let r = c.register(0, allowed);
    for _ in 0..5 {
        r.clock.bytes_read();
        assert_eq!(order(&r), RUN);
        c.sweep();
    }
    assert_eq!(order(&r), END, "a byte now and then does not keep a head alive");
}

#[test]
fn a_handshake_has_a_deadline_of_its_own() {
    let (c, allowed) = connections();
    let r = c.register(0, allowed);
    r.clock.shakes_hands();
    r.clock.bytes_read();
    sweeps(&c, 20);
    assert_eq!(order(&r), RUN);
    r.clock.is_ready();
    r.clock.bytes_read();
    sweeps(&c, 5);
    assert_eq!(order(&r), END, "and after it comes a head");
}

#[test]
fn whoever_is_waited_for_decides() {
    let (c, allowed) = connections();
    let (idle, ours, clients) = (c.register(0, allowed), c.register(0, allowed), c.register(0, allowed));
    let _ours = Turn::begin(&ours.clock);
    let mut turn = Turn::begin(&clients.clock);
    turn.is_clients();
    sweeps(&c, 8);
    clients.clock.bytes_written();
    sweeps(&c, 8);
    assert_eq!([&idle, &ours, &clients].map(order), [END, RUN, RUN], "first closed, then ended");
    sweeps(&c, 1);
    assert_eq!([&ours, &clients].map(order), [RUN, END], "the upstream's time is not the client's");
}

#[test]
fn pings_keep_no_connection() {
    let (c, allowed) = connections();
    let r = c.register(0, allowed);
    r.clock.speaks_http2();
    drop(Turn::begin(&r.clock));
    for _ in 0..9 {
        c.sweep();
        r.clock.bytes_read();
        r.clock.bytes_written();
    }
    assert_eq!(order(&r), DRAIN, "first the peer is told");
    sweeps(&c, 9);
    assert_eq!(order(&r), END);
}

#[test]
fn nobody_waits_long_for_a_silent_client_at_the_end() {
    let (c, allowed) = connections();
    let (silent, begun) = (c.register(1, allowed), c.register(2, allowed));
    begun.clock.bytes_read();
    c.drain_listener(1);
    assert_eq!([&silent, &begun].map(order), [DRAIN, RUN]);
    c.drain();
    sweeps(&c, 4);
    assert_eq!([&silent, &begun].map(order), [DRAIN, DRAIN], "what it has sent may be on its way");
    sweeps(&c, 1);
    assert_eq!([&silent, &begun].map(order), [CLOSE, END], "a head has its own time");
    sweeps(&c, 5);
    assert_eq!(order(&silent), END);
}

#[test]
fn the_last_bytes_of_an_answer_are_part_of_it() {
    let (c, allowed) = connections();
    let r = c.register(0, allowed);
    drop(Turn::begin(&r.clock));
    r.clock.set_flushed(false);
    c.drain();
    for _ in 0..9 {
        sweeps(&c, 4);
        r.clock.bytes_written();
    }
    assert_eq!(order(&r), DRAIN, "they are still taken");
    r.clock.set_flushed(true);
    sweeps(&c, 5);
    assert_eq!(order(&r), CLOSE);
}

#[test]
fn whoever_takes_an_answer_too_slowly_is_cut_off() {
    let c = Arc::<Connections>::default();
    let allowed = Allowed { head: Duration::from_secs(9), idle: Duration::from_secs(60) };
    let [slow, fast, free] = std::array::from_fn(|n| c.register(n as u16, allowed));
    let mut turns = [&slow, &fast, &free].map(|r| Turn::begin(&r.clock));
    turns[..2].iter_mut().for_each(|turn| turn.is_measured(1_000));
    for _ in 0..21 {
        turns[0].handed(100);
        turns[1].handed(250);
        turns[2].handed(1);
        assert_eq!(order(&slow), RUN);
        c.sweep();
    }
    assert_eq!([&slow, &fast, &free].map(order), [END, RUN, RUN]);
    assert_eq!([&slow, &fast].map(|r| r.clock.malformed()), [Some("slow_reader"), None]);
}

#[test]
fn an_upload_that_outlives_its_answer_keeps_the_connection_at_work() {
    let c = Arc::<Connections>::default();
    let allowed = Allowed { head: Duration::from_secs(1), idle: Duration::from_secs(4) };
    let r = c.register(0, allowed);
    let (turn, upload) = (Turn::begin(&r.clock), Upload::begin(&r.clock));
    drop(turn);
    r.clock.set_quiet(true);
    for _ in 0..9 {
        sweeps(&c, 2);
        r.clock.bytes_read();
        assert!(!r.clock.is_in_head(), "what comes is its body");
    }
    assert!(!r.clock.is_resting() && order(&r) == RUN);
    sweeps(&c, 16);
    assert_eq!(order(&r), RUN);
    sweeps(&c, 1);
    assert_eq!(order(&r), END, "a client that stands still has the time of one");
    let again = c.register(0, allowed);
    again.clock.set_quiet(true);
    drop((upload, Upload::begin(&again.clock)));
    sweeps(&c, 9);
    assert!(again.clock.is_resting(), "after it comes the pause between requests");
}

#[test]
fn places_are_used_again() {
    let (c, allowed) = connections();
    drop(c.register(0, allowed));
    let _kept = c.register(0, allowed);
    assert_eq!((c.len(), c.open.lock().all.len()), (1, 1));
    c.drain();
    assert!(c.register(0, allowed).clock.is_draining(), "late comers are drained too");
}

#[test]
fn what_waits_between_two_requests_is_sent_to_rest() {
    let c = Arc::<Connections>::default();
    let allowed = Allowed { head: Duration::from_secs(9), idle: Duration::from_secs(60) };
    let [quiet, busy, in_head, unread, multiplexed] = std::array::from_fn(|n| c.register(n as u16, allowed));
    [&quiet, &busy, &in_head, &multiplexed].iter().for_each(|r| r.clock.set_quiet(true));
    let _turn = Turn::begin(&busy.clock);
    multiplexed.clock.speaks_http2();
    sweeps(&c, 8);
    in_head.clock.bytes_read();
    assert!(!quiet.clock.is_resting(), "not at once");
    sweeps(&c, 1);
    assert!(quiet.clock.is_resting());
    sweeps(&c, 9);
    assert!([&busy, &in_head, &unread, &multiplexed].iter().all(|r| !r.clock.is_resting()));
    quiet.clock.wakes();
    quiet.clock.bytes_read();
    sweeps(&c, 9);
    assert!(!quiet.clock.is_resting(), "a head has begun");
}
