//! `[tls.NAME]`: certificates, what goes with them, and which of them may stand on one listener.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use super::{Context, certificate, revocation};
use crate::config::problem::Code;
use crate::config::tree::path;
use crate::config::value::OneOrMany;
use crate::config::written::{ClientAuthText, TlsText, TlsVersion, Written};
use crate::config::{ClientAuthorities, ClientCertificates, ListenerTls, TlsCertificate};

/// Most files of revocation lists of one table.
const CRLS_MAX: usize = 64;
/// Most certificates of one listener: each is read with every reload, and held.
const CERTIFICATES_MAX: usize = 1_000;

/// A `[tls.NAME]` table whose files can be used.
pub(super) struct TlsTable {
    certificate: TlsCertificate,
    allow_tls12: bool,
    clients: ClientCertificates,
    forward_client_cert: bool,
}

impl Context<'_> {
    /// Every `[tls.NAME]` whose files can be used.
    pub(super) fn tls_tables(&mut self, written: &Written) -> BTreeMap<String, TlsTable> {
        let mut out = BTreeMap::new();
        for (name, text) in written.tls.iter().flatten() {
            if let Some(tls) = self.tls_table(name, text) {
                out.insert(name.clone(), tls);
            }
        }
        out
    }

    fn tls_table(&mut self, name: &str, text: &TlsText) -> Option<TlsTable> {
        let named = self.name("tls", name);
        for (field, given) in [("certificate", &text.certificate), ("key_file", &text.key_file)] {
            if given.is_none() {
                self.gap(Code::Missing, &["tls", name, field], format!("tls \"{name}\" has no `{field}`"));
            }
        }
        let certificate = text.certificate.as_ref().map(|t| self.watched_file(&["tls", name, "certificate"], t));
        let key_file = text.key_file.as_ref().map(|t| self.watched_file(&["tls", name, "key_file"], t));
        self.check_certificate(&["tls", name], certificate.as_deref(), key_file.as_deref());
        let clients = self.client_certificates(name, text);
        Some(TlsTable {
            certificate: TlsCertificate { name: named?, certificate: certificate?, key_file: key_file? },
            allow_tls12: text.min_version.unwrap_or(TlsVersion::Tls12) == TlsVersion::Tls12,
            clients: clients?,
            forward_client_cert: text.forward_client_cert.unwrap_or(false),
        })
    }

    /// Checks the files of the fields `certificate` and `key_file` of a table.
    pub(super) fn check_certificate(&mut self, table: &[&str], certificate: Option<&Path>, key: Option<&Path>) {
        let at = |field: &'static str| table.iter().copied().chain([field]).collect::<Vec<_>>();
        let mut tell = |error: certificate::CertificateError| {
            let (code, field) = match error {
                certificate::CertificateError::Certificate { .. } => (Code::Certificate, "certificate"),
                certificate::CertificateError::Key { .. } => (Code::PrivateKey, "key_file"),
                certificate::CertificateError::Mismatch => (Code::KeyMismatch, "key_file"),
            };
            self.error(code, &at(field), error.to_string());
        };
        let chain = certificate.map(certificate::read_chain).transpose().map_err(&mut tell).ok().flatten();
        let private = key.map(certificate::read_key).transpose().map_err(&mut tell).ok().flatten();
        if let (Some(chain), Some(private)) = (&chain, private)
            && let Err(error) = certificate::check_pair(chain, private)
        {
            tell(error);
        }
        if let Some(key) = key {
            crate::config::secrets::warn_if_readable(key, path(&at("key_file")), self.problems);
        }
        if let Some(text) = chain.as_deref().and_then(certificate::outside_its_time) {
            self.warning(Code::CertificateTime, &at("certificate"), text);
        }
    }

    /// Whether clients show certificates, and whose are good. A table that says one without the other is refused.
    fn client_certificates(&mut self, name: &str, text: &TlsText) -> Option<ClientCertificates> {
        let asked = text.client_auth.unwrap_or(ClientAuthText::None);
        let field = ["tls", name, "client_ca"];
        let authorities: Option<PathBuf> = text.client_ca.as_ref().map(|t| self.watched_file(&field, t));
        let read = authorities.as_deref().map(certificate::read_chain).transpose();
        let read = read.map_err(|error| self.error(Code::Certificate, &field, error.to_string())).ok().flatten();
        let crls = self.revocation_lists(name, text, &read.unwrap_or_default());
        if asked == ClientAuthText::None && text.forward_client_cert == Some(true) {
            self.error(
                Code::Value,
                &["tls", name, "forward_client_cert"],
                "`forward_client_cert` needs clients that are asked for certificates",
            )
            .help("client_auth = \"optional\" or \"required\"");
        }
        match (asked, authorities) {
            (ClientAuthText::None, None) => Some(ClientCertificates::NotAsked),
            (ClientAuthText::Optional, Some(ca)) => Some(ClientCertificates::Optional(ClientAuthorities { ca, crls })),
            (ClientAuthText::Required, Some(ca)) => Some(ClientCertificates::Required(ClientAuthorities { ca, crls })),
            (ClientAuthText::None, Some(_)) => {
                self.error(
                    Code::Value,
                    &field,
                    "`client_ca` is of no use where clients are not asked for certificates",
                )
                .help("client_auth = \"required\", or \"optional\"");
                None
            }
            (ClientAuthText::Optional | ClientAuthText::Required, None) => {
                let message = format!("tls \"{name}\" asks for client certificates and does not say whose are good");
                self.gap(Code::Missing, &field, message).help("client_ca = \"clients.pem\"");
                None
            }
        }
    }

    /// The files of revocation lists: each holds some, and is of use.
    fn revocation_lists(
        &mut self,
        name: &str,
        text: &TlsText,
        authorities: &[CertificateDer<'static>],
    ) -> Vec<PathBuf> {
        let field = ["tls", name, "client_crl"];
        let Some(OneOrMany(written)) = &text.client_crl else { return Vec::new() };
        if text.client_auth.unwrap_or(ClientAuthText::None) == ClientAuthText::None {
            self.error(Code::Value, &field, "`client_crl` is of no use where clients are not asked for certificates")
                .help("client_auth = \"required\", or \"optional\"");
        } else if written.is_empty() || written.len() > CRLS_MAX {
            self.error(Code::Value, &field, "`client_crl` names no file, or too many")
                .label(format!("expected 1 to {CRLS_MAX} files"));
        }
        let mut files = Vec::new();
        for (n, written) in written.iter().take(CRLS_MAX).enumerate() {
            let item = self.item(&field, n);
            let file = self.file_path(&field, written);
            self.watched.push(file.clone());
            match revocation::read(&file, authorities) {
                Err(why) => {
                    let message = format!("revocation list {} cannot be used: {why}", file.display());
                    self.error(Code::RevocationList, &item, message)
                        .help("name a PEM file with `BEGIN X509 CRL`, as `openssl ca -gencrl` makes it");
                }
                Ok(lists) => {
                    if let Some(ended) = revocation::ended(&lists) {
                        let message = format!("a revocation list in {} ended on {ended}", file.display());
                        let at = self.at(&item);
                        self.problems
                            .warning(Code::RevocationTime, item, message)
                            .at(at)
                            .label("until a newer one is there, clients of its authority are refused");
                    }
                }
            }
            files.push(file);
        }
        files
    }

    /// The tables a listener names, as one. What cannot differ between certificates of one listener, as it is settled
    /// before the client says which of them it wants, must be the same in all.
    pub(super) fn listener_tls(
        &mut self,
        listener: &str,
        wanted: &[String],
        tables: &BTreeMap<String, TlsTable>,
    ) -> Option<ListenerTls> {
        let field = ["listeners", listener, "tls"];
        if wanted.is_empty() || wanted.len() > CERTIFICATES_MAX {
            self.error(Code::Value, &field, "`tls` names no certificate, or too many")
                .label(format!("expected 1 to {CERTIFICATES_MAX} names"));
            return None;
        }
        let mut whole: Option<ListenerTls> = None;
        for (n, name) in wanted.iter().enumerate() {
            let item = self.item(&field, n);
            if !self.has(&["tls", name]) {
                let defined = self.in_order("tls");
                self.undefined(Code::TlsUnknown, item, "tls", name, defined.iter().map(String::as_str));
                continue;
            }
            if wanted[..n].contains(name) {
                self.error(Code::Value, &item, format!("tls \"{name}\" is named twice")).label("remove this");
                continue;
            }
            let Some(table) = tables.get(name) else { continue };
            match &mut whole {
                None => {
                    whole = Some(ListenerTls {
                        certificates: vec![table.certificate.clone()],
                        allow_tls12: table.allow_tls12,
                        clients: table.clients.clone(),
                        forward_client_cert: table.forward_client_cert,
                    });
                }
                Some(whole) => {
                    let first = &whole.certificates[0].name;
                    if let Some(differs) = difference(whole, table) {
                        let message = format!("tls \"{first}\" and \"{name}\" of one listener differ in `{differs}`");
                        self.error(Code::Value, &item, message)
                            .label("it is settled before the client says whose certificate it wants")
                            .help(format!("write the same `{differs}` in both, or give them listeners of their own"));
                    }
                    whole.certificates.push(table.certificate.clone());
                }
            }
        }
        whole
    }
}

/// The first setting that differs although it cannot.
fn difference(whole: &ListenerTls, table: &TlsTable) -> Option<&'static str> {
    let kind = std::mem::discriminant::<ClientCertificates>;
    let ca = |clients: &ClientCertificates| clients.authorities().map(|a| a.ca.clone());
    if whole.allow_tls12 != table.allow_tls12 {
        Some("min_version")
    } else if kind(&whole.clients) != kind(&table.clients) {
        Some("client_auth")
    } else if ca(&whole.clients) != ca(&table.clients) {
        Some("client_ca")
    } else if whole.clients != table.clients {
        Some("client_crl")
    } else if whole.forward_client_cert != table.forward_client_cert {
        Some("forward_client_cert")
    } else {
        None
    }
}
