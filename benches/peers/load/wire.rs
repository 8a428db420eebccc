//! A connection's bytes, in the clear or over TLS. Nothing here waits.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use socket2::{Domain, Socket, Type};

use super::ANSWER_MAX;
use crate::failure::Failure;

/// A connection's bytes.
pub struct Wire {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// A connection in the clear, from an address of ours.
    pub fn plain(to: SocketAddr, from: Ipv4Addr) -> Result<Self, Failure> {
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            if from != Ipv4Addr::LOCALHOST {
                socket.bind(&SocketAddr::from((from, 0)).into())?;
            }
            socket.connect_timeout(&to.into(), ANSWER_MAX)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(Wire { stream: socket.into(), tls: None })
        };
        open().map_err(Failure::io("a connection of the load"))
    }

    /// A connection over TLS. Shaking hands begins with the first bytes that are written.
    pub fn tls(to: SocketAddr, from: Ipv4Addr, config: &Arc<ClientConfig>) -> Result<Self, Failure> {
        let mut wire = Wire::plain(to, from)?;
        let name = ServerName::try_from("localhost").map_err(|_| rustls::Error::General("a name".into()))?;
        wire.tls = Some(Box::new(ClientConnection::new(Arc::clone(config), name)?));
        Ok(wire)
    }

    /// Its socket.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// A socket of its own for the same connection.
    pub fn into_socket(self) -> Result<TcpStream, Failure> {
        self.stream.try_clone().map_err(Failure::io("a connection of the load"))
    }

    /// Sends all of it. What goes out here fits the buffer of the socket, unless the proxy does not read at all.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.tls {
            None => send_all(&mut self.stream, bytes),
            Some(tls) => {
                tls.writer().write_all(bytes).map_err(Failure::io("encrypting a request"))?;
                send_tls(&mut self.stream, tls)
            }
        }
    }

    /// Takes what has come; none where nothing has.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        let taken = match &mut self.tls {
            None => self.stream.read(buffer),
            Some(tls) => tls.read_tls(&mut self.stream),
        };
        let count = match taken {
            Ok(0) => return Err(Failure::Closed),
            Ok(count) => count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(None),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Err(Failure::Closed),
            Err(source) => return Err(Failure::Io { what: "receiving an answer", source }),
        };
        let Some(tls) = &mut self.tls else { return Ok(Some(count)) };
        tls.process_new_packets()?;
        if tls.wants_write() {
            send_tls(&mut self.stream, tls)?;
        }
        // All of it: the kernel does not tell of bytes that it no longer has.
        let mut filled = 0;
        while filled < buffer.len() {
            match tls.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Err(Failure::Closed),
                Ok(count) => filled += count,
                Err(_) => break,
            }
        }
        Ok((filled > 0).then_some(filled))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = send_tls(&mut self.stream, tls);
        }
    }
}

fn send_all(stream: &mut TcpStream, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => std::thread::yield_now(),
            Err(source) => return Err(Failure::Io { what: "sending a request", source }),
        }
    }
    Ok(())
}

fn send_tls(stream: &mut TcpStream, tls: &mut ClientConnection) -> Result<(), Failure> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => std::thread::yield_now(),
            Err(source) => return Err(Failure::Io { what: "sending a request", source }),
        }
    }
    Ok(())
}

/// TLS as the load speaks it to every proxy: 1.3 with one cipher suite and one group, so that all do the same work, and
/// never resumed. The certificate is our own and not looked at.
pub fn tls_client(http2: bool) -> Result<Arc<ClientConfig>, Failure> {
    let mut provider = default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(config))
}

/// Takes any certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
