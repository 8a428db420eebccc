//! Origins that misbehave on the wire.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::message::{Framing, Head, Reader};
use super::wait::LIMIT;

/// An origin that does with each connection what it is told. It ends with the test program.
pub struct BadOrigin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// A connection to a misbehaving origin.
pub struct Exchange {
    reader: Reader<TcpStream>,
}

impl Exchange {
    /// Reads one request's head; `None` at the end of the connection.
    pub fn head(&mut self) -> Option<Head> {
        self.reader.head().ok().flatten()
    }

    /// Reads one request whole; `None` at the end of the connection.
    pub fn request(&mut self) -> Option<Head> {
        let head = self.head()?;
        let _ = self.reader.body(Framing::of_request(&head.fields));
        Some(head)
    }

    /// The bytes themselves, as they come.
    pub fn reader(&mut self) -> &mut Reader<TcpStream> {
        &mut self.reader
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.reader.source().write_all(bytes.as_ref());
    }

    /// Ends the sending direction.
    pub fn half_close(&mut self) {
        let _ = self.reader.source().shutdown(Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub fn reset(mut self) {
        let _ = socket2::SockRef::from(&*self.reader.source()).set_linger(Some(Duration::ZERO));
    }

    /// Waits until the other side ends the connection.
    pub fn drain(&mut self) {
        while let Ok(Some(_)) = self.reader.head() {}
    }
}

impl BadOrigin {
    /// Runs `script` on every connection, each in a thread of its own.
    pub fn start(script: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (script, count) = (Arc::new(script), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                let script = Arc::clone(&script);
                let _ = stream.set_read_timeout(Some(LIMIT));
                let _ = stream.set_nodelay(true);
                std::thread::spawn(move || script(Exchange { reader: Reader::new(stream) }));
            }
        });
        BadOrigin { address, connections }
    }

    /// Reads a request, sends `bytes` and closes.
    pub fn replies(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        BadOrigin::start(move |mut exchange| {
            if exchange.request().is_some() {
                exchange.send(&bytes);
                exchange.half_close();
            }
        })
    }

    /// Reads a request, sends `bytes` and resets the connection.
    pub fn replies_and_resets(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        BadOrigin::start(move |mut exchange| {
            if exchange.request().is_some() {
                exchange.send(&bytes);
                exchange.reset();
            }
        })
    }

    /// Reads a request and never answers.
    pub fn silent() -> Self {
        BadOrigin::start(|mut exchange| {
            exchange.request();
            exchange.drain();
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were ever opened to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// An address on which nobody listens.
pub fn nobody() -> String {
    format!("http://127.0.0.1:{}", super::ports::free())
}
