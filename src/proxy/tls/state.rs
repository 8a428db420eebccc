//! A listener's TLS in force.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;

use super::client::Verifier;
use super::files::{TlsError, certified_key, not_after};
use super::names::ByName;
use crate::config::{ClientCertificates, ListenerTls, TlsCertificate};

/// A listener's TLS settings in force, with what its files held when they were read.
#[derive(Debug)]
pub struct TlsState {
    settings: ListenerTls,
    shown: Vec<Arc<CertifiedKey>>,
    clients: Verifier,
    config: Arc<ServerConfig>,
}

impl TlsState {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(settings: &ListenerTls) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let shown = settings.certificates.iter().map(|files| certified_key(files, &provider));
        let shown = shown.collect::<Result<Vec<_>, _>>()?;
        let clients = match &settings.clients {
            ClientCertificates::NotAsked => Verifier::none(),
            ClientCertificates::Optional(from) => Verifier::load(from, false, &provider)?,
            ClientCertificates::Required(from) => Verifier::load(from, true, &provider)?,
        };
        let versions: &[&rustls::SupportedProtocolVersion] =
            if settings.allow_tls12 { rustls::ALL_VERSIONS } else { &[&rustls::version::TLS13] };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::Settings)?
            .with_client_cert_verifier(Arc::clone(&clients.verifier))
            .with_cert_resolver(Arc::new(ByName::new(shown.clone())));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Sessions are kept by the clients, in tickets under a key that changes every six hours: nothing is stored, and
        // nothing is shared by the workers but the key. It belongs to this listener and to these certificates, so that
        // a session is resumed only where it would have been made.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if settings.clients == ClientCertificates::NotAsked {
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(TlsError::Settings)?;
        } else {
            // A resumed session would bring back the client's certificate without looking at it again, whatever became
            // of it or of its authority since.
            config.send_tls13_tickets = 0;
        }
        Ok(TlsState { settings: settings.clone(), shown, clients, config: Arc::new(config) })
    }

    /// Whether `other` shows the same certificates in the same way, so that sessions may be resumed across the two.
    pub fn is_same(&self, other: &Self) -> bool {
        let chains = |state: &Self| state.shown.iter().map(|c| c.cert.clone()).collect::<Vec<_>>();
        self.settings == other.settings && self.clients.digest == other.clients.digest && chains(self) == chains(other)
    }

    /// What it was made from.
    pub fn settings(&self) -> &ListenerTls {
        &self.settings
    }

    /// The settings for a new connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Its files of revocation lists, each with the moment from which nobody is let in by it.
    pub fn revocation_lists(&self) -> &[(PathBuf, Timestamp)] {
        &self.clients.crls_end
    }

    /// Its certificates, each with the moment it ends.
    pub fn ends(&self) -> impl Iterator<Item = (&TlsCertificate, Timestamp)> {
        self.settings.certificates.iter().zip(&self.shown).map(|(files, shown)| {
            let ends = shown.cert.first().map_or(Timestamp::MAX, not_after);
            (files, ends)
        })
    }
}
