//! A name server that knows one answer, which may change.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// The smallest time to live: names are asked again after a second.
const TTL_SECONDS: u32 = 1;

/// A running name server; it ends with the test program.
pub struct Dns {
    address: SocketAddr,
    answer: Arc<Mutex<Option<Vec<Ipv4Addr>>>>,
}

impl Dns {
    /// Starts one that answers every question for IPv4 addresses with these.
    pub fn start(answer: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port of loopback");
        let address = socket.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Some(answer.to_vec())));
        let told = Arc::clone(&answer);
        std::thread::spawn(move || {
            let mut query = [0; 1_500];
            while let Ok((n, from)) = socket.recv_from(&mut query) {
                let reply = told.lock().unwrap().as_ref().and_then(|answer| reply(&query[..n], answer));
                if let Some(reply) = reply {
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        Dns { address, answer }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with these from now on.
    pub fn answer(&self, answer: &[Ipv4Addr]) {
        *self.answer.lock().unwrap() = Some(answer.to_vec());
    }

    /// Answers nothing from now on.
    pub fn fall_silent(&self) {
        *self.answer.lock().unwrap() = None;
    }
}

/// RFC 1035 section 4: the question as it came, and an answer for each address.
fn reply(query: &[u8], answer: &[Ipv4Addr]) -> Option<Vec<u8>> {
    let name = 12 + query.get(12..)?.iter().position(|b| *b == 0)? + 1;
    let question = query.get(12..name + 4)?;
    let is_a = question[question.len() - 4..] == [0, 1, 0, 1];
    let answer = if is_a { answer } else { &[] };
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::try_from(answer.len()).ok()?, 0, 0, 0, 0]);
    reply.extend(question);
    for address in answer {
        reply.extend([0xc0, 12, 0, 1, 0, 1]);
        reply.extend(TTL_SECONDS.to_be_bytes());
        reply.extend([0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}
